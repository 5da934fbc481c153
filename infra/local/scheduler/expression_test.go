package scheduler_test

import (
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/scheduler"
)

func TestNext_Cron(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ expression, zone, after, want string }{
		{"cron(0 2 * * ? *)", "UTC", "2026-11-23T02:00:00Z", "2026-11-24T02:00:00Z 2026-11-25T02:00:00Z"},
		{"cron(0 2 * * ? *)", "UTC", "2026-11-23T01:59:59Z", "2026-11-23T02:00:00Z"},
		{"cron(0 2 * * ? *)", "Europe/Berlin", "2026-11-23T00:00:00Z", "2026-11-23T01:00:00Z"},
		{"cron(0 2 * * ? *)", "Europe/Berlin", "2026-07-01T12:00:00Z", "2026-07-02T00:00:00Z"},
		{"cron(*/15 8-9 ? * MON-FRI *)", "UTC", "2026-11-20T09:40:00Z", "2026-11-20T09:45:00Z 2026-11-23T08:00:00Z 2026-11-23T08:15:00Z"},
		{"cron(1/20 0 * * ? *)", "UTC", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z 2026-01-01T00:21:00Z 2026-01-01T00:41:00Z 2026-01-02T00:01:00Z"},
		{"cron(0 0 L * ? *)", "UTC", "2027-12-31T00:00:00Z", "2028-01-31T00:00:00Z 2028-02-29T00:00:00Z 2028-03-31T00:00:00Z"},
		{"cron(0 0 L-2 * ? *)", "UTC", "2026-02-01T00:00:00Z", "2026-02-26T00:00:00Z 2026-03-29T00:00:00Z"},
		{"cron(0 0 LW * ? *)", "UTC", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z 2026-02-27T00:00:00Z 2026-03-31T00:00:00Z"},
		{"cron(0 0 15W * ? *)", "UTC", "2026-02-01T00:00:00Z", "2026-02-16T00:00:00Z 2026-03-16T00:00:00Z 2026-04-15T00:00:00Z"},
		{"cron(0 0 1W * ? *)", "UTC", "2026-07-31T00:00:00Z", "2026-08-03T00:00:00Z 2026-09-01T00:00:00Z"}, // 1 August is a Saturday: not back into July
		{"cron(0 0 31W * ? *)", "UTC", "2026-01-01T00:00:00Z", "2026-01-30T00:00:00Z 2026-03-31T00:00:00Z 2026-05-29T00:00:00Z"},
		{"cron(0 0 ? * 3#2 *)", "UTC", "2026-11-01T00:00:00Z", "2026-11-10T00:00:00Z 2026-12-08T00:00:00Z"},
		{"cron(0 0 ? * SUN#5 *)", "UTC", "2026-11-01T00:00:00Z", "2026-11-29T00:00:00Z 2027-01-31T00:00:00Z"},
		{"cron(0 0 ? * 6L *)", "UTC", "2026-11-01T00:00:00Z", "2026-11-27T00:00:00Z 2026-12-25T00:00:00Z"},
		{"cron(0 0 ? * FRIL *)", "UTC", "2026-11-01T00:00:00Z", "2026-11-27T00:00:00Z"},
		{"cron(0 0 ? * L *)", "UTC", "2026-11-23T00:00:00Z", "2026-11-28T00:00:00Z 2026-12-05T00:00:00Z"},
		{"cron(0 0 ? * FRI-MON *)", "UTC", "2026-11-26T12:00:00Z", "2026-11-27T00:00:00Z 2026-11-28T00:00:00Z 2026-11-29T00:00:00Z 2026-11-30T00:00:00Z 2026-12-04T00:00:00Z"},
		{"cron(0 0 1,15 JAN,jul ? 2027/2)", "UTC", "2026-11-23T00:00:00Z", "2027-01-01T00:00:00Z 2027-01-15T00:00:00Z 2027-07-01T00:00:00Z 2027-07-15T00:00:00Z 2029-01-01T00:00:00Z"},
		{"cron(0 0 29 2 ? *)", "UTC", "2026-11-23T00:00:00Z", "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
		{"cron(0 0 30 2 ? *)", "UTC", "2026-11-23T00:00:00Z", "never"},
		{"cron(0 0 1 1 ? 2025)", "UTC", "2026-11-23T00:00:00Z", "never"},
		// Spring: 2:30 of 29 March 2026 is not there in Berlin, so that day is left out.
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-28T01:30:00Z 2026-03-30T00:30:00Z"},
		// Autumn: 2:30 of 25 October 2026 comes twice in Berlin; the first counts.
		{"cron(30 2 * * ? *)", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
		{"cron(0 * * * ? *)", "America/New_York", "2026-11-01T04:30:00Z", "2026-11-01T05:00:00Z 2026-11-01T07:00:00Z"},
	} {
		check(t, c.expression, c.zone, c.after, c.want)
	}
}

func TestNext_RateAndAt(t *testing.T) {
	t.Parallel()
	check(t, "rate(5 minutes)", "UTC", "2026-11-23T00:00:01Z", "2026-11-23T00:05:00Z 2026-11-23T00:10:00Z")
	check(t, "rate(1 minute)", "UTC", "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z 2026-11-23T00:01:00Z")
	check(t, "rate(1 day)", "Europe/Berlin", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z")
	check(t, "at(2026-12-24T18:00:00)", "Europe/Berlin", "2026-11-23T00:00:00Z", "2026-12-24T17:00:00Z never")
}

// check asks for one time after the other; rates begin at 23 November 2026.
func check(t *testing.T, expression, zone, after, want string) {
	t.Helper()
	begin := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	e, err := scheduler.ParseExpression(expression, zone)
	if err != nil {
		t.Errorf("%s: %v", expression, err)
		return
	}
	at, err := time.Parse(time.RFC3339, after)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range strings.Fields(want) {
		next, ok := e.Next(at, begin)
		got := "never"
		if ok {
			got = next.UTC().Format(time.RFC3339)
		}
		if got != w {
			t.Errorf("%s in %s after %s is %s, want %s", expression, zone, at.Format(time.RFC3339), got, w)
			return
		}
		at = next
	}
}

func TestParseExpression_RefusesWhatAWSRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "cron", "cron(0 2 * * *)", "cron(0 2 * * * *)", "cron(0 2 ? * ? *)", "cron(60 2 * * ? *)", "cron(0 24 * * ? *)",
		"cron(0 0 32 * ? *)", "cron(0 0 0 * ? *)", "cron(0 0 * 13 ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * 0 *)", "cron(0 0 ? * MON#6 *)",
		"cron(0 0 ? * 3#1,6#3 *)", "cron(0 0 * * ? 1969)", "cron(a 0 * * ? *)", "cron(*/0 0 * * ? *)", "rate(5)", "rate(0 minutes)",
		"rate(5 seconds)", "rate(x minutes)", "at(2026-12-24)", "every(5 minutes)", "cron(0 2 * * ? *"} {
		if _, err := scheduler.ParseExpression(text, "UTC"); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	if _, err := scheduler.ParseExpression("rate(1 day)", "Mars/Base"); err == nil {
		t.Error("a time zone that is none was taken")
	}
}
