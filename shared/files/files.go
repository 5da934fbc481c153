// Package files keeps dump files as objects in an S3 bucket: written as a stream of unknown length in flat memory, read as
// a stream that outlives broken connections, and handed to browsers by presigned links. Browsers send files to it by links as
// well: see [Store.PresignPost] and [Store.PresignParts].
//
// [Store.Create] begins a file, Write fills it, and Commit ends it. What Commit returns is confirmed: S3 was given the
// whole object's length and CRC64NVME, computed here while the bytes passed, and would have refused to make an object that
// differs; then it was asked what it holds. Nobody who writes backups may delete, so a bad object must never come into being.
package files

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// Options are settings of a store. The zero value of a field means its default.
type Options struct {
	// PartSize is the size of a file's first 1,000 parts in bytes. The next 1,000 are twice, all others four times as
	// large. S3 takes 10,000 parts, so a file ends at 35,000 times PartSize, and writing one takes up to 8 times
	// PartSize of memory. Default: 8 MiB, which makes 273 GiB and 64 MiB; a worker of 15 minutes can't compress as much.
	// At least 5 MiB, which is S3's own bound.
	PartSize int64
	// Parallel is how many parts are sent at once, as far as the memory reaches: 7 at most, 3 and 1 as parts grow. Default: 4.
	Parallel int
	// LinkPartSize is the size of the parts in which somebody else sends a file by links, in bytes, for files of up to 1,000 parts;
	// those of larger files are two, four or more times as large. It must not change while uploads are under way. Default: 64 MiB. At
	// least 5 MiB.
	LinkPartSize int64
	// Patience bounds how long a call that S3 refuses for the moment, or does not answer, is tried again. Default: what the
	// kind of call deserves, 2 to 5 minutes.
	Patience time.Duration
}

// Store is the files of one bucket. It implements backup.Files and backup.Dropbox.
type Store struct {
	client  *s3.Client // one attempt per call
	bucket  string
	options Options

	call s3call.Policy // of small calls
	part s3call.Policy // of one part; an attempt's time grows with its size
	end  s3call.Policy // of the call that completes an upload, over which S3 may ponder for minutes
	read time.Duration // how long a body may stall before its connection is given up
}

var _ backup.Files = (*Store)(nil)

// The bounds of S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const (
	minPartSize = 5 << 20
	maxParts    = 10_000
)

// New returns the files that lie in bucket. Nothing is asked of S3 yet.
func New(client *s3.Client, bucket string, o Options) *Store {
	if o.PartSize == 0 {
		o.PartSize = 8 << 20
	}
	if o.Parallel <= 0 {
		o.Parallel = 4
	}
	if o.LinkPartSize == 0 {
		o.LinkPartSize = 64 << 20
	}
	o.PartSize, o.LinkPartSize = max(o.PartSize, minPartSize), max(o.LinkPartSize, minPartSize)
	patience := func(deserved time.Duration) time.Duration {
		if o.Patience > 0 {
			return min(o.Patience, deserved)
		}
		return deserved
	}
	return &Store{
		client: s3call.Client(client), bucket: bucket, options: o,
		call: s3call.Policy{Patience: patience(2 * time.Minute)},
		part: s3call.Policy{Patience: patience(3 * time.Minute)},
		end:  s3call.Policy{Patience: patience(5 * time.Minute), Attempt: 5 * time.Minute},
		read: 30 * time.Second,
	}
}

// AbortUploads implements backup.Files.
func (s *Store) AbortUploads(ctx context.Context, prefix string) error {
	if prefix == "" {
		return errors.New("abort uploads: a prefix is needed, else it would be those of all")
	}
	return s.abortUploads(ctx, prefix, func(string) bool { return true })
}

// abortUploads ends the unfinished uploads below prefix whose ids match.
func (s *Store) abortUploads(ctx context.Context, prefix string, match func(uploadID string) bool) error {
	in := &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix}
	for {
		var page *s3.ListMultipartUploadsOutput
		err := s.call.Do(ctx, func(ctx context.Context) (err error) {
			page, err = s.client.ListMultipartUploads(ctx, in)
			if err == nil && page.Bucket == nil { // the SDK takes an empty answer for an empty list
				return s3call.Again(errors.New("the answer is empty"))
			}
			return err
		})
		if err != nil {
			return s3call.Error(err, "list uploads of %s", prefix)
		}
		for _, u := range page.Uploads {
			if !match(aws.ToString(u.UploadId)) {
				continue
			}
			if err := s.abort(ctx, aws.ToString(u.Key), aws.ToString(u.UploadId)); err != nil {
				return err
			}
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		in.KeyMarker, in.UploadIdMarker = page.NextKeyMarker, page.NextUploadIdMarker
	}
}

// abort ends one upload. One that is not there, as it was aborted before or completed, is no error.
func (s *Store) abort(ctx context.Context, key, uploadID string) error {
	err := s.call.Do(ctx, func(ctx context.Context) error {
		_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &uploadID})
		if s3call.NotFound(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return s3call.Error(err, "abort upload of %s", key)
	}
	return nil
}

// lateParts are the pauses between the looks at an upload that was aborted while a part was on its way. S3 may take such a part
// after the abort, and then keeps it, and the upload, until somebody aborts again (API reference of AbortMultipartUpload). What
// comes later than the last look, S3 ends by the bucket's rule for stale uploads.
var lateParts = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond}

// abortLate aborts an upload again for as long as it comes back.
func (s *Store) abortLate(ctx context.Context, key, uploadID string) error {
	for _, pause := range lateParts {
		select {
		case <-ctx.Done():
			return fmt.Errorf("abort upload of %s: %w", key, context.Cause(ctx))
		case <-time.After(pause):
		}
		if err := s.abort(ctx, key, uploadID); err != nil {
			return err
		}
	}
	return nil
}

// Delete implements backup.Files.
func (s *Store) Delete(ctx context.Context, key, versionID string) error {
	if versionID == "" {
		return fmt.Errorf("delete %s: a version is needed, else S3 would only hide the object", key)
	}
	err := s.call.Do(ctx, func(ctx context.Context) error {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, VersionId: &versionID})
		// S3 answers 204 for a version that is not there, and 400 for one that can't be.
		if s3call.NotFound(err) || s3call.Is(err, "InvalidArgument") {
			return nil
		}
		return err
	})
	if err != nil {
		return s3call.Error(err, "delete %s version %s", key, versionID)
	}
	return nil
}
