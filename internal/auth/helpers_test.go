package auth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// clock is a clock that stands still until a test moves it.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// directory is the database of these tests.
type directory struct {
	mu       sync.Mutex
	issuers  map[string]auth.Issuer
	staff    map[string]auth.StaffRecord // by issuer + subject
	keys     map[uuid.UUID]auth.KeyRecord
	fail     error
	calls    int
	claims   auth.StaffClaims // of the newest EnsureStaff
	touchedC chan uuid.UUID
}

func newDirectory() *directory {
	return &directory{
		issuers: map[string]auth.Issuer{}, staff: map[string]auth.StaffRecord{}, keys: map[uuid.UUID]auth.KeyRecord{},
		touchedC: make(chan uuid.UUID, 16), // more than any test touches
	}
}

func (d *directory) begin() (func(), error) {
	d.mu.Lock()
	d.calls++
	return d.mu.Unlock, d.fail
}

func (d *directory) IssuerByURL(_ context.Context, iss string) (auth.Issuer, error) {
	end, err := d.begin()
	defer end()
	if issuer, ok := d.issuers[iss]; ok || err != nil {
		return issuer, err
	}
	return auth.Issuer{}, fault.New(fault.NotFound, "no issuer")
}

func (d *directory) EnsureStaff(_ context.Context, _ uuid.UUID, c auth.StaffClaims) (auth.StaffRecord, error) {
	end, err := d.begin()
	defer end()
	if err != nil {
		return auth.StaffRecord{}, err
	}
	record, ok := d.staff[c.Issuer+" "+c.Subject]
	if !ok {
		record = auth.StaffRecord{ID: typeid.New(), Active: true}
	}
	record.DisplayName = c.Name
	d.claims = c
	d.staff[c.Issuer+" "+c.Subject] = record
	return record, nil
}

func (d *directory) StaffByID(_ context.Context, _, id uuid.UUID) (auth.StaffRecord, error) {
	end, err := d.begin()
	defer end()
	if err != nil {
		return auth.StaffRecord{}, err
	}
	for _, record := range d.staff {
		if record.ID == id {
			return record, nil
		}
	}
	return auth.StaffRecord{}, fault.New(fault.NotFound, "no staff user")
}

func (d *directory) KeyByID(_ context.Context, id uuid.UUID) (auth.KeyRecord, error) {
	end, err := d.begin()
	defer end()
	if record, ok := d.keys[id]; ok || err != nil {
		return record, err
	}
	return auth.KeyRecord{}, fault.New(fault.NotFound, "no key")
}

func (d *directory) TouchKey(_ context.Context, id uuid.UUID, _ time.Time) error {
	d.touchedC <- id
	return nil
}

func (d *directory) update(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

func (d *directory) callCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// issuer is an OpenID Connect issuer with any keys a test wants.
type issuer struct {
	url     string
	account uuid.UUID
	clock   *clock

	mu      sync.Mutex
	keys    []jose.JSONWebKey // private
	jwks    atomic.Int64      // fetches
	down    atomic.Bool
	jwksURL string // overrides the published one
}

const audience = "dossier-test"

func newIssuer(t testing.TB, c *clock, keys ...jose.JSONWebKey) *issuer {
	t.Helper()
	i := &issuer{account: typeid.New(), clock: c, keys: keys}
	server := httptest.NewServer(http.HandlerFunc(i.serve))
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func (i *issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down.Load() {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		jwksURL := i.jwksURL
		if jwksURL == "" {
			jwksURL = i.url + "/keys"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.url, "jwks_uri": jwksURL})
	case "/keys":
		i.jwks.Add(1)
		var set jose.JSONWebKeySet
		for _, key := range i.keys {
			set.Keys = append(set.Keys, key.Public())
		}
		_ = json.NewEncoder(w).Encode(set)
	default:
		http.NotFound(w, r)
	}
}

func (i *issuer) setKeys(keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

func (i *issuer) row(algorithms ...string) auth.Issuer {
	return auth.Issuer{AccountID: i.account, URL: i.url, Audience: audience, Algorithms: algorithms}
}

// claims gives good claims, changed by with; a nil value removes one.
func (i *issuer) claims(with map[string]any) map[string]any {
	now := i.clock.Now().Unix()
	c := map[string]any{
		"iss": i.url, "aud": audience, "sub": "ada", "name": "Ada Lovelace", "email": "ada@example.com",
		"dossier_role": "EDITOR", "iat": now, "exp": now + 3600,
	}
	maps.Copy(c, with)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

func rsaKey(t testing.TB, kid string) jose.JSONWebKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "RS256", Use: "sig"}
}

func ecKey(t testing.TB, kid string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

func edKey(t testing.TB, kid string) jose.JSONWebKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "EdDSA", Use: "sig"}
}

// sign makes a token with a real signature. header is added to alg, kid and typ.
func sign(t testing.TB, key jose.JSONWebKey, claims any, header map[jose.HeaderKey]any) string {
	t.Helper()
	payload, ok := claims.([]byte)
	if !ok {
		var err error
		payload, err = json.Marshal(claims)
		must(t, err)
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	for name, value := range header {
		options = options.WithHeader(name, value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key}, options)
	must(t, err)
	jws, err := signer.Sign(payload)
	must(t, err)
	token, err := jws.CompactSerialize()
	must(t, err)
	return token
}

func publicOf(key jose.JSONWebKey) crypto.PublicKey { return key.Public().Key }

func testPepper(t testing.TB) auth.Pepper {
	t.Helper()
	pepper, err := auth.DerivePepper([]byte(strings.Repeat("s", 32)))
	must(t, err)
	return pepper
}

func newAuthenticator(t testing.TB, d *directory, c *clock) *auth.Authenticator {
	t.Helper()
	a, err := auth.New(auth.Config{Directory: d, Pepper: testPepper(t), Network: auth.Network{Loopback: true}, Now: c.Now})
	must(t, err)
	t.Cleanup(a.Close)
	return a
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}
