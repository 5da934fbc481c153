package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/bench/school"
	"github.com/backup-restore/backup-restore/infra/local/stack"
)

// localStack is the whole product on this machine, with the bench database registered.
type localStack struct{ *stack.Stack }

// startStack starts it, once.
func (b *bench) startStack(ctx context.Context) error {
	if b.stack != nil {
		return nil
	}
	b.say("Building and starting the functions …")
	s, err := stack.Start(ctx, stack.Options{Root: b.root, Dir: filepath.Join(b.folder, "stack"),
		Databases:   []stack.Database{{Name: school.Name, Secret: b.db.Secret()}},
		Environment: map[string]map[string]string{"WorkerFunction": {"POSTGRES_BIN_DIRS": b.cluster.BinDir()}}})
	if err != nil {
		return err
	}
	b.stack = &localStack{s}
	return nil
}

// job is a backup as the API shows it.
type job struct {
	ID, State                       string
	RequestedAt, StartedAt, EndedAt time.Time
	Size                            int64
	Failure                         *struct{ Code, Reason, Log string }
}

// throughWorker creates a backup by the API, waits until it is created, and deletes it. What is measured is the worker's process; S3
// is a part of this one.
func throughWorker(ctx context.Context, b *bench) (measure, error) {
	if err := b.startStack(ctx); err != nil {
		return measure{}, err
	}
	path := "/api/databases/" + school.Name + "/backups"
	before := map[int]time.Duration{}
	for _, w := range b.stack.Workers() {
		forgetPeak(w.PID)
		before[w.PID] = cpuOf(w.PID)
	}
	var j job
	if err := b.stack.call(ctx, http.MethodPost, path, http.StatusAccepted, &j); err != nil {
		return measure{}, err
	}
	for j.State == "queued" || j.State == "running" {
		select {
		case <-ctx.Done():
			return measure{}, ctx.Err()
		case <-time.After(250 * time.Millisecond): // the times are the record's own, and to ask costs the machine something
		}
		if err := b.stack.call(ctx, http.MethodGet, path+"/"+j.ID, http.StatusOK, &j); err != nil {
			return measure{}, err
		}
	}
	if j.State != "created" {
		return measure{}, fmt.Errorf("backup %s is %s: %+v", j.ID, j.State, j.Failure)
	}
	m := measure{wall: j.EndedAt.Sub(j.StartedAt), asked: j.EndedAt.Sub(j.RequestedAt), bytes: j.Size}
	for _, w := range b.stack.Workers() {
		m.cpu += cpuOf(w.PID) - before[w.PID]
		m.rss = max(m.rss, peakMemory(w.PID))
	}
	return m, b.stack.call(ctx, http.MethodDelete, path+"/"+j.ID, http.StatusNoContent, nil)
}

// call calls the API as a super admin.
func (s *localStack) call(ctx context.Context, method, path string, status int, into any) error {
	token, err := s.Token("bench", "super-admin", time.Hour)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL()+path, bytes.NewReader(nil))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode == http.StatusTooManyRequests && method == http.MethodGet {
		return nil // throttled: the caller asks again
	}
	if res.StatusCode != status {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
