package databases_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/databases"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
)

const content = `{"engine":"postgres","host":"db.internal","port":5432,"username":"app","password":"S3cr3t-Pa55","dbname":"school_live"}`

// world is the secrets of one test: they bear tags of its own, as all tests share one Secrets Manager.
type world struct {
	id             string
	cfg            aws.Config
	client         *secretsmanager.Client
	registry       *databases.Registry // without a cache
	tagName, tagOf string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{id: backup.NewID(), cfg: testenv.AWS(t)}
	w.client = secretsmanager.NewFromConfig(w.cfg)
	w.registry = databases.New(w.client, databases.Options{CacheFor: -1})
	w.tagName, w.tagOf = w.registry.TagFor(w.id)
	return w
}

// register makes a secret and returns its ARN. A tag of "" is left off.
func (w *world) register(t *testing.T, secret, database, engine, content string) string {
	t.Helper()
	var tags []types.Tag
	if database != "" {
		tags = append(tags, types.Tag{Key: &w.tagName, Value: &database})
	}
	if engine != "" {
		tags = append(tags, types.Tag{Key: &w.tagOf, Value: &engine})
	}
	out, err := w.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(w.id + "/" + secret), SecretString: &content, Tags: tags})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.remove(t, *out.ARN) })
	return *out.ARN
}

func (w *world) remove(t *testing.T, arn string) {
	_, err := w.client.DeleteSecret(context.Background(), &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)})
	if err != nil {
		t.Logf("delete %s: %v", arn, err)
	}
}

func wantBadSecret(t *testing.T, err error, texts ...string) {
	t.Helper()
	var e *backup.Error
	if !errors.As(err, &e) || e.Code != backup.CodeBadSecret || e.Hint == "" {
		t.Fatalf("error = %v (%T), want an *Error with CodeBadSecret and a hint", err, err)
	}
	for _, text := range texts {
		if !strings.Contains(e.Text, text) {
			t.Errorf("%q does not say %q", e.Text, text)
		}
	}
	for _, secret := range []string{"S3cr3t-Pa55", "db.internal"} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, e, e.Cause), secret) {
			t.Errorf("the error tells what the secret holds: %v", err)
		}
	}
}

func TestRegistry_ListIsTheTaggedSecretsByName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(t, "z", "school", "", content)
	w.register(t, "a", "library", "mysql", content)
	w.register(t, "m", "accounts", "aurora-postgresql", content)
	w.register(t, "untagged", "", "", content)
	w.tagName += "-of-another-kind" // begins with the tag, and is none
	w.register(t, "other", "other", "", content)

	list, err := w.registry.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Name+" "+string(d.Engine))
	}
	if want := []string{"accounts postgres", "library mysql", "school postgres"}; !slices.Equal(got, want) {
		t.Errorf("List = %v, want %v", got, want)
	}
}

func TestRegistry_ListGoesOverAllPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 103 { // a page holds 100
		w.register(t, fmt.Sprint(n), fmt.Sprintf("db-%03d", n), "", content)
	}
	list, err := w.registry.List(t.Context())
	if err != nil || len(list) != 103 || list[102].Name != "db-102" {
		t.Errorf("List = %d databases, %v, want 103", len(list), err)
	}
}

func TestRegistry_GetFindsByNameAndNothingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	arn := w.register(t, "s", "school", "", content)
	if d, err := w.registry.Get(t.Context(), "school"); err != nil || d != (backup.Database{Name: "school", Engine: backup.Postgres, Secret: arn}) {
		t.Errorf("Get = %+v, %v", d, err)
	}
	for _, name := range []string{"", "scho", "school2", "SCHOOL", "../school", w.id + "/s"} {
		if _, err := w.registry.Get(t.Context(), name); !errors.Is(err, backup.ErrNotFound) {
			t.Errorf("Get(%q): %v, want ErrNotFound", name, err)
		}
		if _, err := w.registry.Target(t.Context(), name); !errors.Is(err, backup.ErrNotFound) {
			t.Errorf("Target(%q): %v, want ErrNotFound", name, err)
		}
	}
}

func TestRegistry_TagsThatMakeNoSenseAreAnErrorOfThatDatabaseOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		database string
		register func(*testing.T, *world)
		texts    []string
	}{
		{"two secrets of one name", "school", func(t *testing.T, w *world) {
			w.register(t, "one", "school", "", content)
			w.register(t, "two", "school", "", content)
		}, []string{"/one", "/two", `"school"`}},
		{"no database's name", "School Nord", func(t *testing.T, w *world) {
			w.register(t, "one", "School Nord", "", content)
		}, []string{"/one", `"School Nord"`}},
		{"unknown engine", "school", func(t *testing.T, w *world) {
			w.register(t, "one", "school", "oracle", content)
		}, []string{"/one", `"oracle"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c.register(t, w)
			w.register(t, "good", "accounts", "", content)
			list, err := w.registry.List(t.Context())
			wantBadSecret(t, err, c.texts...)
			var bad *backup.UnusableError
			if !errors.As(err, &bad) || len(bad.Databases) != 1 || bad.Databases[0].Name != c.database {
				t.Errorf("error %#v, want an *UnusableError about %s", err, c.database)
			}
			if len(list) != 1 || list[0].Name != "accounts" {
				t.Errorf("List = %v, want the others", list)
			}
			_, err = w.registry.Get(t.Context(), c.database)
			wantBadSecret(t, err, c.texts...)
			_, err = w.registry.Target(t.Context(), c.database)
			wantBadSecret(t, err, c.texts...)
			if _, err := w.registry.Target(t.Context(), "accounts"); err != nil {
				t.Errorf("Target of the other: %v", err)
			}
		})
	}
}

func TestRegistry_TargetIsWhatTheSecretHoldsNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := databases.New(w.client, databases.Options{CacheFor: time.Hour})
	w.tagName, w.tagOf = r.TagFor(w.id)
	arn := w.register(t, "s", "school", "", content)
	target, err := r.Target(t.Context(), "school")
	if err != nil || target.Name != "school" || target.Credentials.DBName != "school_live" || target.Credentials.Password.Reveal() != "S3cr3t-Pa55" {
		t.Fatalf("Target = %+v, %v", target, err)
	}
	rotated := strings.Replace(content, "S3cr3t-Pa55", "rotated", 1)
	if _, err := w.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: &rotated}); err != nil {
		t.Fatal(err)
	}
	if target, err := r.Target(t.Context(), "school"); err != nil || target.Credentials.Password.Reveal() != "rotated" {
		t.Errorf("Target has the old password, %v", err)
	}
}

func TestRegistry_SecretThatCannotBeUsedSaysWhyAndNotWhatItHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, engine, content, text string }{
		{"not JSON", "", `host=db.internal password=S3cr3t-Pa55`, "not a JSON object"},
		{"wrong type", "", `{"engine":"postgres","host":"db.internal","password":{"x":"S3cr3t-Pa55"}}`, "not a JSON object"},
		{"no dbname", "", strings.Replace(content, `"dbname":"school_live"`, `"x":1`, 1), "dbname is missing"},
		{"bad port", "", strings.Replace(content, "5432", `"S3cr3t-Pa55"`, 1), "port is not a number"},
		{"engine of the tag differs", "mysql", content, "its engine is not mysql"},
		{"engine of the secret differs", "", strings.Replace(content, `"postgres"`, `"mariadb"`, 1), "its engine is not postgres"},
		{"engine unknown", "", strings.Replace(content, `"postgres"`, `"S3cr3t-Pa55"`, 1), "its engine is not postgres"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.register(t, "s", "school", c.engine, c.content)
			_, err := w.registry.Target(t.Context(), "school")
			wantBadSecret(t, err, "school", c.text)
		})
	}
}

func TestRegistry_SecretWithoutTextIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out, err := w.client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(w.id + "/binary"),
		SecretBinary: []byte(content), Tags: []types.Tag{{Key: &w.tagName, Value: aws.String("school")}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.remove(t, *out.ARN) })
	_, err = w.registry.Target(t.Context(), "school")
	wantBadSecret(t, err, "binary data")
}

func TestRegistry_SecretDeletedSinceItWasListedSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := databases.New(w.client, databases.Options{CacheFor: time.Hour})
	w.tagName, w.tagOf = r.TagFor(w.id)
	arn := w.register(t, "s", "school", "", content)
	if _, err := r.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn, RecoveryWindowInDays: aws.Int64(7)}); err != nil {
		t.Fatal(err)
	}
	_, err := r.Target(t.Context(), "school")
	wantBadSecret(t, err, "deleted")
	// A secret that is marked for deletion registers nothing.
	if list, err := w.registry.List(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v, want none", list, err)
	}
}

func TestRegistry_DatabaseRegisteredSinceTheListWasReadIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := databases.New(w.client, databases.Options{CacheFor: time.Hour})
	w.tagName, w.tagOf = r.TagFor(w.id)
	if list, err := r.List(t.Context()); err != nil || len(list) != 0 {
		t.Fatalf("List = %v, %v", list, err)
	}
	w.register(t, "s", "school", "", content)
	// At once by Target, which a worker asks for a job that somebody else has accepted.
	if target, err := r.Target(t.Context(), "school"); err != nil || target.Name != "school" {
		t.Errorf("Target = %+v, %v", target, err)
	}
	w.register(t, "t", "second", "", content)
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		d, err := r.Get(t.Context(), "second")
		if err == nil && d.Name == "second" {
			break
		}
		if !errors.Is(err, backup.ErrNotFound) || time.Now().After(end) {
			t.Fatalf("Get = %+v, %v", d, err)
		}
	}
}

func TestRegistry_ListIsKeptForAWhileByThisInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := faultyconn.New(t, aws.ToString(w.cfg.BaseEndpoint))
	client := secretsmanager.NewFromConfig(w.cfg, func(o *secretsmanager.Options) { o.BaseEndpoint = &proxy.URL })
	r := databases.New(client, databases.Options{})
	w.tagName, w.tagOf = r.TagFor(w.id)
	w.register(t, "s", "school", "", content)
	for range 5 {
		if list, err := r.List(t.Context()); err != nil || len(list) != 1 {
			t.Fatalf("List = %v, %v", list, err)
		}
	}
	if n := len(proxy.Calls()); n != 1 {
		t.Errorf("%d calls for 5 lists, want 1", n)
	}
	if _, err := r.Target(t.Context(), "school"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Target(t.Context(), "school"); err != nil {
		t.Fatal(err)
	}
	if n := len(proxy.Calls()); n != 3 {
		t.Errorf("%d calls after 2 targets, want 3", n)
	}
}

func TestRegistry_CallerCannotChangeTheKeptList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := databases.New(w.client, databases.Options{})
	w.tagName, w.tagOf = r.TagFor(w.id)
	w.register(t, "s", "school", "", content)
	list, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	list[0].Name = "changed"
	if again, err := r.List(t.Context()); err != nil || again[0].Name != "school" {
		t.Errorf("List = %v, %v", again, err)
	}
}

func TestRegistry_OutageIsSaidAndNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxy := faultyconn.New(t, aws.ToString(w.cfg.BaseEndpoint))
	client := secretsmanager.NewFromConfig(w.cfg, func(o *secretsmanager.Options) {
		o.BaseEndpoint = &proxy.URL
		o.Retryer = aws.NopRetryer{}
	})
	r := databases.New(client, databases.Options{})
	w.tagName, w.tagOf = r.TagFor(w.id)
	w.register(t, "s", "school", "", content)
	proxy.First(1, faultyconn.Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException"}, faultyconn.All)
	_, err := r.List(t.Context())
	var e *backup.Error
	if !errors.As(err, &e) || e.Code != backup.CodeNoRegistry || !strings.Contains(e.Text, "can't be read") {
		t.Errorf("error %v, want CodeNoRegistry", err)
	}
	if _, err := r.Get(t.Context(), "school"); err != nil {
		t.Errorf("Get after an outage: %v", err)
	}
	proxy.First(1, faultyconn.Fault{DropCall: true}, faultyconn.All)
	_, err = r.Target(t.Context(), "school")
	wantBadSecret(t, err, "can't be read")
}
