package lambdahost

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
)

// Control is the host's own HTTP interface, for people and tests:
//
//	GET  /_local/instances[?function=NAME]     the running processes, with their pids
//	POST /_local/functions/{name}/invocations  invokes a function; ?type=Event for an asynchronous invocation
//
// It has no authentication: serve it on the loopback interface only. A web page can't use it, since a JSON body needs the
// browser's leave, which is never given.
func (h *Host) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_local/instances", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(h.Instances(r.URL.Query().Get("function")))
	})
	mux.HandleFunc("POST /_local/functions/{name}/invocations", h.controlInvoke)
	return mux
}

func (h *Host) controlInvoke(w http.ResponseWriter, r *http.Request) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		refuse(w, http.StatusUnsupportedMediaType, "UnsupportedMediaTypeException", "Content-Type must be application/json")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxRequest+1))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", err.Error())
		return
	}
	name := r.PathValue("name")
	if r.URL.Query().Get("type") == "Event" {
		if err := h.InvokeAsync(name, body); err != nil {
			refuseInvocation(w, err)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	result, err := h.Invoke(r.Context(), name, body)
	if err != nil {
		refuseInvocation(w, err)
		return
	}
	if result.FunctionError != "" {
		w.Header().Set("X-Amz-Function-Error", result.FunctionError)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", result.RequestID)
	_, _ = w.Write(result.Payload)
}

func refuseInvocation(w http.ResponseWriter, err error) {
	switch {
	case errors.Is(err, ErrTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", err.Error())
	case errors.Is(err, ErrThrottled):
		refuse(w, http.StatusTooManyRequests, "TooManyRequestsException", err.Error())
	case errors.Is(err, ErrUnknown):
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", err.Error())
	default:
		refuse(w, http.StatusServiceUnavailable, "ServiceException", err.Error())
	}
}
