package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/infra/local/seed"
	"github.com/backup-restore/backup-restore/infra/local/stack"
	"github.com/backup-restore/backup-restore/shared/records"
)

// awsFlag is where the running stack's AWS protocols are.
func awsFlag(f *flag.FlagSet) *string {
	return f.String("aws", "http://127.0.0.1:8081", "the running stack's AWS protocols")
}

// reach configures the SDK for the stack on this machine, and for nothing else: what is written here belongs among test data.
func reach(ctx context.Context, endpoint string) (aws.Config, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" {
		return aws.Config{}, fmt.Errorf("-aws %s is not a URL such as http://127.0.0.1:8081", endpoint)
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return aws.Config{}, fmt.Errorf("-aws %s is not on this machine: this command is for the local stack only", endpoint)
	}
	return stack.Config(ctx, endpoint)
}

// seedBackups writes records of backups that never were: see package seed.
func seedBackups(ctx context.Context, args []string, out, errOut io.Writer) error {
	f := flag.NewFlagSet("local seed", flag.ContinueOnError)
	o := seed.Options{Until: time.Now()}
	f.StringVar(&o.Database, "database", "school", "the database whose history it is")
	f.IntVar(&o.Backups, "backups", 5000, "how many")
	f.DurationVar(&o.Every, "every", 6*time.Hour, "the time between two")
	endpoint := awsFlag(f)
	if err := parse(f, args, errOut); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	cfg, err := reach(ctx, *endpoint)
	if err != nil {
		return err
	}
	backups, err := seed.Backups(o)
	if err != nil {
		return err
	}
	client := s3.NewFromConfig(cfg)
	bucket, err := onlyBucket(ctx, client)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := seed.Write(ctx, records.New(client, bucket), backups); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d backups of %s, which never were and have no files, are in the inventory, after %.1f s.\n",
		len(backups), o.Database, time.Since(start).Seconds())
	return err
}

// onlyBucket is the stack's bucket: the template has one.
func onlyBucket(ctx context.Context, client *s3.Client) (string, error) {
	list, err := client.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		return "", fmt.Errorf("find the stack's bucket: %w", err)
	}
	if len(list.Buckets) != 1 {
		return "", errors.New("find the stack's bucket: there must be one, so make run must have been there first")
	}
	return aws.ToString(list.Buckets[0].Name), nil
}
