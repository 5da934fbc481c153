// Package issuer is a small OpenID Connect provider for one machine. It stands in for the Cognito user pool: whoever opens
// its sign-in page picks a name and a role, and gets tokens of Cognito's shape, signed with a key of this machine.
//
// It proves nothing about anybody. It belongs on the loopback interface and next to test data.
package issuer

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jws"
)

// Roles are the roles that the product knows, the most powerful first.
func Roles() []string { return []string{"super-admin", "operator", "auditor"} }

// Lifetime of tokens from the sign-in page, where the options name no other: Cognito's default.
const Lifetime = time.Hour

// Options configure an Issuer.
type Options struct {
	Dir      string // holds the key (0600) and the settings that Load reads
	URL      string // the issuer's URL, without a slash at its end
	ClientID string // the only client
	// RedirectURIs are where the sign-in page may return to, compared exactly.
	RedirectURIs []string
	Lifetime     time.Duration    // of the access and id tokens that the sign-in page leads to; the constant by default
	NoRefresh    bool             // gives no refresh tokens, so that a session ends with its access token
	Now          func() time.Time // time.Now by default
}

// Issuer signs tokens.
type Issuer struct {
	options Options
	key     jwk.Key // private, with its kid
	public  []byte  // JWKS

	mu       sync.Mutex
	codes    map[string]grant
	sessions map[string]session // by their refresh tokens
}

// The files of an issuer's folder.
const (
	keyFile      = "key.pem"
	settingsFile = "issuer.json"
)

type settings struct {
	URL      string `json:"url"`
	ClientID string `json:"clientId"`
}

// ErrNone says that no issuer was ever opened in a folder.
var ErrNone = errors.New("there is no issuer")

// Open makes the folder's issuer ready to serve: it makes the key where there is none, and writes the settings for Load.
func Open(o Options) (*Issuer, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the issuer's folder: %w", err)
	}
	path := filepath.Join(o.Dir, keyFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(settings{o.URL, o.ClientID})
	if err != nil {
		return nil, fmt.Errorf("write the issuer's settings: %w", err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, settingsFile), text, 0o600); err != nil {
		return nil, fmt.Errorf("write the issuer's settings: %w", err)
	}
	return load(o)
}

// Load gives the issuer that was last opened in dir, to sign tokens that it accepts. ErrNone if there was none.
func Load(dir string) (*Issuer, error) {
	text, err := os.ReadFile(filepath.Join(dir, settingsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s", ErrNone, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the issuer's settings: %w", err)
	}
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read the issuer's settings: %w", err)
	}
	return load(Options{Dir: dir, URL: s.URL, ClientID: s.ClientID})
}

func load(o Options) (*Issuer, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lifetime == 0 {
		o.Lifetime = Lifetime
	}
	text, err := os.ReadFile(filepath.Join(o.Dir, keyFile))
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	key, err := jwk.ParseKey(text, jwk.WithPEM(true))
	if err != nil {
		return nil, fmt.Errorf("read the issuer's key: %w", err)
	}
	if err := errors.Join(jwk.AssignKeyID(key), key.Set(jwk.AlgorithmKey, jwa.RS256()), key.Set(jwk.KeyUsageKey, jwk.ForSignature)); err != nil {
		return nil, fmt.Errorf("name the issuer's key: %w", err)
	}
	public, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("derive the public key: %w", err)
	}
	set := jwk.NewSet()
	if err := set.AddKey(public); err != nil {
		return nil, fmt.Errorf("list the public key: %w", err)
	}
	list, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("list the public key: %w", err)
	}
	return &Issuer{options: o, key: key, public: list, codes: map[string]grant{}, sessions: map[string]session{}}, nil
}

// makeKey writes a new key that only this user can read. It appears under its name complete or not at all.
func makeKey(path string) error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make the issuer's key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make the issuer's key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("write the issuer's key: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write the issuer's key: %w", err)
	}
	return nil
}

// Person is who a token speaks of.
type Person struct {
	Name string
	Role string // one of Roles; "" for somebody signed in without a role
}

// AccessToken signs an access token as Cognito shapes them: token_use, client_id, username and groups, and no aud.
func (i *Issuer) AccessToken(p Person, lifetime time.Duration) (string, error) {
	return i.accessToken(p, i.options.Now(), lifetime)
}

func (i *Issuer) accessToken(p Person, since time.Time, lifetime time.Duration) (string, error) {
	return i.sign(i.claims(p, since, lifetime, map[string]any{
		"token_use": "access", "client_id": i.options.ClientID, "username": p.Name, "scope": "openid profile email", "version": 2,
	}))
}

// idToken signs what the page reads to know who signed in.
func (i *Issuer) idToken(p Person, since time.Time, nonce string) (string, error) {
	more := map[string]any{"token_use": "id", "aud": i.options.ClientID, "cognito:username": p.Name, "name": p.Name}
	if nonce != "" {
		more["nonce"] = nonce
	}
	return i.sign(i.claims(p, since, i.options.Lifetime, more))
}

// claims are those of both tokens. auth_time stays when tokens are refreshed, by which clients tell that nobody signed in anew.
func (i *Issuer) claims(p Person, since time.Time, lifetime time.Duration, more map[string]any) map[string]any {
	now := i.options.Now()
	c := map[string]any{"iss": i.options.URL, "sub": subject(p.Name), "auth_time": since.Unix(), "iat": now.Unix(),
		"exp": now.Add(lifetime).Unix(), "jti": uuid(random(16))}
	if p.Role != "" {
		c["cognito:groups"] = []string{p.Role}
	}
	for k, v := range more {
		c[k] = v
	}
	return c
}

func (i *Issuer) sign(claims map[string]any) (string, error) {
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write a token's claims: %w", err)
	}
	signed, err := jws.Sign(text, jws.WithKey(jwa.RS256(), i.key))
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return string(signed), nil
}

// subject is the same for the same name, so that the activity log shows one person over several sign-ins.
func subject(name string) string {
	h := sha256.Sum256([]byte("subject of " + name))
	return uuid(h[:16])
}

func uuid(b []byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

// ValidRole reports whether role is one that the product knows.
func ValidRole(role string) bool { return slices.Contains(Roles(), role) }

// URL is the issuer's URL.
func (i *Issuer) URL() string { return i.options.URL }
