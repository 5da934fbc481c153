package conformance

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// What an upload by somebody else needs: forms and links that are held to what was signed, and answers that a browser can read.

const uploadKey = "uploads/school/1/file"

// form is a signed form for a file of exactly size bytes.
func form(t *testing.T, c *s3.Client, bucket string, size int, lifetime time.Duration) *s3.PresignedPostRequest {
	t.Helper()
	return must[*s3.PresignedPostRequest](t)(s3.NewPresignClient(c).PresignPostObject(t.Context(),
		&s3.PutObjectInput{Bucket: &bucket, Key: aws.String(uploadKey)}, func(o *s3.PresignPostOptions) {
			o.Expires = lifetime
			o.Conditions = []any{[]any{"content-length-range", size, size}}
		}))
}

// formBody is a form with its file, and behind it what trailer says.
func formBody(t *testing.T, fields map[string]string, file []byte, trailer string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if err := w.WriteField(name, fields[name]); err != nil {
			t.Fatal(err)
		}
	}
	part := must[io.Writer](t)(w.CreateFormFile("file", "dump.sql"))
	if _, err := part.Write(file); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), append(b.Bytes(), trailer...)
}

const page = "http://127.0.0.1:8080" // of another origin than S3

// send sends a request as a browser does for a page, and returns the status and the code of S3's error.
func send(t *testing.T, method, to, contentType string, body []byte) (status int, code string, header http.Header) {
	t.Helper()
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, to, bytes.NewReader(body)))
	r.Header.Set("Origin", page)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	res := must[*http.Response](t)(http.DefaultClient.Do(r))
	defer func() { _ = res.Body.Close() }()
	text := must[[]byte](t)(io.ReadAll(res.Body))
	if res.StatusCode >= http.StatusBadRequest {
		var said struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}
		if err := xml.Unmarshal(text, &said); err != nil {
			t.Fatalf("%d is not in S3's form (%v): %s", res.StatusCode, err, text)
		}
		code = said.Code
	}
	return res.StatusCode, code, res.Header
}

func wantNoObject(t *testing.T, c *s3.Client, bucket string) {
	t.Helper()
	out := must[*s3.ListObjectVersionsOutput](t)(c.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket}))
	if len(out.Versions) > 0 {
		t.Errorf("%s was stored with %d bytes", aws.ToString(out.Versions[0].Key), aws.ToInt64(out.Versions[0].Size))
	}
}

func TestS3_FormStoresTheFile(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	for _, content := range [][]byte{{'x'}, randomBytes(100_000), []byte("\r\n--\r\n--x\r\n"), randomBytes(9 << 20)} {
		f := form(t, c, bucket, len(content), time.Minute)
		contentType, body := formBody(t, f.Values, content, "")
		status, code, header := send(t, http.MethodPost, f.URL, contentType, body)
		if status != http.StatusNoContent || header.Get("X-Amz-Version-Id") == "" {
			t.Fatalf("%d bytes: %d %s, %v", len(content), status, code, header)
		}
		got := must[*s3.GetObjectOutput](t)(c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(uploadKey),
			VersionId: aws.String(header.Get("X-Amz-Version-Id"))}))
		if b := must[[]byte](t)(io.ReadAll(got.Body)); !bytes.Equal(b, content) {
			t.Errorf("%d bytes were stored of %d that were sent, or others", len(b), len(content))
		}
		_ = got.Body.Close()
	}
}

func TestS3_FormIsHeldToItsPolicy(t *testing.T) {
	t.Parallel()
	const size = 5000
	for _, tt := range []struct {
		name   string
		change func(map[string]string)
		sent   int
		signed int // 5000 where 0
		status int
		code   string
	}{
		{name: "a byte less", sent: size - 1, status: 400, code: "EntityTooSmall"},
		{name: "a byte more", sent: size + 1, status: 400, code: "EntityTooLarge"},
		{name: "another key", sent: size, status: 403, code: "AccessDenied", change: func(f map[string]string) { f["key"] = "backups/x" }},
		{name: "a field more", sent: size, status: 403, code: "AccessDenied", change: func(f map[string]string) { f["Content-Type"] = "text/html" }},
		{name: "another signature", sent: size, status: 403, code: "SignatureDoesNotMatch",
			change: func(f map[string]string) { f["X-Amz-Signature"] = strings.Repeat("a", 64) }},
		{name: "another policy", sent: size, status: 403, code: "SignatureDoesNotMatch",
			change: func(f map[string]string) { f["policy"] += "IA==" }},
		{name: "no policy", sent: size, status: 403, code: "AccessDenied", change: func(f map[string]string) { clear(f); f["key"] = uploadKey }},
		{name: "a large file", sent: 8 << 20, status: 400, code: "EntityTooLarge"},
		// More than a server reads of what it refuses already.
		{name: "a large file for another key", sent: 8 << 20, signed: 8 << 20, status: 403, code: "AccessDenied", change: func(f map[string]string) { f["key"] = "backups/x" }},
		{name: "a large file under another signature", sent: 8 << 20, signed: 8 << 20, status: 403, code: "SignatureDoesNotMatch",
			change: func(f map[string]string) { f["X-Amz-Signature"] = strings.Repeat("a", 64) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := s3Client()
			bucket := newBucket(t, c)
			f := form(t, c, bucket, cmp.Or(tt.signed, size), time.Minute)
			if tt.change != nil {
				tt.change(f.Values)
			}
			contentType, body := formBody(t, f.Values, randomBytes(tt.sent), "")
			if status, code, _ := send(t, http.MethodPost, f.URL, contentType, body); status != tt.status || code != tt.code {
				t.Errorf("got %d %s, want %d %s", status, code, tt.status, tt.code)
			}
			wantNoObject(t, c, bucket)
		})
	}
}

// The length that the request says is no proof of the file's: what comes behind the form's end is none of it.
func TestS3_FormOfTheRightLengthWithAShorterFileIsRefused(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	f := form(t, c, bucket, 5000, time.Minute)
	contentType, body := formBody(t, f.Values, randomBytes(4000), strings.Repeat("x", 1000))
	if status, code, _ := send(t, http.MethodPost, f.URL, contentType, body); status != http.StatusBadRequest || code != "EntityTooSmall" {
		t.Errorf("got %d %s", status, code)
	}
	wantNoObject(t, c, bucket)
}

func TestS3_FormThatIsCutStoresNothing(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	f := form(t, c, bucket, 5000, time.Minute)
	contentType, body := formBody(t, f.Values, randomBytes(5000), "")
	r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL,
		io.MultiReader(bytes.NewReader(body[:len(body)-1000]), errorReader{})))
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", contentType)
	if res, err := http.DefaultClient.Do(r); err == nil {
		_ = res.Body.Close()
		t.Errorf("got %d", res.StatusCode)
	}
	// It is answered once the first is done with.
	other := must[*s3.PutObjectOutput](t)(c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("other"), Body: strings.NewReader("x")}))
	must[*s3.DeleteObjectOutput](t)(c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: aws.String("other"), VersionId: other.VersionId}))
	wantNoObject(t, c, bucket)
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errors.New("the sender has gone") }

func TestS3_FormEnds(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	f := form(t, c, bucket, 10, time.Second)
	contentType, body := formBody(t, f.Values, randomBytes(10), "")
	eventually(t, "the form has ended", func() bool {
		status, code, _ := send(t, http.MethodPost, f.URL, contentType, body)
		return status == http.StatusForbidden && code == "AccessDenied"
	})
}

// partLink is a link to send a part of so many bytes.
func (u *upload) partLink(t *testing.T, n int32, size int64) string {
	t.Helper()
	return must[string](t)(func() (string, error) {
		out, err := s3.NewPresignClient(u.c).PresignUploadPart(t.Context(), &s3.UploadPartInput{Bucket: &u.bucket, Key: &u.key, UploadId: u.id, PartNumber: &n, ContentLength: &size})
		if err != nil {
			return "", err
		}
		return out.URL, nil
	}())
}

func TestS3_PartsByLinksMakeAnObjectWithAChecksumOfTheWhole(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket := newBucket(t, c)
	begun := must[*s3.CreateMultipartUploadOutput](t)(c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String(uploadKey)}))
	u := &upload{c: c, bucket: bucket, key: uploadKey, id: begun.UploadId}
	parts := [][]byte{randomBytes(5 << 20), randomBytes(10)}
	for _, sent := range []int{11, 9, 8 << 20} {
		status, code, header := send(t, http.MethodPut, u.partLink(t, 2, 10), "", randomBytes(sent))
		if status != http.StatusForbidden || code != "SignatureDoesNotMatch" {
			t.Errorf("%d bytes by a link for 10: %d %s, %v", sent, status, code, header)
		}
	}
	for i, part := range parts {
		status, code, header := send(t, http.MethodPut, u.partLink(t, int32(i+1), int64(len(part))), "", part)
		if status != http.StatusOK || header.Get("ETag") == "" {
			t.Fatalf("part %d: %d %s", i+1, status, code)
		}
	}
	listed := must[*s3.ListPartsOutput](t)(c.ListParts(t.Context(), &s3.ListPartsInput{Bucket: &bucket, Key: &u.key, UploadId: u.id}))
	done := &types.CompletedMultipartUpload{}
	for i, p := range listed.Parts {
		if aws.ToInt64(p.Size) != int64(len(parts[i])) {
			t.Errorf("part %d is listed with %d bytes", i+1, aws.ToInt64(p.Size))
		}
		done.Parts = append(done.Parts, types.CompletedPart{PartNumber: p.PartNumber, ETag: p.ETag})
	}
	must[*s3.CompleteMultipartUploadOutput](t)(c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{Bucket: &bucket,
		Key: &u.key, UploadId: u.id, MultipartUpload: done, MpuObjectSize: aws.Int64(5<<20 + 10)}))
	head := must[*s3.HeadObjectOutput](t)(c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &u.key, ChecksumMode: types.ChecksumModeEnabled}))
	if got := aws.ToString(head.ChecksumCRC64NVME); got != checksum(parts...) || head.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("the checksum is %q of type %s, want %s", got, head.ChecksumType, checksum(parts...))
	}
	status, code, _ := send(t, http.MethodPut, u.partLink(t, 1, 5<<20), "", parts[0])
	if status != http.StatusNotFound || code != "NoSuchUpload" {
		t.Errorf("a part after the end: %d %s", status, code)
	}
}

// A page is of another origin than the bucket: it sees what the bucket's rules show it.
func TestS3_PagesMaySendAndReadWhatTheRulesAllow(t *testing.T) {
	t.Parallel()
	c := s3Client()
	bucket, closed := newBucket(t, c), newBucket(t, c)
	must[*s3.PutBucketCorsOutput](t)(c.PutBucketCors(t.Context(), &s3.PutBucketCorsInput{Bucket: &bucket,
		CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{AllowedOrigins: []string{"*"}, AllowedHeaders: []string{"*"},
			AllowedMethods: []string{"GET", "POST", "PUT"}, ExposeHeaders: []string{"ETag", "x-amz-version-id"}}}}}))
	preflight := func(bucket, path, method string) (int, http.Header) {
		r := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), http.MethodOptions, endpoint+"/"+bucket+path, nil))
		r.Header.Set("Origin", page)
		r.Header.Set("Access-Control-Request-Method", method)
		r.Header.Set("Access-Control-Request-Headers", "content-type")
		res := must[*http.Response](t)(http.DefaultClient.Do(r))
		_ = res.Body.Close()
		return res.StatusCode, res.Header
	}
	for _, tt := range []struct{ path, method string }{{"", "POST"}, {"/", "POST"}, {"/" + uploadKey + "?partNumber=1&uploadId=x", "PUT"}} {
		status, header := preflight(bucket, tt.path, tt.method)
		if status != http.StatusOK || header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(header.Get("Access-Control-Allow-Methods"), tt.method) ||
			!strings.EqualFold(header.Get("Access-Control-Allow-Headers"), "content-type") {
			t.Errorf("%s %s is asked about: %d %v", tt.method, tt.path, status, header)
		}
		if status, _ := preflight(closed, tt.path, tt.method); status != http.StatusForbidden {
			t.Errorf("%s %s of a bucket without rules: %d", tt.method, tt.path, status)
		}
	}
	if status, _ := preflight(bucket, "/"+uploadKey, "DELETE"); status != http.StatusForbidden {
		t.Errorf("DELETE: %d", status)
	}
	f := form(t, c, bucket, 10, time.Minute)
	contentType, body := formBody(t, f.Values, randomBytes(10), "")
	readable := func(what string, wantStatus int, shown bool, status int, code string, header http.Header) {
		t.Helper()
		exposed := header.Get("Access-Control-Allow-Origin") == "*" && strings.Contains(header.Get("Access-Control-Expose-Headers"), "ETag")
		if status != wantStatus || exposed != shown {
			t.Errorf("%s: %d %s, %v", what, status, code, header)
		}
	}
	post := func(what, to string, wantStatus int, shown bool) {
		t.Helper()
		status, code, header := send(t, http.MethodPost, to, contentType, body)
		readable(what, wantStatus, shown, status, code, header)
	}
	post("a form", f.URL, http.StatusNoContent, true)
	post("a form for another bucket", strings.Replace(f.URL, bucket, closed, 1), http.StatusForbidden, false)
	f.Values["X-Amz-Signature"] = strings.Repeat("a", 64)
	contentType, body = formBody(t, f.Values, randomBytes(10), "")
	post("a form under another signature", f.URL, http.StatusForbidden, true)
	u := beginUpload(t, c, bucket, "uploads/parts")
	link := must[*url.URL](t)(url.Parse(u.partLink(t, 1, 10)))
	status, code, header := send(t, http.MethodPut, link.String(), "", randomBytes(10))
	readable("a part", http.StatusOK, true, status, code, header)
	status, code, header = send(t, http.MethodPut, link.String()+"0", "", randomBytes(10))
	readable("a part by another link", http.StatusForbidden, true, status, code, header)
}
