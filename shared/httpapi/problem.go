package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/cronkey"
	"github.com/backup-restore/backup-restore/shared/jobs"
)

// Problem is every error's body: problem details of RFC 9457. Its texts are fixed and free of internals; the cause is in
// the function's log, under the request id.
type Problem struct {
	Type       string            `json:"type" doc:"Always about:blank: code says what kind of problem it is." example:"about:blank"`
	Title      string            `json:"title" doc:"The HTTP status in words." example:"Conflict"`
	Status     int               `json:"status" doc:"The HTTP status." example:"409"`
	Code       string            `json:"code" doc:"What kind of problem it is, for programs. Codes do not change." example:"backup_not_created"`
	Detail     string            `json:"detail" doc:"What is wrong, for people." example:"This backup is still running."`
	Hint       string            `json:"hint,omitempty" doc:"What to do." example:"Wait until it is created."`
	Permission access.Permission `json:"permission,omitempty" doc:"The permission that is missing, where code is permission_missing."`
	Errors     []FieldError      `json:"errors,omitempty" doc:"What is wrong where, when the request's content is."`
	RequestID  string            `json:"requestId,omitempty" doc:"Names this request in the function's log."`

	header http.Header
}

// FieldError is what is wrong at one place of a request.
type FieldError struct {
	Location string `json:"location" doc:"Such as body.source.backup or query.limit."`
	Message  string `json:"message" doc:"What is expected."`
}

// Error makes a Problem an error; it is what a handler returns.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457, for huma.
func (p *Problem) ContentType(string) string { return problemType }

// GetHeaders are the headers to send with it, for huma.
func (p *Problem) GetHeaders() http.Header { return p.header }

const problemType = "application/problem+json"

func problem(status int, code, detail, hint string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint}
}

func (p *Problem) with(name, value string) *Problem {
	p.header = http.Header{http.CanonicalHeaderKey(name): {value}}
	return p
}

// The problems that more than one place reports.
func notFound(code, detail, hint string) *Problem {
	return problem(http.StatusNotFound, code, detail, hint)
}

func internal() *Problem {
	return problem(http.StatusInternalServerError, "internal_error", "The server met an error that it did not expect.",
		"Try again. If it happens again, look up the request id in the log of the api function.")
}

func unavailable() *Problem {
	return problem(http.StatusServiceUnavailable, "temporarily_unavailable", "A service that is needed for this does not answer at the moment.",
		"Try again in some seconds.").with("Retry-After", "5")
}

func invalid(errs ...FieldError) *Problem {
	p := problem(http.StatusUnprocessableEntity, "request_invalid", "The request's content is not as expected.", "See errors for what is wrong where.")
	p.Errors = errs
	return p
}

func notAllowed(p access.Permission) *Problem {
	out := problem(http.StatusForbidden, "permission_missing", fmt.Sprintf("Your role lacks the permission %s.", p),
		"Ask an administrator for a role that has it.")
	out.Permission = p
	return out
}

// statusOf is the HTTP status of an error that the domain found. Codes of jobs that a worker meets are not here: they
// stand in records.
var statusOf = map[backup.Code]int{
	"backup_not_created":     http.StatusConflict,
	"backup_deleting":        http.StatusConflict,
	"backup_damaged":         http.StatusConflict,
	"backup_partial":         http.StatusUnprocessableEntity,
	"selection_invalid":      http.StatusUnprocessableEntity,
	backup.CodeSourceGone:    http.StatusConflict,
	backup.CodeBadSecret:     http.StatusConflict,
	backup.CodeUnsupported:   http.StatusConflict,
	backup.CodeStorage:       http.StatusServiceUnavailable,
	backup.CodeNoRegistry:    http.StatusServiceUnavailable,
	backup.CodeUnreachable:   http.StatusServiceUnavailable,
	backup.CodeFileChanged:   http.StatusConflict,
	backup.CodeSwitchBlocked: http.StatusConflict,
	"upload_incomplete":      http.StatusConflict,
	"upload_gone":            http.StatusConflict,
	"upload_not_accepted":    http.StatusConflict,
	"upload_unproven":        http.StatusUnprocessableEntity,
	"upload_name_refused":    http.StatusUnprocessableEntity,
	"upload_size_refused":    http.StatusUnprocessableEntity,
	"upload_hash_refused":    http.StatusUnprocessableEntity,
	backup.CodeFileLimit:     http.StatusUnprocessableEntity,
	"apply_not_possible":     http.StatusConflict,
	"undo_not_possible":      http.StatusConflict,
	"cancel_not_possible":    http.StatusConflict,
}

// problemAs is what a caller is told of an error that the domain found, under the status of its code, or otherwise that one.
func problemAs(e *backup.Error, otherwise int) *Problem {
	status, ok := statusOf[e.Code]
	if !ok {
		status = otherwise
	}
	p := problem(status, string(e.Code), e.Text, e.Hint)
	if status == http.StatusServiceUnavailable {
		p = p.with("Retry-After", "5")
	}
	return p
}

// problemOf is what a caller is told of err.
func problemOf(err error) *Problem {
	var (
		p          *Problem
		known      *backup.Error
		transition *backup.TransitionError
		unknown    *jobs.UnknownDatabasesError
		retryable  interface{ Retryable() bool }
	)
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &unknown):
		return notFound("database_not_found", "There is no database with that name: "+strings.Join(unknown.Names, ", ")+".", "See the list of databases. Backups of the others were started.")
	case errors.As(err, &known):
		return problemAs(known, http.StatusInternalServerError)
	case errors.As(err, &transition):
		return problem(http.StatusConflict, "state_conflict", fmt.Sprintf("It is %s by now, so it can't become %s.", transition.From, transition.To), "Refresh and look at its state.")
	case errors.Is(err, backup.ErrBadCursor):
		return problem(http.StatusBadRequest, "cursor_invalid", "The cursor is not one that this list gave out.", "Begin at the first page.")
	case errors.Is(err, backup.ErrNotFound):
		return notFound("not_found", "There is nothing with that id.", "It may have been deleted: refresh the list.")
	case errors.Is(err, backup.ErrExists):
		return problem(http.StatusConflict, "already_exists", "It is there already.", "Refresh the list.")
	case errors.Is(err, backup.ErrBusy):
		return problem(http.StatusConflict, "busy", "Somebody else works on it at the moment.", "Try again in some seconds.")
	case errors.Is(err, cronkey.ErrRotatedMeanwhile):
		return problem(http.StatusConflict, "cron_key_rotated", "Somebody else replaced the cron key at the same moment.", "Refresh to see the current key and who replaced it.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &retryable) && retryable.Retryable():
		return unavailable()
	}
	return internal()
}

// problemOfHuma is a Problem for an error that huma itself found in a request.
func problemOfHuma(e *huma.ErrorModel) *Problem {
	var p *Problem
	switch e.Status {
	case http.StatusBadRequest:
		// The decoder's message may quote the body or name Go types.
		return problem(e.Status, "json_invalid", "The request's body is missing, or is not valid JSON.", "Send a JSON object with Content-Type: application/json.")
	case http.StatusRequestEntityTooLarge:
		return tooLarge()
	case http.StatusUnsupportedMediaType:
		return problem(e.Status, "media_type_unsupported", "The request's body has a media type that is not accepted.", "Send JSON, with Content-Type: application/json.")
	case http.StatusUnprocessableEntity:
		p = invalid()
	default:
		if e.Status >= 500 {
			return internal()
		}
		p = problem(e.Status, "request_refused", http.StatusText(e.Status)+".", "")
	}
	for _, d := range e.Errors {
		if d == nil {
			continue
		}
		message := d.Message
		switch {
		case strings.HasPrefix(message, "json:"):
			message = "a value of another type is expected"
		case strings.HasPrefix(message, "invalid date/time"): // it quotes Go's own way to write a format
			message = "expected a time such as 2026-11-22T03:15:00Z"
		}
		p.Errors = append(p.Errors, FieldError{Location: d.Location, Message: message})
	}
	return p
}

func tooLarge() *Problem {
	return problem(http.StatusRequestEntityTooLarge, "body_too_large", fmt.Sprintf("The request's body is larger than %d KiB.", maxBody>>10),
		"Files do not go through this API: they are sent and downloaded by links from it.")
}

// writeProblem answers with p, where no huma operation is at work.
func writeProblem(w http.ResponseWriter, r *http.Request, p *Problem) {
	out := *p
	out.RequestID = requestID(r.Context())
	for name, values := range p.header {
		w.Header()[name] = values
	}
	body, err := json.Marshal(out)
	if err != nil { // it holds strings and numbers only
		body = []byte(`{"type":"about:blank","title":"Internal Server Error","status":500,"code":"internal_error"}`)
	}
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n'))
}
