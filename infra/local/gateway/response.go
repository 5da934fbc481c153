package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

func itoa(n int) string { return strconv.Itoa(n) }

// write passes a function's answer on. An answer without statusCode is taken as the JSON body of a 200.
func (g *Gateway) write(w http.ResponseWriter, r *http.Request, payload []byte) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(payload, &fields) != nil || fields["statusCode"] == nil {
		return g.writeInferred(w, r, payload)
	}
	var a struct {
		StatusCode      int                        `json:"statusCode"`
		Headers         map[string]json.RawMessage `json:"headers"`
		Cookies         []string                   `json:"cookies"`
		Body            *string                    `json:"body"`
		IsBase64Encoded bool                       `json:"isBase64Encoded"`
	}
	if err := json.Unmarshal(payload, &a); err != nil {
		return err
	}
	if a.StatusCode < 100 || a.StatusCode > 599 {
		return fmt.Errorf("statusCode is %d", a.StatusCode)
	}
	var body []byte
	if a.Body != nil {
		body = []byte(*a.Body)
	}
	if a.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		body = decoded
	}
	h := w.Header()
	for name, raw := range a.Headers {
		value, err := headerValue(raw)
		if err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
		// The gateway measures the body itself, and keeps its own id.
		if !strings.EqualFold(name, "Content-Length") && !strings.EqualFold(name, "Apigw-Requestid") {
			h.Set(name, value)
		}
	}
	for _, c := range a.Cookies {
		h.Add("Set-Cookie", c)
	}
	if h.Get("Content-Type") == "" && len(body) > 0 {
		h.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	g.corsHeaders(w, r)
	if bodyAllowed(a.StatusCode) {
		h.Set("Content-Length", itoa(len(body)))
	}
	w.WriteHeader(a.StatusCode)
	if bodyAllowed(a.StatusCode) && r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
	return nil
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// headerValue takes texts, numbers and truth values, as API Gateway does.
func headerValue(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || string(raw) == "null" {
		return "", errors.New("not a text")
	}
	return string(raw), nil
}

func (g *Gateway) writeInferred(w http.ResponseWriter, r *http.Request, payload []byte) error {
	if !json.Valid(payload) {
		return errors.New("not JSON")
	}
	body := payload
	var text string
	if json.Unmarshal(payload, &text) == nil {
		body = []byte(text)
	}
	g.corsHeaders(w, r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", itoa(len(body)))
	_, _ = w.Write(body)
	return nil
}
