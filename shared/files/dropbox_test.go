package files_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
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
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/files"
)

const (
	dropped   = "uploads/school/01m82xg90s010s27k0jy8kh514/upload"
	elsewhere = "uploads/school/01m82xg90s010s27k0jy8kh515/upload"
)

// answer is what S3 said.
type answer struct {
	status int
	code   string // of an error
	header http.Header
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.code) }

func ask(t *testing.T, r *http.Request) answer {
	t.Helper()
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header}
	var said struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	if res.StatusCode >= 300 {
		if err := xml.Unmarshal(body, &said); err != nil {
			t.Fatalf("%d without S3's form of an error: %v: %s", res.StatusCode, err, body)
		}
		a.code = said.Code
	}
	return a
}

// sendForm sends content by a form, as a browser does.
func sendForm(t *testing.T, form backup.PostForm, filename string, content []byte) answer {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(form.Fields)) {
		if err := w.WriteField(name, form.Fields[name]); err != nil {
			t.Fatal(err)
		}
	}
	file, err := w.CreateFormFile("file", filename)
	if err == nil {
		_, err = file.Write(content)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, form.URL, &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	return ask(t, r)
}

func mustForm(t *testing.T, s *files.Store, size int64) backup.PostForm {
	t.Helper()
	form, err := s.PresignPost(t.Context(), dropped, size, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return form
}

func mustArrive(t *testing.T, s *files.Store, size int64) backup.Stored {
	t.Helper()
	got, err := s.Arrived(t.Context(), dropped)
	if err != nil {
		t.Fatalf("Arrived: %v", err)
	}
	if got.Key != dropped || got.Size != size || got.VersionID == "" {
		t.Fatalf("arrived is %+v, want %d bytes and a version", got, size)
	}
	return got
}

func TestDropbox_FormTakesTheFileAsItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, content := range [][]byte{{0}, content(5000), []byte("--\r\n--x--\r\n\r\n--"), content(3 << 20)} {
		size := int64(len(content))
		form := mustForm(t, w.direct, size)
		if left := time.Until(form.Expires); left > time.Minute || left < 50*time.Second {
			t.Errorf("the form ends in %s", left)
		}
		if a := sendForm(t, form, "school.sql", content); a.status != http.StatusCreated {
			t.Fatalf("%d bytes: %s", size, a)
		}
		if got := readAll(t, w.direct, mustArrive(t, w.direct, size)); !bytes.Equal(got, content) {
			t.Errorf("%d bytes: another content arrived", size)
		}
	}
}

func TestDropbox_PinnedVersionOutlivesASecondPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := mustForm(t, w.direct, 1000)
	first := content(1000)
	if a := sendForm(t, form, "a.sql", first); a.status != http.StatusCreated {
		t.Fatal(a)
	}
	pinned := mustArrive(t, w.direct, 1000)
	if a := sendForm(t, form, "a.sql", bytes.Repeat([]byte("x"), 1000)); a.status != http.StatusCreated {
		t.Fatal(a)
	}
	if newer := mustArrive(t, w.direct, 1000); newer.VersionID == pinned.VersionID {
		t.Error("the second post has the first one's version")
	}
	if got := readAll(t, w.direct, pinned); !bytes.Equal(got, first) {
		t.Error("the second post changed the pinned version")
	}
}

// policy changes a form's policy without signing it anew.
func policy(t *testing.T, form backup.PostForm, from, to string) {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(form.Fields["policy"])
	if err != nil || !strings.Contains(string(text), from) {
		t.Fatalf("%v: no %s in %s", err, from, text)
	}
	form.Fields["policy"] = base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(text), from, to, 1)))
}

func TestDropbox_FormIsForOneKeyAndOneSizeOnly(t *testing.T) {
	t.Parallel()
	const size = 5000
	for _, tt := range []struct {
		name   string
		change func(*testing.T, backup.PostForm)
		sent   int
		want   string
	}{
		{name: "a byte less", sent: size - 1, want: "400 EntityTooSmall"},
		{name: "a byte more", sent: size + 1, want: "400 EntityTooLarge"},
		{name: "nothing", sent: 0, want: "400 EntityTooSmall"},
		{name: "far more", sent: 8 << 20, want: "400 EntityTooLarge"},
		{name: "another key", sent: size, want: "403 AccessDenied",
			change: func(_ *testing.T, f backup.PostForm) { f.Fields["key"] = elsewhere }},
		{name: "the sender's filename in the key", sent: size, want: "403 AccessDenied",
			change: func(_ *testing.T, f backup.PostForm) { f.Fields["key"] = "uploads/${filename}" }},
		{name: "the key of a backup", sent: size, want: "403 AccessDenied",
			change: func(_ *testing.T, f backup.PostForm) { f.Fields["key"] = key }},
		{name: "a field more", sent: size, want: "403 AccessDenied",
			change: func(_ *testing.T, f backup.PostForm) { f.Fields["Content-Type"] = "text/html" }},
		{name: "metadata", sent: size, want: "403 AccessDenied",
			change: func(_ *testing.T, f backup.PostForm) { f.Fields["x-amz-meta-backup-restore-upload"] = "x" }},
		{name: "a redirect", sent: size, want: "403 AccessDenied",
			change: func(_ *testing.T, f backup.PostForm) { f.Fields["success_action_redirect"] = "https://example.com/" }},
		{name: "a policy with another size", sent: size + 1, want: "403 SignatureDoesNotMatch",
			change: func(t *testing.T, f backup.PostForm) { policy(t, f, "5000,5000", "5000,5001") }},
		{name: "a policy with another key", sent: size, want: "403 SignatureDoesNotMatch",
			change: func(t *testing.T, f backup.PostForm) { f.Fields["key"] = elsewhere; policy(t, f, dropped, elsewhere) }},
		{name: "a policy that ends later", sent: size, want: "403 SignatureDoesNotMatch",
			change: func(t *testing.T, f backup.PostForm) { policy(t, f, `"expiration":"2`, `"expiration":"3`) }},
		{name: "another signature", sent: size, want: "403 SignatureDoesNotMatch",
			change: func(_ *testing.T, f backup.PostForm) { f.Fields["X-Amz-Signature"] = strings.Repeat("0", 64) }},
		{name: "no signature", sent: size, want: "403 AccessDenied",
			change: func(_ *testing.T, f backup.PostForm) {
				maps.DeleteFunc(f.Fields, func(name, _ string) bool { return name == "policy" || strings.HasPrefix(name, "X-Amz-") })
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			form := mustForm(t, w.direct, size)
			if tt.change != nil {
				tt.change(t, form)
			}
			if got := sendForm(t, form, "school.sql", content(tt.sent)); got.String() != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			w.wantNothing(t)
		})
	}
}

func TestDropbox_FormEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form, err := w.direct.PresignPost(t.Context(), dropped, 10, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for late := form.Expires.Add(10 * time.Second); ; {
		got := sendForm(t, form, "school.sql", content(10))
		if got.String() == "403 AccessDenied" {
			break
		}
		if got.status != http.StatusCreated || time.Now().After(late) {
			t.Fatalf("%s after its end: %s", time.Since(form.Expires), got)
		}
	}
	form, err = w.direct.PresignPost(t.Context(), dropped, 10, 24*time.Hour)
	if err != nil || time.Until(form.Expires) > files.MaxLinkLifetime {
		t.Errorf("a form for a day ends at %s, %v", form.Expires, err)
	}
	var p struct{ Expiration time.Time }
	text, err := base64.StdEncoding.DecodeString(form.Fields["policy"])
	if err := errors.Join(err, json.Unmarshal(text, &p)); err != nil || p.Expiration.Before(form.Expires) || p.Expiration.Sub(form.Expires) > 2*time.Second {
		t.Errorf("the policy ends at %s, the form says %s, %v", p.Expiration, form.Expires, err)
	}
}

func TestDropbox_FilenameIsNoKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, filename := range []string{"../../backups/x.sql", `..\x.sql`, "ä b.sql", "${filename}", "a\"; name=\"key", "x.sql\r\nkey: y"} {
		if a := sendForm(t, mustForm(t, w.direct, 3), filename, []byte("abc")); a.status != http.StatusCreated {
			t.Errorf("%q: %s", filename, a)
		}
	}
	list, err := w.client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &w.bucket})
	if err != nil || len(list.Contents) != 1 || aws.ToString(list.Contents[0].Key) != dropped {
		t.Errorf("the bucket holds %d objects, %v", len(list.Contents), err)
	}
}

func TestDropbox_GivesOutNoLinkForAnythingElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tt := range []struct {
		key  string
		size int64
		life time.Duration
	}{
		{key, 10, time.Minute}, // of a backup
		{"records/uploads/school/x.json", 10, time.Minute},
		{"uploads/", 10, time.Minute},
		{"uploads/school/${filename}", 10, time.Minute},
		{"uploads/school/../../backups/x", 10, time.Minute},
		{"uploads//x", 10, time.Minute},
		{"uploads/school/Ä.sql", 10, time.Minute},
		{dropped + "\n", 10, time.Minute},
		{dropped, 0, time.Minute},
		{dropped, -1, time.Minute},
		{dropped, backup.MaxUploadSize + 1, time.Minute},
		{dropped, 10, 0},
	} {
		if _, err := w.direct.PresignPost(t.Context(), tt.key, tt.size, tt.life); err == nil {
			t.Errorf("a form for %q, %d bytes, %s", tt.key, tt.size, tt.life)
		}
		if _, err := w.direct.PresignParts(t.Context(), tt.key, "id", tt.size, tt.life); err == nil {
			t.Errorf("links for %q, %d bytes, %s", tt.key, tt.size, tt.life)
		}
		if tt.key != dropped {
			if _, err := w.direct.BeginParts(t.Context(), tt.key); err == nil {
				t.Errorf("an upload in parts to %q was begun", tt.key)
			}
		}
	}
	if _, err := w.direct.PresignPost(t.Context(), dropped, backup.MaxPostSize+1, time.Minute); err == nil {
		t.Error("a form for more than S3 takes by a form")
	}
	w.wantNothing(t)
}

func TestDropbox_ArrivedOfNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.direct.Arrived(t.Context(), dropped); !errors.Is(err, backup.ErrNotFound) {
		t.Errorf("got %v, want ErrNotFound", err)
	}
}

func TestDropbox_FormHasNoHeaderOrCookieToSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := mustForm(t, w.direct, 10)
	u, err := url.Parse(form.URL)
	if err != nil || u.RawQuery != "" || !strings.HasSuffix(u.Path, "/"+w.bucket) {
		t.Errorf("the form goes to %s, %v", form.URL, err)
	}
	var names []string
	for name := range form.Fields {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	if want := []string{"key", "policy", "success_action_status", "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature"}; !slices.Equal(names, want) {
		t.Errorf("the fields are %v, want %v", names, want)
	}
}

// A function signs with a session's credentials, whose token has to go with the form and is bound to it by the policy.
func TestDropbox_FormOfASessionHasItsToken(t *testing.T) {
	t.Parallel()
	client := s3.New(s3.Options{Region: "eu-central-1", Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "the-token")})
	form := mustForm(t, files.New(client, "bucket", files.Options{}), 10)
	text, err := base64.StdEncoding.DecodeString(form.Fields["policy"])
	if err != nil || form.Fields["X-Amz-Security-Token"] != "the-token" || !strings.Contains(string(text), `{"X-Amz-Security-Token":"the-token"}`) {
		t.Errorf("the fields are %v, the policy %s, %v", form.Fields, text, err)
	}
	if form.URL != "https://bucket.s3.eu-central-1.amazonaws.com" {
		t.Errorf("the form goes to %s", form.URL)
	}
}
