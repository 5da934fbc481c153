package postgres

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// moment is a column that can tell when a row came to be.
type moment struct {
	table   tableName
	column  string
	kind    string // timestamptz, timestamp or date
	notNull bool
	indexed bool // an index begins with it, so that its end is found at once
	forced  bool // row level security holds for the owner too
	bytes   int64
}

// moments are the candidates of all tables. Their sizes are those that ANALYZE found, as it has done in the copy: asking for the size
// of a table waits for whoever has it locked.
const moments = `SELECT n.nspname::text, c.relname::text, a.attname::text, t.typname::text, a.attnotnull,
	EXISTS (SELECT FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = x.relam
		WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indpred IS NULL AND i.indisvalid AND m.amname = 'btree'),
	c.relforcerowsecurity, c.relpages::int8 * pg_catalog.current_setting('block_size')::int8
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname IN ('timestamptz', 'timestamp', 'date')
	WHERE ` + userTables + ` ORDER BY n.nspname, c.relname, a.attnum`

// Names by which people call the time at which a row was made, changed, or happened, and those of other times, which tell nothing
// about how new a row is.
var (
	madeName    = regexp.MustCompile(`(?i)^(date_?|time_?|ts_?)?(created?|inserted|added|made|entered|registered|joined|submitted|received|posted|logged|recorded)(_?(at|on|date|time|ts|timestamp|datetime|utc))*$`)
	changedName = regexp.MustCompile(`(?i)^(date_?|time_?|ts_?|last_?)*(updated?|modified|changed|edited|modification|write|touched)(_?(at|on|date|time|ts|timestamp|datetime|utc))*$`)
	happened    = regexp.MustCompile(`(?i)^(ts|at|on|date|day|time|timestamp|datetime|when|event_?(at|on|date|time)|[a-z_]*_(at|on|ts))$`)
	unfitName   = regexp.MustCompile(`(?i)(birth|born|dob|death|expir|due|until|valid|deadline|sched|planned|next|end(s|ed)?(_|$)|start|from(_|$)|to(_|$)|begin|delet|remov|archiv|hire|term|effective|reset|remind|holiday)`)
)

// rank is how well a column's name tells the age of its row: the lower the better, 0 not at all.
func (m moment) rank() int {
	switch {
	case unfitName.MatchString(m.column):
		return 0
	case madeName.MatchString(m.column):
		return 1
	case changedName.MatchString(m.column):
		return 2
	case happened.MatchString(m.column):
		return 3
	case m.notNull && (m.indexed || m.kind != "date"):
		return 4
	}
	return 0
}

// largeTable is from how many bytes on a table is not read through for this. Counting its rows reads it once already, and that can
// often be done from an index.
const largeTable = 256 << 20

// bestMoments chooses a column for each table: the same of live and of the copy where both have the table.
func bestMoments(live, after []moment, largeTable int64) map[tableName]moment {
	type full struct {
		tableName
		column, kind string
	}
	inCopy, inLive := map[full]moment{}, map[tableName]bool{}
	copied := map[tableName]bool{}
	for _, m := range after {
		inCopy[full{m.table, m.column, m.kind}] = m
		copied[m.table] = true
	}
	best := map[tableName]moment{}
	consider := func(m moment) {
		if m.rank() == 0 || m.bytes > largeTable && !m.indexed {
			return
		}
		if b, ok := best[m.table]; !ok || better(m, b) {
			best[m.table] = m
		}
	}
	for _, m := range live {
		inLive[m.table] = true
		other, both := inCopy[full{m.table, m.column, m.kind}]
		if both {
			m.forced, m.indexed, m.bytes = other.forced, m.indexed && other.indexed, max(m.bytes, other.bytes)
		}
		if both || !copied[m.table] {
			consider(m)
		}
	}
	for _, m := range after {
		if !inLive[m.table] {
			consider(m)
		}
	}
	return best
}

func better(a, b moment) bool {
	score := func(m moment) (n int) {
		if !m.indexed {
			n += 2
		}
		if !m.notNull {
			n++
		}
		return n
	}
	return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(score(a), score(b))) < 0
}

// finite leaves out the two infinities, which stand for "for ever" and are no row's age.
func (m moment) finite() string {
	c := ident(m.column)
	return fmt.Sprintf("%[1]s < 'infinity'::pg_catalog.%[2]s AND %[1]s > '-infinity'::pg_catalog.%[2]s", c, m.kind)
}

// newestQuery asks for the newest value such that an index on the column answers it at once.
func (m moment) newestQuery() string {
	c := ident(m.column)
	return fmt.Sprintf("SELECT %[1]s::pg_catalog.text FROM ONLY %[2]s WHERE %[3]s ORDER BY %[1]s DESC LIMIT 1", c, m.table.quoted(), m.finite())
}

// after is the condition for rows that come after the newest of the copy; all where that has none.
func (m moment) after(newest string) string {
	if newest == "" {
		return m.finite()
	}
	return fmt.Sprintf("%s AND %s > %s::pg_catalog.%s", m.finite(), ident(m.column), literal(newest), m.kind)
}

// newestTime is how long all these questions may take, and newestEach a single one: a report is not worth a slow database.
const (
	newestTime = time.Minute
	newestEach = 5 * time.Second
)

// newestOfCopy reads the newest values of the copy's tables as the loader. A table that it could not tell is left out. Row level
// security that holds for the owner too is lifted for the moment of the question, or rows would be hidden.
func (s *staged) newestOfCopy(ctx context.Context, best map[tableName]moment) (map[tableName]string, error) {
	newest := map[tableName]string{}
	if err := s.exec(ctx, fmt.Sprintf("SET statement_timeout = %d", newestEach.Milliseconds())); err != nil {
		return nil, serverFailure(ctx, err, "read the newest rows of the copy")
	}
	began := time.Now()
	for _, t := range s.counted {
		m, ok := best[nameOf(t)]
		if !ok || time.Since(began) > newestTime {
			continue
		}
		before, behind := "", ""
		if m.forced {
			before, behind = "ALTER TABLE "+ident(t.Schema, t.Table)+" NO FORCE ROW LEVEL SECURITY", "ROLLBACK"
		}
		rows, err := s.within(ctx, before, m.newestQuery(), behind)
		if err != nil && (ctx.Err() != nil || lost(err)) {
			return nil, serverFailure(ctx, err, "read the newest row of "+t.Name())
		}
		if err != nil {
			continue
		}
		newest[nameOf(t)] = ""
		if len(rows) > 0 {
			newest[nameOf(t)] = rows[0][0]
		}
	}
	if err := s.exec(ctx, "SET statement_timeout = 0"); err != nil {
		return nil, serverFailure(ctx, err, "read the newest rows of the copy")
	}
	return newest, nil
}

// within asks the copy one thing, in a transaction that is rolled back where there is something to do before.
func (s *staged) within(ctx context.Context, before, query, behind string) (rows [][]string, err error) {
	if before == "" {
		return s.query(ctx, query)
	}
	if err := s.exec(ctx, "BEGIN"); err != nil {
		return nil, err
	}
	if err = s.exec(ctx, before); err == nil {
		rows, err = s.query(ctx, query)
	}
	if berr := s.exec(ctx, behind); berr != nil {
		return nil, berr
	}
	return rows, err
}

// momentsOfCopy lists the candidates of the copy.
func (s *staged) momentsOfCopy(ctx context.Context) ([]moment, error) {
	rows, err := s.query(ctx, moments)
	if err != nil {
		return nil, err
	}
	list := make([]moment, 0, len(rows))
	for _, r := range rows {
		m := moment{table: tableName{r[0], r[1]}, column: r[2], kind: r[3], notNull: r[4] == "t", indexed: r[5] == "t", forced: r[6] == "t"}
		_, _ = fmt.Sscan(r[7], &m.bytes) // a size is always a number; without it the table counts as small
		list = append(list, m)
	}
	return list, nil
}

func momentsOfLive(ctx context.Context, conn *pgx.Conn) ([]moment, error) {
	rows, err := conn.Query(ctx, moments)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (m moment, err error) {
		err = row.Scan(&m.table.schema, &m.table.table, &m.column, &m.kind, &m.notNull, &m.indexed, &m.forced, &m.bytes)
		return m, err
	})
}

// liveTables counts live's tables and finds their newest rows, as the secret's role.
type liveTables struct {
	conn   *pgx.Conn
	large  int64 // bytes from which on a table is not read through
	best   map[tableName]moment
	newest map[tableName]string // of the copy
	spent  time.Duration        // on newest rows of large tables
}

// count fills in what live has of a table. A small one is read once for all of it.
func (l *liveTables) count(ctx context.Context, c *backup.TableChange) (err error) {
	name := tableName{c.Schema, c.Table}
	m, fit := l.best[name]
	newest, told := l.newest[name]
	fit = fit && (told || c.After < 0)
	if fit && m.bytes <= l.large {
		ok, err := l.countSmall(ctx, c, m, newest)
		if ok || err != nil {
			return err
		}
	}
	if c.Live, err = countLive(ctx, l.conn, name); err != nil || c.Live < 0 || !fit || m.bytes <= l.large || l.spent > newestTime {
		return err
	}
	return l.newestOfLarge(ctx, c, m, newest)
}

// countSmall is false where the server does not let us ask all of it.
func (l *liveTables) countSmall(ctx context.Context, c *backup.TableChange, m moment, newest string) (bool, error) {
	var text *string
	err := l.conn.QueryRow(ctx, fmt.Sprintf("SELECT count(*), (max(%[1]s) FILTER (WHERE %[2]s))::text, count(*) FILTER (WHERE %[3]s) FROM ONLY %[4]s",
		ident(m.column), m.finite(), m.after(newest), ident(c.Schema, c.Table))).Scan(&c.Live, &text, &c.NewerInLive)
	if err != nil {
		c.Live, c.NewerInLive = -1, 0
		if ctx.Err() != nil || lost(err) {
			return false, serverFailure(ctx, err, "count the rows of "+c.Schema+"."+c.Table)
		}
		// Locked: waiting once more would be in vain.
		return sqlState(err) == lockNotAvailable, nil
	}
	l.tell(c, m, text, newest)
	return true, nil
}

// newestOfLarge asks by the index, and not for long.
func (l *liveTables) newestOfLarge(ctx context.Context, c *backup.TableChange, m moment, newest string) error {
	defer func(began time.Time) { l.spent += time.Since(began) }(time.Now())
	var text *string
	var newer int64
	err := pgx.BeginFunc(ctx, l.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL statement_timeout = %d", newestEach.Milliseconds())); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT ("+m.newestQuery()+")").Scan(&text); err != nil {
			return err
		}
		return tx.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM ONLY %s WHERE %s", ident(c.Schema, c.Table), m.after(newest))).Scan(&newer)
	})
	if err != nil && (ctx.Err() != nil || lost(err)) {
		return serverFailure(ctx, err, "read the newest row of "+c.Schema+"."+c.Table)
	}
	if err == nil {
		c.NewerInLive = newer
		l.tell(c, m, text, newest)
	}
	return nil
}

func (l *liveTables) tell(c *backup.TableChange, m moment, live *string, newest string) {
	c.Column, c.NewestAfter = m.column, newest
	if live != nil {
		c.NewestLive = *live
	}
	if c.After < 0 {
		c.NewerInLive = 0 // there is nothing that they could be newer than
	}
}

// ofCopyOnly tells the newest rows of tables that live does not have.
func (l *liveTables) ofCopyOnly(changes map[tableName]*backup.TableChange, found []tableName) {
	inLive := make(map[tableName]bool, len(found))
	for _, name := range found {
		inLive[name] = true
	}
	for name, c := range changes {
		if text, ok := l.newest[name]; ok && !inLive[name] {
			c.Column, c.NewestAfter = l.best[name].column, text
		}
	}
}
