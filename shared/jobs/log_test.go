package jobs_test

import (
	"context"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
)

var inSeconds = regexp.MustCompile(`\d+\.\d s`)

// told are the lines of a job's log, in the order of their times, with what differs from run to run made alike.
func told(t *testing.T, j backup.Job) (lines []string) {
	t.Helper()
	var last time.Time
	for _, l := range j.Log {
		if l.At.Before(last.Truncate(time.Second)) || l.At.IsZero() {
			t.Errorf("%q is of %s, the line before it of %s", l.Text, l.At, last)
		}
		last = l.At
		lines = append(lines, inSeconds.ReplaceAllString(l.Text, "N s"))
	}
	return lines
}

func TestBackup_LogTellsWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.created()
	want := []string{"Attempt 1 began, by worker first.", "Connected to the database server, of version 15.18.",
		"Read 2 rows of 1 tables: " + strconv.Itoa(len(dumpText)) + " bytes of SQL text, by a dump program of version 16.1.",
		"2 connections read; the server kept the moment that they saw for N s.",
		"Stored the file: " + strconv.Itoa(int(b.File.Size)) + " bytes, compressed.",
		"S3 confirmed it as version " + b.File.VersionID + ", with the CRC-64/NVME " + b.File.CRC64NVME + ".", "Ended as created."}
	if got := told(t, b.Job); !cmp.Equal(got, want) {
		t.Errorf("log: %s", cmp.Diff(want, got))
	}
}

func TestBackup_LogOfOneThatFailsTellsHowFarItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.engine.dump = func(context.Context, io.Writer) error { return errors.New("hunter2") }
	id := w.startBackup().ID
	if _, err := w.store.Backups().Update(t.Context(), "school", id, func(b *backup.Backup) error { return b.Begin("dead", time.Now()) }); err != nil {
		t.Fatal(err)
	}
	w.work("second")
	want := []string{"Attempt 1 began, by worker dead.", "Attempt 1 ended without a result.", "Attempt 2 began, by worker second.",
		"Cleared what earlier attempts had left.", "Connected to the database server, of version 15.18.", "Ended as failed: internal_error."}
	if got := told(t, w.backup(id).Job); !cmp.Equal(got, want) {
		t.Errorf("log: %s", cmp.Diff(want, got))
	}
}

func TestRestore_LogTellsOfItsStages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.startRestore(w.created(), true).ID
	w.work("second")
	stages := []string{"Attempt 1 began, by worker second."}
	for _, s := range []string{"inspect", "stage", "load", "verify", "compare"} {
		stages = append(stages, "The stage "+s+" took N s.")
	}
	if got := told(t, w.restore(id).Job); !cmp.Equal(got, append(stages, "Ended as rehearsed.")) {
		t.Errorf("log: %s", strings.Join(got, "\n"))
	}
	if _, err := w.desk.Apply(t.Context(), "school", id, "", anna); err != nil {
		t.Fatal(err)
	}
	w.work("third")
	if got, want := told(t, w.restore(id).FollowUp.Job), []string{"Attempt 1 began, by worker third.", "Ended as done."}; !cmp.Equal(got, want) {
		t.Errorf("log of the apply: %s", cmp.Diff(want, got))
	}
}
