package jobs

import (
	"context"

	"github.com/aws/aws-lambda-go/events"
)

// Handle works for each message of an event and names those to be delivered again. A message that can't be read is one of
// them: it ends in the dead-letter queue, where it can be looked at.
func (r *Runner) Handle(ctx context.Context, e events.SQSEvent) events.SQSEventResponse {
	var res events.SQSEventResponse
	for _, m := range e.Records {
		database, err := ParseRing(m.Body)
		if err == nil {
			err = r.Work(ctx, database)
		}
		if err != nil {
			r.Log.ErrorContext(ctx, "message not handled", "message", m.MessageId, "error", err)
			res.BatchItemFailures = append(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return res
}
