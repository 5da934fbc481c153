package postgres

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// A record is one object in S3, which the API hands out in an answer of 6 MB at most, beside up to thousands of tables.
const (
	maxObjects     = 1000      // changes that a report lists
	maxDefinition  = 2000      // bytes of a definition
	maxDefinitions = 256 << 10 // bytes of all of them
)

// What matters most is listed first, and is what a list that is cut still has.
var kindOrder = []string{"schema", "extension", "table", "foreign table", "view", "materialized view", "column", "constraint", "index", "trigger", "policy", "rule",
	"sequence", "function", "procedure", "aggregate", "type", "domain", "publication", "subscription", "event trigger", "statistics"}

func orderOf(kind string) int {
	if i := slices.Index(kindOrder, kind); i >= 0 {
		return i
	}
	return len(kindOrder)
}

type objectKey struct{ kind, name string }

// diffObjects lists what the copy has more, less, or otherwise than live, and how many changes there are in all.
func diffObjects(live, after []object) (changes []backup.ObjectChange, count int64) {
	before, now := byKey(live), byKey(after)
	found := map[objectKey]backup.ObjectChange{}
	for key, o := range before {
		n, both := now[key]
		switch {
		case !both && has(now, o.parent):
			found[key] = backup.ObjectChange{Kind: o.kind, Name: o.name, Change: backup.Removed}
		case both && o.definition != n.definition && canonical(o.definition) != canonical(n.definition):
			found[key] = backup.ObjectChange{Kind: o.kind, Name: o.name, Change: backup.Altered, Live: o.definition, After: n.definition}
		}
	}
	for key, n := range now {
		if _, both := before[key]; !both && has(before, n.parent) {
			found[key] = backup.ObjectChange{Kind: n.kind, Name: n.name, Change: backup.Added}
		}
	}
	for key, c := range found {
		if !inherited(found, before[key], c) && !inherited(found, now[key], c) {
			changes = append(changes, c)
		}
	}
	slices.SortFunc(changes, func(a, b backup.ObjectChange) int {
		return cmp.Or(cmp.Compare(orderOf(a.Kind), orderOf(b.Kind)), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	count = int64(len(changes))
	return bounded(changes), count
}

func byKey(list []object) map[objectKey]object {
	m := make(map[objectKey]object, len(list))
	for _, o := range list {
		m[objectKey{o.kind, o.name}] = o
	}
	return m
}

// has tells whether a part's table or view is there. Its kind has no space but in "foreign table" and "materialized view".
func has(objects map[objectKey]object, parent string) bool {
	if parent == "" {
		return true
	}
	for _, kind := range []string{"foreign table", "materialized view"} {
		if name, ok := strings.CutPrefix(parent, kind+" "); ok {
			_, ok = objects[objectKey{kind, name}]
			return ok
		}
	}
	kind, name, _ := strings.Cut(parent, " ")
	_, ok := objects[objectKey{kind, name}]
	return ok
}

// inherited tells whether a change of a part only repeats that of the table which it inherits from.
func inherited(found map[objectKey]backup.ObjectChange, o object, c backup.ObjectChange) bool {
	if o.origin == "" {
		return false
	}
	above, ok := found[objectKey{o.kind, o.origin}]
	return ok && above.Change == c.Change && above.Live == c.Live && above.After == c.After
}

// bounded keeps a list to the size that a record can have. Definitions are shortened at last, as they are compared.
func bounded(changes []backup.ObjectChange) []backup.ObjectChange {
	changes = changes[:min(len(changes), maxObjects)]
	left := maxDefinitions
	for i := range changes {
		c := &changes[i]
		c.Name = clip(c.Name, 0)
		if c.Change != backup.Altered {
			continue
		}
		from := differFrom(c.Live, c.After)
		c.Live, c.After = clip(c.Live, from), clip(c.After, from)
		if left -= len(c.Live) + len(c.After); left < 0 {
			c.Live, c.After = "", ""
		}
	}
	return changes
}

// differFrom is where two texts begin to differ.
func differFrom(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

// clip shortens a long text such that what follows byte from is in it.
func clip(s string, from int) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "?"))
	if len(s) <= maxDefinition {
		return s
	}
	const lead = 200 // bytes before the difference, to recognise the place by
	start, prefix := 0, ""
	if from > maxDefinition/2 {
		for start = min(from-lead, len(s)-1); start > 0 && !utf8.RuneStart(s[start]); start-- {
		}
		prefix = "… "
	}
	s = s[start:]
	if len(s) <= maxDefinition {
		return prefix + s
	}
	end := maxDefinition
	for ; end > 0 && !utf8.RuneStart(s[end]); end-- {
	}
	return prefix + s[:end] + " …"
}
