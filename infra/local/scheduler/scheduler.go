// Package scheduler is EventBridge Scheduler on one machine: it invokes functions by the clock, from cron, rate and at
// expressions with time zones.
package scheduler

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/template"
)

// Clock is the time that schedules run by.
type Clock interface {
	Now() time.Time
	// Wait returns at the time given, or before: the caller looks at Now again. It returns early when ctx ends.
	Wait(ctx context.Context, until time.Time)
}

// Functions takes events; lambdahost.Host does.
type Functions interface {
	InvokeAsync(name string, payload []byte) error
}

// Options configure a Scheduler.
type Options struct {
	Schedules []template.Schedule
	Names     map[string]string // logical ids of functions → their names
	Functions Functions
	Clock     Clock // the system's by default
	Region    string
	AccountID string
	Log       func(format string, args ...any)
}

// Scheduler runs schedules.
type Scheduler struct {
	options Options
	entries []*entry
}

type entry struct {
	template.Schedule
	expression Expression
	function   string
	begin      time.Time
	next       time.Time // zero: never again
}

// New reads the schedules. Those that are disabled are checked too.
func New(o Options) (*Scheduler, error) {
	if o.Clock == nil {
		o.Clock = SystemClock{}
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	s := &Scheduler{options: o}
	now := o.Clock.Now()
	for _, t := range o.Schedules {
		e := &entry{Schedule: t}
		var err error
		if e.expression, err = ParseExpression(t.Expression, t.TimeZone); err != nil {
			return nil, fmt.Errorf("%s: %w", t.ID, err)
		}
		var ok bool
		if e.function, ok = o.Names[t.Function]; !ok {
			return nil, fmt.Errorf("%s: there is no function %s", t.ID, t.Function)
		}
		if !t.Enabled {
			continue
		}
		e.begin = now
		if t.Start.After(now) {
			e.begin = t.Start
		}
		// A rate fires as soon as it begins.
		e.advance(e.begin.Add(-time.Nanosecond))
		s.entries = append(s.entries, e)
	}
	return s, nil
}

func (e *entry) advance(after time.Time) {
	next, ok := e.expression.Next(after, e.begin)
	if !ok || (!e.End.IsZero() && next.After(e.End)) {
		next = time.Time{}
	}
	e.next = next
}

// Run invokes functions until ctx ends. Times that passed while the machine slept are made up for once.
func (s *Scheduler) Run(ctx context.Context) {
	for ctx.Err() == nil {
		now := s.options.Clock.Now()
		var soonest time.Time
		for _, e := range s.entries {
			if !e.next.IsZero() && !e.next.After(now) {
				s.fire(e)
				e.advance(now)
			}
			if !e.next.IsZero() && (soonest.IsZero() || e.next.Before(soonest)) {
				soonest = e.next
			}
		}
		if soonest.IsZero() {
			<-ctx.Done()
			return
		}
		s.options.Clock.Wait(ctx, soonest)
	}
}

// fire hands one event over. The scheduled time is the one that was due, not the moment of firing.
func (s *Scheduler) fire(e *entry) {
	payload, err := s.input(e)
	if err == nil {
		err = s.options.Functions.InvokeAsync(e.function, payload)
	}
	if err != nil {
		s.options.Log("schedule %s: %v", e.ID, err)
		return
	}
	if e.expression.rate == 0 || e.expression.rate >= time.Hour { // what runs every few minutes would fill the log
		s.options.Log("schedule %s of %s invoked %s", e.ID, e.next.UTC().Format(time.RFC3339), e.Function)
	}
}

// input is the schedule's Input with the context attributes filled in
// (https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html), or the scheduler's
// own event where there is none.
func (s *Scheduler) input(e *entry) ([]byte, error) {
	arn := fmt.Sprintf("arn:aws:scheduler:%s:%s:schedule/default/%s", s.options.Region, s.options.AccountID, e.Name)
	at := e.next.UTC().Format("2006-01-02T15:04:05Z")
	if e.Input != "" {
		return []byte(strings.NewReplacer("<aws.scheduler.schedule-arn>", arn, "<aws.scheduler.scheduled-time>", at,
			"<aws.scheduler.execution-id>", rand.Text(), "<aws.scheduler.attempt-number>", "1").Replace(e.Input)), nil
	}
	return json.Marshal(map[string]any{"version": "0", "id": rand.Text(), "detail-type": "Scheduled Event", "source": "aws.scheduler",
		"account": s.options.AccountID, "time": at, "region": s.options.Region, "resources": []string{arn}, "detail": "{}"})
}
