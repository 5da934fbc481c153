package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// Dump runs pg_dump and passes its output to w while counting what it holds.
func (e *Engine) Dump(ctx context.Context, t backup.Target, a backup.Attempt, _ backup.Selection, w io.Writer, report func(backup.Progress)) (backup.Dumped, error) {
	s, size, err := e.survey(ctx, t, a)
	if err != nil {
		return backup.Dumped{}, err
	}
	d := backup.Dumped{ConnectedAt: time.Now().UTC(), ServerVersion: s.text}
	found, err := e.tools(ctx)
	if err != nil {
		return d, err
	}
	program, err := choose(found, s)
	if err != nil {
		return d, err
	}
	d.ToolVersion = program.version
	run, err := start(ctx, program.path, dumpArguments(s), e.dumpEnvironment(t, a))
	if err != nil {
		return d, &backup.Error{Code: backup.CodeToolFailed, Cause: err,
			Text: "pg_dump could not be started.", Hint: "Check the worker's image: the cause is in its log."}
	}
	progress := newMeter(backup.Progress{TablesTotal: size.tables, BytesTotal: size.bytes}, report)
	zip, err := gzip.NewWriterLevel(w, 5)
	if err != nil {
		return d, err
	}
	c := &census{in: &watched{r: run.out, w: zip}, progress: progress}
	if err := c.take(); err != nil {
		return d, e.brokenDump(ctx, t, run, c, err)
	}
	if err := run.wait(); err != nil {
		return d, dumpFailure(ctx, t, run.errors.String(), err)
	}
	if !c.complete {
		return d, cutDump(t, run.errors.String(), nil)
	}
	if err := zip.Close(); err != nil {
		return d, fmt.Errorf("pass on the dump: %w", err)
	}
	progress.finish()
	d.SQLBytes, d.Tables = c.in.n, c.tables
	return d, nil
}

// survey connects before pg_dump does: its errors can be told apart, and the server's version decides on the program.
func (e *Engine) survey(ctx context.Context, t backup.Target, a backup.Attempt) (server, estimate, error) {
	conn, err := e.connect(ctx, t, a, secretLogin(t, t.Credentials.DBName))
	if err != nil {
		return server{}, estimate{}, err
	}
	defer closing(ctx, conn)
	s, err := readServer(ctx, conn)
	if err != nil {
		return server{}, estimate{}, err
	}
	return s, e.readEstimate(ctx, conn), nil
}

// dumpArguments: the connection is in the environment, so that no name can be taken for an option or a connection string. The
// text is UTF-8 whatever the database's encoding, so that names can be read by people and in JSON; bytes without an encoding
// stay as they are.
func dumpArguments(s server) []string {
	args := []string{"--format=plain", "--no-password", "--lock-wait-timeout=120s"}
	if s.charset != "SQL_ASCII" && s.charset != "MULE_INTERNAL" {
		args = append(args, "--encoding=UTF8")
	}
	return args
}

// dumpEnvironment is all that pg_dump is told. The password is here and nowhere else: arguments can be read by every process
// of the machine.
func (e *Engine) dumpEnvironment(t backup.Target, a backup.Attempt) []string {
	c := t.Credentials
	env := []string{
		"LC_ALL=C", // the messages that dumpFailure knows
		"PGHOST=" + c.Host, "PGPORT=" + strconv.Itoa(port(c)), "PGUSER=" + c.Username, "PGPASSWORD=" + c.Password.Reveal(),
		"PGDATABASE=" + c.DBName, "PGSSLMODE=" + sslMode(c), "PGAPPNAME=" + applicationName(a),
		"PGCONNECT_TIMEOUT=" + strconv.Itoa(int(connectTimeout.Seconds())),
		// A role's own settings must not end a long COPY or turn the read into a wait.
		"PGOPTIONS=-c statement_timeout=0 -c idle_in_transaction_session_timeout=0",
	}
	if e.rootCert != "" {
		env = append(env, "PGSSLROOTCERT="+e.rootCert)
	}
	return env
}

// brokenDump ends pg_dump after its text could not be read, understood or passed on to the end.
func (e *Engine) brokenDump(ctx context.Context, t backup.Target, run *process, c *census, err error) error {
	if !c.in.ended {
		run.abandon()
		switch {
		case c.in.writeErr != nil:
			return fmt.Errorf("pass on the dump: %w", c.in.writeErr)
		case ctx.Err() != nil:
			return fmt.Errorf("dump %s: %w", t.Name, ctx.Err())
		}
		return fmt.Errorf("read the dump of %s: %w", t.Name, err)
	}
	// The text ended in the middle of something. The exit code may know why.
	if exit := run.wait(); exit != nil {
		return dumpFailure(ctx, t, run.errors.String(), exit)
	}
	return cutDump(t, run.errors.String(), err)
}

func cutDump(t backup.Target, log string, cause error) error {
	return &backup.Error{Code: backup.CodeDumpCut, Cause: cause, Log: cleanLog(log, t.Credentials.Password),
		Text: "pg_dump ended without an error, but the end of the dump is missing.",
		Hint: "Nothing was kept. Create a new backup; if it happens again, check the worker's memory and the server's log."}
}

// watched reads from r and writes all of it to w, and knows which of the two failed.
type watched struct {
	r        io.Reader
	w        io.Writer
	n        int64
	ended    bool // r came to its end
	writeErr error
}

func (t *watched) Read(p []byte) (int, error) {
	if t.writeErr != nil {
		return 0, t.writeErr
	}
	n, err := t.r.Read(p)
	t.n += int64(n)
	if n > 0 {
		if _, t.writeErr = t.w.Write(p[:n]); t.writeErr != nil {
			return 0, t.writeErr
		}
	}
	t.ended = t.ended || errors.Is(err, io.EOF)
	return n, err
}

// census counts the rows of every table of a dump as they go by.
type census struct {
	in       *watched
	progress *meter
	tables   []backup.TableRows
	complete bool // the end mark was seen
}

// take reads to the end.
func (c *census) take() error {
	scanner := sqltext.NewScanner(c.in, sqltext.Options{MaxStatement: maxStatement})
	for {
		item, err := scanner.Next()
		if errors.Is(err, io.EOF) {
			_, c.complete = scanner.EndMark()
			return nil
		}
		if err != nil {
			return err
		}
		if item.Kind == sqltext.Copy {
			err = c.count(scanner, item)
		}
		if err != nil {
			return err
		}
		c.progress.note(func(p *backup.Progress) { p.Bytes = c.in.n })
	}
}

// count reads one table.
func (c *census) count(scanner *sqltext.Scanner, item sqltext.Item) error {
	schema, table, _, ok := sqltext.CopyTarget(item.Text)
	if !ok {
		return fmt.Errorf("line %d: COPY without a table", item.Line)
	}
	rows := backup.TableRows{Schema: schema, Table: table}
	total := c.progress.p.Rows
	data, buffer := scanner.CopyData(), make([]byte, 64<<10)
	for {
		n, err := data.Read(buffer)
		rows.Bytes += int64(n)
		c.progress.note(func(p *backup.Progress) {
			p.Table, p.Bytes, p.Rows = rows.Name(), c.in.n, total+scanner.CopyRows()
		})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	rows.Rows = scanner.CopyRows()
	c.tables = append(c.tables, rows)
	c.progress.note(func(p *backup.Progress) { p.TablesDone, p.Rows, p.Table = p.TablesDone+1, total+rows.Rows, "" })
	return nil
}

// signalled is the signal that ended a program, or 0.
func signalled(err error) syscall.Signal {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return status.Signal()
		}
	}
	return 0
}
