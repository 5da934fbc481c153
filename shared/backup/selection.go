package backup

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Selection says of which tables the rows are wanted. The schema is always whole, so that the file can be restored as it is. The zero value
// wants all.
type Selection struct {
	// Include are the tables whose rows are wanted, all where it is empty, and Exclude those whose rows are left out. A pattern is
	// schema.table, in which * stands for any letters, as in school.* or audit.log_*. Upper and lower case differ.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// The bounds of a selection.
const (
	MaxPatterns      = 100 // in each of the two lists
	MaxPatternLength = 200 // characters
)

// All reports whether the rows of all tables are wanted.
func (s Selection) All() bool { return len(s.Include) == 0 && len(s.Exclude) == 0 }

// Check is nil where the selection makes sense, else an *Error that names the pattern.
func (s Selection) Check() error {
	for _, list := range [][]string{s.Include, s.Exclude} {
		if len(list) > MaxPatterns {
			return badSelection(fmt.Sprintf("The selection of tables has %d patterns in a list, and at most %d are taken.", len(list), MaxPatterns))
		}
		for _, p := range list {
			if err := checkPattern(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkPattern(p string) error {
	switch n := utf8.RuneCountInString(p); {
	case n > MaxPatternLength:
		return badSelection(fmt.Sprintf("A pattern has %d characters, and at most %d are taken: %s", n, MaxPatternLength, Shorten(p, 60)))
	case !utf8.ValidString(p), strings.ContainsFunc(p, unicode.IsControl):
		return badSelection(fmt.Sprintf("The pattern %q has a character that can't be typed.", p))
	}
	if !strings.Contains(p, ".") || strings.Trim(p, ".") == "" || p[0] == '.' || p[len(p)-1] == '.' {
		return badSelection(fmt.Sprintf("The pattern %q is not a schema and a table with a dot between.", p))
	}
	return nil
}

func badSelection(text string) error {
	return &Error{Code: "selection_invalid", Text: text, Hint: "Write patterns such as public.pupil, school.* or audit.log_*."}
}

// Wants reports whether the rows of a table are wanted that is known by these names, each schema.table: its own, and those of the
// partitioned tables that it is a part of.
func (s Selection) Wants(names ...string) bool {
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			return slices.ContainsFunc(names, func(name string) bool { return glob(p, name) })
		})
	}
	return (len(s.Include) == 0 || matches(s.Include)) && !matches(s.Exclude)
}

// glob reports whether name is as pattern says, in which * stands for any letters, none as well. It takes the shortest way for each *
// and goes back to the last one only, so that no pattern takes long.
func glob(pattern, name string) bool {
	p, n, star, from := 0, 0, -1, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && pattern[p] == name[n]:
			p++
			n++
		case star >= 0:
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// String tells the selection to people: of each list the first patterns.
func (s Selection) String() string {
	var parts []string
	if len(s.Include) > 0 {
		parts = append(parts, "only the rows of "+first(s.Include))
	}
	if len(s.Exclude) > 0 {
		parts = append(parts, "without the rows of "+first(s.Exclude))
	}
	if len(parts) == 0 {
		return "the rows of all tables"
	}
	return strings.Join(parts, ", ")
}

func first(patterns []string) string {
	const most = 5
	if n := len(patterns); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(patterns[:most], ", "), n-most)
	}
	return strings.Join(patterns, ", ")
}
