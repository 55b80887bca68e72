package auth_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// unreadable is a body that must not be read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read before the credential was checked")
	return 0, io.EOF
}

func request(t *testing.T, h http.Handler, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql?access_token=dsk_x", unreadable{t})
	r.AddCookie(&http.Cookie{Name: "Authorization", Value: "Bearer x"})
	for _, value := range headers {
		r.Header.Add("Authorization", value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func wantRefusal(t *testing.T, w *httptest.ResponseRecorder, status int, code fault.Code, challenge string) {
	t.Helper()
	var body struct {
		Errors []struct {
			Message    string `json:"message"`
			Extensions struct {
				Code fault.Code `json:"code"`
			} `json:"extensions"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || len(body.Errors) != 1 {
		t.Fatalf("got body %q (%v), want one GraphQL error", w.Body, err)
	}
	if w.Code != status || body.Errors[0].Extensions.Code != code || body.Errors[0].Message == "" {
		t.Errorf("got %d %s, want %d with code %s and a message", w.Code, w.Body, status, code)
	}
	if got := w.Header().Get("WWW-Authenticate"); got != challenge {
		t.Errorf("got WWW-Authenticate %q, want %q", got, challenge)
	}
}

func TestTheMiddlewareLetsInWhoIsKnownAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	a, d, _, key := keyWorld(t, "read")
	var seen auth.Principal
	handler := a.Authenticate(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen, _ = auth.FromContext(r.Context())
		w.WriteHeader(http.StatusNoContent)
	}))
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER  "} {
		seen = auth.Principal{}
		if w := request(t, handler, scheme+key.Printed); w.Code != http.StatusNoContent || seen.ID != key.ID {
			t.Errorf("%q: got %d and %+v, want the key let in", scheme, w.Code, seen)
		}
	}
	if w := request(t, handler); w.Code != http.StatusNoContent || !seen.IsZero() {
		t.Errorf("without a header: got %d and %+v, want an anonymous request to go on", w.Code, seen)
	}
	const invalid = `Bearer error="invalid_token"`
	for _, bad := range [][]string{
		{""},
		{"Bearer"},
		{"Bearer "},
		{key.Printed},
		{"Basic YTpi"},
		{"Bearer a b"},
		{"Bearer " + key.Printed + ", Bearer x"},
		{"Bearer " + key.Printed, "Bearer " + key.Printed},
		{"Bearer " + key.Printed + "x"},
		{"Bearer a.b.c"},
	} {
		w := request(t, handler, bad...)
		wantRefusal(t, w, http.StatusUnauthorized, fault.Unauthenticated, invalid)
		if strings.Contains(w.Body.String(), key.Printed[4:]) {
			t.Error("the answer holds the credential")
		}
	}
	d.update(func() { d.fail = errors.New("db at 10.0.0.3 is down") })
	w := request(t, handler, "Bearer "+auth.MintKey(testPepper(t)).Printed)
	wantRefusal(t, w, http.StatusServiceUnavailable, fault.Unavailable, "")
	if w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "10.0.0.3") {
		t.Errorf("got %v %s, want Retry-After and no address", w.Header(), w.Body)
	}
}

func TestAPersonWithoutARoleGets403(t *testing.T) {
	t.Parallel()
	a, _, i, key := staffWorld(t)
	token := sign(t, key, i.claims(map[string]any{auth.DefaultRoleClaim: nil}), nil)
	w := request(t, a.Authenticate(http.NotFoundHandler()), "Bearer "+token)
	wantRefusal(t, w, http.StatusForbidden, fault.Forbidden, `Bearer error="insufficient_scope"`)
	if !strings.Contains(w.Body.String(), auth.DefaultRoleClaim) {
		t.Errorf("got %s, want the claim to be named", w.Body)
	}
}

func TestAnAnonymousUploadIsRefusedBeforeItsBody(t *testing.T) {
	t.Parallel()
	a, _, _, key := keyWorld(t, "write")
	reached := 0
	handler := a.Authenticate(auth.RequireCredential(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ })))
	wantRefusal(t, request(t, handler), http.StatusUnauthorized, fault.Unauthenticated, "Bearer")
	request(t, handler, "Bearer "+key.Printed)
	if reached != 1 {
		t.Errorf("got %d requests through, want 1", reached)
	}
}

func TestAnInternalErrorIsNotShown(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", nil)
	r.Header.Set("Accept", "application/graphql-response+json")
	auth.WriteError(w, r, errors.New("pq: password authentication failed"))
	wantRefusal(t, w, http.StatusInternalServerError, fault.Internal, "")
	if strings.Contains(w.Body.String(), "pq") || !strings.HasPrefix(w.Header().Get("Content-Type"), "application/graphql-response+json") {
		t.Errorf("got %s %s, want no cause and the accepted type", w.Header(), w.Body)
	}
}

func TestConnectionInitCarriesACredential(t *testing.T) {
	t.Parallel()
	a, _, _, key := keyWorld(t, "read")
	for _, payload := range []map[string]any{
		{"Authorization": "Bearer " + key.Printed},
		{"authorization": "bearer " + key.Printed},
		{"AUTHORIZATION": "Bearer " + key.Printed, "locale": "de"},
		{"authToken": key.Printed},
		{"authToken": "Bearer " + key.Printed},
	} {
		ctx, err := a.FromConnectionInit(t.Context(), payload)
		must(t, err)
		if p, ok := auth.FromContext(ctx); !ok || p.ID != key.ID {
			t.Errorf("%d names: got %+v, want the key", len(payload), p)
		}
	}
	for name, payload := range map[string]map[string]any{
		"no scheme": {"Authorization": key.Printed},
		"number":    {"Authorization": 7},
		"null":      {"authToken": nil},
		"empty":     {"authToken": ""},
		"object":    {"authToken": map[string]any{"token": key.Printed}},
		"wrong":     {"authToken": key.Printed + "x"},
		"two":       {"authToken": key.Printed, "Authorization": "Bearer " + key.Printed},
		"two cases": {"authorization": "Bearer " + key.Printed, "Authorization": "Bearer " + key.Printed},
	} {
		ctx, err := a.FromConnectionInit(t.Context(), payload)
		if _, ok := auth.FromContext(ctx); ok || fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("%s: got %v, want UNAUTHENTICATED", name, err)
		}
	}
	upgraded := auth.WithPrincipal(t.Context(), staff(auth.Viewer))
	for _, payload := range []map[string]any{nil, {}, {"locale": "de"}} {
		ctx, err := a.FromConnectionInit(upgraded, payload)
		if p, ok := auth.FromContext(ctx); err != nil || !ok || p.Role != auth.Viewer {
			t.Errorf("got %+v, %v, want the principal of the upgrade kept", p, err)
		}
	}
}
