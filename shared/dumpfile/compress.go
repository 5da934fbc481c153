package dumpfile

import (
	"fmt"

	"github.com/klauspost/compress/flate"
)

// Level says how hard to compress.
type Level int

// The levels. They differ in what a CPU second has to bring in size: see method. What they cost depends on the data; measured by
// BenchmarkWriter, whose text is a school's, 15 % of it random bytea:
//
//	          CPU s per GB of text   size
//	gzip -6   54                     1.00
//	Fast      5.2                    1.03
//	Small     6.9                    1.01
const (
	Fast Level = iota // the default
	Small
)

// method is a way to compress, and what it costs: about so many CPU seconds per GB of text. Costs are constants, not measured when it
// runs, so that a text is always compressed to the same bytes; only their proportions count.
type method struct {
	level int
	cost  float64
}

// methods are those that a trial chooses from. The library's levels 1, 3 and 4 are not among them: others have better sizes at their cost.
// Its level 7 has the size of gzip -6 and takes half of gzip's time.
var methods = [...]method{
	{flate.HuffmanOnly, 1.5},
	{2, 4.7},
	{6, 9},
}

// price is what a CPU second per GB has to bring, as a share of the text by which the file gets shorter.
var price = map[Level]float64{Fast: 0.006, Small: 0.003}

const (
	textBlock = 64 << 10 // of text, that are compressed in one way. The library makes a block of deflate of as much.
)

// class is a kind of text that is found in dumps, of which each has a way to be compressed.
type class int

const (
	plain class = iota // text, numbers, dates
	bytea              // values of bytea: mostly of what is compressed already, where a search for matches costs most and finds least
	classes
)

// trialEvery is the text of a class after which the ways are tried again, in bytes: the rows of a table are much alike. Bytea is less so.
var trialEvery = [classes]int{plain: 8 << 20, bytea: 1 << 20}

// trialSize is how much of a block a trial compresses, in every way.
var trialSize = [classes]int{plain: textBlock, bytea: 16 << 10}

// encoder compresses the texts of members, one after the other. The ways to compress take turns within a member: a deflate stream that
// was flushed ends at a byte and can be followed by another's, as long as that refers to nothing before itself.
type encoder struct {
	m       *MemberWriter
	price   float64
	text    []byte // not compressed yet
	sum     textSum
	streams [len(methods)]*flate.Writer
	now     *flate.Writer // one of streams; nil before the first block
	choice  [classes]*flate.Writer
	untried [classes]int // bytes until the next trial
}

func newEncoder(level Level) *encoder {
	e := &encoder{text: make([]byte, 0, textBlock), price: price[level]}
	for i, m := range methods {
		e.streams[i], _ = flate.NewWriter(nil, m.level) // the levels exist
	}
	return e
}

// begin begins the text of a member.
func (e *encoder) begin(m *MemberWriter) {
	e.m, e.text, e.sum, e.now = m, e.text[:0], textSum{}, nil
	e.choice, e.untried = [classes]*flate.Writer{}, [classes]int{}
}

// write takes text in.
func (e *encoder) write(p []byte) error {
	e.sum.add(p)
	for len(p) > 0 {
		n := copy(e.text[len(e.text):cap(e.text)], p)
		e.text, p = e.text[:len(e.text)+n], p[n:]
		if len(e.text) == cap(e.text) {
			if err := e.compress(); err != nil {
				return err
			}
		}
	}
	return nil
}

// end ends the text of a member, which is not empty.
func (e *encoder) end() error {
	if len(e.text) > 0 {
		if err := e.compress(); err != nil {
			return err
		}
	}
	if err := e.now.Close(); err != nil {
		return err
	}
	return e.m.compressed(e.sum.footer())
}

// compress compresses the block of text.
func (e *encoder) compress() error {
	if e.now == nil {
		if err := e.m.compressed(header[:]); err != nil {
			return err
		}
	}
	c := classify(e.text)
	if e.untried[c] <= 0 {
		if err := e.try(c); err != nil {
			return err
		}
	}
	e.untried[c] -= len(e.text)
	if err := e.turn(e.choice[c]); err != nil {
		return err
	}
	_, err := e.now.Write(e.text)
	e.text = e.text[:0]
	return err
}

// turn makes next the stream that goes on.
func (e *encoder) turn(next *flate.Writer) error {
	if e.now == next {
		return nil
	}
	if e.now != nil {
		if err := e.now.Flush(); err != nil {
			return err
		}
	}
	e.now = next
	if next != nil {
		next.Reset(compressedText{e})
	}
	return nil
}

// compressedText takes the bytes of the streams to the member.
type compressedText struct{ e *encoder }

// Write implements io.Writer.
func (c compressedText) Write(p []byte) (int, error) {
	if err := c.e.m.compressed(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// try compresses a part of the block in every way, and chooses how the text of its class is compressed from now on.
func (e *encoder) try(c class) error {
	if err := e.turn(nil); err != nil {
		return err
	}
	sample := e.text[:min(len(e.text), trialSize[c])]
	var best float64
	for i, s := range e.streams {
		var size count
		s.Reset(&size)
		if _, err := s.Write(sample); err != nil {
			return fmt.Errorf("compress a sample: %w", err)
		}
		if err := s.Close(); err != nil {
			return fmt.Errorf("compress a sample: %w", err)
		}
		score := float64(size)/float64(len(sample)) + methods[i].cost*e.price
		if e.choice[c] == nil || i == 0 || score < best {
			e.choice[c], best = s, score
		}
	}
	e.untried[c] = trialEvery[c]
	return nil
}

// count counts bytes.
type count int64

// Write implements io.Writer.
func (c *count) Write(p []byte) (int, error) {
	*c += count(len(p))
	return len(p), nil
}

// classify tells what kind of text a block is, by parts of it.
func classify(block []byte) class {
	const parts, part = 16, 128
	if len(block) < parts*part {
		return plain
	}
	digits := 0
	step := (len(block) - part) / (parts - 1)
	for i := range parts {
		for _, c := range block[i*step : i*step+part] {
			digits += int(hexDigit[c])
		}
	}
	if digits*100 >= parts*part*95 {
		return bytea
	}
	return plain
}

// hexDigit is 1 for the digits of bytea's text.
var hexDigit = func() (t [256]uint8) {
	for _, c := range "0123456789abcdef" {
		t[c] = 1
	}
	return t
}()
