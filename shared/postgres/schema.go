package postgres

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// archive is what pg_dump wrote of the schema, in its own format, from which pg_restore renders both of its parts: what has to be
// there before the rows, and what comes after them. One run for both means one state of the schema.
type archive struct {
	e    *Engine
	t    backup.Target
	tool tool
	path string
	key  []byte // of the \restrict line, by which psql is told to run no commands of the text; nil for older tools
}

// dumpSchema has pg_dump write the schema as it is in the snapshot.
func (e *Engine) dumpSchema(ctx context.Context, t backup.Target, a backup.Attempt, program tool, snapshot string, c charset) (*archive, error) {
	file, err := os.CreateTemp("", "schema-*.dump")
	if err != nil {
		return nil, fmt.Errorf("make a file for the schema: %w", err)
	}
	x := &archive{e: e, t: t, tool: program, path: file.Name()}
	run, err := start(ctx, program.path, append(dumpArguments(c, snapshot), "--format=custom", "--section=pre-data", "--section=post-data"), e.dumpEnvironment(t, a))
	if err != nil {
		return nil, errors.Join(toolless(err), file.Close(), x.remove())
	}
	_, err = io.Copy(file, run.out)
	if exit := run.wait(); exit != nil {
		err = dumpFailure(ctx, t, run.errors.String(), exit)
	} else if err != nil {
		err = fmt.Errorf("write the schema to %s: %w", x.path, err)
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, errors.Join(err, x.remove())
	}
	return x, nil
}

func toolless(err error) error {
	return &backup.Error{Code: backup.CodeToolFailed, Cause: err,
		Text: "pg_dump could not be started.", Hint: "Check the worker's image: the cause is in its log."}
}

func (x *archive) remove() error { return os.Remove(x.path) }

// dumpArguments: the connection is in the environment, so that no name can be taken for an option or a connection string.
func dumpArguments(c charset, snapshot string) []string {
	return []string{"--no-password", "--encoding=" + string(c), "--snapshot=" + snapshot, fmt.Sprintf("--lock-wait-timeout=%d", toolWait.Milliseconds())}
}

// render runs pg_restore, which reads the archive and connects to nothing.
func (x *archive) render(ctx context.Context, read func(io.Reader) error, arguments ...string) error {
	run, err := start(ctx, filepath.Join(filepath.Dir(x.tool.path), "pg_restore"), append(arguments, x.path), []string{"LC_ALL=C"})
	if err != nil {
		return toolless(err)
	}
	err = read(run.out)
	if err != nil {
		run.abandon()
		return err
	}
	if exit := run.wait(); exit != nil {
		failure := dumpFailure(ctx, x.t, run.errors.String(), exit)
		var told *backup.Error
		if errors.As(failure, &told) && signalled(exit) == 0 {
			// It asks nobody and has nothing but the archive: what it can't read, pg_dump has not written.
			told.Code, told.Text = backup.CodeDumpCut, "pg_dump ended without an error, but what it wrote of the schema can't be read."
		}
		return failure
	}
	return nil
}

// tableEntry is a line of an archive's list that is about a table: "215; 1259 16385 TABLE public t owner".
var tableEntry = regexp.MustCompile(`^\d+; 1259 (\d+) TABLE `)

// tables are the OIDs of the tables that the schema creates.
func (x *archive) tables(ctx context.Context) (map[uint32]bool, error) {
	found := map[uint32]bool{}
	err := x.render(ctx, func(r io.Reader) error {
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadBytes('\n')
			if m := tableEntry.FindSubmatch(line); m != nil {
				oid, err := strconv.ParseUint(string(m[1]), 10, 32)
				if err != nil {
					return fmt.Errorf("read the list of the schema: %w", err)
				}
				found[uint32(oid)] = true
			}
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
		}
	}, "--list")
	return found, err
}

// The lines that pg_dump begins and ends every text with. The file has them once.
const (
	restrictLine   = `\restrict `
	unrestrictLine = `\unrestrict `
	endMark        = "\n--\n-- PostgreSQL database dump complete\n--\n\n"
)

// preData writes the first part: the header of the whole, and everything that has to be there before rows.
func (x *archive) preData(ctx context.Context, w io.Writer) error {
	return x.part(ctx, w, "pre-data", func(header []byte) []byte {
		if _, rest, ok := bytes.Cut(header, []byte("\n"+restrictLine)); ok {
			x.key, _, _ = bytes.Cut(rest, []byte("\n"))
			x.key = bytes.Clone(x.key)
		}
		return header
	}, func() []byte { return nil })
}

// postData writes the last part, and the end of the whole.
func (x *archive) postData(ctx context.Context, w io.Writer) error {
	return x.part(ctx, w, "post-data", func([]byte) []byte { return nil }, func() []byte {
		if x.key == nil {
			return []byte(endMark)
		}
		return fmt.Appendf(nil, "%s%s%s\n\n", endMark, unrestrictLine, x.key)
	})
}

// part writes a section without its own begin and end: those are what header and end make of them.
func (x *archive) part(ctx context.Context, w io.Writer, section string, header func([]byte) []byte, end func() []byte) error {
	return x.render(ctx, func(r io.Reader) error {
		in := bufio.NewReaderSize(r, 64<<10)
		head, err := beforeSettings(in)
		if err != nil {
			return err
		}
		if _, err := w.Write(header(head)); err != nil {
			return fmt.Errorf("pass on the dump: %w", err)
		}
		if err := untilMark(in, w); err != nil {
			return err
		}
		if _, err := w.Write(end()); err != nil {
			return fmt.Errorf("pass on the dump: %w", err)
		}
		return nil
	}, "--section="+section, "--file=-")
}

// beforeSettings reads the comments that a text of pg_dump's begins with: all before its first SET.
func beforeSettings(in *bufio.Reader) ([]byte, error) {
	const longest = 64 << 10
	var head []byte
	for len(head) < longest {
		next, err := in.Peek(4)
		if err != nil {
			return nil, cutText(err)
		}
		if bytes.Equal(next, []byte("SET ")) {
			return head, nil
		}
		line, err := in.ReadBytes('\n')
		if err != nil {
			return nil, cutText(err)
		}
		head = append(head, line...)
	}
	return nil, cutText(errors.New("its header does not end"))
}

// untilMark copies a text up to its end mark, and wants to see the mark.
func untilMark(in io.Reader, w io.Writer) error {
	const longest = 1 << 10 // of the mark and what follows it
	buffer := make([]byte, 0, 64<<10)
	for {
		n, err := in.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case errors.Is(err, io.EOF):
			at := bytes.LastIndex(buffer, []byte(endMark))
			if at < 0 {
				return cutText(nil)
			}
			if _, err := w.Write(buffer[:at]); err != nil {
				return fmt.Errorf("pass on the dump: %w", err)
			}
			return nil
		case err != nil:
			return fmt.Errorf("read what pg_dump writes: %w", err)
		case len(buffer) > cap(buffer)/2:
			keep := len(buffer) - longest
			if _, err := w.Write(buffer[:keep]); err != nil {
				return fmt.Errorf("pass on the dump: %w", err)
			}
			buffer = buffer[:copy(buffer, buffer[keep:])]
		}
	}
}

// cutText is the error for a text of pg_dump's that has no end.
func cutText(cause error) error {
	return &backup.Error{Code: backup.CodeDumpCut, Cause: cause,
		Text: "pg_dump ended without an error, but the end of what it writes is missing.",
		Hint: "Nothing was kept. Create a new backup; if it happens again, check the worker's memory and the server's log."}
}
