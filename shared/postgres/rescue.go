package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// rescuing is a rescue under way: one session, and from create on one transaction.
type rescuing struct {
	e        *Engine
	t        backup.Target
	a        backup.Attempt
	plan     backup.RescuePlan
	me       self
	live     live
	conn     *pgx.Conn
	warnings []string
}

var _ backup.Rescuing = (*rescuing)(nil)

// rescueLockWait is how long a rescue waits for a lock at most. It takes none on what is there but on the system's catalogs.
const rescueLockWait = "10s"

// Rescue looks for what would stop it later and makes the schema. Everything is done as the secret's role: of the file only rows are used,
// and names and types that are checked.
func (e *Engine) Rescue(ctx context.Context, t backup.Target, a backup.Attempt, p backup.RescuePlan) (backup.Rescuing, error) {
	conn, err := e.connect(ctx, t, a, secretLogin(t, t.Credentials.DBName))
	if err != nil {
		return nil, err
	}
	r := &rescuing{e: e, t: t, a: a, plan: p, conn: conn}
	if err = r.check(ctx); err == nil {
		err = r.create(ctx)
	}
	if err != nil {
		r.Discard(ctx)
		return nil, err
	}
	return r, nil
}

// Warnings are what an operator should know.
func (r *rescuing) Warnings() []string { return r.warnings }

func (r *rescuing) check(ctx context.Context) (err error) {
	if len(r.plan.Tables) != len(r.plan.Sources) {
		return fmt.Errorf("rescue %d tables from %d sources", len(r.plan.Tables), len(r.plan.Sources))
	}
	if r.me, err = readSelf(ctx, r.conn); err != nil {
		return err
	}
	if r.me.replica {
		return errReplica(r.t)
	}
	if r.live, err = readLive(ctx, r.conn, r.me, r.t.Credentials.DBName); err != nil {
		return serverFailure(ctx, err, "read the properties of the database")
	}
	if err := r.checkRights(ctx); err != nil {
		return err
	}
	if err := r.checkTypes(ctx); err != nil {
		return err
	}
	if err := r.checkPublications(ctx); err != nil {
		return err
	}
	return r.checkRoom(ctx)
}

func (r *rescuing) checkRights(ctx context.Context) error {
	var may, there bool
	err := r.conn.QueryRow(ctx, `SELECT has_database_privilege(current_database(), 'CREATE'), EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)`,
		r.plan.Schema).Scan(&may, &there)
	switch {
	case err != nil:
		return serverFailure(ctx, err, "read the rights of the database's user")
	case !may:
		return refusal([]want{{fmt.Sprintf("User %s may not create a schema in the database %s.", ident(r.me.name), ident(r.live.name)),
			fmt.Sprintf("GRANT CREATE ON DATABASE %s TO %s;", ident(r.live.name), ident(r.me.name))}})
	case there:
		return &backup.Error{Code: backup.CodeUnsupported, Text: fmt.Sprintf("The database has a schema named %s already, which this rescue has not made.", ident(r.plan.Schema)),
			Hint: "Nothing was changed. Find out whose it is, and start the restore again: it gets another name."}
	}
	return nil
}

// checkPublications warns where others are told of every table's rows: those of the rescue are sent to them, too.
func (r *rescuing) checkPublications(ctx context.Context) error {
	names, err := queryStrings(ctx, r.conn, `SELECT quote_ident(pubname) FROM pg_publication WHERE puballtables ORDER BY 1`)
	if err != nil {
		return serverFailure(ctx, err, "read the publications of the database")
	}
	if len(names) > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("The database publishes all of its tables (%s), so the rescued rows are published, too: a subscriber that has no such tables stops there.",
			some(names)))
	}
	return nil
}

func (r *rescuing) checkRoom(ctx context.Context) error {
	var need int64
	for _, t := range r.plan.Tables {
		need += t.Bytes + rowOverhead*t.Rows
	}
	warning, err := checkRoom(ctx, r.conn, r.t, demand{what: "rescue", bytes: need, tablespace: r.live.tablespace, user: r.me.name})
	if warning != "" {
		r.warnings = append(r.warnings, warning)
	}
	return err
}

// create begins the transaction. Rights on the schema that live's default privileges give to others are taken: they were meant for other
// schemas, and its tables may be of those whose rows not everybody is to see.
func (r *rescuing) create(ctx context.Context) error {
	schema := ident(r.plan.Schema)
	for _, sql := range []string{
		"BEGIN", "SET LOCAL lock_timeout = " + literal(rescueLockWait),
		"CREATE SCHEMA " + schema,
		fmt.Sprintf("COMMENT ON SCHEMA %s IS %s", schema, literal(r.plan.Comment)),
	} {
		if _, err := r.conn.Exec(ctx, sql); err != nil {
			return serverFailure(ctx, err, "make a schema for the rescued tables")
		}
	}
	revoke, err := queryStrings(ctx, r.conn, `SELECT DISTINCT format('REVOKE ALL ON SCHEMA %I FROM %s', nspname, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)
		FROM pg_namespace, aclexplode(nspacl) a WHERE nspname = $1 AND a.grantee <> nspowner`, r.plan.Schema)
	if err != nil {
		return serverFailure(ctx, err, "read the rights on the schema for the rescued tables")
	}
	for _, sql := range revoke {
		if _, err := r.conn.Exec(ctx, sql); err != nil {
			return serverFailure(ctx, err, "take the rights on the schema for the rescued tables")
		}
	}
	return nil
}

// encoding is that of the names and the rows.
func (r *rescuing) encoding() string {
	if r.plan.Encoding == "" {
		return "UTF8"
	}
	return r.plan.Encoding
}

// Verify counts what is there now.
func (r *rescuing) Verify(ctx context.Context, report func(backup.Progress)) ([]backup.RescuedTable, error) {
	progress := newMeter(backup.Progress{TablesTotal: len(r.plan.Tables)}, report)
	tables := slices.Clone(r.plan.Tables)
	for i := range tables {
		t := &tables[i]
		progress.note(func(p *backup.Progress) { p.Table = t.Name() })
		var n int64
		if err := r.conn.QueryRow(ctx, "SELECT count(*) FROM ONLY "+ident(r.plan.Schema, t.As)).Scan(&n); err != nil {
			return nil, serverFailure(ctx, err, "count the rows of "+t.Name())
		}
		if n != t.Rows {
			return nil, otherCount(*t, "the rescued table has", n)
		}
		var err error
		if t.BringBack, err = bringBack(ctx, r.conn, r.plan.Schema, *t); err != nil {
			return nil, serverFailure(ctx, err, "compare "+t.Name()+" with the rescued table")
		}
		progress.note(func(p *backup.Progress) { p.TablesDone, p.Rows = p.TablesDone+1, p.Rows+n })
	}
	progress.finish()
	return tables, nil
}

// Commit ends the transaction. It is not stopped half-way by ctx: once the statement is sent, its outcome has to be known.
func (r *rescuing) Commit(ctx context.Context, confirm func(context.Context) error) error {
	if err := confirm(ctx); err != nil {
		return fmt.Errorf("confirm the rescue: %w", err)
	}
	firm, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeTime)
	defer cancel()
	pid := r.conn.PgConn().PID()
	tag, err := r.conn.Exec(firm, "COMMIT")
	switch {
	case err == nil && tag.String() == "COMMIT":
		r.e.log.InfoContext(ctx, "tables rescued", "restore", r.a.Job, "attempt", r.a.Number, "schema", r.plan.Schema, "tables", len(r.plan.Tables))
		return nil
	case err == nil:
		return fmt.Errorf("commit the rescue: the server has answered %s", tag)
	case lost(err):
		// No answer. Whether the transaction was committed stands in the server.
		err = r.resolve(firm, pid, err)
	}
	if err != nil {
		return serverFailure(firm, err, "commit the rescued tables")
	}
	return nil
}

// resolve finds out what became of a commit whose answer was lost. nil means that the schema is there.
func (r *rescuing) resolve(ctx context.Context, pid uint32, lostErr error) error {
	r.Discard(ctx)
	conn, err := r.e.connect(ctx, r.t, r.a, secretLogin(r.t, r.t.Credentials.DBName))
	if err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	defer closing(ctx, conn)
	there := false
	if err = awaitEnd(ctx, conn, pid, r.a); err == nil {
		there, err = findRescue(ctx, conn, r.plan.Rescue)
	}
	if err != nil {
		return fmt.Errorf("%w; and asking what became of it: %v", lostErr, err)
	}
	if !there {
		return lostErr
	}
	return nil
}

// Discard ends the session, and with it what was not committed.
func (r *rescuing) Discard(ctx context.Context) {
	closing(ctx, r.conn)
	r.conn = nil
}

// FindRescue ends other attempts' sessions first: one of them might be about to commit.
func (e *Engine) FindRescue(ctx context.Context, t backup.Target, a backup.Attempt, p backup.Rescue) (tables []backup.RescuedTable, found bool, err error) {
	conn, err := e.connect(ctx, t, a, secretLogin(t, t.Credentials.DBName))
	if err != nil {
		return nil, false, err
	}
	defer closing(ctx, conn)
	if err := endAttempts(ctx, conn, t, a); err != nil {
		return nil, false, err
	}
	if found, err = findRescue(ctx, conn, p); err != nil {
		return nil, false, serverFailure(ctx, err, "look for the rescued tables")
	}
	if !found {
		return nil, false, nil
	}
	tables = slices.Clone(p.Tables)
	for i := range tables {
		if tables[i].BringBack, err = bringBack(ctx, conn, p.Schema, tables[i]); err != nil {
			return nil, false, serverFailure(ctx, err, "compare "+tables[i].Name()+" with the rescued table")
		}
	}
	return tables, true, nil
}

// findRescue looks for a rescue's schema. Its comment was given in the transaction of its tables: all of it is there, or nothing.
func findRescue(ctx context.Context, conn *pgx.Conn, p backup.Rescue) (there bool, err error) {
	err = conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1 AND obj_description(oid, 'pg_namespace') = $2)`, p.Schema, p.Comment).Scan(&there)
	return there, err
}

// awaitEnd ends a session of ours and waits until it is gone: as long as it is there it may still commit.
func awaitEnd(ctx context.Context, conn *pgx.Conn, pid uint32, a backup.Attempt) error {
	return waitUntil(ctx, func() (bool, error) {
		var there bool
		err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND application_name = $2)`,
			pid, applicationName(a)).Scan(&there)
		return !there, err
	})
}
