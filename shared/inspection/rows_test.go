package inspection_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/inspection"
)

// Rows are counted for each table from COPY and INSERT, and where the text can't tell them any more, that line is named.
func TestInspect_CountsRows(t *testing.T) {
	t.Parallel()
	const table = "CREATE TABLE t (a int);\n"
	const row = "INSERT INTO t VALUES (1);\n"
	for _, c := range []struct {
		text    string
		tables  string // schema.table=rows
		inexact int64
	}{
		{table, "public.t=0", 0},
		{table + row + row + row, "public.t=3", 0},
		{table + "INSERT INTO public.t VALUES (1), (2), (3);\n" + row, "public.t=4", 0},
		{table + "INSERT INTO t (a, b) VALUES (1, '),('), (2, E'\\'),('), (3, $$),($$), (4, \"),(\"), (5, (6)), (7, f(8, (9))) ;\n", "public.t=6", 0},
		{table + "INSERT INTO t (a) VALUES (1) , /* ,(2) */ (2), -- ,(3)\n (3) RETURNING a, (a);\n", "public.t=3", 0},
		{table + "INSERT INTO t DEFAULT VALUES;\nINSERT INTO t DEFAULT VALUES;\n", "public.t=2", 0},
		{table + "INSERT INTO t OVERRIDING SYSTEM VALUE VALUES (1), (2);\n", "public.t=2", 0},
		{table + "INSERT INTO t VALUES (1, ARRAY[1,2], ROW(1, 2), '{1,2}', -1.5e-7, 0x1F, NULL, true, (SELECT max(a) FROM t));\n", "public.t=1", 0},
		{table + "INSERT INTO t VALUES ('a'\n'b'), ('c' -- (\n 'd');\n", "public.t=2", 0},
		{"INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (1);\nINSERT INTO tt VALUES (1);\nINSERT INTO t(a) VALUES (1);\nINSERT INTO t\nVALUES (1);\n", "public.t=4 public.tt=1", 0},
		{"INSERT INTO \"T\" VALUES (1);\nINSERT INTO T VALUES (1);\nINSERT INTO \"a\"\"b\".\"c d\" VALUES (1);\n", "public.T=1 public.t=1 a\"b.c d=1", 0},
		{"INSERT INTO a VALUES (1);\nINSERT INTO a . b VALUES (1);\nINSERT INTO a.b VALUES (1);\n", "public.a=1 a.b=2", 0},
		{"COPY public.t (a) FROM stdin;\n1\n2\n\\.\nCOPY t FROM stdin;\n3\n\\.\nCOPY \"B\" FROM stdin;\n\\.\n", "public.t=3 public.B=0", 0},
		{"SET search_path = s, public;\nCREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\nSET search_path TO DEFAULT;\nINSERT INTO t VALUES (1);\n", "s.t=1 public.t=1", 0},
		{"CREATE TABLE public.t (a int);\nSET search_path = s, public;\nINSERT INTO t VALUES (1);\nCREATE TABLE s.t (a int);\nINSERT INTO t VALUES (1);\n", "public.t=1 s.t=1", 0},
		{"SELECT pg_catalog.set_config('search_path', 'A, \"B\"', false);\nINSERT INTO t VALUES (1);\nSET SCHEMA 'c';\nINSERT INTO t VALUES (1);\n", "a.t=1 c.t=1", 0},
		{"DROP TABLE IF EXISTS t;\n" + table + row, "public.t=1", 0},
		{table + "DROP TABLE t;\n", "", 0},
		{table + "TRUNCATE t;\nDELETE FROM t;\n" + row, "public.t=1", 0},
		{"BEGIN;\nSELECT pg_catalog.lo_open('1', 131072);\nSELECT pg_catalog.lowrite(0, '\\x00');\nSELECT pg_catalog.lo_close(0);\nCOMMIT;\n", "", 0},
		{table + row + "SELECT setval(pg_get_serial_sequence('t', 'a'), coalesce(max(a), 1)) FROM t;\n", "public.t=1", 0},
		{table + row + "CREATE TRIGGER x AFTER INSERT ON t EXECUTE FUNCTION f();\n", "public.t=1", 0},
		{"COPY t (a) FROM stdin WITH (FREEZE, DELIMITER ',', NULL '');\n1\n\\.\n", "public.t=1", 0},

		{table + row + "UPDATE t SET a = 2;\n", "public.t=1", 3},
		{table + row + "DELETE FROM t;\nDELETE FROM t;\n", "public.t=1", 3},
		{table + row + "TRUNCATE t;\n", "public.t=1", 3},
		{table + row + "MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE;\n", "public.t=1", 3},
		{table + row + "DROP TABLE t;\n", "", 3},
		{table + row + "DROP SCHEMA s CASCADE;\n", "public.t=1", 3},
		{table + row + "ALTER TABLE t RENAME TO u;\n", "public.t=1", 3},
		{table + row + "ALTER TABLE t SET SCHEMA s;\n", "public.t=1", 3},
		{table + "INSERT INTO t SELECT 1;\n", "public.t=0", 2},
		{table + "INSERT INTO t (a) (SELECT 1);\n", "public.t=0", 2},
		{table + "INSERT INTO t TABLE u;\n", "public.t=0", 2},
		{table + "INSERT INTO t WITH a AS (VALUES (1)) SELECT * FROM a;\n", "public.t=0", 2},
		{table + "INSERT INTO t VALUES (1), (2) ON CONFLICT DO NOTHING;\n", "public.t=2", 2},
		{table + "INSERT INTO t VALUES (1) RETURNING a ON CONFLICT;\n", "public.t=1", 2},
		{table + "INSERT INTO t VALUES (1) UNION VALUES (1);\n", "public.t=1", 2},
		{table + "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a;\n", "public.t=0", 2},
		{table + "DO $$ BEGIN INSERT INTO t VALUES (1); END $$;\n", "public.t=0", 2},
		{table + "CALL fill();\n", "public.t=0", 2},
		{table + "SELECT fill();\n", "public.t=0", 2},
		{table + "SELECT x.setval('a', 1);\n", "public.t=0", 2},
		{"CREATE TABLE t AS SELECT 1;\n", "public.t=0", 1},
		{"SELECT 1 INTO t;\n", "", 1},
		{table + "CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f();\nSELECT 1;\n" + row, "public.t=1", 2},
		{table + "CREATE RULE r AS ON INSERT TO t DO INSTEAD NOTHING;\nCOPY t FROM stdin;\n1\n\\.\n", "public.t=1", 2},
		{"CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'x';\n" + table + row + "INSERT INTO t VALUES (f(1));\n", "public.t=2", 4},
		{"CREATE TABLE t (a int) PARTITION BY RANGE (a);\nCREATE TABLE u PARTITION OF t DEFAULT;\nCOPY u FROM stdin;\n1\n\\.\n", "public.t=0 public.u=1", 0},
		{"CREATE TABLE t (a int) PARTITION BY RANGE (a);\nCREATE TABLE u PARTITION OF t DEFAULT;\nCOPY t FROM stdin;\n1\n\\.\n", "public.t=1 public.u=0", 3},
		{"CREATE VIEW v AS SELECT 1;\nINSERT INTO v VALUES (1);\n", "", 2},
		{"CREATE TEMP TABLE t (a int);\nINSERT INTO t VALUES (1);\n", "", 2},
		{"COPY t FROM stdin WITH (FORMAT csv);\n1\n\\.\n", "public.t=1", 1},
		{"COPY t FROM stdin CSV HEADER;\na\n1\n\\.\n", "public.t=2", 1},
		{"COPY t FROM stdin WHERE a > 1;\n1\n\\.\n", "public.t=1", 1},
		{"COPY t FROM stdin (ON_ERROR ignore);\n1\n\\.\n", "public.t=1", 1},
		{"COPY t FROM stdin (FORMAT 'csv');\n1\n\\.\n", "public.t=1", 1},
	} {
		for _, n := range []int{1, 2, 3, 5, 8, 13, 1 << 20} {
			found, err := inspect(pieces{strings.NewReader(c.text), n})
			var tables []string
			for _, r := range found.Inspection.Tables {
				tables = append(tables, fmt.Sprintf("%s.%s=%d", r.Schema, r.Table, r.Rows))
			}
			if got := strings.Join(tables, " "); err != nil || got != c.tables || found.Inspection.RowsInexact != c.inexact {
				t.Fatalf("%q in pieces of %d: %v: %s, inexact from line %d; want %s, %d", c.text, n, err, got, found.Inspection.RowsInexact, c.tables, c.inexact)
			}
		}
	}
}

// Statements are counted by kind, and progress is told.
func TestInspect_CountsStatements(t *testing.T) {
	t.Parallel()
	text := "SET a = 1;\nCREATE EXTENSION IF NOT EXISTS \"hstore\";\nCREATE EXTENSION hstore;\nCREATE UNIQUE INDEX i ON t (a);\nINSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n" +
		"COPY t FROM stdin;\n1\n\\.\nCOMMENT ON TABLE t IS 'x';\nSET b = 2;\nnonsense;\n"
	var last backup.Progress
	found, err := inspection.Inspect(context.Background(), strings.NewReader(text), backup.Postgres, inspection.Limits{}, func(p backup.Progress) { last = p })
	if err != nil {
		t.Fatal(err)
	}
	f := found.Inspection
	want := "map[COMMENT ON TABLE:1 COPY:1 CREATE EXTENSION:2 CREATE UNIQUE INDEX:1 INSERT:2 OTHER:1 SET:2]"
	if got := fmt.Sprint(f.Statements); got != want || f.Lines != 12 || f.SQLBytes != int64(len(text)) || fmt.Sprint(f.Extensions) != "[hstore]" {
		t.Errorf("found %+v", f)
	}
	if last.Bytes == 0 {
		t.Error("no progress was reported")
	}
}
