package s3

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// zeros are n of them, and know how many were read.
type zeros struct{ left, read int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left, 64<<10)
	clear(p[:n])
	z.left, z.read = z.left-n, z.read+n
	return int(n), nil
}

// formRequest is a form with a file of size bytes, signed for so many.
func formRequest(t *testing.T, url string, size, signed int64) (*http.Request, *zeros) {
	t.Helper()
	form, err := sdk.NewPresignClient(client(t, url, "local-secret")).PresignPostObject(t.Context(),
		&sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("uploads/x")}, func(o *sdk.PresignPostOptions) {
			o.Conditions = []any{[]any{"content-length-range", signed, signed}}
		})
	if err != nil {
		t.Fatal(err)
	}
	var around bytes.Buffer
	w := multipart.NewWriter(&around)
	for name, value := range form.Values {
		if err := w.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.CreateFormFile("file", "x.sql"); err != nil {
		t.Fatal(err)
	}
	before := around.String()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	after := strings.TrimPrefix(around.String(), before)
	file := &zeros{left: size}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, form.URL, io.MultiReader(strings.NewReader(before), file, strings.NewReader(after)))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = int64(len(before)) + size + int64(len(after))
	r.Header.Set("Content-Type", w.FormDataContentType())
	return r, file
}

// What the gateway's HTTP server does with a form by itself takes four times the file.
func TestServer_FormIsStreamed(t *testing.T) {
	_, front := start(t, t.TempDir())
	const size = 64 << 20
	r, _ := formRequest(t, front.URL, size, size)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	runtime.ReadMemStats(&after)
	if res.StatusCode != http.StatusNoContent {
		t.Fatalf("status %d", res.StatusCode)
	}
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > size/2 {
		t.Errorf("the heap has grown by %d MiB for a file of %d MiB", grown>>20, size>>20)
	}
}

func TestServer_RefusesAFormBeforeItsEnd(t *testing.T) {
	_, front := start(t, t.TempDir())
	const size = 1 << 40 // which nobody could wait for
	r, file := formRequest(t, front.URL, size, 1000)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	res, err := http.DefaultClient.Do(r.WithContext(ctx))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var text [4 << 10]byte
	n, _ := io.ReadFull(res.Body, text[:])
	if res.StatusCode != http.StatusBadRequest || !strings.Contains(string(text[:n]), "<Code>EntityTooLarge</Code>") {
		t.Errorf("status %d after %d bytes: %s", res.StatusCode, file.read, text[:n])
	}
}

// A browser looks for an answer when it has sent all.
func TestServer_ReadsWhatItRefusesToTheEnd(t *testing.T) {
	_, front := start(t, t.TempDir())
	const size = 32 << 20
	r, file := formRequest(t, front.URL, size, 1000)
	sent := &whole{r.Body, make(chan struct{})}
	r.Body = sent
	slow := &http.Transport{DisableKeepAlives: true}
	res, err := slow.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	select {
	case <-sent.ended:
	case <-time.After(20 * time.Second):
		t.Fatalf("%d of %d bytes were taken", file.read, size)
	}
}

// whole says when all of a body was read.
type whole struct {
	io.ReadCloser
	ended chan struct{}
}

func (w *whole) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err == io.EOF {
		select {
		case <-w.ended:
		default:
			close(w.ended)
		}
	}
	return n, err
}

func TestServer_AnswersARefusedPutOfALargeBody(t *testing.T) {
	_, front := start(t, t.TempDir())
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, front.URL+"/bucket/x?X-Amz-Algorithm=none", &zeros{left: 4 << 20})
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 4 << 20
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusBadRequest && res.StatusCode != http.StatusForbidden {
			t.Fatalf("status %d", res.StatusCode)
		}
	}
}
