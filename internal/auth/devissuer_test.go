package auth_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// devWorld serves a DevIssuer below a path, as `dossier dev` does.
func devWorld(t *testing.T, file string) (*auth.Authenticator, *auth.DevIssuer, *clock) {
	t.Helper()
	c, d := newClock(), newDirectory()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	dev, err := auth.OpenDevIssuer(server.URL+"/dev/issuer", "dossier", file, c.Now)
	must(t, err)
	mux.Handle("/dev/issuer/", dev)
	row := dev.Issuer(typeid.New())
	d.issuers[row.URL] = row
	return newAuthenticator(t, d, c), dev, c
}

func TestADevelopmentTokenComesInTheOrdinaryWay(t *testing.T) {
	t.Parallel()
	a, dev, c := devWorld(t, "")
	token, err := dev.Mint(auth.DevClaims{Subject: "demo", Name: "Demo", Email: "demo@example.com", Role: auth.Admin})
	must(t, err)
	p, err := a.Principal(t.Context(), token)
	must(t, err)
	if p.Role != auth.Admin || p.DisplayName != "Demo" || !p.AuthTime.Equal(c.Now()) || !p.ExpiresAt.Equal(c.Now().Add(12*time.Hour)) {
		t.Errorf("got %+v, want Demo as ADMIN for 12 hours", p)
	}
	token, err = dev.Mint(auth.DevClaims{Subject: "demo", Role: auth.Viewer, TTL: -time.Minute})
	must(t, err)
	_, err = a.Principal(t.Context(), token)
	wantCode(t, err, fault.Unauthenticated)
}

func TestADevelopmentTokenSurvivesOneRotationAndARestart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "issuer.json")
	a, dev, c := devWorld(t, file)
	claims := auth.DevClaims{Subject: "demo", Role: auth.Viewer}
	first, err := dev.Mint(claims)
	must(t, err)
	_, err = a.Principal(t.Context(), first)
	must(t, err)
	must(t, dev.Rotate())
	second, err := dev.Mint(claims)
	must(t, err)
	c.Add(5 * time.Second)
	for _, token := range []string{first, second} {
		_, err = a.Principal(t.Context(), token)
		must(t, err)
	}
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, want 0600", info.Mode().Perm())
	}
	again, err := auth.OpenDevIssuer(dev.Issuer(typeid.New()).URL, "dossier", file, c.Now)
	must(t, err)
	third, err := again.Mint(claims)
	must(t, err)
	_, err = a.Principal(t.Context(), third)
	must(t, err)
}

func TestADevelopmentKeyFileMustBePrivateAndWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"open":    {`{"keys":[]}`, 0o644},
		"garbage": {"not json", 0o600},
		"public":  {`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`, 0o600},
	} {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, []byte(c.content), c.mode))
		if _, err := auth.OpenDevIssuer("http://127.0.0.1/dev", "dossier", file, nil); err == nil {
			t.Errorf("%s: got an issuer, want it refused", name)
		}
	}
}

func TestADevelopmentIssuerIsNotReachedInProduction(t *testing.T) {
	t.Parallel()
	c, d := newClock(), newDirectory()
	key := ecKey(t, "k")
	i := newIssuer(t, c, key)
	d.issuers[i.url] = i.row("ES256")
	a, err := auth.New(auth.Config{Directory: d, Pepper: testPepper(t), Now: c.Now})
	must(t, err)
	t.Cleanup(a.Close)
	_, err = a.Principal(t.Context(), sign(t, key, i.claims(nil), nil))
	wantCode(t, err, fault.Unauthenticated)
	if got := i.jwks.Load(); got != 0 {
		t.Errorf("got %d fetches over plain http, want 0", got)
	}
}
