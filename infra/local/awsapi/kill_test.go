package awsapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// serveDir makes the test binary a server on a folder, which a test can kill.
const serveDir = "AWSAPI_TEST_SERVE_DIR"

func TestMain(m *testing.M) {
	dir := os.Getenv(serveDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), Options{Addr: "127.0.0.1:0", Dir: dir, Buckets: []string{"bucket"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("listening", s.URL())
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
}

func TestServer_StateSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	first, kill := serve(t, dir)
	c := newClients(first, "local-secret")
	if err := put(ctx, c.s3, "records/a", "kept"); err != nil {
		t.Fatal(err)
	}
	q, err := c.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("jobs"), Attributes: map[string]string{"VisibilityTimeout": "77"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"in flight", "deleted", "waiting"} {
		if _, err := c.sqs.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: q.QueueUrl, MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, MaxNumberOfMessages: 2})
	if err != nil || len(got.Messages) != 2 {
		t.Fatal(got, err)
	}
	if _, err := c.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: q.QueueUrl, ReceiptHandle: got.Messages[1].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
	made, err := c.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("a/b"), SecretString: aws.String("hidden")})
	if err != nil {
		t.Fatal(err)
	}
	kill()

	second, _ := serve(t, dir)
	c = newClients(second, "local-secret")
	if got, err := get(ctx, c.s3, "records/a"); err != nil || got != "kept" {
		t.Errorf("the object is %q, %v", got, err)
	}
	value, err := c.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: made.ARN})
	if err != nil || aws.ToString(value.SecretString) != "hidden" || aws.ToString(value.VersionId) != aws.ToString(made.VersionId) {
		t.Errorf("the secret is %v, %v", value, err)
	}
	// The queue is found by the URL of before, whose port was another.
	attributes, err := c.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: q.QueueUrl, AttributeNames: []types.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"VisibilityTimeout": "77", "ApproximateNumberOfMessages": "1", "ApproximateNumberOfMessagesNotVisible": "1"} {
		if got := attributes.Attributes[name]; got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	// The receipt handle of before still deletes.
	if _, err := c.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: q.QueueUrl, ReceiptHandle: got.Messages[0].ReceiptHandle}); err != nil {
		t.Error(err)
	}
	last, err := c.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, MaxNumberOfMessages: 10})
	if err != nil || len(last.Messages) != 1 || aws.ToString(last.Messages[0].Body) != "waiting" {
		t.Errorf("received %v, %v", last, err)
	}
}

// serve runs a server in a process of its own, and returns its URL and how to kill it.
func serve(t *testing.T, dir string) (url string, kill func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	// Its socket is in a folder that nobody removes when it is killed.
	cmd.Env = append(os.Environ(), serveDir+"="+dir, "TMPDIR="+t.TempDir())
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	t.Cleanup(kill)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "listening "); ok {
			return url, kill
		}
	}
	t.Fatal("the server did not start")
	return "", nil
}
