// Package cronkey keeps the cron key: the secret with which an outside scheduler may start backups.
//
// There is one key at a time. It lives in Secrets Manager and nowhere else, is made on first use, and is replaced by
// [Store.Regenerate]; the old one is refused at once, unless the store was given a grace period. Nothing is cached, so a
// rotation counts for the very next request.
package cronkey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// ErrRotatedMeanwhile says that somebody else replaced the key between our reading it and replacing it.
var ErrRotatedMeanwhile = errors.New("the cron key was replaced by somebody else meanwhile")

// Secrets is what is used of Secrets Manager; *secretsmanager.Client has it.
type Secrets interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
	PutSecretValue(context.Context, *secretsmanager.PutSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.PutSecretValueOutput, error)
}

// Options change how a Store works.
type Options struct {
	Grace time.Duration    // how long the replaced key is accepted after a rotation; 0 is not at all
	Now   func() time.Time // nil is time.Now
}

// Store keeps the key. It is safe for concurrent use, also by several processes.
type Store struct {
	secrets Secrets
	id      string
	options Options
}

// New returns a store that keeps the key in the secret of that ARN or name. The secret itself must be there; it may be
// without a value.
func New(secrets Secrets, secretID string, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Store{secrets: secrets, id: secretID, options: o}
}

// Masked tells of the key without showing it.
type Masked struct {
	Text      string       // such as brk_••••••••••••7q2x
	CreatedAt time.Time    // when this key was made: the first use, or the last rotation
	CreatedBy backup.Actor // by whom
	Rotations int          // how often a key was replaced, 0 for the first
	// Fingerprint is that of the key. It is no secret, and nobody needs to see it.
	Fingerprint string
	// OldUntil is when the key before this one stops to be accepted; zero where it is refused already.
	OldUntil time.Time
}

// Key is the key itself, with what Masked tells.
type Key struct {
	Masked
	Secret backup.Sensitive
}

// value is the secret's content.
type value struct {
	Key       string       `json:"key"`
	CreatedAt time.Time    `json:"createdAt"`
	CreatedBy backup.Actor `json:"createdBy"`
	Rotations int          `json:"rotations"`
	// PreviousHash is the SHA-256 of the key before this one, kept only where there is a grace period: the key itself
	// is not needed to recognise it.
	PreviousHash string `json:"previousHash,omitempty"`
}

// Masked returns what may be shown to everybody who may see the page. It makes the key where there is none.
func (s *Store) Masked(ctx context.Context) (Masked, error) {
	k, err := s.Reveal(ctx)
	return k.Masked, err
}

// Reveal returns the key. It makes one where there is none.
func (s *Store) Reveal(ctx context.Context) (Key, error) {
	v, _, err := s.current(ctx)
	if err != nil {
		return Key{}, err
	}
	return s.key(v), nil
}

// Regenerate replaces the key and returns the new one. ErrRotatedMeanwhile where two do so at once: one of them has
// replaced the key, and the other was not told a key that is dead already.
func (s *Store) Regenerate(ctx context.Context, by backup.Actor) (Key, error) {
	old, version, err := s.current(ctx)
	if err != nil {
		return Key{}, err
	}
	v := value{Key: newKey().Reveal(), CreatedAt: s.options.Now().UTC(), CreatedBy: by, Rotations: old.Rotations + 1}
	if s.options.Grace > 0 {
		v.PreviousHash = hash(backup.Sensitive(old.Key))
	}
	// The token names the version that is replaced, so that of two rotations of one version only one can succeed.
	err = s.put(ctx, v, token("after", s.id, version))
	if errors.Is(err, errTokenUsed) {
		var now string
		if _, now, err = s.current(ctx); err != nil {
			return Key{}, err
		}
		if now != version {
			return Key{}, fmt.Errorf("replace the cron key: %w", ErrRotatedMeanwhile)
		}
		// Somebody has put an older version back by hand, from which a rotation has started before.
		err = s.put(ctx, v, rand.Text()+rand.Text())
	}
	if err != nil {
		return Key{}, fmt.Errorf("replace the cron key: %w", err)
	}
	return s.key(v), nil
}

// Check reports whether key is the cron key. What does not have a key's form is refused without asking Secrets Manager.
func (s *Store) Check(ctx context.Context, key string) (bool, error) {
	if !WellFormed(key) {
		return false, nil
	}
	v, _, err := s.read(ctx)
	if errors.Is(err, errNoValue) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// Both comparisons always run, so that the time does not tell which of them failed.
	current, previous := same(key, v.Key), same(hash(backup.Sensitive(key)), v.PreviousHash)
	return current || previous && s.options.Now().Before(s.oldUntil(v)), nil
}

func (s *Store) key(v value) Key {
	secret := backup.Sensitive(v.Key)
	m := Masked{Text: mask(secret), CreatedAt: v.CreatedAt, CreatedBy: v.CreatedBy, Rotations: v.Rotations, Fingerprint: Fingerprint(secret)}
	if until := s.oldUntil(v); s.options.Now().Before(until) {
		m.OldUntil = until
	}
	return Key{Masked: m, Secret: secret}
}

// oldUntil goes by the grace period as it is configured now: shortening it counts for a rotation that has happened.
func (s *Store) oldUntil(v value) time.Time {
	if v.PreviousHash == "" || s.options.Grace <= 0 {
		return time.Time{}
	}
	return v.CreatedAt.Add(s.options.Grace)
}

// current reads the value, and makes the first one where there is none.
func (s *Store) current(ctx context.Context) (value, string, error) {
	v, version, err := s.read(ctx)
	if !errors.Is(err, errNoValue) {
		return v, version, err
	}
	first := value{Key: newKey().Reveal(), CreatedAt: s.options.Now().UTC(),
		CreatedBy: backup.Actor{Kind: backup.BySystem, Name: "first use"}}
	// All first uses carry one token, so that one of them succeeds and the others read what it wrote.
	err = s.put(ctx, first, token("first", s.id, version))
	if err != nil && !errors.Is(err, errTokenUsed) {
		return value{}, "", fmt.Errorf("make the first cron key: %w", err)
	}
	return s.read(ctx)
}

// The two answers of Secrets Manager that are no failure.
var (
	errNoValue   = errors.New("the cron key's secret has no value")
	errTokenUsed = errors.New("another value was stored under that token")
)

// read returns the current value and its version. With errNoValue it returns the version of the empty value, "" where
// there is none.
func (s *Store) read(ctx context.Context) (value, string, error) {
	out, err := s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.id})
	if missing := (*types.ResourceNotFoundException)(nil); errors.As(err, &missing) {
		// There is no secret, or one without a value: writing tells the two apart.
		return value{}, "", errNoValue
	}
	if err != nil {
		return value{}, "", fmt.Errorf("read the cron key: %w", err)
	}
	version := aws.ToString(out.VersionId)
	var v value
	// The cause of a JSON error may quote the text, which is secret.
	switch text := aws.ToString(out.SecretString); {
	case text == "" || text == "{}":
		return value{}, version, errNoValue
	case json.Unmarshal([]byte(text), &v) != nil || !WellFormed(v.Key):
		return value{}, "", fmt.Errorf("read the cron key: the secret %s holds something else; delete its value, or put back the version before", s.id)
	}
	return v, version, nil
}

func (s *Store) put(ctx context.Context, v value, token string) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the cron key: %w", err)
	}
	_, err = s.secrets.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &s.id, SecretString: aws.String(string(text)), ClientRequestToken: &token})
	if used := (*types.ResourceExistsException)(nil); errors.As(err, &used) {
		return errTokenUsed
	}
	return err
}

// token derives a ClientRequestToken, which becomes the version's id: 32 to 64 characters.
func token(parts ...string) string {
	text, _ := json.Marshal(parts) // strings always marshal; JSON keeps their borders
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}
