// Command bench measures backups and restores beside what people use today, on one database and one machine:
//
//	bench -size 1GB -runs 5 [-only REGEXP]
//
// It runs a PostgreSQL server of its own and keeps it with its database under .local/bench, so that a second run starts at once.
// The table goes to the terminal, and as Markdown to docs/benchmarks.md where it is a whole one: all rows, a gigabyte or more,
// three runs or more. "make bench" calls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// settings are what a benchmark is asked for.
type settings struct {
	size  size
	runs  int
	only  *regexp.Regexp // names of the rows that are wanted; nil for all
	root  string         // the repository
	dir   string         // where databases and files are kept
	out   string         // the Markdown file
	begun time.Time
	// server are settings of the server, none by default: those of "make run" then, which are initdb's.
	server map[string]string
}

// whole reports whether the result is fit to be published.
func (s settings) whole() bool { return s.only == nil && s.size.bytes >= 1e9 && s.runs >= fewest }

// fewest is how many rounds a published result has at least.
const fewest = 3

func (s settings) wants(name string) bool { return s.only == nil || s.only.MatchString(name) }

func run(ctx context.Context, args []string, out io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(allRows, func(r row) bool { return s.wants(r.name) || s.wants(r.key) }) {
		return inspectAlone(ctx, s, out)
	}
	b, err := open(ctx, s, out)
	if err != nil {
		return err
	}
	defer b.close()
	report, err := b.measure(ctx)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(out, "\n"+report.terminal()); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.out), 0o755); err != nil { // a document, not a secret
		return err
	}
	if err := os.WriteFile(s.out, []byte(report.markdown()), 0o644); err != nil { // as above
		return err
	}
	b.say("\nThe same as Markdown is in %s.", b.relative(s.out))
	return nil
}

// inspectAlone needs no database.
func inspectAlone(ctx context.Context, s settings, out io.Writer) error {
	if !s.wants(inspection) {
		return fmt.Errorf("ONLY=%s is the name of none of the rows", s.only)
	}
	lines, err := inspect(ctx, s.root)
	if err == nil {
		_, err = io.WriteString(out, lines)
	}
	return err
}

func parse(args []string) (settings, error) {
	s := settings{begun: time.Now()}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	size := f.String("size", "1GB", "the database's size as SQL text, such as 100MB or 5GB")
	f.IntVar(&s.runs, "runs", 5, "how often each row is run")
	only := f.String("only", "", "a regular expression: only the rows whose names it matches")
	f.StringVar(&s.root, "root", ".", "the repository")
	f.StringVar(&s.dir, "dir", ".local/bench", "where databases and files are kept, relative to the repository")
	f.StringVar(&s.out, "out", "", "the Markdown file; docs/benchmarks.md for a whole benchmark, one in -dir for another")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag", f.Arg(0))
	}
	if s.runs < 1 {
		return s, fmt.Errorf("%d runs are none", s.runs)
	}
	var err error
	if s.size, err = parseSize(*size); err != nil {
		return s, err
	}
	if *only != "" {
		if s.only, err = regexp.Compile(*only); err != nil {
			return s, fmt.Errorf("ONLY is no regular expression: %w", err)
		}
	}
	if s.root, err = filepath.Abs(s.root); err != nil {
		return s, err
	}
	if !filepath.IsAbs(s.dir) {
		s.dir = filepath.Join(s.root, s.dir)
	}
	switch {
	case s.out == "" && s.whole():
		s.out = filepath.Join(s.root, "docs", "benchmarks.md")
	case s.out == "":
		s.out = filepath.Join(s.dir, "benchmarks.md")
	case !filepath.IsAbs(s.out):
		s.out = filepath.Join(s.root, s.out)
	}
	return s, nil
}

// size is a number of bytes, and how it was written.
type size struct {
	text  string
	bytes int64
}

var sizeText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(MB|GB)$`)

func parseSize(text string) (size, error) {
	text = strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return size{}, fmt.Errorf("SIZE=%s is not a size such as 100MB or 1GB", text)
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return size{}, fmt.Errorf("SIZE=%s: %w", text, err)
	}
	unit := 1e6
	if m[2] == "GB" {
		unit = 1e9
	}
	if n *= unit; n < 1e6 || n > 1e12 {
		return size{}, fmt.Errorf("SIZE=%s is not between 1MB and 1000GB", text)
	}
	return size{text, int64(n)}, nil
}
