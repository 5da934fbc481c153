package dumpfile

import (
	"github.com/klauspost/compress/flate"
)

// Level says how hard to compress.
type Level int

// The levels.
const (
	Fast Level = iota // the default
	Small
)

// encoder compresses the text of one member after the other.
type encoder struct {
	m    *MemberWriter
	text []byte
	sum  textSum
	fl   *flate.Writer
	huff *flate.Writer
	now  *flate.Writer
}

const textBlock = 128 << 10

func newEncoder(level Level) *encoder {
	e := &encoder{text: make([]byte, 0, textBlock)}
	n := 2
	if level == Small {
		n = 5
	}
	e.fl, _ = flate.NewWriter(nil, n)
	e.huff, _ = flate.NewWriter(nil, flate.HuffmanOnly)
	return e
}

// Write takes the compressed bytes of the deflate writers.
func (e *encoder) Write(p []byte) (int, error) {
	if err := e.m.compressed(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (e *encoder) begin(m *MemberWriter) {
	e.m, e.text, e.sum, e.now = m, e.text[:0], textSum{}, nil
}

func (e *encoder) write(p []byte) error {
	e.sum.add(p)
	for len(p) > 0 {
		n := copy(e.text[len(e.text):cap(e.text)], p)
		e.text, p = e.text[:len(e.text)+n], p[n:]
		if len(e.text) == cap(e.text) {
			if err := e.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *encoder) flush() error {
	if e.now == nil {
		if err := e.m.compressed(header[:]); err != nil {
			return err
		}
		e.now = e.fl
		e.now.Reset(e)
	}
	_, err := e.now.Write(e.text)
	e.text = e.text[:0]
	return err
}

func (e *encoder) end() error {
	if err := e.flush(); err != nil {
		return err
	}
	if err := e.now.Close(); err != nil {
		return err
	}
	return e.m.compressed(e.sum.footer())
}
