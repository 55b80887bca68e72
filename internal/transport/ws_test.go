package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/transport"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(benchServerEnv); kind != "" {
		serveBench(kind)
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

func asFault(err error, f **fault.Error) bool { return errors.As(err, f) }

type wsEnv struct {
	t      testing.TB
	url    string
	ws     *transport.WS
	live   *logLive
	schema *liveSchema
}

func newWSEnv(t testing.TB, cfg transport.WSConfig, hub feed.Config) *wsEnv {
	t.Helper()
	live := newLogLive(t, hub)
	cfg.Live = live
	cfg.Logger = slog.New(slog.DiscardHandler)
	ws := transport.NewWS(cfg)
	schema := newLiveSchema()
	srv := serveLive(t, schema, ws)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = ws.Shutdown(ctx) // the tests that are about it look at the error
	})
	return &wsEnv{t: t, url: "ws" + strings.TrimPrefix(srv.URL, "http"), ws: ws, live: live, schema: schema}
}

type wsClient struct {
	t    testing.TB
	conn *websocket.Conn
}

type wsReply struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

func (e *wsEnv) dial(opts *websocket.DialOptions) *wsClient {
	e.t.Helper()
	if opts == nil {
		opts = &websocket.DialOptions{Subprotocols: []string{transport.Subprotocol}}
	}
	conn, resp, err := websocket.Dial(e.t.Context(), e.url, opts)
	if err != nil {
		e.t.Fatalf("Dial: %v", err)
	}
	if resp.Body != nil {
		_ = resp.Body.Close()
	}
	conn.SetReadLimit(1 << 20)
	e.t.Cleanup(func() { _ = conn.CloseNow() })
	return &wsClient{t: e.t, conn: conn}
}

// ready dials and authenticates.
func (e *wsEnv) ready() *wsClient {
	e.t.Helper()
	c := e.dial(nil)
	c.send(`{"type":"connection_init"}`)
	c.want("", "connection_ack", "")
	return c
}

func (c *wsClient) send(msg string) {
	c.t.Helper()
	if err := c.conn.Write(context.Background(), websocket.MessageText, []byte(msg)); err != nil {
		c.t.Fatalf("Write: %v", err)
	}
}

func (c *wsClient) read() wsReply {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, data, err := c.conn.Read(ctx)
	if err != nil {
		c.t.Fatalf("Read: %v", err)
	}
	var r wsReply
	if err := json.Unmarshal(data, &r); err != nil {
		c.t.Fatalf("got %s, want JSON", data)
	}
	return r
}

func (c *wsClient) want(id, kind, payload string) {
	c.t.Helper()
	r := c.read()
	if r.ID != id || r.Type != kind || (payload != "" && string(r.Payload) != payload) {
		c.t.Fatalf("got id %q type %q payload %s, want %q %q %s", r.ID, r.Type, r.Payload, id, kind, payload)
	}
}

// wantClose reads until the close frame.
func (c *wsClient) wantClose(code websocket.StatusCode) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		_, _, err := c.conn.Read(ctx)
		if err == nil {
			continue
		}
		if got := websocket.CloseStatus(err); got != code {
			c.t.Fatalf("got close %d (%v), want %d", got, err, code)
		}
		return
	}
}

const subscribeEvents = `{"id":"s","type":"subscribe","payload":{"query":"subscription { events }"}}`

func TestQueryAndMutationOverSocket(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.ready()
	c.send(`{"id":"1","type":"subscribe","payload":{"query":"query($n: String, $x: ID) { a: hello(name: $n, number: $x) }",` +
		`"variables":{"n":"you","x":12345678901234567}}}`)
	c.want("1", "next", `{"data":{"a":"hello you 12345678901234567"}}`)
	c.want("1", "complete", "")
	c.send(`{"id":"1","type":"subscribe","payload":{"query":"mutation { set(value: 5) }"}}`) // the id is free again
	c.want("1", "next", `{"data":{"set":5}}`)
	c.want("1", "complete", "")
}

func TestSubscriptionDeliversAndCompletes(t *testing.T) {
	t.Parallel()
	for name, plain := range map[string]bool{"polled": false, "waiting": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
			e.live.plain = plain
			e.live.append(3)
			c := e.ready()
			c.send(`{"id":"a\"b","type":"subscribe","payload":{"query":"subscription($a: Int) { events(after: $a) }","variables":{"a":1}}}`)
			c.want(`a"b`, "next", `{"data":{"events":2,"pad":""}}`)
			c.want(`a"b`, "next", `{"data":{"events":3,"pad":""}}`)
			e.live.append(1)
			c.want(`a"b`, "next", `{"data":{"events":4,"pad":""}}`)
			c.send(`{"id":"a\"b","type":"complete"}`)
			eventually(t, "the stream to be closed", func() bool { return e.live.hub.Stats().Subscribers == 0 })
			c.send(`{"type":"ping"}`)
			c.want("", "pong", "")
		})
	}
}

func TestManyOperationsOfOneSocketAreServedInTurn(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.ready()
	for _, id := range []string{"a", "b", "c"} {
		c.send(`{"id":"` + id + `","type":"subscribe","payload":{"query":"subscription { events(after: 0, kind: \"` + id + `\") }"}}`)
	}
	eventually(t, "three subscribers", func() bool { return e.live.hub.Stats().Subscribers == 3 })
	e.live.append(50)
	count := map[string]int{}
	for range 150 {
		r := c.read()
		count[r.ID]++
	}
	for _, id := range []string{"a", "b", "c"} {
		if count[id] != 50 {
			t.Errorf("got %d messages for %s, want 50", count[id], id)
		}
	}
}

func TestErrorsOfOneOperationLeaveTheSocketOpen(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{MaxOperations: 2}, feed.Config{})
	cases := []struct{ name, query, want string }{
		{"syntax", `subscription {`, "GRAPHQL_PARSE_FAILED"},
		{"unknown field", `subscription { nothing }`, "GRAPHQL_VALIDATION_FAILED"},
		{"forbidden", `subscription { events(kind: \"forbidden\") }`, "FORBIDDEN"},
		{"several errors", `subscription { events(kind: \"list\") }`, "second"},
		{"a bug in Open", `subscription { events(kind: \"panic\") }`, "INTERNAL"},
		{"a bug in a resolver", `{ boom }`, "INTERNAL"},
		{"expired cursor", `subscription { events(after: 0, kind: \"expired\") }`, "CURSOR_EXPIRED"},
	}
	e.live.append(300)
	c := e.ready()
	for _, tc := range cases {
		c.send(`{"id":"x","type":"subscribe","payload":{"query":"` + tc.query + `"}}`)
		r := c.read()
		if r.ID != "x" || r.Type != "error" || !strings.HasPrefix(string(r.Payload), "[{") || !strings.Contains(string(r.Payload), tc.want) {
			t.Errorf("%s: got %s %s, want an error with %s", tc.name, r.Type, r.Payload, tc.want)
		}
	}
	for _, id := range []string{"1", "2", "3"} {
		c.send(`{"id":"` + id + `","type":"subscribe","payload":{"query":"subscription { events }"}}`)
	}
	if r := c.read(); r.ID != "3" || r.Type != "error" || !strings.Contains(string(r.Payload), "RATE_LIMITED") {
		t.Errorf("got %s %s %s, want RATE_LIMITED for operation 3", r.ID, r.Type, r.Payload)
	}
}

func TestInvalidMessagesCloseWith4400(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	for name, msg := range map[string]string{
		"no JSON": `hello`, "an array": `[]`, "a string": `"x"`, "no type": `{}`, "unknown type": `{"type":"start"}`,
		"type is a number": `{"type":1}`, "server's message": `{"type":"connection_ack"}`, "next": `{"id":"1","type":"next","payload":{}}`,
		"ping payload": `{"type":"ping","payload":"x"}`, "no id": `{"type":"subscribe","payload":{"query":"{a}"}}`,
		"empty id": `{"id":"","type":"subscribe","payload":{"query":"{a}"}}`, "id is a number": `{"id":1,"type":"complete"}`,
		"no payload": `{"id":"1","type":"subscribe"}`, "no query": `{"id":"1","type":"subscribe","payload":{}}`,
		"query is null":    `{"id":"1","type":"subscribe","payload":{"query":null}}`,
		"variables a list": `{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":[]}}`,
		"operationName":    `{"id":"1","type":"subscribe","payload":{"query":"{a}","operationName":7}}`,
		"extensions":       `{"id":"1","type":"subscribe","payload":{"query":"{a}","extensions":"x"}}`,
		"complete no id":   `{"type":"complete"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := e.ready()
			c.send(msg)
			c.wantClose(transport.CloseInvalid)
		})
	}
	t.Run("binary", func(t *testing.T) {
		t.Parallel()
		c := e.ready()
		if err := c.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"type":"ping"}`)); err != nil {
			t.Fatal(err)
		}
		c.wantClose(transport.CloseInvalid)
	})
	t.Run("init payload", func(t *testing.T) {
		t.Parallel()
		c := e.dial(nil)
		c.send(`{"type":"connection_init","payload":"x"}`)
		c.wantClose(transport.CloseInvalid)
	})
}

func TestSubscribeBeforeAckClosesWith4401(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.dial(nil)
	c.send(subscribeEvents)
	c.wantClose(transport.CloseUnauthorized)
}

func TestSubscribeWhileInitIsRunningClosesWith4401(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	e := newWSEnv(t, transport.WSConfig{Init: func(ctx context.Context, _ *http.Request, _ map[string]any) (context.Context, error) {
		<-hold
		return ctx, nil
	}}, feed.Config{})
	c := e.dial(nil)
	c.send(`{"type":"connection_init"}`)
	c.send(subscribeEvents)
	c.wantClose(transport.CloseUnauthorized)
	close(hold)
}

type principalKey struct{}

func TestInitDecidesWhoComesIn(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{
		Init: func(ctx context.Context, r *http.Request, payload map[string]any) (context.Context, error) {
			if r.Header.Get("Upgrade") == "" {
				t.Error("got no upgrade request")
			}
			switch payload["authorization"] {
			case "good":
				return context.WithValue(ctx, principalKey{}, "ada"), nil
			case "panic":
				panic("a bug")
			}
			return nil, fault.New(fault.Unauthenticated, "This token is not valid.")
		},
		Limits: func(ctx context.Context) transport.Limits {
			name, _ := ctx.Value(principalKey{}).(string)
			return transport.Limits{Key: name, Sockets: 2}
		},
		Slots: transport.NewSlots(),
	}, feed.Config{})
	for _, payload := range []string{`{}`, `{"authorization":"bad"}`, `{"authorization":"panic"}`} {
		c := e.dial(nil)
		c.send(`{"type":"connection_init","payload":` + payload + `}`)
		c.wantClose(transport.CloseForbidden)
	}
	var open []*wsClient
	for range 2 {
		c := e.dial(nil)
		c.send(`{"type":"connection_init","payload":{"authorization":"good"}}`)
		c.want("", "connection_ack", "")
		open = append(open, c)
	}
	third := e.dial(nil)
	third.send(`{"type":"connection_init","payload":{"authorization":"good"}}`)
	third.wantClose(transport.CloseTooMany)
	_ = open[0].conn.Close(websocket.StatusNormalClosure, "")
	eventually(t, "the slot to be free", func() bool { return e.ws.Sockets() == 1 })
	again := e.dial(nil)
	again.send(`{"type":"connection_init","payload":{"authorization":"good"}}`)
	again.want("", "connection_ack", "")
}

func TestMissingSubprotocolClosesWith4406(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	for _, protocols := range [][]string{nil, {"graphql-ws"}} {
		c := e.dial(&websocket.DialOptions{Subprotocols: protocols})
		c.wantClose(transport.CloseSubprotocol)
	}
}

func TestNoInitClosesWith4408(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{InitTimeout: 50 * time.Millisecond}, feed.Config{})
	e.dial(nil).wantClose(transport.CloseInitTimeout)
	c := e.dial(nil)
	c.send(`{"type":"ping"}`) // other messages do not buy time
	c.wantClose(transport.CloseInitTimeout)
}

func TestDuplicateOperationClosesWith4409(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.ready()
	c.send(subscribeEvents)
	c.send(subscribeEvents)
	c.wantClose(transport.CloseDuplicate)
	eventually(t, "the first subscription to end", func() bool { return e.live.hub.Stats().Subscribers == 0 })
}

func TestSecondInitClosesWith4429(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.ready()
	c.send(`{"type":"connection_init"}`)
	c.wantClose(transport.CloseTooMany)
}

func TestHugeMessageClosesWith1009(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{MaxMessageBytes: 1000}, feed.Config{})
	c := e.ready()
	c.send(`{"type":"ping","payload":{"x":"` + strings.Repeat("x", 2000) + `"}}`)
	c.wantClose(transport.CloseTooBig)
}

func TestForeignOriginIsRefused(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	_, resp, err := websocket.Dial(t.Context(), e.url, &websocket.DialOptions{
		Subprotocols: []string{transport.Subprotocol}, HTTPHeader: http.Header{"Origin": {"https://evil.example"}},
	})
	if err == nil || resp == nil || resp.StatusCode != http.StatusForbidden {
		t.Fatalf("got %v, %v, want 403", resp, err)
	}
	_ = resp.Body.Close()
}
