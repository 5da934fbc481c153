package postgres_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// inEncoding makes the test's database anew.
func (w *world) inEncoding(encoding string) {
	w.t.Helper()
	w.drop(w.name())
	w.exec(fmt.Sprintf("CREATE DATABASE %s OWNER %s TEMPLATE template0 ENCODING %s LC_COLLATE 'C' LC_CTYPE 'C'", ident(w.name()), ident(w.app), quote(encoding)))
}

func TestEngine_StageRefusesWhatTheFileNeedsAndTheServerLacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.role(w.app+"_restore", "LOGIN PASSWORD 'loads'")
	w.exec(fmt.Sprintf("GRANT %s TO %s", ident(w.app+"_restore"), ident(w.app)))
	db, app, loader := ident(w.name()), ident(w.app), ident(w.app+"_restore")
	upload := func(i backup.Inspection) backup.Need { return backup.Need{Inspection: &i} }
	login := func(c *backup.Credentials) { c.RestoreUsername, c.RestorePassword = w.app+"_restore", "loads" }
	cases := []struct {
		name  string
		setup func()
		alter func(*backup.Credentials)
		need  backup.Need
		code  backup.Code
		says  []string
	}{
		{"extensions that are not installed", nil, login, upload(backup.Inspection{Extensions: []string{"hstore", "postgis_topology", "no_such_thing"}}), backup.CodeUnsupported,
			[]string{": no_such_thing; postgis_topology", "-postgis-3", "-no-such-thing"}},
		{"an extension for superusers", nil, login, upload(backup.Inspection{Extensions: []string{"hstore", "pageinspect"}}), backup.CodePermission,
			[]string{": pageinspect.", "trusted", `CREATE EXTENSION "pageinspect";`}},
		{"an extension for superusers that live has", func() { w.in("CREATE EXTENSION pageinspect") }, login,
			upload(backup.Inspection{Extensions: []string{"pageinspect"}}), backup.CodePermission, []string{"pageinspect"}},
		{"an unknown encoding", func() { w.in("DROP EXTENSION pageinspect") }, login, upload(backup.Inspection{Encoding: "KLINGON"}), backup.CodeUnsupported, []string{"KLINGON", "UTF-8"}},
		{"an encoding that can't be converted", func() { w.inEncoding("LATIN1") }, login, upload(backup.Inspection{Encoding: "EUC_JP"}), backup.CodeUnsupported, []string{"EUC_JP", "LATIN1"}},
		{"no room for a backup", nil, func(c *backup.Credentials) { c.StorageBytes = 1 << 20 }, backup.Need{SQLBytes: 5 << 30, Tables: []backup.TableRows{{Rows: 1000}}}, backup.CodeDiskFull,
			[]string{"Of 1.0 MB", "about 5.4 GB", "too much", "br_…_kept"}},
		{"no room for an upload", nil, func(c *backup.Credentials) { login(c); c.StorageBytes = 1 << 30 }, upload(backup.Inspection{SQLBytes: 1 << 30, Tables: []backup.TableRows{{Rows: 1 << 24}}}),
			backup.CodeDiskFull, []string{"Of 1.1 GB", "about 2.1 GB"}},
		{"a role with too few sessions", func() { w.exec("ALTER ROLE " + app + " CONNECTION LIMIT 3") }, nil, backup.Need{}, backup.CodeNoConnections,
			[]string{"User " + app + " may have 3 sessions", "ALTER ROLE " + app + " CONNECTION LIMIT 11;"}},
		{"a role with one session", func() { w.exec("ALTER ROLE " + app + " CONNECTION LIMIT 0") }, nil, backup.Need{}, backup.CodeNoConnections, []string{w.app}},
		{"a database with too few sessions", func() {
			w.exec("ALTER ROLE " + app + " CONNECTION LIMIT -1; ALTER DATABASE " + db + " CONNECTION LIMIT 0")
		}, nil, backup.Need{}, backup.CodeNoConnections,
			[]string{"The database " + db + " may have 0 sessions", "ALTER DATABASE " + db}},
		{"a login with too few sessions", func() {
			w.exec("ALTER DATABASE " + db + " CONNECTION LIMIT -1; ALTER ROLE " + loader + " CONNECTION LIMIT 1")
		}, login, backup.Need{}, backup.CodeNoConnections,
			[]string{"may have 1 sessions", "ALTER ROLE " + loader + " CONNECTION LIMIT 8;"}},
	}
	for _, c := range cases {
		if c.setup != nil {
			c.setup()
		}
		target, a := w.target, attempt(1)
		if c.alter != nil {
			c.alter(&target.Credentials)
		}
		s, err := w.engine.Stage(t.Context(), target, a, c.need)
		failed(t, c.name, err, c.code, c.says...)
		if s != nil {
			t.Errorf("%s: there is a copy", c.name)
		}
		w.clean(a.Job)
	}
}

func TestEngine_StageWarnsOfWhatMayGoWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, prepared())
	upload := func(i backup.Inspection) backup.Need { return backup.Need{Inspection: &i} }
	roomy := func(c *backup.Credentials) { c.StorageBytes = 1 << 50 }
	cases := []struct {
		name, encoding string
		alter          func(*backup.Credentials)
		need           backup.Need
		says           []string // of the warnings, in their order
	}{
		{"room that is not known", "UTF8", nil, backup.Need{SQLBytes: 3 << 30}, []string{"about 3.2 GB|storageBytes"}},
		{"nothing", "UTF8", roomy, backup.Need{ServerVersion: "13.2"}, nil},
		{"a newer server", "UTF8", roomy, backup.Need{ServerVersion: "99.1"}, []string{"PostgreSQL 99.1"}},
		{"an old server", "UTF8", roomy, upload(backup.Inspection{ServerVersion: "8.4.22"}), []string{"PostgreSQL 8.4.22"}},
		{"text in the database's encoding", "UTF8", roomy, upload(backup.Inspection{Encoding: "utf-8"}), nil},
		{"text that a UTF-8 database can have", "UTF8", roomy, upload(backup.Inspection{Encoding: "WIN1252"}), nil},
		{"an extension that reaches out is left to the loader", "UTF8", roomy, upload(backup.Inspection{Extensions: []string{"dblink", "plpgsql", "hstore"}}), nil},
		{"text of no encoding", "UTF8", roomy, upload(backup.Inspection{Encoding: "SQL_ASCII"}), []string{"does not say|UTF8"}},
		{"text that a database may not have", "LATIN1", roomy, upload(backup.Inspection{Encoding: "UTF8"}), []string{"UTF8|LATIN1"}},
		{"a database of no encoding", "SQL_ASCII", roomy, upload(backup.Inspection{Encoding: "LATIN1"}), []string{"byte by byte|LATIN1"}},
	}
	for _, c := range cases {
		w.inEncoding(c.encoding)
		target, a := w.target, attempt(1)
		if c.alter != nil {
			c.alter(&target.Credentials)
		}
		s, err := w.engine.Stage(t.Context(), target, a, c.need)
		if err != nil {
			t.Errorf("%s: %v", c.name, describe(err))
			continue
		}
		var warnings []string
		for _, text := range s.Warnings() {
			if !strings.Contains(text, "whose size user") { // of the databases of others on the server
				warnings = append(warnings, text)
			}
		}
		if len(warnings) != len(c.says) {
			t.Errorf("%s: warnings %q", c.name, warnings)
		} else {
			for i, says := range c.says {
				for _, part := range strings.Split(says, "|") {
					if !strings.Contains(warnings[i], part) {
						t.Errorf("%s: %q is not in %q", c.name, part, warnings[i])
					}
				}
			}
		}
		if err := s.Discard(context.Background()); err != nil {
			t.Errorf("%s: %v", c.name, describe(err))
		}
	}
}

func TestEngine_StageSaysThatAServerHasNoSessionsLeftOrIsAReplica(t *testing.T) {
	t.Parallel()
	server, run := privateServerControl(t)
	w := newWorldOn(t, server)
	for range 95 { // of the 97 that are not reserved
		w.connectAs("postgres", "crowd")
	}
	_, err := w.engine.Stage(t.Context(), w.target, attempt(1), backup.Need{})
	failed(t, "a crowd", err, backup.CodeNoConnections, "fewer than 4 sessions", "100", "max_connections")

	var data string
	if err := w.super.QueryRow(t.Context(), "SHOW data_directory").Scan(&data); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	restart := func() {
		run("pg_ctl", "-D", data, "-w", "-m", "fast", "-l", filepath.Join(filepath.Dir(data), "log"), "restart")
	}
	restart()
	_, err = w.engine.Stage(t.Context(), w.target, attempt(1), backup.Need{})
	failed(t, "a replica", err, backup.CodeUnsupported, "read replica", "primary")
	if err := os.Remove(filepath.Join(data, "standby.signal")); err != nil {
		t.Fatal(err)
	}
	restart()
	if w.super, err = pgx.Connect(context.Background(), server); err != nil { // for what the test's end has to do
		t.Fatal(err)
	}
}
