package backup_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/backup-restore/backup-restore/shared/backup"
)

func TestNote_KeepsTheFirstLineAndTheNewestOfTooMany(t *testing.T) {
	t.Parallel()
	var j backup.Job
	for n := range 120 {
		j.Note(time.UnixMilli(int64(n)).UTC(), fmt.Sprint("line ", n))
	}
	if len(j.Log) != 50 || j.Log[0].Text != "line 0" || j.Log[1].Text != "line 71" || j.Log[49].Text != "line 119" || j.Log[49].At.UnixMilli() != 119 {
		t.Errorf("%d lines, %v", len(j.Log), j.Log)
	}
}

func TestNote_CutsALongLineNotInsideACharacter(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("x", 500), strings.Repeat("ä", 300), "x" + strings.Repeat("ä", 300), strings.Repeat("🌍", 100)} {
		var j backup.Job
		j.Note(time.Now(), text)
		if got := j.Log[0].Text; len(got) > 200 || len(got) < 190 || !utf8.ValidString(got) || !strings.HasSuffix(got, " …") {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
}

func TestJob_LogTellsOfEachTransition(t *testing.T) {
	t.Parallel()
	now, anna := time.Now().UTC(), backup.Actor{Kind: backup.ByOperator, Name: "Anna"}
	secretly := backup.Failure{Code: backup.CodeUnreachable, Reason: "No connection to the database server at db.school.example:5432.", Log: "password=hunter2"}
	file := backup.Stored{Key: "k", VersionID: "v", Size: 7, SHA256: "s", CRC64NVME: "c"}
	const began, again = "Attempt 1 began, by worker w1.", "Attempt 1 ended without a result.|Attempt 2 began, by worker w2."
	for name, tt := range map[string]struct {
		do   func(*backup.Upload) error // an upload has all transitions but a cancel
		want string
	}{
		"taken over and accepted": {func(u *backup.Upload) error {
			_, _, _ = u.Receive(file, now), u.Begin("w1", now), u.Begin("w2", now)
			return u.Accept(2, backup.Inspection{}, "s", now)
		}, "The file arrived: 7 bytes.|" + began + "|" + again + "|Ended as accepted."},
		"rejected": {func(u *backup.Upload) error {
			_, _ = u.Receive(file, now), u.Begin("w1", now)
			return u.Reject(1, nil, secretly, now)
		}, "The file arrived: 7 bytes.|" + began + "|Ended as rejected: database_unreachable."},
		"never taken": {func(u *backup.Upload) error { return u.Fail(0, secretly, now) }, "Ended as failed: database_unreachable."},
		"stopped": {func(u *backup.Upload) error {
			_, _, _ = u.Begin("w1", now), u.AskCancel(anna, now), u.AskCancel(anna, now)
			return u.Stop(1, now)
		}, began + "|Anna asked for it to be stopped.|Ended as cancelled."},
		"of another attempt": {func(u *backup.Upload) error {
			_ = u.Begin("w1", now)
			if u.Fail(2, secretly, now) == nil || u.Accept(2, backup.Inspection{}, "s", now) == nil {
				t.Error("ended by an attempt that it does not stand at")
			}
			return nil
		}, began},
	} {
		u := backup.Upload{Job: backup.Job{State: backup.Pending}}
		if err := tt.do(&u); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var lines []string
		for _, l := range u.Log {
			lines = append(lines, l.Text)
		}
		if got := strings.Join(lines, "|"); got != tt.want {
			t.Errorf("%s: the log is\n%s, want\n%s", name, got, tt.want)
		}
		text, err := json.Marshal(u.Log)
		if err != nil || strings.Contains(string(text), "hunter2") || strings.Contains(string(text), "school.example") {
			t.Errorf("%s: the log shows %s, %v", name, text, err)
		}
	}
}
