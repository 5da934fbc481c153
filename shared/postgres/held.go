package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// kept is the comment on a database that was replaced. Together with the name it is the proof that a switch happened, and of which job.
type kept struct {
	Job        string    `json:"job"`
	Attempt    int       `json:"attempt"`
	Kept       time.Time `json:"kept"`
	Database   string    `json:"database"`          // its name before
	Comment    string    `json:"comment,omitempty"` // its comment before
	ReplacedBy uint32    `json:"replacedBy"`        // OID of the database that took its place
}

// heldDatabase is a database under a name that this tool has made.
type heldDatabase struct {
	oid     uint32
	name    string
	owner   string
	comment string
}

// readHeld reads one. The error is pgx.ErrNoRows where it is gone.
func readHeld(ctx context.Context, admin *pgx.Conn, name string) (heldDatabase, error) {
	h := heldDatabase{name: name}
	err := admin.QueryRow(ctx, `SELECT oid, pg_get_userbyid(datdba), coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1`, name).
		Scan(&h.oid, &h.owner, &h.comment)
	return h, err
}

// kept is what the comment of a kept database says. It is false where it is none.
func (h heldDatabase) kept() (k kept, ok bool) {
	ok = json.Unmarshal([]byte(h.comment), &k) == nil && k.Job != "" && keptName(k.Job) == h.name
	return k, ok
}

// parked reports whether a database under a staged name is what the name says. One without a comment was never parked.
func (h heldDatabase) parked() bool {
	var p parked
	return h.comment == "" || json.Unmarshal([]byte(h.comment), &p) == nil && stagedName(backup.Attempt{Job: p.Rehearsal, Number: p.Attempt}) == h.name
}

// Undo exchanges live with the database that it replaced. That one comes back as it was: a kept database has all of its properties but
// its comment, which the exchange restores.
func (e *Engine) Undo(ctx context.Context, t backup.Target, a backup.Attempt, name string, confirm func(context.Context) error) (backup.Switched, error) {
	admin, err := e.connect(ctx, t, a, secretLogin(t, maintenance(t.Credentials)))
	if err != nil {
		return backup.Switched{}, err
	}
	defer closing(ctx, admin)
	x := &exchange{e: e, t: t, a: a}
	if x.live, x.me, err = e.preflight(ctx, admin, t); err != nil {
		return backup.Switched{}, err
	}
	h, err := readHeld(ctx, admin, name)
	if errors.Is(err, pgx.ErrNoRows) {
		return backup.Switched{}, &backup.Error{Code: backup.CodeMissing, Text: fmt.Sprintf("The replaced database %s is not on the server any more.", ident(name)),
			Hint: "Live was not changed. Restore a backup instead."}
	}
	if err != nil {
		return backup.Switched{}, serverFailure(ctx, err, "look at the replaced database")
	}
	k, err := replacedBy(h, x.live)
	if err != nil {
		return backup.Switched{}, err
	}
	missing, err := missingRights(ctx, admin, x.me, live{name: h.name, owner: h.owner})
	if err != nil {
		return backup.Switched{}, serverFailure(ctx, err, "read the rights of the database's user")
	}
	if err := refusal(missing); err != nil {
		return backup.Switched{}, err
	}
	x.next = next{oid: h.oid, name: h.name, comment: k.Comment}
	return x.run(ctx, admin, confirm)
}

// replacedBy refuses a database that live has not replaced: bringing it back would do away with more than one restore, and with what
// others have done since.
func replacedBy(h heldDatabase, l live) (kept, error) {
	k, ok := h.kept()
	switch {
	case !ok:
		return k, &backup.Error{Code: backup.CodeUnsupported, Text: fmt.Sprintf("The database %s does not say that a restore has replaced it.", ident(h.name)),
			Hint: "Live was not changed. The comment on a database that is kept must not be changed."}
	case k.ReplacedBy != l.oid:
		return k, &backup.Error{Code: backup.CodeSwitchBlocked,
			Text: fmt.Sprintf("The database %s has been replaced since by another restore.", ident(l.name)),
			Hint: "Live was not changed. Undo the newer restore first."}
	}
	return k, nil
}

// Drop drops a parked or kept database, and the throw-away login that bears a parked one's name.
func (e *Engine) Drop(ctx context.Context, t backup.Target, a backup.Attempt, name string) error {
	_, n, ok := parseName(name)
	if !ok || name == t.Credentials.DBName {
		return notOurs(name)
	}
	admin, err := e.connect(ctx, t, a, secretLogin(t, maintenance(t.Credentials)))
	if err != nil {
		return err
	}
	defer closing(ctx, admin)
	h, err := readHeld(ctx, admin, name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return serverFailure(ctx, err, "look at the database "+name)
	default:
		if err := mayDrop(ctx, admin, h, n == 0); err != nil {
			return err
		}
		if err := dropDatabase(ctx, admin, name); err != nil {
			return err
		}
		e.log.InfoContext(ctx, "held database dropped", "job", a.Job, "attempt", a.Number, "held", name)
	}
	if n == 0 {
		return nil
	}
	return dropLogin(ctx, admin, name)
}

func notOurs(name string) error {
	return &backup.Error{Code: backup.CodeUnsupported, Text: fmt.Sprintf("The database %s was not made by a restore, so it is not dropped.", ident(name)),
		Hint: "If it is in the way, an administrator of the server can drop it."}
}

// mayDrop refuses a database that is not what its name says, or that somebody uses in a way which can't be ended from here.
func mayDrop(ctx context.Context, admin *pgx.Conn, h heldDatabase, isKept bool) error {
	if _, ok := h.kept(); isKept && !ok || !isKept && !h.parked() {
		return notOurs(h.name)
	}
	me, err := readSelf(ctx, admin)
	if err != nil {
		return err
	}
	var owns bool
	if err := admin.QueryRow(ctx, `SELECT pg_has_role(oid, 'USAGE') FROM pg_roles WHERE rolname = $1`, h.owner).Scan(&owns); err != nil {
		return serverFailure(ctx, err, "look at the owner of "+h.name)
	}
	if !owns {
		return refusal([]want{{fmt.Sprintf("User %s is no member of %s, which owns the database %s.", ident(me.name), ident(h.owner), ident(h.name)),
			fmt.Sprintf("DROP DATABASE %s;", ident(h.name))}})
	}
	// Slots that nobody reads go with their database.
	slots, err := queryStrings(ctx, admin, `SELECT slot_name FROM pg_replication_slots WHERE datoid = $1 AND active ORDER BY 1`, h.oid)
	if err != nil {
		return serverFailure(ctx, err, "look for replication slots")
	}
	if len(slots) > 0 {
		return &backup.Error{Code: backup.CodeUnsupported,
			Text: fmt.Sprintf("The database %s can't be dropped while its logical replication slots are read: %s.", ident(h.name), some(slots)),
			Hint: fmt.Sprintf("Stop who reads them. Or an administrator of the server can run: SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = %s;",
				literal(slots[0]))}
	}
	subscriptions, err := queryStrings(ctx, admin, `SELECT subname FROM pg_subscription WHERE subdbid = $1 ORDER BY 1`, h.oid)
	if err != nil {
		return serverFailure(ctx, err, "look for subscriptions")
	}
	if len(subscriptions) > 0 {
		name := ident(subscriptions[0])
		return &backup.Error{Code: backup.CodeUnsupported,
			Text: fmt.Sprintf("The database %s can't be dropped, because it has subscriptions: %s.", ident(h.name), strings.Join(subscriptions, ", ")),
			Hint: fmt.Sprintf("An administrator of the server can run: ALTER DATABASE %s ALLOW_CONNECTIONS true; and in that database: ALTER SUBSCRIPTION %s DISABLE; "+
				"ALTER SUBSCRIPTION %s SET (slot_name = NONE); DROP SUBSCRIPTION %s;", ident(h.name), name, name, name)}
	}
	return nil
}

// bytesOnDisk is what a database takes, 0 where the server does not tell: it is worth knowing and no reason to fail.
func bytesOnDisk(ctx context.Context, admin *pgx.Conn, name string) (n int64) {
	if err := admin.QueryRow(ctx, `SELECT pg_database_size($1::name)`, name).Scan(&n); err != nil {
		return 0
	}
	return n
}
