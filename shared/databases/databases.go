// Package databases is the registry of targets: a database is registered by a secret in Secrets Manager that bears the tag
// backup-restore:database=<name>, and unregistered by taking the tag off. The tag backup-restore:engine says postgres or
// mysql; without it, postgres is meant. The secret's content has the shape that RDS writes: see backup.Credentials.
//
// Listing needs no right to read a secret's content, and reads none.
package databases

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/backup-restore/backup-restore/shared/backup"
)

// The tags of a secret that registers a database.
const (
	TagDatabase = "backup-restore:database"
	TagEngine   = "backup-restore:engine"
)

// Options are settings of a registry. The zero value of a field means its default.
type Options struct {
	// CacheFor is how long the list is kept, by this instance. A database that was registered just now may be missing in a
	// List for so long, in Get for a second; Target misses none. What a secret holds is never kept. Default: 15 seconds;
	// negative: not at all.
	CacheFor time.Duration
}

// Registry finds databases by their secrets. It implements backup.Databases and is safe for concurrent use.
type Registry struct {
	client   *secretsmanager.Client
	cacheFor time.Duration
	tags     struct{ database, engine string }

	mu   sync.Mutex // held while the list is read, so that it is read once for all who wait
	kept *registered
}

var _ backup.Databases = (*Registry)(nil)

// registered is the list as it was read.
type registered struct {
	at        time.Time
	databases []backup.Database        // by name
	unusable  map[string]*backup.Error // by the tag's value: databases that can't be told what they are
}

// New returns the registry of an account and region. Nothing is asked yet.
func New(client *secretsmanager.Client, o Options) *Registry {
	r := &Registry{client: client, cacheFor: o.CacheFor}
	if r.cacheFor == 0 {
		r.cacheFor = 15 * time.Second
	}
	r.tags.database, r.tags.engine = TagDatabase, TagEngine
	return r
}

// List implements backup.Databases.
func (r *Registry) List(ctx context.Context) ([]backup.Database, error) {
	all, err := r.registered(ctx, r.cacheFor)
	if err != nil {
		return nil, err
	}
	list := slices.Clone(all.databases)
	if len(all.unusable) == 0 {
		return list, nil
	}
	bad := &backup.UnusableError{}
	for _, name := range slices.Sorted(maps.Keys(all.unusable)) {
		bad.Databases = append(bad.Databases, backup.UnusableDatabase{Name: name, Why: all.unusable[name]})
	}
	return list, bad
}

// missFor is how long Get believes a kept list that lacks a name: names come from callers, who could else have Secrets Manager
// asked as often as they like.
const missFor = time.Second

// Get implements backup.Databases.
func (r *Registry) Get(ctx context.Context, name string) (backup.Database, error) {
	return r.get(ctx, name, missFor)
}

// get looks a database up. A kept list that lacks it is believed for missFor.
func (r *Registry) get(ctx context.Context, name string, missFor time.Duration) (backup.Database, error) {
	all, err := r.registered(ctx, r.cacheFor)
	if err != nil {
		return backup.Database{}, err
	}
	d, err := all.get(name)
	if !errors.Is(err, backup.ErrNotFound) {
		return d, err
	}
	if all, err = r.registered(ctx, min(missFor, r.cacheFor)); err != nil {
		return backup.Database{}, err
	}
	return all.get(name)
}

func (all *registered) get(name string) (backup.Database, error) {
	if why := all.unusable[name]; why != nil {
		return backup.Database{}, why
	}
	i, found := slices.BinarySearchFunc(all.databases, name, func(d backup.Database, name string) int { return cmp.Compare(d.Name, name) })
	if !found {
		return backup.Database{}, fmt.Errorf("database %.80q: %w", name, backup.ErrNotFound)
	}
	return all.databases[i], nil
}

// Target implements backup.Databases. It reads the secret anew each time, as a password may have been rotated. No error tells
// anything of what the secret holds.
func (r *Registry) Target(ctx context.Context, name string) (backup.Target, error) {
	// Who asked for the job has seen the database registered, maybe a moment ago and by another instance's list.
	d, err := r.get(ctx, name, 0)
	if err != nil {
		return backup.Target{}, err
	}
	out, err := r.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &d.Secret})
	if err != nil {
		return backup.Target{}, unreadable(name, err)
	}
	if out.SecretString == nil {
		return backup.Target{}, badSecret(name, "it holds binary data in place of text", nil)
	}
	c, err := backup.ParseCredentials([]byte(*out.SecretString))
	if err != nil {
		return backup.Target{}, badSecret(name, strings.TrimPrefix(err.Error(), "parse secret: "), err)
	}
	if engine, ok := backup.EngineOf(c.Engine); !ok || engine != d.Engine {
		return backup.Target{}, badSecret(name, fmt.Sprintf("its engine is not %s, which its tag %s says (or means, where there is none)",
			d.Engine, TagEngine), nil)
	}
	return backup.Target{Database: d, Credentials: c}, nil
}

func badSecret(database, why string, cause error) error {
	return &backup.Error{Code: backup.CodeBadSecret, Cause: cause,
		Text: fmt.Sprintf("The secret of the database %s can't be used: %s.", database, why),
		Hint: "Correct the secret in Secrets Manager: a JSON object with engine, host, port, username, password and dbname."}
}

// unreadable is an error of Secrets Manager about one secret.
func unreadable(database string, cause error) error {
	e := &backup.Error{Code: backup.CodeBadSecret, Cause: fmt.Errorf("read the secret of %s: %w", database, cause),
		Text: fmt.Sprintf("The secret of the database %s can't be read from Secrets Manager.", database),
		Hint: "Try again. If it happens again, look up the cause in the log."}
	var api smithy.APIError
	if !errors.As(cause, &api) {
		return e
	}
	switch api.ErrorCode() {
	case "ResourceNotFoundException", "InvalidRequestException": // the latter for one that is marked for deletion
		e.Text = fmt.Sprintf("The secret of the database %s is deleted, or has no value.", database)
		e.Hint = "Restore the secret in Secrets Manager, or register the database by another one."
	case "AccessDeniedException", "DecryptionFailure":
		e.Text = fmt.Sprintf("The secret of the database %s may not be read.", database)
		e.Hint = "Check the rights of this function's role on the secret and on the key that encrypts it."
	}
	return e
}

// registered is the list, read anew where the kept one is older than upTo.
func (r *Registry) registered(ctx context.Context, upTo time.Duration) (*registered, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept != nil && time.Since(r.kept.at) < upTo {
		return r.kept, nil
	}
	all, err := r.read(ctx)
	if err != nil {
		return nil, &backup.Error{Code: backup.CodeNoRegistry, Cause: fmt.Errorf("list secrets: %w", err),
			Text: "The list of databases can't be read from Secrets Manager.",
			Hint: "Try again. If it happens again, check the rights of this function's role and look up the cause in the log."}
	}
	r.kept = all
	return all, nil
}

func (r *Registry) read(ctx context.Context) (*registered, error) {
	all := &registered{at: time.Now(), unusable: map[string]*backup.Error{}}
	secrets := map[string][]string{} // names of secrets, by the database's name
	pages := secretsmanager.NewListSecretsPaginator(r.client, &secretsmanager.ListSecretsInput{
		MaxResults: aws.Int32(100),
		Filters:    []types.Filter{{Key: types.FilterNameStringTypeTagKey, Values: []string{r.tags.database}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range page.SecretList {
			r.add(all, secrets, s)
		}
	}
	for name, of := range secrets {
		if len(of) > 1 {
			slices.Sort(of)
			all.unusable[name] = &backup.Error{Code: backup.CodeBadSecret,
				Text: fmt.Sprintf("%d secrets are tagged as the database %q: %s.", len(of), name, strings.Join(of, ", ")),
				Hint: fmt.Sprintf("Take the tag %s off all but one of them.", r.tags.database)}
		}
	}
	all.databases = slices.DeleteFunc(all.databases, func(d backup.Database) bool { return all.unusable[d.Name] != nil })
	slices.SortFunc(all.databases, func(a, b backup.Database) int { return cmp.Compare(a.Name, b.Name) })
	return all, nil
}

// add reads the tags of one secret.
func (r *Registry) add(all *registered, secrets map[string][]string, s types.SecretListEntry) {
	tags := map[string]string{}
	for _, t := range s.Tags {
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	name, tagged := tags[r.tags.database]
	if !tagged {
		return // the filter takes the beginning of a key for the key
	}
	secret := aws.ToString(s.Name)
	secrets[name] = append(secrets[name], secret)
	if !backup.ValidDatabaseName(name) {
		all.unusable[name] = &backup.Error{Code: backup.CodeBadSecret,
			Text: fmt.Sprintf("The secret %s is tagged as the database %q, which can't be a database's name.", secret, name),
			Hint: fmt.Sprintf("Give its tag %s up to 63 lower-case letters, digits, - and _.", r.tags.database)}
		return
	}
	engine := backup.Postgres
	if tag, ok := tags[r.tags.engine]; ok {
		if engine, ok = backup.EngineOf(tag); !ok {
			all.unusable[name] = &backup.Error{Code: backup.CodeBadSecret,
				Text: fmt.Sprintf("The secret %s of the database %s is tagged with the engine %q, which is not known.", secret, name, tag),
				Hint: fmt.Sprintf("Set its tag %s to postgres or mysql.", r.tags.engine)}
			return
		}
	}
	all.databases = append(all.databases, backup.Database{Name: name, Engine: engine, Secret: aws.ToString(s.ARN)})
}
