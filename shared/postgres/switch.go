package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// Switch hands the copy over and exchanges it with live.
func (s *staged) Switch(ctx context.Context, confirm func(context.Context) error) (backup.Switched, error) {
	s.logOut(ctx)
	if err := s.handOver(ctx); err != nil {
		return backup.Switched{}, err
	}
	admin, err := s.e.connect(ctx, s.t, s.a, secretLogin(s.t, maintenance(s.t.Credentials)))
	if err != nil {
		return backup.Switched{}, err
	}
	defer closing(ctx, admin)
	if err := s.finishCopy(ctx, admin); err != nil {
		return backup.Switched{}, err
	}
	x := &exchange{e: s.e, t: s.t, a: s.a, me: s.me, live: s.live, next: next{oid: s.oid, name: s.name, comment: s.live.comment}}
	switched, err := x.run(ctx, admin, confirm)
	s.settled = err == nil
	return switched, err
}

// finishCopy closes the copy, gives it live's properties, and drops the throw-away login, which owns nothing any more. The exchange opens
// the copy: until then nobody who visits every database, as monitoring does, is in there and in the way of the rename.
func (s *staged) finishCopy(ctx context.Context, admin *pgx.Conn) error {
	err := pgx.BeginFunc(ctx, admin, func(tx pgx.Tx) error {
		shut := fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS false", ident(s.name))
		return execAll(ctx, tx, append([]string{shut}, s.carry...))
	})
	if err != nil {
		return serverFailure(ctx, err, "give the copy the settings of the database")
	}
	if s.loader.kind != backup.LoaderThrowAway {
		return nil
	}
	return dropLogin(ctx, admin, s.loader.user)
}
