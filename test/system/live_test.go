package system

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"dossier/internal/apitest"
)

const followEvents = `subscription($after: EventCursor, $types: [EventType!], $customer: ID) {
	events(after: $after, types: $types, customerId: $customer) {
		__typename cursor ... on EventDelivery { prevSeq event { id seq type customer { id } } } } }`

// message is what a subscriber got.
type message struct {
	Cursor  string
	PrevSeq *int64
	Event   *struct {
		ID, Type string
		Seq      int64
		Customer *struct{ ID string }
	}
}

// stream is one live connection with one subscription.
type stream interface {
	// next waits for the next message, for 30 seconds at most.
	next() (message, error)
	// cut drops the connection without a word.
	cut()
}

// liveError is an error of the operation, or one of the whole request.
type liveError struct{ code string }

func (e liveError) Error() string { return "live: " + e.code }

// patience is how long a subscriber waits for a message.
const patience = 30 * time.Second

// closeCode is the close code of a socket, 0 when it ended in another way.
func closeCode(err error) int {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}

// parseResult reads {"data":{"events":{...}}} or the errors beside it.
func parseResult(payload []byte) (message, error) {
	var r struct {
		Data   map[string]message
		Errors []apitest.Error
	}
	if err := json.Unmarshal(payload, &r); err != nil {
		return message{}, err
	}
	if len(r.Errors) > 0 {
		code, _ := r.Errors[0].Extensions["code"].(string)
		return message{}, liveError{code}
	}
	for _, m := range r.Data {
		return m, nil
	}
	return message{}, fmt.Errorf("neither data nor errors: %.200s", payload)
}

type wsStream struct{ conn *websocket.Conn }

// dialSocket opens a socket; an offered subprotocol "" is none.
func dialSocket(ctx context.Context, node *apitest.Server, subprotocol string, header http.Header) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{HandshakeTimeout: 10 * time.Second}
	if subprotocol != "" {
		dialer.Subprotocols = []string{subprotocol}
	}
	return dialer.DialContext(ctx, "ws"+strings.TrimPrefix(node.URL, "http")+"/graphql", header)
}

// ready opens a socket and gets its connection_ack.
func ready(ctx context.Context, node *apitest.Server, token string) (*websocket.Conn, error) {
	conn, resp, err := dialSocket(ctx, node, "graphql-transport-ws", nil)
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	payload := map[string]any{}
	if token != "" {
		payload["Authorization"] = "Bearer " + token
	}
	err = conn.WriteJSON(map[string]any{"type": "connection_init", "payload": payload})
	if err == nil {
		err = expect(conn, "connection_ack")
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

func expect(conn *websocket.Conn, kind string) error {
	var m struct{ Type string }
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if err := conn.ReadJSON(&m); err != nil {
		return err
	}
	if m.Type != kind {
		return fmt.Errorf("got %q, want %q", m.Type, kind)
	}
	return nil
}

// dialWS subscribes over WebSocket.
func dialWS(ctx context.Context, a actor, query string, variables map[string]any) (*wsStream, error) {
	conn, err := ready(ctx, a.node, a.token)
	if err != nil {
		return nil, err
	}
	err = conn.WriteJSON(map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{"query": query, "variables": variables}})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &wsStream{conn}, nil
}

func (s *wsStream) next() (message, error) {
	for {
		var m struct {
			Type    string
			Payload json.RawMessage
		}
		_ = s.conn.SetReadDeadline(time.Now().Add(patience))
		if err := s.conn.ReadJSON(&m); err != nil {
			return message{}, err
		}
		switch m.Type {
		case "next":
			return parseResult(m.Payload)
		case "error":
			return parseResult(fmt.Appendf(nil, `{"errors":%s}`, m.Payload))
		case "complete":
			return message{}, io.EOF
		}
	}
}

func (s *wsStream) cut() { _ = s.conn.NetConn().Close() }

type sseStream struct {
	body    io.ReadCloser
	scanner *bufio.Scanner
	cancel  context.CancelFunc
	event   string
}

// errCut is a stream of server-sent events that ended without complete: the client resumes.
var errCut = errors.New("live: the stream was cut")

// dialSSE subscribes over server-sent events; lastEventID "" is none.
func dialSSE(ctx context.Context, a actor, query string, variables map[string]any, lastEventID string) (*sseStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	req, err := a.request(ctx, query, variables)
	if err != nil {
		cancel()
		return nil, err
	}
	req.Header.Set("Accept", "text/event-stream")
	if lastEventID != "" {
		req.Header.Set("Last-Event-ID", lastEventID)
	}
	client := &http.Client{Transport: a.http.Transport} // the stream has no end, so no time limit
	resp, err := client.Do(req)
	if err != nil {
		cancel()
		return nil, err
	}
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		_ = resp.Body.Close()
		cancel()
		_, err := parseResult(b)
		if err == nil || !errors.As(err, &liveError{}) {
			err = fmt.Errorf("status %d: %.200s", resp.StatusCode, b)
		}
		return nil, err
	}
	scanner := bufio.NewScanner(resp.Body)
	scanner.Buffer(nil, 1<<20)
	return &sseStream{body: resp.Body, scanner: scanner, cancel: cancel}, nil
}

func (s *sseStream) next() (message, error) {
	timer := time.AfterFunc(patience, s.cancel)
	defer timer.Stop()
	for s.scanner.Scan() {
		line := s.scanner.Bytes()
		if name, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			s.event = string(name)
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		if !ok {
			continue
		}
		if s.event == "complete" {
			return message{}, io.EOF
		}
		return parseResult(data)
	}
	if err := s.scanner.Err(); err != nil {
		return message{}, err
	}
	return message{}, errCut
}

func (s *sseStream) cut() {
	s.cancel()
	_ = s.body.Close()
}

// head is the cursor at the end of the log.
func head(t testing.TB, a actor) string {
	t.Helper()
	cursor := any(nil)
	last := ""
	for {
		data := a.must(t, `query($after: EventCursor) { events(after: $after, first: 100) { pageInfo { hasNextPage endCursor } } }`,
			map[string]any{"after": cursor})
		if end := text(data, "events.pageInfo.endCursor"); end != "" {
			last, cursor = end, end
		}
		if more, _ := at(data, "events.pageInfo.hasNextPage").(bool); !more {
			return last
		}
	}
}

// firstError tells an operation that was refused from one that follows: a refusal is the first thing in the stream. What
// the server sends when it has opened a subscription is a comment.
func (s *sseStream) firstError() (message, error) {
	for s.scanner.Scan() {
		line := s.scanner.Bytes()
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			return parseResult(data)
		}
		if bytes.HasPrefix(line, []byte(":")) {
			// Either the stream goes on and is quiet, or a result follows at once.
			timer := time.AfterFunc(200*time.Millisecond, s.cancel)
			defer timer.Stop()
		}
	}
	return message{}, nil
}
