package e2e

import (
	"encoding/json"
	"path"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/sqs"
)

// A job's message comes twice at once, again later, and after its success: one job, one result.
func TestJob_RunsOnceHoweverOftenItsMessageComes(t *testing.T) {
	t.Parallel()
	w := use(t)
	db := w.newDatabase(t, "e2e_twice", large)
	queue := w.stack.QueueURL("Jobs")
	// The other tests' messages come twice as well: that must not matter to them either.
	twice := sqs.Faults{Duplicates: 40, DuplicateAfter: sqs.Duration(2 * time.Second)}
	if err := w.stack.AWS().SQS().SetFaults(path.Base(queue), twice); err != nil {
		t.Fatal(err)
	}
	client := awssqs.NewFromConfig(w.stack.AWSConfig())
	ring := func(times int) {
		body, err := json.Marshal(map[string]string{"database": db})
		if err != nil {
			t.Fatal(err)
		}
		text := string(body)
		for range times {
			if _, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &queue, MessageBody: &text}); err != nil {
				t.Fatal(err)
			}
		}
	}
	backups := "/api/databases/" + db + "/backups"
	b := into[job](w.do(t, request{method: "POST", path: backups, role: operator}).want(202))
	ring(4) // two workers and more at once
	b = w.await(t, backups+"/"+b.ID, nil).wantState(t, "created")
	ring(2) // after success
	next := w.backup(t, db).wantState(t, "created")
	w.wantOnce(t, db, b)
	w.wantOnce(t, db, next)
}

// wantOnce checks that a backup was made by one attempt, has one file, and is told of once.
func (w *world) wantOnce(t *testing.T, db string, b job) {
	t.Helper()
	if b.Attempt != 1 {
		t.Errorf("backup %s took %d attempts", b.ID, b.Attempt)
	}
	if n := w.versions(t, "backups/"+db+"/"+b.ID+"/"); n != 1 {
		t.Errorf("%d versions of the file of %s", n, b.ID)
	}
	listed := 0
	for _, other := range into[page](w.do(t, request{path: "/api/databases/" + db + "/backups", role: auditor}).want(200)).Items {
		if other.ID == b.ID {
			listed++
		}
	}
	if listed != 1 {
		t.Errorf("backup %s is listed %d times", b.ID, listed)
	}
	var told []string
	for _, e := range into[activity](w.do(t, request{path: "/api/activity?limit=100", role: auditor}).want(200)).Items {
		if e.Target == b.ID {
			told = append(told, e.Action+" "+e.Result)
		}
	}
	if want := []string{"backup.end created", "backup.create accepted"}; !cmp.Equal(told, want) {
		t.Errorf("activity of %s (-want +got):\n%s", b.ID, cmp.Diff(want, told))
	}
}
