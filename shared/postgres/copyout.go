package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// reader is a session that does nothing but read tables by COPY. It speaks the protocol itself: what the library makes of each row,
// a call and a copy, costs as much as the compression of it, and a row of a gigabyte would be held as a whole.
type reader struct {
	conn   net.Conn
	stop   func() bool
	buffer []byte
	from   int // of what was received and not looked at
	to     int
}

// readBuffer is the size of a session's buffer, in bytes. Rows are handed on in pieces of this size.
const readBuffer = 256 << 10

// newReader takes over a session. When ctx ends, the session does too.
func newReader(ctx context.Context, conn *pgx.Conn) (*reader, error) {
	taken, err := conn.PgConn().Hijack()
	if err != nil {
		return nil, err
	}
	r := &reader{conn: taken.Conn, buffer: make([]byte, readBuffer)}
	r.stop = context.AfterFunc(ctx, r.abort)
	return r, nil
}

// abort lets whatever waits for the server fail.
func (r *reader) abort() { _ = r.conn.SetDeadline(time.Unix(1, 0)) }

// close ends the session. The server rolls back and lets its locks and its snapshot go.
func (r *reader) close() {
	if r == nil {
		return
	}
	r.stop()
	_ = r.conn.SetDeadline(time.Now().Add(5 * time.Second))
	if text, err := (&pgproto3.Terminate{}).Encode(nil); err == nil {
		_, _ = r.conn.Write(text)
	}
	_ = r.conn.Close()
}

// exec runs statements that return no rows.
func (r *reader) exec(sql string) error {
	_, err := r.copy(sql, nil)
	return err
}

// copy runs a statement, hands the rows of its COPY … TO STDOUT to take, whole rows or parts of one, and returns how many rows
// the server says it had. An error of take comes back in the chain; the session can't be used after it.
func (r *reader) copy(sql string, take func(rows []byte) error) (rows int64, err error) {
	text, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		return 0, err
	}
	if _, err := r.conn.Write(text); err != nil {
		return 0, err
	}
	var failure error
	for {
		kind, length, err := r.header()
		if err != nil {
			return rows, errors.Join(failure, err)
		}
		if kind == 'd' {
			if err := r.data(length, take); err != nil {
				return rows, err
			}
			continue
		}
		body, err := r.body(length)
		if err != nil {
			return rows, errors.Join(failure, err)
		}
		switch kind {
		case 'C':
			rows = tagRows(body)
		case 'E':
			var message pgproto3.ErrorResponse
			if err := message.Decode(body); err != nil {
				return rows, err
			}
			failure = pgconn.ErrorResponseToPgError(&message)
		case 'Z':
			return rows, failure
		}
	}
}

// fill receives more, until at least n bytes are there.
func (r *reader) fill(n int) error {
	if r.to-r.from >= n {
		return nil
	}
	r.to = copy(r.buffer, r.buffer[r.from:r.to])
	r.from = 0
	for r.to < n {
		more, err := r.conn.Read(r.buffer[r.to:])
		r.to += more
		if err != nil && r.to < n {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// header reads the kind of the next message and the length of its body.
func (r *reader) header() (kind byte, length int, err error) {
	if err := r.fill(5); err != nil {
		return 0, 0, err
	}
	kind, length = r.buffer[r.from], int(int32(binary.BigEndian.Uint32(r.buffer[r.from+1:])))-4 //nolint:gosec // a negative one is refused
	r.from += 5
	if length < 0 {
		return 0, 0, fmt.Errorf("the server sent a message %q of %d bytes", kind, length)
	}
	return kind, length, nil
}

// body reads a message that is no row.
func (r *reader) body(length int) ([]byte, error) {
	if length <= len(r.buffer) {
		if err := r.fill(length); err != nil {
			return nil, err
		}
		body := r.buffer[r.from : r.from+length]
		r.from += length
		return body, nil
	}
	const longest = 16 << 20 // an error that quotes a statement
	if length > longest {
		return nil, fmt.Errorf("the server sent a message of %d bytes", length)
	}
	body := bytes.Clone(r.buffer[r.from:r.to])
	rest := make([]byte, length-len(body))
	r.from, r.to = 0, 0
	_, err := io.ReadFull(r.conn, rest)
	return append(body, rest...), err
}

// data hands on the rows that are in the buffer, beginning with a message of length whose header was read: it moves them together, over the
// headers between them.
func (r *reader) data(length int, take func([]byte) error) error {
	if take == nil {
		return errors.New("the server sent rows that nobody asked for")
	}
	begin, end := r.from, r.from
	for {
		if have := r.to - r.from; have < length {
			// The rest of this row is on its way.
			end += copy(r.buffer[end:], r.buffer[r.from:r.to])
			if err := take(r.buffer[begin:end]); err != nil {
				return err
			}
			r.from, r.to = 0, 0
			return r.rest(length-have, take)
		}
		end += copy(r.buffer[end:], r.buffer[r.from:r.from+length])
		r.from += length
		if r.to-r.from < 5 || r.buffer[r.from] != 'd' {
			break
		}
		next := int(int32(binary.BigEndian.Uint32(r.buffer[r.from+1:]))) - 4 //nolint:gosec // a negative one ends the loop
		if next < 0 {
			break // header says so
		}
		r.from += 5
		length = next
	}
	return take(r.buffer[begin:end])
}

// rest hands on the rest of a row as it comes.
func (r *reader) rest(length int, take func([]byte) error) error {
	for length > 0 {
		if err := r.fill(1); err != nil {
			return err
		}
		n := min(length, r.to-r.from)
		if err := take(r.buffer[r.from : r.from+n]); err != nil {
			return err
		}
		r.from += n
		length -= n
	}
	return nil
}

// tagRows is the number in a command tag such as "COPY 42".
func tagRows(body []byte) int64 {
	tag := strings.TrimRight(string(body), "\x00")
	n, err := strconv.ParseInt(tag[strings.LastIndexByte(tag, ' ')+1:], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
