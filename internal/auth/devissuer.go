package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// DevIssuer is a small real OpenID Connect issuer, for `dossier dev` and tests: discovery, a key set and signed tokens,
// so that the way a staff user comes in is the same there as in production. It has no sign-in page and must not be
// served in production: who can call Mint is anybody.
type DevIssuer struct {
	url, audience, file string
	now                 func() time.Time

	mu   sync.RWMutex
	keys []jose.JSONWebKey // private; the first signs, the others are still published
}

const (
	// devKeysKept is how many keys are published: the one that signs and its predecessor.
	devKeysKept = 2
	devTokenTTL = 12 * time.Hour
)

// DevClaims is what a token of a DevIssuer says.
type DevClaims struct {
	Subject, Email, Name string
	EmailVerified        bool
	Role                 Role
	// TTL is how long the token lives; zero means 12 hours.
	TTL time.Duration
}

// OpenDevIssuer gives the issuer with this URL, whose tokens are for audience. Its keys are in keyFile (0600), made if
// it does not exist, so that a printed token survives a restart; "" keeps them in memory. now may be nil.
func OpenDevIssuer(issuerURL, audience, keyFile string, now func() time.Time) (*DevIssuer, error) {
	if _, err := url.Parse(issuerURL); err != nil || issuerURL == "" || audience == "" {
		return nil, errors.New("auth.OpenDevIssuer: an issuer URL and an audience are required")
	}
	if now == nil {
		now = time.Now
	}
	d := &DevIssuer{url: strings.TrimSuffix(issuerURL, "/"), audience: audience, file: keyFile, now: now}
	if err := d.load(); err != nil {
		return nil, err
	}
	if len(d.keys) == 0 {
		return d, d.Rotate()
	}
	return d, nil
}

// Issuer is the row that makes an account trust this issuer.
func (d *DevIssuer) Issuer(accountID uuid.UUID) Issuer {
	return Issuer{AccountID: accountID, URL: d.url, Audience: d.audience, Algorithms: []string{string(jose.EdDSA)}}
}

// Mint gives a signed staff token.
func (d *DevIssuer) Mint(c DevClaims) (string, error) {
	if c.TTL == 0 {
		c.TTL = devTokenTTL
	}
	now := d.now()
	payload, err := json.Marshal(map[string]any{
		"iss": d.url, "aud": d.audience, "sub": c.Subject, "email": c.Email, "email_verified": c.EmailVerified, "name": c.Name,
		DefaultRoleClaim: c.Role, "iat": now.Unix(), "nbf": now.Unix(), "auth_time": now.Unix(), "exp": now.Add(c.TTL).Unix(),
		"jti": uuid.NewString(),
	})
	if err != nil {
		return "", fmt.Errorf("auth: mint: %w", err)
	}
	d.mu.RLock()
	key := d.keys[0]
	d.mu.RUnlock()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("auth: mint: %w", err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("auth: mint: %w", err)
	}
	return jws.CompactSerialize()
}

// Rotate makes a new signing key. The last one stays published, so tokens it signed stay good.
func (d *DevIssuer) Rotate() error {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("auth: rotate: %w", err)
	}
	var kid [10]byte
	_, _ = rand.Read(kid[:]) // never fails: crypto/rand ends the program instead
	key := jose.JSONWebKey{
		Key: private, KeyID: strings.ToLower(base32.StdEncoding.EncodeToString(kid[:])), Algorithm: string(jose.EdDSA), Use: "sig",
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	keys := append([]jose.JSONWebKey{key}, d.keys...)
	keys = keys[:min(len(keys), devKeysKept)]
	if err := d.save(keys); err != nil {
		return err
	}
	d.keys = keys
	return nil
}

// ServeHTTP implements http.Handler: the discovery document and the key set, below the path of the issuer's URL or at
// the root (for a handler behind http.StripPrefix).
func (d *DevIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if u, err := url.Parse(d.url); err == nil {
		path = strings.TrimPrefix(path, u.Path)
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	var doc any
	switch path {
	case "/.well-known/openid-configuration":
		doc = map[string]any{
			"issuer": d.url, "jwks_uri": d.url + "/jwks.json",
			"authorization_endpoint":   d.url + "/authorize", // required by the specification; not served
			"response_types_supported": []string{"id_token"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{string(jose.EdDSA)},
		}
	case "/jwks.json":
		d.mu.RLock()
		set := jose.JSONWebKeySet{}
		for _, key := range d.keys {
			set.Keys = append(set.Keys, key.Public())
		}
		d.mu.RUnlock()
		doc = set
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(doc) // the client may be gone
}

func (d *DevIssuer) load() error {
	if d.file == "" {
		return nil
	}
	info, err := os.Stat(d.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("auth: development issuer: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("auth: %s holds a private key but others may read it: run chmod 600 on it, or delete it", d.file)
	}
	raw, err := os.ReadFile(d.file)
	if err != nil {
		return fmt.Errorf("auth: development issuer: %w", err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		return fmt.Errorf("auth: %s is no key file: delete it, a new one is made: %w", d.file, err)
	}
	for _, key := range set.Keys {
		if _, ok := key.Key.(ed25519.PrivateKey); !ok {
			return fmt.Errorf("auth: %s holds a key of another type: delete it, a new one is made", d.file)
		}
	}
	d.keys = set.Keys
	return nil
}

// save replaces the file in one step: a crash leaves the old keys or the new ones.
func (d *DevIssuer) save(keys []jose.JSONWebKey) error {
	if d.file == "" {
		return nil
	}
	raw, err := json.MarshalIndent(jose.JSONWebKeySet{Keys: keys}, "", "  ")
	if err != nil {
		return fmt.Errorf("auth: development issuer: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(d.file), ".issuer-*") // made with 0600
	if err != nil {
		return fmt.Errorf("auth: development issuer: %w", err)
	}
	_, err = tmp.Write(raw)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), d.file)
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("auth: development issuer: %w", err)
	}
	return nil
}
