package conformance

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// nvme is the polynomial of CRC-64/NVME, reversed, as hash/crc64 wants it.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// checksum is the CRC64NVME of b in S3's form: the big-endian bytes in base64.
func checksum(b ...[]byte) string {
	var sum uint64
	for _, part := range b {
		sum = crc64.Update(sum, nvme, part)
	}
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum))
}

func TestChecksum_IsTheOneOfTheCatalogue(t *testing.T) {
	t.Parallel()
	// The check value of CRC-64/NVME in the RevEng catalogue: 0xae8b14860a799888 of "123456789".
	want := base64.StdEncoding.EncodeToString([]byte{0xae, 0x8b, 0x14, 0x86, 0x0a, 0x79, 0x98, 0x88})
	if got := checksum([]byte("123456789")); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// upload is a multipart upload under test.
type upload struct {
	c           *s3.Client
	bucket, key string
	id          *string
	parts       []types.CompletedPart
}

// beginUpload begins one as package files does: with the checksum of the whole object.
func beginUpload(t *testing.T, c *s3.Client, bucket, key string) *upload {
	t.Helper()
	out := must[*s3.CreateMultipartUploadOutput](t)(c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &key, ContentType: aws.String("application/gzip"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject}))
	return &upload{c: c, bucket: bucket, key: key, id: out.UploadId}
}

func (u *upload) part(t *testing.T, n int32, content []byte) {
	t.Helper()
	out := must[*s3.UploadPartOutput](t)(u.c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &u.bucket, Key: &u.key,
		UploadId: u.id, PartNumber: &n, Body: bytes.NewReader(content), ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme}))
	if got := aws.ToString(out.ChecksumCRC64NVME); got != checksum(content) {
		t.Errorf("S3 confirmed checksum %q of part %d, want %q", got, n, checksum(content))
	}
	u.parts = append(u.parts, types.CompletedPart{PartNumber: &n, ETag: out.ETag, ChecksumCRC64NVME: out.ChecksumCRC64NVME})
}

func (u *upload) complete(t *testing.T, size int64, sum string) (*s3.CompleteMultipartUploadOutput, error) {
	t.Helper()
	slices.SortFunc(u.parts, func(a, b types.CompletedPart) int { return int(*a.PartNumber - *b.PartNumber) })
	return u.c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: &u.bucket, Key: &u.key,
		UploadId: u.id, MpuObjectSize: &size, ChecksumType: types.ChecksumTypeFullObject, ChecksumCRC64NVME: &sum,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts}})
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func TestS3_MultipartKeepsTheChecksumOfTheWholeObject(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	first, second := randomBytes(5<<20), randomBytes(12345)
	size, sum := int64(len(first)+len(second)), checksum(first, second)

	u := beginUpload(t, c, bucket, "backups/school/1/dump.sql.gz")
	u.part(t, 2, second) // parts may come in any order
	u.part(t, 1, first)
	done, err := u.complete(t, size, sum)
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(done.VersionId) == "" {
		t.Error("completing answered without a version")
	}
	head := must[*s3.HeadObjectOutput](t)(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &u.key,
		VersionId: done.VersionId, ChecksumMode: types.ChecksumModeEnabled}))
	if got := aws.ToString(head.ChecksumCRC64NVME); got != sum || head.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("S3 holds checksum %q of type %q, want %q of FULL_OBJECT", got, head.ChecksumType, sum)
	}
	if got := aws.ToInt64(head.ContentLength); got != size {
		t.Errorf("S3 holds %d bytes, want %d", got, size)
	}
	if got := aws.ToString(head.ContentType); got != "application/gzip" {
		t.Errorf("S3 holds the content type %q", got)
	}
	got := must[*s3.GetObjectOutput](t)(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &u.key,
		VersionId: done.VersionId, Range: aws.String("bytes=5242879-5242890")}))
	defer func() { _ = got.Body.Close() }()
	b, err := io.ReadAll(got.Body)
	if want := append(first[len(first)-1:len(first):len(first)], second[:11]...); err != nil || !bytes.Equal(b, want) {
		t.Errorf("the range over the parts' border is %x (%v), want %x", b, err, want)
	}
}

func TestS3_MultipartRefusesWhatIsNotAsSaid(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	content := randomBytes(5000)
	for _, tt := range []struct {
		name string
		size int64
		sum  string
		code string
	}{
		{"another checksum", 5000, checksum([]byte("other")), "BadDigest"},
		{"another size", 4999, checksum(content), "InvalidRequest"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			u := beginUpload(t, c, bucket, "backups/"+unique())
			u.part(t, 1, content)
			_, err := u.complete(t, tt.size, tt.sum)
			wantCode(t, err, tt.code)
			if _, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &u.key}); err == nil {
				t.Error("the object is there")
			}
			// The upload is still open: it can be completed rightly.
			if _, err := u.complete(t, 5000, checksum(content)); err != nil {
				t.Errorf("complete it as it is: %v", err)
			}
		})
	}
	t.Run("a part with another checksum", func(t *testing.T) {
		t.Parallel()
		u := beginUpload(t, c, bucket, "backups/"+unique())
		_, err := c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &bucket, Key: &u.key, UploadId: u.id,
			PartNumber: aws.Int32(1), Body: bytes.NewReader(content), ChecksumCRC64NVME: aws.String(checksum([]byte("other")))})
		wantCode(t, err, "BadDigest")
	})
}

func TestS3_UploadsAreListedAndAborted(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	mine, other := beginUpload(t, c, bucket, "backups/school/1/a"), beginUpload(t, c, bucket, "backups/other/1/a")
	mine.part(t, 1, randomBytes(1000))
	listed := func(prefix string) (ids []string) {
		out := must[*s3.ListMultipartUploadsOutput](t)(c.ListMultipartUploads(t.Context(),
			&s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &prefix}))
		for _, u := range out.Uploads {
			ids = append(ids, aws.ToString(u.Key)+" "+aws.ToString(u.UploadId))
		}
		return ids
	}
	if got, want := listed("backups/school/"), []string{mine.key + " " + *mine.id}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	abort := func() error {
		_, err := c.AbortMultipartUpload(t.Context(),
			&s3.AbortMultipartUploadInput{Bucket: &bucket, Key: &mine.key, UploadId: mine.id})
		return err
	}
	if err := abort(); err != nil {
		t.Fatal(err)
	}
	if got, want := listed(""), []string{other.key + " " + *other.id}; !slices.Equal(got, want) {
		t.Errorf("after the abort listed %q, want %q", got, want)
	}
	wantCode(t, abort(), "NoSuchUpload")
	_, err := mine.complete(t, 1000, checksum(nil))
	wantCode(t, err, "NoSuchUpload")
}

func TestS3_ConditionalWrites(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	write := func(key, content string, change func(*s3.PutObjectInput)) (*s3.PutObjectOutput, error) {
		in := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(content)}
		change(in)
		return c.PutObject(t.Context(), in)
	}
	ifNone := func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }
	ifMatch := func(etag *string) func(*s3.PutObjectInput) {
		return func(in *s3.PutObjectInput) { in.IfMatch = etag }
	}
	first := must[*s3.PutObjectOutput](t)(write("record", "one", ifNone))
	_, err := write("record", "two", ifNone)
	wantCode(t, err, "PreconditionFailed")
	second := must[*s3.PutObjectOutput](t)(write("record", "two", ifMatch(first.ETag)))
	_, err = write("record", "three", ifMatch(first.ETag))
	wantCode(t, err, "PreconditionFailed")
	_, err = write("missing", "one", ifMatch(first.ETag))
	wantCode(t, err, "NoSuchKey")

	got := must[*s3.GetObjectOutput](t)(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("record")}))
	defer func() { _ = got.Body.Close() }()
	if b, _ := io.ReadAll(got.Body); string(b) != "two" || aws.ToString(got.ETag) != aws.ToString(second.ETag) {
		t.Errorf("the record is %q with %s", b, aws.ToString(got.ETag))
	}
	must[*s3.DeleteObjectOutput](t)(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("record")}))
	_, err = write("record", "three", ifMatch(second.ETag)) // of what is deleted
	wantCode(t, err, "NoSuchKey")
	must[*s3.PutObjectOutput](t)(write("record", "again", ifNone))
	_, err = write("record", "twice", ifNone)
	wantCode(t, err, "PreconditionFailed")

	versions := must[*s3.ListObjectVersionsOutput](t)(c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket}))
	var contents []string
	for _, v := range versions.Versions {
		got := must[*s3.GetObjectOutput](t)(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: v.Key, VersionId: v.VersionId}))
		contents = append(contents, string(must[[]byte](t)(io.ReadAll(got.Body))))
		_ = got.Body.Close()
	}
	if want := []string{"again", "two", "one"}; !slices.Equal(contents, want) || len(versions.DeleteMarkers) != 1 {
		t.Errorf("the versions are %q with %d delete markers, want %q and 1", contents, len(versions.DeleteMarkers), want)
	}
}

func TestS3_OneWriterWinsARace(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	start := put(t, c, bucket, "lock", "0")
	for _, tt := range []struct {
		name string
		key  string
		etag *string
	}{{"create", "new", nil}, {"change", "lock", start.ETag}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var won atomic.Int32
			var all sync.WaitGroup
			for i := range 12 {
				all.Go(func() {
					// Not the content that was there: it would have the same ETag, and a second writer could win by rights.
					in := &s3.PutObjectInput{Bucket: &bucket, Key: &tt.key, Body: strings.NewReader(fmt.Sprint("writer ", i)), IfMatch: tt.etag}
					if tt.etag == nil {
						in.IfNoneMatch = aws.String("*")
					}
					_, err := c.PutObject(t.Context(), in)
					var e smithy.APIError
					switch {
					case err == nil:
						won.Add(1)
					case !errors.As(err, &e) || (e.ErrorCode() != "PreconditionFailed" && e.ErrorCode() != "ConditionalRequestConflict"):
						t.Errorf("writer %d: %v", i, err)
					}
				})
			}
			all.Wait()
			if n := won.Load(); n != 1 {
				t.Errorf("%d writers won", n)
			}
		})
	}
}

func TestS3_PresignedDownloadOfAVersion(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	old := put(t, c, bucket, "backups/school/1/dump.sql.gz", "old")
	put(t, c, bucket, "backups/school/1/dump.sql.gz", "new")
	const disposition = `attachment; filename="school backup.sql.gz"; filename*=UTF-8''sch%C3%BCler.sql.gz`
	link := func(lifetime time.Duration) string {
		out, err := s3.NewPresignClient(c).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket,
			Key: aws.String("backups/school/1/dump.sql.gz"), VersionId: old.VersionId,
			ResponseContentDisposition: aws.String(disposition)}, s3.WithPresignExpires(lifetime))
		if err != nil {
			t.Fatal(err)
		}
		return out.URL
	}
	get := func(url string) (int, string, http.Header) {
		req := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)) // and no header at all
		resp := must[*http.Response](t)(http.DefaultClient.Do(req))
		defer func() { _ = resp.Body.Close() }()
		b := must[[]byte](t)(io.ReadAll(resp.Body))
		return resp.StatusCode, string(b), resp.Header
	}
	status, body, header := get(link(time.Minute))
	if status != http.StatusOK || body != "old" {
		t.Errorf("got %d %q, want 200 and the old version", status, body)
	}
	if got := header.Get("Content-Disposition"); got != disposition {
		t.Errorf("got Content-Disposition %q, want %q", got, disposition)
	}
	if status, _, _ := get(link(time.Minute) + "0"); status != http.StatusForbidden {
		t.Errorf("a link that was changed got %d, want 403", status)
	}
	short := link(time.Second)
	eventually(t, "the link has ended", func() bool { status, _, _ := get(short); return status == http.StatusForbidden })
}

func TestS3_ListsInOrderAfterAKey(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	// S3 orders by bytes, whatever the folders: "-" and "." come before "/", "_" after letters in upper case.
	want := []string{"records/a-b/1.json", "records/a.b/1.json", "records/a/1.json", "records/a/2.json", "records/a/3.json", "records/a0/1.json",
		"records/a_b/1.json"}
	for _, i := range []int{3, 0, 6, 2, 5, 1, 4} {
		put(t, c, bucket, want[i], "{}")
	}
	put(t, c, bucket, "open/a/1", "")
	list := func(in *s3.ListObjectsV2Input) []string {
		in.Bucket = &bucket
		var keys []string
		for p := s3.NewListObjectsV2Paginator(c, in); p.HasMorePages(); {
			page := must[*s3.ListObjectsV2Output](t)(p.NextPage(t.Context()))
			for _, o := range page.Contents {
				keys = append(keys, aws.ToString(o.Key))
			}
		}
		return keys
	}
	for _, tt := range []struct {
		name string
		in   s3.ListObjectsV2Input
		want []string
	}{
		{"all in order", s3.ListObjectsV2Input{Prefix: aws.String("records/")}, want},
		{"by pages of 2", s3.ListObjectsV2Input{Prefix: aws.String("records/"), MaxKeys: aws.Int32(2)}, want},
		{"a prefix with its slash", s3.ListObjectsV2Input{Prefix: aws.String("records/a/")}, want[2:5]},
		{"after a key", s3.ListObjectsV2Input{Prefix: aws.String("records/a/"), StartAfter: aws.String(want[2])}, want[3:5]},
		{"after a key that is not there", s3.ListObjectsV2Input{Prefix: aws.String("records/a/"), StartAfter: aws.String("records/a/1.z")}, want[3:5]},
		{"after a key by pages of 1", s3.ListObjectsV2Input{Prefix: aws.String("records/"), StartAfter: aws.String(want[2]), MaxKeys: aws.Int32(1)}, want[3:]},
		{"after the last", s3.ListObjectsV2Input{Prefix: aws.String("records/a/"), StartAfter: aws.String(want[4])}, nil},
		{"an empty object", s3.ListObjectsV2Input{Prefix: aws.String("open/")}, []string{"open/a/1"}},
		{"a folder's files only", s3.ListObjectsV2Input{Prefix: aws.String("records/a/"), Delimiter: aws.String("/")}, want[2:5]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := list(&tt.in); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestS3_DeletesOneVersion(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	const key = "backups/school/1/dump.sql.gz"
	old, kept := put(t, c, bucket, key, "old"), put(t, c, bucket, key, "kept")
	del := func() {
		must[*s3.DeleteObjectOutput](t)(c.DeleteObject(t.Context(),
			&s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(key), VersionId: old.VersionId}))
	}
	del()
	del() // again: no error
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(key), VersionId: old.VersionId})
	wantCode(t, err, "NoSuchVersion")
	head := must[*s3.HeadObjectOutput](t)(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String(key)}))
	if aws.ToString(head.VersionId) != aws.ToString(kept.VersionId) {
		t.Errorf("the current version is %s, want %s", aws.ToString(head.VersionId), aws.ToString(kept.VersionId))
	}
	_, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String("backups/none")})
	wantCode(t, err, "NoSuchKey")
}
