package auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// staffWorld is one account whose issuer has one key.
func staffWorld(t *testing.T) (*auth.Authenticator, *directory, *issuer, jose.JSONWebKey) {
	t.Helper()
	c := newClock()
	key := ecKey(t, "k1")
	i := newIssuer(t, c, key)
	d := newDirectory()
	d.issuers[i.url] = i.row("ES256", "EdDSA", "RS256")
	return newAuthenticator(t, d, c), d, i, key
}

func TestEveryPinnedAlgorithmIsAccepted(t *testing.T) {
	t.Parallel()
	a, _, i, _ := staffWorld(t)
	keys := []jose.JSONWebKey{rsaKey(t, "r"), ecKey(t, "e"), edKey(t, "d")}
	i.setKeys(keys...)
	for _, key := range keys {
		for _, typ := range []string{"JWT", "at+jwt", "application/at+jwt"} {
			p, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), map[jose.HeaderKey]any{"typ": typ}))
			must(t, err)
			if p.Kind != auth.KindStaff || p.DisplayName != "Ada Lovelace" {
				t.Errorf("%s %s: got %+v, want Ada as STAFF", key.Algorithm, typ, p)
			}
		}
	}
}

func TestSmallClockDifferencesAreForgiven(t *testing.T) {
	t.Parallel()
	a, _, i, key := staffWorld(t)
	now := i.clock.Now().Unix()
	for _, change := range []map[string]any{{"exp": now - 29}, {"nbf": now + 30}, {"iat": now + 30}, {"aud": []string{"x", audience}}} {
		_, err := a.Principal(t.Context(), sign(t, key, i.claims(change), nil))
		if err != nil {
			t.Errorf("%v: got %v, want it accepted", change, err)
		}
	}
}

func TestTheHighestKnownRoleOfTheClaimCounts(t *testing.T) {
	t.Parallel()
	a, d, i, key := staffWorld(t)
	for _, c := range []struct {
		claim string
		value any
		want  auth.Role
	}{
		{"", "VIEWER", auth.Viewer},
		{"", "admin", auth.Admin},
		{"", []string{"guest", "EDITOR", "VIEWER"}, auth.Editor},
		{"", []any{1, nil, "viewer"}, auth.Viewer},
		{"realm_access.roles", map[string]any{"roles": []string{"ADMIN"}}, auth.Admin},
		{"https://example.com/role", "EDITOR", auth.Editor},
		{"", "OWNER", ""},
		{"", []string{}, ""},
		{"", nil, ""},
		{"", 3, ""},
		{"realm_access.roles", "ADMIN", ""},
	} {
		row := i.row("ES256")
		row.RoleClaim = c.claim
		d.update(func() { d.issuers[i.url] = row })
		i.clock.Add(4 * time.Second) // past the cache of the issuer
		name, value := c.claim, c.value
		if name == "" {
			name = auth.DefaultRoleClaim
		} else if head, _, nested := strings.Cut(name, ".roles"); nested {
			name = head
		}
		p, err := a.Principal(t.Context(), sign(t, key, i.claims(map[string]any{auth.DefaultRoleClaim: nil, name: value}), nil))
		if c.want == "" {
			wantCode(t, err, fault.Forbidden)
			continue
		}
		if err != nil || p.Role != c.want {
			t.Errorf("%s=%v: got %q, %v, want %q", c.claim, c.value, p.Role, err, c.want)
		}
	}
}

func TestANewSigningKeyWorksAtOnceAndAWithdrawnOneStops(t *testing.T) {
	t.Parallel()
	a, _, i, first := staffWorld(t)
	old := sign(t, first, i.claims(nil), nil)
	_, err := a.Principal(t.Context(), old)
	must(t, err)

	second := edKey(t, "k2")
	i.setKeys(second) // at once and without the old one: the hardest case
	var wg sync.WaitGroup
	for n := range 50 { // everybody signs in at the same moment
		token := sign(t, second, i.claims(map[string]any{"sub": fmt.Sprint("user", n)}), nil)
		wg.Go(func() {
			if _, err := a.Principal(t.Context(), token); err != nil {
				t.Errorf("after rotation: got %v, want the new key to be known", err)
			}
		})
	}
	wg.Wait()
	if got := i.jwks.Load(); got > 3 {
		t.Errorf("got %d fetches for one rotation, want at most 3", got)
	}
	i.clock.Add(5 * time.Second) // the verified token is forgotten
	_, err = a.Principal(t.Context(), old)
	wantCode(t, err, fault.Unauthenticated)
}

func TestAWithdrawnKeyStopsWithoutAnyUnknownKid(t *testing.T) {
	t.Parallel()
	a, _, i, stolen := staffWorld(t)
	kept := ecKey(t, "kept")
	i.setKeys(stolen, kept)
	n := 0
	use := func() error { // a token of its own each time, so that no verified token is remembered
		n++
		_, err := a.Principal(t.Context(), sign(t, stolen, i.claims(map[string]any{"n": n}), nil))
		return err
	}
	must(t, use())
	i.setKeys(kept)
	i.clock.Add(59 * time.Second)
	must(t, use())
	i.clock.Add(time.Second) // from now on a use starts a fetch in the background
	eventually(t, func() bool { return fault.CodeOf(use()) == fault.Unauthenticated })
	if got := i.jwks.Load(); got > 3 {
		t.Errorf("got %d fetches, want about 2", got)
	}
}

func TestChangedIssuerSettingsHoldForTokensThatWereVerifiedBefore(t *testing.T) {
	t.Parallel()
	a, d, i, key := staffWorld(t)
	token := sign(t, key, i.claims(nil), nil)
	_, err := a.Principal(t.Context(), token)
	must(t, err)
	row := i.row("ES256")
	row.Audience = "another"
	d.update(func() { d.issuers[i.url] = row })
	i.clock.Add(3 * time.Second) // less than a verified token is remembered
	_, err = a.Principal(t.Context(), token)
	wantCode(t, err, fault.Unauthenticated)
}

func TestAnIssuersAnswerMustBeSmallAndDirect(t *testing.T) {
	t.Parallel()
	a, _, i, key := staffWorld(t)
	for name, answer := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, i.url+"/keys", http.StatusFound) },
		"huge":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 300<<10)) },
		"HTML":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"symmetric key": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[{"kty":"oct","kid":"k1","k":"AAAA"}]}`))
		},
	} {
		server := httptest.NewServer(answer)
		i.mu.Lock()
		i.jwksURL = server.URL
		i.mu.Unlock()
		_, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
		if fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("%s: got %v, want UNAVAILABLE", name, err)
		}
		server.Close()
		i.clock.Add(5 * time.Second)
	}
	if got := i.jwks.Load(); got != 0 {
		t.Errorf("got %d fetches after a redirect, want 0", got)
	}
}

func TestAFloodOfUnknownKidsMakesFewFetchesAndDoesNotStopRotation(t *testing.T) {
	t.Parallel()
	a, _, i, key := staffWorld(t)
	_, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
	must(t, err)
	forged := ecKey(t, "")
	for n := range 500 {
		forged.KeyID = fmt.Sprint("flood", n)
		_, err := a.Principal(t.Context(), sign(t, forged, i.claims(nil), nil))
		wantCode(t, err, fault.Unauthenticated)
	}
	if got := i.jwks.Load(); got > 4 {
		t.Errorf("500 unknown kids: got %d fetches, want at most 4", got)
	}
	forged.KeyID = "k1" // a known kid with a wrong signature needs no fetch
	before := i.jwks.Load()
	i.clock.Add(30 * time.Second)
	for n := range 100 {
		_, err := a.Principal(t.Context(), sign(t, forged, i.claims(map[string]any{"n": n}), nil))
		wantCode(t, err, fault.Unauthenticated)
	}
	if got := i.jwks.Load(); got != before {
		t.Errorf("100 wrong signatures: got %d fetches, want 0", got-before)
	}
	if _, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), nil)); err != nil {
		t.Errorf("a good token during the flood: got %v", err)
	}
	next := ecKey(t, "k2")
	i.setKeys(key, next)
	i.clock.Add(5 * time.Second)
	if _, err := a.Principal(t.Context(), sign(t, next, i.claims(nil), nil)); err != nil {
		t.Errorf("a rotated key 5 s after the flood: got %v, want it accepted", err)
	}
}

func TestADeadIssuerIsUnavailableAndNotABadToken(t *testing.T) {
	t.Parallel()
	a, _, i, key := staffWorld(t)
	i.down.Store(true)
	for range 20 {
		_, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
		wantCode(t, err, fault.Unavailable)
	}
	i.down.Store(false)
	i.clock.Add(5 * time.Second)
	_, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
	must(t, err)
	i.down.Store(true) // once known, its keys outlive an outage
	i.clock.Add(10 * time.Minute)
	_, err = a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
	must(t, err)
	i.clock.Add(time.Hour) // but not for ever
	_, err = a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
	wantCode(t, err, fault.Unavailable)
}

func TestAnIssuerCannotSendUsElsewhere(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"http://169.254.169.254/latest/meta-data", "https://169.254.169.254/", "https://10.0.0.1/keys", "https://[fd00::1]/keys",
		"file:///etc/passwd", "gopher://127.0.0.1/", "http://example.com/keys", "", "https://user@127.0.0.1/keys",
	} {
		a, _, i, key := staffWorld(t)
		i.mu.Lock()
		i.jwksURL = target
		if target == "" {
			i.jwksURL = " "
		}
		i.mu.Unlock()
		_, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
		if fault.CodeOf(err) != fault.Unavailable {
			t.Errorf("jwks_uri %q: got %v, want UNAVAILABLE", target, err)
		}
	}
}

func TestADeactivatedUserIsRefusedWithinTheTTL(t *testing.T) {
	t.Parallel()
	a, d, i, key := staffWorld(t)
	token := sign(t, key, i.claims(nil), nil)
	p, err := a.Principal(t.Context(), token)
	must(t, err)
	must(t, a.Recheck(t.Context(), p))
	d.update(func() {
		for k, record := range d.staff {
			record.Active = false
			d.staff[k] = record
		}
	})
	i.clock.Add(3 * time.Second)
	wantCode(t, a.Recheck(t.Context(), p), fault.Unauthenticated)
	_, err = a.Principal(t.Context(), token)
	wantCode(t, err, fault.Unauthenticated)
}

func TestRecheckEndsWithTheTokenAndWithTheIssuer(t *testing.T) {
	t.Parallel()
	a, d, i, key := staffWorld(t)
	p, err := a.Principal(t.Context(), sign(t, key, i.claims(map[string]any{"exp": i.clock.Now().Unix() + 60}), nil))
	must(t, err)
	i.clock.Add(59 * time.Second)
	must(t, a.Recheck(t.Context(), p))
	i.clock.Add(31 * time.Second)
	wantCode(t, a.Recheck(t.Context(), p), fault.Unauthenticated)

	token := sign(t, key, i.claims(nil), nil)
	p, err = a.Principal(t.Context(), token)
	must(t, err)
	d.update(func() { delete(d.issuers, i.url) })
	i.clock.Add(3 * time.Second)
	wantCode(t, a.Recheck(t.Context(), p), fault.Unauthenticated)
	_, err = a.Principal(t.Context(), token)
	wantCode(t, err, fault.Unauthenticated)
	wantCode(t, a.Recheck(t.Context(), auth.Principal{}), fault.Unauthenticated)
	must(t, a.Recheck(t.Context(), auth.System(i.account)))
}

func TestAHotTokenCostsNoLookup(t *testing.T) {
	t.Parallel()
	a, d, i, key := staffWorld(t)
	token := sign(t, key, i.claims(nil), nil)
	for range 1000 {
		_, err := a.Principal(t.Context(), token)
		must(t, err)
	}
	if got := d.callCount(); got != 2 {
		t.Errorf("1000 requests: got %d lookups, want 2 (issuer, staff user)", got)
	}
}

func TestACachedTokenStillExpires(t *testing.T) {
	t.Parallel()
	a, _, i, key := staffWorld(t)
	token := sign(t, key, i.claims(map[string]any{"exp": i.clock.Now().Unix() - 28}), nil)
	_, err := a.Principal(t.Context(), token)
	must(t, err)
	i.clock.Add(2 * time.Second)
	_, err = a.Principal(t.Context(), token)
	wantCode(t, err, fault.Unauthenticated)
}

func TestAFailingDatabaseLetsNobodyIn(t *testing.T) {
	t.Parallel()
	a, d, i, key := staffWorld(t)
	d.update(func() { d.fail = fmt.Errorf("connection refused at 10.0.0.3") })
	_, err := a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
	wantCode(t, err, fault.Unavailable)
	_, err = a.Principal(t.Context(), auth.MintKey(testPepper(t)).Printed)
	wantCode(t, err, fault.Unavailable)
	d.update(func() { d.fail = nil })
	_, err = a.Principal(t.Context(), sign(t, key, i.claims(nil), nil)) // a failure is not remembered
	must(t, err)
}

// eventually polls for what a goroutine of the package does soon.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatal("it did not happen within 5 s")
		}
	}
}

// An address that the issuer does not vouch for must not pass for one that it does: a record is claimed by it.
func TestAnAddressIsVerifiedOnlyWhenTheIssuerSaysSo(t *testing.T) {
	t.Parallel()
	a, d, i, key := staffWorld(t)
	for n, c := range []struct {
		claim any
		want  bool
	}{{true, true}, {"true", true}, {false, false}, {"false", false}, {nil, false}, {1, false}, {"yes", false}, {[]any{true}, false}} {
		claims := i.claims(map[string]any{"sub": fmt.Sprint("person ", n), "email_verified": c.claim})
		_, err := a.Principal(t.Context(), sign(t, key, claims, nil))
		must(t, err)
		if d.claims.EmailVerified != c.want || d.claims.Email != "ada@example.com" {
			t.Errorf("email_verified %#v: got %+v, want verified %v", c.claim, d.claims, c.want)
		}
	}
}
