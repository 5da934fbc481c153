package school

import (
	"bufio"
	"bytes"
	"io"
	"slices"
	"strings"
)

// Part is what a group of tables is of the text of a dump.
type Part struct {
	Name        string
	Tables      int
	Rows, Bytes int64 // of rows as text
	What        string
}

// Mix is the text of a dump by groups of tables, the largest first.
type Mix struct {
	Parts []Part
	Bytes int64 // of the whole text
	Rows  int64
}

// what describes the groups.
var what = map[string]string{
	"attendance": "narrow: ids, a code, minutes, a timestamp per lesson",
	"grade":      "narrow: ids, codes, numeric, dates",
	"message":    "text of 200 to 2,000 characters: words of a vocabulary of 4,000, the k-th about 1/k as often as the first; salutations",
	"report":     "the same, with sentences that teachers have ready",
	"event":      "jsonb",
	"document":   "bytea: compressed pictures, which nobody can compress again; as hex",
	"audit":      "partitioned by time: uuid, timestamps, inet, jsonb of what changed",
	"person":     "names, birth dates, e-mail, addresses",
	"enrolment":  "ids, dates",
	"lesson":     "ids, dates, two words",
	"class":      "names, codes",
	"invoice":    "numeric, references, dates",
	"list_":      "small tables of codes",
}

// ReadMix reads the plain text of a dump to its end and counts.
func ReadMix(text io.Reader) (Mix, error) {
	m, parts := Mix{}, map[string]*Part{}
	var current *Part
	for lines := bufio.NewReaderSize(text, 1<<20); ; {
		line, err := lines.ReadSlice('\n')
		m.Bytes += int64(len(line))
		switch {
		case err == bufio.ErrBufferFull: //nolint:errorlint // ReadSlice gives it bare
			if current != nil {
				current.Bytes += int64(len(line))
			}
			continue
		case err == io.EOF:
			return m.sorted(parts), nil
		case err != nil:
			return m, err
		case current == nil:
			current = begins(line, parts)
		case bytes.Equal(line, []byte("\\.\n")):
			current = nil
		default:
			current.Rows, current.Bytes, m.Rows = current.Rows+1, current.Bytes+int64(len(line)), m.Rows+1
		}
	}
}

// begins gives the group whose rows begin after this line, nil where none do.
func begins(line []byte, parts map[string]*Part) *Part {
	rest, ok := strings.CutPrefix(string(line), "COPY ")
	if !ok || !strings.HasSuffix(rest, " FROM stdin;\n") {
		return nil
	}
	name, _, _ := strings.Cut(rest, " ")
	name = name[strings.IndexByte(name, '.')+1:]
	for group := range what {
		if strings.HasPrefix(name, group) {
			name = group
		}
	}
	if parts[name] == nil {
		parts[name] = &Part{Name: name, What: what[name]}
	}
	parts[name].Tables++
	return parts[name]
}

func (m Mix) sorted(parts map[string]*Part) Mix {
	for _, p := range parts {
		m.Parts = append(m.Parts, *p)
	}
	slices.SortFunc(m.Parts, func(a, b Part) int { return int(b.Bytes - a.Bytes) })
	return m
}
