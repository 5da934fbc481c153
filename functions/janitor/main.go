// Command janitor is the function that runs every minute and looks after jobs whose worker is gone, and
// after databases whose window has ended.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	settings "github.com/backup-restore/backup-restore/shared/config"
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

func run(ctx context.Context) error {
	s, err := settings.Janitor()
	if err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("configure AWS: %w", err)
	}
	client := s3.NewFromConfig(cfg)
	store := records.New(client, s.Bucket)
	sweeper := &jobs.Sweeper{
		Backups: store.Backups(), Restores: store.Restores(), Uploads: store.Uploads(),
		Open: store.Open(), Holdings: store.Holdings(), Activity: store.Activity(),
		Locks: records.NewLocks(client, s.Bucket, records.LockOptions{Expiry: s.LockExpiry}),
		Bell:  jobs.NewDoorbell(sqs.NewFromConfig(cfg), s.JobsQueueURL),
		Log:   telemetry.NewLogger(os.Stderr, "janitor", s.LogLevel),
	}
	lambda.StartWithOptions(sweeper.Sweep, lambda.WithContext(ctx))
	return nil
}
