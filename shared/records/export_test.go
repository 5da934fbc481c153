package records

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/internal/s3call"
)

// The policies with which the product runs.
var (
	RecordPolicy = s3call.Policy{}
	LockPolicy   = lockPolicy
)

// NewWith is New with a policy of the test's.
func NewWith(client *s3.Client, name string, p s3call.Policy) *Store {
	return &Store{newBucket(client, name, p)}
}

// NewLocksWith is NewLocks with a policy of the test's.
func NewLocksWith(client *s3.Client, name string, expiry time.Duration, p s3call.Policy) backup.Locks {
	return newLocks(newBucket(client, name, p), LockOptions{Expiry: expiry})
}

// Live is whether a lock of a holder is live that was written age before S3 answered.
func Live(expiry, age time.Duration, worker string) bool {
	l := newLocks(nil, LockOptions{Expiry: expiry})
	return l.live(lock{object: object{age: age}, holder: backup.Holder{Worker: worker}})
}
