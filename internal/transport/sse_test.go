package transport_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/transport"
)

type sseEnv struct {
	t    *testing.T
	url  string
	sse  *transport.SSE
	live *logLive
}

func newSSEEnv(t *testing.T, cfg transport.SSEConfig) *sseEnv {
	t.Helper()
	live := newLogLive(t, feed.Config{Queue: 8, PaceWait: time.Millisecond})
	cfg.Live = live
	sse := transport.NewSSE(cfg)
	srv := serveLive(t, newLiveSchema(), sse)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := sse.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
	return &sseEnv{t: t, url: srv.URL, sse: sse, live: live}
}

type sseClient struct {
	t      *testing.T
	status int
	header http.Header
	lines  *bufio.Reader
	body   io.ReadCloser
}

func (e *sseEnv) do(method, query, body string, headers ...string) *sseClient {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	e.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, e.url+"/"+query, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = resp.Body.Close() })
	return &sseClient{t: e.t, status: resp.StatusCode, header: resp.Header, lines: bufio.NewReader(resp.Body), body: resp.Body}
}

func (e *sseEnv) post(query string, headers ...string) *sseClient {
	e.t.Helper()
	return e.do(http.MethodPost, "", `{"query":"`+query+`"}`, headers...)
}

type sseEvent struct{ event, id, data string }

// next reads the next event; ok is false at the end of the stream.
func (c *sseClient) next() (e sseEvent, ok bool) {
	c.t.Helper()
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return e, false
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			e.event = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.event != "" {
				return e, true
			}
		}
	}
}

func (c *sseClient) want(event, id, data string) {
	c.t.Helper()
	e, ok := c.next()
	if !ok || e.event != event || e.id != id || !strings.Contains(e.data, data) {
		c.t.Fatalf("got %+v (%v), want %s, id %q, data with %s", e, ok, event, id, data)
	}
}

func (c *sseClient) wantEnd() {
	c.t.Helper()
	if e, ok := c.next(); ok {
		c.t.Fatalf("got %+v, want the end of the stream", e)
	}
}

func TestQueryOverEventStream(t *testing.T) {
	t.Parallel()
	e := newSSEEnv(t, transport.SSEConfig{})
	c := e.post(`{ hello(name: \"you\", number: 12345678901234567) }`)
	if got := c.header.Get("Content-Type"); c.status != http.StatusOK || got != "text/event-stream; charset=utf-8" {
		t.Fatalf("got %d %s, want 200 text/event-stream", c.status, got)
	}
	c.want("next", "", `"hello you 12345678901234567"`)
	c.want("complete", "", "")
	c.wantEnd()
	c = e.post(`mutation { set(value: 3) }`)
	c.want("next", "", `{"data":{"set":3}}`)
	c.want("complete", "", "")
	c = e.do(http.MethodGet, "?query="+url.QueryEscape(`query($n: String) { hello(name: $n) }`)+"&variables="+url.QueryEscape(`{"n":"me"}`), "")
	c.want("next", "", "hello me")
	c.want("complete", "", "")
}

func TestSubscriptionOverEventStreamResumesFromLastEventID(t *testing.T) {
	t.Parallel()
	e := newSSEEnv(t, transport.SSEConfig{})
	e.live.append(5)
	c := e.post(`subscription { events(after: 3) }`)
	c.want("next", "4", `{"events":4,`)
	c.want("next", "5", `{"events":5,`)
	e.live.append(1)
	c.want("next", "6", `{"events":6,`)
	_ = c.body.Close()
	eventually(t, "the stream to be closed", func() bool { return e.live.hub.Stats().Subscribers == 0 })
	c = e.post(`subscription { events(after: 3) }`, "Last-Event-ID", "5")
	c.want("next", "6", `{"events":6,`)
}

func TestErrorsComeAsEvents(t *testing.T) {
	t.Parallel()
	e := newSSEEnv(t, transport.SSEConfig{})
	e.live.append(300)
	for query, want := range map[string]string{
		`subscription {`:                                       "GRAPHQL_PARSE_FAILED",
		`subscription { nothing }`:                             "GRAPHQL_VALIDATION_FAILED",
		`subscription { events(kind: \"forbidden\") }`:         "FORBIDDEN",
		`subscription { events(after: 0, kind: \"expired\") }`: "CURSOR_EXPIRED",
	} {
		c := e.post(query)
		c.want("next", "", want)
		c.want("complete", "", "")
		c.wantEnd()
	}
}

func TestRequestsThatAreNoOperationAreRefused(t *testing.T) {
	t.Parallel()
	e := newSSEEnv(t, transport.SSEConfig{MaxBodyBytes: 200})
	for name, tc := range map[string]struct {
		method, query, body string
		headers             []string
		want                int
	}{
		"no JSON":        {http.MethodPost, "", `x`, nil, http.StatusBadRequest},
		"no query":       {http.MethodPost, "", `{}`, nil, http.StatusBadRequest},
		"too large":      {http.MethodPost, "", `{"query":"` + strings.Repeat(" ", 300) + `"}`, nil, http.StatusRequestEntityTooLarge},
		"a form":         {http.MethodPost, "", `query=x`, []string{"Content-Type", "text/plain"}, http.StatusUnsupportedMediaType},
		"bad variables":  {http.MethodGet, "?query=x&variables=x", "", nil, http.StatusBadRequest},
		"GET, no query":  {http.MethodGet, "", "", nil, http.StatusBadRequest},
		"no stream":      {http.MethodPost, "", `{"query":"{a}"}`, []string{"Accept", "text/html"}, http.StatusBadRequest},
		"another method": {http.MethodPut, "", ``, nil, http.StatusBadRequest},
	} {
		c := e.do(tc.method, tc.query, tc.body, tc.headers...)
		if c.status != tc.want {
			t.Errorf("%s: got %d, want %d", name, c.status, tc.want)
		}
	}
	c := e.do(http.MethodGet, "?query="+url.QueryEscape(`mutation { set(value: 1) }`), "")
	c.want("next", "", "BAD_USER_INPUT")
}

func TestSilentEventStreamGetsComments(t *testing.T) {
	t.Parallel()
	e := newSSEEnv(t, transport.SSEConfig{HeartbeatInterval: 20 * time.Millisecond})
	c := e.post(`subscription { events }`)
	for i := range 4 {
		line, err := c.lines.ReadString('\n')
		if err != nil || line != ":\n" {
			t.Fatalf("got %q, %v as line %d, want a comment", line, err, i)
		}
		if _, err := c.lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
}

func TestShutdownEndsEventStreamsWithoutComplete(t *testing.T) {
	t.Parallel()
	e := newSSEEnv(t, transport.SSEConfig{})
	c := e.post(`subscription { events }`)
	eventually(t, "a subscriber", func() bool { return e.live.hub.Stats().Subscribers == 1 })
	if err := e.sse.Shutdown(t.Context()); err != nil {
		t.Fatalf("Shutdown: %v", err)
	}
	c.wantEnd()
	if c := e.post(`subscription { events }`); c.status != http.StatusServiceUnavailable {
		t.Errorf("got %d after Shutdown, want 503", c.status)
	}
}

func TestSlowEventStreamEndsWithoutComplete(t *testing.T) {
	t.Parallel()
	e := newSSEEnv(t, transport.SSEConfig{})
	e.live.pad = strings.Repeat("x", 1<<20)
	c := e.post(`subscription { events }`)
	eventually(t, "a subscriber", func() bool { return e.live.hub.Stats().Subscribers == 1 })
	for range 100 {
		e.live.append(1)
	}
	eventually(t, "the subscriber to be dropped", func() bool { return e.live.hub.Stats().Dropped == 1 })
	want := int64(1)
	for {
		ev, ok := c.next()
		if !ok {
			break
		}
		if ev.event != "next" {
			t.Fatalf("got %s, want the stream to end without it", ev.event)
		}
		want++
	}
	if want == 101 {
		t.Error("got all events, want the stream cut")
	}
}

func TestRevokedPrincipalLosesItsEventStream(t *testing.T) {
	t.Parallel()
	var revoked atomic.Bool
	e := newSSEEnv(t, transport.SSEConfig{RecheckInterval: 10 * time.Millisecond, Recheck: func(context.Context) error {
		if revoked.Load() {
			return fault.New(fault.Unauthenticated, "revoked")
		}
		return nil
	}})
	e.live.append(1)
	c := e.post(`subscription { events(after: 0) }`)
	c.want("next", "1", "")
	revoked.Store(true)
	c.want("next", "", "UNAUTHENTICATED")
	c.want("complete", "", "")
}

func TestEventStreamsCountAsConnectionsOfTheirPrincipal(t *testing.T) {
	t.Parallel()
	slots := transport.NewSlots()
	e := newSSEEnv(t, transport.SSEConfig{
		Slots:  slots,
		Limits: func(context.Context) transport.Limits { return transport.Limits{Key: "ada", Sockets: 1} },
	})
	first := e.post(`subscription { events }`)
	if c := e.post(`subscription { events }`); c.status != http.StatusTooManyRequests {
		t.Errorf("got %d for the second stream, want 429", c.status)
	}
	_ = first.body.Close()
	eventually(t, "the slot to be free", func() bool { return slots.Used("ada") == 0 })
	if c := e.post(`subscription { events }`); c.status != http.StatusOK {
		t.Errorf("got %d after the first has ended, want 200", c.status)
	}
}
