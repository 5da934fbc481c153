package dumpfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// decodeIndex reads the index of its member, which begins at offset.
func decodeIndex(body []byte, offset int64) (*Index, error) {
	g := newGunzip(bytes.NewReader(body))
	if err := g.next(); err != nil {
		return nil, &CorruptError{Offset: offset, What: "the index does not begin as a member does"}
	}
	x, _, err := readIndex(g, offset)
	if err == nil && (!errors.Is(g.err, io.EOF) || !g.src.ended()) {
		err = errors.New("the index is not all of its member")
	}
	var corrupt *CorruptError
	switch {
	case errors.As(err, &corrupt):
		return nil, &CorruptError{Offset: offset, What: corrupt.What}
	case err != nil:
		return nil, &CorruptError{Offset: offset, What: err.Error()}
	}
	return x, nil
}

// Verify reads a whole file, from its beginning to its end, and returns its index. Any cut and any changed byte is an error: a *CorruptError,
// or ErrNoIndex. It keeps nothing of the file but its index.
func Verify(r io.Reader) (*Index, error) {
	v := verifier{text: newGunzip(r)}
	for {
		err := v.text.next()
		if errors.Is(err, errTrailer) {
			return v.trailer()
		}
		if errors.Is(err, io.EOF) {
			return nil, ErrNoIndex
		}
		if err == nil {
			err = v.member()
		}
		if err != nil {
			return nil, err
		}
	}
}

// verifier knows of a file what was read of it.
type verifier struct {
	text  *gunzip
	seen  []Member // offset, length, CRC, bytes, line
	lines int64
	index *Index
	told  int64  // lines, by the index
	at    Member // of the index
}

// member reads a member. The index's is known by its first line.
func (v *verifier) member() error {
	start := v.text.start
	if v.index != nil {
		return &CorruptError{Offset: start, What: "it stands behind the index"}
	}
	if len(v.seen) == maxMembers {
		return &CorruptError{Offset: start, What: fmt.Sprintf("there are more than %d members before it", maxMembers)}
	}
	head := make([]byte, len(indexTitle))
	n, err := io.ReadFull(v.text, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	head = head[:n]
	count := lineCounter{lines: int64(bytes.Count(head, newline))}
	if string(head) == indexTitle {
		v.index, v.told, err = readIndex(io.MultiReader(bytes.NewReader(head), v.text), start)
		var corrupt *CorruptError
		if err != nil && v.text.src.failure == nil && !errors.As(err, &corrupt) {
			err = &CorruptError{Offset: start, What: err.Error()}
		}
	} else {
		_, err = io.Copy(&count, v.text)
	}
	if err != nil {
		return err
	}
	m := Member{Offset: start, Length: v.text.src.offset() - start, CRC: v.text.src.crc(), Bytes: v.text.sum.length, Line: v.lines + 1}
	if v.index != nil {
		v.at = m
		return nil
	}
	v.lines += count.lines
	v.seen = append(v.seen, m)
	return nil
}

// trailer reads the trailer and compares the index with what was read.
func (v *verifier) trailer() (*Index, error) {
	start := v.text.start
	bad := func(what string) (*Index, error) { return nil, &CorruptError{Offset: start, What: what} }
	var t [TrailerLength]byte
	copy(t[:], trailerHead[:headerLength])
	if _, err := io.ReadFull(v.text.src.buf, t[headerLength:]); err != nil {
		if v.text.src.failure != nil {
			return nil, fmt.Errorf("read the dump file: %w", v.text.src.failure)
		}
		return nil, ErrNoIndex
	}
	offset, length, crc, ok := parseTrailer(t[:])
	switch {
	case !ok:
		return bad("the trailer is not one that is written here")
	case !v.text.src.ended():
		if v.text.src.failure != nil {
			return nil, fmt.Errorf("read the dump file: %w", v.text.src.failure)
		}
		return bad("the file goes on behind the trailer")
	case v.index == nil || offset != v.at.Offset || length != v.at.Length || crc != v.at.CRC:
		return bad("the trailer does not tell of the index before it")
	case !slices.EqualFunc(v.index.Members, v.seen, sameBytes) || v.told != v.lines:
		return bad("the index does not tell of the members before it")
	}
	return v.index, nil
}

// sameBytes reports whether two members are the same, as far as it can be told without understanding their text.
func sameBytes(a, b Member) bool {
	return a.Offset == b.Offset && a.Length == b.Length && a.CRC == b.CRC && a.Bytes == b.Bytes && a.Line == b.Line
}

type lineCounter struct{ lines int64 }

// Write implements io.Writer.
func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines += int64(bytes.Count(p, newline))
	return len(p), nil
}
