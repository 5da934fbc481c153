package conformance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/oklog/ulid/v2"

	"github.com/backup-restore/backup-restore/infra/local/awsapi"
)

const (
	region    = "eu-central-1"
	accessKey = "local"
	secretKey = "local-secret"
)

var (
	endpoint = os.Getenv("CONFORMANCE_ENDPOINT")
	server   = os.Getenv("CONFORMANCE_SERVER")
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if endpoint == "" {
		dir, err := os.MkdirTemp("", "conformance-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = os.RemoveAll(dir) }()
		own, err := awsapi.Start(context.Background(), awsapi.Options{Addr: "127.0.0.1:0", Dir: dir})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer func() { _ = own.Close() }()
		endpoint = own.URL()
	}
	return m.Run()
}

func keys() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")
}

func s3Client() *s3.Client {
	return s3.New(s3.Options{Region: region, BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: keys()})
}

func sqsClient() *sqs.Client {
	return sqs.New(sqs.Options{Region: region, BaseEndpoint: &endpoint, Credentials: keys()})
}

func secretsClient() *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{Region: region, BaseEndpoint: &endpoint, Credentials: keys()})
}

// unique names something of one test, so that all tests can run at once on one endpoint.
func unique() string { return "t-" + strings.ToLower(ulid.Make().String()) }

// deviates leaves a test out on a server that is known to differ from AWS there.
func deviates(t *testing.T, name, how string) {
	t.Helper()
	if server == name {
		t.Skipf("%s deviates from AWS: %s", name, how)
	}
}

// must ends the test on an error: must[T](t)(f()).
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantCode requires an error of AWS by its code, which SDKs make from what the server answers.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Fatalf("got error %v, want the code %s", err, code)
	}
	if e.ErrorCode() != code {
		t.Errorf("got code %s (%s), want %s", e.ErrorCode(), e.ErrorMessage(), code)
	}
}

// eventually asks again until ok, for what takes a second or two by its nature: a timeout of whole seconds that ends.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	const patience = 15 * time.Second
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %s still not: %s", patience, what)
		}
		<-tick.C
	}
}

func newBucket(t *testing.T, c *s3.Client) string {
	t.Helper()
	name := unique()
	must[*s3.CreateBucketOutput](t)(c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: region}}))
	must[*s3.PutBucketVersioningOutput](t)(c.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}))
	return name
}

func put(t *testing.T, c *s3.Client, bucket, key, content string) *s3.PutObjectOutput {
	t.Helper()
	return must[*s3.PutObjectOutput](t)(c.PutObject(t.Context(),
		&s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader([]byte(content))}))
}
