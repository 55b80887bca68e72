package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"dossier/internal/fault"
)

const (
	// keysFresh is how long keys are used without asking again. Then the next token makes a fetch in the background:
	// a rotated key is known before its first token where the issuer publishes it a minute ahead, and a withdrawn key
	// stops working although no unknown kid asked for it.
	keysFresh = time.Minute
	// keysUsable is how long keys are used when the issuer does not answer.
	keysUsable = time.Hour
	// rediscoverAfter is how long jwks_uri is believed.
	rediscoverAfter = time.Hour
	// fetchBurst and fetchEvery bound fetches per issuer whatever tokens come: a burst for restarts and rotation, then
	// one in 5 s. So under a flood of invented kids a rotated key is still known after 5 s.
	fetchBurst = 4
	fetchEvery = 5 * time.Second
	// maxIssuerKeys bounds a key set; real ones have two or three.
	maxIssuerKeys = 64
	minRSABits    = 2048
)

var errUnknownKey = errors.New("no such key")

// issuerKeys is the remote key set of one issuer: discovery, fetch, rotation.
//
// It stands in the place of go-oidc's RemoteKeySet because that one fetches again for every token with a wrong
// signature, without a limit, keeps withdrawn keys for ever, and gives an issuer that is down the same error text as a
// forged token, so the two could not be told apart (UNAVAILABLE, UNAUTHENTICATED).
type issuerKeys struct {
	url    string
	client *http.Client
	net    Network
	now    func() time.Time
	bg     *background

	mu           sync.Mutex
	keys         map[string]jose.JSONWebKey
	fetchedAt    time.Time
	jwksURL      string
	discoveredAt time.Time
	flight       *keyFetch
	lastErr      error
	tokens       float64
	refilledAt   time.Time
}

type keyFetch struct {
	done chan struct{}
	err  error
}

// wait gives the outcome of the fetch.
func (f *keyFetch) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newIssuerKeys(issuerURL string, client *http.Client, network Network, now func() time.Time, bg *background) *issuerKeys {
	return &issuerKeys{url: issuerURL, client: client, net: network, now: now, bg: bg, tokens: fetchBurst, refilledAt: now()}
}

// key gives the key for a token's kid: errUnknownKey when the issuer has none, another error when it did not answer.
func (k *issuerKeys) key(ctx context.Context, kid string) (jose.JSONWebKey, error) {
	key, flight, joined, err := k.lookup(kid)
	if flight == nil {
		return key, err
	}
	if err = flight.wait(ctx); err != nil {
		return jose.JSONWebKey{}, err
	}
	k.mu.Lock()
	key, err = k.pick(kid)
	if err == nil || !joined {
		k.mu.Unlock()
		return key, err
	}
	// The fetch that we joined may have been asked before the key was published: wait for one that began after.
	flight = k.startFetch()
	k.mu.Unlock()
	if flight == nil {
		return jose.JSONWebKey{}, errUnknownKey
	}
	if err = flight.wait(ctx); err != nil {
		return jose.JSONWebKey{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pick(kid)
}

// lookup gives a key, or a fetch to wait for (joined when it was under way already), or what is known without one.
func (k *issuerKeys) lookup(kid string) (key jose.JSONWebKey, flight *keyFetch, joined bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := k.now().Sub(k.fetchedAt)
	key, err = k.pick(kid)
	if err == nil && age < keysUsable {
		if age >= keysFresh {
			k.startFetch()
		}
		return key, nil, false, nil
	}
	joined = k.flight != nil
	if flight = k.startFetch(); flight != nil {
		return jose.JSONWebKey{}, flight, joined, errUnknownKey
	}
	// Over the limit: what was learnt last is the answer.
	if k.lastErr != nil || age >= keysUsable {
		return jose.JSONWebKey{}, nil, false, errors.Join(errIssuerAnswer, k.lastErr)
	}
	return jose.JSONWebKey{}, nil, false, errUnknownKey
}

// pick needs the lock. A token without a kid is accepted only from an issuer with one key, where it is not ambiguous.
func (k *issuerKeys) pick(kid string) (jose.JSONWebKey, error) {
	if kid == "" && len(k.keys) == 1 {
		for _, key := range k.keys {
			return key, nil
		}
	}
	if key, ok := k.keys[kid]; ok && kid != "" {
		return key, nil
	}
	return jose.JSONWebKey{}, errUnknownKey
}

// startFetch needs the lock. It joins a fetch that is under way, starts one, or gives nil when the limit is reached.
func (k *issuerKeys) startFetch() *keyFetch {
	if k.flight != nil {
		return k.flight
	}
	now := k.now()
	if passed := now.Sub(k.refilledAt); passed > 0 {
		k.tokens = min(fetchBurst, k.tokens+float64(passed)/float64(fetchEvery))
		k.refilledAt = now
	}
	if k.tokens < 1 {
		return nil
	}
	flight := &keyFetch{done: make(chan struct{})}
	if !k.bg.run(func(ctx context.Context) { k.fetch(ctx, flight, now) }) {
		return nil
	}
	k.tokens--
	k.flight = flight
	return flight
}

// fetch replaces the keys, or keeps the old ones and remembers the error.
func (k *issuerKeys) fetch(ctx context.Context, flight *keyFetch, now time.Time) {
	k.mu.Lock()
	jwksURL := k.jwksURL
	if now.Sub(k.discoveredAt) >= rediscoverAfter || k.lastErr != nil {
		jwksURL = ""
	}
	k.mu.Unlock()

	discovered := jwksURL == ""
	var err error
	if discovered {
		jwksURL, err = k.discover(ctx)
	}
	var keys map[string]jose.JSONWebKey
	if err == nil {
		keys, err = k.load(ctx, jwksURL)
	}

	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		k.keys, k.fetchedAt, k.jwksURL = keys, now, jwksURL
		if discovered {
			k.discoveredAt = now
		}
	}
	k.lastErr, flight.err, k.flight = err, err, nil
	close(flight.done)
}

// discover reads the discovery document. go-oidc compares its issuer with ours.
func (k *issuerKeys) discover(ctx context.Context) (string, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, k.client), k.url)
	if err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	var doc struct {
		JWKSURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&doc); err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	if err := k.net.checkURL(doc.JWKSURL); err != nil {
		return "", fmt.Errorf("jwks_uri: %w", err)
	}
	return doc.JWKSURL, nil
}

func (k *issuerKeys) load(ctx context.Context, jwksURL string) (map[string]jose.JSONWebKey, error) {
	body, err := getJSON(ctx, k.client, jwksURL)
	if err != nil {
		return nil, fmt.Errorf("jwks: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil || len(set.Keys) > maxIssuerKeys {
		return nil, fmt.Errorf("jwks: %w", errIssuerAnswer)
	}
	keys := make(map[string]jose.JSONWebKey, len(set.Keys))
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		// A key of an unknown type is skipped, as RFC 7517 section 5 says, and not a reason to refuse the rest.
		if json.Unmarshal(raw, &key) == nil && usable(key) {
			keys[key.KeyID] = key
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("jwks: no usable key: %w", errIssuerAnswer)
	}
	return keys, nil
}

// usable keeps public signature keys of the types that algorithms knows.
//
// SECURITY: a symmetric key in a public key set would let everybody sign; a short RSA key can be factored.
func usable(key jose.JSONWebKey) bool {
	if !key.Valid() || !key.IsPublic() || (key.Use != "" && key.Use != "sig") {
		return false
	}
	return keyAlgorithm(key) != ""
}

// keyAlgorithm is the one algorithm that the key may be used with; "" for none.
func keyAlgorithm(key jose.JSONWebKey) jose.SignatureAlgorithm {
	var alg jose.SignatureAlgorithm
	switch public := key.Key.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() >= minRSABits {
			alg = jose.RS256
		}
	case *ecdsa.PublicKey:
		if public.Curve == elliptic.P256() {
			alg = jose.ES256
		}
	case ed25519.PublicKey:
		alg = jose.EdDSA
	}
	if key.Algorithm != "" && key.Algorithm != string(alg) {
		return ""
	}
	return alg
}

// issuerDown is the answer while an issuer does not answer: the token may be fine.
func issuerDown(err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Op: "auth.issuerKeys", Err: err,
		Message: "The sign-in service of this account does not answer. Try again.",
	}
}
