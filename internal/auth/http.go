package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"dossier/internal/fault"
)

// Authenticate puts the principal of the Authorization header into the request's context. A request without the header
// goes on as anonymous: which operations that allows is for the layers above. A credential that is not good is answered
// here, before any of the body was read. Cookies and query parameters are never looked at, so no other site can make a
// browser send a credential.
func (a *Authenticator) Authenticate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers := r.Header.Values("Authorization")
		if len(headers) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		credential, ok := bearer(headers[0])
		if !ok || len(headers) > 1 {
			WriteError(w, r, errScheme())
			return
		}
		p, err := a.Principal(r.Context(), credential)
		if err != nil {
			WriteError(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(WithPrincipal(r.Context(), p)))
	})
}

// RequireCredential refuses anonymous requests with 401 before a byte of the body is read. It stands before uploads,
// where GraphQL's own answer would come after the body.
func RequireCredential(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, ok := FromContext(r.Context()); !ok {
			WriteError(w, r, errAnonymous())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// FromConnectionInit gives the context of a WebSocket whose connection_init had this payload: {"Authorization": "Bearer
// ..."}, the name in any case, or {"authToken": "..."}. Browsers cannot set headers on a WebSocket. Without either, ctx
// is given back as it is, with the principal of the upgrade request if there was one.
func (a *Authenticator) FromConnectionInit(ctx context.Context, payload map[string]any) (context.Context, error) {
	var credential string
	found := 0
	for name, value := range payload {
		text, isText := value.(string)
		switch {
		case strings.EqualFold(name, "authorization"):
			var ok bool
			if credential, ok = bearer(text); !isText || !ok {
				return ctx, errScheme()
			}
			found++
		case strings.EqualFold(name, "authToken"):
			if credential = text; !isText || text == "" {
				return ctx, errBadToken()
			}
			if bare, ok := bearer(text); ok {
				credential = bare
			}
			found++
		}
	}
	switch found {
	case 0:
		return ctx, nil
	case 1:
	default: // which one counts would depend on the order of a map
		return ctx, fault.New(fault.Unauthenticated, "Send one credential in connection_init, not several.")
	}
	p, err := a.Principal(ctx, credential)
	if err != nil {
		return ctx, err
	}
	return WithPrincipal(ctx, p), nil
}

// bearer takes the credential out of "Bearer <credential>"; the scheme is case-insensitive (RFC 9110 11.1).
func bearer(header string) (string, bool) {
	scheme, credential, ok := strings.Cut(strings.TrimSpace(header), " ")
	credential = strings.TrimLeft(credential, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || credential == "" || strings.ContainsAny(credential, " \t,") {
		return "", false
	}
	return credential, true
}

func errScheme() error {
	return fault.New(fault.Unauthenticated, "Send one header \"Authorization: Bearer\" followed by a staff token or an API key.")
}

// WriteError answers a request that was refused before GraphQL, in the shape of a GraphQL answer: 401, 403 or 503 with
// the error's code, and the challenge of RFC 6750.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	code, message := fault.CodeOf(err), "internal error"
	var f *fault.Error
	if errors.As(err, &f) && code != fault.Internal {
		message = f.Message
	}
	status := http.StatusInternalServerError
	header := w.Header()
	switch code { //nolint:exhaustive // the other codes do not come from this package
	case fault.Unauthenticated:
		status = http.StatusUnauthorized
		if len(r.Header.Values("Authorization")) > 0 {
			header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		} else { // RFC 6750 3.1: no error code for a request that brought no credential
			header.Set("WWW-Authenticate", "Bearer")
		}
	case fault.Forbidden:
		status = http.StatusForbidden
		header.Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
	case fault.Unavailable:
		status = http.StatusServiceUnavailable
		header.Set("Retry-After", "1")
	}
	body, _ := json.Marshal(map[string]any{"errors": []any{map[string]any{ // strings only: cannot fail
		"message": message, "extensions": map[string]any{"code": code},
	}}})
	if strings.Contains(r.Header.Get("Accept"), "application/graphql-response+json") {
		header.Set("Content-Type", "application/graphql-response+json; charset=utf-8")
	} else {
		header.Set("Content-Type", "application/json; charset=utf-8")
	}
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
