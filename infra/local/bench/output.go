package main

import (
	_ "embed"
	"fmt"
	"strings"
	"text/tabwriter"
)

// none is what a column has where there is nothing to say.
const none = "–"

// cells are the columns of a row of the table.
func (s summary) cells() []string {
	dash := func(ok bool, format string, args ...any) string {
		if !ok {
			return none
		}
		return fmt.Sprintf(format, args...)
	}
	return []string{
		fmt.Sprintf("%.2f", s.wall.Seconds()), fmt.Sprintf("%.2f–%.2f", s.least.Seconds(), s.most.Seconds()), dash(s.ratio > 0, "%.2f×", s.ratio),
		fmt.Sprintf("%.1f", s.cpuPerGB), dash(s.rss > 0, "%.0f", float64(s.rss)/(1<<20)), dash(s.bytes > 0, "%.1f", float64(s.bytes)/1e6), dash(s.comparable, "%+.1f %%", 100*s.larger),
		dash(s.analyzed > 0, "%.2f", s.analyzed.Seconds()), dash(s.analyzedRatio > 0, "%.2f×", s.analyzedRatio),
	}
}

var columns = []string{"wall s", "min–max", "ratio", "CPU s/GB", "RSS MiB", "MB written", "size", "analyzed s", "ratio"}

// terminal is the report for the one who waited for it.
func (r *report) terminal() string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	line := func(first string, cells ...string) {
		_, _ = fmt.Fprintf(t, "%-28s\t%s\t\n", first, strings.Join(cells, "\t"))
	}
	all := r.summaries()
	line("", columns...)
	for _, s := range all {
		line(s.name, s.cells()...)
	}
	_ = t.Flush()
	b.WriteString("\nratio: how many times as fast as pg_dump | gzip -6, restores as gunzip -c | psql. CPU: of the client. size: beside gzip -6's.\n" +
		"analyzed: until the statistics are collected too, by ANALYZE or vacuumdb where the restore leaves them out.\n" +
		workerNote(all) + "\n\n")
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, x := range bars {
		limit, value, met := x.verdict(all)
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", plainText(x.what), limit, value, plainText(met))
	}
	_ = t.Flush()
	if r.inspection != "" {
		b.WriteString("\nInspection of uploads, on one processor:\n" + r.inspection)
	}
	return b.String()
}

func plainText(markdown string) string {
	return strings.NewReplacer("`", "", "*", "", `\|`, "|").Replace(markdown)
}

//go:embed benchmarks.md
var page string

// markdown is the report as a page.
func (r *report) markdown() string {
	all := r.summaries()
	return strings.NewReplacer("{{machine}}", r.machineTable(), "{{dumps}}", rowsTable(all, gzipDump), "{{restores}}", rowsTable(all, psqlRestore),
		"{{worker}}", workerNote(all), "{{missing}}", r.missingNote(), "{{bars}}", barsTable(all), "{{mix}}", r.mixTable(),
		"{{inspection}}", orNone(strings.TrimRight(r.inspection, "\n")), "{{size}}", r.size.text, "{{runs}}", fmt.Sprint(r.runs)).Replace(page)
}

func orNone(text string) string {
	if text == "" {
		return "not measured"
	}
	return text
}

func (r *report) machineTable() string {
	var b strings.Builder
	b.WriteString("| | |\n|---|---|\n")
	for _, f := range r.machine {
		_, _ = fmt.Fprintf(&b, "| %s | %s |\n", f.name, strings.ReplaceAll(f.value, "|", `\|`))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// rowsTable has the rows with one baseline, without the columns that none of them has.
func rowsTable(all []summary, baseline string) string {
	rows := [][]string{append([]string{""}, columns...)}
	used := make([]bool, len(rows[0]))
	for _, s := range all {
		if s.baseline != baseline {
			continue
		}
		row := append([]string{strings.ReplaceAll(s.name, "|", `\|`)}, s.cells()...)
		for i, cell := range row {
			used[i] = used[i] || cell != none
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	for n, row := range rows {
		rule := "|---|"
		for i, cell := range row {
			if used[i] {
				b.WriteString("| " + cell + " ")
			}
			if used[i] && i > 0 {
				rule += "--:|"
			}
		}
		b.WriteString("|\n")
		if n == 0 {
			b.WriteString(rule + "\n")
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// workerNote says how long an operator waits for a backup.
func workerNote(all []summary) string {
	s, ok := find(all, workerDump)
	if !ok {
		return "The worker was not measured."
	}
	return fmt.Sprintf("The worker's time is that of its record, from started to ended. From the call of the API to created it took %.2f s.", s.asked.Seconds())
}

func (r *report) missingNote() string {
	if len(r.missing) == 0 {
		return ""
	}
	return "Left out, as this machine has not the program: " + strings.Join(r.missing, ", ") + "."
}

func barsTable(all []summary) string {
	var b strings.Builder
	b.WriteString("| what | bar | measured | |\n|---|---|--:|---|\n")
	for _, x := range bars {
		limit, value, met := x.verdict(all)
		_, _ = fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", x.what, limit, value, met)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func (r *report) mixTable() string {
	var b strings.Builder
	b.WriteString("| tables | rows | MB of text | share | what |\n|---|--:|--:|--:|---|\n")
	for _, p := range r.mix.Parts {
		name := p.Name
		if p.Tables > 1 {
			name = fmt.Sprintf("%s (%d tables)", strings.TrimSuffix(name, "_"), p.Tables)
		}
		_, _ = fmt.Fprintf(&b, "| %s | %d | %.1f | %.1f %% | %s |\n", name, p.Rows, float64(p.Bytes)/1e6, 100*float64(p.Bytes)/float64(r.mix.Bytes), p.What)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// benchLines are those lines of a Go benchmark's output that have figures.
func benchLines(output string) string {
	var b strings.Builder
	for line := range strings.Lines(output) {
		if strings.HasPrefix(line, "Benchmark") {
			b.WriteString(line)
		}
	}
	return b.String()
}
