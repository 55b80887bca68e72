package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"dossier/graph"
)

// observed is a handler behind the server's own middleware, on a real connection.
func observed(t *testing.T, h http.HandlerFunc) (url string, log *logs) {
	t.Helper()
	log = &logs{}
	s := &Server{log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), metrics: newMetrics()}
	real := httptest.NewServer(traced(s.observe(h)))
	real.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(real.Close)
	return real.URL, log
}

// lines waits for the log lines of n requests: the line is written after the answer.
func (l *logs) lines(t *testing.T, n int) []map[string]any {
	t.Helper()
	deadline := time.NewTimer(5 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var out []map[string]any
		for dec := json.NewDecoder(strings.NewReader(l.String())); ; {
			var line map[string]any
			if dec.Decode(&line) != nil {
				break
			}
			if line["msg"] == "request" {
				out = append(out, line)
			}
		}
		if len(out) >= n {
			return out
		}
		select {
		case <-deadline.C:
			t.Fatalf("%d lines, want %d:\n%s", len(out), n, l.String())
		case <-tick.C:
		}
	}
}

func TestARequestIsOneLineWithoutWhatAClientWrote(t *testing.T) {
	t.Parallel()
	const secret = "canary-42"
	e := start(t)
	header := map[string]string{
		"Authorization": "Bearer " + secret, "X-Custom": secret, "Content-Type": "application/json", "User-Agent": secret, "Referer": "http://" + secret,
	}
	body := `{"query":"query ` + secret + ` { customers(where: {displayNameStartsWith: \"` + secret + `\"}) { nodes { id } } }","variables":{"a":"` + secret + `"}}`
	r := ask(t, http.MethodPost, e.server.URL()+"/graphql?x="+secret, header, body)
	ask(t, http.MethodGet, e.server.URL()+"/files/"+secret+"?y="+secret, header, "")
	ask(t, strings.ToUpper(secret), e.server.URL()+"/"+secret, header, secret)
	lines := e.log.lines(t, 3)
	for _, line := range lines {
		for _, key := range []string{"request_id", "method", "route", "status", "bytes", "took"} {
			if _, ok := line[key]; !ok {
				t.Errorf("the line %v has no %s", line, key)
			}
		}
	}
	if id := r.header.Get("X-Request-Id"); id == "" || lines[0]["request_id"] != id {
		t.Errorf("the line's request is %v, the answer's %q", lines[0]["request_id"], id)
	}
	if strings.Contains(strings.ToLower(e.log.String()), secret) {
		t.Errorf("the log holds what a client wrote:\n%s", e.log.String())
	}
}

func TestTheRequestIDIsTheServersOwn(t *testing.T) {
	t.Parallel()
	ids := make(chan string, 2)
	url, _ := observed(t, func(_ http.ResponseWriter, r *http.Request) { ids <- graph.RequestID(r.Context()) })
	a := ask(t, http.MethodGet, url, map[string]string{"X-Request-Id": "mine"}, "")
	b := ask(t, http.MethodGet, url, nil, "")
	x, y := a.header.Get("X-Request-Id"), b.header.Get("X-Request-Id")
	if x == "mine" || x == y || x != <-ids || y != <-ids {
		t.Errorf("ids are %q and %q, want two that the server made", x, y)
	}
}

func TestAPanicIsAnAnswerWithoutItsText(t *testing.T) {
	t.Parallel()
	url, log := observed(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = w.Write([]byte("begun"))
		}
		panic(fmt.Errorf("canary-42 %s", r.URL.Path))
	})
	r := get(t, url)
	var answer struct {
		Errors []struct {
			Message    string
			Extensions struct{ Code, RequestID string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != http.StatusInternalServerError || r.header.Get("Content-Type") != "application/json" {
		t.Fatalf("a panic is %d %q %s, want 500 and JSON", r.status, r.header.Get("Content-Type"), r.body)
	}
	if e := answer.Errors[0]; e.Message != "internal error" || e.Extensions.Code != "INTERNAL" || e.Extensions.RequestID != r.header.Get("X-Request-Id") {
		t.Errorf("a panic is %+v", e)
	}
	if late := get(t, url+"/late"); late.body != "begun" {
		t.Errorf("a panic after the beginning of the answer gives %q, want what was written and nothing else", late.body)
	}
	if text := log.String(); strings.Contains(text, "canary-42") || !strings.Contains(text, "middleware_test.go") {
		t.Errorf("the log must hold the stack and not the text: %s", text)
	}
	if line := log.lines(t, 2)[0]; line["status"] != float64(500) {
		t.Errorf("the line says %v, want the status 500", line)
	}
}

func TestAnAbortedAnswerIsStillCounted(t *testing.T) {
	t.Parallel()
	url, log := observed(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := client().Do(req); err == nil {
		_ = resp.Body.Close()
		t.Errorf("the answer is %d, want a connection that ends", resp.StatusCode)
	}
	log.lines(t, 1)
	if strings.Contains(log.String(), `"panic"`) {
		t.Errorf("an aborted answer is no panic: %s", log.String())
	}
}

func TestStatusAndBytesAreThoseOfTheAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		status  float64
		bytes   float64
	}{
		"nothing":       {func(http.ResponseWriter, *http.Request) {}, 200, 0},
		"a body":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("12345")) }, 200, 5},
		"a status":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }, 418, 0},
		"an early hint": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints); w.WriteHeader(404) }, 404, 0},
		"a copy":        {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, strings.NewReader("1234567")) }, 200, 7},
	} {
		url, log := observed(t, c.handler)
		get(t, url)
		if line := log.lines(t, 1)[0]; line["status"] != c.status || line["bytes"] != c.bytes {
			t.Errorf("%s: the line says %v and %v bytes, want %v and %v", name, line["status"], line["bytes"], c.status, c.bytes)
		}
	}
}

// The transports need all of these behind the middleware: full duplex and deadlines for uploads, flushing for events,
// the connection for sockets.
func TestTheMiddlewareHidesNothingOfTheConnection(t *testing.T) {
	t.Parallel()
	result := make(chan error, 1)
	url, log := observed(t, func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		for name, f := range map[string]func() error{
			"EnableFullDuplex": c.EnableFullDuplex,
			"SetReadDeadline":  func() error { return c.SetReadDeadline(time.Now().Add(time.Minute)) },
			"SetWriteDeadline": func() error { return c.SetWriteDeadline(time.Now().Add(time.Minute)) },
			"Flush":            c.Flush,
		} {
			if err := f(); err != nil {
				result <- fmt.Errorf("%s: %w", name, err)
				return
			}
		}
		// Full duplex: the answer is read by the client before its request has ended.
		_, _ = w.Write([]byte("a"))
		_ = c.Flush()
		b, err := io.ReadAll(r.Body)
		if err == nil && string(b) != "late" {
			err = fmt.Errorf("the body is %q", b)
		}
		result <- err
	})
	pr, pw := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, pr)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 1)
	if _, err := io.ReadFull(resp.Body, first); err != nil || first[0] != 'a' {
		t.Errorf("the first byte is %q (%v), want it before the request ends", first, err)
	}
	_, _ = pw.Write([]byte("late"))
	_ = pw.Close()
	if err := <-result; err != nil {
		t.Error(err)
	}
	log.lines(t, 1)
}

func TestTheConnectionCanBeTakenOver(t *testing.T) {
	t.Parallel()
	url, log := observed(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic("no hijack")
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhello")
		_ = rw.Flush()
	})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || !strings.HasPrefix(string(all), "HTTP/1.1 101 ") || !strings.HasSuffix(string(all), "hello") {
		t.Errorf("the connection gave %q (%v)", all, err)
	}
	if line := log.lines(t, 1)[0]; line["status"] != float64(101) {
		t.Errorf("the line says %v, want 101", line["status"])
	}
	w := &recorder{ResponseWriter: httptest.NewRecorder()}
	if _, _, err := w.Hijack(); err == nil {
		t.Error("Hijack of what has no connection gives no error")
	}
}
