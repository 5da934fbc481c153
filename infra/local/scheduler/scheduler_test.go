package scheduler_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/scheduler"
	"github.com/backup-restore/backup-restore/infra/local/template"
)

// events receives what schedules send.
type events chan string

func (e events) InvokeAsync(name string, payload []byte) error {
	e <- name + " " + string(payload)
	return nil
}

func run(t *testing.T, clock scheduler.Clock, schedules ...template.Schedule) events {
	t.Helper()
	out := make(events, 100)
	for i := range schedules {
		s := &schedules[i]
		s.Function = "F"
		if s.Name == "" {
			s.Name = "S"
		}
	}
	s, err := scheduler.New(scheduler.Options{Schedules: schedules, Names: map[string]string{"F": "fn"}, Functions: out, Clock: clock,
		Region: "eu-central-1", AccountID: "000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return out
}

func next(t *testing.T, e events) string {
	t.Helper()
	select {
	case v := <-e:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was invoked")
		return ""
	}
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestRun_FillsContextAttributesIn(t *testing.T) {
	t.Parallel()
	clock := scheduler.NewManualClock(noon)
	e := run(t, clock, template.Schedule{Enabled: true, Expression: "cron(0 13 * * ? *)", Input: `{"at":"<aws.scheduler.scheduled-time>","arn":"<aws.scheduler.schedule-arn>","try":"<aws.scheduler.attempt-number>"}`})
	clock.Set(noon.Add(59*time.Minute + 59*time.Second))
	clock.Set(noon.Add(time.Hour + 20*time.Second)) // a little late: the time that was due is told
	want := `fn {"at":"2026-11-23T13:00:00Z","arn":"arn:aws:scheduler:eu-central-1:000000000000:schedule/default/S","try":"1"}`
	if got := next(t, e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRun_WithoutInputSendsTheSchedulersOwnEvent(t *testing.T) {
	t.Parallel()
	e := run(t, scheduler.NewManualClock(noon), template.Schedule{Enabled: true, Expression: "rate(1 minute)"})
	var v map[string]any
	if err := json.Unmarshal([]byte(strings.TrimPrefix(next(t, e), "fn ")), &v); err != nil {
		t.Fatal(err)
	}
	if v["source"] != "aws.scheduler" || v["detail-type"] != "Scheduled Event" || v["time"] != "2026-11-23T12:00:00Z" {
		t.Errorf("%v", v)
	}
}

func TestRun_MissedTimesAreMadeUpForOnce(t *testing.T) {
	t.Parallel()
	clock := scheduler.NewManualClock(noon)
	e := run(t, clock, template.Schedule{Enabled: true, Expression: "rate(1 minute)", Input: "<aws.scheduler.scheduled-time>"})
	if got := next(t, e); got != "fn 2026-11-23T12:00:00Z" {
		t.Error(got)
	}
	clock.Set(noon.Add(10*time.Minute + time.Second)) // the machine slept
	if got := next(t, e); got != "fn 2026-11-23T12:01:00Z" {
		t.Error(got)
	}
	clock.Set(noon.Add(11 * time.Minute))
	if got := next(t, e); got != "fn 2026-11-23T12:11:00Z" {
		t.Error(got)
	}
}

func TestRun_DisabledEndedAndFutureSchedulesAreQuiet(t *testing.T) {
	t.Parallel()
	clock := scheduler.NewManualClock(noon)
	e := run(t, clock,
		template.Schedule{Expression: "rate(1 minute)", Input: "disabled"},
		template.Schedule{Enabled: true, Expression: "rate(1 minute)", Input: "ended", End: noon.Add(-time.Hour)},
		template.Schedule{Enabled: true, Expression: "rate(1 minute)", Input: "future", Start: noon.Add(time.Hour)},
		template.Schedule{Enabled: true, Expression: "at(2026-11-23T12:30:00)", Input: "once"})
	clock.Set(noon.Add(31 * time.Minute))
	if got := next(t, e); got != "fn once" {
		t.Error(got)
	}
	clock.Set(noon.Add(time.Hour))
	if got := next(t, e); got != "fn future" {
		t.Error(got)
	}
	select {
	case got := <-e:
		t.Error("also invoked:", got)
	default:
	}
}

func TestNew_NamesTheScheduleThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, s := range []template.Schedule{{ID: "X.Y", Function: "F", Expression: "cron(nonsense)"}, {ID: "X.Y", Function: "G", Expression: "rate(1 day)"}} {
		_, err := scheduler.New(scheduler.Options{Schedules: []template.Schedule{s}, Names: map[string]string{"F": "fn"}})
		if err == nil || !strings.HasPrefix(err.Error(), "X.Y: ") {
			t.Errorf("%v", err)
		}
	}
}
