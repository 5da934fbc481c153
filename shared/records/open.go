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

// A marker's key is <database>/<id>.<kind>, and of a job that follows a restore <database>/<id>.<kind>.<restore>: listing the markers
// tells what each is of, and no marker of the one form is another's prefix, as ids differ.
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
	case j.Restore == "":
		return f + j.ID + "." + string(j.Kind), nil
	case !backup.ValidID(j.Restore):
		return "", fmt.Errorf("restore %.80q: %w", j.Restore, errKey)
	}
	return f + j.ID + "." + string(j.Kind) + "." + j.Restore, nil
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
	found, err := o.bucket.listAll(ctx, prefix)
	if err != nil {
		return nil, s3call.Error(err, "list open jobs")
	}
	var jobs []backup.OpenJob
	for _, f := range found {
		if j, ok := openJob(f); ok {
			jobs = append(jobs, j)
		}
	}
	slices.SortStableFunc(jobs, func(a, b backup.OpenJob) int { return cmp.Compare(a.ID, b.ID) })
	return jobs, nil
}

// openJob reads a marker's key. Objects of another form are not ours.
func openJob(o listed) (backup.OpenJob, bool) {
	database, name, ok := cutKey(o.key, openFolder, "")
	id, rest, _ := strings.Cut(name, ".")
	kind, restore, follows := strings.Cut(rest, ".")
	j := backup.OpenJob{Database: database, Kind: backup.JobKind(kind), ID: id, Restore: restore, Marked: o.modified}
	ok = ok && backup.ValidDatabaseName(database) && backup.ValidID(id) && jobKind.MatchString(kind)
	return j, ok && (!follows || backup.ValidID(restore))
}
