package main_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// collector takes what an OTLP exporter sends. A text stands in a protobuf message as it is, so the test looks for texts.
type collector struct {
	mu       sync.Mutex
	received bytes.Buffer
	paths    map[string]int
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.received.Write(b)
	c.paths[r.URL.Path]++
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received.String()
}

func startCollector(t *testing.T) (*collector, string) {
	t.Helper()
	c := &collector{paths: make(map[string]int)}
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return c, s.URL
}

const tracedSecret = "canary-63"

// use does what makes spans of every kind: reads, writes, a refused write, a GET with its variables in the URL, a
// download with its credential in the path, and sends nothing that may be in a span.
func use(t *testing.T, s *apitest.Server) {
	t.Helper()
	token := s.Token(t, auth.Editor)
	vars := map[string]any{"q": tracedSecret}
	if r := s.Do(t, token, `query($q: String!) { customers(where: {displayNameStartsWith: $q}) { nodes { id } } }`, vars); len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	if r := s.Do(t, token, `mutation($q: String!) { customerCreate(input: {givenName: $q, emails: [{address: "`+tracedSecret+`@example.com"}]}, idempotencyKey: $q) { userErrors { code } } }`, vars); len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	s.Do(t, token, `mutation($q: String!) { customerCreate(input: {givenName: $q}, idempotencyKey: $q) { userErrors { code } } }`, vars)
	s.Do(t, tracedSecret, `{ viewer { permissions } }`, nil)
	fetch(t, s.URL+"/graphql?query={viewer{permissions}}&variables="+tracedSecret)
	fetch(t, s.URL+"/files/"+tracedSecret)
	fetch(t, s.URL+"/blobs/"+tracedSecret+"?sig="+tracedSecret)
}

func TestTracesGoToTheCollectorWithoutACustomersText(t *testing.T) {
	t.Parallel()
	c, url := startCollector(t)
	s := apitest.StartEnv(t, []string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_BSP_SCHEDULE_DELAY=100", "OTEL_SERVICE_NAME=dossier-test",
	}, 2)
	use(t, s)
	for _, want := range []string{
		"dossier-test", "POST /graphql", "GET /graphql", "GET /files/", "GET /blobs/", "http.response.status_code", "db.system", "customer",
	} {
		wait(t, 15*time.Second, "no span holds "+want, func() bool { return strings.Contains(c.text(), want) })
	}
	token := s.Token(t, auth.Editor)
	if err := s.Terminate(t); err != nil { // the rest is flushed
		t.Errorf("it ended with %v", err)
	}
	text := c.text()
	if i := strings.Index(text, tracedSecret); i >= 0 {
		t.Errorf("a span holds what a client wrote: %q", text[max(0, i-200):min(len(text), i+100)])
	}
	if strings.Contains(text, token[:40]) {
		t.Error("a span holds a token")
	}
	if c.paths["/v1/traces"] == 0 || len(c.paths) != 1 {
		t.Errorf("requests to %v, want /v1/traces alone", c.paths)
	}
}

// With tracing on, everything must work that looks below the ResponseWriter.
func TestUploadsAndSocketsWorkWithTraces(t *testing.T) {
	t.Parallel()
	_, url := startCollector(t)
	s := apitest.StartEnv(t, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + url, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}, 1)
	token := s.Token(t, auth.Editor)
	r := s.Do(t, token, `{ customers { nodes { id } } }`, nil)
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	id, _ := r.Data["customers"].(map[string]any)["nodes"].([]any)[0].(map[string]any)["id"].(string)
	if answer := upload(t, s, token, id, bytes.Repeat([]byte("text "), 200_000)); !strings.Contains(answer, `"doc_`) {
		t.Errorf("an upload answers %s", answer)
	}
	events := openEvents(t, s, token)
	if answer := upload(t, s, token, id, []byte("small")); !strings.Contains(answer, `"doc_`) {
		t.Errorf("an upload answers %s", answer)
	}
	wait(t, 10*time.Second, "no event arrives", func() bool { return strings.Contains(events(), "DOCUMENT_CREATED") })
}

func TestNothingIsTracedWithoutBeingAskedTo(t *testing.T) {
	t.Parallel()
	c, url := startCollector(t)
	// An address that no variable names is the default of the exporter; here it is only that nothing is sent at all.
	s := apitest.StartEnv(t, []string{"OTEL_TRACES_EXPORTER=none", "OTEL_EXPORTER_OTLP_ENDPOINT=" + url}, 1)
	use(t, s)
	if err := s.Terminate(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if len(c.paths) != 0 {
		t.Errorf("requests to %v, want none", c.paths)
	}
	plain := apitest.Start(t, 1)
	use(t, plain)
	if err := plain.Terminate(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if out := plain.Output(); strings.Contains(out, "4318") || strings.Contains(out, "traces") {
		t.Errorf("it tried to send traces:\n%s", out)
	}
}
