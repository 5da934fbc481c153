package main

import (
	"cmp"
	"slices"
	"time"
)

// summary is what the runs of a row come to.
type summary struct {
	row
	wall, least, most time.Duration // median, and the two ends
	asked             time.Duration // median
	ratio             float64       // of the baseline's median wall to this one's: how many times as fast; 0 where the baseline was not run
	cpuPerGB          float64       // seconds for 1e9 bytes of SQL text, median
	rss               int64         // the largest of all runs
	bytes             int64         // median
	larger            float64       // by what part the file is larger than gzip -6's; 0 where not comparable
	comparable        bool
	// analyzed is how long a restore took with its statistics collected, median, and its ratio; 0 for what restores nothing.
	analyzed      time.Duration
	analyzedRatio float64
}

// summaries are the results in their order.
func (r *report) summaries() []summary {
	all := make([]summary, 0, len(r.results))
	for _, x := range r.results {
		s := summary{row: x.row, wall: median(x.runs, func(m measure) time.Duration { return m.wall }),
			asked: median(x.runs, func(m measure) time.Duration { return m.asked }), bytes: median(x.runs, func(m measure) int64 { return m.bytes }),
			cpuPerGB: median(x.runs, func(m measure) time.Duration { return m.cpu }).Seconds() / (float64(r.mix.Bytes) / 1e9)}
		if s.reads != "" {
			s.analyzed = median(x.runs, func(m measure) time.Duration { return m.wall + m.statistics })
		}
		s.least = x.runs[0].wall
		for _, m := range x.runs {
			s.least, s.most, s.rss = min(s.least, m.wall), max(s.most, m.wall), max(s.rss, m.rss)
		}
		all = append(all, s)
	}
	for i := range all {
		s := &all[i]
		if base, ok := find(all, s.baseline); ok {
			s.ratio = base.wall.Seconds() / s.wall.Seconds()
			if s.analyzed > 0 {
				s.analyzedRatio = base.analyzed.Seconds() / s.analyzed.Seconds()
			}
		}
		if gzip, ok := find(all, gzipDump); ok && s.bytes > 0 {
			s.larger, s.comparable = float64(s.bytes)/float64(gzip.bytes)-1, true
		}
	}
	return all
}

func find(all []summary, key string) (summary, bool) {
	i := slices.IndexFunc(all, func(s summary) bool { return s.key == key })
	if i < 0 {
		return summary{}, false
	}
	return all[i], true
}

// median is the middle value of the runs; of an even number, the lower of the two in the middle.
func median[T cmp.Ordered](runs []measure, of func(measure) T) T {
	values := make([]T, len(runs))
	for i, m := range runs {
		values[i] = of(m)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
