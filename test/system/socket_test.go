package system

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// TestSocketsCloseWithTheCodesOfTheProtocol is row 33 of hardening.md.
func TestSocketsCloseWithTheCodesOfTheProtocol(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--max-sockets=5") // of which a staff user may have 2
	token := s.Token(t, auth.Viewer)
	good := `{"type":"connection_init","payload":{"Authorization":"Bearer ` + token + `"}}`
	subscribe := `{"id":"1","type":"subscribe","payload":{"query":"subscription { events { cursor } }"}}`
	for _, c := range []struct {
		name     string
		protocol string
		send     []string
		code     int
	}{
		{"no JSON", "graphql-transport-ws", []string{"hello"}, 4400},
		{"no type", "graphql-transport-ws", []string{`{"id":"1"}`}, 4400},
		{"unknown type", "graphql-transport-ws", []string{good, `{"type":"start","id":"1"}`}, 4400},
		{"subscribe without an id", "graphql-transport-ws", []string{good, `{"type":"subscribe","payload":{"query":"{ storage { usedBytes } }"}}`}, 4400},
		{"subscribe without a query", "graphql-transport-ws", []string{good, `{"id":"1","type":"subscribe","payload":{}}`}, 4400},
		{"binary", "graphql-transport-ws", []string{"\x00binary"}, 4400},
		{"subscribe first", "graphql-transport-ws", []string{subscribe}, 4401},
		{"no credential", "graphql-transport-ws", []string{`{"type":"connection_init"}`}, 4403},
		{"bad credential", "graphql-transport-ws", []string{`{"type":"connection_init","payload":{"Authorization":"Bearer x"}}`}, 4403},
		{"two credentials", "graphql-transport-ws", []string{`{"type":"connection_init","payload":{"Authorization":"Bearer ` + token + `","authToken":"x"}}`}, 4403},
		{"other subprotocol", "graphql-ws", nil, 4406},
		{"no subprotocol", "", nil, 4406},
		{"no connection_init", "graphql-transport-ws", nil, 4408},
		{"the same id twice", "graphql-transport-ws", []string{good, subscribe, subscribe}, 4409},
		{"connection_init twice", "graphql-transport-ws", []string{good, good}, 4429},
		{"a message that is too large", "graphql-transport-ws", []string{good, `{"type":"ping","payload":{"x":"` + strings.Repeat("x", 300<<10) + `"}}`}, 1009},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.code == 4408 {
				t.Parallel() // it takes 10 seconds
			}
			if got := socketEnd(t, s, c.protocol, c.send); got != c.code {
				t.Errorf("close code %d, want %d", got, c.code)
			}
		})
	}
	t.Run("too many sockets", func(t *testing.T) {
		eventually(t, 5*time.Second, func() error { // those before may still be counted
			conn, err := ready(t.Context(), s, token)
			if err == nil {
				t.Cleanup(func() { _ = conn.Close() })
			}
			return err
		})
		eventually(t, 5*time.Second, func() error {
			conn, err := ready(t.Context(), s, token)
			if err == nil {
				t.Cleanup(func() { _ = conn.Close() })
			}
			return err
		})
		if got := socketEnd(t, s, "graphql-transport-ws", []string{good}); got != 4429 {
			t.Errorf("the third socket of a user who may have 2 ends with %d, want 4429", got)
		}
		if _, err := dialSSE(t.Context(), newActor(s, token), followEvents, nil, ""); !errors.Is(err, liveError{"RATE_LIMITED"}) {
			t.Errorf("an event stream over the limit gives %v, want RATE_LIMITED", err)
		}
	})
}

// socketEnd sends messages and gives the code that the server closes with.
func socketEnd(t *testing.T, s *apitest.Server, protocol string, send []string) int {
	t.Helper()
	conn, resp, err := dialSocket(t.Context(), s, protocol, http.Header{})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	defer func() { _ = conn.Close() }()
	for _, m := range send {
		kind := websocket.TextMessage
		if strings.HasPrefix(m, "\x00") {
			kind = websocket.BinaryMessage
		}
		if err := conn.WriteMessage(kind, []byte(m)); err != nil {
			break // the server has closed; what it said is read below
		}
		if strings.Contains(m, "Bearer dsk_") || strings.Contains(m, "connection_init") && len(send) > 1 {
			if err := expect(conn, "connection_ack"); err != nil {
				return closeCode(err)
			}
		}
	}
	for {
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if _, _, err := conn.ReadMessage(); err != nil {
			return closeCode(err)
		}
	}
}
