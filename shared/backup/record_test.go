package backup_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

var now = time.Date(2026, 11, 22, 3, 15, 0, 0, time.UTC)

func running(t *testing.T, attempts int) backup.Job {
	t.Helper()
	j := backup.Job{ID: "x", State: backup.Queued}
	for range attempts {
		if err := j.Begin("worker", now); err != nil {
			t.Fatal(err)
		}
	}
	return j
}

func TestJob_EndsOnceAndByItsOwnAttemptOnly(t *testing.T) {
	t.Parallel()
	confirmed := backup.Stored{Key: "k", Size: 1, SHA256: "s", CRC64NVME: "c"}
	t.Run("an attempt that was overtaken can't end it", func(t *testing.T) {
		t.Parallel()
		b := backup.Backup{Job: running(t, 2)}
		if err := b.Complete(1, backup.Dumped{}, confirmed, now); !errors.Is(err, backup.ErrLeaseLost) {
			t.Errorf("Complete by attempt 1: %v", err)
		}
		if err := b.Fail(1, backup.Failure{}, now); !errors.Is(err, backup.ErrLeaseLost) {
			t.Errorf("Fail by attempt 1: %v", err)
		}
		if b.State != backup.Running {
			t.Errorf("state is %s", b.State)
		}
	})
	t.Run("what has ended stays as it is", func(t *testing.T) {
		t.Parallel()
		b := backup.Backup{Job: running(t, 1)}
		if err := b.Complete(1, backup.Dumped{Tables: []backup.TableRows{{Rows: 3}, {Rows: 4}}}, confirmed, now); err != nil {
			t.Fatal(err)
		}
		var transition *backup.TransitionError
		if err := b.Fail(1, backup.Failure{}, now); !errors.As(err, &transition) {
			t.Errorf("Fail: %v", err)
		}
		if err := b.Begin("w", now); !errors.As(err, &transition) {
			t.Errorf("Begin: %v", err)
		}
		if b.State != backup.Created || b.Rows != 7 || b.Usable() != nil {
			t.Errorf("backup is %+v", b)
		}
	})
	t.Run("a queued job can't end well", func(t *testing.T) {
		t.Parallel()
		b := backup.Backup{Job: running(t, 0)}
		if err := b.Complete(0, backup.Dumped{}, confirmed, now); err == nil {
			t.Error("a backup nobody ran became created")
		}
	})
}

func TestBackup_IsNotCreatedWithoutProof(t *testing.T) {
	t.Parallel()
	for name, file := range map[string]backup.Stored{
		"nothing":     {},
		"no checksum": {Key: "k", Size: 1, SHA256: "s"},
		"no hash":     {Key: "k", Size: 1, CRC64NVME: "c"},
		"empty":       {Key: "k", SHA256: "s", CRC64NVME: "c"},
	} {
		b := backup.Backup{Job: running(t, 1)}
		if err := b.Complete(1, backup.Dumped{}, file, now); err == nil || b.State == backup.Created {
			t.Errorf("%s: error %v, state %s", name, err, b.State)
		}
	}
}

func TestRestore_ADryRunNeverBecomesRestored(t *testing.T) {
	t.Parallel()
	r := backup.Restore{Job: running(t, 1), DryRun: true}
	if err := r.Switch(1, nil, backup.Switched{Kept: "k"}, backup.Held{Name: "k"}, now); err == nil {
		t.Error("a dry run was recorded as restored")
	}
	if err := r.Rehearse(1, backup.Report{}, nil, now); err != nil || r.State != backup.Rehearsed {
		t.Errorf("Rehearse: %v, state %s", err, r.State)
	}
	real := backup.Restore{Job: running(t, 1)}
	if err := real.Rehearse(1, backup.Report{}, nil, now); err == nil {
		t.Error("a real run was recorded as rehearsed")
	}
}

func TestFailureOf_TellsNothingOfAnUnknownCause(t *testing.T) {
	t.Parallel()
	f := backup.FailureOf(fmt.Errorf("dial tcp: password=hunter2"))
	if f.Code != backup.CodeInternal || strings.Contains(fmt.Sprint(f), "hunter2") {
		t.Errorf("failure is %+v", f)
	}
	known := &backup.Error{Code: backup.CodeDiskFull, Text: "text", Hint: "hint", Log: "log", Cause: errors.New("hunter2")}
	f = backup.FailureOf(fmt.Errorf("load: %w", known))
	if want := (backup.Failure{Code: backup.CodeDiskFull, Reason: "text", Hint: "hint", Log: "log"}); f != want {
		t.Errorf("failure is %+v, want %+v", f, want)
	}
}

const secret = `{"engine":"postgres","host":"h","port":%s,"username":"u","password":"hunter2","dbname":"d","restorePassword":"hunter3"}`

func TestCredentials_NeverShowThePassword(t *testing.T) {
	t.Parallel()
	c, err := backup.ParseCredentials(fmt.Appendf(nil, secret, "5432"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Password.Reveal() != "hunter2" {
		t.Errorf("the password itself is lost: %q", c.Password.Reveal())
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "target", backup.Target{Credentials: c}, "password", c.Password)
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", c), "%s": fmt.Sprintf("%s", any(c.Password)), "%q": fmt.Sprintf("%q", c.Password),
		"%x": fmt.Sprintf("%x", c.Password), "json": string(j), "slog": log.String(),
	} {
		if strings.Contains(text, "hunter") || strings.Contains(text, "68756e746572") {
			t.Errorf("%s shows the password: %s", name, text)
		}
	}
}

func TestParseCredentials(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"port as a number":        {fmt.Sprintf(secret, "5432"), ""},
		"port as a string":        {fmt.Sprintf(secret, `"5432"`), ""},
		"port of words":           {fmt.Sprintf(secret, `"hunter9"`), "port"},
		"port too large":          {fmt.Sprintf(secret, "65536"), "port"},
		"no JSON":                 {"hunter2", "JSON object"},
		"size as a string":        {fmt.Sprintf(secret, `5432,"storageBytes":"1000"`), ""},
		"size as a number":        {fmt.Sprintf(secret, `5432,"storageBytes":1000`), ""},
		"connections as a number": {fmt.Sprintf(secret, `5432,"connections":4`), ""},
		"connections as a string": {fmt.Sprintf(secret, `5432,"connections":"4"`), ""},
		"no connections":          {fmt.Sprintf(secret, `5432,"connections":0`), "connections"},
		"too many connections":    {fmt.Sprintf(secret, `5432,"connections":33`), "connections"},
		"connections of words":    {fmt.Sprintf(secret, `5432,"connections":"hunter9"`), "connections"},
		"size of words":           {fmt.Sprintf(secret, `5432,"storageBytes":"hunter9 GB"`), "storageBytes"},
		"size of nothing":         {fmt.Sprintf(secret, `5432,"storageBytes":0`), "storageBytes"},
		"no host":                 {`{"engine":"postgres","username":"u","password":"hunter2","dbname":"d"}`, "host is missing"},
		"no port":                 {`{"engine":"postgres","host":"h","username":"u","password":"hunter2","dbname":"d"}`, ""},
	} {
		c, err := backup.ParseCredentials([]byte(tt.text))
		if tt.want == "" && c.Port != 5432 {
			t.Errorf("%s: port %d", name, c.Port)
		}
		if sized := strings.Contains(tt.text, "storageBytes"); tt.want == "" && sized != (c.StorageBytes == 1000) {
			t.Errorf("%s: %d bytes of storage", name, c.StorageBytes)
		}
		if limited := strings.Contains(tt.text, "connections"); tt.want == "" && limited != (c.Connections == 4) {
			t.Errorf("%s: %d connections", name, c.Connections)
		}
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want one with %q", name, err, tt.want)
		case err != nil && strings.Contains(err.Error(), "hunter"):
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestTableChange_ATableThatWillBeGoneIsAChangeEvenWhenItCannotBeRead(t *testing.T) {
	t.Parallel()
	for c, want := range map[backup.TableChange]bool{
		{Live: 3, After: 3}: false, {Live: 3, After: 2}: true, {Live: -1, After: 2}: true, {Live: 2, After: -1}: true, {Live: -1, After: -1}: true, {}: false,
	} {
		if c.Changed() != want {
			t.Errorf("%+v: changed %v, want %v", c, c.Changed(), want)
		}
	}
}
