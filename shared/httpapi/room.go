package httpapi

import (
	"encoding/json"

	"github.com/backup-restore/backup-restore/shared/backup"
)

const (
	// maxRows is how many tables, and ten times the lines of other lists, a view holds: what is more is for the downloaded report.
	maxRows = 10_000
	// maxText is how much of a statement or a definition a view shows, in bytes.
	maxText = 500
)

// room is how much of an answer is left, in bytes as weight counts them. A function can answer 6 MB, so a list that depends on how
// much somebody's database has is filled until its room is used up.
type room int

// The room for the lists of an answer, less than maxResponse for what stands around them.
const (
	maxView     room = 4 << 20
	maxDocument room = 5 << 20
)

// fill returns the views of the first items, at most that many and not more than there is room for. What is left out is at the end.
func fill[T, V any](left *room, items []T, most int, view func(T) V) []V {
	out := []V{}
	for _, item := range items[:min(len(items), most)] {
		v := view(item)
		text, err := json.Marshal(v)
		if err != nil { // views hold strings and numbers only
			break
		}
		if *left -= room(weight(text) + 1); *left < 0 {
			*left = 0
			break
		}
		out = append(out, v)
	}
	return out
}

// weight is how many bytes a body is in a Lambda function's answer, where it is a JSON string within JSON.
func weight(body []byte) int {
	n := len(body)
	for _, c := range body {
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t':
			n++
		case c == '<' || c == '>' || c == '&' || c < 0x20:
			n += 5 // \u003c
		}
	}
	return n
}

// short cuts a text to what a view shows of it.
func short(s string) string {
	return backup.Shorten(s, maxText)
}
