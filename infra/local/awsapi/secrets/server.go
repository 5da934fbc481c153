// Package secrets is a Secrets Manager for one machine, over the AWS JSON 1.1 protocol: secrets with versions and staging
// labels, tags, filtered and paged lists, deletion with a recovery window.
//
// Open first; a *Server is an http.Handler for requests whose X-Amz-Target begins with secretsmanager.
//
// A secret is one file that only its owner may read, written whole beside its place and renamed into it: an answered call
// survives the end of the process, kill -9 too. The values are not encrypted: the files are for development.
//
// What it does not have: rotation, replication, resource policies. Each is refused by its name.
package secrets

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/atomicfile"
	"github.com/backup-restore/backup-restore/infra/local/awsapi/internal/awsjson"
)

// Options say where the secrets are kept and how they are named.
type Options struct {
	Dir     string // made if it is not there
	Region  string
	Account string
}

// Server holds the secrets. It is safe for concurrent use.
type Server struct {
	o       Options
	service *awsjson.Service
	now     func() time.Time // the clock, for tests

	mu      sync.Mutex
	secrets map[string]*secret // by name
}

// secret is a secret as it is kept. A secret that is kept is never changed: it is replaced by a changed clone.
type secret struct {
	ARN         string
	Name        string
	Description string `json:",omitempty"`
	KMSKey      string `json:",omitempty"`
	Tags        []tag  `json:",omitempty"`
	Created     time.Time
	Changed     time.Time
	Deleted     time.Time `json:",omitzero"`  // when it was marked for deletion
	Gone        time.Time `json:",omitzero"`  // when it can be restored no more
	Versions    []version `json:",omitempty"` // oldest first
}

type tag struct{ Key, Value string }

type version struct {
	ID      string
	Created time.Time
	value
	Stages []string `json:",omitempty"`
}

// value is the content of a version: one of the two.
type value struct {
	SecretString *string `json:",omitempty"`
	SecretBinary []byte  `json:",omitempty"`
}

func (v value) given() bool { return v.SecretString != nil || len(v.SecretBinary) > 0 }

func (v value) equal(w value) bool {
	if v.SecretString != nil && w.SecretString != nil {
		return *v.SecretString == *w.SecretString
	}
	return v.SecretString == nil && w.SecretString == nil && string(v.SecretBinary) == string(w.SecretBinary)
}

// Open reads the secrets that are in o.Dir.
func Open(o Options) (*Server, error) {
	s := &Server{o: o, now: time.Now, secrets: map[string]*secret{}}
	s.service = &awsjson.Service{Target: "secretsmanager", ContentType: "application/x-amz-json-1.1", Actions: s.actions(),
		BodyLimit: 1 << 20}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the secrets: %w", err)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the secrets: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(o.Dir, e.Name())
		if !strings.HasSuffix(e.Name(), ".json") {
			_ = os.Remove(path) // a write that was cut: it was never answered
			continue
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("open the secrets: %w", err)
		}
		kept := &secret{}
		if json.Unmarshal(b, kept) != nil { // whose error could quote the value
			return nil, fmt.Errorf("open the secrets: %s is damaged; move it away to go on without this secret", path)
		}
		s.secrets[kept.Name] = kept
	}
	return s, nil
}

// ServeHTTP answers a Secrets Manager request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.service.ServeHTTP(w, r) }

func (s *Server) actions() map[string]awsjson.Action {
	return map[string]awsjson.Action{
		"CreateSecret":             do(s, s.createSecret),
		"DescribeSecret":           do(s, s.describeSecret),
		"ListSecrets":              do(s, s.listSecrets),
		"TagResource":              do(s, s.tagResource),
		"UntagResource":            do(s, s.untagResource),
		"DeleteSecret":             do(s, s.deleteSecret),
		"RestoreSecret":            do(s, s.restoreSecret),
		"GetSecretValue":           do(s, s.getSecretValue),
		"PutSecretValue":           do(s, s.putSecretValue),
		"ListSecretVersionIds":     do(s, s.listSecretVersionIDs),
		"UpdateSecretVersionStage": do(s, s.updateSecretVersionStage),
	}
}

// do makes an action that runs alone, after secrets whose recovery window has ended are gone.
func do[In, Out any](s *Server, f func(*In) (Out, error)) awsjson.Action {
	return awsjson.Do(func(_ context.Context, in *In) (Out, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, kept := range s.secrets {
			if !kept.Gone.IsZero() && !kept.Gone.After(s.now()) {
				if err := s.remove(kept); err != nil {
					var none Out
					return none, err
				}
			}
		}
		return f(in)
	})
}

// path is a secret's file. Names have slashes and can be longer than a file's may be.
func (s *Server) path(name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(s.o.Dir, hex.EncodeToString(sum[:])+".json")
}

// keep writes a secret, new or changed.
func (s *Server) keep(changed secret) error {
	if err := atomicfile.WriteJSON(s.path(changed.Name), changed); err != nil {
		return err
	}
	s.secrets[changed.Name] = &changed
	return nil
}

func (s *Server) remove(kept *secret) error {
	if err := os.Remove(s.path(kept.Name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	delete(s.secrets, kept.Name)
	return nil
}

// clone is a copy that can be changed and kept.
func (x *secret) clone() secret {
	c := *x
	c.Tags, c.Versions = slices.Clone(x.Tags), slices.Clone(x.Versions)
	for i := range c.Versions {
		c.Versions[i].Stages = slices.Clone(c.Versions[i].Stages)
	}
	return c
}

// find returns the secret of a name or ARN, and an error too where it is marked for deletion.
func (s *Server) find(id string) (*secret, error) {
	x, err := s.findAny(id)
	if err == nil && !x.Deleted.IsZero() {
		return nil, invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
	}
	return x, err
}

// findAny returns the secret of a name, an ARN, or an ARN without the random suffix.
func (s *Server) findAny(id string) (*secret, error) {
	if id == "" {
		return nil, invalidParameter("SecretId is missing.")
	}
	if x, ok := s.secrets[id]; ok {
		return x, nil
	}
	if name, ok := strings.CutPrefix(id, s.arn("")); ok {
		if x, ok := s.secrets[name]; ok {
			return x, nil
		}
		if i := strings.LastIndexByte(name, '-'); i >= 0 {
			if x, ok := s.secrets[name[:i]]; ok && x.ARN == id {
				return x, nil
			}
		}
	}
	return nil, notFound("Secrets Manager can't find the specified secret.")
}

func (s *Server) arn(name string) string {
	return "arn:aws:secretsmanager:" + s.o.Region + ":" + s.o.Account + ":secret:" + name
}

// newARN ends in six random characters, so that a secret that is made anew under an old name has another ARN.
func (s *Server) newARN(name string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	suffix := make([]byte, 0, 6)
	for len(suffix) < cap(suffix) {
		var b [1]byte
		_, _ = rand.Read(b[:])
		if i := int(b[0] & 63); i < len(letters) {
			suffix = append(suffix, letters[i])
		}
	}
	return s.arn(name) + "-" + string(suffix)
}

// sorted returns the secrets, newest first.
func (s *Server) sorted() []*secret {
	list := make([]*secret, 0, len(s.secrets))
	for _, x := range s.secrets {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b *secret) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(a.Name, b.Name))
	})
	return list
}

// epoch is a time in the protocol's form: seconds since 1970, with milliseconds.
func epoch(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func notFound(format string, args ...any) error {
	return &awsjson.Error{Type: "ResourceNotFoundException", Message: fmt.Sprintf(format, args...)}
}

func exists(format string, args ...any) error {
	return &awsjson.Error{Type: "ResourceExistsException", Message: fmt.Sprintf(format, args...)}
}

func invalidParameter(format string, args ...any) error {
	return &awsjson.Error{Type: "InvalidParameterException", Message: fmt.Sprintf(format, args...)}
}

func invalidRequest(format string, args ...any) error {
	return &awsjson.Error{Type: "InvalidRequestException", Message: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &awsjson.Error{Type: "ValidationException", Message: fmt.Sprintf(format, args...)}
}
