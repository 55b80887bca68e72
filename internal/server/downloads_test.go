package server

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
)

// link makes a link that the env's holder holds.
func (e *env) link(account, version uuid.UUID) string {
	return e.server.URL() + e.server.deps.Links.URLFor(e.holder.Holder(), account, version)
}

func TestADownloadLink(t *testing.T) {
	t.Parallel()
	e := start(t)
	e.versions.key = blob.NewKey(e.versions.account)
	link := e.link(e.versions.account, e.versions.version)
	r := get(t, link)
	to := r.header.Get("Location")
	if r.status != http.StatusFound || !strings.HasPrefix(to, "http://api.example/blobs/") {
		t.Fatalf("a good link gives %d to %q, want a redirect to the store", r.status, to)
	}
	if strings.Contains(to, e.versions.version.String()) {
		t.Errorf("the link of the store %s holds the id of the version", to)
	}
	forged := link[:len(link)-1] + "A"
	if forged == link {
		forged = link[:len(link)-1] + "B"
	}
	bad := map[string]string{
		"forged": forged, "cut": link[:len(link)-5], "no token": e.server.URL() + "/files/x",
		"of another account": e.link(uuid.New(), e.versions.version), "of another version": e.link(e.versions.account, uuid.New()),
		"of nobody": e.server.URL() + e.server.deps.Links.URL(e.versions.account, e.versions.version),
		"of somebody else": e.server.URL() +
			e.server.deps.Links.URLFor(auth.Holder{Kind: auth.KindStaff, ID: uuid.New()}, e.versions.account, e.versions.version),
		"of the same person by another issuer": e.server.URL() +
			e.server.deps.Links.URLFor(auth.Holder{Kind: auth.KindStaff, ID: e.holder.ID, Issuer: [8]byte{1}}, e.versions.account, e.versions.version),
	}
	var first string
	wantRefused := func(name, url string) {
		t.Helper()
		r := get(t, url)
		if first == "" {
			first = r.body
		}
		if r.status != http.StatusNotFound || r.header.Get("Location") != "" || r.body != first {
			t.Errorf("%s: %d %q, want the same 404 for all", name, r.status, r.body)
		}
		wantSafe(t, name, r.header)
	}
	for name, url := range bad {
		wantRefused(name, url)
	}
	e.versions.withdrawn.Store(true)
	wantRefused("a withdrawn content", link)
	e.versions.withdrawn.Store(false)
	e.holder.locked.Store(true)
	wantRefused("a holder who is locked out", link)
	e.holder.locked.Store(false)
	e.now.Store(301)
	wantRefused("a link after five minutes", link)
	e.now.Store(0)
	e.versions.down.Store(true)
	if r := get(t, link); r.status != http.StatusServiceUnavailable || r.header.Get("Location") != "" {
		t.Errorf("without a database, so without a record: %d, want 503", r.status)
	}
	if log := e.log.String(); strings.Contains(log, link[strings.LastIndexByte(link, '/')+1:]) {
		t.Error("the log holds a link, which is a credential")
	}
}

func wantSafe(t *testing.T, what string, h http.Header) {
	t.Helper()
	for name, value := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "sandbox; default-src 'none'", "Cross-Origin-Resource-Policy": "same-site",
	} {
		if got := h.Get(name); got != value {
			t.Errorf("%s: %s is %q, want %q", what, name, got, value)
		}
	}
}

func TestADownloadIsRecordedOncePerLinkAndClient(t *testing.T) {
	t.Parallel()
	e := start(t, func(c *Config, _ *Deps) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	e.versions.key = blob.NewKey(e.versions.account)
	link := e.link(e.versions.account, e.versions.version)
	r := ask(t, http.MethodHead, link, nil, "")
	if r.status != http.StatusOK || r.header.Get("Content-Length") != "1234" || r.header.Get("Location") != "" ||
		r.header.Get("Content-Disposition") != `attachment; filename="Vertrag.pdf"` || r.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("HEAD gives %d %v, want what is there, without a redirect", r.status, r.header)
	}
	wantSafe(t, "HEAD", r.header)
	if !e.versions.last().Unrecorded {
		t.Error("a HEAD is recorded as a download")
	}
	wantSafe(t, "GET", get(t, link).header)
	whole := e.versions.last()
	if whole.Unrecorded || !whole.Anew {
		t.Errorf("a GET gives %+v, want a record of its own", whole)
	}
	for header, anew := range map[string]bool{
		"bytes=0-": true, "bytes=0-99": true, "bytes=00-99, 200-": true, "items=5-": true, "bytes=x-": true, "bytes=5": true,
		"bytes=500-": false, "bytes=1-1": false, "bytes=-500": false, " bytes= 7-": false,
	} {
		ask(t, http.MethodGet, link, map[string]string{"Range": header}, "")
		if got := e.versions.last(); got.Anew != anew || got.ID != whole.ID || got.Unrecorded {
			t.Errorf("Range %q gives %+v, want the record %s, anew %v", header, got, whole.ID, anew)
		}
	}
	ask(t, http.MethodGet, link, map[string]string{"Range": "bytes=500-", "X-Forwarded-For": "192.0.2.9"}, "")
	if e.versions.last().ID == whole.ID {
		t.Error("a link that was handed on has the record of the first client")
	}
	e.now.Store(60)
	ask(t, http.MethodGet, e.link(e.versions.account, e.versions.version), nil, "")
	if e.versions.last().ID == whole.ID {
		t.Error("another link has the record of the first one")
	}
}

func TestTheClientsAddressIsToldByOurProxiesOnly(t *testing.T) {
	t.Parallel()
	ours := proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		remote    string
		forwarded []string
		trusted   proxies
		want      string
	}{
		{"192.0.2.1:5000", nil, nil, "192.0.2.1"},
		{"192.0.2.1:5000", []string{"198.51.100.7"}, nil, "192.0.2.1"},
		{"192.0.2.1:5000", []string{"198.51.100.7"}, ours, "192.0.2.1"},
		{"10.0.0.1:5000", []string{"198.51.100.7"}, ours, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"1.2.3.4, 198.51.100.7"}, ours, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"1.2.3.4", "198.51.100.7, 10.9.9.9"}, ours, "198.51.100.7"},
		{"10.0.0.1:5000", []string{"10.1.1.1, 10.2.2.2"}, ours, "10.1.1.1"},
		{"10.0.0.1:5000", []string{"<script>, 10.2.2.2"}, ours, "10.2.2.2"},
		{"10.0.0.1:5000", []string{""}, ours, "10.0.0.1"},
		{"10.0.0.1:5000", nil, ours, "10.0.0.1"},
		{"[2001:db8::1]:443", []string{"2001:DB9::7"}, ours, "2001:db9::7"},
		{"[::ffff:10.0.0.1]:443", []string{"::ffff:198.51.100.7"}, ours, "198.51.100.7"},
		{"[fe80::1%eth0]:443", nil, ours, "fe80::1"},
		{"pipe", nil, ours, ""},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		for _, v := range c.forwarded {
			r.Header.Add("X-Forwarded-For", v)
		}
		if got := c.trusted.client(r); got != c.want {
			t.Errorf("%s forwarding for %q: got %q, want %q", c.remote, c.forwarded, got, c.want)
		}
	}
}
