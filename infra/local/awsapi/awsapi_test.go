package awsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
)

// A process runs one gateway, so no test here is parallel.

func start(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Start(t.Context(), Options{Addr: "127.0.0.1:0", Dir: dir, Buckets: []string{"bucket"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// clients of an endpoint, which try only once.
type clients struct {
	s3      *s3.Client
	sqs     *sqs.Client
	secrets *secretsmanager.Client
}

func newClients(endpoint, secret string) clients {
	keys := credentials.NewStaticCredentialsProvider("local", secret, "")
	once := aws.NopRetryer{}
	return clients{
		s3.New(s3.Options{Region: "eu-central-1", BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: keys, Retryer: once}),
		sqs.New(sqs.Options{Region: "eu-central-1", BaseEndpoint: &endpoint, Credentials: keys, Retryer: once}),
		secretsmanager.New(secretsmanager.Options{Region: "eu-central-1", BaseEndpoint: &endpoint, Credentials: keys, Retryer: once}),
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) || e.ErrorCode() != code {
		t.Errorf("got %v, want the code %s", err, code)
	}
}

func put(ctx context.Context, c *s3.Client, key, content string) error {
	_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: &key, Body: strings.NewReader(content)})
	return err
}

func get(ctx context.Context, c *s3.Client, key string) (string, error) {
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: &key})
	if err != nil {
		return "", err
	}
	defer func() { _ = out.Body.Close() }()
	b, err := io.ReadAll(out.Body)
	return string(b), err
}

// control uses the controls as a program outside does.
func control(t *testing.T, s *Server, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(b))
}

func TestStart_SaysThatThePortIsTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	_, err = Start(t.Context(), Options{Addr: taken.Addr().String(), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "port "+port) || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("got %v", err)
	}
}

func TestStart_RefusesAnAddressThatOthersReach(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", ":0", "localhost:0", "8081"} {
		if s, err := Start(t.Context(), Options{Addr: addr, Dir: t.TempDir()}); err == nil {
			_ = s.Close()
			t.Errorf("it listened on %s", addr)
		}
	}
}

func TestStart_RefusesAFolderThatIsInUse(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	_, err := Start(t.Context(), Options{Addr: "127.0.0.1:0", Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "another one is running on the folder") {
		t.Errorf("got %v", err)
	}
	if status, _ := control(t, first, http.MethodGet, "/_local/health", ""); status != http.StatusOK {
		t.Errorf("the first one's health is %d", status)
	}
}

func TestServer_RefusesWhatIsNotSignedWithItsKeys(t *testing.T) {
	s := start(t, t.TempDir())
	c := newClients(s.URL(), "wrong")
	_, err := c.sqs.ListQueues(t.Context(), nil)
	wantCode(t, err, "InvalidSignatureException")
	_, err = c.secrets.ListSecrets(t.Context(), nil)
	wantCode(t, err, "InvalidSignatureException")
	_, err = c.s3.ListBuckets(t.Context(), nil)
	wantCode(t, err, "SignatureDoesNotMatch")

	other := s.URL()
	_, err = sqs.New(sqs.Options{Region: "eu-central-1", BaseEndpoint: &other,
		Credentials: credentials.NewStaticCredentialsProvider("AKIAOTHER", "local-secret", "")}).ListQueues(t.Context(), nil)
	wantCode(t, err, "UnrecognizedClientException")

	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL(), strings.NewReader("{}"))
	req.Header.Set("X-Amz-Target", "AmazonSQS.ListQueues")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusBadRequest || !bytes.Contains(b, []byte("MissingAuthenticationTokenException")) {
		t.Errorf("without a signature: %d %s", resp.StatusCode, b)
	}
}

func TestServer_NamesTheActionThatItDoesNotHave(t *testing.T) {
	s := start(t, t.TempDir())
	c := newClients(s.URL(), "local-secret")
	_, err := c.sqs.AddPermission(t.Context(), &sqs.AddPermissionInput{QueueUrl: aws.String("x"), Label: aws.String("x"),
		Actions: []string{"x"}, AWSAccountIds: []string{"x"}})
	wantCode(t, err, "UnknownOperationException")
	if !strings.Contains(err.Error(), "AmazonSQS.AddPermission") {
		t.Errorf("the error does not name it: %v", err)
	}
	_, err = c.secrets.GetRandomPassword(t.Context(), nil)
	wantCode(t, err, "UnknownOperationException")
	t.Run("or the member", func(t *testing.T) {
		_, err := c.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: aws.String("x"), MessageBody: aws.String("x"), MessageGroupId: aws.String("g")})
		if err == nil || !strings.Contains(err.Error(), "MessageGroupId") {
			t.Errorf("got %v", err)
		}
	})
}

func TestFaults_SlowDown(t *testing.T) {
	s := start(t, t.TempDir())
	c, ctx := newClients(s.URL(), "local-secret").s3, t.Context()
	if err := s.S3Faults().Set(Fault{Kind: SlowDown, Method: "PUT", Bucket: "bucket", KeyPrefix: "records/", Skip: 1, Requests: 2}); err != nil {
		t.Fatal(err)
	}
	if err := put(ctx, c, "records/a", "skipped"); err != nil {
		t.Errorf("the first was to pass: %v", err)
	}
	wantCode(t, put(ctx, c, "records/a", "1"), "SlowDown")
	if err := put(ctx, c, "backups/a", "x"); err != nil {
		t.Errorf("another prefix: %v", err)
	}
	if got, err := get(ctx, c, "records/a"); err != nil || got != "skipped" {
		t.Errorf("another method: got %q, %v", got, err)
	}
	wantCode(t, put(ctx, c, "records/a", "2"), "SlowDown")
	if err := put(ctx, c, "records/a", "3"); err != nil {
		t.Errorf("after two: %v", err)
	}
	if got := s.S3Faults().List(); len(got) != 1 || got[0].Matched != 4 {
		t.Errorf("it lists %+v, want 4 matches", got)
	}
}

func TestFaults_LostRequestAndLostAnswer(t *testing.T) {
	s := start(t, t.TempDir())
	c, ctx := newClients(s.URL(), "local-secret").s3, t.Context()
	for _, tt := range []struct {
		kind FaultKind
		done bool
	}{{DropRequest, false}, {DropAnswer, true}} {
		t.Run(string(tt.kind), func(t *testing.T) {
			key := "records/" + string(tt.kind)
			if err := s.S3Faults().Set(Fault{Kind: tt.kind, Method: "PUT", Requests: 1}); err != nil {
				t.Fatal(err)
			}
			err := put(ctx, c, key, "content")
			var answered smithy.APIError
			if err == nil || errors.As(err, &answered) {
				t.Errorf("it was answered: %v", err)
			}
			got, err := get(ctx, c, key)
			if tt.done && (err != nil || got != "content") {
				t.Errorf("it was not done: %q, %v", got, err)
			}
			if !tt.done {
				wantCode(t, err, "NoSuchKey")
			}
		})
	}
}

func TestFaults_StallHoldsTheCallerUntilItGoesAway(t *testing.T) {
	s := start(t, t.TempDir())
	c := newClients(s.URL(), "local-secret").s3
	if err := s.S3Faults().Set(Fault{Kind: Stall, Method: "PUT", KeyPrefix: "records/"}); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- put(ctx, c, "records/a", "x") }()
	for s.S3Faults().List()[0].From == "" {
		select {
		case err := <-ended:
			t.Fatalf("it was answered: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if _, _, err := net.SplitHostPort(s.S3Faults().List()[0].From); err != nil {
		t.Errorf("who waits is told as %q", s.S3Faults().List()[0].From)
	}
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("after the caller left: %v", err)
	}
	if _, err := get(t.Context(), c, "records/a"); err == nil {
		t.Error("what was stalled was done")
	}
}

func TestFaults_FromOutside(t *testing.T) {
	s := start(t, t.TempDir())
	c, ctx := newClients(s.URL(), "local-secret").s3, t.Context()
	const path = "/_local/s3/faults"
	if status, body := control(t, s, http.MethodPut, path, `[{"kind":"slow-down","query":"uploads"}]`); status != http.StatusOK {
		t.Fatal(status, body)
	}
	upload := func() error {
		_, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("bucket"), Key: aws.String("k")})
		return err
	}
	for range 3 { // until cleared
		wantCode(t, upload(), "SlowDown")
	}
	if err := put(ctx, c, "k", "x"); err != nil {
		t.Errorf("a put is no upload: %v", err)
	}
	if _, body := control(t, s, http.MethodGet, path, ""); body != `[{"kind":"slow-down","query":"uploads","matched":3}]` {
		t.Errorf("it lists %s", body)
	}
	for _, bad := range []string{`[{"kind":"earthquake"}]`, `[{"kind":"slow-down","color":"red"}]`, `{`} {
		if status, _ := control(t, s, http.MethodPut, path, bad); status != http.StatusBadRequest {
			t.Errorf("%s got %d", bad, status)
		}
	}
	wantCode(t, upload(), "SlowDown") // what was refused changed nothing
	control(t, s, http.MethodDelete, path, "")
	if err := upload(); err != nil {
		t.Errorf("after clearing: %v", err)
	}
}

func TestQueueFaults_FromOutside(t *testing.T) {
	s := start(t, t.TempDir())
	c, ctx := newClients(s.URL(), "local-secret").sqs, t.Context()
	q, err := c.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("jobs")})
	if err != nil {
		t.Fatal(err)
	}
	if want := s.URL() + "/000000000000/jobs"; aws.ToString(q.QueueUrl) != want {
		t.Errorf("the queue's URL is %s, want %s", aws.ToString(q.QueueUrl), want)
	}
	if status, body := control(t, s, http.MethodPut, "/_local/sqs/jobs/faults", `{"duplicates":1,"delays":1,"delayBy":"0s"}`); status != http.StatusOK {
		t.Fatal(status, body)
	}
	if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: aws.String("x")}); err != nil {
		t.Fatal(err)
	}
	receive := func() int {
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(out.Messages)
	}
	if n := receive(); n != 2 {
		t.Errorf("received %d messages, want the one twice", n)
	}
	if status, body := control(t, s, http.MethodPut, "/_local/sqs/jobs/redelivery", ""); status != http.StatusOK || body != `{"redelivered":2}` {
		t.Errorf("got %d %s", status, body)
	}
	if n := receive(); n != 2 {
		t.Errorf("received %d messages again, want 2", n)
	}
	var left map[string]any
	_, body := control(t, s, http.MethodGet, "/_local/sqs/jobs/faults", "")
	if err := json.Unmarshal([]byte(body), &left); err != nil || left["duplicates"] != 0.0 || left["delays"] != 0.0 {
		t.Errorf("what is left is %s", body)
	}
	if status, _ := control(t, s, http.MethodGet, "/_local/sqs/none/faults", ""); status != http.StatusNotFound {
		t.Errorf("a queue that is not there got %d", status)
	}
}

func TestServer_CloseLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()) // where the sockets are: other processes have theirs in the common one
	warm := start(t, t.TempDir())   // what libraries start once and keep
	if err := warm.Close(); err != nil {
		t.Fatal(err)
	}
	goroutines := runtime.NumGoroutine()
	s := start(t, t.TempDir())
	c := newClients(s.URL(), "local-secret")
	if err := put(t.Context(), c.s3, "a", "x"); err != nil {
		t.Fatal(err)
	}
	q, err := c.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("jobs")})
	if err != nil {
		t.Fatal(err)
	}
	polled := make(chan error, 1)
	go func() {
		_, err := c.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 20})
		polled <- err
	}()
	wait(t, "the long poll has begun", func() bool {
		buf := make([]byte, 1<<20)
		return bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("receiveMessage"))
	})
	begin := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("closing took %s", took)
	}
	if err := <-polled; err != nil {
		t.Errorf("the long poll ended with %v, want an empty answer", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	wait(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines+4 }) // the clients' kept connections
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("in the folder of sockets there is %v (%v)", left, err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://")); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("not yet: %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}
