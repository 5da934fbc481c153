package files

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

var _ backup.Dropbox = (*Store)(nil)

// dropKey is what a link to send a file to may name. S3 puts the sender's filename in place of ${filename} in a form's key, and takes
// two dots for a segment like any other: neither can be in a key, which is made of names and ids.
var dropKey = regexp.MustCompile(`^uploads(/[a-z0-9][a-z0-9_-]*(\.[a-z0-9_-]+)*)+$`)

// checkDrop refuses what no link may be given out for, whatever the caller's rights are.
func checkDrop(key string, size, most int64) error {
	if size < 1 || size > most {
		return fmt.Errorf("an upload of %d bytes to %s: from 1 to %d can be sent this way", size, key, most)
	}
	return checkDropKey(key)
}

func checkDropKey(key string) error {
	if !dropKey.MatchString(key) {
		return fmt.Errorf("an upload to %q: not a key for uploads", key)
	}
	return nil
}

// linkLife is how long a link that is made now works, and when it ends, which is never later than S3 takes it to end: S3 counts in
// whole seconds.
func linkLife(key string, lifetime time.Duration) (time.Duration, time.Time, error) {
	if lifetime < time.Second {
		return 0, time.Time{}, fmt.Errorf("presign %s: a lifetime of %s is over before it can be used", key, lifetime)
	}
	lifetime = min(lifetime, MaxLinkLifetime).Truncate(time.Second)
	return lifetime, time.Now().Truncate(time.Second).Add(lifetime).UTC(), nil
}

// PresignPost implements backup.Dropbox. A longer lifetime than MaxLinkLifetime is cut to it. The form holds one key and one size, and
// S3 refuses every field that is not in it, so nobody can add a type, metadata or a redirect. It can be sent again while it lives:
// that makes a newer version of the object and leaves the earlier one as it is.
func (s *Store) PresignPost(ctx context.Context, key string, size int64, lifetime time.Duration) (backup.PostForm, error) {
	if err := checkDrop(key, size, backup.MaxPostSize); err != nil {
		return backup.PostForm{}, err
	}
	lifetime, expires, err := linkLife(key, lifetime)
	if err != nil {
		return backup.PostForm{}, err
	}
	// 201 answers with a few lines of XML: somebody who sends a file from a terminal sees that it arrived.
	const status = "201"
	form, err := s3.NewPresignClient(s.client).PresignPostObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key},
		func(o *s3.PresignPostOptions) {
			o.Expires = lifetime
			o.Conditions = []any{
				[]any{"content-length-range", size, size},
				map[string]string{"success_action_status": status},
			}
		})
	if err != nil {
		return backup.PostForm{}, fmt.Errorf("presign an upload to %s: %w", key, err)
	}
	form.Values["success_action_status"] = status
	return backup.PostForm{URL: form.URL, Fields: form.Values, Expires: expires}, nil
}

// BeginParts implements backup.Dropbox.
func (s *Store) BeginParts(ctx context.Context, key string) (partsID string, err error) {
	if err := checkDropKey(key); err != nil {
		return "", err
	}
	err = s.call.Do(ctx, func(ctx context.Context) error {
		// Without a checksum's algorithm: with one, each part would need a checksum, which a link can't ask for. S3 computes a CRC64NVME
		// of the whole by itself. One that is begun twice, as an answer was lost, is ended by the bucket's rule for stale uploads.
		out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key})
		if err == nil {
			partsID = aws.ToString(out.UploadId)
		}
		return err
	})
	if err != nil {
		return "", s3call.Error(err, "begin upload of %s in parts", key)
	}
	return partsID, nil
}

// linkParts is the most parts that links are made for: with a session token a link has some 2 kB, and an answer of the API at most
// 6 MB.
const linkParts = 1000

// linkPartSize is the size of the parts, but for the last, of a file of size bytes that is sent by links. It has to be the same for
// the same size, always: links are made more than once for one upload. 64 MiB takes a minute at 10 Mbit/s, and is what is lost when a
// connection breaks.
func (s *Store) linkPartSize(size int64) int64 {
	part := s.options.LinkPartSize
	for (size+part-1)/part > linkParts {
		part *= 2
	}
	return part
}

// PresignParts implements backup.Dropbox. A longer lifetime than MaxLinkLifetime is cut to it. Each link is good for one part of one
// upload, and for its length, which every client sends of its own accord.
func (s *Store) PresignParts(ctx context.Context, key, partsID string, size int64, lifetime time.Duration) (backup.PartLinks, error) {
	if err := checkDrop(key, size, backup.MaxUploadSize); err != nil {
		return backup.PartLinks{}, err
	}
	if partsID == "" { // the link would be for something else than a part
		return backup.PartLinks{}, fmt.Errorf("presign parts of %s: no upload is named", key)
	}
	lifetime, expires, err := linkLife(key, lifetime)
	if err != nil {
		return backup.PartLinks{}, err
	}
	client := s3.NewPresignClient(s.client, s3.WithPresignExpires(lifetime))
	links := backup.PartLinks{PartSize: s.linkPartSize(size), Expires: expires}
	for n, left := int32(1), size; left > 0; n, left = n+1, left-links.PartSize {
		request, err := client.PresignUploadPart(ctx, &s3.UploadPartInput{Bucket: &s.bucket, Key: &key, UploadId: &partsID,
			PartNumber: &n, ContentLength: aws.Int64(min(left, links.PartSize))})
		if err != nil {
			return backup.PartLinks{}, fmt.Errorf("presign part %d of %s: %w", n, key, err)
		}
		links.URLs = append(links.URLs, request.URL)
	}
	return links, nil
}

// Arrived implements backup.Dropbox.
func (s *Store) Arrived(ctx context.Context, key string) (backup.Stored, error) {
	var out *s3.HeadObjectOutput
	err := s.call.Do(ctx, func(ctx context.Context) (err error) {
		out, err = s.head(ctx, key, "")
		return err
	})
	if err != nil {
		return backup.Stored{}, s3call.Error(err, "look for %s", key)
	}
	return backup.Stored{Key: key, VersionID: aws.ToString(out.VersionId), Size: aws.ToInt64(out.ContentLength)}, nil
}
