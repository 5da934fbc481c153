package main

import "fmt"

// bar is something that we hold ourselves to.
type bar struct {
	what     string
	limit    float64
	atMost   bool   // the value may be at most the limit; else at least
	format   string // of limit and value
	measured func(all []summary) (float64, bool)
}

// ratio is how many times as fast one row is as another.
func ratio(fast, slow string) func([]summary) (float64, bool) {
	return func(all []summary) (float64, bool) {
		a, here := find(all, fast)
		b, there := find(all, slow)
		if !here || !there {
			return 0, false
		}
		return b.wall.Seconds() / a.wall.Seconds(), true
	}
}

// of is a value of one row.
func of(key string, value func(summary) (float64, bool)) func([]summary) (float64, bool) {
	return func(all []summary) (float64, bool) {
		s, ok := find(all, key)
		if !ok {
			return 0, false
		}
		return value(s)
	}
}

func larger(s summary) (float64, bool) { return 100 * s.larger, s.comparable }
func cpu(s summary) (float64, bool)    { return s.cpuPerGB, true }
func rss(s summary) (float64, bool)    { return float64(s.rss) / (1 << 20), s.rss > 0 }

const times, percent, seconds, mebibytes = "%.2f×", "%+.1f %%", "%.1f s", "%.0f MiB"

// bars are the promises, on a machine of two cores that server and clients share.
var bars = []bar{
	{"dump to a file, fast, beside `pg_dump \\| gzip -6`", 5.5, false, times, ratio(fastDump, gzipDump)},
	{"its size beside that of gzip -6", 4, true, percent, of(fastDump, larger)},
	{"dump to a file, small, beside `pg_dump \\| gzip -6`", 4.5, false, times, ratio(smallDump, gzipDump)},
	{"its size beside that of gzip -6", 1, true, percent, of(smallDump, larger)},
	{"dump to a file, fast, beside `pg_dump \\| pigz`", 3, false, times, ratio(fastDump, pigzDump)},
	{"dump to a file, fast, beside `pg_dump \\| zstd -3`", 1.4, false, times, ratio(fastDump, zstdDump)},
	{"dump to a file, fast, beside `pg_dump -Fd -j2`", 2.6, false, times, ratio(fastDump, directoryDump)},
	{"dump to a file, fast, beside bare `pg_dump > /dev/null`", 1, false, times, ratio(fastDump, nullDump)},
	{"through the worker into the local S3, beside `pg_dump \\| gzip -6` to a file", 4, false, times, ratio(workerDump, gzipDump)},
	{"client CPU for a GB of SQL text, fast", 9, true, seconds, of(fastDump, cpu)},
	{"peak memory of the worker", 128, true, mebibytes, of(workerDump, rss)},
	{"restore with row verification, beside `gunzip -c \\| psql`", 1.55, false, times, ratio(oursRestore, psqlRestore)},
	{"restore with row verification, beside `pg_restore -j2` of a directory", 0.95, false, times, ratio(oursRestore, directoryRestore)},
}

// verdict says what was measured, and whether that will do.
func (b bar) verdict(all []summary) (limit, value, met string) {
	limit = "at least "
	if b.atMost {
		limit = "at most "
	}
	limit += fmt.Sprintf(b.format, b.limit)
	v, ok := b.measured(all)
	switch {
	case !ok:
		return limit, none, "not measured"
	case b.atMost && v <= b.limit, !b.atMost && v >= b.limit:
		met = "met"
	default:
		met = "**not met**"
	}
	return limit, fmt.Sprintf(b.format, v), met
}
