package server

import (
	"context"
	"net/http"
	"net/url"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

type realURL struct{}

// traced makes a span of each request.
//
// SECURITY: otelhttp writes the path of the request into its span, and the path of a download or of a signed request to
// the disk store is a credential; the query string of a GET holds variables. So it is shown a request whose path is the
// route and that has no query, and the real URL is put back behind it.
func traced(next http.Handler) http.Handler {
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := r.Context().Value(realURL{}).(*url.URL); ok {
			r = r.WithContext(r.Context())
			r.URL = u
		}
		next.ServeHTTP(w, r)
	})
	spans := otelhttp.NewHandler(inner, "http", otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
		return method(r) + " " + route(r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := r.WithContext(context.WithValue(r.Context(), realURL{}, r.URL))
		shown.URL = &url.URL{Path: route(r)}
		spans.ServeHTTP(w, shown)
	})
}
