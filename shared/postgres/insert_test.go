package postgres

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/backup-restore/backup-restore/shared/sqltext"
)

// oneItem is the only item of a text.
func oneItem(t *testing.T, text string) sqltext.Item {
	t.Helper()
	item, err := sqltext.NewScanner(strings.NewReader(text+";"), sqltext.Options{}).Next()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return item
}

func TestParseInsert(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"INSERT INTO t VALUES (1)":                                                                  ".t 1 true",
		"insert into S.\"T\" (a, b) values (1, (2)), ('),(', f(3, 4))":                              "s.T 2 true",
		"INSERT INTO t AS x (a) OVERRIDING SYSTEM VALUE VALUES (1),(2)":                             ".t 2 true",
		"INSERT INTO t DEFAULT VALUES":                                                              ".t 1 true",
		"INSERT INTO t VALUES (1) RETURNING (a), (b)":                                               ".t 1 true",
		"INSERT INTO t VALUES (1), (2) ON CONFLICT (a) DO UPDATE SET (a) = (SELECT 1) WHERE (true)": ".t 2 false",
		"INSERT INTO t VALUES (1) UNION VALUES (2), (3)":                                            ".t 1 false",
		"INSERT INTO t VALUES (1), (2) LIMIT (1)":                                                   ".t 2 false",
		"INSERT INTO t SELECT * FROM (VALUES (1), (2)) x":                                           ".t 0 false",
		"INSERT INTO t (SELECT 1)":                                                                  ".t 0 false",
		"INSERT INTO t WITH x AS (SELECT 1) VALUES (1), (2)":                                        ".t 2 false",
		"INSERT INTO values VALUES (1)":                                                             ".values 0 false",
		"INSERT t VALUES (1)":                                                                       "no",
		"WITH x AS (SELECT 1) INSERT INTO t VALUES (1)":                                             "no",
		"UPDATE t SET a = 1":                                                                        "no",
	} {
		got := "no"
		if in, ok := parseInsert(oneItem(t, text)); ok {
			got = fmt.Sprintf("%s.%s %d %v", in.into.schema, in.into.table, in.rows, in.exact)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestCulprit_IsFoundByWhatWasDoneOrByItsPlace(t *testing.T) {
	t.Parallel()
	sql := "INSERT 'ü';\nINSERT 'b';\nINSERT 'c';\n"
	list := []pending{{line: 1, begin: 0, end: 11}, {line: 2, begin: 13, end: 23}, {line: 3, begin: 25, end: 35}}
	for _, c := range []struct {
		position int32
		done     int
		line     int64
	}{{1, 0, 1}, {10, 0, 1}, {13, 0, 2}, {20, 0, 2}, {25, 0, 3}, {1000, 0, 1}, {0, 0, 1}, {0, 1, 2}, {20, 2, 3}, {0, 3, 3}} {
		if got := culprit(&pgconn.PgError{Position: c.position}, sql, list, c.done); got.line != c.line {
			t.Errorf("position %d, %d done: line %d, want %d", c.position, c.done, got.line, c.line)
		}
	}
	if got := culprit(errors.New("lost"), sql, list, 0); got.line != 1 {
		t.Errorf("line %d", got.line)
	}
}

func TestJudgeScript(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]action{
		"DO $$ BEGIN END $$": run, "CALL p()": run, "LOCK t": run, "EXECUTE p": run, "PREPARE p AS SELECT 1": run, "PREPARE TRANSACTION 'x'": refuse,
		"COMMIT PREPARED 'x'": refuse, "ROLLBACK PREPARED 'x'": refuse, "ROLLBACK": refuse, "ROLLBACK AND CHAIN": refuse, "ABORT": refuse, "ROLLBACK TO SAVEPOINT a": run, "COMMIT": run,
		"BEGIN": run, "LOAD 'x'": refuse, "SET ROLE x": refuse, "SET application_name = 'x'": skip, "SET LOCAL application_name = 'x'": skip, "RESET application_name": skip,
		"SET SESSION AUTHORIZATION 'x'": skip, "SET SESSION AUTHORIZATION 'app'": drop, "SET SESSION AUTHORIZATION DEFAULT": drop,
		"CREATE ROLE x": refuse, "ALTER SYSTEM SET a = 1": refuse, "GRANT app TO x": refuse, "GRANT SELECT ON t TO x": handOver, "COPY t TO PROGRAM 'x'": refuse,
		"ALTER TABLE t OWNER TO boss": skip, "ALTER TABLE t OWNER TO other": handOver, "ALTER TABLE t OWNER TO CURRENT_USER": drop, "ALTER TABLE t OWNER TO app": drop,
		"ALTER TABLE t DISABLE ROW LEVEL SECURITY": protect, "ALTER TABLE t NO FORCE ROW LEVEL SECURITY": protect, "REFRESH MATERIALIZED VIEW m": refresh,
	} {
		if got := judgeScript(parse(oneItem(t, text)), "app", map[string]bool{"boss": true}); got.action != want {
			t.Errorf("judgeScript(%q) = %d, want %d", text, got.action, want)
		}
	}
}
