package sqltext

import "github.com/backup-restore/backup-restore/shared/backup"

// Ruling is what a Judge says of an item.
type Ruling struct {
	// Hazard is why the item must not be run, and the file be refused. nil where it may.
	Hazard *backup.Hazard
	// Ignore is why the item is harmless because nobody runs it, such as \restrict. "" where it is to be run.
	Ignore string
}

// Judge decides of each item of a script whether it may be run. It has a memory: the preamble that creates and connects to one
// database is harmless, a second database is not. It is asked twice of the same file, by the inspection and by whoever runs it.
type Judge struct{}

// NewJudge returns a judge for the items of one script, from its first on.
func NewJudge() *Judge { return &Judge{} }

// Rule decides of the next item.
func (j *Judge) Rule(item Item) Ruling { return Ruling{} }
