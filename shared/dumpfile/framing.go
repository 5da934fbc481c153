package dumpfile

import (
	"encoding/binary"
	"hash/crc32"
)

// header is how every member but the trailer begins: gzip, deflate, no flags, no time, no extra flags, unknown system. Readers don't look
// at most of these bytes, so that only one value of them is right here.
var header = [headerLength]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}

const (
	headerLength = 10
	footerLength = 8 // CRC-32 and length of the text
	// minMember is the length of the shortest member: header, an empty deflate stream, footer.
	minMember = headerLength + 2 + footerLength
)

// TrailerLength is the length of the last member, in bytes.
const TrailerLength = 46

// trailerHead is what the trailer begins with: a header with FEXTRA, and a subfield BR of 20 bytes.
var trailerHead = [...]byte{0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff, 24, 0, 'B', 'R', 20, 0}

// trailerTail is what it ends with: an empty deflate stream, its CRC-32 and its length.
var trailerTail = [...]byte{3, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// trailer is the last member: where the index is.
func trailer(offset, length int64, crc uint32) (t [TrailerLength]byte) {
	n := copy(t[:], trailerHead[:])
	binary.LittleEndian.PutUint64(t[n:], uint64(offset))   //nolint:gosec // not negative
	binary.LittleEndian.PutUint64(t[n+8:], uint64(length)) //nolint:gosec // not negative
	binary.LittleEndian.PutUint32(t[n+16:], crc)
	copy(t[n+20:], trailerTail[:])
	return t
}

// parseTrailer is the reverse; ok is false for what is none.
func parseTrailer(t []byte) (offset, length int64, crc uint32, ok bool) {
	if len(t) != TrailerLength {
		return 0, 0, 0, false
	}
	n := len(trailerHead)
	offset = int64(binary.LittleEndian.Uint64(t[n:]))   //nolint:gosec // compared below
	length = int64(binary.LittleEndian.Uint64(t[n+8:])) //nolint:gosec // compared below
	crc = binary.LittleEndian.Uint32(t[n+16:])
	same := trailer(offset, length, crc)
	return offset, length, crc, string(t) == string(same[:])
}

// footer is how a member ends.
func footer(crc uint32, length int64) []byte {
	f := binary.LittleEndian.AppendUint32(nil, crc)
	return binary.LittleEndian.AppendUint32(f, uint32(length)) //nolint:gosec // modulo 2^32 by gzip's definition
}

// textSum is gzip's checksum and length of a text.
type textSum struct {
	crc    uint32
	length int64
}

func (s *textSum) add(p []byte) {
	s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
	s.length += int64(len(p))
}

func (s *textSum) footer() []byte { return footer(s.crc, s.length) }
