package cronkey_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/oklog/ulid/v2"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/cronkey"
	"github.com/backup-restore/backup-restore/shared/internal/memory"
	"github.com/backup-restore/backup-restore/shared/internal/testenv"
)

var ada = backup.Actor{Kind: backup.ByOperator, Subject: "1", Name: "Ada"}

// secret is a secret without a value, in one of the two worlds.
type secret struct {
	client cronkey.Secrets
	id     string
}

// eachWorld runs a test in memory, and against Secrets Manager where there is one.
func eachWorld(t *testing.T, test func(t *testing.T, s secret)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		test(t, secret{memory.NewSecrets("cron-key"), "cron-key"})
	})
	t.Run("Secrets Manager", func(t *testing.T) {
		t.Parallel()
		client := secretsmanager.NewFromConfig(testenv.AWS(t))
		out, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("cron-key-" + ulid.Make().String())})
		if err != nil {
			t.Fatal(err)
		}
		test(t, secret{client, *out.ARN})
	})
}

// meeting lets nobody go on from the first read before all have read, so that what follows is a race for certain.
type meeting struct {
	cronkey.Secrets
	all  *sync.WaitGroup
	once sync.Once
}

func (m *meeting) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, o ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	out, err := m.Secrets.GetSecretValue(ctx, in, o...)
	m.once.Do(func() {
		m.all.Done()
		m.all.Wait()
	})
	return out, err
}

// race runs do n times at once, each with a store of its own, after all have read the same state.
func race(s secret, n int, do func(i int, store *cronkey.Store)) {
	var all, wg sync.WaitGroup
	all.Add(n)
	for i := range n {
		wg.Go(func() { do(i, cronkey.New(&meeting{Secrets: s.client, all: &all}, s.id, cronkey.Options{})) })
	}
	wg.Wait()
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func reveal(t *testing.T, s *cronkey.Store) cronkey.Key {
	t.Helper()
	k, err := s.Reveal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func accepts(t *testing.T, s *cronkey.Store, k cronkey.Key) bool {
	t.Helper()
	ok, err := s.Check(t.Context(), k.Secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestStore_FirstUseMakesOneKeyForAll(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		const callers = 16
		keys := make([]cronkey.Key, callers)
		race(s, callers, func(i int, store *cronkey.Store) {
			k, err := store.Reveal(t.Context())
			if err != nil {
				t.Error(err)
			}
			keys[i] = k
		})
		for _, k := range keys {
			if k.Secret != keys[0].Secret {
				t.Fatal("two first uses were told different keys")
			}
		}
		k := keys[0]
		if !cronkey.WellFormed(k.Secret.Reveal()) {
			t.Error("the key is not well formed")
		}
		if k.CreatedBy.Kind != backup.BySystem || k.Rotations != 0 || k.CreatedAt.IsZero() {
			t.Errorf("first key: %+v", k.Masked)
		}
	})
}

func TestStore_RegenerateRefusesOldKeyAtOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		c := &clock{now: time.Date(2026, 11, 22, 3, 15, 0, 0, time.UTC)}
		store := cronkey.New(s.client, s.id, cronkey.Options{Now: c.Now})
		other := cronkey.New(s.client, s.id, cronkey.Options{Now: c.Now}) // as another instance of the function
		old := reveal(t, store)
		if !accepts(t, other, old) {
			t.Fatal("the key is refused before the rotation")
		}
		c.add(time.Minute)
		fresh, err := store.Regenerate(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		if fresh.Secret == old.Secret {
			t.Fatal("the key did not change")
		}
		if accepts(t, other, old) {
			t.Error("the old key is accepted after the rotation")
		}
		if !accepts(t, other, fresh) {
			t.Error("the new key is refused")
		}
		m, err := other.Masked(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m.CreatedBy != ada || !m.CreatedAt.Equal(c.Now()) || m.Rotations != 1 || !m.OldUntil.IsZero() {
			t.Errorf("masked: %+v", m)
		}
	})
}

func TestStore_GraceEnds(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		c := &clock{now: time.Now()}
		store := cronkey.New(s.client, s.id, cronkey.Options{Grace: time.Hour, Now: c.Now})
		oldest := reveal(t, store)
		old, err := store.Regenerate(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		fresh, err := store.Regenerate(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		c.add(59 * time.Minute)
		if !accepts(t, store, old) || !accepts(t, store, fresh) {
			t.Error("within the grace period old or new key is refused")
		}
		if accepts(t, store, oldest) {
			t.Error("the key before the last one is accepted")
		}
		if accepts(t, cronkey.New(s.client, s.id, cronkey.Options{Now: c.Now}), old) {
			t.Error("the old key is accepted although the grace period was taken away")
		}
		c.add(time.Minute)
		if accepts(t, store, old) {
			t.Error("the old key is accepted after the grace period")
		}
		if !accepts(t, store, fresh) {
			t.Error("the new key is refused after the grace period")
		}
	})
}

func TestStore_RegenerateAtOnceTellsNobodyADeadKey(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		store := cronkey.New(s.client, s.id, cronkey.Options{})
		reveal(t, store)
		const callers = 8
		errs := make([]error, callers)
		keys := make([]cronkey.Key, callers)
		race(s, callers, func(i int, store *cronkey.Store) { keys[i], errs[i] = store.Regenerate(t.Context(), ada) })
		told := 0
		for i, err := range errs {
			switch {
			case errors.Is(err, cronkey.ErrRotatedMeanwhile):
			case err != nil:
				t.Error(err)
			default:
				told++
				if !accepts(t, store, keys[i]) {
					t.Error("a caller was told a key that is refused")
				}
			}
		}
		if told != 1 {
			t.Errorf("%d callers were told a key, want 1", told)
		}
	})
}

func TestStore_RegenerateAfterOldVersionWasPutBack(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		store := cronkey.New(s.client, s.id, cronkey.Options{})
		first := reveal(t, store)
		version := func() *string {
			out, err := s.client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &s.id})
			if err != nil {
				t.Fatal(err)
			}
			return out.VersionId
		}
		firstVersion := version()
		if _, err := store.Regenerate(t.Context(), ada); err != nil {
			t.Fatal(err)
		}
		mover, ok := s.client.(interface {
			UpdateSecretVersionStage(context.Context, *secretsmanager.UpdateSecretVersionStageInput, ...func(*secretsmanager.Options)) (*secretsmanager.UpdateSecretVersionStageOutput, error)
		})
		if !ok {
			t.Fatal("the client can't move stages")
		}
		_, err := mover.UpdateSecretVersionStage(t.Context(), &secretsmanager.UpdateSecretVersionStageInput{
			SecretId: &s.id, VersionStage: aws.String("AWSCURRENT"), MoveToVersionId: firstVersion, RemoveFromVersionId: version()})
		if err != nil {
			t.Fatal(err)
		}
		if reveal(t, store).Secret != first.Secret {
			t.Fatal("the first key is not back")
		}
		fresh, err := store.Regenerate(t.Context(), ada)
		if err != nil {
			t.Fatal(err)
		}
		if !accepts(t, store, fresh) || accepts(t, store, first) {
			t.Error("the rotation after putting a version back did not count")
		}
	})
}

func TestStore_LeavesForeignValueAlone(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		foreign := `{"password":"hunter2"}`
		if _, err := s.client.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &s.id, SecretString: &foreign}); err != nil {
			t.Fatal(err)
		}
		_, err := cronkey.New(s.client, s.id, cronkey.Options{}).Reveal(t.Context())
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v", err)
		}
		out, err := s.client.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &s.id})
		if err != nil || *out.SecretString != foreign {
			t.Errorf("the value is now %v, %v", out, err)
		}
	})
}

func TestStore_MissingSecretIsAnError(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		_, err := cronkey.New(s.client, s.id+"-none", cronkey.Options{}).Reveal(t.Context())
		if err == nil {
			t.Error("no error")
		}
	})
}

// failing is Secrets Manager that must not be asked.
type failing struct{ cronkey.Secrets }

func (failing) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return nil, errors.New("asked")
}

func TestCheck_RefusesWrongFormWithoutAsking(t *testing.T) {
	t.Parallel()
	store := cronkey.New(memory.NewSecrets("cron-key"), "cron-key", cronkey.Options{})
	good := reveal(t, store).Secret.Reveal()
	flipped := []byte(good)
	flipped[10] = "01"[boolIndex(flipped[10] == '0')]
	asking := cronkey.New(failing{}, "cron-key", cronkey.Options{})
	for _, key := range []string{"", "brk_", good[:len(good)-1], good + "0", strings.ToUpper(good), "xyz_" + good[4:], string(flipped), " " + good} {
		ok, err := asking.Check(t.Context(), key)
		if ok || err != nil {
			t.Errorf("Check(%q) = %t, %v; want refused without asking", key, ok, err)
		}
	}
	if _, err := asking.Check(t.Context(), good); err == nil {
		t.Error("a well-formed key is decided without asking")
	}
}

func boolIndex(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestCheck_BeforeFirstUseRefuses(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, s secret) {
		elsewhere := reveal(t, cronkey.New(memory.NewSecrets("x"), "x", cronkey.Options{}))
		if accepts(t, cronkey.New(s.client, s.id, cronkey.Options{}), elsewhere) {
			t.Error("a key is accepted although none was made")
		}
	})
}

func TestKey_NeverPrints(t *testing.T) {
	t.Parallel()
	k := reveal(t, cronkey.New(memory.NewSecrets("cron-key"), "cron-key", cronkey.Options{}))
	var out bytes.Buffer
	slog.New(slog.NewJSONHandler(&out, nil)).Info("revealed", "key", k, "secret", k.Secret)
	_, _ = fmt.Fprintf(&out, "%v %+v %#v %s %q", k, k, k, k.Secret, k.Secret)
	if err := json.NewEncoder(&out).Encode(k); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), k.Secret.Reveal()[4:40]) {
		t.Errorf("the key shows in %s", out.String())
	}
	if !strings.HasPrefix(k.Text, "brk_•") || !strings.HasSuffix(k.Secret.Reveal(), k.Text[len(k.Text)-4:]) {
		t.Errorf("masked as %q", k.Text)
	}
}
