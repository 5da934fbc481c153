package records

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// Store is the state in one bucket.
type Store struct{ bucket *bucket }

// New returns the state that lies in bucket. Nothing is asked of S3 yet.
func New(client *s3.Client, name string) *Store {
	return &Store{newBucket(client, name, s3call.Policy{})}
}

// Backups are the records of backups.
func (s *Store) Backups() backup.Records[backup.Backup] {
	return collection[backup.Backup]{s.bucket, "records/backups/"}
}

// Restores are the records of restores.
func (s *Store) Restores() backup.Records[backup.Restore] {
	return collection[backup.Restore]{s.bucket, "records/restores/"}
}

// Uploads are the records of uploads.
func (s *Store) Uploads() backup.Records[backup.Upload] {
	return collection[backup.Upload]{s.bucket, "records/uploads/"}
}

// Activity is the log of who did what.
func (s *Store) Activity() backup.ActivityLog { return activityLog{s.bucket} }

// Open are the markers of jobs that have not ended.
func (s *Store) Open() backup.OpenJobs { return openJobs{s.bucket} }

// Holdings are the databases that restores keep on servers.
func (s *Store) Holdings() backup.Holdings { return holdings{s.bucket} }

// Idempotency are the claims of idempotency keys. Nothing here deletes them: a rule of the bucket lets them expire.
func (s *Store) Idempotency() backup.IdempotencyKeys { return idempotencyKeys{s.bucket} }

// KeyUses are the last uses of cron keys.
func (s *Store) KeyUses() backup.KeyUses { return keyUses{s.bucket} }

// errKey says that a name can't be part of an object's key, so there is no such record.
var errKey = fmt.Errorf("no key can be made of it: %w", backup.ErrNotFound)

// folder is prefix and database as the beginning of a key.
func folder(prefix, database string) (string, error) {
	if !backup.ValidDatabaseName(database) {
		return "", fmt.Errorf("database name %.80q: %w", database, errKey)
	}
	return prefix + database + "/", nil
}

func recordKey(folder, id string) (string, error) {
	if !backup.ValidID(id) {
		return "", fmt.Errorf("id %.80q: %w", id, errKey)
	}
	return folder + backup.Complement(id) + ".json", nil
}

// recordID is the id in a key below folder, "" for an object that is no record.
func recordID(folder, key string) string {
	name, ok := cutAround(key, folder, ".json")
	if !ok || !backup.ValidID(backup.Complement(name)) {
		return ""
	}
	return backup.Complement(name)
}

// hashForm is that of what stands for a key, as part of an object's key.
var hashForm = regexp.MustCompile(`^[0-9a-f]{16,128}$`)

var errNoHash = errors.New("what stands for a key is 16 to 128 lower-case hex digits")
