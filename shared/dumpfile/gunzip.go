package dumpfile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
)

// source reads the compressed bytes of a file or a member, and sums them up member by member.
type source struct {
	r       io.Reader
	buf     *bufio.Reader // reads from the source itself, and has all that it does in its buffer
	last    []byte        // what the buffer was given last
	used    int           // bytes of last that are in sum already
	passed  int64         // bytes before last
	sum     uint32        // of the member so far
	failure error         // of r, other than io.EOF
}

// sourceBuffer is the size of reads, in bytes.
const sourceBuffer = 64 << 10

func newSource(r io.Reader) *source {
	s := &source{r: r, last: make([]byte, 0, sourceBuffer)}
	s.buf = bufio.NewReaderSize((*raw)(s), sourceBuffer)
	return s
}

// raw is the source as its buffer reads it, which is when it is empty.
type raw source

func (s *raw) Read(p []byte) (int, error) {
	s.sum = crc32.Update(s.sum, castagnoli, s.last[s.used:])
	s.passed += int64(len(s.last))
	s.used = 0
	if len(p) > sourceBuffer {
		p = p[:sourceBuffer]
	}
	n, err := s.r.Read(p)
	s.last = append(s.last[:0], p[:n]...)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failure = err
	}
	return n, err
}

// offset is how far the bytes were read.
func (s *source) offset() int64 { return s.passed + int64(len(s.last)-s.buf.Buffered()) }

// crc is the CRC-32C of the bytes since it was asked last.
func (s *source) crc() uint32 {
	end := len(s.last) - s.buf.Buffered()
	crc := crc32.Update(s.sum, castagnoli, s.last[s.used:end])
	s.sum, s.used = 0, end
	return crc
}

// ended reports whether there are no bytes left.
func (s *source) ended() bool {
	if s.buf.Buffered() > 0 {
		return false
	}
	_, err := s.buf.ReadByte()
	if err == nil {
		_ = s.buf.UnreadByte()
	}
	return errors.Is(err, io.EOF)
}

// gunzip reads the text of one member after the other.
type gunzip struct {
	src   *source
	inner io.ReadCloser
	sum   textSum
	start int64 // of the member
	err   error // io.EOF after its footer
}

func newGunzip(r io.Reader) *gunzip { return &gunzip{src: newSource(r)} }

// damaged is what is wrong with the member.
func (g *gunzip) damaged(format string, args ...any) error {
	if g.src.failure != nil {
		return fmt.Errorf("read the dump file: %w", g.src.failure)
	}
	return &CorruptError{Offset: g.start, What: fmt.Sprintf(format, args...)}
}

// next begins the next member. It is io.EOF at the end of the file, and errTrailer at a header that is the trailer's: its bytes come next.
func (g *gunzip) next() error {
	g.start, g.sum, g.err = g.src.offset(), textSum{}, nil
	if g.src.ended() {
		return io.EOF
	}
	g.err = g.begin()
	return g.err
}

var errTrailer = errors.New("the trailer begins here")

func (g *gunzip) begin() error {
	var head [headerLength]byte
	if _, err := io.ReadFull(g.src.buf, head[:]); err != nil {
		return g.damaged("it is cut in its header")
	}
	if bytes.HasPrefix(trailerHead[:], head[:]) {
		return errTrailer
	}
	if head != header {
		return g.damaged("its header is not one that is written here")
	}
	if g.inner == nil {
		g.inner = flate.NewReader(g.src.buf)
		return nil
	}
	return g.inner.(flate.Resetter).Reset(g.src.buf, nil)
}

// Read implements io.Reader for the text of a member. io.EOF means that its checksum is right.
func (g *gunzip) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.inner.Read(p)
	g.sum.add(p[:n])
	switch {
	case errors.Is(err, io.EOF):
		g.err = g.end()
	case errors.Is(err, io.ErrUnexpectedEOF):
		g.err = g.damaged("it is cut")
	case err != nil:
		g.err = g.damaged("it can't be decompressed: %v", err)
	}
	if n > 0 && errors.Is(g.err, io.EOF) {
		return n, nil
	}
	return n, g.err
}

func (g *gunzip) end() error {
	var foot [footerLength]byte
	if _, err := io.ReadFull(g.src.buf, foot[:]); err != nil {
		return g.damaged("it is cut in its checksum")
	}
	if !bytes.Equal(foot[:], g.sum.footer()) {
		return g.damaged("its text does not have its checksum")
	}
	return io.EOF
}
