package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

// What clients see is in package conformance. Here is what they can't: the clock and the disk.

func open(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Open(Options{Dir: dir, Region: "eu-central-1", Account: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// call does an action by its JSON and returns the answer's, or the error's type.
func call(t *testing.T, s *Server, action, in string) (out map[string]any, failure string) {
	t.Helper()
	v, err := s.actions()[action](t.Context(), []byte(in))
	var e *awsjson.Error
	if errors.As(err, &e) {
		return nil, e.Type
	}
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out, ""
}

func TestServer_ARecoveryWindowEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	now := time.Now()
	s.now = func() time.Time { return now }
	call(t, s, "CreateSecret", `{"Name":"a","SecretString":"x"}`)
	call(t, s, "DeleteSecret", `{"SecretId":"a","RecoveryWindowInDays":7}`)
	now = now.Add(7*24*time.Hour - time.Second)
	if _, failure := call(t, s, "DescribeSecret", `{"SecretId":"a"}`); failure != "" {
		t.Errorf("within the window it is %s", failure)
	}
	now = now.Add(time.Second)
	if _, failure := call(t, s, "RestoreSecret", `{"SecretId":"a"}`); failure != "ResourceNotFoundException" {
		t.Errorf("after the window restoring it got %q", failure)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("its file is left: %v", left)
	}
}

func TestServer_FilesAreTheOwnersOnlyAndSurviveARestart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "secrets")
	s := open(t, dir)
	name := "school/" + strings.Repeat("long/", 100) // longer than a file's name may be
	made, failure := call(t, s, "CreateSecret", `{"Name":"`+name+`","Tags":[{"Key":"k","Value":"v"}]}`)
	if failure != "" {
		t.Fatal(failure)
	}
	for i := range 3 {
		call(t, s, "PutSecretValue", fmt.Sprintf(`{"SecretId":%q,"SecretString":"%d"}`, name, i))
	}
	before, _ := call(t, s, "DescribeSecret", `{"SecretId":"`+name+`"}`)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.json.1.tmp"), []byte("{"), 0o600); err != nil { // a write that was cut
		t.Fatal(err)
	}
	s = open(t, dir)
	after, failure := call(t, s, "DescribeSecret", fmt.Sprintf(`{"SecretId":%q}`, made["ARN"]))
	if failure != "" || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("after a restart it is %v %s, before %v", after, failure, before)
	}
	if got, _ := call(t, s, "GetSecretValue", `{"SecretId":"`+name+`"}`); got["SecretString"] != "2" {
		t.Errorf("its value is %v", got["SecretString"])
	}
}

func TestServer_RefusesValues(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	call(t, s, "CreateSecret", `{"Name":"a"}`)
	for in, want := range map[string]string{
		`"SecretString":""`: "ValidationException",
		`"SecretString":"` + strings.Repeat("x", 65_537) + `"`: "ValidationException",
		`"SecretString":"x","SecretBinary":"eA=="`:             "InvalidParameterException",
		`"VersionStages":["AWSCURRENT"]`:                       "InvalidRequestException",
		`"SecretString":"x","RotationToken":"y"`:               "SerializationException",
	} {
		if _, failure := call(t, s, "PutSecretValue", `{"SecretId":"a",`+in+`}`); failure != want {
			t.Errorf("%.60s got %q, want %s", in, failure, want)
		}
	}
}

func TestServer_OpenDoesNotTellADamagedSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	damaged := filepath.Join(dir, "x.json")
	if err := os.WriteFile(damaged, []byte(`{"Name":hunter2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), damaged) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestServer_ForgetsTheOldestDeprecatedVersions(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	made, _ := call(t, s, "CreateSecret", `{"Name":"a","SecretString":"first"}`)
	call(t, s, "UpdateSecretVersionStage", fmt.Sprintf(`{"SecretId":"a","VersionStage":"KEEP","MoveToVersionId":%q}`, made["VersionId"]))
	for i := range 120 {
		call(t, s, "PutSecretValue", fmt.Sprintf(`{"SecretId":"a","SecretString":"%d"}`, i))
	}
	if n := len(s.secrets["a"].Versions); n != 100 {
		t.Errorf("it has %d versions, want 100", n)
	}
	for stage, want := range map[string]string{"KEEP": "first", "AWSCURRENT": "119", "AWSPREVIOUS": "118"} {
		if got, _ := call(t, s, "GetSecretValue", `{"SecretId":"a","VersionStage":"`+stage+`"}`); got["SecretString"] != want {
			t.Errorf("%s is %v, want %s", stage, got["SecretString"], want)
		}
	}
}

func TestServer_ListPagesGoOnAfterAChange(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	now := time.Now()
	s.now = func() time.Time { now = now.Add(time.Second); return now }
	for _, name := range []string{"a", "b", "c"} {
		call(t, s, "CreateSecret", `{"Name":"`+name+`"}`)
	}
	first, _ := call(t, s, "ListSecrets", `{"MaxResults":2}`)
	call(t, s, "CreateSecret", `{"Name":"d"}`) // newer: it is before the page
	second, failure := call(t, s, "ListSecrets", fmt.Sprintf(`{"MaxResults":2,"NextToken":%q}`, first["NextToken"]))
	list, _ := second["SecretList"].([]any)
	if failure != "" || len(list) != 1 || list[0].(map[string]any)["Name"] != "a" || second["NextToken"] != nil {
		t.Errorf("the second page is %v %s", second, failure)
	}
	if _, failure := call(t, s, "ListSecrets", `{"NextToken":"nonsense!"}`); failure != "InvalidNextTokenException" {
		t.Errorf("a wrong token got %q", failure)
	}
	for _, filter := range []string{"!b", "!none"} {
		out, _ := call(t, s, "ListSecrets", `{"Filters":[{"Key":"name","Values":["`+filter+`"]}]}`)
		if got := fmt.Sprint(out["SecretList"]); strings.Contains(got, "Name:b") == (filter == "!b") {
			t.Errorf("%s lists %s", filter, got)
		}
	}
	if _, failure := call(t, s, "ListSecrets", `{"Filters":[{"Key":"all","Values":["x"]}]}`); failure != "ValidationException" {
		t.Errorf("a filter that is not built got %q", failure)
	}
}
