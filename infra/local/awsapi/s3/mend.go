package s3

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/oklog/ulid/v2"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// The conformance suite found places where the gateway is not as S3. Those of what it stores are mended here, inside its own locks;
// those of how it answers in front.go.

// markers gives delete markers no ETag, as S3 does. The gateway leaves them the ETag of the object that was deleted, and tells
// by it whether an object is there: it refused If-None-Match where the key had been deleted, and took If-Match.
type markers struct{ meta.MetadataStorer }

// The gateway's names of the attributes (posix.go, unexported).
const (
	etagAttribute   = "etag"
	markerAttribute = "delete-marker"
)

func (m markers) RetrieveAttribute(f *os.File, bucket, object, attribute string) ([]byte, error) {
	if attribute == etagAttribute {
		if _, err := m.MetadataStorer.RetrieveAttribute(f, bucket, object, markerAttribute); err == nil {
			return nil, meta.ErrNoSuchKey
		}
	}
	return m.MetadataStorer.RetrieveAttribute(f, bucket, object, attribute)
}

// ListAttributes names what RetrieveAttribute can give: the gateway copies a marker by its list.
func (m markers) ListAttributes(bucket, object string) ([]string, error) {
	names, err := m.MetadataStorer.ListAttributes(bucket, object)
	if slices.Contains(names, markerAttribute) {
		names = slices.DeleteFunc(names, func(name string) bool { return name == etagAttribute })
	}
	return names, err
}

// backend is the posix backend, whose deletion of a version that has gone is no error, and which takes a form's file only in the length
// that its policy was held to.
type backend struct{ *posix.Posix }

// PutObject stores what a form sends, too. The gateway holds the policy to the length that the request says, less what is around the
// file; but a form may end before its request does, and what follows is no part of the file.
func (b backend) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if file, ok := in.Body.(utils.MpFileReader); ok && in.ContentLength != nil {
		in.Body = &formFile{file: file, length: *in.ContentLength}
	}
	return b.Posix.PutObject(ctx, in)
}

// formFile ends in an error where a form's file is not as long as it should be.
type formFile struct {
	file   utils.MpFileReader
	length int64
}

func (f *formFile) Read(p []byte) (int, error) {
	n, err := f.file.Read(p)
	if got := f.file.Length(); errors.Is(err, io.EOF) && got != f.length {
		return n, s3err.GetEntityTooSmallErr(got, f.length)
	}
	return n, err
}

func (b backend) DeleteObject(ctx context.Context, in *sdk.DeleteObjectInput) (*sdk.DeleteObjectOutput, error) {
	out, err := b.Posix.DeleteObject(ctx, in)
	var argument s3err.InvalidArgumentError
	if errors.As(err, &argument) && in.VersionId != nil {
		// It answers the same for an id that can't be one, and S3 refuses that.
		if _, bad := ulid.Parse(*in.VersionId); bad == nil {
			return &sdk.DeleteObjectOutput{VersionId: in.VersionId}, nil
		}
	}
	return out, err
}
