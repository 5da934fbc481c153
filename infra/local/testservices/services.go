package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi"
	"github.com/backup-restore/backup-restore/infra/local/pgcluster"
)

// What makes a server quick that may lose everything in a crash of the machine, and lets tests try what engines have to
// cope with: prepared transactions, replication slots, many clients at once.
var settings = map[string]string{
	"fsync":                     "off",
	"synchronous_commit":        "off",
	"full_page_writes":          "off",
	"wal_level":                 "logical",
	"max_wal_size":              "4GB",
	"max_connections":           "200",
	"max_prepared_transactions": "20",
}

type services struct {
	postgres *pgcluster.Cluster
	aws      *awsapi.Server
}

// startServices starts all, or none.
func startServices(ctx context.Context, dir string) (_ *services, err error) {
	s := &services{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop())
		}
	}()
	s.postgres, err = pgcluster.Start(ctx, pgcluster.Options{Dir: filepath.Join(dir, "postgres"), Settings: settings})
	if err != nil {
		return nil, err
	}
	s.aws, err = awsapi.Start(ctx, awsapi.Options{Addr: "127.0.0.1:0", Dir: filepath.Join(dir, "aws")})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (s *services) environment() []string {
	return []string{
		"BR_TEST_POSTGRES_URL=" + s.postgres.SuperuserURL(),
		"BR_TEST_AWS_ENDPOINT=" + s.aws.URL(),
		"BR_TEST_REQUIRE=1",
		"PATH=" + s.postgres.BinDir() + string(os.PathListSeparator) + os.Getenv("PATH"),
	}
}

func (s *services) stop() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if s.aws != nil {
		err = s.aws.Close()
	}
	if s.postgres != nil {
		if stopErr := s.postgres.Stop(ctx); stopErr != nil {
			err = errors.Join(err, fmt.Errorf("stop services: %w", stopErr))
		}
		// It is elsewhere than in the run's folder where the server's user can't be let in there.
		err = errors.Join(err, os.RemoveAll(s.postgres.Dir()))
	}
	return err
}
