package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/backup-restore/backup-restore/shared/access"
	"github.com/backup-restore/backup-restore/shared/cronkey"
)

// CronKeyMasked tells of the cron key without showing it.
type CronKeyMasked struct {
	Masked     string     `json:"masked" doc:"Enough of the key to tell it from another: its last four characters." example:"brk_••••••••••••7q2x"`
	CreatedAt  time.Time  `json:"createdAt" doc:"When this key was made: on first use, or by the last rotation."`
	CreatedBy  Actor      `json:"createdBy" doc:"Who made it."`
	Rotations  int        `json:"rotations" doc:"How often a key was replaced."`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty" doc:"When a request with this key was last accepted, give or take a minute. Absent where none was yet."`
	OldUntil   *time.Time `json:"oldUntil,omitempty" doc:"Until when the key before this one is accepted. Absent where it is refused already."`
}

// CronKeyRevealed is the cron key itself.
type CronKeyRevealed struct {
	CronKeyMasked
	Key string `json:"key" doc:"The key. Keep it as a secret: it starts backups."`
}

func (a *API) maskedView(ctx context.Context, m cronkey.Masked) CronKeyMasked {
	return CronKeyMasked{Masked: m.Text, CreatedAt: m.CreatedAt.UTC(), CreatedBy: actorView(m.CreatedBy), Rotations: m.Rotations,
		LastUsedAt: moment(a.lastUse(ctx, m.Fingerprint)), OldUntil: moment(m.OldUntil)}
}

func (a *API) revealedView(ctx context.Context, k cronkey.Key) *output[CronKeyRevealed] {
	return &output[CronKeyRevealed]{CronKeyRevealed{CronKeyMasked: a.maskedView(ctx, k.Masked), Key: k.Secret.Reveal()}}
}

func (a *API) registerCronKey() {
	register(a, route{
		Route: Route{Method: http.MethodGet, Path: "/api/cron-key", Permission: access.BackupsRead}, id: "get-cron-key", tag: "Cron key",
		summary: "Get the cron key, masked", text: "The key is made on first use.",
	}, func(ctx context.Context, _ *struct{}) (*output[CronKeyMasked], error) {
		m, err := a.CronKey.Masked(ctx)
		if err != nil {
			return nil, err
		}
		return &output[CronKeyMasked]{a.maskedView(ctx, m)}, nil
	})
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: "/api/cron-key/reveal", Permission: access.CronKeyReveal}, id: "reveal-cron-key", tag: "Cron key",
		summary: "Reveal the cron key", text: "It is recorded who did.",
	}, func(ctx context.Context, _ *struct{}) (*output[CronKeyRevealed], error) {
		k, err := a.CronKey.Reveal(ctx)
		if err != nil {
			return nil, err
		}
		if err := a.record(ctx, actor(ctx), "cron-key.reveal", "", "", "revealed", k.Text); err != nil {
			return nil, err
		}
		return a.revealedView(ctx, k), nil
	})
	register(a, route{
		Route: Route{Method: http.MethodPost, Path: "/api/cron-key/regenerate", Permission: access.CronKeyRegenerate}, id: "regenerate-cron-key", tag: "Cron key",
		summary: "Replace the cron key", refusals: refusals{409: {"cron_key_rotated"}},
		text: "The old key is refused from then on, unless a grace period is configured: whoever holds it has to be given the new one.",
	}, a.regenerateCronKey)
}

func (a *API) regenerateCronKey(ctx context.Context, _ *struct{}) (*output[CronKeyRevealed], error) {
	// The intent is recorded first: a rotation that nobody can explain is worse than an entry without one.
	if err := a.record(ctx, actor(ctx), "cron-key.regenerate", "", "", "accepted", ""); err != nil {
		return nil, err
	}
	k, err := a.CronKey.Regenerate(ctx, actor(ctx))
	if err != nil {
		return nil, fmt.Errorf("regenerate: %w", err)
	}
	if err := a.record(ctx, actor(ctx), "cron-key.regenerate", "", "", "regenerated", k.Text); err != nil {
		// The key is replaced, and says itself by whom. Whoever replaced it needs it now.
		a.log.ErrorContext(ctx, "activity not written", "action", "cron-key.regenerate", "error", err)
	}
	a.log.InfoContext(ctx, "cron key regenerated", "by", operator(ctx).Subject, "rotations", k.Rotations)
	return a.revealedView(ctx, k), nil
}
