package records

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

const openFolder = "open/"

// A marker's kind ends its key, so that listing the markers tells what each is of, and no marker is another's prefix.
var jobKind = regexp.MustCompile(`^[a-z][a-z-]*$`)

// openJobs implements backup.OpenJobs. Markers are empty objects.
type openJobs struct{ bucket *bucket }

func (o openJobs) key(j backup.OpenJob) (string, error) {
	f, err := folder(openFolder, j.Database)
	switch {
	case err != nil:
		return "", err
	case !backup.ValidID(j.ID):
		return "", fmt.Errorf("id %.80q: %w", j.ID, errKey)
	case !jobKind.MatchString(string(j.Kind)):
		return "", fmt.Errorf("kind %.80q: %w", j.Kind, errKey)
	}
	return f + j.ID + "." + string(j.Kind), nil
}

// Mark implements backup.OpenJobs. A marker that is there already gets the time of this call: whoever marks a job is about to
// write its record, so the marker is no leftover.
func (o openJobs) Mark(ctx context.Context, j backup.OpenJob) error {
	key, err := o.key(j)
	if err != nil {
		return fmt.Errorf("mark job as open: %w", err)
	}
	err = o.bucket.policy.Do(ctx, func(ctx context.Context) error {
		_, err := o.bucket.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &o.bucket.name, Key: &key, Body: http.NoBody, ContentLength: aws.Int64(0)})
		return err
	})
	if err != nil {
		return s3call.Error(err, "mark job as open: write %s", key)
	}
	return nil
}

// Clear implements backup.OpenJobs. A marker that is not there is no error.
func (o openJobs) Clear(ctx context.Context, j backup.OpenJob) error {
	key, err := o.key(j)
	if err != nil {
		return fmt.Errorf("clear marker of open job: %w", err)
	}
	if err := o.bucket.remove(ctx, key); err != nil {
		return s3call.Error(err, "clear marker of open job")
	}
	return nil
}

// List implements backup.OpenJobs.
func (o openJobs) List(ctx context.Context, database string) ([]backup.OpenJob, error) {
	prefix := openFolder
	if database != "" {
		var err error
		if prefix, err = folder(openFolder, database); err != nil {
			if errors.Is(err, backup.ErrNotFound) {
				return nil, nil
			}
			return nil, fmt.Errorf("list open jobs: %w", err)
		}
	}
	var jobs []backup.OpenJob
	for startAfter, more := "", true; more; {
		var found []listed
		var err error
		if found, more, err = o.bucket.list(ctx, prefix, startAfter, maxPage); err != nil {
			return nil, s3call.Error(err, "list open jobs")
		}
		for _, f := range found {
			startAfter = f.key
			if j, ok := openJob(f); ok {
				jobs = append(jobs, j)
			}
		}
	}
	slices.SortStableFunc(jobs, func(a, b backup.OpenJob) int { return cmp.Compare(a.ID, b.ID) })
	return jobs, nil
}

// openJob reads a marker's key. Objects of another form are not ours.
func openJob(o listed) (backup.OpenJob, bool) {
	database, name, _ := strings.Cut(strings.TrimPrefix(o.key, openFolder), "/")
	id, kind, _ := strings.Cut(name, ".")
	j := backup.OpenJob{Database: database, Kind: backup.JobKind(kind), ID: id, Marked: o.modified}
	ok := backup.ValidDatabaseName(database) && backup.ValidID(id) && jobKind.MatchString(kind)
	return j, ok
}
