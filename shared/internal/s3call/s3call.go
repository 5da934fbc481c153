// Package s3call decides how long and how often a call to S3 is tried, and what its answer means.
//
// The SDK's own retries are switched off (see [Client]): it gives up after three attempts, and it repeats a conditional PUT
// whose answer was lost without knowing that the first may have been carried out. Who calls decides that; [Policy.Do]
// only paces it.
package s3call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Policy says how a call is tried. The zero value of a field means its default.
type Policy struct {
	// Patience is how long a call is tried again, from its first attempt on. Default: 2 minutes, as S3 asks callers to slow
	// down for up to a minute while it splits a prefix. The caller's context may end it sooner.
	Patience time.Duration
	// Attempt bounds one attempt, so that an answer that never comes is taken for lost. Default: 15 seconds.
	Attempt time.Duration
	// MinDelay and MaxDelay bound the pause between attempts, which doubles and is jittered. Default: 100 ms and 5 s.
	MinDelay, MaxDelay time.Duration
}

func (p Policy) withDefaults() Policy {
	p.Patience = orDefault(p.Patience, 2*time.Minute)
	p.Attempt = orDefault(p.Attempt, 15*time.Second)
	p.MinDelay = orDefault(p.MinDelay, 100*time.Millisecond)
	p.MaxDelay = orDefault(p.MaxDelay, 5*time.Second)
	return p
}

func orDefault(d, def time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return def
}

// Client is client with one attempt per call.
func Client(client *s3.Client) *s3.Client {
	o := client.Options()
	o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 0
	// s3.New would bind the client's own provider, which it shares, to the new client.
	o.ExpressCredentials = nil
	return s3.New(o)
}

// Do runs try until it returns nil, or an error that trying again does not cure (see [Retryable]), or patience or ctx
// end. The context that try is given ends with the attempt's time. What is returned is try's last error; an [EndedError]
// where the caller's context ended.
func (p Policy) Do(ctx context.Context, try func(context.Context) error) error {
	p = p.withDefaults()
	began, delay := time.Now(), p.MinDelay
	var last error
	for {
		attempt, cancel := context.WithTimeout(ctx, p.Attempt)
		err := try(attempt)
		cancel()
		if err == nil {
			return nil
		}
		// Why it failed before says more than that the context ended in this attempt.
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if ctx.Err() == nil && (!Retryable(err) || time.Since(began) >= p.Patience) {
			return err
		}
		if !pause(ctx, delay/2+rand.N(delay/2+1)) { //nolint:gosec // jitter, not a secret
			return &EndedError{Cause: context.Cause(ctx), Last: last}
		}
		delay = min(2*delay, p.MaxDelay)
	}
}

// EndedError says that the caller's context ended, why, and how the last attempt before that had failed.
type EndedError struct{ Cause, Last error }

func (e *EndedError) Error() string { return fmt.Sprintf("%v (last: %v)", e.Cause, e.Last) }

// Unwrap gives both.
func (e *EndedError) Unwrap() []error { return []error{e.Cause, e.Last} }

// pause waits for d. It returns false where ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return ctx.Err() == nil
	}
}

// again marks an error as worth another attempt.
type again struct{ error }

func (a again) Unwrap() error { return a.error }

// Again marks err, which S3 itself did not give, as worth another attempt.
func Again(err error) error { return again{err} }

// transient are the codes of answers that S3 takes back when asked again, besides those with which it throttles.
var transient = []string{
	"ConditionalRequestConflict", "OperationAborted", // 409: a write met another one in flight
	"InternalError", "ServiceUnavailable", // can come inside an answer of status 200
	"RequestTimeout", "IncompleteBody", // 400: the connection stalled or ended inside what we sent
}

// Retryable reports whether trying again may cure err: S3 asked for it, the connection broke, or no answer came in time.
func Retryable(err error) bool {
	var (
		marked   again
		netError net.Error
		cut      *smithy.DeserializationError
	)
	switch {
	case err == nil:
		return false
	case errors.As(err, &marked), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return true
	// An attempt's end: Do sees the caller's own before it asks.
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return true
	}
	switch Status(err) {
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		http.StatusTooManyRequests:
		return true
	case http.StatusOK, http.StatusPartialContent:
		// The answer was cut, or names an error in its body.
		return errors.As(err, &cut) || Is(err, transient...)
	case 0:
		return errors.As(err, &netError) || retry.RetryableConnectionError{}.IsErrorRetryable(err) == aws.TrueTernary
	}
	throttled := retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorRetryable(err)
	return throttled == aws.TrueTernary || Is(err, transient...)
}

// Status is the HTTP status of S3's answer, 0 where there was none.
func Status(err error) int {
	var r *awshttp.ResponseError
	if errors.As(err, &r) {
		return r.HTTPStatusCode()
	}
	return 0
}

// Is reports whether S3 answered with one of the error codes.
func Is(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}

// NotFound reports whether there is no such key, version or upload. A missing bucket or permission is not that.
func NotFound(err error) bool {
	return Is(err, "NoSuchKey", "NoSuchVersion", "NoSuchUpload", "NotFound")
}

// Refused reports whether a condition of the call did not hold.
func Refused(err error) bool { return Status(err) == http.StatusPreconditionFailed }

// Doubtful reports whether a write that ended with err may have been carried out nevertheless: no answer came, or one that
// does not rule it out.
func Doubtful(err error) bool {
	return Status(err) == 0 || Status(err) == http.StatusConflict || Retryable(err)
}

// Error is err as an operator may read it, with what was tried as the verb phrase of its cause. What the domain knows
// already is wrapped and no more; so is a call that its caller ended, other than by a deadline that S3 let pass.
func Error(err error, format string, args ...any) error {
	wrapped := fmt.Errorf(format+": %w", append(args, err)...)
	var (
		known *backup.Error
		ended *EndedError
	)
	switch {
	case errors.As(err, &known), errors.Is(err, backup.ErrNotFound), errors.Is(err, backup.ErrExists), errors.Is(err, backup.ErrLeaseLost),
		errors.Is(err, backup.ErrUnreadable):
		return wrapped
	case errors.As(err, &ended) && !errors.Is(ended.Cause, context.DeadlineExceeded):
		return wrapped
	}
	e := &backup.Error{Code: backup.CodeStorage, Cause: wrapped,
		Text: "The storage (S3) refused what it was asked to do.",
		Hint: "Try again. If it happens again, look up the cause in the log."}
	switch status := Status(err); {
	case Is(err, "NoSuchBucket"):
		e.Text, e.Hint = "The storage (S3) has no such bucket.", "Check the setting BUCKET of this installation."
	case status == http.StatusForbidden:
		e.Text = "The storage (S3) denied access."
		e.Hint = "Check the rights of this function's role, the bucket's policy and its encryption key."
	case Retryable(err):
		e.Text, e.Hint = "The storage (S3) can't be reached or is too busy.", "Try again in a few minutes."
	}
	return e
}
