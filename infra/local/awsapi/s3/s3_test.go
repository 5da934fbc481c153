package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
)

// These tests share the process's working directory and its one gateway, so none is parallel.

func client(t *testing.T, url, secret string) *sdk.Client {
	t.Helper()
	return sdk.New(sdk.Options{Region: "eu-central-1", BaseEndpoint: &url, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider("local", secret, "")})
}

func start(t *testing.T, dir string) (*Server, *httptest.Server) {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, Buckets: []string{"bucket"}})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(s)
	t.Cleanup(func() {
		front.Close()
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s, front
}

func TestStart_KeepsObjectsOverARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30)) // too deep for a socket
	content := make([]byte, 3<<20)
	_, _ = rand.Read(content)
	before, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	// Characters that a proxy may escape in another way than the client signed them.
	const key = "records/ä b+c%2F(1)~!*'/x"

	s, front := start(t, dir)
	put, err := client(t, front.URL, "local-secret").PutObject(t.Context(),
		&sdk.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), Body: bytes.NewReader(content)})
	if err != nil {
		t.Fatal(err)
	}
	if aws.ToString(put.VersionId) == "" {
		t.Error("the bucket is not versioned")
	}
	front.Close()
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	if after, _ := os.Getwd(); after != before {
		t.Errorf("Close left the working directory at %s, not %s", after, before)
	}
	if _, err := os.Stat(s.socketDir); !os.IsNotExist(err) {
		t.Errorf("Close left the socket's folder: %v", err)
	}

	_, front = start(t, dir)
	got, err := client(t, front.URL, "local-secret").GetObject(t.Context(),
		&sdk.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key), VersionId: put.VersionId})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	if b, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(b, content) {
		t.Errorf("read %d bytes (%v), not the %d that were written", len(b), err, len(content))
	}
}

func TestStart_RefusesASecondGatewayInTheProcess(t *testing.T) {
	_, front := start(t, t.TempDir())
	if s, err := Start(context.Background(), Options{Dir: t.TempDir()}); err == nil {
		_ = s.Close()
		t.Fatal("a second gateway started")
	}
	if _, err := client(t, front.URL, "local-secret").ListBuckets(t.Context(), nil); err != nil {
		t.Errorf("the first gateway no longer works: %v", err)
	}
}

func TestServer_RefusesAWrongSecret(t *testing.T) {
	_, front := start(t, t.TempDir())
	_, err := client(t, front.URL, "wrong").ListBuckets(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("got %v, want SignatureDoesNotMatch", err)
	}
}

func TestServer_AnswersWhenTheGatewayHasEnded(t *testing.T) {
	s, front := start(t, t.TempDir())
	s.stop()
	<-s.Ended()
	c := client(t, front.URL, "local-secret")
	_, err := c.ListBuckets(t.Context(), nil, func(o *sdk.Options) { o.RetryMaxAttempts = 1 })
	if err == nil || !strings.Contains(err.Error(), "ServiceUnavailable") {
		t.Errorf("got %v, want ServiceUnavailable", err)
	}
}
