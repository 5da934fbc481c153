// Command api is the function behind the HTTP API.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/backup-restore/backup-restore/console"
	settings "github.com/backup-restore/backup-restore/shared/config"
	"github.com/backup-restore/backup-restore/shared/cronkey"
	"github.com/backup-restore/backup-restore/shared/databases"
	"github.com/backup-restore/backup-restore/shared/files"
	"github.com/backup-restore/backup-restore/shared/httpapi"
	"github.com/backup-restore/backup-restore/shared/httpapi/gateway"
	"github.com/backup-restore/backup-restore/shared/jobs"
	"github.com/backup-restore/backup-restore/shared/records"
	"github.com/backup-restore/backup-restore/shared/telemetry"
)

func main() {
	ctx := context.Background()
	s, err := settings.API()
	log := telemetry.NewLogger(os.Stderr, "api", s.LogLevel)
	var handler http.Handler
	if err == nil {
		handler, err = build(ctx, s, log)
	}
	if err != nil {
		// It goes on to answer: a health check that says 503 is found sooner than a function that does not start.
		log.ErrorContext(ctx, "function unusable", "error", err)
		handler = httpapi.Unusable(log, err)
	}
	lambda.StartWithOptions(gateway.Handler(handler), lambda.WithContext(ctx))
}

func build(ctx context.Context, s settings.APISettings, log *slog.Logger) (http.Handler, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("configure AWS: %w", err)
	}
	client, secrets := s3.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg)
	store := records.New(client, s.Bucket)
	registry := databases.New(secrets, databases.Options{})
	dumps := files.New(client, s.Bucket, files.Options{})
	origin, err := dumps.LinkOrigin(ctx)
	if err != nil {
		return nil, fmt.Errorf("find out where links lead: %w", err)
	}
	page, err := console.Page()
	if err != nil {
		return nil, err
	}
	desk := &jobs.Desk{Backups: store.Backups(), Restores: store.Restores(), Uploads: store.Uploads(), Dropbox: dumps, Open: store.Open(),
		Bell: jobs.NewDoorbell(sqs.NewFromConfig(cfg), s.JobsQueueURL), Activity: store.Activity(), Log: log}
	return httpapi.New(httpapi.Options{
		Databases: registry, Backups: store.Backups(), Restores: store.Restores(), Uploads: store.Uploads(),
		Activity: store.Activity(), Open: store.Open(), Holdings: store.Holdings(), Dropbox: dumps,
		Locks: records.NewLocks(client, s.Bucket, records.LockOptions{Expiry: s.LockExpiry}),
		Files: dumps, Keys: store.Idempotency(),
		Desk: desk, Periodic: &jobs.Periodic{Desk: desk, Databases: registry},
		CronKey: cronkey.New(secrets, s.CronKeySecret, cronkey.Options{Grace: s.CronKeyGrace}),
		KeyUses: store.KeyUses(),
		Bucket:  s.Bucket, RoleClaim: s.RoleClaim, Issuer: s.Issuer, ClientID: s.ClientID,
		Console: page, Origins: []string{origin, s.IssuerOrigin(), s.TokenOrigin}, Version: telemetry.Version(), Log: log,
	})
}
