// Command worker is the function that runs backups and restores. It is started by the jobs queue.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/backup-restore/backup-restore/shared/backup"
	settings "github.com/backup-restore/backup-restore/shared/config"
	"github.com/backup-restore/backup-restore/shared/databases"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/jobs"
	"github.com/backup-restore/backup-restore/shared/postgres"
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
	s, err := settings.Worker()
	if err != nil {
		return err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("configure AWS: %w", err)
	}
	log := telemetry.NewLogger(os.Stderr, "worker", s.LogLevel)
	client := s3.NewFromConfig(cfg)
	store := records.New(client, s.Bucket)
	bench := jobs.Workbench{
		Backups: store.Backups(), Restores: store.Restores(), Uploads: store.Uploads(), Open: store.Open(),
		Holdings: store.Holdings(), Activity: store.Activity(), Databases: databases.New(secretsmanager.NewFromConfig(cfg), databases.Options{}),
		Engines: map[backup.EngineKind]backup.Engine{
			backup.Postgres: postgres.New(postgres.Options{BinDirs: s.PostgresBinDirs, Processors: s.Processors, Level: s.Compression, Logger: log}),
		},
		Files:       files.New(client, s.Bucket, files.Options{Patience: s.S3Patience}),
		ApplyWindow: s.ApplyWindow, UndoWindow: s.UndoWindow, Log: log,
	}
	runner := &jobs.Runner{
		Worker:    backup.NewID(),
		Locks:     records.NewLocks(client, s.Bucket, records.LockOptions{Expiry: s.LockExpiry}),
		Open:      store.Open(),
		Bell:      jobs.NewDoorbell(sqs.NewFromConfig(cfg), s.JobsQueueURL),
		Executors: bench.Executors(),
		Beat:      s.LockBeat, Expiry: s.LockExpiry, StopBefore: s.StopBeforeDeadline, Log: log,
	}
	lambda.StartWithOptions(func(ctx context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
		return runner.Handle(ctx, e), nil
	}, lambda.WithContext(ctx))
	return nil
}
