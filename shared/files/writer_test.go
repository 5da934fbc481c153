package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
)

func TestStore_FileIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]int{
		"one byte": 1, "less than a part": 1 << 20, "one part": 5 << 20, "one byte more": 5<<20 + 1, "several parts": 23 << 20,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, b := newWorld(t), content(n)
			stored := store(t, w.faulty, b)
			if stored.Key != key || stored.Size != int64(n) || stored.SHA256 != sha(b) || stored.VersionID == "" || stored.CRC64NVME == "" {
				t.Errorf("Commit = %+v", stored)
			}
			if got := readAll(t, w.direct, stored); !bytes.Equal(got, b) {
				t.Error("other bytes came back")
			}
			w.wantNoUploads(t)
		})
	}
}

func TestStore_ObjectSaysWhatItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := store(t, w.direct, content(100))
	out, err := w.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &w.bucket, Key: &stored.Key, VersionId: &stored.VersionID,
		ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(out.ContentType) != "application/gzip" || aws.ToString(out.ContentEncoding) != "" ||
		out.Metadata["backup-restore-content"] != "gzip of a database dump as SQL" {
		t.Errorf("type %q, encoding %q, metadata %v", aws.ToString(out.ContentType), aws.ToString(out.ContentEncoding), out.Metadata)
	}
	if out.ChecksumType != types.ChecksumTypeFullObject || aws.ToString(out.ChecksumCRC64NVME) != stored.CRC64NVME {
		t.Errorf("S3 has %s of %s, ours is %s", aws.ToString(out.ChecksumCRC64NVME), out.ChecksumType, stored.CRC64NVME)
	}
}

func TestStore_NothingCanBeReadBeforeCommit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := mustCreate(t, w.faulty)
	if _, err := f.Write(content(11 << 20)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.direct.Open(t.Context(), key, ""); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("Open: %v, want ErrNotFound", err)
	}
	if err := f.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantNothing(t)
}

func TestStore_AbortWorksWhenTheTimeIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	f, err := w.faulty.Create(ctx, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(content(11 << 20)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := f.Write(content(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Write: %v, want context.Canceled", err)
	}
	if err := f.Abort(ctx); err != nil {
		t.Errorf("Abort: %v", err)
	}
	if err := f.Abort(ctx); err != nil {
		t.Errorf("second Abort: %v", err)
	}
	w.wantNothing(t)
}

func TestStore_CommitOfAnEndedContextLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := mustCreate(t, w.faulty)
	if _, err := f.Write(content(6 << 20)); err != nil {
		t.Fatal(err)
	}
	mine := errors.New("the worker's time ends")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(mine)
	if _, err := f.Commit(ctx); !errors.Is(err, mine) {
		t.Errorf("Commit: %v, want the context's cause", err)
	}
	w.wantNothing(t)
}

func TestStore_AbortEndsAWriteThatWaits(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	blocked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	var once sync.Once
	w.proxy.Plan(func(r *http.Request) faultyconn.Fault {
		if !sendsPart(r) {
			return faultyconn.Fault{}
		}
		return faultyconn.Fault{DropCall: true, Before: func() {
			once.Do(func() { close(blocked) })
			<-release
		}}
	})
	f := mustCreate(t, w.faulty)
	failed := make(chan error)
	go func() {
		_, err := io.Copy(f, io.LimitReader(zeros{}, 1<<30))
		failed <- err
	}()
	<-blocked
	if err := f.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("Write went on after Abort")
	}
	w.wantNothing(t)
}

// S3 may go on with a part after its upload was aborted, and then the upload is there again.
func TestStore_AbortClearsAPartThatArrivesAfterIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	blocked, release, aborted := make(chan struct{}), make(chan struct{}), make(chan struct{})
	defer close(release)
	var first, begun sync.Once
	w.proxy.Plan(func(r *http.Request) faultyconn.Fault {
		switch {
		case sendsPart(r):
			return faultyconn.Fault{DropCall: true, Before: func() { begun.Do(func() { close(blocked) }); <-release }}
		case r.Method == http.MethodDelete:
			return faultyconn.Fault{After: func() { first.Do(func() { close(aborted) }) }}
		}
		return faultyconn.Fault{}
	})
	f := mustCreate(t, w.faulty)
	if _, err := f.Write(content(6 << 20)); err != nil {
		t.Fatal(err)
	}
	<-blocked

	late := w.beginPart(t, 1<<20)
	// The local S3 lists what came late only beside another upload of the key, whose folder it shares.
	other, err := w.client.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &w.bucket, Key: aws.String(key)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- f.Abort(t.Context()) }()
	<-aborted
	if status := late(); status != http.StatusOK {
		t.Skipf("skipped: this S3 refuses a part of an aborted upload: HTTP %d", status)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := w.client.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &w.bucket, Key: aws.String(key),
		UploadId: other.UploadId}); err != nil {
		t.Fatal(err)
	}
	w.wantNothing(t)
}

// beginPart sends half of a part of the bucket's only upload, past the proxy. The function that it returns sends the rest.
func (w *world) beginPart(t *testing.T, size int64) (finish func() (status int)) {
	t.Helper()
	uploads, err := w.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &w.bucket})
	if err != nil || len(uploads.Uploads) != 1 {
		t.Fatalf("%d uploads, %v", len(uploads.Uploads), err)
	}
	link, err := s3.NewPresignClient(w.client).PresignUploadPart(t.Context(), &s3.UploadPartInput{Bucket: &w.bucket,
		Key: uploads.Uploads[0].Key, UploadId: uploads.Uploads[0].UploadId, PartNumber: aws.Int32(2)})
	if err != nil {
		t.Fatal(err)
	}
	body, rest := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, link.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = size
	status := make(chan int, 1)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			status <- 0
			return
		}
		_ = res.Body.Close()
		status <- res.StatusCode
	}()
	if _, err := rest.Write(make([]byte, size/2)); err != nil {
		t.Fatal(err)
	}
	return func() int {
		_, _ = rest.Write(make([]byte, size-size/2))
		_ = rest.Close()
		return <-status
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestStore_EmptyFileIsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := mustCreate(t, w.direct).Commit(t.Context()); err == nil {
		t.Error("Commit succeeded")
	}
	w.wantNothing(t)
}

func TestStore_AbortAfterCommitDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := mustCreate(t, w.direct)
	if _, err := f.Write(content(10)); err != nil {
		t.Fatal(err)
	}
	stored, err := f.Commit(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := f.Write(content(10)); err == nil {
		t.Error("Write after Commit succeeded")
	}
	if got := readAll(t, w.direct, stored); !bytes.Equal(got, content(10)) {
		t.Error("other bytes came back")
	}
}

// Each call of an upload meets a fault that passes, and the file is right all the same.
func TestStore_FaultThatPassesIsSurvived(t *testing.T) {
	t.Parallel()
	calls := map[string]func(*http.Request) bool{"begin": begins, "part": sendsPart, "complete": completes, "confirm": looks}
	for name, fault := range map[string]faultyconn.Fault{
		"slow down":           {Status: http.StatusServiceUnavailable, Code: "SlowDown"},
		"internal error":      {Status: http.StatusInternalServerError, Code: "InternalError"},
		"call lost":           {DropCall: true},
		"answer lost":         {DropAnswer: true},
		"repeated on the way": {Repeat: true},
	} {
		for call, match := range calls {
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				w, b := newWorld(t), content(12<<20)
				w.proxy.First(3, fault, match)
				if call == "begin" && fault.Repeat {
					return // the upload that nobody hears of is left to the bucket's rule
				}
				if got := readAll(t, w.direct, store(t, w.faulty, b)); !bytes.Equal(got, b) {
					t.Error("other bytes came back")
				}
				w.wantNoUploads(t)
			})
		}
	}
}

func TestStore_PartChangedOnTheWayIsSentAgain(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), content(7<<20)
	w.proxy.First(1, faultyconn.Fault{Flip: true}, sendsPart)
	if got := readAll(t, w.direct, store(t, w.faulty, b)); !bytes.Equal(got, b) {
		t.Error("other bytes came back")
	}
}

func TestStore_AnswerOf200ThatHoldsAnErrorIsNoSuccess(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), content(100)
	w.proxy.First(2, faultyconn.Fault{Status: http.StatusOK, Code: "InternalError", Message: "We encountered an internal error."}, completes)
	if got := readAll(t, w.direct, store(t, w.faulty, b)); !bytes.Equal(got, b) {
		t.Error("other bytes came back")
	}
}

// Each call of an upload fails for good: there is an error, and nothing is left.
func TestStore_FailedUploadLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultyconn.Fault{
		"slow down": {Status: http.StatusServiceUnavailable, Code: "SlowDown"},
		"call lost": {DropCall: true},
		"denied":    {Status: http.StatusForbidden, Code: "AccessDenied"},
	} {
		for call, match := range map[string]func(*http.Request) bool{"part": sendsPart, "complete": completes} {
			t.Run(call+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				w.proxy.First(1<<30, fault, match)
				f := mustCreate(t, w.brief)
				_, _ = io.Copy(f, io.LimitReader(zeros{}, 12<<20))
				_, err := f.Commit(t.Context())
				wantCode(t, err, backup.CodeStorage)
				if _, again := f.Write([]byte{1}); again == nil || !errors.Is(err, again) && again.Error() == "" {
					t.Errorf("Write after a failed Commit: %v", again)
				}
				w.wantNothing(t)
			})
		}
	}
}

func TestStore_FailedWriteSticks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.proxy.First(1, faultyconn.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}, sendsPart)
	f := mustCreate(t, w.faulty)
	_, err := io.Copy(f, io.LimitReader(zeros{}, 1<<30))
	wantCode(t, err, backup.CodeStorage)
	_, err = f.Commit(t.Context())
	wantCode(t, err, backup.CodeStorage)
	if err := f.Abort(t.Context()); err != nil {
		t.Error(err)
	}
	w.wantNothing(t)
}

// The answer to the call that completes is lost, and S3 can't be asked again before patience ends: the last look finds it.
func TestStore_CompletedUploadWhoseAnswersAreAllLostIsFound(t *testing.T) {
	t.Parallel()
	w, b := newWorld(t), content(100)
	w.proxy.First(1<<30, faultyconn.Fault{DropAnswer: true}, completes)
	if got := readAll(t, w.direct, store(t, w.brief, b)); !bytes.Equal(got, b) {
		t.Error("other bytes came back")
	}
	w.wantNoUploads(t)
}

func TestStore_UploadThatAnotherAbortedFails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := mustCreate(t, w.brief)
	if _, err := f.Write(content(10)); err != nil {
		t.Fatal(err)
	}
	if err := w.direct.AbortUploads(t.Context(), "backups/school/"); err != nil {
		t.Fatal(err)
	}
	_, err := f.Commit(t.Context())
	wantCode(t, err, backup.CodeStorage)
	w.wantNothing(t)
}

// An object of an earlier attempt under the same key is not taken for this one's.
func TestStore_UploadThatAnotherAbortedIsNotTheOlderObject(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store(t, w.direct, content(10))
	f := mustCreate(t, w.brief)
	if _, err := f.Write(content(10)); err != nil {
		t.Fatal(err)
	}
	if err := w.direct.AbortUploads(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	_, err := f.Commit(t.Context())
	wantCode(t, err, backup.CodeStorage)
}

func TestStore_AbortUploadsEndsThoseBelowThePrefixOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, key := range []string{"backups/school/1/a.gz", "backups/school/1/a.gz", "backups/school/2/b.gz", "backups/school-2/3/c.gz"} {
		f, err := w.direct.Create(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(content(10)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.direct.AbortUploads(t.Context(), "backups/school/"); err != nil {
		t.Fatal(err)
	}
	left, err := w.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &w.bucket})
	if err != nil || len(left.Uploads) != 1 || aws.ToString(left.Uploads[0].Key) != "backups/school-2/3/c.gz" {
		t.Errorf("left are %d, %v, want that of school-2", len(left.Uploads), err)
	}
	if err := w.direct.AbortUploads(t.Context(), ""); err == nil {
		t.Error("an empty prefix was taken")
	}
}

// S3 itself refuses to make an object that is not what was written, whatever it is that differs.
func TestStore_ObjectThatDiffersNeverComesIntoBeing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world, backup.FileWriter){
		"checksum": func(_ *world, f backup.FileWriter) { files.SpoilChecksum(f) },
		"length":   func(_ *world, f backup.FileWriter) { files.SpoilLength(f) },
		"part":     func(w *world, _ backup.FileWriter) { w.replacePart(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			f := mustCreate(t, w.faulty)
			if _, err := f.Write(content(100)); err != nil {
				t.Fatal(err)
			}
			spoil(w, f)
			_, err := f.Commit(t.Context())
			wantCode(t, err, backup.CodeStorage)
			// Also none that was there for a moment: whoever writes may not delete.
			w.wantNothing(t)
		})
	}
}

// replacePart replaces a part right before its upload is completed.
func (w *world) replacePart(t *testing.T) {
	w.proxy.First(1, faultyconn.Fault{Before: func() {
		uploads, err := w.client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &w.bucket})
		if err != nil || len(uploads.Uploads) != 1 {
			t.Error("no upload to replace a part of:", err)
			return
		}
		_, err = w.client.UploadPart(context.Background(), &s3.UploadPartInput{Bucket: &w.bucket, Key: aws.String(key),
			UploadId: uploads.Uploads[0].UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(bytes.Repeat([]byte("x"), 100)),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme})
		if err != nil {
			t.Error(err)
		}
	}}, completes)
}

func TestStore_PartsGrowWithinTheirMemory(t *testing.T) {
	t.Parallel()
	s := files.New(s3.New(s3.Options{}), "", files.Options{})
	var total int64
	for n := 1; n <= 10_000; n++ {
		size, buffers := s.PartSizeOf(n)
		if size*buffers > 64<<20 || buffers < 2 {
			t.Fatalf("part %d: %d buffers of %d bytes", n, buffers, size)
		}
		total += size
	}
	if gib := total >> 30; gib != 273 {
		t.Errorf("a file ends at %d GiB, the docs say 273", gib)
	}
}

// Not parallel: it looks at the memory of the whole process.
func TestStore_MemoryIsFlatWhateverTheSize(t *testing.T) {
	w := newWorld(t)
	const size, bound = 256 << 20, 100 << 20
	block := content(1 << 20)
	f := mustCreate(t, files.New(w.client, w.bucket, files.Options{}))
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak uint64
	for n := range size / len(block) {
		block[rand.IntN(len(block))]++ // no two parts alike
		if _, err := f.Write(block); err != nil {
			t.Fatal(err)
		}
		if n%4 == 0 {
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapInuse)
		}
	}
	stored, err := f.Commit(t.Context())
	if err != nil || stored.Size != size {
		t.Fatalf("Commit = %+v, %v", stored, err)
	}
	t.Logf("peak heap %d MiB over %d MiB before, for a file of %d MiB", peak>>20, before.HeapInuse>>20, size>>20)
	if peak > before.HeapInuse+bound {
		t.Errorf("the heap grew by %d MiB", (peak-before.HeapInuse)>>20)
	}
}

// BenchmarkStore_Write1GiB tells how fast a file passes, and the heap that it takes.
func BenchmarkStore_Write1GiB(b *testing.B) {
	w := newWorld(b)
	s := files.New(w.client, w.bucket, files.Options{})
	block := content(1 << 20)
	b.SetBytes(1 << 30)
	for b.Loop() {
		f, err := s.Create(b.Context(), key)
		if err != nil {
			b.Fatal(err)
		}
		var now runtime.MemStats
		var peak uint64
		for range 1 << 10 {
			if _, err := f.Write(block); err != nil {
				b.Fatal(err)
			}
			runtime.ReadMemStats(&now)
			peak = max(peak, now.HeapInuse)
		}
		if _, err := f.Commit(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(peak>>20), "peak-heap-MiB")
	}
}
