package files_test

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/files"
)

func TestStore_LinkDownloadsTheVersionWithoutAnyHeader(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stored := store(t, w.direct, content(1000))
	store(t, w.direct, []byte("a newer version"))
	link, expires, err := w.direct.PresignDownload(t.Context(), key, stored.VersionID, "school-20261122.sql.gz", 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(expires); left > 5*time.Minute || left < 4*time.Minute {
		t.Errorf("the link ends in %s", left)
	}
	answer, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK || !bytes.Equal(body, content(1000)) {
		t.Fatalf("status %d, %d bytes, %v", answer.StatusCode, len(body), err)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/gzip" {
		t.Errorf("Content-Type %q", got)
	}
	if got := answer.Header.Get("Content-Encoding"); got != "" {
		t.Errorf("Content-Encoding %q", got)
	}
	kind, params, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition"))
	if err != nil || kind != "attachment" || params["filename"] != "school-20261122.sql.gz" {
		t.Errorf("Content-Disposition %q", answer.Header.Get("Content-Disposition"))
	}
	signed, err := url.Parse(link)
	if err != nil || signed.Query().Get("X-Amz-SignedHeaders") != "host" {
		t.Errorf("the link needs headers: %s", link)
	}
	answer, err = http.Get(link + "x")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a changed link: status %d, want 403", answer.StatusCode)
	}
}

// A page whose policy names the one origin can send and fetch by every kind of link, on AWS as here.
func TestStore_AllLinksHaveTheSameOrigin(t *testing.T) {
	t.Parallel()
	aws := files.New(s3.New(s3.Options{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "token")}), "bucket-1abc", files.Options{})
	for _, c := range []struct {
		store  *files.Store
		origin string
	}{{aws, "https://bucket-1abc.s3.eu-central-1.amazonaws.com"}, {newWorld(t).direct, ""}} {
		origin, err := c.store.LinkOrigin(t.Context())
		if err != nil || c.origin != "" && origin != c.origin {
			t.Fatalf("origin %q, %v; want %q", origin, err, c.origin)
		}
		form, err := c.store.PresignPost(t.Context(), "uploads/school/a/b.sql", 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := c.store.PresignParts(t.Context(), "uploads/school/a/b.sql", "parts", 1, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range append(parts.URLs, form.URL) {
			if u, err := url.Parse(link); err != nil || u.Scheme+"://"+u.Host != origin {
				t.Errorf("%s is not at %s", link, origin)
			}
		}
	}
}

func TestStore_LinkEndsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	link, expires, err := w.direct.PresignDownload(t.Context(), key, "", "x", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := url.Parse(link)
	if err != nil || signed.Query().Get("X-Amz-Expires") != "3600" || time.Until(expires) > files.MaxLinkLifetime {
		t.Errorf("the link ends after %s seconds, at %s", signed.Query().Get("X-Amz-Expires"), expires)
	}
	for _, lifetime := range []time.Duration{0, -time.Hour, time.Millisecond} {
		if _, _, err := w.direct.PresignDownload(t.Context(), key, "", "x", lifetime); err == nil {
			t.Errorf("a lifetime of %s was taken", lifetime)
		}
	}
}

func TestAttachment_NamesAreSafeAndKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ filename, want, saved string }{
		{"school.sql.gz", `attachment; filename="school.sql.gz"; filename*=UTF-8''school.sql.gz`, "school.sql.gz"},
		{`a "b".sql`, `attachment; filename="a _b_.sql"; filename*=UTF-8''a%20%22b%22.sql`, `a "b".sql`},
		{"Schüler.sql", `attachment; filename="Sch_ler.sql"; filename*=UTF-8''Sch%C3%BCler.sql`, "Schüler.sql"},
		{"学校.gz", `attachment; filename="__.gz"; filename*=UTF-8''%E5%AD%A6%E6%A0%A1.gz`, "学校.gz"},
		{"100%.gz", `attachment; filename="100_.gz"; filename*=UTF-8''100%25.gz`, "100%.gz"},
		{"a\r\nSet-Cookie: x", `attachment; filename="a__Set-Cookie: x"; filename*=UTF-8''a__Set-Cookie%3A%20x`, "a__Set-Cookie: x"},
		{`..\..\x/y`, `attachment; filename=".._.._x_y"; filename*=UTF-8''.._.._x_y`, ".._.._x_y"},
		{"a;b'c.gz", `attachment; filename="a;b'c.gz"; filename*=UTF-8''a%3Bb%27c.gz`, "a;b'c.gz"},
	} {
		got := files.Attachment(c.filename)
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.filename, got, c.want)
		}
		if _, params, err := mime.ParseMediaType(got); err != nil || params["filename"] != c.saved {
			t.Errorf("%q is saved as %q, %v, want %q", c.filename, params["filename"], err, c.saved)
		}
	}
}
