package auth_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// raw makes a token by hand, with whatever header and signature.
func raw(header, payload any, signature func(input string) []byte) string {
	part := func(v any) string {
		b, ok := v.([]byte)
		if !ok {
			b, _ = json.Marshal(v)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := part(header) + "." + part(payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(signature(input))
}

func hs256(secret []byte) func(string) []byte {
	return func(input string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		return mac.Sum(nil)
	}
}

func noSignature(string) []byte { return nil }

// swapPayload keeps header and signature of a good token and says something else.
func swapPayload(token string, claims map[string]any) string {
	parts := strings.Split(token, ".")
	body, _ := json.Marshal(claims)
	parts[1] = base64.RawURLEncoding.EncodeToString(body)
	return strings.Join(parts, ".")
}

// hostileWorld is two accounts with an issuer each, and a server of an attacker.
type hostileWorld struct {
	clock          *clock
	ours, theirs   *issuer
	rsa, ec, ed    jose.JSONWebKey
	theirEC, alien jose.JSONWebKey
	short          jose.JSONWebKey
	attacker       string
	attackerHits   *atomic.Int64
	auth           *auth.Authenticator
}

func newHostileWorld(t *testing.T) *hostileWorld {
	t.Helper()
	w := &hostileWorld{
		clock: newClock(), rsa: rsaKey(t, "rsa"), ec: ecKey(t, "ec"), ed: edKey(t, "ed"),
		theirEC: ecKey(t, "ec"), alien: ecKey(t, "ec"), attackerHits: &atomic.Int64{},
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	w.short = jose.JSONWebKey{Key: small, KeyID: "short", Algorithm: "RS256", Use: "sig"}
	forEncryption := ecKey(t, "enc")
	forEncryption.Use = "enc"
	w.ours = newIssuer(t, w.clock, w.rsa, w.ec, w.ed, w.short, forEncryption)
	w.theirs = newIssuer(t, w.clock, w.theirEC)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		w.attackerHits.Add(1)
		_ = json.NewEncoder(rw).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{w.alien.Public()}})
	}))
	t.Cleanup(server.Close)
	w.attacker = server.URL
	d := newDirectory()
	d.issuers[w.ours.url] = w.ours.row("RS256", "ES256")
	d.issuers[w.theirs.url] = w.theirs.row("ES256")
	w.auth = newAuthenticator(t, d, w.clock)
	return w
}

func (w *hostileWorld) tokens(t *testing.T) map[string]string {
	t.Helper()
	now := w.clock.Now().Unix()
	good := w.ours.claims(nil)
	goodToken := sign(t, w.ec, good, nil)
	with := func(change map[string]any) string { return sign(t, w.ec, w.ours.claims(change), nil) }
	header := func(h map[jose.HeaderKey]any) string { return sign(t, w.ec, good, h) }
	alienHeader := func(h map[jose.HeaderKey]any) string { return sign(t, w.alien, good, h) }
	der, err := x509.MarshalPKIXPublicKey(publicOf(w.rsa))
	must(t, err)
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwkJSON, err := json.Marshal(w.rsa.Public())
	must(t, err)
	otherKid := w.ec
	otherKid.KeyID = "rsa"
	es256AsRS := w.ec
	es256AsRS.KeyID = "short"
	enc := w.alien
	enc.KeyID = "enc"
	kid := func(k string) string {
		key := w.alien
		key.KeyID = k
		return sign(t, key, good, nil)
	}
	ps256 := w.rsa
	ps256.Algorithm = "PS256"
	rs512 := w.rsa
	rs512.Algorithm = "RS512"
	list := map[string]string{
		"alg none":                              raw(map[string]any{"alg": "none", "typ": "JWT"}, good, noSignature),
		"alg None in other case":                raw(map[string]any{"alg": "nOnE", "typ": "JWT"}, good, noSignature),
		"alg none with the signature kept":      raw(map[string]any{"alg": "none", "kid": "ec"}, good, func(string) []byte { return []byte("x") }),
		"alg empty":                             raw(map[string]any{"alg": "", "kid": "ec"}, good, noSignature),
		"alg missing":                           raw(map[string]any{"kid": "ec", "typ": "JWT"}, good, noSignature),
		"HS256 with the public key in PEM":      raw(map[string]any{"alg": "HS256", "kid": "rsa"}, good, hs256(publicPEM)),
		"HS256 with the public key in DER":      raw(map[string]any{"alg": "HS256", "kid": "rsa"}, good, hs256(der)),
		"HS256 with the public key as JWK":      raw(map[string]any{"alg": "HS256", "kid": "rsa"}, good, hs256(jwkJSON)),
		"HS256 with an empty secret":            raw(map[string]any{"alg": "HS256"}, good, hs256(nil)),
		"signature removed":                     goodToken[:strings.LastIndex(goodToken, ".")+1],
		"signature of zeros (CVE-2022-21449)":   raw(map[string]any{"alg": "ES256", "kid": "ec"}, good, func(string) []byte { return make([]byte, 64) }),
		"signature cut":                         goodToken[:len(goodToken)-4],
		"signature in DER":                      raw(map[string]any{"alg": "ES256", "kid": "ec"}, good, func(string) []byte { return []byte{0x30, 6, 2, 1, 1, 2, 1, 1} }),
		"key of nobody under our kid":           sign(t, w.alien, good, nil),
		"key of the other account":              sign(t, w.theirEC, good, nil),
		"our key saying the other issuer":       sign(t, w.ec, w.theirs.claims(nil), nil),
		"unknown issuer":                        with(map[string]any{"iss": "https://issuer.example.com"}),
		"issuer with a slash more":              with(map[string]any{"iss": w.ours.url + "/"}),
		"issuer of the attacker":                sign(t, w.alien, w.ours.claims(map[string]any{"iss": w.attacker}), nil),
		"issuer missing":                        with(map[string]any{"iss": nil}),
		"issuer as a list":                      with(map[string]any{"iss": []string{w.ours.url}}),
		"issuer is a file":                      with(map[string]any{"iss": "file:///etc/passwd"}),
		"issuer with user info":                 with(map[string]any{"iss": "https://a@" + strings.TrimPrefix(w.ours.url, "http://")}),
		"expired":                               with(map[string]any{"exp": now - 31}),
		"expired exactly at the leeway":         with(map[string]any{"exp": now - 30}),
		"exp missing":                           with(map[string]any{"exp": nil}),
		"exp as a string":                       with(map[string]any{"exp": "9999999999"}),
		"exp beyond the calendar":               with(map[string]any{"exp": 1e300}),
		"exp negative":                          with(map[string]any{"exp": -1}),
		"nbf in the future":                     with(map[string]any{"nbf": now + 31}),
		"nbf as a string":                       with(map[string]any{"nbf": "0"}),
		"iat in the future":                     with(map[string]any{"iat": now + 31}),
		"audience of another service":           with(map[string]any{"aud": "billing"}),
		"audience list without us":              with(map[string]any{"aud": []string{"billing", "mail"}}),
		"audience missing":                      with(map[string]any{"aud": nil}),
		"audience in other case":                with(map[string]any{"aud": strings.ToUpper(audience)}),
		"subject missing":                       with(map[string]any{"sub": nil}),
		"subject empty":                         with(map[string]any{"sub": ""}),
		"subject as a number":                   with(map[string]any{"sub": 7}),
		"subject with a NUL":                    with(map[string]any{"sub": "ada\x00"}),
		"subject very long":                     with(map[string]any{"sub": strings.Repeat("a", 256)}),
		"logout token by its typ":               header(map[jose.HeaderKey]any{"typ": "logout+jwt"}),
		"logout token by its claims":            with(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}}}),
		"security event token":                  header(map[jose.HeaderKey]any{"typ": "secevent+jwt"}),
		"proof of possession token":             header(map[jose.HeaderKey]any{"typ": "dpop+jwt"}),
		"typ is a number":                       raw(map[string]any{"alg": "ES256", "kid": "ec", "typ": 1}, good, noSignature),
		"huge":                                  with(map[string]any{"pad": strings.Repeat("a", 8<<10)}),
		"crit with an unknown extension":        header(map[jose.HeaderKey]any{"crit": []string{"exp2"}, "exp2": 1}),
		"crit empty":                            header(map[jose.HeaderKey]any{"crit": []string{}}),
		"payload not encoded (b64)":             raw(map[string]any{"alg": "ES256", "kid": "ec", "b64": false, "crit": []string{"b64"}}, good, noSignature),
		"compressed":                            header(map[jose.HeaderKey]any{"zip": "DEF"}),
		"nested":                                header(map[jose.HeaderKey]any{"cty": "JWT"}),
		"kid that climbs directories":           kid("../../../../dev/null"),
		"kid with SQL":                          kid("ec' OR '1'='1"),
		"kid is a URL":                          kid(w.attacker + "/keys"),
		"kid very long":                         kid(strings.Repeat("k", 300)),
		"kid empty with several keys":           kid(""),
		"kid of another key":                    sign(t, otherKid, good, nil),
		"kid of an encryption key":              sign(t, enc, good, nil),
		"RSA key too short":                     sign(t, w.short, good, nil),
		"EC signature under the short RSA key":  sign(t, es256AsRS, good, nil),
		"algorithm that the issuer did not pin": sign(t, w.ed, good, nil),
		"PS256":                                 sign(t, ps256, good, nil),
		"RS512":                                 sign(t, rs512, good, nil),
		"embedded jwk":                          alienHeader(map[jose.HeaderKey]any{"jwk": w.alien.Public()}),
		"embedded jwk, rightly signed":          header(map[jose.HeaderKey]any{"jwk": w.ec.Public()}),
		"jku":                                   alienHeader(map[jose.HeaderKey]any{"jku": w.attacker + "/keys"}),
		"x5u":                                   alienHeader(map[jose.HeaderKey]any{"x5u": w.attacker + "/cert"}),
		"x5c":                                   raw(map[string]any{"alg": "ES256", "kid": "ec", "x5c": []string{"AAAA"}}, good, noSignature),
		"payload changed":                       swapPayload(goodToken, w.ours.claims(map[string]any{"dossier_role": "ADMIN"})),
		"claim twice":                           sign(t, w.ec, []byte(fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"ada","sub":"eve","dossier_role":"ADMIN","exp":%d}`, w.ours.url, audience, now+60)), nil),
		"header member twice":                   raw([]byte(`{"alg":"ES256","alg":"none","kid":"ec"}`), good, noSignature),
		"JSON serialisation":                    `{"payload":"e30","protected":"e30","signature":"AA"}`,
		"four parts":                            goodToken + ".AA",
		"five parts (encrypted)":                goodToken + ".AA.AA",
		"two parts":                             goodToken[:strings.LastIndex(goodToken, ".")],
		"only dots":                             "..",
		"not base64":                            "!!.!!.!!",
		"padding in the signature":              goodToken + "==",
		"payload is a list":                     sign(t, w.ec, []byte(`["iss"]`), nil),
		"payload is no JSON":                    sign(t, w.ec, []byte("iss=ours"), nil),
		"payload is null":                       sign(t, w.ec, []byte("null"), nil),
		"distributed claims without a source":   with(map[string]any{"_claim_names": map[string]any{"dossier_role": "src"}}),
		"publishable key":                       "dpk_01h455vb4pex5vsknk084sn02q_abc",
		"new line inside":                       goodToken[:20] + "\n" + goodToken[20:],
	}
	return list
}

func TestHostileTokensAreRefused(t *testing.T) {
	t.Parallel()
	w := newHostileWorld(t)
	for _, key := range []jose.JSONWebKey{w.ec, w.rsa} { // the world is right: good tokens come in
		p, err := w.auth.Principal(t.Context(), sign(t, key, w.ours.claims(nil), nil))
		must(t, err)
		if p.AccountID != w.ours.account || p.Role != auth.Editor {
			t.Fatalf("good token: got %+v, want an EDITOR of account %s", p, w.ours.account)
		}
	}
	tokens := w.tokens(t)
	if len(tokens) < 60 {
		t.Fatalf("got %d hostile tokens, want the whole list", len(tokens))
	}
	for name, token := range tokens {
		for _, when := range []string{"first", "again"} { // a refusal must not be remembered as a pass
			p, err := w.auth.Principal(t.Context(), token)
			if fault.CodeOf(err) != fault.Unauthenticated || !p.IsZero() {
				t.Errorf("%s (%s): got %+v, %v, want UNAUTHENTICATED", name, when, p, err)
				continue
			}
			for part := range strings.SplitSeq(token, ".") {
				if len(part) > 8 && strings.Contains(err.Error(), part) {
					t.Errorf("%s: the error holds a part of the token: %v", name, err)
				}
			}
		}
	}
	if hits := w.attackerHits.Load(); hits != 0 {
		t.Errorf("the attacker's server was asked %d times, want 0", hits)
	}
}

func TestATokenReachesOnlyTheAccountOfItsIssuer(t *testing.T) {
	t.Parallel()
	w := newHostileWorld(t)
	claims := w.theirs.claims(map[string]any{"account_id": w.ours.account.String(), "tenant": w.ours.account.String()})
	p, err := w.auth.Principal(t.Context(), sign(t, w.theirEC, claims, nil))
	must(t, err)
	if p.AccountID != w.theirs.account {
		t.Errorf("got account %s, want the issuer's %s", p.AccountID, w.theirs.account)
	}
}
