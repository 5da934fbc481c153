package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// IdempotencyKey is the header of calls that create something.
type IdempotencyKey struct {
	Key string `header:"Idempotency-Key" minLength:"1" maxLength:"255" pattern:"^[ -~]+$" patternDescription:"printable ASCII" doc:"Any text of your own, such as a UUID. A second call with the same key answers with what the first one made, instead of making another. Kept for at least a day." example:"5f0c6f0e-nightly"`
}

// claim decides which id the call's record has. Without a key it is "", which stands for a new one. first is false where
// an earlier call with this key has decided it.
func (a *API) claim(ctx context.Context, key IdempotencyKey, operation string, body any) (id string, first bool, err error) {
	if key.Key == "" {
		return "", true, nil
	}
	d := database(ctx)
	content, err := json.Marshal(body)
	if err != nil {
		return "", false, fmt.Errorf("encode the body for its hash: %w", err)
	}
	stored, first, err := a.Keys.Claim(ctx, d.Name, hashOf(operator(ctx).Subject, key.Key, operation, d.Name),
		backup.Claim{ID: backup.NewID(), BodyHash: hashOf(string(content))})
	if err != nil {
		return "", false, fmt.Errorf("claim the idempotency key: %w", err)
	}
	if stored.BodyHash != hashOf(string(content)) {
		return "", false, problem(http.StatusUnprocessableEntity, "idempotency_key_reused",
			"This Idempotency-Key was used before, with another body.", "Use a fresh key for another request.")
	}
	return stored.ID, first, nil
}

// claimedFor is how long a claim without a record is taken for a call that is under way, or was cut off and is repeated. After
// that its record is taken for deleted.
const claimedFor = 5 * time.Minute

// unspent refuses the key of a backup that was deleted: what it would make anew would bear the old one's id, and its time in the
// filename.
func (a *API) unspent(ctx context.Context, id string) error {
	_, err := a.Backups.Get(ctx, database(ctx).Name, id)
	if !isNotFound(err) || a.Now().Sub(backup.IDTime(id)) < claimedFor {
		return nil // whatever else is wrong is found by who goes on
	}
	return problem(http.StatusConflict, "idempotency_key_spent", "The backup that this Idempotency-Key stands for is gone: it was deleted, or its request was cut off.",
		"Use a fresh key for another backup.")
}

// hashOf is a hash of texts that keeps their borders.
func hashOf(texts ...string) string {
	text, _ := json.Marshal(texts) // strings always marshal
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
