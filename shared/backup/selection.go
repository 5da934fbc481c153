package backup

import (
	"regexp"
	"slices"
	"strings"
)

// Selection says of which tables the rows are wanted. The schema is always whole, so that the file can be restored as it is. The zero value
// wants all.
type Selection struct {
	// Include are the tables whose rows are wanted, all where it is empty, and Exclude those whose rows are left out. A pattern is
	// schema.table, in which * stands for any letters, as in school.* or audit.log_*.
	Include []string `json:"include,omitempty"`
	Exclude []string `json:"exclude,omitempty"`
}

// All reports whether the rows of all tables are wanted.
func (s Selection) All() bool { return len(s.Include) == 0 && len(s.Exclude) == 0 }

// Wants reports whether the rows of a table are wanted that is known by these names, each schema.table: its own, and those of the
// partitioned tables that it is a part of.
func (s Selection) Wants(names ...string) bool {
	matches := func(patterns []string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			return slices.ContainsFunc(names, compile(pattern).MatchString)
		})
	}
	return (len(s.Include) == 0 || matches(s.Include)) && !matches(s.Exclude)
}

// compile makes a regular expression of a pattern.
func compile(pattern string) *regexp.Regexp {
	parts := strings.Split(pattern, "*")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".*") + "$")
}
