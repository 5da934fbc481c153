package sqltext

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Value is a value of a row, in the server's own words.
type Value struct {
	Text []byte // without escapes; in the encoding of the script. Valid until the next row is read
	Null bool
	Cut  bool // Text is the beginning of it only
}

// RowLimits bound what is kept of rows, however large they are. A zero value is no bound.
type RowLimits struct {
	Value int // bytes of a value, without escapes
	Row   int // bytes of a row as it stands: what is behind them is not looked at, and values may be missing at its end
}

// Rows reads rows in COPY's text format, as the server writes them: [Scanner.CopyData] gives them, and COPY … TO STDOUT. Its memory is
// bounded by its limits.
type Rows struct {
	r      *bufio.Reader
	limits RowLimits

	values []Value
	ends   []int  // of the values' texts, in kept
	kept   []byte // texts of all values of the row
	length int    // bytes of the row so far
	behind bool   // the rest of the last row was not read yet
	err    error
}

// NewRows returns a reader of the rows that r gives.
func NewRows(r io.Reader, l RowLimits) *Rows { return &Rows{r: bufio.NewReader(r), limits: l} }

// Next returns the next row, and io.EOF behind the last one. A row that does not end is io.ErrUnexpectedEOF. A table without columns has
// rows of one empty value. After an error every call returns it again.
func (r *Rows) Next() ([]Value, error) {
	if r.err == nil {
		r.err = r.next()
	}
	if r.err != nil {
		return nil, r.err
	}
	return r.values, nil
}

func (r *Rows) next() error {
	if r.behind {
		if err := r.skip(); err != nil {
			return err
		}
	}
	r.values, r.ends, r.kept, r.length = r.values[:0], r.ends[:0], r.kept[:0], 0
	for first := true; ; first = false {
		last, err := r.value()
		switch {
		case first && r.length == 0 && errors.Is(err, io.EOF):
			return io.EOF
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		if last {
			break
		}
	}
	// Only now, as what is kept may have moved while it grew.
	from := 0
	for i, end := range r.ends {
		r.values[i].Text = r.kept[from:end:end]
		from = end
	}
	return nil
}

// skip reads the rest of a row. A line's end within a value is escaped, so the first one ends the row.
func (r *Rows) skip() error {
	for {
		_, err := r.r.ReadSlice('\n')
		switch {
		case err == nil:
			r.behind = false
			return nil
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

// value reads a value and what ends it; last says that this is the row.
func (r *Rows) value() (last bool, err error) {
	var v Value
	begin, from := r.length, len(r.kept)
	end := func() {
		if v.Null = v.Null && r.length-begin == 2; v.Null {
			r.kept = r.kept[:from]
		}
		r.values, r.ends = append(r.values, v), append(r.ends, len(r.kept))
	}
	for {
		if r.limits.Row > 0 && r.length >= r.limits.Row {
			v.Cut, r.behind = true, true
			end()
			return true, nil
		}
		c, err := r.r.ReadByte()
		if err != nil {
			return false, err
		}
		switch c {
		case '\n':
			end()
			return true, nil
		case '\t':
			end()
			r.length++
			return false, nil
		case '\\':
			// What stands for null is \N and nothing else; anywhere else it is an N.
			null := r.length == begin
			if c, err = r.escaped(); err != nil {
				return false, err
			}
			v.Null = null && c == 'N'
		default:
			r.length++
		}
		if r.limits.Value > 0 && len(r.kept)-from >= r.limits.Value {
			v.Cut = true
		} else {
			r.kept = append(r.kept, c)
		}
	}
}

var escapes = [256]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escaped reads what stands behind a backslash.
func (r *Rows) escaped() (byte, error) {
	c, err := r.r.ReadByte()
	if err != nil {
		return 0, err
	}
	r.length += 2
	switch {
	case c == '\n':
		return 0, fmt.Errorf("read a row: it ends behind a backslash")
	case escapes[c] != 0:
		return escapes[c], nil
	case c >= '0' && c <= '7':
		return r.number(c-'0', 8, 2)
	case c == 'x':
		next, err := r.r.Peek(1)
		if err == nil && hexDigit(next[0]) < 16 {
			return r.number(0, 16, 2)
		}
	}
	return c, nil
}

// number reads at most that many further digits of a byte that is written as a number.
func (r *Rows) number(n, base byte, most int) (byte, error) {
	for range most {
		next, _ := r.r.Peek(1) // where there is none, the next read tells why
		if len(next) == 0 {
			break
		}
		d := hexDigit(next[0])
		if d >= base {
			break
		}
		if _, err := r.r.Discard(1); err != nil {
			return 0, err
		}
		r.length++
		n = n*base + d
	}
	return n, nil
}

// hexDigit is the value of a hexadecimal digit, 255 for what is none.
func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
