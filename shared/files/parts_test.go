package files_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/internal/faultyconn"
)

const partSize = 5 << 20

// inParts is an upload of content in parts, with links for each.
type inParts struct {
	*world
	store   *files.Store
	id      string
	content []byte
	links   backup.PartLinks
}

func beginParts(t *testing.T, size int) *inParts {
	t.Helper()
	w := newWorld(t)
	p := &inParts{world: w, store: w.direct, content: content(size)}
	var err error
	if p.id, err = p.store.BeginParts(t.Context(), dropped); err != nil {
		t.Fatal(err)
	}
	if p.links, err = p.store.PresignParts(t.Context(), dropped, p.id, int64(size), time.Minute); err != nil {
		t.Fatal(err)
	}
	if len(p.links.URLs) != (size+partSize-1)/partSize || p.links.PartSize != partSize {
		t.Fatalf("%d links for parts of %d bytes", len(p.links.URLs), p.links.PartSize)
	}
	return p
}

// of is the content of part n, from 1.
func (p *inParts) of(n int) []byte {
	return p.content[(n-1)*partSize : min(n*partSize, len(p.content))]
}

func put(t *testing.T, link string, content []byte) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, link, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return ask(t, r)
}

// send sends parts, each to its link.
func (p *inParts) send(t *testing.T, numbers ...int) {
	t.Helper()
	for _, n := range numbers {
		if a := put(t, p.links.URLs[n-1], p.of(n)); a.status != http.StatusOK || a.header.Get("ETag") == "" {
			t.Fatalf("part %d: %s", n, a)
		}
	}
}

func (p *inParts) complete(t *testing.T) error {
	t.Helper()
	return p.store.CompleteParts(t.Context(), dropped, p.id, int64(len(p.content)))
}

// wantWhole asks that the object is the content.
func (p *inParts) wantWhole(t *testing.T) backup.Stored {
	t.Helper()
	stored := mustArrive(t, p.store, int64(len(p.content)))
	if !bytes.Equal(readAll(t, p.store, stored), p.content) {
		t.Error("another content arrived")
	}
	return stored
}

func TestParts_InAnyOrderAndSentTwiceMakeTheFile(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		size  int
		order []int
	}{
		{2*partSize + 1000, []int{3, 1, 2}},
		{2 * partSize, []int{2, 1, 2}},
		{1, []int{1, 1}},
	} {
		t.Run(fmt.Sprint(tt.size), func(t *testing.T) {
			t.Parallel()
			p := beginParts(t, tt.size)
			p.send(t, tt.order...)
			if err := p.complete(t); err != nil {
				t.Fatal(err)
			}
			stored := p.wantWhole(t)
			if err := p.complete(t); err != nil {
				t.Errorf("completed again: %v", err)
			}
			if again := p.wantWhole(t); again.VersionID != stored.VersionID {
				t.Error("completed again, it has another version")
			}
			p.wantNoUploads(t)
			if a := put(t, p.links.URLs[0], p.of(1)); a.String() != "404 NoSuchUpload" {
				t.Errorf("a part after the end: %s", a)
			}
		})
	}
}

func TestParts_LastOfTwoSentCounts(t *testing.T) {
	t.Parallel()
	p := beginParts(t, partSize+10)
	if a := put(t, p.links.URLs[1], []byte("0123456789")); a.status != http.StatusOK {
		t.Fatal(a)
	}
	p.send(t, 1, 2)
	if err := p.complete(t); err != nil {
		t.Fatal(err)
	}
	p.wantWhole(t)
}

func TestParts_MissingOnesAreNamedAndCanFollow(t *testing.T) {
	t.Parallel()
	p := beginParts(t, 3*partSize+1000)
	wantMissing := func(want ...string) {
		t.Helper()
		err := p.complete(t)
		wantCode(t, err, "upload_incomplete")
		var e *backup.Error
		for _, w := range want {
			if !errors.As(err, &e) || !strings.Contains(e.Text, w) {
				t.Errorf("%v does not say %q", err, w)
			}
		}
		if _, err := p.store.Arrived(t.Context(), dropped); !errors.Is(err, backup.ErrNotFound) {
			t.Errorf("an object is there, %v", err)
		}
	}
	wantMissing(fmt.Sprintf("%d of its %d bytes", len(p.content), len(p.content)), "its 4 parts: 1, 2, 3, 4.")
	p.send(t, 2)
	wantMissing(fmt.Sprintf("%d of its", 2*partSize+1000), "its 4 parts: 1, 3, 4.")
	p.send(t, 4, 1)
	wantMissing(fmt.Sprintf("%d of its", partSize), "its 4 parts: 3.")
	p.send(t, 3)
	if err := p.complete(t); err != nil {
		t.Fatal(err)
	}
	p.wantWhole(t)
}

// A link holds S3 to the part's length. Where somebody with other rights sends another one nevertheless, it is not taken.
func TestParts_OfAnotherLengthAreNotTaken(t *testing.T) {
	t.Parallel()
	p := beginParts(t, partSize+1000)
	p.send(t, 1)
	for _, sent := range []int{999, 1001, 0} {
		if a := put(t, p.links.URLs[1], content(sent)); a.String() != "403 SignatureDoesNotMatch" {
			t.Errorf("%d bytes: %s", sent, a)
		}
	}
	if _, err := p.client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &p.bucket, Key: aws.String(dropped), UploadId: &p.id,
		PartNumber: aws.Int32(2), Body: bytes.NewReader(content(999))}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, p.complete(t), "upload_incomplete")
	if _, err := p.client.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &p.bucket, Key: aws.String(dropped), UploadId: &p.id,
		PartNumber: aws.Int32(3), Body: bytes.NewReader(content(1))}); err != nil {
		t.Fatal(err)
	}
	p.send(t, 2)
	if err := p.complete(t); err == nil {
		t.Error("a part too many was taken")
	}
	if _, err := p.store.Arrived(t.Context(), dropped); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("an object is there, %v", err)
	}
}

func TestParts_LinkIsForOnePartOfOneUpload(t *testing.T) {
	t.Parallel()
	p := beginParts(t, partSize+1000)
	if _, err := p.store.PresignParts(t.Context(), dropped, "", 10, time.Minute); err == nil {
		t.Error("links for no upload")
	}
	other, err := p.store.BeginParts(t.Context(), elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(*url.URL, url.Values)
	}{
		{"another part", func(_ *url.URL, q url.Values) { q.Set("partNumber", "1") }},
		{"another upload", func(_ *url.URL, q url.Values) { q.Set("uploadId", other) }},
		{"another key", func(u *url.URL, _ url.Values) { u.Path = strings.Replace(u.Path, dropped, elsewhere, 1) }},
		{"the whole object", func(_ *url.URL, q url.Values) { q.Del("partNumber"); q.Del("uploadId") }},
		{"for longer", func(_ *url.URL, q url.Values) { q.Set("X-Amz-Expires", "3600") }},
		{"of any length", func(_ *url.URL, q url.Values) { q.Set("X-Amz-SignedHeaders", "host") }},
	} {
		u, err := url.Parse(p.links.URLs[1])
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		tt.change(u, q)
		u.RawQuery = q.Encode()
		if a := put(t, u.String(), p.of(2)); a.status != http.StatusForbidden {
			t.Errorf("%s: %s", tt.name, a)
		}
	}
	u, err := url.Parse(p.links.URLs[1])
	if err != nil || u.Query().Get("X-Amz-SignedHeaders") != "content-length;host" {
		t.Errorf("what a link needs is %q, %v", u.Query().Get("X-Amz-SignedHeaders"), err)
	}
	for name := range u.Query() {
		if strings.Contains(strings.ToLower(name), "checksum") {
			t.Errorf("a link has %s: a checksum of the empty body that was signed", name)
		}
	}
}

func TestParts_GivenUpAreGone(t *testing.T) {
	t.Parallel()
	p := beginParts(t, partSize+1000)
	p.send(t, 1, 2)
	if err := p.store.AbortUploads(t.Context(), dropped); err != nil {
		t.Fatal(err)
	}
	wantCode(t, p.complete(t), "upload_gone")
	// An object of another size is no sign that these parts were joined.
	if _, err := p.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &p.bucket, Key: aws.String(dropped), Body: strings.NewReader("x")}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, p.complete(t), "upload_gone")
}

func TestParts_AreCompletedOnceByTwoAtOnce(t *testing.T) {
	t.Parallel()
	p := beginParts(t, partSize+1000)
	p.send(t, 1, 2)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			err := p.store.CompleteParts(t.Context(), dropped, p.id, int64(len(p.content)))
			var e *backup.Error
			if err != nil && (!errors.As(err, &e) || e.Code != "upload_incomplete") { // which is true for a moment
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := p.complete(t); err != nil {
		t.Error(err)
	}
	p.wantWhole(t)
	versions, err := p.client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &p.bucket})
	if err != nil || len(versions.Versions) != 1 {
		t.Errorf("%d versions, %v", len(versions.Versions), err)
	}
}

func TestParts_LostCallsAndAnswersAreNoError(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]faultyconn.Fault{
		"call": {DropCall: true}, "answer": {DropAnswer: true}, "half an answer": {Cut: 10}, "throttled": {Status: http.StatusServiceUnavailable, Code: "SlowDown"},
		"repeated": {Repeat: true},
	} {
		for what, match := range map[string]func(*http.Request) bool{"list": reads, "complete": completes, "look": looks} {
			t.Run(name+" of "+what, func(t *testing.T) {
				t.Parallel()
				p := beginParts(t, partSize+1000)
				p.send(t, 1, 2)
				if what == "look" {
					if err := p.complete(t); err != nil {
						t.Fatal(err)
					}
				}
				p.proxy.First(1, fault, match)
				if err := p.faulty.CompleteParts(t.Context(), dropped, p.id, int64(len(p.content))); err != nil {
					t.Fatal(err)
				}
				p.wantWhole(t)
			})
		}
	}
}

// Without it the inspection could not tell that the bytes it reads are those that S3 holds.
func TestParts_TheWholeHasAChecksum(t *testing.T) {
	t.Parallel()
	p := beginParts(t, partSize+1000)
	p.send(t, 1, 2)
	if err := p.complete(t); err != nil {
		t.Fatal(err)
	}
	head, err := p.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &p.bucket, Key: aws.String(dropped), ChecksumMode: types.ChecksumModeEnabled})
	if err != nil || head.ChecksumType != types.ChecksumTypeFullObject || aws.ToString(head.ChecksumCRC64NVME) == "" {
		t.Errorf("the checksum is %q of type %q, %v", aws.ToString(head.ChecksumCRC64NVME), head.ChecksumType, err)
	}
}

func TestParts_AreFewEnoughForTheLargestFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	standard := files.New(w.client, w.bucket, files.Options{})
	for _, tt := range []struct{ size, part, count int64 }{
		{1, 64 << 20, 1},
		{backup.MaxPostSize + 1, 64 << 20, 81},
		{1000 * (64 << 20), 64 << 20, 1000},
		{1000*(64<<20) + 1, 128 << 20, 501},
		{backup.MaxUploadSize, 128 << 20, 800},
	} {
		links, err := standard.PresignParts(t.Context(), dropped, "some-id", tt.size, time.Hour)
		if err != nil || links.PartSize != tt.part || int64(len(links.URLs)) != tt.count {
			t.Errorf("%d bytes: %d links for parts of %d bytes, %v", tt.size, len(links.URLs), links.PartSize, err)
		}
	}
}
