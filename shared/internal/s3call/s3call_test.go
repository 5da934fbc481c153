package s3call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// answer is an error as the SDK makes it of S3's answer.
func answer(status int, code string) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code, Message: "said S3"}}}}
}

var (
	slowDown = answer(http.StatusServiceUnavailable, "SlowDown")
	denied   = answer(http.StatusForbidden, "AccessDenied")
)

func TestDo_MinuteOfSlowDownIsSurvived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, tries := time.Now(), 0
		err := Policy{}.Do(t.Context(), func(context.Context) error {
			if tries++; time.Since(began) < time.Minute {
				return slowDown
			}
			return nil
		})
		if took := time.Since(began); err != nil || took > 70*time.Second {
			t.Errorf("Do: %v after %s", err, took)
		}
		if tries < 10 || tries > 40 {
			t.Errorf("%d tries in a minute", tries)
		}
	})
}

func TestDo_SlowDownForGoodEndsWithPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := Policy{}.Do(t.Context(), func(context.Context) error { return slowDown })
		if took := time.Since(began); !errors.Is(err, slowDown) || took < 2*time.Minute || took > 130*time.Second {
			t.Errorf("Do: %v after %s, want S3's error after two minutes", err, took)
		}
	})
}

func TestDo_CallersTimeEndsItSoonerAndSaysWhatFailed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		mine := errors.New("the worker's time ends")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Second, mine)
		defer cancel()
		began := time.Now()
		err := Policy{}.Do(ctx, func(context.Context) error { return slowDown })
		if took := time.Since(began); !errors.Is(err, mine) || !errors.Is(err, slowDown) || took != 10*time.Second {
			t.Errorf("Do: %v after %s", err, took)
		}
	})
}

func TestDo_AttemptWithoutAnAnswerIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := Policy{Attempt: time.Second}.Do(t.Context(), func(ctx context.Context) error {
			if tries++; tries == 3 {
				return nil
			}
			<-ctx.Done()
			return fmt.Errorf("send: %w", ctx.Err())
		})
		if err != nil || tries != 3 {
			t.Errorf("Do: %v after %d tries", err, tries)
		}
	})
}

func TestDo_RefusalIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	tries := 0
	err := Policy{}.Do(t.Context(), func(context.Context) error { tries++; return denied })
	if !errors.Is(err, denied) || tries != 1 {
		t.Errorf("Do: %v after %d tries, want one", err, tries)
	}
}

func TestRetryable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"none", nil, false},
		{"slow down", slowDown, true},
		{"internal error", answer(500, "InternalError"), true},
		{"error inside 200", answer(200, "InternalError"), true},
		{"answer cut", answer200Cut(), true},
		{"conflict in flight", answer(409, "ConditionalRequestConflict"), true},
		{"request timeout", answer(400, "RequestTimeout"), true},
		{"reset", fmt.Errorf("send: %w", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), true},
		{"body cut", io.ErrUnexpectedEOF, true},
		{"attempt's end", context.DeadlineExceeded, true},
		{"marked", Again(denied), true},
		{"denied", denied, false},
		{"no such key", answer(404, "NoSuchKey"), false},
		{"condition", answer(412, "PreconditionFailed"), false},
		{"other conflict", answer(409, "BucketNotEmpty"), false},
		{"bad digest", answer(400, "BadDigest"), false},
		{"not implemented", answer(501, "NotImplemented"), false},
		{"ours", errors.New("decode: bad"), false},
	} {
		if got := Retryable(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func answer200Cut() error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: 200}},
		Err:      &smithy.DeserializationError{Err: errors.New("XML syntax error")}}}
}

func TestError_IsForOperatorsWhereS3Failed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want backup.Code // "" for one that is only wrapped
	}{
		{"outage", slowDown, backup.CodeStorage},
		{"denied", denied, backup.CodeStorage},
		{"outage until the caller's deadline", &EndedError{Cause: context.DeadlineExceeded, Last: slowDown}, backup.CodeStorage},
		{"caller's cancel", &EndedError{Cause: context.Canceled, Last: slowDown}, ""},
		{"caller's own cause", &EndedError{Cause: backup.ErrLeaseLost, Last: slowDown}, ""},
		{"not found", fmt.Errorf("read: %w", backup.ErrNotFound), ""},
		{"exists", backup.ErrExists, ""},
		{"said already", &backup.Error{Code: backup.CodeFileChanged, Text: "x"}, backup.CodeFileChanged},
	} {
		got := Error(c.err, "write %s", "a key")
		var e *backup.Error
		if found := errors.As(got, &e); found != (c.want != "") || found && e.Code != c.want {
			t.Errorf("%s: %v (%T), want code %q", c.name, got, got, c.want)
		}
		if !errors.Is(got, c.err) {
			t.Errorf("%s: the cause is not in the chain", c.name)
		}
	}
}
