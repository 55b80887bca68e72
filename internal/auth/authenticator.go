package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"

	"dossier/internal/fault"
)

// Config is what an Authenticator needs. Directory and Pepper are required.
type Config struct {
	Directory Directory
	// Pepper is what the stored key hashes were made with.
	Pepper Pepper
	// Network says which issuers may be reached.
	Network Network
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// touchEvery is how often the use of a key is noted.
const touchEvery = time.Minute

// maxIssuers bounds the issuers whose keys are held; the least used is fetched again.
const maxIssuers = 1024

// Authenticator turns credentials into principals. It is safe for concurrent use; Close ends it.
type Authenticator struct {
	directory Directory
	pepper    Pepper
	network   Network
	now       func() time.Time
	client    *http.Client
	bg        *background

	issuers *lookup[string, Issuer]
	keys    *lookup[uuid.UUID, KeyRecord]
	ensured *lookup[ensureKey, StaffRecord]
	staff   *lookup[staffKey, StaffRecord]

	verified   *lru.Cache[[sha256.Size]byte, verified]
	issuerKeys *lru.Cache[string, *issuerKeys]
	touched    *lru.Cache[uuid.UUID, time.Time]
}

type ensureKey struct {
	account uuid.UUID
	claims  StaffClaims
}

type staffKey struct{ account, id uuid.UUID }

// New gives an Authenticator. Nothing is fetched before the first token.
func New(cfg Config) (*Authenticator, error) {
	if cfg.Directory == nil || cfg.Pepper == (Pepper{}) {
		return nil, errors.New("auth.New: Directory and Pepper are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	dir := cfg.Directory
	return &Authenticator{
		directory: dir, pepper: cfg.Pepper, network: cfg.Network, now: cfg.Now,
		client: newIssuerClient(cfg.Network), bg: newBackground(),
		issuers: newLookup(cfg.Now, dir.IssuerByURL),
		keys:    newLookup(cfg.Now, dir.KeyByID),
		ensured: newLookup(cfg.Now, func(ctx context.Context, k ensureKey) (StaffRecord, error) {
			return dir.EnsureStaff(ctx, k.account, k.claims)
		}),
		staff: newLookup(cfg.Now, func(ctx context.Context, k staffKey) (StaffRecord, error) {
			return dir.StaffByID(ctx, k.account, k.id)
		}),
		verified:   newLRU[[sha256.Size]byte, verified](cacheSize),
		issuerKeys: newLRU[string, *issuerKeys](maxIssuers),
		touched:    newLRU[uuid.UUID, time.Time](cacheSize),
	}, nil
}

// Close stops what runs in the background and waits for it.
func (a *Authenticator) Close() {
	a.bg.close()
	a.client.CloseIdleConnections()
}

// Principal gives who a bearer credential belongs to: UNAUTHENTICATED for one that is not good, FORBIDDEN for a person
// without a role, UNAVAILABLE when it could not be checked.
func (a *Authenticator) Principal(ctx context.Context, credential string) (Principal, error) {
	if strings.HasPrefix(credential, KeyPrefix) {
		return a.keyPrincipal(ctx, credential)
	}
	if credential == "" || len(credential) > maxTokenBytes {
		return Principal{}, errBadToken()
	}
	return a.staffPrincipal(ctx, credential)
}

// Recheck says whether a principal that was let in earlier would still be. Long-lived sockets call it every 2 s or less
// and before they deliver: together with directoryTTL that keeps the promise of 5 s.
func (a *Authenticator) Recheck(ctx context.Context, p Principal) error {
	switch p.Kind {
	case KindStaff:
		return a.recheckStaff(ctx, p)
	case KindAPIKey:
		record, err := a.liveKey(ctx, p.ID)
		if err != nil {
			return err
		}
		if record.AccountID != p.AccountID || !slices.Equal(record.Scopes, p.Scopes) {
			return fault.New(fault.Unauthenticated, "The scopes of this API key changed. Connect again.")
		}
		return nil
	case KindSystem:
		return nil
	default:
		return errAnonymous()
	}
}

// ForgetKey makes this node look an API key up again at once; the others do within directoryTTL. Call it after a
// revocation was committed.
func (a *Authenticator) ForgetKey(id uuid.UUID) { a.keys.forget(id) }

func errBadKey() error {
	return fault.New(fault.Unauthenticated, "The API key is not valid. Check it for typing errors, or create a new one.")
}

func (a *Authenticator) keyPrincipal(ctx context.Context, printed string) (Principal, error) {
	id, secret, ok := ParseKey(printed)
	if !ok {
		return Principal{}, errBadKey()
	}
	record, err := a.keys.get(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return Principal{}, errBadKey()
	}
	if err != nil {
		return Principal{}, directoryDown("auth.keyPrincipal", err)
	}
	// SECURITY: constant time, and before anything else is said about the key, so that who does not have the secret
	// learns neither that the id exists nor that it was revoked.
	if subtle.ConstantTimeCompare(record.Hash, KeyHash(a.pepper, id, secret)) != 1 || record.ID != id {
		return Principal{}, errBadKey()
	}
	if err := a.checkKey(record); err != nil {
		return Principal{}, err
	}
	a.touch(id)
	return Principal{
		AccountID: record.AccountID, Kind: KindAPIKey, ID: record.ID,
		Scopes: record.Scopes, DisplayName: record.Name, ExpiresAt: record.ExpiresAt,
	}, nil
}

func (a *Authenticator) liveKey(ctx context.Context, id uuid.UUID) (KeyRecord, error) {
	record, err := a.keys.get(ctx, id)
	if fault.CodeOf(err) == fault.NotFound {
		return KeyRecord{}, errBadKey()
	}
	if err != nil {
		return KeyRecord{}, directoryDown("auth.Recheck", err)
	}
	return record, a.checkKey(record)
}

func (a *Authenticator) checkKey(record KeyRecord) error {
	if record.Revoked {
		return fault.New(fault.Unauthenticated, "This API key was revoked. Create a new one.")
	}
	if !record.ExpiresAt.IsZero() && !a.now().Before(record.ExpiresAt) {
		return fault.New(fault.Unauthenticated, "This API key has expired. Create a new one.")
	}
	return nil
}

// touch notes the use of a key, seldom, and never on the request's path. Losing a note loses nothing of value.
func (a *Authenticator) touch(id uuid.UUID) {
	now := a.now()
	if last, ok := a.touched.Get(id); ok && now.Sub(last) < touchEvery {
		return
	}
	a.touched.Add(id, now)
	a.bg.try(func(ctx context.Context) { _ = a.directory.TouchKey(ctx, id, now) })
}

func (a *Authenticator) staffPrincipal(ctx context.Context, token string) (Principal, error) {
	v, err := a.verifiedToken(ctx, token)
	if err != nil {
		return Principal{}, err
	}
	record, err := a.ensured.get(ctx, ensureKey{v.issuer.AccountID, v.claims})
	if err != nil {
		return Principal{}, directoryDown("auth.staffPrincipal", err)
	}
	if !record.Active {
		return Principal{}, errDeactivated()
	}
	return Principal{
		AccountID: v.issuer.AccountID, Kind: KindStaff, ID: record.ID, Role: v.claims.Role,
		DisplayName: record.DisplayName, ExpiresAt: v.expiresAt, AuthTime: v.authTime, issuer: v.issuer.URL,
	}, nil
}

func errDeactivated() error {
	return fault.New(fault.Unauthenticated, "This staff user was deactivated. Ask an administrator of the account.")
}

// verifiedToken checks a token, or remembers that it did a moment ago under the same issuer settings.
func (a *Authenticator) verifiedToken(ctx context.Context, token string) (verified, error) {
	now := a.now()
	sum := sha256.Sum256([]byte(token))
	known, ok := a.verified.Get(sum)
	ok = ok && now.Sub(known.checkedAt) < verifiedTTL
	var head tokenHead
	if ok {
		head.iss = known.issuer.URL
	} else {
		var err error
		if head, err = readHead(token); err != nil {
			return verified{}, err
		}
	}
	issuer, err := a.issuer(ctx, head.iss)
	if err != nil {
		return verified{}, err
	}
	if ok && known.issuer.equal(issuer) {
		if !now.Before(known.expiresAt.Add(clockLeeway)) {
			return verified{}, errExpired()
		}
		return known, nil
	}
	if ok { // the issuer's settings changed since
		if head, err = readHead(token); err != nil {
			return verified{}, err
		}
	}
	v, err := verify(ctx, token, head, issuer, a.keysOf(issuer.URL), now)
	if err != nil {
		return verified{}, err
	}
	a.verified.Add(sum, v)
	return v, nil
}

// issuer gives the issuer of a token. SECURITY: the account comes from here, so from the configuration of the issuer
// that signed, and never from the token.
func (a *Authenticator) issuer(ctx context.Context, iss string) (Issuer, error) {
	if a.network.checkURL(iss) != nil {
		return Issuer{}, errBadToken()
	}
	issuer, err := a.issuers.get(ctx, iss)
	if fault.CodeOf(err) == fault.NotFound {
		return Issuer{}, errBadToken()
	}
	if err != nil {
		return Issuer{}, directoryDown("auth.issuer", err)
	}
	if issuer.URL != iss || issuer.AccountID == uuid.Nil {
		return Issuer{}, errBadToken()
	}
	return issuer, nil
}

func (a *Authenticator) keysOf(issuerURL string) *issuerKeys {
	if keys, ok := a.issuerKeys.Get(issuerURL); ok {
		return keys
	}
	keys := newIssuerKeys(issuerURL, a.client, a.network, a.now, a.bg)
	if previous, ok, _ := a.issuerKeys.PeekOrAdd(issuerURL, keys); ok {
		return previous
	}
	return keys
}

func (a *Authenticator) recheckStaff(ctx context.Context, p Principal) error {
	if !a.now().Before(p.ExpiresAt.Add(clockLeeway)) {
		return errExpired()
	}
	issuer, err := a.issuer(ctx, p.issuer)
	if err != nil {
		return err
	}
	if issuer.AccountID != p.AccountID {
		return errBadToken()
	}
	record, err := a.staff.get(ctx, staffKey{p.AccountID, p.ID})
	if fault.CodeOf(err) == fault.NotFound {
		return errDeactivated()
	}
	if err != nil {
		return directoryDown("auth.Recheck", err)
	}
	if !record.Active {
		return errDeactivated()
	}
	return nil
}

// directoryDown fails closed: whatever the database said, the request is not let in and may be tried again.
func directoryDown(op string, err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Op: op, Err: err,
		Message: "Your credential could not be checked just now. Try again.",
	}
}
