package jobs_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

func (w *world) announce(f backup.UploadFile) backup.Upload {
	w.t.Helper()
	u, err := w.desk.Announce(w.t.Context(), school, "", f, anna)
	if err != nil {
		w.t.Fatalf("announce: %v", err)
	}
	return u
}

func TestAnnounce_MakesAPendingUploadUnderAKeyOfOurOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, end := range map[string]string{"dump.sql": "upload.sql", `C:\Backups\Dump.SQL.GZ`: "upload.sql.gz", "../../locks/school.gz": "upload.sql.gz", "x\r\ny.sql": "upload.sql"} {
		u := w.announce(backup.UploadFile{Filename: name, Size: 10})
		if want := "uploads/school/" + u.ID + "/" + end; u.Key != want || u.State != backup.Pending || u.Filename != name || u.PartsID != "" {
			t.Errorf("%q: %+v", name, u)
		}
		if left := time.Until(u.Expires); left > time.Hour || left < 59*time.Minute {
			t.Errorf("its link lives for %s", left)
		}
	}
	if len(w.box.begun) > 0 || w.bell.count() > 0 {
		t.Errorf("parts begun for %v, rang %d times", w.box.begun, w.bell.count())
	}
	w.nothingOpen()
	large := w.announce(backup.UploadFile{Filename: "large.gz", Size: backup.MaxPostSize + 1})
	if large.PartsID == "" || !cmp.Equal(w.box.begun, []string{large.Key}) {
		t.Errorf("a large one: %+v, parts begun for %v", large, w.box.begun)
	}
}

func TestAnnounce_TheSameIDMakesOneUpload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := backup.NewID()
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			if u, err := w.desk.Announce(t.Context(), school, id, backup.UploadFile{Filename: "a.sql", Size: 1}, anna); err != nil || u.ID != id {
				t.Errorf("announce: %+v, %v", u, err)
			}
		})
	}
	all.Wait()
	if keys := w.objects("records/uploads/"); len(keys) != 1 {
		t.Errorf("records: %v", keys)
	}
}

func TestAnnounce_RefusesBeforeAnythingIsRecorded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		file backup.UploadFile
		want backup.Code
	}{
		{backup.UploadFile{Filename: "dump.zip", Size: 1}, "upload_name_refused"},
		{backup.UploadFile{Filename: "a.sql", Size: 0}, "upload_size_refused"},
		{backup.UploadFile{Filename: "a.sql", Size: -1}, "upload_size_refused"},
		{backup.UploadFile{Filename: "a.sql", Size: backup.MaxUploadSize + 1}, "upload_size_refused"},
		{backup.UploadFile{Filename: "a.sql", Size: 1, SHA256: "ABC"}, "upload_hash_refused"},
	} {
		_, err := w.desk.Announce(t.Context(), school, "", tt.file, anna)
		refused(t, err, tt.want)
	}
	if keys := w.objects("records/"); len(keys) > 0 {
		t.Errorf("recorded: %v", keys)
	}
}

func TestReceive_RefusesWhatHasNotArrivedAsAnnounced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.announce(backup.UploadFile{Filename: "a.sql", Size: 10})
	_, err := w.desk.Receive(t.Context(), u)
	refused(t, err, "upload_incomplete")
	w.send(u, []byte("short"))
	_, err = w.desk.Receive(t.Context(), u)
	refused(t, err, "upload_incomplete")
	parts := w.announce(backup.UploadFile{Filename: "a.sql", Size: backup.MaxPostSize + 1})
	w.box.complete = &backup.Error{Code: "upload_incomplete", Text: "3 bytes are missing", Hint: "send them"}
	_, err = w.desk.Receive(t.Context(), parts)
	refused(t, err, "upload_incomplete")
	for _, id := range []string{u.ID, parts.ID} {
		if u := w.upload(id); u.State != backup.Pending || u.File != nil {
			t.Errorf("upload is %s with %+v", u.State, u.File)
		}
	}
	w.nothingOpen()
}

func TestReceive_ManyAtOnceAndAfterTheLinkEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.announce(backup.UploadFile{Filename: "a.sql", Size: int64(len(dumpText))})
	w.send(u, []byte(dumpText))
	if _, err := w.store.Uploads().Update(t.Context(), "school", u.ID, func(u *backup.Upload) error {
		u.Expires = time.Now().Add(-time.Hour) // the file is there all the same
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			got, err := w.desk.Receive(t.Context(), u)
			if err != nil || got.File == nil || got.File.VersionID == "" {
				t.Errorf("receive: %+v, %v", got, err)
			}
		})
	}
	all.Wait()
	w.work("first")
	if u := w.upload(u.ID); u.State != backup.Accepted || u.Attempt != 1 {
		t.Errorf("upload is %s at attempt %d: %+v", u.State, u.Attempt, u.Failure)
	}
	// One that read the record before the others: the job has ended meanwhile.
	if got, err := w.desk.Receive(t.Context(), u); err != nil || got.State != backup.Accepted {
		t.Errorf("receive after the end: %+v, %v", got, err)
	}
	w.nothingOpen()
}

func TestReceive_WhereverTheDeskDiesItCanBeRepeated(t *testing.T) {
	t.Parallel()
	for steps := range int64(5) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u := w.announce(backup.UploadFile{Filename: "a.sql", Size: int64(len(dumpText))})
			w.send(u, []byte(dumpText))
			ctx, l := lives(t.Context(), steps)
			_, err := w.deskBy(l).Receive(ctx, u)
			t.Logf("after %d steps the desk said %v", steps, err)
			if _, err := w.desk.Receive(t.Context(), w.upload(u.ID)); err != nil {
				t.Fatal(err)
			}
			w.work("first")
			if u := w.upload(u.ID); u.State != backup.Accepted || u.Attempt != 1 {
				t.Errorf("upload is %s at attempt %d: %+v", u.State, u.Attempt, u.Failure)
			}
			w.nothingOpen()
		})
	}
}

func TestInspect_APendingUploadIsNotInspectedThoughItsMarkerIsThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u := w.announce(backup.UploadFile{Filename: "a.sql", Size: 1})
	if err := w.store.Open().Mark(t.Context(), backup.OpenJob{Database: "school", Kind: backup.InspectJob, ID: u.ID}); err != nil {
		t.Fatal(err)
	}
	w.work("first")
	if u := w.upload(u.ID); u.State != backup.Pending || u.Attempt != 0 {
		t.Errorf("upload is %s at attempt %d", u.State, u.Attempt)
	}
	if keys := w.objects("open/"); len(keys) != 1 {
		t.Errorf("open: %v; the request that wrote it may be about to go on", keys)
	}
}

func TestInspect_RejectsAndSaysWhy(t *testing.T) {
	t.Parallel()
	found := inspection.Result{Inspection: backup.Inspection{HazardCount: 1, Hazards: []backup.Hazard{{Code: "psql_command", Line: 4}}}}
	dangerous := &backup.Error{Code: backup.CodeDangerous, Text: "it runs a program", Hint: "remove line 4"}
	for name, tt := range map[string]struct {
		inspect inspector
		sha256  string
		break_  func(*world, backup.Upload)
		want    backup.Code
		found   bool
	}{
		"for what it holds": {func(_ context.Context, r io.Reader, _ backup.EngineKind, _ inspection.Limits, _ func(backup.Progress)) (inspection.Result, error) {
			return found, dangerous
		}, "", nil, backup.CodeDangerous, true},
		"as it is not the one that was announced": {findsDump, strings.Repeat("0", 64), nil, backup.CodeFileChanged, true},
		"as it is gone": {findsDump, "", func(w *world, u backup.Upload) {
			if err := w.files.Delete(context.Background(), u.Key, w.upload(u.ID).File.VersionID); err != nil {
				w.t.Error(err)
			}
		}, backup.CodeSourceGone, false},
		"though the inspection says nothing": {func(context.Context, io.Reader, backup.EngineKind, inspection.Limits, func(backup.Progress)) (inspection.Result, error) {
			return inspection.Result{}, nil
		}, "", nil, backup.CodeInternal, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.inspect = tt.inspect
			u := w.announce(backup.UploadFile{Filename: "a.sql", Size: int64(len(dumpText)), SHA256: tt.sha256})
			w.send(u, []byte(dumpText))
			if _, err := w.desk.Receive(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			if tt.break_ != nil {
				tt.break_(w, u)
			}
			w.work("first")
			u = w.upload(u.ID)
			if u.State != backup.Rejected || u.Failure == nil || u.Failure.Code != tt.want || (u.Inspection != nil) != tt.found {
				t.Errorf("upload is %s: %+v, found %+v", u.State, u.Failure, u.Inspection)
			}
			w.endedOnce(backup.InspectJob, u.ID, backup.Rejected)
			w.nothingOpen()
		})
	}
}

func TestInspect_IsTriedAgainWhenStorageDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	down := &backup.Error{Code: backup.CodeStorage, Text: "S3 does not answer", Hint: "wait"}
	u := w.received([]byte(dumpText))
	r := w.runner("first")
	r.Executors[backup.InspectJob].(*jobs.InspectExecutor).Files = stalling{w.files, down}
	for attempt := 1; attempt < backup.MaxAttempts; attempt++ {
		if err := r.Work(t.Context(), "school"); !errors.Is(err, down) {
			t.Fatalf("attempt %d: %v, want the error that leaves the message in the queue", attempt, err)
		}
	}
	w.work("second")
	if u := w.upload(u.ID); u.State != backup.Accepted || u.Attempt != backup.MaxAttempts {
		t.Errorf("upload is %s at attempt %d: %+v", u.State, u.Attempt, u.Failure)
	}
	w.nothingOpen()
}

// stalling are files that end in an error after their first bytes.
type stalling struct {
	backup.Files
	err error
}

func (s stalling) Open(ctx context.Context, key, version string) (io.ReadCloser, error) {
	o, err := s.Files.Open(ctx, key, version)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(o, 3), failing{s.err}), o}, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// accepted makes an upload that may be restored.
func (w *world) accepted(content []byte) backup.Upload {
	w.t.Helper()
	id := w.received(content).ID
	w.work("inspecting")
	u := w.upload(id)
	if u.State != backup.Accepted {
		w.t.Fatalf("upload is %s: %+v", u.State, u.Failure)
	}
	return u
}

func (w *world) startUploadRestore(u backup.Upload, o backup.RestoreOptions) backup.Restore {
	w.t.Helper()
	r, err := w.desk.StartRestore(w.t.Context(), backup.RestoreSource{Upload: &u}, "", o, anna)
	if err != nil {
		w.t.Fatalf("start restore: %v", err)
	}
	return r
}

func TestRestore_OfAnUploadIsLoadedAsWhatItIs(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{"compressed": gzipped(dumpText), "plain": []byte(dumpText)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u := w.accepted(content) // named .sql.gz, whatever it is
			id := w.startUploadRestore(u, backup.RestoreOptions{DryRun: true}).ID
			w.work("second")
			r := w.restore(id)
			if r.State != backup.Rehearsed || r.Upload != u.ID || r.Backup != "" {
				t.Fatalf("restore is %+v, failure %+v", r, r.Failure)
			}
			if string(*w.engine.loaded.Load()) != dumpText {
				t.Errorf("loaded %q", *w.engine.loaded.Load())
			}
			if need := w.engine.need; need.Inspection == nil || need.SQLBytes != int64(len(dumpText)) || need.ServerVersion != "15.18" || !w.engine.want.Exact {
				t.Errorf("the engine was told %+v, %+v", need, w.engine.want)
			}
			want := []backup.Skipped{{Line: 3, Text: `\connect their_name`, Why: "inspection"}, {Line: 7, Text: "CREATE ROLE y", Why: "loader"}}
			if got := r.Report.Skipped; !cmp.Equal(got, want) {
				t.Errorf("skipped: %s", cmp.Diff(want, got))
			}
			if r.Report.FileDatabase != "their_name" || r.Report.Unproven {
				t.Errorf("report: %+v", r.Report)
			}
			w.nothingOpen()
		})
	}
}

func TestRestore_OfAnUnprovenUploadSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.inspect = func(ctx context.Context, r io.Reader, e backup.EngineKind, l inspection.Limits, report func(backup.Progress)) (inspection.Result, error) {
		found, err := findsDump(ctx, r, e, l, report)
		found.Inspection.Completeness, found.Inspection.RowsInexact = backup.Unproven, 2
		return found, err
	}
	u := w.accepted([]byte(dumpText))
	_, err := w.desk.StartRestore(t.Context(), backup.RestoreSource{Upload: &u}, "", backup.RestoreOptions{}, anna)
	refused(t, err, "upload_unproven")
	id := w.startUploadRestore(u, backup.RestoreOptions{AcceptUnproven: true}).ID
	w.work("second")
	if r := w.restore(id); r.State != backup.Restored || !r.Report.Unproven || w.engine.want.Exact {
		t.Errorf("restore is %s, report %+v, want %+v", r.State, r.Report, w.engine.want)
	}
}

func TestRestore_OfAnUploadThatIsNotTheInspectedOneFails(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("other"))
	for name, tt := range map[string]struct {
		change func(*backup.Upload)
		want   backup.Code
	}{
		"as its record was changed": {func(u *backup.Upload) { u.File.SHA256 = hex.EncodeToString(sum[:]) }, backup.CodeFileChanged},
		"as it was rejected since":  {func(u *backup.Upload) { u.State = backup.Rejected }, "upload_not_accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			u := w.accepted([]byte(dumpText))
			id := w.startUploadRestore(u, backup.RestoreOptions{}).ID
			if _, err := w.store.Uploads().Update(t.Context(), "school", u.ID, func(u *backup.Upload) error { tt.change(u); return nil }); err != nil {
				t.Fatal(err)
			}
			w.work("second")
			if r := w.restore(id); r.State != backup.Failed || r.Failure.Code != tt.want || w.engine.stagings.Load() != 0 {
				t.Errorf("restore is %s: %+v", r.State, r.Failure)
			}
			w.holds()
			w.nothingOpen()
		})
	}
	t.Run("as its bytes are others", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		u := w.accepted([]byte(dumpText))
		if _, err := w.store.Uploads().Update(t.Context(), "school", u.ID, func(u *backup.Upload) error { u.File.SHA256 = hex.EncodeToString(sum[:]); return nil }); err != nil {
			t.Fatal(err)
		}
		id := w.startUploadRestore(w.upload(u.ID), backup.RestoreOptions{}).ID
		w.work("second")
		r := w.restore(id)
		if r.State != backup.Failed || r.Failure.Code != backup.CodeFileChanged || !strings.Contains(r.Failure.Reason, "uploaded") || w.engine.content(live) != original {
			t.Errorf("restore is %s: %+v", r.State, r.Failure)
		}
		w.server()
		w.holds()
	})
}
