package lambdahost

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// api is the Runtime API of one instance.
func (in *instance) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", in.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", in.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", in.invocationError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", in.reportInitError)
	return mux
}

func (in *instance) next(w http.ResponseWriter, r *http.Request) {
	in.mu.Lock()
	in.initDone = true
	in.mu.Unlock()
	select {
	case in.asks <- struct{}{}:
	default: // a runtime may ask again after its connection broke
	}
	var inv *invocation
	select {
	case inv = <-in.events:
	case <-r.Context().Done():
		return
	}
	in.mu.Lock()
	in.current = inv
	in.invocations++
	in.mu.Unlock()
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn",
		fmt.Sprintf("arn:aws:lambda:%s:000000000000:function:%s", in.f.host.options.Region, in.f.Name))
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000;Sampled=0")
	h.Set("Content-Length", strconv.Itoa(len(inv.payload)))
	_, _ = w.Write(inv.payload)
}

// taken finds the invocation that a request speaks of; another one than the current is refused, as Lambda does.
func (in *instance) taken(w http.ResponseWriter, r *http.Request) *invocation {
	in.mu.Lock()
	inv := in.current
	in.mu.Unlock()
	if inv == nil || inv.id != r.PathValue("id") {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return nil
	}
	select {
	case <-inv.answered:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition from Response to Response failed")
		return nil
	default:
		return inv
	}
}

func (in *instance) response(w http.ResponseWriter, r *http.Request) {
	inv := in.taken(w, r)
	if inv == nil {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxResponse))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		inv.fail("Function.ResponseSizeTooLarge",
			fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponse))
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxResponse))
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "InvalidRequest", "the response ended early")
		return
	case r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != "":
		inv.fail(r.Trailer.Get("Lambda-Runtime-Function-Error-Type"), "the response ended with an error")
	default:
		inv.finish(body, "")
	}
	accept(w)
}

func (in *instance) invocationError(w http.ResponseWriter, r *http.Request) {
	inv := in.taken(w, r)
	if inv == nil {
		return
	}
	body, err := errorBody(w, r)
	if err != nil {
		return
	}
	inv.finish(body, "Unhandled")
	accept(w)
}

func (in *instance) reportInitError(w http.ResponseWriter, r *http.Request) {
	body, err := errorBody(w, r)
	if err != nil {
		return
	}
	in.mu.Lock()
	if !in.initDone {
		in.initError = body
	}
	in.mu.Unlock()
	accept(w)
}

// errorBody reads an error report and gives it AWS's form where the runtime did not.
func errorBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxResponse))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the error report is too large")
		return nil, err
	}
	var parsed struct {
		ErrorType    *string `json:"errorType"`
		ErrorMessage *string `json:"errorMessage"`
	}
	if json.Unmarshal(body, &parsed) == nil && parsed.ErrorMessage != nil {
		return body, nil
	}
	kind := r.Header.Get("Lambda-Runtime-Function-Error-Type")
	if kind == "" {
		kind = "Runtime.Unknown"
	}
	return json.Marshal(map[string]string{"errorType": kind, "errorMessage": string(body)})
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"errorType": kind, "errorMessage": message})
}
