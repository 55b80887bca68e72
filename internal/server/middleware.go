package server

import (
	"bufio"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/google/uuid"

	"dossier/graph"
)

// recorder remembers the status and size of an answer for the log and the metrics.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
	taken  bool
}

// WriteHeader remembers the status.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 || w.status < http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// Hijack lets the WebSocket upgrade through. The log line is written when the upgrade is done.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("server: the connection cannot be taken over")
	}
	w.status, w.taken = http.StatusSwitchingProtocols, true
	return h.Hijack()
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// observe gives each request an id, writes one log line about it, and turns a panic into a 500 that says nothing.
//
// The line holds no query string, no header and no body: a customer's data can be in each of them.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := uuid.NewString()
		rec := &recorder{ResponseWriter: w}
		rec.Header().Set("X-Request-Id", id)
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // net/http compares the value itself
				s.log.Error("panic", "request_id", id, "panic", p, "stack", string(debug.Stack()))
				if rec.status == 0 {
					http.Error(rec, `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL","requestId":"`+id+`"}}]}`,
						http.StatusInternalServerError)
				}
			} else if p != nil {
				panic(p)
			}
			took := time.Since(start)
			s.metrics.observe(r, rec.status, took)
			s.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("request_id", id), slog.String("method", r.Method),
				slog.String("route", route(r)), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took))
		}()
		next.ServeHTTP(rec, r.WithContext(graph.WithRequestID(r.Context(), id)))
	})
}

// route is the request's path without what varies or is secret in it.
func route(r *http.Request) string {
	switch p := r.URL.Path; {
	case p == "/graphql", p == "/schema.graphql", p == "/healthz", p == "/readyz", p == "/":
		return p
	case len(p) > 6 && p[:7] == "/files/":
		return "/files/"
	case len(p) > 6 && p[:7] == "/blobs/":
		return "/blobs/"
	case len(p) > 6 && p[:7] == pagePath:
		return pagePath
	default:
		return "other"
	}
}
