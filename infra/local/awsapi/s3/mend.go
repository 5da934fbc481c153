package s3

import (
	"context"
	"errors"
	"os"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/oklog/ulid/v2"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"
)

// The conformance suite found two places where the gateway is not as S3. Both are mended here, inside its own locks.

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

// backend is the posix backend, whose deletion of a version that has gone is no error.
type backend struct{ *posix.Posix }

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
