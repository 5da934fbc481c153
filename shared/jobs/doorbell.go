package jobs

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Doorbell rings by SQS messages.
type Doorbell struct {
	client *sqs.Client
	queue  string
}

var _ backup.Doorbell = (*Doorbell)(nil)

// NewDoorbell returns a doorbell on the queue with that URL.
func NewDoorbell(client *sqs.Client, queueURL string) *Doorbell {
	return &Doorbell{client: client, queue: queueURL}
}

// Ring is the content of a message: the database to look at, and nothing that could be out of date when it arrives.
type ring struct {
	Database string `json:"database"`
}

// Ring wakes a worker for database.
func (d *Doorbell) Ring(ctx context.Context, database string) error {
	body, err := json.Marshal(ring{database})
	if err != nil {
		return fmt.Errorf("ring for %s: %w", database, err)
	}
	text := string(body)
	if _, err := d.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &d.queue, MessageBody: &text}); err != nil {
		return fmt.Errorf("ring for %s: %w", database, err)
	}
	return nil
}

// ParseRing reads a message's body: the name of the database to look at.
func ParseRing(body string) (string, error) {
	var r ring
	if err := json.Unmarshal([]byte(body), &r); err != nil {
		return "", fmt.Errorf("parse message: %w", err)
	}
	if !backup.ValidDatabaseName(r.Database) {
		return "", fmt.Errorf("parse message: %q is no database's name", r.Database)
	}
	return r.Database, nil
}
