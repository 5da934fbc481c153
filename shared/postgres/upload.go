package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// What somebody uploads is a stranger's program. What stands in it in the open is judged before it is run; what hides in a DO block,
// a function, a default or an index runs with the rights of a login that has none but on the copy.

// uploaded reports whether the file is not one of our own.
func (s *staged) uploaded() bool { return s.need.Inspection != nil }

// unproven reports whether the file may end without an end mark, as its inspection found it.
func (s *staged) unproven() bool {
	return s.uploaded() && s.need.Inspection.Completeness != backup.Proven
}

// unforeseeable reports whether the order may matter in which the file fills its tables: it is no dump that fills them by COPY and does
// nothing else to rows.
func (s *staged) unforeseeable() bool {
	return s.unproven() || s.uploaded() && s.need.Inspection.RowsInexact > 0
}

// remedy is what to do about a file that has something which it should not have, as a hint says it.
func (s *staged) remedy() string {
	if s.uploaded() {
		return "Take it out of the file and upload the file again."
	}
	return "Restore a backup that was made here."
}

// another is what to do about a file that is spoilt.
func (s *staged) another() string {
	if s.uploaded() {
		return "upload it again."
	}
	return "restore another backup."
}

// refusalCode is how a file fails that has what must not be run.
func (s *staged) refusalCode() backup.Code {
	if s.uploaded() {
		return backup.CodeDangerous
	}
	return backup.CodeLoadFailed
}

// searchPath is that of the loader's session. A script may rely on a new session's own; a dump names every schema, and our own
// queries must mean what they say whatever the file has made.
func (s *staged) searchPath() string {
	if s.uploaded() && !s.file.ended {
		return `"$user", public`
	}
	return "pg_catalog"
}

// maxAnswer bounds a message of the server's to the loader. Nobody reads the rows that a script selects, and one of them can have
// a gigabyte.
const maxAnswer = 64 << 20

// script is what is kept of an upload while it is loaded.
type script struct {
	judge  *sqltext.Judge
	mighty map[string]bool // roles that get nothing of it
	batch  batch
	// What names mean, until the next statement that may change it.
	targets   map[tableName]target
	path      string
	pathKnown bool
	first     string // schema on the path
}

// filled is what an upload has put into tables, as far as it can be told from its text.
type filled struct {
	relations map[string]int64 // rows by the OID of what they were sent to
	texts     map[string]texts // by the table's name, without its schema: a script need not name that
	inexact   bool             // by something that only the server knows, such as a view that takes rows
	drops     bool             // the file drops things
	unread    bool             // it may have rows that were not counted in its text
}

// texts are the rows of a table as the file's text has them.
type texts struct {
	rows   int64
	unsure bool
}

// target is what a name in the file stood for when rows were sent to it.
type target struct {
	oid, schema, table string
	kind               string
	temporary          bool
}

// begin prepares for an upload.
func (l *loading) begin(ctx context.Context) error {
	if !l.uploaded() {
		return nil
	}
	// Whoever owns a function that runs as its owner gives his rights to all who may call it.
	found, err := l.query(ctx, `SELECT r.rolname FROM pg_catalog.pg_roles r WHERE EXISTS (SELECT FROM pg_catalog.pg_roles m
		WHERE (m.rolsuper OR m.rolcreaterole OR m.rolreplication OR m.rolbypassrls OR m.rolname ~ '^pg_') AND pg_catalog.pg_has_role(r.oid, m.oid, 'MEMBER'))`)
	if err != nil {
		return serverFailure(ctx, err, "read the roles of the server")
	}
	l.script = &script{judge: sqltext.NewJudge(), mighty: map[string]bool{}, targets: map[tableName]target{}}
	for _, r := range found {
		l.script.mighty[r[0]] = true
	}
	l.file.filled = filled{relations: map[string]int64{}, texts: map[string]texts{}}
	return nil
}

// scriptItem asks the judge about an item of an upload. done says that nothing is left to do about it.
func (l *loading) scriptItem(ctx context.Context, item sqltext.Item) (done bool, err error) {
	ruling := l.script.judge.Rule(item)
	if h := ruling.Hazard; h != nil {
		return true, dangerous(h)
	}
	if ruling.Ignore != "" {
		l.skip(item.Line, string(item.Text), ruling.Ignore)
		return true, nil
	}
	if item.Kind == sqltext.Statement {
		if in, ok := parseInsert(item); ok {
			return true, l.insert(ctx, item, in)
		}
	}
	if err := l.flush(ctx); err != nil {
		return true, err
	}
	if item.Kind == sqltext.Statement {
		clear(l.script.targets)
		l.script.pathKnown = false
	}
	return false, nil
}

func dangerous(h *backup.Hazard) error {
	return &backup.Error{Code: backup.CodeDangerous, Hint: h.Hint, Text: fmt.Sprintf("Line %d must not be run: %s (%s)", h.Line, h.Text, h.Why)}
}

// learnScript keeps what only an upload does.
func (l *loading) learnScript(p phrase) {
	switch {
	case p.begins("rollback"):
		l.file.filled.inexact = true // to a savepoint: what came after it is gone
	case p.begins("alter", "table") && p.count("detach", "partition") > 0:
		l.file.filled.inexact = true // its rows were counted with the whole
	case p.begins("drop"):
		l.file.filled.drops = true
	case p.is(0, "with", "execute", "explain"):
		l.file.filled.unread = true // it may hold an INSERT
	}
}

// resolve finds what a name stands for at this moment. The zero target means that it can't be told.
func (l *loading) resolve(ctx context.Context, name tableName) (target, error) {
	if l.script == nil {
		return target{}, nil
	}
	if known, ok := l.script.targets[name]; ok {
		return known, nil
	}
	names := []string{name.schema, name.table}
	if name.schema == "" {
		names = names[1:]
	}
	// The file may have made operators and types of its own that are found first.
	found, err := l.query(ctx, `SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
		WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(`+literal(ident(names...))+`)`)
	if err != nil {
		return target{}, serverFailure(ctx, err, "find the table "+strings.Join(names, "."))
	}
	var t target
	if len(found) == 1 && len(found[0]) == 5 {
		f := found[0]
		t = target{oid: f[0], schema: f[1], table: f[2], kind: f[3], temporary: f[4] == "t"}
	}
	l.script.targets[name] = t
	return t, nil
}

// took notes rows that the server has confirmed. text is how many the file has of them; exact says that it must be as many.
func (l *loading) took(into target, rows backup.TableRows, text int64, exact bool) {
	if l.script == nil {
		l.file.tables.add(rows)
		return
	}
	f := &l.file.filled
	l.file.sequences = nil // rows that come later may take values of sequences that were set before
	if into.oid != "" {
		rows.Schema, rows.Table = into.schema, into.table
	}
	switch {
	case into.oid == "", into.kind != "r" && into.kind != "p":
		f.inexact = true
	case into.temporary:
		return // it went with the script's session
	default:
		f.relations[into.oid] += rows.Rows
		t := f.texts[rows.Table]
		f.texts[rows.Table] = texts{rows: t.rows + text, unsure: t.unsure || !exact}
	}
	l.file.tables.add(rows)
}

// searchPath is the session's at this moment, as SET takes it; "" for a backup, in which every name is whole.
func (l *loading) searchPath(ctx context.Context) (string, error) {
	if l.script == nil {
		return "", nil
	}
	if l.script.pathKnown {
		return l.script.path, nil
	}
	if err := l.settle(); err != nil {
		return "", err
	}
	found, err := l.query(ctx, `SELECT s FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) s`)
	if err != nil {
		return "", serverFailure(ctx, err, "read the script's search_path")
	}
	var names []string
	first := ""
	for _, f := range found {
		if !strings.HasPrefix(f[0], "pg_") {
			names, first = append(names, ident(f[0])), cmp.Or(first, f[0])
		}
	}
	l.script.path, l.script.pathKnown, l.script.first = "pg_catalog", true, first
	if len(names) > 0 {
		l.script.path = strings.Join(names, ", ")
	}
	return l.script.path, nil
}

// endScript leaves the script's session, with all that it may have set, for a new one in which the copy is verified.
func (l *loading) endScript(ctx context.Context) error {
	l.dismiss(ctx)
	if err := l.refuseChangedLogin(ctx); err != nil {
		return err
	}
	if err := l.exec(ctx, "DISCARD ALL"); err != nil { // its temporary tables are gone when this returns
		return serverFailure(ctx, err, "end the script's session")
	}
	l.logOut(ctx)
	l.file.ended = true
	if err := l.logIn(ctx); err != nil {
		return err
	}
	behind, err := l.sequencesBehind(ctx)
	for _, b := range behind {
		l.skip(0, "setval of "+b.sequence, fmt.Sprintf("not in the file: the sequence is behind the keys of %s, so the next row may fail", b.table))
	}
	return err
}

// refuseOwner refuses an upload for a database whose owner is a superuser: what the file puts into an index or a default is run by the
// server itself as the table's owner, after the switch.
func refuseOwner(ctx context.Context, conn *pgx.Conn, l live, me self) error {
	var super bool
	if err := conn.QueryRow(ctx, `SELECT rolsuper FROM pg_roles WHERE rolname = $1`, l.owner).Scan(&super); err != nil {
		return serverFailure(ctx, err, "read the rights of the database's owner")
	}
	if !super {
		return nil
	}
	owner := "…"
	if !me.super {
		owner = ident(me.name)
	}
	return &backup.Error{Code: backup.CodePermission,
		Text: fmt.Sprintf("The database belongs to the superuser %s, as which code of an uploaded file would be run after the switch.", ident(l.owner)),
		Hint: fmt.Sprintf("Give it to a role that is nobody special, such as the application's: ALTER DATABASE %s OWNER TO %s;", ident(l.name), owner)}
}

// compareFilled compares an upload's text with what the server took and with what it counts now.
func (s *staged) compareFilled(ctx context.Context, want backup.Want) error {
	if !want.Exact {
		return nil // each COPY and INSERT was held to its own rows
	}
	f := s.file.filled
	wanted := map[string]int64{}
	for _, t := range want.Tables {
		wanted[t.Table] += t.Rows
	}
	for table := range f.texts {
		wanted[table] += 0
	}
	var wrong []string
	for table, n := range wanted {
		if t := f.texts[table]; t.rows != n && !t.unsure && !f.unread {
			wrong = append(wrong, fmt.Sprintf("%s: %d rows when the file was inspected, %d when it was loaded", table, n, t.rows))
		}
	}
	if !f.inexact {
		more, err := s.compareCounted(ctx)
		if err != nil {
			return err
		}
		wrong = append(wrong, more...)
	}
	return s.wrong(wrong)
}

// compareCounted compares the rows that were sent with those that are there, a partitioned table as a whole.
func (s *staged) compareCounted(ctx context.Context) (wrong []string, err error) {
	found, err := s.query(ctx, `SELECT c.oid, coalesce(pg_partition_root(c.oid)::oid, c.oid), n.nspname, c.relname, c.relkind = 'f' OR `+extensionMember+`
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f') ORDER BY 3, 4`)
	if err != nil {
		return nil, serverFailure(ctx, err, "list the copy's tables")
	}
	counted := map[tableName]int64{}
	for _, t := range s.counted {
		counted[nameOf(t)] = t.Rows
	}
	type tree struct {
		name      string
		sent, has int64
		elsewhere bool // rows of an extension's own, or on another server
	}
	trees, seen := map[string]*tree{}, map[string]bool{}
	for _, f := range found {
		seen[f[0]] = true
		t := trees[f[1]]
		if t == nil {
			t = &tree{}
			trees[f[1]] = t
		}
		if t.name == "" || f[0] == f[1] {
			t.name = f[2] + "." + f[3]
		}
		t.sent += s.file.filled.relations[f[0]]
		t.has += counted[tableName{f[2], f[3]}]
		t.elsewhere = t.elsewhere || f[4] == "t"
	}
	for _, t := range trees {
		if t.sent != t.has && !t.elsewhere {
			wrong = append(wrong, fmt.Sprintf("%s: %d rows in the file, %d in the copy", t.name, t.sent, t.has))
		}
	}
	for oid, n := range s.file.filled.relations {
		if !seen[oid] && n > 0 && !s.file.filled.drops {
			wrong = append(wrong, "a table with "+strconv.FormatInt(n, 10)+" rows in the file is not in the copy")
		}
	}
	return wrong, nil
}
