package postgres

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
	"github.com/backup-restore/backup-restore/shared/sqltext"
)

func TestChoose_TakesTheServersMajorElseTheNextNewer(t *testing.T) {
	t.Parallel()
	have := []tool{{"/13", "13.20", 13, 20}, {"/15a", "15.3", 15, 3}, {"/15b", "15.18", 15, 18}, {"/17", "17.2", 17, 2}, {"/18", "18.0", 18, 0}}
	for version, want := range map[int]string{130005: "/13", 140001: "/15b", 150001: "/15b", 160000: "/17", 180001: "/18", 90600: "/13"} {
		if got, err := choose(have, server{version: version}); err != nil || got.path != want {
			t.Errorf("for %d: %s, %v; want %s", version, got.path, err, want)
		}
	}
	_, err := choose(have, server{version: 190000, text: "19.0"})
	var e *backup.Error
	if !errors.As(err, &e) || e.Code != backup.CodeToolTooOld || !strings.Contains(e.Text, "19.0") || !strings.Contains(e.Text, "18.0") {
		t.Errorf("for 19: %v", err)
	}
}

func TestSSLMode_IsOnlyLaxOnThisMachine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, set, want string }{
		{"db.eu-central-1.rds.amazonaws.com", "", "require"}, {"10.0.0.5", "", "require"}, {"localhost.example", "", "require"},
		{"127.0.0.1", "", "prefer"}, {"::1", "", "prefer"}, {"localhost", "", "prefer"}, {"/run/postgresql", "", "prefer"},
		{"127.0.0.1", "verify-full", "verify-full"}, {"10.0.0.5", "disable", "disable"},
	} {
		if got := sslMode(backup.Credentials{Host: c.host, SSLMode: c.set}); got != c.want {
			t.Errorf("sslMode(%q, %q) = %s, want %s", c.host, c.set, got, c.want)
		}
	}
}

func TestSettingValue_QuotesListsByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, value, want string }{
		{"work_mem", "8MB", "'8MB'"}, {"my.option", "a, b", "'a, b'"}, {"search_path", `"$user", public`, "'$user', 'public'"},
		{"search_path", `"a, ""b""", c ,"d"`, `'a, "b"', 'c', 'd'`}, {"Search_Path", `""`, "''"}, {"search_path", "", "''"}, {"log_line_prefix", `a\'b`, `E'a\\''b'`},
		{"search_path", `"open`, "'open'"},
	} {
		if got := settingValue(c.key, c.value); got != c.want {
			t.Errorf("settingValue(%q, %q) = %s, want %s", c.key, c.value, got, c.want)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]action{
		"SET statement_timeout = 0": run, "SET default_tablespace = ''": run, "SET default_tablespace = fast": skip, "SET ROLE x": refuse, "SET LOCAL ROLE x": refuse,
		"SET SESSION AUTHORIZATION x": drop, "RESET SESSION AUTHORIZATION": drop,
		"ALTER TABLE public.t OWNER TO app": drop, "ALTER SCHEMA public OWNER TO app": handOver, `ALTER TABLE public.t OWNER TO "App"`: handOver,
		"ALTER LARGE OBJECT 5 OWNER TO x": handOver, "ALTER TABLE owner RENAME TO app": run, "ALTER DEFAULT PRIVILEGES FOR ROLE app GRANT SELECT ON TABLES TO x": handOver,
		"ALTER TABLE public.t ENABLE ROW LEVEL SECURITY": protect, "ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY": protect,
		"ALTER SYSTEM SET a = 1": refuse, "ALTER DATABASE d SET a = 1": refuse, "CREATE DATABASE d": refuse, "DROP ROLE r": refuse, "DROP TABLE t": run,
		"CREATE TABLE database (a int)": run, "REFRESH MATERIALIZED VIEW v": refresh, "GRANT SELECT ON t TO x": handOver,
		"GRANT app TO x": refuse, `REVOKE "on" FROM x`: refuse, "GRANT ALL ON DATABASE live TO x": refuse, "GRANT SET ON PARAMETER work_mem TO x": refuse,
		"REVOKE ALL ON TABLESPACE fast FROM x": refuse, "GRANT SELECT(a),UPDATE(b) ON TABLE public.database TO x": handOver, "REVOKE ALL ON SCHEMA public FROM PUBLIC": handOver, "COMMENT ON DATABASE d IS 'x'": skip,
		"COMMENT ON TABLE t IS 'OWNER TO app'": run, "copy t from '/etc/passwd'": refuse, "CREATE ROLE x SUPERUSER": refuse, "CALL p()": refuse,
		"CREATE PUBLICATION p FOR TABLE t": run, "CREATE PUBLICATION p FOR ALL TABLES": skip, "": drop, "BEGIN": run, "ROLLBACK": refuse,
	} {
		var p phrase
		for token := range sqltext.Tokens([]byte(text)) {
			p = append(p, token)
		}
		if got := judge(p, "app"); got.action != want {
			t.Errorf("judge(%q) = %d, want %d", text, got.action, want)
		}
	}
}

func TestMeter_ForetellsTheEnd(t *testing.T) {
	t.Parallel()
	m := newMeter(backup.Progress{BytesTotal: 1000}, nil)
	now := m.began.Add(10 * time.Second)
	m.p.Bytes = 250
	if got := m.current(now).EndsAt.Sub(now); got < 28*time.Second || got > 31*time.Second {
		t.Errorf("a quarter took 10 s, and the rest is to take %v", got)
	}
	m.p.Bytes = 2000
	if p := m.current(now); p.BytesTotal != 2000 {
		t.Errorf("an estimate that was passed stays %d", p.BytesTotal)
	}
}

func TestMeter_ReportsAFewTimesASecond(t *testing.T) {
	t.Parallel()
	reports := 0
	m := newMeter(backup.Progress{}, func(backup.Progress) { reports++ })
	for range 10000 {
		m.note(func(p *backup.Progress) { p.Rows++ })
	}
	if reports != 1 {
		t.Errorf("%d reports", reports)
	}
}
