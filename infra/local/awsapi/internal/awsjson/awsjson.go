// Package awsjson serves AWS's JSON protocols: a POST to / whose X-Amz-Target names the action.
package awsjson

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
)

// Error is an error as the protocol knows it.
type Error struct {
	Status    int    // of HTTP; 400 where 0
	Type      string // the shape's name, with or without its namespace
	QueryCode string // of services that once spoke the query protocol: the code that SDKs show
	Message   string
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Action does one action: it takes the request's JSON and returns what is to be answered as JSON, nil for {}.
type Action func(ctx context.Context, body []byte) (any, error)

// Do makes an Action of a function. A member of the request that In does not have is refused by its name: an answer that
// silently leaves it out would be wrong.
func Do[In, Out any](f func(context.Context, *In) (Out, error)) Action {
	return func(ctx context.Context, body []byte) (any, error) {
		in := new(In)
		if len(bytes.TrimSpace(body)) > 0 {
			d := json.NewDecoder(bytes.NewReader(body))
			d.DisallowUnknownFields()
			if err := d.Decode(in); err != nil {
				return nil, &Error{Type: "SerializationException",
					Message: "Not understood or not supported on this machine: " + strings.TrimPrefix(err.Error(), "json: ")}
			}
		}
		return f(ctx, in)
	}
}

// Service is the actions of one service.
type Service struct {
	Target      string // what X-Amz-Target begins with, such as AmazonSQS
	ContentType string // application/x-amz-json-1.0 or -1.1
	Actions     map[string]Action
	// BodyLimit is the longest request that is read, in bytes.
	BodyLimit int64
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), s.Target+".")
	action, ok := s.Actions[name]
	if !ok || r.Method != http.MethodPost {
		WriteError(w, s.ContentType, &Error{Type: "com.amazon.coral.service#UnknownOperationException",
			Message: fmt.Sprintf("%s %s.%s is not supported on this machine.", r.Method, s.Target, name)})
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.BodyLimit))
	if err != nil {
		WriteError(w, s.ContentType, &Error{Status: http.StatusRequestEntityTooLarge, Type: "RequestTooLarge",
			Message: "The request is too long or was cut."})
		return
	}
	out, err := action(r.Context(), body)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			if r.Context().Err() == nil { // else nobody waits for the answer any more
				slog.Error("local AWS action failed", "action", s.Target+"."+name, "error", err)
			}
			e = &Error{Status: http.StatusInternalServerError, Type: "InternalFailure", Message: err.Error()}
		}
		WriteError(w, s.ContentType, e)
		return
	}
	if out == nil {
		out = struct{}{}
	}
	w.Header().Set("Content-Type", s.ContentType)
	_ = json.NewEncoder(w).Encode(out)
}

// WriteError answers with an error.
func WriteError(w http.ResponseWriter, contentType string, e *Error) {
	if e.Status == 0 {
		e.Status = http.StatusBadRequest
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	if e.QueryCode != "" {
		fault := "Sender"
		if e.Status >= 500 {
			fault = "Receiver"
		}
		h.Set("X-Amzn-Query-Error", e.QueryCode+";"+fault)
	}
	w.WriteHeader(e.Status)
	_ = json.NewEncoder(w).Encode(struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}{e.Type, e.Message})
}
