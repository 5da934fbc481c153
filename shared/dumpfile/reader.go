package dumpfile

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Ranger reads a part of a file: length bytes from offset on, fewer only with an error.
type Ranger func(offset, length int64) (io.ReadCloser, error)

// tailLength is how much of a file's end is read first: the index of all but huge databases.
const tailLength = 64 << 10

// ReadIndex reads the index of a file of size bytes, by one range read, or two where the index is longer than 64 KiB. ErrNoIndex where it
// has none; a *CorruptError where that is damaged. What the index says of the members is checked as far as it can be without reading
// them: they lie one behind the other and fill the file.
func ReadIndex(r Ranger, size int64) (*Index, error) {
	if size < TrailerLength+minMember || size > maxFileSize {
		return nil, ErrNoIndex
	}
	tail := make([]byte, min(size, tailLength))
	if err := readRange(r, size-int64(len(tail)), tail); err != nil {
		return nil, err
	}
	body := tail[:len(tail)-TrailerLength]
	offset, length, crc, ok := parseTrailer(tail[len(body):])
	if !ok {
		return nil, ErrNoIndex
	}
	end := size - TrailerLength
	if offset < 0 || length < minMember || length > maxIndexLength || offset != end-length {
		return nil, &CorruptError{Offset: end, What: "the trailer does not say where the index is"}
	}
	if missing := length - int64(len(body)); missing > 0 {
		whole := make([]byte, length)
		if err := readRange(r, offset, whole[:missing]); err != nil {
			return nil, err
		}
		copy(whole[missing:], body)
		body = whole
	}
	body = body[int64(len(body))-length:]
	if crc32.Checksum(body, castagnoli) != crc {
		return nil, &CorruptError{Offset: offset, What: "the index does not have its checksum"}
	}
	return decodeIndex(body, offset)
}

// readRange reads a part of a file into p.
func readRange(r Ranger, offset int64, p []byte) error {
	part, err := r(offset, int64(len(p)))
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	_, err = io.ReadFull(part, p)
	if closeErr := part.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("read the index: %w", err)
	}
	return nil
}

// Open reads the text of a member. r gives the member's bytes, no more, and is not closed. Its end is only io.EOF where bytes, lengths and
// checksums are those of the index: else it is a *CorruptError, or an error of r.
func (m Member) Open(r io.Reader) io.ReadCloser {
	// One byte more than there may be, to see that there is none.
	o := &opened{member: m, text: newGunzip(io.LimitReader(r, m.Length+1))}
	if o.err = o.text.next(); o.err != nil {
		o.err = o.damaged(o.err)
	}
	return o
}

// opened is the text of a member that is read.
type opened struct {
	member Member
	text   *gunzip
	err    error
}

// Read implements io.Reader.
func (o *opened) Read(p []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.text.Read(p)
	if o.text.sum.length > o.member.Bytes {
		err = o.corrupt("its text is longer than the index says")
		n = 0
	}
	switch {
	case errors.Is(err, io.EOF):
		o.err = o.end()
	case err != nil:
		o.err = o.damaged(err)
	}
	return n, o.err
}

// end compares with the index what was read.
func (o *opened) end() error {
	length := o.text.src.offset()
	more := !o.text.src.ended()
	switch {
	case o.text.src.failure != nil:
		return fmt.Errorf("read the dump file: %w", o.text.src.failure)
	case more || length != o.member.Length:
		return o.corrupt("it has not the length that the index says")
	case o.text.src.crc() != o.member.CRC:
		return o.corrupt("it does not have the checksum of the index")
	case o.text.sum.length != o.member.Bytes:
		return o.corrupt("its text is shorter than the index says")
	}
	return io.EOF
}

// damaged says where the member is in the file, which its reader does not know.
func (o *opened) damaged(err error) error {
	var corrupt *CorruptError
	switch {
	case errors.As(err, &corrupt):
		return o.corrupt(corrupt.What)
	case errors.Is(err, io.EOF):
		return o.corrupt("it is missing")
	case errors.Is(err, errTrailer):
		return o.corrupt("it is a trailer")
	}
	return err
}

func (o *opened) corrupt(what string) error {
	return &CorruptError{Offset: o.member.Offset, What: what}
}

// Close ends reading. It does not close what it reads from.
func (o *opened) Close() error {
	if o.err == nil || errors.Is(o.err, io.EOF) {
		o.err = errors.New("read a member: it is closed")
	}
	return nil
}
