package files

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// MaxLinkLifetime bounds how long a link works. It dies with the signing role's session, too, which may be sooner: a link is
// made for a click, not for keeping.
const MaxLinkLifetime = time.Hour

const contentType = "application/gzip"

// PresignDownload implements backup.Files. A longer lifetime than MaxLinkLifetime is cut to it.
func (s *Store) PresignDownload(ctx context.Context, key, versionID, filename string, lifetime time.Duration) (link string, expires time.Time, err error) {
	if lifetime < time.Second {
		return "", time.Time{}, fmt.Errorf("presign %s: a lifetime of %s is over before it can be used", key, lifetime)
	}
	lifetime = min(lifetime, MaxLinkLifetime).Truncate(time.Second)
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key,
		ResponseContentDisposition: aws.String(attachment(filename)), ResponseContentType: aws.String(contentType)}
	if versionID != "" {
		in.VersionId = &versionID
	}
	expires = time.Now().Add(lifetime) // before it is signed, so that it is never late
	request, err := s3.NewPresignClient(s.client).PresignGetObject(ctx, in, s3.WithPresignExpires(lifetime), func(o *s3.PresignOptions) {
		o.ClientOptions = append(o.ClientOptions, func(o *s3.Options) {
			// Else a checksum mode is signed into the link, which a browser has no use for.
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		})
	})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("presign %s: %w", key, err)
	}
	return request.URL, expires.UTC(), nil
}

// LinkOrigin is the scheme, host and port of all links. It asks nobody.
func (s *Store) LinkOrigin(ctx context.Context) (string, error) {
	link, _, err := s.PresignDownload(ctx, "origin", "", "origin", time.Minute)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(link)
	if err != nil {
		return "", fmt.Errorf("read a presigned link: %w", err)
	}
	return u.Scheme + "://" + u.Host, nil
}

// attachment is a Content-Disposition that saves under filename: RFC 6266, with a plain name for clients that don't know
// the encoded one.
func attachment(filename string) string {
	var plain, encoded strings.Builder
	for _, r := range filename {
		if r < ' ' || r == 0x7f || r == '/' || r == '\\' {
			r = '_' // no client should see a path or a line break in a name
		}
		if r == '"' || r == '%' || r > '~' {
			plain.WriteByte('_')
		} else {
			plain.WriteRune(r)
		}
		for _, b := range []byte(string(r)) {
			if attrChar(b) {
				encoded.WriteByte(b)
			} else {
				fmt.Fprintf(&encoded, "%%%02X", b)
			}
		}
	}
	return fmt.Sprintf(`attachment; filename="%s"; filename*=UTF-8''%s`, plain.String(), encoded.String())
}

// attrChar is attr-char of RFC 5987, section 3.2.1: what needs no encoding.
func attrChar(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$&+-.^_`|~", b) >= 0
}
