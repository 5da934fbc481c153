// Command schedule is the function that EventBridge Scheduler starts: it queues the scheduled backups.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/backup-restore/backup-restore/shared/backup"
	settings "github.com/backup-restore/backup-restore/shared/config"
	"github.com/backup-restore/backup-restore/shared/databases"
	"github.com/backup-restore/backup-restore/shared/jobs"
	"github.com/backup-restore/backup-restore/shared/records"
	"github.com/backup-restore/backup-restore/shared/telemetry"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// event is the schedule's input: template.yaml has Scheduler put the planned time in, which is the same when it delivers twice.
type event struct {
	ScheduledAt time.Time `json:"scheduledAt"`
}

func run(ctx context.Context) error {
	s, err := settings.Schedule()
	if err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("configure AWS: %w", err)
	}
	log := telemetry.NewLogger(os.Stderr, "schedule", s.LogLevel)
	store := records.New(s3.NewFromConfig(cfg), s.Bucket)
	periodic := &jobs.Periodic{
		Databases: databases.New(secretsmanager.NewFromConfig(cfg), databases.Options{}),
		Desk: &jobs.Desk{Backups: store.Backups(), Restores: store.Restores(), Open: store.Open(), Activity: store.Activity(),
			Bell: jobs.NewDoorbell(sqs.NewFromConfig(cfg), s.JobsQueueURL), Log: log},
	}
	lambda.StartWithOptions(func(ctx context.Context, input json.RawMessage) error {
		var e event
		if err := json.Unmarshal(input, &e); err != nil {
			return fmt.Errorf("parse the schedule's input: %w", err)
		}
		if e.ScheduledAt.IsZero() {
			return errors.New("parse the schedule's input: scheduledAt is missing")
		}
		started, err := periodic.Start(ctx, "schedule", s.Databases, e.ScheduledAt, backup.Actor{Kind: backup.BySchedule, Name: "Schedule"})
		log.InfoContext(ctx, "schedule fired", "at", e.ScheduledAt, "backups", len(started))
		return err
	}, lambda.WithContext(ctx))
	return nil
}
