package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/transport"
)

func TestPingIsAnsweredWithItsPayload(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.dial(nil)
	c.send(`{"type":"ping","payload":{"n":1}}`) // also before connection_init
	c.want("", "pong", `{"n":1}`)
	c.send(`{"type":"pong"}`)
	c.conn.CloseRead(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := c.conn.Ping(ctx); err != nil {
		t.Errorf("got %v for a ping frame, want a pong frame", err)
	}
}

func TestServerPingsAndDropsTheSilent(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{PingInterval: 50 * time.Millisecond, PongTimeout: 2 * time.Second}, feed.Config{})
	var pings atomic.Int32
	answering := e.dial(&websocket.DialOptions{
		Subprotocols:   []string{transport.Subprotocol},
		OnPingReceived: func(context.Context, []byte) bool { pings.Add(1); return true },
	})
	answering.send(`{"type":"connection_init"}`)
	answering.want("", "connection_ack", "")
	silent := e.dial(&websocket.DialOptions{
		Subprotocols:   []string{transport.Subprotocol},
		OnPingReceived: func(context.Context, []byte) bool { return false },
	})
	silent.send(`{"type":"connection_init"}`)
	silent.want("", "connection_ack", "")
	answering.conn.CloseRead(t.Context())
	silent.conn.CloseRead(t.Context())
	eventually(t, "the silent socket to go", func() bool { return e.ws.Sockets() == 1 })
	eventually(t, "ten pings", func() bool { return pings.Load() >= 10 })
	if n := e.ws.Sockets(); n != 1 {
		t.Errorf("got %d sockets, want the answering one to stay", n)
	}
}

func TestRevokedPrincipalIsClosedWith4401(t *testing.T) {
	t.Parallel()
	var verdict atomic.Pointer[fault.Error]
	verdict.Store(fault.New(fault.Unavailable, "away")) // a failure to find out is no verdict
	var asked atomic.Int32
	e := newWSEnv(t, transport.WSConfig{
		RecheckInterval: 20 * time.Millisecond,
		Recheck: func(context.Context) error {
			asked.Add(1)
			return verdict.Load()
		},
	}, feed.Config{})
	c := e.ready()
	c.send(subscribeEvents)
	eventually(t, "three rechecks", func() bool { return asked.Load() >= 3 })
	verdict.Store(fault.New(fault.Unauthenticated, "revoked"))
	c.wantClose(transport.CloseUnauthorized)
	eventually(t, "the subscription to end", func() bool { return e.live.hub.Stats().Subscribers == 0 })
}

func TestSlowConsumerIsClosedWith1013(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{Queue: 4, PaceWait: time.Millisecond})
	e.live.pad = strings.Repeat("x", 1<<20)
	c := e.ready()
	c.conn.SetReadLimit(-1)
	c.send(subscribeEvents)
	eventually(t, "a subscriber", func() bool { return e.live.hub.Stats().Subscribers == 1 })
	for range 100 { // far more than the socket's buffers
		e.live.append(1)
	}
	eventually(t, "the subscriber to be dropped", func() bool { return e.live.hub.Stats().Dropped == 1 })
	c.wantClose(transport.CloseSlow)
}

func TestClientThatNeverReadsIsCut(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{WriteTimeout: 100 * time.Millisecond}, feed.Config{})
	e.live.pad = strings.Repeat("x", 1<<20)
	c := e.ready()
	c.send(subscribeEvents)
	eventually(t, "a subscriber", func() bool { return e.live.hub.Stats().Subscribers == 1 })
	e.live.append(100)
	eventually(t, "the socket to go", func() bool { return e.ws.Sockets() == 0 })
	eventually(t, "the subscriber to go", func() bool { return e.live.hub.Stats().Subscribers == 0 })
}

func TestShutdownClosesSocketsWith1012(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	var clients []*wsClient
	for range 20 {
		c := e.ready()
		c.send(subscribeEvents)
		clients = append(clients, c)
	}
	eventually(t, "the subscribers", func() bool { return e.live.hub.Stats().Subscribers == 20 })
	done := make(chan error)
	go func() { done <- e.ws.Shutdown(context.Background()) }()
	for _, c := range clients {
		c.wantClose(transport.CloseRestart)
	}
	if err := <-done; err != nil {
		t.Errorf("Shutdown: got %v", err)
	}
	if n := e.ws.Sockets(); n != 0 {
		t.Errorf("got %d sockets after Shutdown, want 0", n)
	}
	_, resp, err := websocket.Dial(t.Context(), e.url, nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("got %v, %v after Shutdown, want 503", resp, err)
	}
	_ = resp.Body.Close()
}

func TestShutdownCutsThoseWhoDoNotAnswer(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	e.ready() // never reads the close frame
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := e.ws.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	if n := e.ws.Sockets(); n != 0 {
		t.Errorf("got %d sockets, want 0", n)
	}
}

func TestHubThatClosesEndsSocketsWith1012(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.ready()
	c.send(subscribeEvents)
	eventually(t, "a subscriber", func() bool { return e.live.hub.Stats().Subscribers == 1 })
	e.live.hub.Close()
	c.wantClose(transport.CloseRestart)
}

func TestClientThatLeavesEndsItsOperations(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	c := e.ready()
	c.send(subscribeEvents)
	c.send(`{"id":"q","type":"subscribe","payload":{"query":"{ slow }"}}`)
	eventually(t, "a subscriber", func() bool { return e.live.hub.Stats().Subscribers == 1 })
	if err := c.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("Close: got %v, want the close frame answered", err)
	}
	eventually(t, "the socket and its stream to go", func() bool {
		return e.ws.Sockets() == 0 && e.live.hub.Stats().Subscribers == 0
	})
}

func TestResumeOverReconnectsMissesNothing(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{Queue: 16})
	const total = 2000
	go func() {
		for range total / 5 {
			e.live.append(5)
		}
	}()
	want := int64(1)
	for want <= total {
		c := e.ready()
		after, _ := json.Marshal(want - 1) //nolint:errchkjson // a number
		c.send(`{"id":"s","type":"subscribe","payload":{"query":"subscription($a: Int) { events(after: $a) }","variables":{"a":` + string(after) + `}}}`)
		want = readSome(t, c, want, total)
		_ = c.conn.CloseNow()
	}
}

// readSome reads up to 300 events and checks that each is the next.
func readSome(t *testing.T, c *wsClient, want, total int64) int64 {
	t.Helper()
	for range 300 {
		if want > total {
			return want
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, data, err := c.conn.Read(ctx)
		cancel()
		if websocket.CloseStatus(err) == transport.CloseSlow {
			return want
		}
		var r struct {
			Payload struct {
				Data struct{ Events int64 }
			}
		}
		if err != nil || json.Unmarshal(data, &r) != nil {
			t.Fatalf("got %v, %s", err, data)
		}
		if r.Payload.Data.Events != want {
			t.Fatalf("got event %d, want %d", r.Payload.Data.Events, want)
		}
		want++
	}
	return want
}

func TestGarbageOnTheWireDoesNotHurt(t *testing.T) {
	t.Parallel()
	e := newWSEnv(t, transport.WSConfig{}, feed.Config{})
	nc, err := net.Dial("tcp", strings.TrimPrefix(e.url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_, err = nc.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket", func() bool { return e.ws.Sockets() == 1 })
	if _, err := nc.Write([]byte{0xff, 0xff, 0xff, 0xff, 0, 1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the socket to go", func() bool { return e.ws.Sockets() == 0 })
}
