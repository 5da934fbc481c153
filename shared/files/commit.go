package files

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// Commit implements backup.FileWriter.
//
// There is one way in which an object can be left under the key though Commit fails: S3 took the object, which means that it
// agreed with its length and checksum, and then did not answer for half a minute when it was asked what it holds. No record
// names such an object.
func (w *writer) Commit(ctx context.Context) (backup.Stored, error) {
	// The parts that are still on their way belong to this call, too.
	defer context.AfterFunc(ctx, func() { w.cancel(context.Cause(ctx)) })()
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.finishParts(); err != nil {
		return backup.Stored{}, w.fail(ctx, err)
	}
	versionID, err := w.complete(ctx)
	if err != nil {
		return backup.Stored{}, w.fail(ctx, s3call.Error(err, "complete upload of %s", w.key))
	}
	w.over = true
	stored, err := w.confirm(ctx, versionID)
	if err != nil {
		return backup.Stored{}, w.fail(ctx, err)
	}
	w.err = fmt.Errorf("upload %s: %w", w.key, errCommitted)
	w.cancel(errCommitted)
	return stored, nil
}

// fail makes err stick and leaves nothing behind.
func (w *writer) fail(ctx context.Context, err error) error {
	if w.err == nil {
		w.err = err
	}
	if !w.over {
		return errors.Join(err, w.clear(ctx))
	}
	return err
}

// finishParts sends the last part and waits for all.
func (w *writer) finishParts() error {
	if err := w.failed(); err != nil {
		return err
	}
	if w.size == 0 {
		return fmt.Errorf("upload %s: %w", w.key, errEmpty)
	}
	if len(w.buffer) > 0 {
		w.send()
	}
	w.sends.Wait()
	return w.failed()
}

// complete makes the object of its parts. S3 refuses to if the length or the checksum of the whole is not ours.
func (w *writer) complete(ctx context.Context) (versionID string, err error) {
	slices.SortFunc(w.parts, func(a, b types.CompletedPart) int { return cmp.Compare(*a.PartNumber, *b.PartNumber) })
	s := w.store
	err = s.end.Do(ctx, func(ctx context.Context) error {
		out, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &s.bucket, Key: &w.key, UploadId: &w.uploadID,
			MultipartUpload:   &types.CompletedMultipartUpload{Parts: w.parts},
			ChecksumCRC64NVME: aws.String(encodeCRC(w.crc)), ChecksumType: types.ChecksumTypeFullObject,
			MpuObjectSize: aws.Int64(w.size),
		})
		switch {
		case err == nil && out.ETag == nil: // S3 may answer 200 before it is done, and then end without a word
			return s3call.Again(errors.New("the answer is empty"))
		case err == nil:
			versionID = aws.ToString(out.VersionId)
		case s3call.NotFound(err):
			// The upload is gone: an earlier try whose answer was lost has succeeded, or somebody aborted it.
			versionID, err = w.look(ctx, err)
		}
		return err
	})
	if err == nil || !s3call.Doubtful(err) {
		return versionID, err
	}
	// We give up, and S3 may still make the object. After the abort it has, or never will.
	if err := errors.Join(err, w.clear(ctx)); !w.over {
		return "", err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	return w.look(last, err)
}

// look asks whether the object under the key is the one that this upload made. It returns why if it is not.
func (w *writer) look(ctx context.Context, why error) (versionID string, err error) {
	out, err := w.store.head(ctx, w.key, "")
	switch {
	case errors.Is(err, backup.ErrNotFound), err == nil && out.Metadata[metaUpload] != w.nonce:
		return "", why
	case err != nil:
		return "", s3call.Again(errors.Join(why, err))
	}
	return aws.ToString(out.VersionId), nil
}

// confirm asks S3 what it holds now and compares it with what was written.
func (w *writer) confirm(ctx context.Context, versionID string) (backup.Stored, error) {
	// The object is there: a caller whose time ends now should still learn that it is.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTime)
	defer cancel()
	var out *s3.HeadObjectOutput
	err := w.store.call.Do(ctx, func(ctx context.Context) (err error) {
		out, err = w.store.head(ctx, w.key, versionID)
		// An answer that names no version may have been given while another call still makes the object.
		if versionID == "" && (errors.Is(err, backup.ErrNotFound) || err == nil && out.Metadata[metaUpload] != w.nonce) {
			return s3call.Again(errors.New("the object is not there"))
		}
		return err
	})
	if err != nil {
		return backup.Stored{}, s3call.Error(err, "confirm %s version %s", w.key, versionID)
	}
	const form = "%d bytes, CRC64NVME %s of %s, upload %s"
	want := fmt.Sprintf(form, w.size, encodeCRC(w.crc), types.ChecksumTypeFullObject, w.nonce)
	got := fmt.Sprintf(form, aws.ToInt64(out.ContentLength), aws.ToString(out.ChecksumCRC64NVME), out.ChecksumType, out.Metadata[metaUpload])
	if got != want {
		return backup.Stored{}, &backup.Error{Code: backup.CodeStorage,
			Text:  "The storage (S3) holds something else than what was sent.",
			Hint:  "Create a new backup. If it happens again, look up the cause in the log.",
			Cause: fmt.Errorf("confirm %s version %s: it holds %s; sent were %s", w.key, versionID, got, want)}
	}
	return backup.Stored{Key: w.key, VersionID: aws.ToString(out.VersionId), Size: w.size,
		SHA256: hex.EncodeToString(w.sha256.Sum(nil)), CRC64NVME: encodeCRC(w.crc)}, nil
}

// head asks for an object's description, once. The newest version where versionID is "".
func (s *Store) head(ctx context.Context, key, versionID string) (*s3.HeadObjectOutput, error) {
	in := &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}
	if versionID != "" {
		in.VersionId = &versionID
	}
	out, err := s.client.HeadObject(ctx, in)
	if s3call.NotFound(err) {
		return nil, backup.ErrNotFound
	}
	return out, err
}
