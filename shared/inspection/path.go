package inspection

import (
	"strings"

	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// settings follows search_path, by which names without a schema are found.
func (c *rowCounter) settings(h head) {
	i := h.past(1, "session", "local")
	switch {
	case h.is(0, "discard"), h.is(0, "reset") && (h.is(1, "all") || h.name(1) == "search_path"):
		c.setPath(nil)
	case h.is(0, "set") && h.is(i, "schema"):
		if i+1 < len(h) {
			c.setPath([]string{text(h[i+1])})
		}
	case h.is(0, "set") && strings.EqualFold(h.name(i), "search_path"):
		var path []string
		for _, t := range h[min(i+2, len(h)):] {
			switch {
			case t.IsPunct(','):
			case t.Is("default"):
				path = nil
			default:
				path = append(path, text(t))
			}
		}
		c.setPath(path)
	}
}

// setConfig follows SELECT set_config('search_path', '…', false).
func (c *rowCounter) setConfig(item sqltext.Item) {
	h := newHead(item)
	for i := range h {
		if h.name(i) == "set_config" && i+4 < len(h) && h[i+1].IsPunct('(') && strings.EqualFold(text(h[i+2]), "search_path") {
			var path []string
			for s := range strings.SplitSeq(text(h[i+4]), ",") {
				s = strings.TrimSpace(s)
				if quoted := strings.Trim(s, `"`); quoted != s {
					path = append(path, strings.ReplaceAll(quoted, `""`, `"`))
				} else {
					path = append(path, strings.ToLower(s))
				}
			}
			c.setPath(path)
		}
	}
}

// setPath sets the path; one without a schema of the script's own means public.
func (c *rowCounter) setPath(path []string) {
	c.path = c.path[:0]
	for _, s := range path {
		switch s {
		case "", "$user", "pg_catalog", "pg_temp":
		default:
			c.path = append(c.path, sqltext.Truncate(s))
		}
	}
	if len(c.path) == 0 {
		c.path = append(c.path, "public")
	}
}

// text is what a name or a string says, "" where it can't be told.
func text(t sqltext.Token) string {
	if s, ok := t.Literal(); ok {
		return s
	}
	return t.Name()
}
