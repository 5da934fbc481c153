package files

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"
	"golang.org/x/sync/semaphore"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// tidyTime bounds what has to be done after the caller's own time has ended.
const tidyTime = 30 * time.Second

// The names of an object's metadata.
const (
	metaContent = "backup-restore-content" // what the object is, for whoever finds it without its record
	metaUpload  = "backup-restore-upload"  // a nonce: which upload made it
)

var (
	errCommitted = errors.New("the file is committed")
	errAborted   = errors.New("the file was given up")
	errEmpty     = errors.New("nothing was written")
)

// writer is one file that is being written. Write, Commit and Abort may be called by several goroutines, though the order of
// bytes is only known where one writes.
type writer struct {
	store    *Store
	key      string
	nonce    string // in the object's metadata
	uploadID string

	// The upload's life: it ends with the context that Create was given, with Abort, and with the first part that fails.
	ctx    context.Context
	cancel context.CancelCauseFunc

	memory *semaphore.Weighted // of the part buffers that are in use
	spare  spares
	sends  sync.WaitGroup

	mu     sync.Mutex // held while a method runs
	buffer []byte     // the part being filled; its capacity is the part's size
	begun  int        // parts
	size   int64      // bytes
	sha256 hash.Hash
	crc    hash.Hash64
	err    error // sticks
	over   bool  // nothing is left to clear: committed, or aborted

	partsMu sync.Mutex
	parts   []types.CompletedPart // in the order in which they arrived
	cut     bool                  // a part was given up while S3 may still have been taking it
}

// Create implements backup.Files.
func (s *Store) Create(ctx context.Context, key string) (backup.FileWriter, error) {
	w := &writer{store: s, key: key, nonce: rand.Text(), sha256: sha256.New(), crc: crc64nvme.New(),
		memory: semaphore.NewWeighted(s.memory())}
	if err := w.begin(ctx); err != nil {
		return nil, s3call.Error(err, "begin upload of %s", key)
	}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w, nil
}

// begin starts the multipart upload.
func (w *writer) begin(ctx context.Context) error {
	s, doubt := w.store, false
	err := s.call.Do(ctx, func(ctx context.Context) error {
		out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
			Bucket: &s.bucket, Key: &w.key,
			// Never with a Content-Encoding: clients would unpack what is meant to be saved as it is.
			ContentType:       aws.String(contentType),
			Metadata:          map[string]string{metaContent: "gzip of a database dump as SQL", metaUpload: w.nonce},
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
		})
		if err != nil {
			doubt = doubt || s3call.Doubtful(err)
			return err
		}
		w.uploadID = aws.ToString(out.UploadId)
		return nil
	})
	if doubt {
		// A call whose answer was lost may have begun an upload that nobody knows. What can't be cleared here, S3 ends by the
		// bucket's rule for stale uploads.
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
		defer cancel()
		_ = s.abortUploads(tidy, w.key, func(id string) bool { return id != w.uploadID })
	}
	return err
}

// partSize is the size of part n, from 1: see Options.PartSize.
func (s *Store) partSize(n int) int64 {
	switch {
	case n <= 1000:
		return s.options.PartSize
	case n <= 2000:
		return 2 * s.options.PartSize
	}
	return 4 * s.options.PartSize
}

// Write implements io.Writer. It blocks while all buffers are on their way to S3.
func (w *writer) Write(p []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(p) > 0 {
		if err := w.failed(); err != nil {
			return n, err
		}
		if w.buffer == nil {
			if w.err = w.nextBuffer(); w.err != nil {
				return n, w.err
			}
		}
		fits := min(len(p), cap(w.buffer)-len(w.buffer))
		w.take(p[:fits])
		n, p = n+fits, p[fits:]
		if len(w.buffer) == cap(w.buffer) {
			w.send()
		}
	}
	return n, w.failed()
}

func (w *writer) take(p []byte) {
	w.buffer = append(w.buffer, p...)
	w.size += int64(len(p))
	_, _ = w.sha256.Write(p) // a hash's Write gives no error
	_, _ = w.crc.Write(p)
}

// failed is the error that sticks: of an earlier call, of a part that could not be sent, or of the context.
func (w *writer) failed() error {
	if w.err == nil && w.ctx.Err() != nil {
		w.err = fmt.Errorf("upload %s: %w", w.key, context.Cause(w.ctx))
	}
	return w.err
}

// weight is what a buffer of size takes of the memory: so much that there are no more of them than may be sent at once,
// and the one that is being filled.
func (s *Store) weight(size int64) int64 {
	return max(size, s.memory()/int64(s.options.Parallel+1))
}

func (s *Store) memory() int64 { return 8 * s.options.PartSize }

// nextBuffer begins the next part.
func (w *writer) nextBuffer() error {
	if w.begun == maxParts {
		return &backup.Error{Code: backup.CodeUnsupported,
			Text:  fmt.Sprintf("The file grew past %d GiB, which is the most that this worker can store.", w.size>>30),
			Hint:  "Run this backup on a worker that is set up for larger files.",
			Cause: fmt.Errorf("upload %s: all %d parts of an upload are used", w.key, maxParts)}
	}
	size := w.store.partSize(w.begun + 1)
	if err := w.memory.Acquire(w.ctx, w.store.weight(size)); err != nil {
		return w.failed()
	}
	w.begun++
	w.buffer = w.spare.take(size)
	return nil
}

// send sends the part in the buffer, in the background.
func (w *writer) send() {
	n, body := int32(w.begun), w.buffer //nolint:gosec // at most maxParts
	w.buffer = nil
	w.sends.Go(func() {
		part, err := w.sendPart(n, body)
		if err != nil {
			w.cancel(s3call.Error(err, "send part %d", n))
		}
		w.partsMu.Lock()
		w.parts = append(w.parts, part)
		w.cut = w.cut || err != nil
		w.partsMu.Unlock()
		w.spare.give(body)
		w.memory.Release(w.store.weight(int64(cap(body))))
	})
}

// slowest is the slowest rate at which a part may pass, in bytes per second, before its connection is given up.
const slowest = 256 << 10

func (w *writer) sendPart(n int32, body []byte) (types.CompletedPart, error) {
	crc := crc64nvme.New()
	_, _ = crc.Write(body)
	sum := encodeCRC(crc)
	policy := w.store.part
	if policy.Attempt == 0 {
		policy.Attempt = 30*time.Second + time.Duration(len(body)/slowest)*time.Second
	}
	var etag *string
	err := policy.Do(w.ctx, func(ctx context.Context) error {
		out, err := w.store.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &w.store.bucket, Key: &w.key, UploadId: &w.uploadID, PartNumber: &n,
			Body: bytes.NewReader(body), ContentLength: aws.Int64(int64(len(body))),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumCRC64NVME: &sum,
		}, func(o *s3.Options) {
			// The CRC covers the body; a SHA-256 for the signature would cost as much time again as our own.
			o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
		})
		if s3call.Is(err, "BadDigest", "InvalidDigest") {
			return s3call.Again(err) // it was changed on the way: we have the bytes and their sum
		}
		if err != nil {
			return err
		}
		etag = out.ETag
		return nil
	})
	return types.CompletedPart{PartNumber: &n, ETag: etag, ChecksumCRC64NVME: &sum}, err
}

// Abort implements backup.FileWriter. It ends a Write or Commit that is under way.
func (w *writer) Abort(ctx context.Context) error {
	w.cancel(errAborted)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return nil
	}
	if w.err == nil {
		w.err = fmt.Errorf("upload %s: %w", w.key, errAborted)
	}
	return w.clear(ctx)
}

// clear ends the upload at S3, also when the caller's own time has ended.
func (w *writer) clear(ctx context.Context) error {
	// A part that arrives after the abort would stay.
	w.cancel(errAborted)
	w.sends.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	if err := w.store.abort(ctx, w.key, w.uploadID); err != nil {
		return err
	}
	if w.cut {
		if err := w.store.abortLate(ctx, w.key, w.uploadID); err != nil {
			return err
		}
	}
	w.over = true
	return nil
}

// encodeCRC is a CRC as S3 writes it: base64 of the eight bytes, the most significant first.
func encodeCRC(crc hash.Hash64) string { return base64.StdEncoding.EncodeToString(crc.Sum(nil)) }

// spares are buffers of parts that were sent, all of one size.
type spares struct {
	mu   sync.Mutex
	free [][]byte
}

func (s *spares) take(size int64) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.free)
	if n == 0 || int64(cap(s.free[0])) != size {
		s.free = nil // parts have grown
		return make([]byte, 0, size)
	}
	b := s.free[n-1]
	s.free = s.free[:n-1]
	return b[:0]
}

func (s *spares) give(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) == 0 || cap(s.free[0]) == cap(b) {
		s.free = append(s.free, b)
	}
}
