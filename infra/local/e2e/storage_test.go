package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi"
)

// s3Faults keeps tests that set faults of S3 apart: there is one list of them.
var s3Faults sync.Mutex

func TestBackup_WhenS3AnswersSlowDown(t *testing.T) {
	t.Parallel()
	w := use(t)
	forAWhile, forGood, records := w.newDatabase(t, "e2e_slow", large), w.newDatabase(t, "e2e_dead", large), w.newDatabase(t, "e2e_records", small)
	lost := w.newDatabase(t, "e2e_lost", small)
	s3Faults.Lock()
	defer s3Faults.Unlock()
	bucket := w.stack.Bucket("Bucket")
	faults := w.stack.AWS().S3Faults()
	err := faults.Set(
		awsapi.Fault{Kind: awsapi.SlowDown, Bucket: bucket, KeyPrefix: "backups/" + forAWhile + "/", Requests: 4},
		awsapi.Fault{Kind: awsapi.SlowDown, Bucket: bucket, Method: "PUT", KeyPrefix: "backups/" + forGood + "/"},
		awsapi.Fault{Kind: awsapi.SlowDown, Bucket: bucket, Method: "PUT", KeyPrefix: "records/backups/" + records + "/", Skip: 1, Requests: 2},
		// Carried out, but nobody is told: the record's creation, its begin and its end, the marker, and a beat of the lock.
		awsapi.Fault{Kind: awsapi.DropAnswer, Bucket: bucket, Method: "PUT", KeyPrefix: "records/backups/" + lost + "/", Requests: 3},
		awsapi.Fault{Kind: awsapi.DropAnswer, Bucket: bucket, Method: "PUT", KeyPrefix: "open/" + lost + "/", Requests: 1},
		awsapi.Fault{Kind: awsapi.DropAnswer, Bucket: bucket, Method: "PUT", KeyPrefix: "locks/" + lost + ".json", Skip: 1, Requests: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = faults.Set() })

	t.Run("for a while", func(t *testing.T) {
		t.Run("over the file", func(t *testing.T) {
			t.Parallel()
			b := w.backup(t, forAWhile).wantState(t, "created")
			if n := w.uploads(t, "backups/"+forAWhile+"/"); n != 0 {
				t.Errorf("%d unfinished uploads are left", n)
			}
			w.restore(t, forAWhile, map[string]any{"source": map[string]string{"backup": b.ID}}).wantState(t, "rehearsed")
		})
		t.Run("over a record", func(t *testing.T) {
			t.Parallel()
			w.backup(t, records).wantState(t, "created")
		})
		t.Run("never, as the answers are lost", func(t *testing.T) {
			t.Parallel()
			w.wantOnce(t, lost, w.backup(t, lost).wantState(t, "created"))
		})
		t.Run("for good over the file", func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			b := w.backup(t, forGood).wantFailed(t, "storage_failed")
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %s to give up", took)
			}
			w.checkUnusable(t, forGood, b.ID)
		})
	})
	for i, fault := range faults.List() {
		if fault.Matched == 0 {
			t.Errorf("fault %d never happened, so this proves nothing", i)
		}
	}
	// What was taken back is forgotten: the next backup goes through.
	if err := faults.Set(); err != nil {
		t.Fatal(err)
	}
	w.backup(t, forGood).wantState(t, "created")
}
