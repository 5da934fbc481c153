package sqs

import (
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

type batchFailure struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

type batchOutput[R any] struct {
	Successful []R            `json:",omitempty"`
	Failed     []batchFailure `json:",omitempty"`
}

// batch does each entry by itself: one that fails does not stop the others.
func batch[E, R any](entries []E, id func(*E) string, do func(*E) (R, error)) (out batchOutput[R], err error) {
	const most = 10
	switch {
	case len(entries) == 0:
		return out, modeled("EmptyBatchRequest", legacy+"EmptyBatchRequest", "There should be at least one entry in the request.")
	case len(entries) > most:
		return out, modeled("TooManyEntriesInBatchRequest", legacy+"TooManyEntriesInBatchRequest",
			"Maximum number of entries per request are %d. You have sent %d.", most, len(entries))
	}
	seen := map[string]bool{}
	for i := range entries {
		name := id(&entries[i])
		if !queueName.MatchString(name) { // the same characters and length
			return out, modeled("InvalidBatchEntryId", legacy+"InvalidBatchEntryId", "A batch entry id can only contain "+
				"alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[name] {
			return out, modeled("BatchEntryIdsNotDistinct", legacy+"BatchEntryIdsNotDistinct", "Id %s repeated.", name)
		}
		seen[name] = true
	}
	for i := range entries {
		r, err := do(&entries[i])
		if err == nil {
			out.Successful = append(out.Successful, r)
			continue
		}
		failure := batchFailure{Id: id(&entries[i]), Code: "InternalError", Message: err.Error()}
		var e *awsjson.Error
		if errors.As(err, &e) {
			failure.SenderFault, failure.Code, failure.Message = true, e.QueryCode, e.Message
		}
		out.Failed = append(out.Failed, failure)
	}
	return out, nil
}

// newID is a random UUID, as SQS names messages.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
