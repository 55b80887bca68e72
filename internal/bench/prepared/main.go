// Command prepared is the server that the bench holds Dossier's live events against: each message is framed once and the
// same bytes are written to every WebSocket, through a bounded queue per connection. It knows no GraphQL, no events and no
// permissions, and a client that falls behind is closed.
package main

import (
	"flag"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// queueLen is how far a client may fall behind.
const queueLen = 64

type hub struct {
	mu      sync.RWMutex
	clients map[chan *websocket.PreparedMessage]struct{}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	h := &hub{clients: map[chan *websocket.PreparedMessage]struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /live", h.live)
	mux.HandleFunc("POST /broadcast", h.broadcast)
	srv := &http.Server{Addr: *listen, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	if err := srv.ListenAndServe(); err != nil {
		slog.Error("prepared", "error", err)
		os.Exit(1)
	}
}

func (h *hub) broadcast(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m, err := websocket.NewPreparedMessage(websocket.TextMessage, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for c := range h.clients {
		select {
		case c <- m:
		default:
			slog.Error("a client is too slow")
		}
	}
	_, _ = io.WriteString(w, `{"data":{}}`)
}

func (h *hub) live(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{
		ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &writeBuffers, Subprotocols: []string{"graphql-transport-ws"},
		CheckOrigin: func(*http.Request) bool { return true },
	}
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	queue := make(chan *websocket.PreparedMessage, queueLen)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := conn.NextReader(); err != nil {
				return
			}
		}
	}()
	h.mu.Lock()
	h.clients[queue] = struct{}{}
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		delete(h.clients, queue)
		h.mu.Unlock()
	}()
	// What a client of Dossier is told when its subscription stands.
	if conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"connection_ack"}`)) != nil {
		return
	}
	for {
		select {
		case <-gone:
			return
		case m := <-queue:
			if conn.SetWriteDeadline(time.Now().Add(10*time.Second)) != nil || conn.WritePreparedMessage(m) != nil {
				return
			}
		}
	}
}

// writeBuffers are shared by the connections, which need one only while they write.
var writeBuffers sync.Pool
