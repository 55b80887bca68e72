package server

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var (
	reference = regexp.MustCompile(`(?i)(?:src|href)\s*=\s*"([^"]*)"`)
	cssURL    = regexp.MustCompile(`url\(\s*["']?([^"')]+)["']?\s*\)`)
	otherHost = regexp.MustCompile(`(?i)^(?:[a-z][a-z0-9+.-]*:)?//`)
)

func newTestPage(t *testing.T) *page {
	t.Helper()
	p, err := newPage("{ viewer { permissions } } # </script><b>")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestThePageHasAllThatItRefersToAndNothingOfAnotherHost(t *testing.T) {
	t.Parallel()
	p := newTestPage(t)
	html := string(p.index)
	if !strings.Contains(html, `<base href="/query/" />`) || strings.Count(html, "<base ") != 1 {
		t.Errorf("the page has no base of its own:\n%.400s", html)
	}
	found := 0
	for _, m := range reference.FindAllStringSubmatch(html, -1) {
		target := m[1]
		if target == pagePath || strings.HasPrefix(target, "data:") {
			continue
		}
		if otherHost.MatchString(target) {
			t.Errorf("the page loads %s from another host", target)
			continue
		}
		found++
		if p.files[strings.TrimPrefix(target, "./")] == nil {
			t.Errorf("the page refers to %s, which is not there", target)
		}
	}
	if found < 3 {
		t.Errorf("the page refers to %d files: the test does not find them", found)
	}
	for name := range p.files {
		if !strings.HasSuffix(name, ".css") {
			continue
		}
		css, err := p.read(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range cssURL.FindAllStringSubmatch(string(css), -1) {
			if strings.HasPrefix(m[1], "data:") || strings.HasPrefix(m[1], "#") {
				continue
			}
			if target, _, _ := strings.Cut(strings.TrimPrefix(m[1], "./"), "?"); otherHost.MatchString(m[1]) || p.files[strings.Split(target, "#")[0]] == nil {
				t.Errorf("%s refers to %s, which is not there", name, m[1])
			}
		}
	}
}

func TestTheSampleQueryCannotEndTheScript(t *testing.T) {
	t.Parallel()
	html := string(newTestPage(t).index)
	_, script, ok := strings.Cut(html, "AltairGraphQL.init(Object.assign(")
	if !ok {
		t.Fatal("the page starts nothing")
	}
	var options struct{ InitialQuery string }
	if err := json.NewDecoder(strings.NewReader(script)).Decode(&options); err != nil {
		t.Fatalf("the options are not JSON: %v", err)
	}
	if want := "{ viewer { permissions } } # </script><b>"; options.InitialQuery != want {
		t.Errorf("the query is %q, want %q", options.InitialQuery, want)
	}
	if strings.Contains(script, "# </script><b>") {
		t.Error("the query ends the script")
	}
}

func TestThePageIsServed(t *testing.T) {
	t.Parallel()
	e := start(t)
	url := e.server.URL()
	if r := get(t, url+"/"); r.status != http.StatusFound || r.header.Get("Location") != pagePath {
		t.Errorf("/ gives %d to %q, want a redirect to %s", r.status, r.header.Get("Location"), pagePath)
	}
	r := get(t, url+pagePath)
	if r.status != http.StatusOK || r.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(r.body, "<title>Dossier</title>") {
		t.Errorf("the page is %d %q: %.200s", r.status, r.header.Get("Content-Type"), r.body)
	}
	for name, value := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-cache",
	} {
		if got := r.header.Get(name); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	p := newTestPage(t)
	for _, ending := range []string{".js", ".css", ".wasm", ".woff2"} {
		for name := range p.files {
			if !strings.HasSuffix(name, ending) {
				continue
			}
			file := get(t, url+pagePath+name)
			if want, err := p.read(name); err != nil || file.status != http.StatusOK || file.body != string(want) || file.header.Get("Content-Type") == "" {
				t.Errorf("%s is %d with %d bytes of %q, want %d (%v)", name, file.status, len(file.body), file.header.Get("Content-Type"), len(want), err)
			}
			break
		}
	}
	for _, path := range []string{"nope.js", "../server.go", "%2e%2e/go.mod", "..%2f..%2fgo.mod"} {
		if r := get(t, url+pagePath+path); r.status == http.StatusOK {
			t.Errorf("%s is served: %.100s", path, r.body)
		}
	}
}
