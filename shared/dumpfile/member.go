package dumpfile

import (
	"bytes"
	"errors"
	"hash/crc32"
)

// MemberWriter takes the text of one member, which consists of whole lines. It is used by one goroutine, which has no other member open:
// a Write may wait until other members end. Its errors stick, and are the Writer's.
type MemberWriter struct {
	w        *Writer
	member   Member
	rank     int
	encoder  *encoder // nil before the first text
	blocks   [][]byte // compressed bytes that are not in the file; the last is being filled
	lines    int64
	rowBytes int64
	whole    bool  // the last byte of the text ends a line
	done     bool  // Close or Discard was called
	err      error // of Close
	ended    bool  // for the Writer, under its lock
}

// Write implements io.Writer.
func (m *MemberWriter) Write(p []byte) (int, error) {
	if m.done {
		return 0, errors.New("write a member: it has ended")
	}
	if len(p) == 0 {
		return 0, m.w.failure()
	}
	if m.encoder == nil {
		if err := m.w.failure(); err != nil {
			return 0, err
		}
		m.encoder = m.w.encoder()
		m.encoder.begin(m)
	}
	if err := m.encoder.write(p); err != nil {
		return 0, err
	}
	m.member.Bytes += int64(len(p))
	m.lines += int64(bytes.Count(p, newline))
	m.whole = p[len(p)-1] == '\n'
	return len(p), nil
}

var newline = []byte{'\n'}

// Rows says that the member has n more rows, whose text has bytes bytes, line ends included.
func (m *MemberWriter) Rows(n, bytes int64) {
	m.member.Rows += n
	m.rowBytes += bytes
}

// Bytes is the length of the text so far.
func (m *MemberWriter) Bytes() int64 { return m.member.Bytes }

// Close ends the member. It is in the file when the output is free, which may be later: errors that come then are those of the Writer.
// A member of no text is left out.
func (m *MemberWriter) Close() error {
	if m.done {
		return m.err
	}
	m.done = true
	m.err = m.close()
	return m.err
}

func (m *MemberWriter) close() error {
	if m.encoder == nil {
		return m.w.drop(m, nil)
	}
	err := m.encoder.end()
	if err == nil && !m.whole {
		err = errors.New("end a member: its text does not end with a line's end")
	}
	m.giveEncoder()
	if err != nil {
		m.w.spoil(err)
		_ = m.w.drop(m, err)
		return err
	}
	m.sum()
	return m.w.finish(m)
}

// Discard gives the member up. It does nothing after Close. A member that has begun to be written can't be taken back: the file
// is broken then, and the Writer's error says so.
func (m *MemberWriter) Discard() {
	if m.done {
		return
	}
	m.done = true
	m.err = errors.New("end a member: it was discarded")
	m.giveEncoder()
	_ = m.w.drop(m, errDiscarded)
}

var errDiscarded = errors.New("the dump file is broken: a member was discarded of which a part was written already")

// giveEncoder gives the encoder back to the Writer.
func (m *MemberWriter) giveEncoder() {
	if m.encoder == nil {
		return
	}
	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	m.encoder.m = nil
	m.w.idle = append(m.w.idle, m.encoder)
	m.encoder = nil
}

// compressed takes in bytes for the file.
func (m *MemberWriter) compressed(p []byte) error {
	for {
		if n := len(m.blocks); n > 0 {
			last := m.blocks[n-1]
			taken := copy(last[len(last):cap(last)], p)
			m.blocks[n-1] = last[:len(last)+taken]
			if p = p[taken:]; len(p) == 0 {
				return nil
			}
			m.sum()
		}
		if err := m.w.grow(m); err != nil {
			return err
		}
	}
}

// sum takes the last block, which is full or the last of all, into the CRC and the length.
func (m *MemberWriter) sum() {
	last := m.blocks[len(m.blocks)-1]
	m.member.CRC = crc32.Update(m.member.CRC, castagnoli, last)
	m.member.Length += int64(len(last))
}

// failure is the Writer's error.
func (w *Writer) failure() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// spoil makes an error that of the Writer.
func (w *Writer) spoil(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail(err)
}
