package postgres

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// wire is a message of the protocol's.
func wire(kind byte, body string) []byte {
	m := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(m, body...)
}

// speaker is a connection on which the server says one thing, in pieces of so many bytes.
type speaker struct {
	net.Conn
	says  []byte
	piece int
}

func (s *speaker) Write(p []byte) (int, error) { return len(p), nil }

func (s *speaker) Read(p []byte) (int, error) {
	if len(s.says) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.piece)], s.says)
	s.says = s.says[n:]
	return n, nil
}

func (s *speaker) SetDeadline(time.Time) error { return nil }

// listening is a reader with a small buffer, to which the server says something.
func listening(says []byte, piece int) *reader {
	return &reader{conn: &speaker{says: says, piece: piece}, buffer: make([]byte, 64)}
}

func answer(rows ...string) []byte {
	all := wire('H', "\x00\x00\x00")
	for _, r := range rows {
		all = append(all, wire('d', r)...)
	}
	all = append(all, wire('S', "TimeZone\x00UTC\x00")...)
	all = append(all, wire('c', "")...)
	all = append(all, wire('C', fmt.Sprintf("COPY %d\x00", len(rows)))...)
	return append(all, wire('Z', "T")...)
}

func TestReader_RowsArriveWhateverTheNetworkMakesOfThem(t *testing.T) {
	t.Parallel()
	sets := map[string][]string{
		"none":                 nil,
		"one":                  {"1\tone\n"},
		"empty":                {"\n", "\n", ""},
		"as long as the room":  {strings.Repeat("x", 58) + "\n", strings.Repeat("y", 63) + "\n", strings.Repeat("z", 64) + "\n"},
		"longer than the room": {"a\n", strings.Repeat("long ", 100) + "\n", "b\n", strings.Repeat("d", 1000) + "\n"},
	}
	var many []string
	for i := range 300 {
		many = append(many, fmt.Sprintf("%d\t%s\n", i, strings.Repeat("v", i%70)))
	}
	sets["many"] = many
	for name, rows := range sets {
		for _, piece := range []int{1, 2, 3, 5, 7, 63, 64, 65, 1 << 20} {
			var got bytes.Buffer
			n, err := listening(answer(rows...), piece).copy("COPY", func(p []byte) error { got.Write(p); return nil })
			if err != nil || n != int64(len(rows)) || got.String() != strings.Join(rows, "") {
				t.Errorf("%s, %d bytes at a time: %d rows, %v, %d bytes", name, piece, n, err, got.Len())
			}
		}
	}
}

func TestReader_AnswerThatIsCutIsAnError(t *testing.T) {
	t.Parallel()
	whole := answer("1\tone\n", strings.Repeat("x", 200)+"\n", "3\n")
	for n := range whole {
		if _, err := listening(whole[:n], 10).copy("COPY", func([]byte) error { return nil }); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d of %d bytes: error is %v", n, len(whole), err)
		}
	}
}

func TestReader_TellsWhatTheServerRefuses(t *testing.T) {
	t.Parallel()
	refusal := wire('E', "SERROR\x00C55P03\x00Mcanceling statement due to lock timeout\x00\x00")
	long := wire('E', "SERROR\x00C42P01\x00M"+strings.Repeat("long ", 1000)+"\x00\x00")
	ready := wire('Z', "E")
	for name, c := range map[string]struct {
		says []byte
		code string
	}{
		"at once":          {append(bytes.Clone(refusal), ready...), lockNotAvailable},
		"behind some rows": {append(append(append(wire('H', "\x00\x00\x00"), wire('d', "1\n")...), refusal...), ready...), lockNotAvailable},
		"in many words":    {append(bytes.Clone(long), ready...), undefinedTable},
		"and goes away":    {refusal, lockNotAvailable},
	} {
		if _, err := listening(c.says, 9).copy("COPY", func([]byte) error { return nil }); sqlState(err) != c.code {
			t.Errorf("%s: error is %v", name, err)
		}
	}
}

func TestReader_RefusesWhatIsNoMessage(t *testing.T) {
	t.Parallel()
	for name, says := range map[string][]byte{
		"a negative length":     {'d', 0xff, 0, 0, 0},
		"a length of three":     {'Z', 0, 0, 0, 3},
		"one behind a row":      append(wire('d', "1\n"), 'd', 0xff, 0xff, 0xff, 0xff),
		"an endless message":    {'N', 0x7f, 0xff, 0xff, 0xff},
		"rows for a statement":  append(wire('d', "1\n"), wire('Z', "I")...),
		"half a row of nothing": {'d', 0, 0, 1, 0, 'x'},
	} {
		take := func([]byte) error { return nil }
		if strings.HasPrefix(name, "rows for") {
			take = nil
		}
		if _, err := listening(says, 4).copy("COPY", take); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestReader_ErrorOfItsTakerComesBack(t *testing.T) {
	t.Parallel()
	full := errors.New("no room")
	for _, row := range []string{"1\n", strings.Repeat("x", 500)} {
		if _, err := listening(answer(row), 8).copy("COPY", func([]byte) error { return full }); !errors.Is(err, full) {
			t.Errorf("error is %v", err)
		}
	}
}
