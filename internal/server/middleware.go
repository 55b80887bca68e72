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
	"dossier/internal/auth"
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
			p := recover()
			aborted := p == http.ErrAbortHandler //nolint:errorlint // net/http compares the value itself
			if p != nil && !aborted {
				s.panicked(rec, id, p)
			}
			if rec.status == 0 && !aborted {
				rec.status = http.StatusOK // net/http writes it for a handler that wrote nothing
			}
			took := time.Since(start)
			s.metrics.observe(r, rec.status, took)
			if s.log.Enabled(r.Context(), slog.LevelDebug) {
				s.log.LogAttrs(r.Context(), slog.LevelDebug, "request", slog.String("request_id", id), slog.String("method", method(r)),
					slog.String("route", route(r)), slog.Int("status", rec.status), slog.Int64("bytes", rec.bytes), slog.Duration("took", took))
			}
			if aborted {
				panic(p)
			}
		}()
		next.ServeHTTP(rec, r.WithContext(auth.WithOrigin(r.Context(), auth.Origin{RequestID: id, ClientAddress: s.proxies.client(r)})))
	})
}

// panicked logs a panic and, where nothing was answered yet, answers with what a client needs to report it.
func (s *Server) panicked(w *recorder, id string, p any) {
	s.log.Error("panic", "request_id", id, "panic", graph.PanicText(p), "stack", string(debug.Stack()))
	if w.status != 0 {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = w.Write([]byte(`{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL","requestId":"` + id + `"}}]}`))
}

// method is the request's method, "other" for one that a client made up: each would be a new series and a place to write
// anything into the log.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodHead, http.MethodOptions, http.MethodPatch, http.MethodDelete:
		return r.Method
	default:
		return "other"
	}
}

// route is the request's path without what varies or is secret in it.
func route(r *http.Request) string {
	switch p := r.URL.Path; {
	case p == "/graphql", p == "/schema.graphql", p == "/healthz", p == "/readyz", p == "/":
		return p
	case len(p) > 6 && p[:7] == "/files/":
		return "/files/"
	case len(p) > 8 && p[:9] == "/exports/":
		return "/exports/"
	case len(p) > 9 && p[:10] == "/archives/":
		return "/archives/"
	case len(p) > 6 && p[:7] == "/blobs/":
		return "/blobs/"
	case len(p) > 6 && p[:7] == pagePath:
		return pagePath
	default:
		return "other"
	}
}
