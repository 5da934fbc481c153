package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/dumpfile"
)

// tries is how often a dump begins again because tables were changed in the instant in which it began.
const tries = 8

// dumping is one try at a dump.
type dumping struct {
	e         *Engine
	t         backup.Target
	a         backup.Attempt
	selection backup.Selection
	w         io.Writer
	tool      tool
	server    server
	charset   charset
	progress  *meter
	strange   map[uint32]bool // tables that pg_dump does not take for the database's

	snapshot *snapshot
	archive  *archive
	objects  *objectDump
	file     *dumpfile.Writer
	out      backup.Dumped

	mu   sync.Mutex
	left []int // pieces that are not read, by the table's number in the file
}

// Dump writes a dump file: the schema by pg_dump, the rows by several COPYs at the same time, all from one snapshot.
func (e *Engine) Dump(ctx context.Context, t backup.Target, a backup.Attempt, s backup.Selection, w io.Writer, report func(backup.Progress)) (backup.Dumped, error) {
	d := &dumping{e: e, t: t, a: a, selection: s, w: w, strange: map[uint32]bool{}}
	for i := 1; ; i++ {
		err := d.try(ctx, report)
		if !errors.Is(err, errChanged) {
			return d.out, err
		}
		e.log.InfoContext(ctx, "dump began again", "backup", a.Job, "attempt", a.Number, "try", i, "cause", err)
		if i == tries {
			return d.out, &backup.Error{Code: backup.CodeToolFailed, Cause: err,
				Text: "Tables were changed again and again while the backup tried to begin.",
				Hint: "Nothing was kept. Create a new backup when no migration is running: ALTER, CREATE and DROP TABLE are in its way."}
		}
	}
}

// try dumps. errChanged says that nothing was written and that it is worth another try.
func (d *dumping) try(ctx context.Context, report func(backup.Progress)) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conn, err := d.e.connect(ctx, d.t, d.a, secretLogin(d.t, d.t.Credentials.DBName))
	if err != nil {
		return err
	}
	defer closing(ctx, conn)
	if d.server, err = readServer(ctx, conn); err != nil {
		return err
	}
	d.charset = charsetOf(d.server)
	if d.out.ConnectedAt.IsZero() {
		d.out.ConnectedAt, d.out.ServerVersion = time.Now().UTC(), d.server.text
	}
	found, err := d.e.tools(ctx)
	if err != nil {
		return err
	}
	if d.tool, err = choose(found, d.server); err != nil {
		return err
	}
	d.out.ToolVersion = d.tool.version
	if d.snapshot, err = d.e.takeSnapshot(ctx, conn, d.t, d.charset, d.selection); err != nil {
		return err
	}
	if err := d.readSchema(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.archive.remove()) }()
	// After pg_dump, which needs connections as well: where there are few, it has to have its own.
	sessions, err := d.open(ctx)
	// Whatever happens, the server is rid of the snapshot when this returns.
	defer func() {
		cancel()
		for _, s := range sessions {
			s.close()
		}
		d.out.SnapshotHeld = time.Since(d.snapshot.since)
	}()
	if err != nil {
		return err
	}
	return d.write(ctx, sessions, report)
}

// open makes the sessions that read rows. The first is that which holds the locks.
func (d *dumping) open(ctx context.Context) (sessions []*reader, err error) {
	first, err := newReader(ctx, d.snapshot.conn)
	if err != nil {
		return nil, fmt.Errorf("take over the session of the snapshot: %w", err)
	}
	sessions = append(sessions, first)
	// The server may still count the session of a pg_dump that has ended.
	patient, enough := context.WithTimeout(ctx, time.Second)
	defer enough()
	for len(sessions) < d.e.connections(d.t) {
		s, err := d.openOne(ctx)
		var told *backup.Error
		if errors.As(err, &told) && told.Code == backup.CodeNoConnections {
			select {
			case <-time.After(100 * time.Millisecond):
				continue
			case <-patient.Done():
			}
			d.e.log.WarnContext(ctx, "fewer connections than wanted", "backup", d.a.Job, "attempt", d.a.Number, "connections", len(sessions))
			break
		}
		if err != nil {
			return sessions, err
		}
		sessions = append(sessions, s)
	}
	d.out.Connections = len(sessions)
	return sessions, nil
}

func (d *dumping) openOne(ctx context.Context) (*reader, error) {
	conn, err := d.e.connect(ctx, d.t, d.a, secretLogin(d.t, d.t.Credentials.DBName))
	if err != nil {
		return nil, err
	}
	for _, sql := range append([]string{d.join()}, settings(d.charset)...) {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			closing(ctx, conn)
			return nil, dumpError(ctx, d.t, err)
		}
	}
	return newReader(ctx, conn)
}

// join makes a session see what the snapshot shows. It holds no locks of its own, and must not wait for one behind somebody who waits for ours.
func (d *dumping) join() string {
	return fmt.Sprintf("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT %s; SET lock_timeout = %d",
		literal(d.snapshot.id), toolWait.Milliseconds())
}

// toolWait is how long others than the session with the locks wait for one. They share theirs with everybody who reads, so what makes them
// wait is somebody who waits for us to end.
const toolWait = 3 * time.Second

// readSchema has pg_dump read the schema, and get ready to write large objects.
func (d *dumping) readSchema(ctx context.Context) (err error) {
	if d.archive, err = d.e.dumpSchema(ctx, d.t, d.a, d.tool, d.snapshot.id, d.charset); err != nil {
		return inTheWay(err)
	}
	if err := d.agree(ctx); err != nil {
		return errors.Join(err, d.archive.remove())
	}
	if d.snapshot.objects {
		if d.objects, err = d.e.startObjects(ctx, d.t, d.a, d.tool, d.snapshot.id, d.charset); err != nil {
			return errors.Join(inTheWay(err), d.archive.remove())
		}
	}
	return nil
}

// waitedInVain is what pg_dump says when --lock-wait-timeout has passed: it sets statement_timeout for that.
const waitedInVain = "due to statement timeout"

// inTheWay tells a pg_dump that waited in vain, and so has to begin again with a new snapshot: it waits for somebody who waits for the locks
// that we hold.
func inTheWay(err error) error {
	var told *backup.Error
	if errors.As(err, &told) && strings.Contains(told.Log, waitedInVain) {
		return fmt.Errorf("%w: %w", errChanged, err)
	}
	return err
}

// agree compares our list of tables with pg_dump's, which decides what belongs to the database. A difference is that of a case which we do
// not know: rows of a table that the schema does not make can't be restored, and a table whose rows are not read would be empty.
func (d *dumping) agree(ctx context.Context) error {
	made, err := d.archive.tables(ctx)
	if err != nil {
		return err
	}
	again := false
	for _, r := range d.snapshot.relations {
		if r.Extension == "" && !made[r.OID] && !d.strange[r.OID] {
			d.e.log.WarnContext(ctx, "table not in the schema", "table", r.Quoted)
			d.strange[r.OID], again = true, true
		}
		delete(made, r.OID)
	}
	if again {
		return errChanged
	}
	for oid := range made {
		return &backup.Error{Code: backup.CodeUnsupported, Cause: fmt.Errorf("the schema has the table with the OID %d, of which the rows are not read", oid),
			Text: "The database has a table of a kind that can't be backed up.", Hint: "Nothing was kept. Report it, with the worker's log."}
	}
	return nil
}

// write writes the file.
func (d *dumping) write(ctx context.Context, sessions []*reader, report func(backup.Progress)) error {
	d.file = dumpfile.NewWriter(d.w, dumpfile.Options{Level: d.e.level, Head: dumpfile.Index{
		Engine: string(backup.Postgres), ServerVersion: d.server.text, ToolVersion: d.tool.version, Encoding: string(d.charset)}})
	pieces, total, err := d.plan(len(sessions))
	if err != nil {
		return err
	}
	d.progress = newMeter(backup.Progress{TablesTotal: len(d.left), BytesTotal: total}, report)
	if err := d.member(dumpfile.Schema, func(w io.Writer) error { return d.archive.preData(ctx, w) }); err != nil {
		return err
	}
	if err := d.rows(ctx, sessions, newPlan(pieces)); err != nil {
		return err
	}
	if err := d.member(dumpfile.Sequences, d.setSequences); err != nil {
		return err
	}
	if err := d.member(dumpfile.Constraints, func(w io.Writer) error { return d.archive.postData(ctx, w) }); err != nil {
		return err
	}
	index, err := d.file.Close()
	if err != nil {
		return fmt.Errorf("pass on the dump: %w", err)
	}
	d.finish(index)
	return nil
}

// plan makes the wanted tables known to the file, and pieces of them.
func (d *dumping) plan(sessions int) (pieces []piece, total int64, err error) {
	if err := d.checkSelection(); err != nil {
		return nil, 0, err
	}
	total = 2 * d.snapshot.large // as hex digits
	var wanted []*relation
	for i := range d.snapshot.relations {
		r := &d.snapshot.relations[i]
		if r.Head || d.strange[r.OID] || !r.wanted(d.selection) {
			continue
		}
		wanted = append(wanted, r)
		total += r.bytes()
	}
	if d.server.major() < 14 {
		sessions = 1 // it can't go to a page, so no table is cut
	}
	for _, r := range wanted {
		number := d.file.AddTable(dumpfile.Table{Schema: r.Schema, Name: r.Name, Columns: r.columns, Key: r.key, Extension: r.Extension})
		parts := cut(r, number, total, sessions, d.e.rangeBytes)
		d.left = append(d.left, len(parts))
		pieces = append(pieces, parts...)
	}
	return pieces, total, nil
}

// member writes a member that is no table's.
func (d *dumping) member(kind dumpfile.Kind, write func(io.Writer) error) error {
	m := d.file.Member(kind, -1)
	defer m.Discard()
	if err := write(m); err != nil {
		return err
	}
	d.progress.note(func(p *backup.Progress) { p.Bytes += m.Bytes() })
	if err := m.Close(); err != nil {
		return fmt.Errorf("pass on the dump: %w", err)
	}
	return nil
}

func (d *dumping) setSequences(w io.Writer) error {
	for _, p := range d.snapshot.positions {
		if _, err := io.WriteString(w, p.text()); err != nil {
			return fmt.Errorf("pass on the dump: %w", err)
		}
	}
	return nil
}

// rows reads all tables, by all sessions, and beside them the large objects.
func (d *dumping) rows(ctx context.Context, sessions []*reader, p *plan) error {
	group, working := errgroup.WithContext(ctx)
	stop := context.AfterFunc(working, p.stop)
	defer stop()
	for i, s := range sessions {
		group.Go(func() error { return d.session(working, s, p, i == 0) })
	}
	if d.objects != nil {
		group.Go(func() error {
			return d.objects.pass(working, d.file, func(n int64) { d.progress.note(func(p *backup.Progress) { p.Bytes += n }) })
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	// Had the session with the locks ended before, a table could have been emptied that others had not read yet: TRUNCATE is seen by every
	// snapshot.
	for _, s := range sessions {
		if err := s.exec("COMMIT"); err != nil {
			return dumpError(ctx, d.t, err)
		}
	}
	return nil
}

// session reads pieces until none is left.
func (d *dumping) session(ctx context.Context, s *reader, p *plan, first bool) error {
	// A read that waits for the server ends when another session has failed.
	stop := context.AfterFunc(ctx, s.abort)
	defer stop()
	for {
		next, ok := p.take(first)
		if !ok {
			return context.Cause(ctx)
		}
		err := d.read(ctx, s, next)
		if sqlState(err) == lockNotAvailable && !first {
			p.leave(next)
			if err = s.exec("ROLLBACK; " + d.join()); err != nil {
				err = dumpError(ctx, d.t, err)
			}
		}
		if !first {
			p.done()
		}
		if err != nil {
			return err
		}
	}
}

// finish says what was dumped.
func (d *dumping) finish(index *dumpfile.Index) {
	for _, t := range index.Tables {
		d.out.Tables = append(d.out.Tables, backup.TableRows{Schema: t.Schema, Table: t.Name, Rows: t.Rows, Bytes: t.Bytes})
	}
	for _, m := range index.Members { // the index itself is no part of the dump
		d.out.SQLBytes += m.Bytes
	}
	d.progress.note(func(p *backup.Progress) { p.Bytes, p.Table = d.out.SQLBytes, "" })
	d.progress.finish()
	d.out.Indexed = true
}

// done says that a piece of a table is read.
func (d *dumping) done(table int) {
	d.mu.Lock()
	d.left[table]--
	whole := d.left[table] == 0
	d.mu.Unlock()
	if whole {
		d.progress.note(func(p *backup.Progress) { p.TablesDone++ })
	}
}

// checkSelection refuses a selection of which the file could not be restored: rows that refer to rows which are left out.
func (d *dumping) checkSelection() error {
	if d.selection.All() {
		return nil
	}
	wanted, heads := map[uint32]bool{}, map[string]uint32{}
	for _, r := range d.snapshot.relations {
		wanted[r.OID] = r.Head || r.wanted(d.selection)
		if r.Head {
			heads[r.Schema+"."+r.Name] = r.OID
		}
	}
	for _, r := range d.snapshot.relations { // the rows of a partitioned table are those of its parts
		for _, whole := range r.Names {
			wanted[heads[whole]] = wanted[heads[whole]] && wanted[r.OID]
		}
	}
	i := slices.IndexFunc(d.snapshot.references, func(f reference) bool { return wanted[f.From] && !wanted[f.To] })
	if i < 0 {
		return nil
	}
	f := d.snapshot.references[i]
	return &backup.Error{Code: backup.CodeBadSelection,
		Text: fmt.Sprintf("The rows of %s are wanted without those of %s, to which they refer by %s: the file could not be restored.", f.FromName, f.ToName, f.Constraint),
		Hint: "Nothing was kept. Include both tables, or leave both out."}
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
