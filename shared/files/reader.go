package files

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// reader streams one version of an object. When its connection breaks, ends early or stalls, it takes up a new one where the
// last ended. Its errors stick.
type reader struct {
	ctx   context.Context // Open's: an io.Reader has no other way to get it
	store *Store

	key, version, etag string
	size               int64  // of the object
	end                int64  // where to stop
	sum                string // S3's CRC64NVME of the whole; "" where S3 has none, or where not all is read

	offset int64 // of the next byte in the object
	crc    hash.Hash64
	body   io.ReadCloser // nil between connections
	cut    context.CancelFunc
	err    error
}

var errClosed = errors.New("the file is closed")

// Open implements backup.Files. At the end of the file, what was read is compared with S3's checksum of the whole: a
// difference is an error in place of io.EOF.
func (s *Store) Open(ctx context.Context, key, versionID string) (io.ReadCloser, error) {
	r, err := s.open(ctx, key, versionID)
	if err != nil {
		return nil, err
	}
	return r, nil
}

// Stat implements backup.Files.
func (s *Store) Stat(ctx context.Context, key, versionID string) (backup.Stored, error) {
	r, err := s.open(ctx, key, versionID)
	if err != nil {
		return backup.Stored{}, err
	}
	return backup.Stored{Key: key, VersionID: r.version, Size: r.size, CRC64NVME: r.sum}, nil
}

// OpenRange implements backup.Files.
func (s *Store) OpenRange(ctx context.Context, key, versionID string, offset, length int64) (io.ReadCloser, error) {
	r, err := s.open(ctx, key, versionID)
	if err != nil {
		return nil, err
	}
	if offset < 0 || length < 0 || length > r.size-offset {
		return nil, fmt.Errorf("open %s version %s: it has %d bytes, not %d from %d on", key, versionID, r.size, length, offset)
	}
	r.offset, r.end, r.sum = offset, offset+length, ""
	return r, nil
}

func (s *Store) open(ctx context.Context, key, versionID string) (*reader, error) {
	var out *s3.HeadObjectOutput
	err := s.call.Do(ctx, func(ctx context.Context) (err error) {
		out, err = s.head(ctx, key, versionID)
		return err
	})
	if err != nil {
		return nil, s3call.Error(err, "open %s version %s", key, versionID)
	}
	r := &reader{ctx: ctx, store: s, key: key, version: versionID, etag: aws.ToString(out.ETag),
		size: aws.ToInt64(out.ContentLength), end: aws.ToInt64(out.ContentLength), crc: crc64nvme.New()}
	if r.version == "" {
		r.version = aws.ToString(out.VersionId) // "" where the bucket has none; then the ETag alone holds the object
	}
	if out.ChecksumType == types.ChecksumTypeFullObject {
		r.sum = aws.ToString(out.ChecksumCRC64NVME)
	}
	return r, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	if r.offset == r.end {
		r.err = r.finish()
		return 0, r.err
	}
	var n int
	// Patience begins anew with each Read, so with each byte: what counts is how long nothing comes.
	err := r.store.part.Do(r.ctx, func(context.Context) (err error) {
		n, err = r.some(p)
		return err
	})
	r.offset += int64(n)
	if r.sum != "" {
		_, _ = r.crc.Write(p[:n])
	}
	if err != nil {
		r.disconnect()
		r.err = s3call.Error(err, "read %s version %s at byte %d", r.key, r.version, r.offset)
	}
	return n, r.err
}

// some reads at least one byte, over the connection that is there or a new one.
func (r *reader) some(p []byte) (int, error) {
	if r.body == nil {
		if err := r.connect(); err != nil {
			return 0, err
		}
	}
	p = p[:min(int64(len(p)), r.end-r.offset)]
	// The connection's context, and not the attempt's, ends a read that stalls: the connection outlives this call.
	stalled := time.AfterFunc(r.store.read, r.cut)
	n, err := r.body.Read(p)
	stalled.Stop()
	if n > 0 {
		if err != nil {
			r.disconnect() // what comes after is asked for anew
		}
		return n, nil
	}
	r.disconnect()
	if err == nil {
		err = io.ErrNoProgress
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // there are bytes to come
	}
	return 0, s3call.Again(err)
}

// connect asks for the rest of the object.
func (r *reader) connect() error {
	ctx, end := context.WithCancel(r.ctx)
	in := &s3.GetObjectInput{Bucket: &r.store.bucket, Key: &r.key, IfMatch: &r.etag,
		Range: aws.String(fmt.Sprintf("bytes=%d-%d", r.offset, r.end-1))}
	if r.version != "" {
		in.VersionId = &r.version
	}
	slow := time.AfterFunc(r.store.read, end)
	out, err := r.store.client.GetObject(ctx, in, func(o *s3.Options) {
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired // a range has no checksum
	})
	slow.Stop()
	if err != nil {
		end()
		if s3call.NotFound(err) || s3call.Refused(err) {
			return &backup.Error{Code: backup.CodeFileChanged, Text: "The file in the storage was removed or replaced while it was read.",
				Hint: "Refresh the list and choose another backup.", Cause: err}
		}
		return err
	}
	want := fmt.Sprintf("bytes %d-%d/%d", r.offset, r.end-1, r.size)
	if got := aws.ToString(out.ContentRange); strings.TrimSpace(got) != want {
		end()
		_ = out.Body.Close()
		return s3call.Again(fmt.Errorf("asked for %q, got %q", want, got))
	}
	r.body, r.cut = out.Body, end
	return nil
}

func (r *reader) disconnect() {
	if r.body != nil {
		r.cut()
		_ = r.body.Close()
		r.body = nil
	}
}

// finish is io.EOF where all that was read is what S3 holds.
func (r *reader) finish() error {
	r.disconnect()
	if got := encodeCRC(r.crc); r.sum != "" && got != r.sum {
		return &backup.Error{Code: backup.CodeFileChanged, Text: "The file arrived otherwise than the storage (S3) holds it.",
			Hint:  "Try again. If it happens again, choose another backup.",
			Cause: fmt.Errorf("read %s version %s: CRC64NVME %s, S3 has %s", r.key, r.version, got, r.sum)}
	}
	return io.EOF
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.disconnect()
	r.err = errClosed
	return nil
}
