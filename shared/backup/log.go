package backup

import (
	"slices"
	"time"
	"unicode/utf8"
)

// LogLine says what happened to a job, and when.
type LogLine struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"` // for people; at most 200 bytes
}

// Bounds of a job's log, so that its record stays small however often workers die over it.
const (
	maxLogLines = 50
	maxLogText  = 200
)

// Note adds a line to the job's log. Everybody who may see the job reads it: no secret and no server's address belongs in it. Of a
// log that is full the line after the first goes, as the newest tell more.
func (j *Job) Note(at time.Time, text string) {
	if len(j.Log) >= maxLogLines {
		j.Log = slices.Delete(j.Log, 1, 2)
	}
	j.Log = append(j.Log, LogLine{At: at, Text: Shorten(text, maxLogText-len(cutMark))})
}

const cutMark = " …"

// Shorten cuts a text to at most that many bytes, not inside a character, and marks the cut.
func Shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + cutMark
}
