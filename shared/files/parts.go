package files

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// What can be said of an upload in parts that can't be completed.
const (
	codePartsMissing backup.Code = "upload_incomplete" // send what is missing, then complete it
	codePartsGone    backup.Code = "upload_gone"       // begin anew
)

// CompleteParts implements backup.Dropbox. The parts are asked of S3, not of the sender. The object comes to be with exactly the parts
// that there are links for, or not at all.
func (s *Store) CompleteParts(ctx context.Context, key, partsID string, size int64) error {
	if err := checkDrop(key, size, backup.MaxUploadSize); err != nil {
		return err
	}
	var gone error
	err := s.end.Do(ctx, func(ctx context.Context) error {
		parts, err := s.sentParts(ctx, key, partsID)
		if err == nil {
			if err := s.checkParts(parts, size); err != nil {
				return err
			}
			err = s.joinParts(ctx, key, partsID, size, parts)
		}
		gone = nil
		if s3call.NotFound(err) {
			gone = err
			return nil
		}
		return err
	})
	if err == nil && gone != nil {
		err = s.wasJoined(ctx, key, size, gone)
	}
	if err != nil {
		return s3call.Error(err, "complete upload of %s in parts", key)
	}
	return nil
}

// sentParts are the parts that have arrived, in the order of their numbers.
func (s *Store) sentParts(ctx context.Context, key, partsID string) (parts []types.Part, err error) {
	in := &s3.ListPartsInput{Bucket: &s.bucket, Key: &key, UploadId: &partsID}
	for {
		page, err := s.client.ListParts(ctx, in)
		if err != nil {
			return nil, err
		}
		if page.UploadId == nil { // the SDK takes an empty answer for an empty list
			return nil, s3call.Again(errors.New("the answer is empty"))
		}
		parts = append(parts, page.Parts...)
		if !aws.ToBool(page.IsTruncated) {
			return parts, nil
		}
		in.PartNumberMarker = page.NextPartNumberMarker
	}
}

// checkParts is nil where the parts are those of a file of size bytes.
func (s *Store) checkParts(parts []types.Part, size int64) error {
	sent := make(map[int64]int64, len(parts)) // number → bytes
	for _, p := range parts {
		sent[int64(aws.ToInt32(p.PartNumber))] = aws.ToInt64(p.Size)
	}
	each := s.linkPartSize(size)
	count := (size + each - 1) / each
	var (
		missing []string
		bytes   int64
	)
	for n := int64(1); n <= count; n++ {
		want := min(each, size-(n-1)*each)
		if sent[n] != want {
			missing, bytes = append(missing, fmt.Sprint(n)), bytes+want
		}
		delete(sent, n)
	}
	switch {
	case len(missing) > 0:
		const named = 20
		numbers := strings.Join(missing[:min(named, len(missing))], ", ")
		if len(missing) > named {
			numbers += ", …"
		}
		return &backup.Error{Code: codePartsMissing,
			Text: fmt.Sprintf("The upload is not complete: %d of its %d bytes have not arrived. Missing of its %d parts: %s.", bytes, size, count, numbers),
			Hint: "Send the missing parts to their links, then complete the upload again. Ask for new links where theirs have ended."}
	case len(sent) > 0: // no link is made for such
		return fmt.Errorf("%d parts are there beyond the %d of a file of %d bytes", len(sent), count, size)
	}
	return nil
}

// joinParts makes the object.
func (s *Store) joinParts(ctx context.Context, key, partsID string, size int64, parts []types.Part) error {
	named := make([]types.CompletedPart, 0, len(parts))
	for _, p := range parts {
		named = append(named, types.CompletedPart{PartNumber: p.PartNumber, ETag: p.ETag})
	}
	out, err := s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &s.bucket, Key: &key, UploadId: &partsID,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: named}, MpuObjectSize: &size})
	switch {
	case s3call.Is(err, "InvalidPart"):
		return &backup.Error{Code: codePartsMissing, Text: "A part of the upload was sent again while the upload was being completed.",
			Hint: "Wait until all parts are sent, then complete the upload again.", Cause: err}
	case err == nil && out.ETag == nil: // S3 may answer 200 before it is done, and then end without a word
		return s3call.Again(errors.New("the answer is empty"))
	}
	return err
}

// wasJoined is nil where the upload is gone because it was completed. Only this upload makes an object under its key: links are made
// for no other.
func (s *Store) wasJoined(ctx context.Context, key string, size int64, why error) error {
	errElse := errors.New("the object is not that of the upload")
	policy := s.call
	policy.Patience = min(policy.Patience, 2*time.Second) // another call may be about to make it
	err := policy.Do(ctx, func(ctx context.Context) error {
		out, err := s.head(ctx, key, "")
		switch {
		case errors.Is(err, backup.ErrNotFound), err == nil && aws.ToInt64(out.ContentLength) != size:
			return s3call.Again(errElse)
		}
		return err
	})
	if errors.Is(err, errElse) {
		return &backup.Error{Code: codePartsGone, Text: "The parts of this upload are no longer there: they are kept for a day.",
			Hint: "Begin a new upload.", Cause: why}
	}
	return err
}
