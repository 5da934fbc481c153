package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// console makes log lines readable: the functions write JSON, for CloudWatch; at a terminal people read.
type console struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte // a line that has not ended
}

func newConsole(w io.Writer) *console { return &console{w: w} }

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rest = append(c.rest, p...)
	for {
		i := bytes.IndexByte(c.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		line := string(c.rest[:i])
		c.rest = c.rest[i+1:]
		if _, err := io.WriteString(c.w, readable(line, time.Now())+"\n"); err != nil {
			return len(p), err
		}
	}
}

// labelWidth fits the longest name of a function.
const labelWidth = 16

// readable turns "WorkerFunction | {json}" into "12:01:02 WorkerFunction   backup created  id=… bytes=…".
func readable(line string, now time.Time) string {
	label, text, ok := strings.Cut(line, " | ")
	if !ok {
		return line
	}
	var fields map[string]json.RawMessage
	if strings.HasPrefix(text, "{") && json.Unmarshal([]byte(text), &fields) == nil {
		if t := first(fields, "time", "timestamp"); t != "" {
			if at, err := time.Parse(time.RFC3339Nano, t); err == nil {
				now = at.Local()
			}
		}
		text = event(fields)
	}
	return fmt.Sprintf("%s %-*s %s", now.Format(time.TimeOnly), labelWidth, label, text)
}

func event(fields map[string]json.RawMessage) string {
	var b strings.Builder
	if level := plain(fields["level"]); level != "" && level != "INFO" {
		b.WriteString(level + " ")
	}
	b.WriteString(first(fields, "msg", "message"))
	var keys []string
	for k := range fields {
		switch k {
		case "time", "timestamp", "level", "msg", "message", "function", "requestId", "service", "version":
		default:
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	for _, k := range keys {
		v := plain(fields[k])
		if strings.ContainsAny(v, " \t\n\"") {
			v = fmt.Sprintf("%q", v)
		}
		b.WriteString(" " + k + "=" + v)
	}
	return b.String()
}

// first is the first of several fields that is there: Lambda's own JSON format names time and text differently than slog.
func first(fields map[string]json.RawMessage, names ...string) string {
	for _, n := range names {
		if v := plain(fields[n]); v != "" {
			return v
		}
	}
	return ""
}

// plain is a JSON text without its quotes, and any other value as it stands.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
