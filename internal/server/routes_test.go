package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dossier/graph"
)

func TestTheSchemaIsServedWithAnETag(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.server.URL() + "/schema.graphql"
	r := get(t, url)
	etag := r.header.Get("ETag")
	if r.status != http.StatusOK || r.body != graph.SDL() || etag == "" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/graphql") {
		t.Fatalf("the schema is %d with %d bytes, ETag %q, type %q", r.status, len(r.body), etag, r.header.Get("Content-Type"))
	}
	for match, want := range map[string]int{
		etag: http.StatusNotModified, "W/" + etag: http.StatusNotModified, `"x", ` + etag: http.StatusNotModified, "*": http.StatusNotModified,
		`"x"`: http.StatusOK, "": http.StatusOK,
	} {
		got := ask(t, http.MethodGet, url, map[string]string{"If-None-Match": match}, "")
		if got.status != want || got.header.Get("ETag") != etag || (want == http.StatusNotModified && got.body != "") {
			t.Errorf("If-None-Match %s: %d with %d bytes, want %d", match, got.status, len(got.body), want)
		}
	}
	if r := ask(t, http.MethodHead, url, nil, ""); r.status != http.StatusOK || r.header.Get("ETag") != etag {
		t.Errorf("HEAD: %d, ETag %q", r.status, r.header.Get("ETag"))
	}
	if r := ask(t, http.MethodPost, url, nil, ""); r.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d, want 405", r.status)
	}
}

func TestCrossOriginRequestsAreOfConfiguredOrigins(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *Config, _ *Deps) {
		c.Origins = append(c.Origins, "https://ported.example:443", "HTTPS://Upper.example")
	})
	for origin, want := range map[string]bool{
		"https://app.example": true, "https://other.example:8443": true, "https://api.example": true, "https://APP.example": true,
		"https://ported.example": true, "https://upper.example": true,
		"http://app.example": false, "https://app.example:8443": false, "https://evil.example": false, "https://app.example.evil.example": false,
		"https://xapp.example": false, "null": false, "https://": false, "https://app.example@evil.example": false, "*": false, "file://": false,
	} {
		preflight := ask(t, http.MethodOptions, e.server.URL()+"/graphql", map[string]string{
			"Origin": origin, "Access-Control-Request-Method": "POST",
			"Access-Control-Request-Headers": "authorization,content-type,graphql-require-preflight",
		}, "")
		allowed := preflight.header.Get("Access-Control-Allow-Origin")
		if got := allowed == origin; got != want || allowed == "*" || (!want && allowed != "") {
			t.Errorf("preflight of %s: allowed %q, want %v", origin, allowed, want)
		}
		if preflight.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("preflight of %s: credentials are allowed, which no client needs: there are no cookies", origin)
		}
		simple := ask(t, http.MethodGet, e.server.URL()+"/schema.graphql", map[string]string{"Origin": origin}, "")
		if got := simple.header.Get("Access-Control-Allow-Origin") == origin; got != want {
			t.Errorf("GET of %s: allowed %v, want %v", origin, got, want)
		}
		if !strings.Contains(strings.Join(simple.header.Values("Vary"), ","), "Origin") {
			t.Errorf("GET of %s: Vary is %q: a cache could give one origin's answer to another", origin, simple.header.Values("Vary"))
		}
	}
	refused := ask(t, http.MethodOptions, e.server.URL()+"/graphql", map[string]string{
		"Origin": "https://app.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-made-up",
	}, "")
	if refused.header.Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("a header that nobody needs is allowed: %v", refused.header)
	}
}

// TestAPageMaySendToTheDiskStore holds what a browser asks for before it sends the parts of a resumable upload.
func TestAPageMaySendToTheDiskStore(t *testing.T) {
	t.Parallel()
	e := start(t, func(_ *Config, d *Deps) {
		d.BlobRoutes = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Range", "bytes=0-9") })
	})
	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		preflight := ask(t, http.MethodOptions, e.server.URL()+"/blobs/x", map[string]string{
			"Origin": "https://app.example", "Access-Control-Request-Method": method, "Access-Control-Request-Headers": "content-range,content-type",
		}, "")
		if got := preflight.header; got.Get("Access-Control-Allow-Methods") != method || got.Get("Access-Control-Allow-Headers") == "" {
			t.Errorf("preflight of %s: %v", method, got)
		}
		answer := ask(t, method, e.server.URL()+"/blobs/x", map[string]string{"Origin": "https://app.example"}, "")
		if !strings.Contains(strings.ToLower(answer.header.Get("Access-Control-Expose-Headers")), "range") {
			t.Errorf("%s: the page does not see what is stored: %v", method, answer.header)
		}
	}
}

func TestWebSocketsAreOfConfiguredOrigins(t *testing.T) {
	t.Parallel()
	o := newOrigins("https://api.example/base", []string{"https://app.example", "http://localhost:3000"})
	for _, c := range []struct {
		origin, host string
		want         bool
	}{
		{"", "api.example", true},
		{"https://app.example", "api.example", true},
		{"http://localhost:3000", "api.example", true},
		{"https://api.example", "api.example", true},
		{"https://api.example", "internal:8080", true},
		{"http://127.0.0.1:8080", "127.0.0.1:8080", true},
		{"http://LOCALHOST:8080", "localhost:8080", true},
		{"http://localhost:3001", "api.example", false},
		{"https://evil.example", "api.example", false},
		{"http://127.0.0.1:8081", "127.0.0.1:8080", false},
		{"https://api.example.evil.example", "api.example", false},
		{"null", "api.example", false},
		{"null", "", false},
		{"https://", "", false},
		{"file://", "", false},
		{"%", "api.example", false},
		{"https://app.example@evil.example", "api.example", false},
		{"https://api.example:444", "api.example", false},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/graphql", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		if got := o.socket(r); got != c.want {
			t.Errorf("Origin %q at %q: allowed is %v, want %v", c.origin, c.host, got, c.want)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *Config, _ *Deps) { c.DrainDelay = 300 * time.Millisecond })
	check := func(want int, when string) {
		t.Helper()
		for _, base := range []string{e.server.URL(), e.server.AdminURL()} {
			if r := get(t, base+"/healthz"); r.status != http.StatusOK {
				t.Errorf("%s: healthz is %d, want 200", when, r.status)
			}
			if r := get(t, base+"/readyz"); r.status != want {
				t.Errorf("%s: readyz is %d, want %d", when, r.status, want)
			}
		}
	}
	check(http.StatusOK, "running")
	e.ready.Store(false)
	check(http.StatusServiceUnavailable, "without a database")
	e.ready.Store(true)
	e.stop()
	for !e.server.stopping.Load() {
		if t.Context().Err() != nil {
			t.Fatal("it does not stop")
		}
	}
	if r := get(t, e.server.URL()+"/readyz"); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "stopping") {
		t.Errorf("stopping: readyz is %d %q, want 503", r.status, r.body)
	}
	if r := get(t, e.server.URL()+"/healthz"); r.status != http.StatusOK {
		t.Errorf("stopping: healthz is %d, want 200: it still answers", r.status)
	}
}
