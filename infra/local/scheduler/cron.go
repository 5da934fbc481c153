package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cron is a cron expression of six fields: minutes hours day-of-month month day-of-week year
// (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#cron-based).
type cron struct {
	minutes, hours, months, years set
	days                          []dayRule // of a month; a day that fits any of them is taken
}

// set is a set of small numbers; years run to 2199.
type set map[int]bool

// dayRule tells whether a day fits.
type dayRule func(d time.Time) bool

var (
	monthNames = []string{"", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	dayNames   = []string{"", "SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}
)

// The years that AWS takes.
const firstYear, lastYear = 1970, 2199

func parseCron(text string) (*cron, error) {
	f := strings.Fields(strings.ToUpper(text))
	if len(f) != 6 {
		return nil, fmt.Errorf("cron has %d fields, and six are needed: minutes hours day-of-month month day-of-week year", len(f))
	}
	var c cron
	var err error
	for _, p := range []struct {
		what, text string
		low, high  int
		names      []string
		to         *set
	}{
		{"minutes", f[0], 0, 59, nil, &c.minutes}, {"hours", f[1], 0, 23, nil, &c.hours},
		{"month", f[3], 1, 12, monthNames, &c.months}, {"year", f[5], firstYear, lastYear, nil, &c.years},
	} {
		if *p.to, err = parseSet(p.text, p.low, p.high, p.names); err != nil {
			return nil, fmt.Errorf("%s %s: %w", p.what, p.text, err)
		}
	}
	if (f[2] == "?") == (f[4] == "?") {
		return nil, errors.New("exactly one of day-of-month and day-of-week must be ?")
	}
	if f[4] == "?" {
		c.days, err = parseDays(f[2], monthDay)
	} else {
		c.days, err = parseDays(f[4], weekDay)
	}
	return &c, err
}

func parseDays(text string, parse func(string) (dayRule, error)) ([]dayRule, error) {
	parts := strings.Split(text, ",")
	if len(parts) > 1 && strings.Contains(text, "#") {
		return nil, fmt.Errorf("%s: # allows no list", text)
	}
	var out []dayRule
	for _, p := range parts {
		rule, err := parse(p)
		if err != nil {
			return nil, fmt.Errorf("day %s: %w", p, err)
		}
		out = append(out, rule)
	}
	return out, nil
}

// monthDay reads a day of the month: numbers, L (the last), L-n, nW (the weekday nearest to the n-th), LW.
func monthDay(text string) (dayRule, error) {
	switch {
	case text == "L":
		return func(d time.Time) bool { return d.Day() == lastDay(d) }, nil
	case text == "LW":
		return func(d time.Time) bool { return d.Day() == nearestWeekday(d, lastDay(d)) }, nil
	case strings.HasPrefix(text, "L-"):
		n, err := parseNumber(text[2:], 1, 30, nil)
		return func(d time.Time) bool { return d.Day() == lastDay(d)-n }, err
	case strings.HasSuffix(text, "W"):
		n, err := parseNumber(text[:len(text)-1], 1, 31, nil)
		return func(d time.Time) bool { return n <= lastDay(d) && d.Day() == nearestWeekday(d, n) }, err
	}
	s, err := parseSet(text, 1, 31, nil)
	return func(d time.Time) bool { return s[d.Day()] }, err
}

// weekDay reads a day of the week, 1 or SUN to 7 or SAT: L (the last day of the week, Saturday), nL (the last of its kind in
// the month), n#k (the k-th of its kind in the month).
func weekDay(text string) (dayRule, error) {
	if text == "L" {
		return func(d time.Time) bool { return d.Weekday() == time.Saturday }, nil
	}
	if day, ok := strings.CutSuffix(text, "L"); ok {
		n, err := parseNumber(day, 1, 7, dayNames)
		return func(d time.Time) bool { return int(d.Weekday())+1 == n && d.Day()+7 > lastDay(d) }, err
	}
	if day, nth, ok := strings.Cut(text, "#"); ok {
		n, err := parseNumber(day, 1, 7, dayNames)
		if err != nil {
			return nil, err
		}
		k, err := parseNumber(nth, 1, 5, nil)
		return func(d time.Time) bool { return int(d.Weekday())+1 == n && (d.Day()-1)/7+1 == k }, err
	}
	s, err := parseSet(text, 1, 7, dayNames)
	return func(d time.Time) bool { return s[int(d.Weekday())+1] }, err
}

func lastDay(d time.Time) int {
	return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// nearestWeekday is the weekday nearest to a day, within its month.
func nearestWeekday(d time.Time, day int) int {
	switch at := time.Date(d.Year(), d.Month(), day, 0, 0, 0, 0, time.UTC); at.Weekday() {
	case time.Saturday:
		if day == 1 {
			return 3
		}
		return day - 1
	case time.Sunday:
		if day == lastDay(d) {
			return day - 2
		}
		return day + 1
	}
	return day
}

// parseSet reads *, numbers or names, ranges, steps (1/10: from 1 by tens), and lists of these.
func parseSet(text string, low, high int, names []string) (set, error) {
	out := set{}
	for _, part := range strings.Split(text, ",") {
		span, by, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := parseNumber(by, 1, max(high, 1), nil)
			if err != nil {
				return nil, fmt.Errorf("step %s: %w", by, err)
			}
			step = n
		}
		from, to := low, high
		if span != "*" {
			a, b, ranged := strings.Cut(span, "-")
			n, err := parseNumber(a, low, high, names)
			if err != nil {
				return nil, err
			}
			from, to = n, n
			if stepped {
				to = high
			}
			if ranged {
				if to, err = parseNumber(b, low, high, names); err != nil {
					return nil, err
				}
			}
		}
		if from > to { // FRI-MON goes over the end
			for n := from; n <= high; n += step {
				out[n] = true
			}
			from = low
		}
		for n := from; n <= to; n += step {
			out[n] = true
		}
	}
	return out, nil
}

func parseNumber(text string, low, high int, names []string) (int, error) {
	if i := slices.Index(names, text); i > 0 {
		return i, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", text)
	}
	if n < low || n > high {
		return 0, fmt.Errorf("%d is not within %d to %d", n, low, high)
	}
	return n, nil
}

// next gives the first time after t, in zone. A time that the spring's change leaves out is skipped, and one that the
// autumn's change brings twice is taken once, the first time, as EventBridge Scheduler does
// (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#daylist-savings-time).
func (c *cron) next(t time.Time, zone *time.Location) (time.Time, bool) {
	local := t.In(zone)
	day := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	for ; day.Year() <= lastYear; day = day.AddDate(0, 0, 1) {
		if !c.years[day.Year()] {
			day = time.Date(day.Year(), 12, 31, 0, 0, 0, 0, time.UTC)
			continue
		}
		if !c.months[int(day.Month())] {
			day = time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC)
			continue
		}
		if !slices.ContainsFunc(c.days, func(fits dayRule) bool { return fits(day) }) {
			continue
		}
		if at, ok := c.within(day, t, zone); ok {
			return at, true
		}
	}
	return time.Time{}, false
}

// within looks for the first time after t on one day.
func (c *cron) within(day, t time.Time, zone *time.Location) (time.Time, bool) {
	var best time.Time
	for h := range 24 {
		for m := range 60 {
			if !c.hours[h] || !c.minutes[m] {
				continue
			}
			at := time.Date(day.Year(), day.Month(), day.Day(), h, m, 0, 0, zone)
			if at.Hour() != h || at.Minute() != m {
				continue // left out by the change of clocks
			}
			// Go gives one of two equal wall times and does not promise which: make it the first.
			if earlier := at.Add(-time.Hour); earlier.Hour() == h && earlier.Minute() == m {
				at = earlier
			}
			if at.After(t) && (best.IsZero() || at.Before(best)) {
				best = at
			}
		}
	}
	return best, !best.IsZero()
}
