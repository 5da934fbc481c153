package scheduler

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Expression is a schedule expression: cron(…), rate(…) or at(…).
type Expression struct {
	cron *cron
	rate time.Duration
	once time.Time
	zone *time.Location
}

// ParseExpression reads an expression whose times are of the given IANA zone ("" is UTC).
func ParseExpression(text, zone string) (Expression, error) {
	e := Expression{}
	var err error
	if e.zone, err = time.LoadLocation(zone); err != nil {
		return e, fmt.Errorf("schedule %s: %w", text, err)
	}
	kind, rest, ok := strings.Cut(text, "(")
	inside, closed := strings.CutSuffix(rest, ")")
	if !ok || !closed {
		return e, fmt.Errorf("schedule %q is neither cron(…) nor rate(…) nor at(…)", text)
	}
	switch kind {
	case "cron":
		e.cron, err = parseCron(inside)
	case "rate":
		e.rate, err = parseRate(inside)
	case "at":
		e.once, err = time.ParseInLocation("2006-01-02T15:04:05", inside, e.zone)
	default:
		err = errors.New("it is neither cron(…) nor rate(…) nor at(…)")
	}
	if err != nil {
		return e, fmt.Errorf("schedule %s: %w", text, err)
	}
	return e, nil
}

func parseRate(text string) (time.Duration, error) {
	f := strings.Fields(text)
	if len(f) != 2 {
		return 0, errors.New("rate takes a value and a unit, such as rate(5 minutes)")
	}
	n, err := strconv.Atoi(f[0])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is not a positive whole number", f[0])
	}
	unit, ok := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(f[1], "s")]
	if !ok {
		return 0, fmt.Errorf("%q is not minutes, hours or days", f[1])
	}
	return time.Duration(n) * unit, nil
}

// Next gives the first time after t. A rate counts from begin, where it also fires. False means never again.
func (e Expression) Next(t, begin time.Time) (time.Time, bool) {
	switch {
	case e.cron != nil:
		return e.cron.next(t, e.zone)
	case e.rate > 0:
		if t.Before(begin) {
			return begin, true
		}
		// A day of a rate is 24 hours, whatever the clocks do.
		return begin.Add((t.Sub(begin)/e.rate + 1) * e.rate), true
	}
	return e.once, e.once.After(t)
}
