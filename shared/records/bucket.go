package records

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// maxRecord bounds what is read of one object. A backup of 100,000 tables has a record of some 10 MB.
const maxRecord = 64 << 20

// keptNonces is how many earlier writes an envelope names: so many other writers may build on a write whose answer was
// lost before its writer looks, and it is still known to have succeeded.
const keptNonces = 8

// errConflict says that the object is not, or no longer, as the write assumed.
var errConflict = errors.New("somebody else wrote meanwhile")

// bucket reads and writes envelopes.
type bucket struct {
	client *s3.Client // one attempt per call: policy decides what follows
	name   string
	policy s3call.Policy
}

func newBucket(client *s3.Client, name string, policy s3call.Policy) *bucket {
	return &bucket{client: s3call.Client(client), name: name, policy: policy}
}

// envelope is an object's body.
type envelope struct {
	Version int             `json:"version"`
	Write   string          `json:"write"`             // nonce of the write that made it
	Earlier []string        `json:"earlier,omitempty"` // nonces of the writes before, the newest first
	Record  json.RawMessage `json:"record"`
}

// wrote reports whether the write with nonce is this one or one that this one was built on.
func (e envelope) wrote(nonce string) bool {
	return e.Write == nonce || slices.Contains(e.Earlier, nonce)
}

// next is the envelope of a write that builds on e.
func (e envelope) next(nonce string, record any) (envelope, error) {
	text, err := json.Marshal(record)
	if err != nil {
		return envelope{}, fmt.Errorf("encode record: %w", err)
	}
	earlier := e.Earlier
	if e.Write != "" {
		earlier = slices.Concat([]string{e.Write}, earlier)
	}
	return envelope{Version: 1, Write: nonce, Earlier: earlier[:min(len(earlier), keptNonces)], Record: text}, nil
}

// object is an envelope as it was read.
type object struct {
	envelope
	etag     string
	modified time.Time     // when it was written, by S3's clock, to the second
	age      time.Duration // by S3's clock when it answered; off by less than a second each way; -1 where not known
}

// get reads an object, or backup.ErrNotFound.
func (b *bucket) get(ctx context.Context, key string) (object, error) {
	var o object
	err := b.policy.Do(ctx, func(ctx context.Context) (err error) {
		o, err = b.getOnce(ctx, key)
		return err
	})
	if err != nil {
		return object{}, fmt.Errorf("read %s: %w", key, err)
	}
	return o, nil
}

func (b *bucket) getOnce(ctx context.Context, key string) (object, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if s3call.NotFound(err) {
		return object{}, backup.ErrNotFound
	}
	if err != nil {
		return object{}, err
	}
	defer func() { _ = out.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(out.Body, maxRecord+1))
	if err != nil {
		return object{}, s3call.Again(err)
	}
	if len(body) > maxRecord {
		return object{}, fmt.Errorf("it is larger than %d bytes", maxRecord)
	}
	o := object{etag: aws.ToString(out.ETag), modified: aws.ToTime(out.LastModified), age: -1}
	if date, ok := awsmiddleware.GetServerTime(out.ResultMetadata); ok && !o.modified.IsZero() {
		o.age = date.Sub(o.modified)
	}
	if err := json.Unmarshal(body, &o.envelope); err != nil {
		return object{}, fmt.Errorf("decode: %w: %w", backup.ErrUnreadable, err)
	}
	if o.Version != 1 {
		return object{}, fmt.Errorf("it has version %d; this program knows version 1: %w", o.Version, backup.ErrUnreadable)
	}
	return o, nil
}

// put writes e under key if the object there still has the etag before, or if there is none where before is "". It
// returns errConflict where that does not hold, and finds out by itself whether a write without a clear answer succeeded.
// The etag is "" where another writer has built on the write already.
//
// The same body may be sent more than once. Each copy has the same condition, so S3 carries out one of them at most and
// refuses the others: a refusal says nothing before the object was read.
func (b *bucket) put(ctx context.Context, key, before string, e envelope) (etag string, err error) {
	body, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", key, err)
	}
	in := &s3.PutObjectInput{Bucket: &b.name, Key: &key, ContentType: aws.String("application/json")}
	if before == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &before
	}
	err = b.policy.Do(ctx, func(ctx context.Context) error {
		in.Body = bytes.NewReader(body)
		out, err := b.client.PutObject(ctx, in)
		switch {
		case err == nil:
			etag = aws.ToString(out.ETag)
			return nil
		case before != "" && s3call.NotFound(err): // so S3 answers the change of what is not there
			return errConflict
		case s3call.Refused(err):
			etag, err = b.settle(ctx, key, before, e.Write, err)
		}
		return err
	})
	if err != nil && s3call.Doubtful(err) {
		// We give up; but one of the copies may have been carried out, also when it is ctx that ended.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
		defer cancel()
		if settled, why := b.settle(last, key, before, e.Write, err); why == nil {
			return settled, nil
		}
	}
	if err != nil {
		return "", fmt.Errorf("write %s: %w", key, err)
	}
	return etag, nil
}

// settleTime bounds the last look at a write that was given up.
const settleTime = 5 * time.Second

// settle finds out what became of a write that ended with doubt: nil if it succeeded, errConflict if it can't any more, and
// doubt itself, to be tried again, if nothing has happened yet.
func (b *bucket) settle(ctx context.Context, key, before, nonce string, doubt error) (etag string, err error) {
	o, err := b.getOnce(ctx, key)
	missing := errors.Is(err, backup.ErrNotFound)
	switch {
	case err != nil && !missing:
		return "", s3call.Again(errors.Join(doubt, err))
	case !missing && o.Write == nonce:
		return o.etag, nil
	case !missing && o.wrote(nonce):
		return "", nil // and the object is another writer's by now
	case missing && before == "", !missing && o.etag == before:
		return "", s3call.Again(doubt)
	}
	return "", errConflict
}

// create writes a first envelope, or backup.ErrExists.
func (b *bucket) create(ctx context.Context, key string, record any) error {
	e, err := envelope{}.next(newNonce(), record)
	if err != nil {
		return err
	}
	_, err = b.put(ctx, key, "", e)
	if errors.Is(err, errConflict) {
		return fmt.Errorf("create %s: %w", key, backup.ErrExists)
	}
	return err
}

// remove deletes an object. One that is not there is no error.
func (b *bucket) remove(ctx context.Context, key string) error {
	err := b.policy.Do(ctx, func(ctx context.Context) error {
		_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
		if s3call.NotFound(err) {
			return nil
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	return nil
}

// list is one LIST: up to limit objects below prefix whose keys come after startAfter, and whether there are more.
func (b *bucket) list(ctx context.Context, prefix, startAfter string, limit int) (found []listed, more bool, err error) {
	in := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix, MaxKeys: aws.Int32(int32(limit))} //nolint:gosec // at most 1000
	if startAfter != "" {
		in.StartAfter = &startAfter
	}
	var out *s3.ListObjectsV2Output
	err = b.policy.Do(ctx, func(ctx context.Context) (err error) {
		out, err = b.client.ListObjectsV2(ctx, in)
		if err == nil && out.Name == nil { // the SDK takes an empty answer for an empty list
			return s3call.Again(errors.New("the answer is empty"))
		}
		return err
	})
	if err != nil {
		return nil, false, fmt.Errorf("list %s: %w", prefix, err)
	}
	for _, o := range out.Contents {
		found = append(found, listed{key: aws.ToString(o.Key), modified: aws.ToTime(o.LastModified)})
	}
	return found, aws.ToBool(out.IsTruncated) && len(found) > 0, nil
}

// listAll is every object below prefix.
func (b *bucket) listAll(ctx context.Context, prefix string) (all []listed, err error) {
	for startAfter, more := "", true; more; {
		var found []listed
		if found, more, err = b.list(ctx, prefix, startAfter, maxPage); err != nil {
			return nil, err
		}
		for _, f := range found {
			startAfter = f.key
		}
		all = append(all, found...)
	}
	return all, nil
}

type listed struct {
	key      string
	modified time.Time
}

func newNonce() string { return rand.Text() }

// cutAround is s without the prefix and suffix that it must have.
func cutAround(s, prefix, suffix string) (string, bool) {
	s, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return "", false
	}
	return strings.CutSuffix(s, suffix)
}

// cutKey is database and name of a key <folder><database>/<name><suffix>.
func cutKey(key, folder, suffix string) (database, name string, ok bool) {
	rest, ok := cutAround(key, folder, suffix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "/")
}
