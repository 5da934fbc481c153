package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// AWS keeps an issuer's keys for up to two hours. Here a key that is not known is looked for again, at most so often, so
// that a developer who makes a new key needn't wait.
const (
	keysFresh  = 2 * time.Hour
	keysRetry  = time.Second
	maxKeyList = 1 << 20 // bytes
)

// keySource fetches an issuer's public keys, found through its discovery document.
type keySource struct {
	issuer string
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex
	set     jwk.Set
	fetched time.Time
	tried   time.Time
}

func (k *keySource) find(ctx context.Context, kid string) (jwk.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if k.set != nil && now.Sub(k.fetched) < keysFresh {
		if key, ok := k.set.LookupKeyID(kid); ok {
			return key, nil
		}
	}
	if k.set == nil || now.Sub(k.tried) >= keysRetry || now.Before(k.tried) {
		k.tried = now
		set, err := k.fetch(ctx)
		if err != nil {
			return nil, errors.New("OIDC discovery endpoint communication error")
		}
		k.set, k.fetched = set, now
	}
	if key, ok := k.set.LookupKeyID(kid); ok {
		return key, nil
	}
	return nil, errors.New("the issuer does not have the key that signed the token")
}

func (k *keySource) fetch(ctx context.Context) (jwk.Set, error) {
	// The caller may go away; the keys serve everybody.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	text, err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var d struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &d); err != nil || d.KeysURL == "" {
		return nil, errors.New("the discovery document has no jwks_uri")
	}
	if text, err = k.get(ctx, d.KeysURL); err != nil {
		return nil, err
	}
	set, err := jwk.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the issuer's keys: %w", err)
	}
	return set, nil
}

func (k *keySource) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	res, err := k.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s", url, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, maxKeyList))
}
