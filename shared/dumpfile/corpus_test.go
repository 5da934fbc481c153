package dumpfile

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// The rows of a school's tables as COPY writes them, for measuring. Values are drawn as they are in life: few names are frequent, dates
// lie in a few years, words follow Zipf's law, keys point to other tables. Nothing is chosen to suit an encoder.

// corpusTable is a table of the corpus, and its share of the whole in percent of text.
type corpusTable struct {
	name  string
	share int
	row   func(*generator, *bytes.Buffer, int)
}

var corpusTables = []corpusTable{
	{"people", 6, personRow},
	{"grades", 19, gradeRow},
	{"attendance", 24, attendanceRow},
	{"reports", 16, reportRow},
	{"events", 8, eventRow},
	{"audit", 8, auditRow},
	{"photos", 15, photoRow},
	{"documents", 4, documentRow},
}

// corpus is size bytes of rows of each table, times its share.
func corpus(size int) map[string][]byte {
	texts := make(map[string][]byte)
	for i, t := range corpusTables {
		g := newGenerator(uint64(i))
		var b bytes.Buffer
		for n := 1; b.Len() < size/100*t.share; n++ {
			t.row(g, &b, n)
		}
		texts[t.name] = b.Bytes()
	}
	return texts
}

type generator struct {
	*rand.Rand
	words, first, last, streets, cities []string
}

func newGenerator(seed uint64) *generator {
	g := &generator{Rand: rand.New(rand.NewPCG(7, 0))}
	g.words = g.vocabulary(4000, 2, 12)
	g.first = g.vocabulary(600, 4, 9)
	g.last = g.vocabulary(3000, 5, 12)
	g.streets = g.vocabulary(800, 6, 14)
	g.cities = g.vocabulary(120, 5, 11)
	g.Rand = rand.New(rand.NewPCG(7, seed))
	return g
}

// vocabulary is n words of syllables.
func (g *generator) vocabulary(n, shortest, longest int) []string {
	onsets := strings.Split("b,c,d,f,g,h,k,l,m,n,p,r,s,t,v,w,st,tr,ch,sch,br,pl,fr,gr", ",")
	vowels := strings.Split("a,e,e,e,i,o,u,ei,au,ie,ä,ö,ü", ",")
	codas := strings.Split(",,,n,r,l,s,t,m,ng,nd,st,ck", ",")
	words := make([]string, n)
	for i := range words {
		want := shortest + g.IntN(longest-shortest+1)
		var w string
		for len(w) < want {
			w += onsets[g.IntN(len(onsets))] + vowels[g.IntN(len(vowels))] + codas[g.IntN(len(codas))]
		}
		words[i] = w
	}
	return words
}

// often is an element of a list of which the first are the most frequent.
func (g *generator) often(list []string) string {
	n := float64(len(list))
	return list[int(math.Exp(g.Float64()*math.Log(n)))%len(list)]
}

func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (g *generator) date(from, years int) string {
	return fmt.Sprintf("%04d-%02d-%02d", from+g.IntN(years), 1+g.IntN(12), 1+g.IntN(28))
}

func (g *generator) stamp() string {
	return fmt.Sprintf("%s %02d:%02d:%02d.%06d+00", g.date(2023, 4), 7+g.IntN(11), g.IntN(60), g.IntN(60), g.IntN(1000000))
}

func (g *generator) uuid() string {
	a, b := g.Uint64(), g.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", uint32(a), uint16(a>>32), a>>52, 0x8000|b>>50, b&(1<<48-1))
}

func (g *generator) sentence(b *bytes.Buffer, words int) {
	for i := range words {
		w := g.often(g.words)
		switch {
		case i == 0:
			w = title(w)
		case g.IntN(12) == 0:
			w = title(w)
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w)
		if g.IntN(14) == 0 {
			b.WriteByte(',')
		}
	}
	b.WriteString(". ")
}

func personRow(g *generator, b *bytes.Buffer, n int) {
	first, last := title(g.often(g.first)), title(g.often(g.last))
	fmt.Fprintf(b, "%d\t%s\t%s\t%s\t%s %d\t%05d\t%s\t%s.%s%d@%s.example\t+49 %d %d\t%s\n", n, first, last, g.date(1950, 65), title(g.often(g.streets)),
		1+g.IntN(180), 10000+g.IntN(90000), title(g.often(g.cities)), strings.ToLower(first), strings.ToLower(last), g.IntN(100), g.often(g.cities), 150+g.IntN(30), 1000000+g.IntN(9000000), g.stamp())
}

func gradeRow(g *generator, b *bytes.Buffer, n int) {
	fmt.Fprintf(b, "%d\t%d\t%d\t%d.%d\t%s\t%s\t%s\n", n, 1+g.IntN(60000), 1+g.IntN(2400), 1+g.IntN(5), g.IntN(10), g.date(2023, 4), []string{"oral", "written", "exam", "project"}[g.IntN(4)], []string{"\\N", "\\N", "\\N", "late", "repeated"}[g.IntN(5)])
}

func attendanceRow(g *generator, b *bytes.Buffer, n int) {
	fmt.Fprintf(b, "%d\t%d\t%d\t2025-%02d-%02d\t%d\t%s\t%d\n", n, 1+g.IntN(60000), 1+n/30%2400, 1+n/40000%12, 1+n/1400%28, 1+g.IntN(8), []string{"p", "p", "p", "p", "p", "p", "a", "l", "e"}[g.IntN(9)], 1+g.IntN(900))
}

func reportRow(g *generator, b *bytes.Buffer, n int) {
	fmt.Fprintf(b, "%d\t%d\t%s\t", n, 1+g.IntN(60000), g.stamp())
	for end := b.Len() + 200 + g.IntN(1800); b.Len() < end; {
		g.sentence(b, 5+g.IntN(16))
	}
	b.WriteString("\n")
}

func eventRow(g *generator, b *bytes.Buffer, n int) {
	fmt.Fprintf(b, "%d\t%s\t{\"kind\": %q, \"actor\": {\"id\": %d, \"role\": %q}, \"room\": \"%c%03d\", \"tags\": [%q, %q], \"duration\": %d, \"online\": %t, \"note\": \"", n, g.uuid(),
		[]string{"lesson.started", "lesson.ended", "message.sent", "login", "file.opened"}[g.IntN(5)], 1+g.IntN(60000), []string{"teacher", "student", "parent"}[g.IntN(3)], 'A'+g.IntN(5), g.IntN(400), g.often(g.words), g.often(g.words), g.IntN(5400), g.IntN(3) == 0)
	g.sentence(b, g.IntN(12))
	b.WriteString("\"}\n")
}

func auditRow(g *generator, b *bytes.Buffer, n int) {
	fmt.Fprintf(b, "%d\t%s\t%s\t10.%d.%d.%d\t%s\t{\"grade\": {\"new\": \"%d.%d\", \"old\": \"%d.%d\"}, \"updated_at\": \"%s\"}\n", n, g.stamp(), g.uuid(), g.IntN(8), g.IntN(256), g.IntN(256),
		[]string{"update", "insert", "delete"}[g.IntN(3)], 1+g.IntN(5), g.IntN(10), 1+g.IntN(5), g.IntN(10), g.stamp())
}

// photoRow has bytes that are compressed already, as pictures are.
func photoRow(g *generator, b *bytes.Buffer, n int) {
	p := make([]byte, 4000+g.IntN(40000))
	for i := range p {
		p[i] = byte(g.Uint32())
	}
	fmt.Fprintf(b, "%d\t%d\timage/jpeg\t\\\\x%s\n", n, 1+g.IntN(60000), hex.EncodeToString(p))
}

// documentRow has bytes that are not: text in a binary format.
func documentRow(g *generator, b *bytes.Buffer, n int) {
	var p bytes.Buffer
	for end := 2000 + g.IntN(20000); p.Len() < end; {
		p.Write([]byte{0, 0, 0, byte(g.IntN(256)), 1, 0})
		g.sentence(&p, 5+g.IntN(16))
	}
	fmt.Fprintf(b, "%d\t%d\tapplication/msword\t\\\\x%s\n", n, 1+g.IntN(60000), hex.EncodeToString(p.Bytes()))
}
