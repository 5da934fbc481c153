package dumpfile

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// sweepFile is a small file with members of all kinds, and the offsets around which it is cut and changed.
func sweepFile(t *testing.T) (file []byte, x *Index, edges []int) {
	t.Helper()
	var buf bytes.Buffer
	x = build(t, &buf, Options{}, 3, 5, 40)
	file = buf.Bytes()
	ends := []int64{int64(len(file)), int64(len(file)) - TrailerLength}
	for _, m := range x.Members {
		ends = append(ends, m.Offset, m.Offset+m.Length)
	}
	for _, end := range ends {
		for d := int64(-1); d <= 1; d++ {
			if at := end + d; at >= 0 && at < int64(len(file)) {
				edges = append(edges, int(at))
			}
		}
	}
	slices.Sort(edges)
	return file, x, slices.Compact(edges)
}

// readable reports whether the error is one that tells of a bad file.
func tellsOfBadFile(err error) bool {
	var corrupt *CorruptError
	return errors.Is(err, ErrNoIndex) || errors.As(err, &corrupt)
}

func TestVerify_RefusesAFileCutAtAnyByte(t *testing.T) {
	t.Parallel()
	file, _, cuts := sweepFile(t)
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		cuts = append(cuts, r.IntN(len(file)))
	}
	for n := len(file) - 400; n < len(file); n++ {
		cuts = append(cuts, n)
	}
	for _, n := range cuts {
		if x, err := Verify(bytes.NewReader(file[:n])); x != nil || !tellsOfBadFile(err) {
			t.Errorf("cut at %d of %d: %v", n, len(file), err)
		}
		if x, err := ReadIndex(ranger(file[:n]), int64(n)); x != nil || !tellsOfBadFile(err) {
			t.Errorf("cut at %d of %d: ReadIndex: %v", n, len(file), err)
		}
	}
}

func TestVerify_RefusesAFileWithAnyByteChanged(t *testing.T) {
	t.Parallel()
	file, x, flips := sweepFile(t)
	last := x.Members[len(x.Members)-1]
	for i := range headerLength + 6 {
		flips = append(flips, int(last.Offset+last.Length)+i) // of the index
		for _, m := range x.Members {
			flips = append(flips, int(m.Offset)+i)
		}
	}
	for n := len(file) - TrailerLength; n < len(file); n++ {
		flips = append(flips, n)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		flips = append(flips, r.IntN(len(file)))
	}
	for _, n := range flips {
		bad := bytes.Clone(file)
		bad[n] ^= 1 << r.IntN(8)
		if x, err := Verify(bytes.NewReader(bad)); x != nil || !tellsOfBadFile(err) {
			t.Errorf("byte %d of %d changed from %#x to %#x: %v", n, len(file), file[n], bad[n], err)
		}
	}
}

func TestVerify_RefusesWhatComesBehindTheTrailer(t *testing.T) {
	t.Parallel()
	file, _, _ := sweepFile(t)
	for _, more := range []string{"\x00", string(file)} {
		if _, err := Verify(bytes.NewReader(append(bytes.Clone(file), more...))); !tellsOfBadFile(err) {
			t.Errorf("%d bytes more: %v", len(more), err)
		}
	}
}

// TestMember_OpenRefusesAnyOtherBytes changes, cuts and lengthens a member.
func TestMember_OpenRefusesAnyOtherBytes(t *testing.T) {
	t.Parallel()
	file, x, _ := sweepFile(t)
	m := x.Members[2]
	part := file[m.Offset : m.Offset+m.Length]
	refused := func(what string, m Member, bytes []byte) {
		t.Helper()
		err := readMember(m, bytes)
		var corrupt *CorruptError
		if !errors.As(err, &corrupt) || corrupt.Offset != m.Offset {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := readMember(m, part); err != nil {
		t.Fatal(err)
	}
	for i := range part {
		bad := bytes.Clone(part)
		bad[i] ^= 0x10
		refused("changed", m, bad)
		refused("cut", m, part[:i])
	}
	refused("longer", m, append(bytes.Clone(part), 0))
	refused("two members", m, append(bytes.Clone(part), part...))
	refused("the next", m, file[x.Members[3].Offset:][:m.Length])
	refused("the trailer", m, file[len(file)-TrailerLength:])
	for what, change := range map[string]func(*Member){
		"length":  func(m *Member) { m.Length-- },
		"CRC":     func(m *Member) { m.CRC++ },
		"shorter": func(m *Member) { m.Bytes-- },
		"more":    func(m *Member) { m.Bytes++ },
	} {
		lie := m
		change(&lie)
		refused(what, lie, part)
	}
	gone := errors.New("gone")
	if _, err := readAll(m.Open(&failing{gone})); !errors.Is(err, gone) {
		t.Errorf("an error of the reader: %v", err)
	}
}

func TestReadIndex_RefusesAChangedIndex(t *testing.T) {
	t.Parallel()
	file, x, _ := sweepFile(t)
	last := x.Members[len(x.Members)-1]
	for n := int(last.Offset + last.Length); n < len(file); n++ {
		bad := bytes.Clone(file)
		bad[n] ^= 4
		if x, err := ReadIndex(ranger(bad), int64(len(bad))); x != nil || !tellsOfBadFile(err) {
			t.Errorf("byte %d of %d changed: %v", n, len(file), err)
		}
	}
}

// TestVerify_CountsTheLinesOfTheLastMember has an index that is right but for them: nothing else depends on them.
func TestVerify_CountsTheLinesOfTheLastMember(t *testing.T) {
	t.Parallel()
	for more, fine := range map[int64]bool{0: true, 1: false} {
		var file bytes.Buffer
		w := NewWriter(&file, Options{})
		put(t, w, Schema, schemaText)
		w.lines += more
		if _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(&file); (err == nil) != fine {
			t.Errorf("%d lines more: %v", more, err)
		}
	}
}
