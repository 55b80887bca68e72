package system

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const (
	goodOrigin = "https://app.example.com"
	evilOrigin = "https://evil.example.net"
)

// TestNoOtherSiteHasAnEffect is row 17 of hardening.md: what a page of another site can make a browser send without
// asking first changes nothing, even if the browser had the credential.
func TestNoOtherSiteHasAnEffect(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--origin="+goodOrigin)
	a := staff(t, s, auth.Admin)
	w := build(t, a)
	db := database(t, s)
	before := fingerprint(t, db, uuidOf(t, w.account))
	const mutation = `mutation { customerCreate(input: {givenName: "Forged"}) { customer { id } } }`
	form := newForm().field("operations", formOperations(w.customer, "[null]")).field("map", `{"1": ["variables.files.0"]}`).file("1", "a.pdf", pdfText).end()
	jsonBody := `{"query": "mutation { customerCreate(input: {givenName: \"Forged\"}) { customer { id } } }"}`
	query := "/graphql?query=" + url.QueryEscape(mutation)
	for _, c := range []struct {
		name, method, target, contentType, accept, body string
	}{
		{"a multipart form", http.MethodPost, "/graphql", "multipart/form-data; boundary=----" + canary, "", form},
		{"a multipart form in capitals", http.MethodPost, "/graphql", "Multipart/Form-Data; boundary=----" + canary, "", form},
		{"a multipart form that wants events", http.MethodPost, "/graphql", "multipart/form-data; boundary=----" + canary, "text/event-stream", form},
		{"plain text", http.MethodPost, "/graphql", "text/plain", "", jsonBody},
		{"plain text that wants events", http.MethodPost, "/graphql", "text/plain", "text/event-stream", jsonBody},
		{"plain text with JSON in a parameter", http.MethodPost, "/graphql", "text/plain; application/json", "", jsonBody},
		{"a form", http.MethodPost, "/graphql", "application/x-www-form-urlencoded", "", "query=" + url.QueryEscape(mutation)},
		{"no type", http.MethodPost, "/graphql", "", "", jsonBody},
		{"a form with the operation in the URL", http.MethodPost, query, "application/x-www-form-urlencoded", "", ""},
		{"an image", http.MethodGet, query, "", "image/*", ""},
		{"a link", http.MethodGet, query, "", "text/html", ""},
		{"an EventSource", http.MethodGet, query, "", "text/event-stream", ""},
		{"HEAD", http.MethodHead, query, "", "", ""},
		{"another method", http.MethodPut, query, "application/json", "", jsonBody},
	} {
		for _, origin := range []string{evilOrigin, "null", goodOrigin} {
			status, header, body := a.browser(t, c.method, c.target, origin, map[string]string{"Content-Type": c.contentType, "Accept": c.accept}, c.body)
			allowed := header.Get("Access-Control-Allow-Origin")
			if origin != goodOrigin && allowed != "" {
				t.Errorf("%s from %s may read the answer: Access-Control-Allow-Origin: %s", c.name, origin, allowed)
			}
			if header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: credentials are allowed across origins, and nothing here uses any", c.name)
			}
			if strings.Contains(body, "cus_") {
				t.Errorf("%s from %s had an effect: status %d, %s", c.name, origin, status, body)
			}
		}
	}
	// A GET for a query is refused as well: the time that the answer takes would tell something.
	status, _, body := a.browser(t, http.MethodGet, "/graphql?query="+url.QueryEscape("{ account { id } }"), evilOrigin, nil, "")
	if status != http.StatusBadRequest || !strings.Contains(body, "GraphQL-Require-Preflight") {
		t.Errorf("a query by GET without a preflight header: status %d %s", status, body)
	}
	status, _, body = a.browser(t, http.MethodGet, "/graphql?query="+url.QueryEscape("{ account { id } }"), goodOrigin,
		map[string]string{"GraphQL-Require-Preflight": "1"}, "")
	if status != http.StatusOK || !strings.Contains(body, w.account) {
		t.Errorf("a query by GET with a preflight header: status %d %s", status, body)
	}
	wantPreflights(t, a)
	wantSocketOrigins(t, a)
	wantUnchanged(t, "another site", before, fingerprint(t, db, uuidOf(t, w.account)))
}

// browser sends a request as a page would make a browser send it.
func (a actor) browser(t *testing.T, method, target, origin string, headers map[string]string, send string) (status int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.node.URL+target, strings.NewReader(send))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	req.Header.Set("Origin", origin)
	for name, value := range headers {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

// wantPreflights asks as a browser does before it sends what a form could not.
func wantPreflights(t *testing.T, a actor) {
	t.Helper()
	for origin, want := range map[string]string{
		goodOrigin: goodOrigin, a.node.URL: a.node.URL, evilOrigin: "", "null": "", goodOrigin + ".evil.net": "", "http://app.example.com": "",
		"https://app.example.com:8443": "",
	} {
		for _, headers := range []string{"authorization,content-type", "graphql-require-preflight", "content-type,traceparent"} {
			_, header, _ := a.browser(t, http.MethodOptions, "/graphql", origin,
				map[string]string{"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": headers}, "")
			if got := header.Get("Access-Control-Allow-Origin"); got != want {
				t.Errorf("a preflight from %s for %s allows %q, want %q", origin, headers, got, want)
			}
			if got := header.Get("Access-Control-Allow-Headers"); (got != "") != (want != "") {
				t.Errorf("a preflight from %s allows the headers %q", origin, got)
			}
		}
	}
}

// wantSocketOrigins: the same list holds for WebSocket, which browsers open without asking.
func wantSocketOrigins(t *testing.T, a actor) {
	t.Helper()
	for origin, want := range map[string]int{
		"": 101, goodOrigin: 101, a.node.URL: 101, evilOrigin: 403, "null": 403, goodOrigin + ".evil.net": 403, "https://app.example.com:8443": 403,
	} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, resp, err := dialSocket(t.Context(), a.node, "graphql-transport-ws", header)
		if resp == nil {
			t.Fatalf("a socket from %q: %v", origin, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("a socket from %q: status %d, want %d", origin, resp.StatusCode, want)
		}
		if err == nil {
			_ = conn.Close()
		}
	}
}
