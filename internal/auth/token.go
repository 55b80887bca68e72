package auth

import (
	"context"
	"crypto"
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json" // refuses duplicate members and other spellings of a name

	"dossier/internal/fault"
)

const (
	// maxTokenBytes bounds a bearer credential. Real tokens with many group claims stay below 4 KiB.
	maxTokenBytes = 8 << 10
	// clockLeeway is how far our clock and the issuer's may differ.
	clockLeeway = 30 * time.Second
	// verifiedTTL is how long a checked signature is believed. The staff user and the issuer are looked up all the same.
	verifiedTTL   = 5 * time.Second
	maxSubject    = 255
	maxDisplay    = 200
	maxKeyIDBytes = 256
)

// tokenAlgorithms are the signature algorithms that an issuer may be configured with. SECURITY: never "none", and never
// HS*, with which a public key would serve as the secret.
var tokenAlgorithms = []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}

// refusedHeaders are header parameters with which a token would bring its own key, point at one, or change what is signed.
var refusedHeaders = []string{"jwk", "jku", "x5c", "x5u", "crit", "b64", "zip", "enc", "cty"}

// acceptedTypes are the values of typ, lower case. An absent typ is a JWT (RFC 7519 5.1; several large issuers omit it);
// what is not meant as an access or id token says so (logout+jwt, secevent+jwt, dpop+jwt).
var acceptedTypes = []string{"", "jwt", "at+jwt", "application/jwt", "application/at+jwt"}

// Refusals. They say what the owner of the token can do and nothing of what is in it.
func errBadToken() error {
	return fault.New(fault.Unauthenticated, "The access token is not valid. Sign in again.")
}

func errExpired() error {
	return fault.New(fault.Unauthenticated, "The access token has expired. Sign in again.")
}

// tokenHead is what is read of a token before anything of it is believed.
type tokenHead struct {
	alg jose.SignatureAlgorithm
	kid string
	iss string
}

// readHead takes the token apart and refuses what no issuer of ours would write.
func readHead(token string) (tokenHead, error) {
	// SECURITY: Go's base64 skips line breaks, so one token would have many spellings.
	if len(token) > maxTokenBytes || strings.Count(token, ".") != 2 || strings.ContainsFunc(token, notTokenRune) {
		return tokenHead{}, errBadToken()
	}
	jws, err := jose.ParseSignedCompact(token, tokenAlgorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return tokenHead{}, errBadToken()
	}
	head := tokenHead{
		alg: jose.SignatureAlgorithm(jws.Signatures[0].Protected.Algorithm),
		kid: jws.Signatures[0].Protected.KeyID,
	}
	if len(head.kid) > maxKeyIDBytes || checkHeader(token) != nil {
		return tokenHead{}, errBadToken()
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	if josejson.Unmarshal(jws.UnsafePayloadWithoutVerification(), &claims) != nil || claims.Issuer == "" {
		return tokenHead{}, errBadToken()
	}
	head.iss = claims.Issuer
	return head, nil
}

func notTokenRune(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.')
}

// checkHeader looks at every member of the protected header by name.
func checkHeader(token string) error {
	encoded, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return errBadToken()
	}
	var header map[string]any
	if josejson.Unmarshal(raw, &header) != nil {
		return errBadToken()
	}
	for _, name := range refusedHeaders {
		if _, ok := header[name]; ok {
			return errBadToken()
		}
	}
	typ, present := header["typ"]
	text, isText := typ.(string)
	if (present && (!isText || text == "")) || !slices.Contains(acceptedTypes, strings.ToLower(text)) {
		return errBadToken()
	}
	return nil
}

// verified is a token whose signature and claims were checked.
type verified struct {
	issuer    Issuer
	claims    StaffClaims
	expiresAt time.Time
	authTime  time.Time
	checkedAt time.Time
}

// verify checks a token against the issuer it names. keys gives the issuer's keys.
func verify(ctx context.Context, token string, head tokenHead, issuer Issuer, keys *issuerKeys, now time.Time) (verified, error) {
	if !slices.Contains(issuer.Algorithms, string(head.alg)) || issuer.Audience == "" {
		return verified{}, errBadToken()
	}
	key, err := keys.key(ctx, head.kid)
	switch {
	case err == errUnknownKey: //nolint:errorlint // the sentinel comes unwrapped from this package
		return verified{}, errBadToken()
	case err != nil:
		return verified{}, issuerDown(err)
	}
	// SECURITY: a key has one algorithm, whatever the header of the token says (algorithm confusion).
	if keyAlgorithm(key) != head.alg {
		return verified{}, errBadToken()
	}
	verifier := oidc.NewVerifier(issuer.URL, &oidc.StaticKeySet{PublicKeys: []crypto.PublicKey{key.Key}}, &oidc.Config{
		ClientID:             issuer.Audience,
		SupportedSigningAlgs: []string{string(head.alg)},
		SkipExpiryCheck:      true, // checkTimes does it with one leeway for all three claims
	})
	idToken, err := verifier.Verify(ctx, token)
	if err != nil || idToken.Issuer != issuer.URL {
		return verified{}, errBadToken()
	}
	var claims map[string]any
	var payload rawClaims
	if idToken.Claims(&payload) != nil || josejson.Unmarshal(payload, &claims) != nil {
		return verified{}, errBadToken()
	}
	return readClaims(claims, issuer, now)
}

// rawClaims takes the verified payload as it is.
type rawClaims []byte

// UnmarshalJSON implements json.Unmarshaler.
func (r *rawClaims) UnmarshalJSON(b []byte) error {
	*r = slices.Clone(b)
	return nil
}

// readClaims checks the claims of a token whose signature is good.
func readClaims(claims map[string]any, issuer Issuer, now time.Time) (verified, error) {
	expiresAt, err := checkTimes(claims, now)
	if err != nil {
		return verified{}, err
	}
	subject := text(claims, "sub")
	if subject == "" || len(subject) > maxSubject || strings.ContainsFunc(subject, unicode.IsControl) {
		return verified{}, errBadToken()
	}
	// A logout token or security event is signed by the same key and says nothing about a session.
	if _, ok := claims["events"]; ok {
		return verified{}, errBadToken()
	}
	authTime, _ := date(claims, "auth_time")
	v := verified{
		issuer: issuer, expiresAt: expiresAt, authTime: authTime, checkedAt: now,
		claims: StaffClaims{
			Issuer: issuer.URL, Subject: subject, Role: highestRole(claim(claims, issuer.roleClaim())),
			Email: display(text(claims, "email")), Name: display(text(claims, "name")), EmailVerified: isTrue(claims["email_verified"]),
		},
	}
	if v.claims.Role == "" {
		return verified{}, fault.New(fault.Forbidden,
			"You are signed in but have no role here. Ask an administrator to put VIEWER, EDITOR or ADMIN into the claim %s.",
			issuer.roleClaim())
	}
	return v, nil
}

// checkTimes wants exp, and nbf and iat to be in the past where they are given.
func checkTimes(claims map[string]any, now time.Time) (time.Time, error) {
	exp, ok := date(claims, "exp")
	if !ok {
		return time.Time{}, errBadToken()
	}
	if !now.Before(exp.Add(clockLeeway)) {
		return time.Time{}, errExpired()
	}
	for _, name := range []string{"nbf", "iat"} {
		if _, given := claims[name]; !given {
			continue
		}
		from, ok := date(claims, name)
		if !ok {
			return time.Time{}, errBadToken()
		}
		if from.After(now.Add(clockLeeway)) {
			return time.Time{}, fault.New(fault.Unauthenticated, "The access token is not valid yet. Check the clock of the sign-in service.")
		}
	}
	return exp, nil
}

// date reads a NumericDate. The bounds keep a huge number from wrapping round into the past or the future.
func date(claims map[string]any, name string) (time.Time, bool) {
	seconds, ok := claims[name].(float64)
	if !ok || seconds <= 0 || seconds > 253402300799 { // year 9999
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0).UTC(), true
}

func text(claims map[string]any, name string) string {
	s, _ := claims[name].(string)
	return s
}

// isTrue reads a claim that some issuers write as a boolean and some as text.
func isTrue(v any) bool { return v == true || v == "true" }

// display drops what no list of colleagues could show.
func display(s string) string {
	if len(s) > maxDisplay || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	return strings.TrimSpace(s)
}

// claim looks for the name itself, then along its dots.
func claim(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	var v any = claims
	for part := range strings.SplitSeq(name, ".") {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[part]
	}
	return v
}

// highestRole reads a role claim: a string or a list of strings, in any case. Unknown values give nothing.
func highestRole(value any) Role {
	var best Role
	consider := func(v any) {
		s, _ := v.(string)
		if role := Role(strings.ToUpper(s)); role.rank() > best.rank() {
			best = role
		}
	}
	if list, ok := value.([]any); ok {
		for _, v := range list {
			consider(v)
		}
		return best
	}
	consider(value)
	return best
}
