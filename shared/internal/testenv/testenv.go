// Package testenv gives tests the real services that they run against: a PostgreSQL server and the AWS protocols on this
// machine. `make test` starts them and says where they are; without them, these tests skip and say so.
package testenv

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/oklog/ulid/v2"
)

// The environment in which tests find their services.
const (
	// PostgresURL is a superuser's URL: postgres://postgres:…@127.0.0.1:…/postgres.
	PostgresURL = "BR_TEST_POSTGRES_URL"
	// AWSEndpoint answers S3, SQS and Secrets Manager: http://127.0.0.1:….
	AWSEndpoint = "BR_TEST_AWS_ENDPOINT"
	// Require makes a missing service a failure, so that a run that means to test everything can't pass by skipping.
	Require = "BR_TEST_REQUIRE"
)

// Postgres returns a superuser's URL of the PostgreSQL server.
func Postgres(t testing.TB) string { return need(t, PostgresURL) }

// AWS returns a configuration for the AWS protocols on this machine.
func AWS(t testing.TB) aws.Config {
	endpoint := need(t, AWSEndpoint)
	cfg, err := config.LoadDefaultConfig(context.Background(),
		config.WithRegion("eu-central-1"),
		config.WithBaseEndpoint(endpoint),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("local", "local-secret", "")),
	)
	if err != nil {
		t.Fatalf("configure AWS: %v", err)
	}
	return cfg
}

// Bucket makes a versioned bucket of its own for a test. It is left to the end of the services.
func Bucket(t testing.TB, cfg aws.Config) string {
	t.Helper()
	client := s3.NewFromConfig(cfg)
	name := "test-" + strings.ToLower(ulid.Make().String())
	ctx := context.Background()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(cfg.Region)}}); err != nil {
		t.Fatalf("create bucket %s: %v", name, err)
	}
	if _, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}}); err != nil {
		t.Fatalf("version bucket %s: %v", name, err)
	}
	return name
}

func need(t testing.TB, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		if os.Getenv(Require) != "" {
			t.Fatalf("%s is not set: run the tests by make test", name)
		}
		t.Skipf("needs a real service: %s is not set; make test starts it", name)
	}
	return v
}
