package gcsfake

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// granularity is what the bucket stores of a part: whole units of it, unless the part is the last.
const granularity = 256 << 10

// part serves what a browser or another program sends to a session's URI that somebody else began: parts, everything at
// once, and the question what is stored. Unlike the Go client, which sends a chunk again when a connection broke, these go
// on behind what has arrived.
func (s *Server) part(w http.ResponseWriter, r *http.Request) {
	up := s.session(r)
	if up == nil {
		writeError(w, http.StatusNotFound)
		return
	}
	allow(w, up)
	first, total, ok := 0, up.size, true
	asks := false
	if spec := r.Header.Get("Content-Range"); spec != "" {
		first, total, ok = contentRange(spec)
		asks = first < 0
	}
	point := Chunk
	if total >= 0 {
		point = Final
	}
	fault := s.take(point)
	if !ok || total >= 0 && up.size >= 0 && total != up.size {
		writeError(w, http.StatusBadRequest)
		return
	}
	if s.beforeCommit(w, r, fault) {
		return
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.done == nil && !asks {
		if first > len(up.content) {
			writeError(w, http.StatusServiceUnavailable) // a gap: what is before must be sent again
			return
		}
		switch err := up.receive(r.Body, first); {
		case errors.Is(err, errExcess):
			writeError(w, http.StatusBadRequest)
			return
		case err != nil:
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case up.done != nil:
		writeJSON(w, s.resource(up.done))
	case total >= 0 && len(up.content) == total:
		s.finish(w, r, up, total, fault)
	case !s.afterCommit(w, r, fault):
		// What a browser gets; the Go client asks for 200 and a header instead.
		if len(up.content) > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(up.content)-1))
		}
		w.WriteHeader(http.StatusPermanentRedirect)
	}
}

var errExcess = errors.New("more than was announced")

// receive keeps what arrives, in whole units but for the end of the content.
func (up *session) receive(body io.Reader, first int) error {
	_, err := io.CopyN(io.Discard, body, int64(len(up.content)-first))
	if err == io.EOF { //nolint:errorlint // given bare: all of it was stored already
		return nil
	}
	if err != nil {
		return err
	}
	arrived, err := io.ReadAll(body)
	if up.size >= 0 && len(up.content)+len(arrived) > up.size {
		return errExcess
	}
	up.content = append(up.content, arrived...)
	if up.size != len(up.content) {
		up.content = up.content[:len(up.content)/granularity*granularity]
	}
	return err
}

func (s *Server) session(r *http.Request) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[r.PathValue("id")]
}

func (s *Server) endSession(w http.ResponseWriter, r *http.Request) {
	up := s.session(r)
	if up == nil {
		writeError(w, http.StatusNotFound)
		return
	}
	allow(w, up)
	up.mu.Lock()
	defer up.mu.Unlock()
	if up.done != nil {
		writeError(w, http.StatusNotFound)
		return
	}
	s.mu.Lock()
	delete(s.sessions, r.PathValue("id"))
	s.mu.Unlock()
	writeError(w, 499)
}

// preflight answers a browser, for the origin that the session was begun with and no other.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	if up := s.session(r); up != nil {
		allow(w, up)
	}
}

func allow(w http.ResponseWriter, up *session) {
	if up.origin == "" {
		return
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", up.origin)
	h.Set("Access-Control-Allow-Methods", "PUT, DELETE")
	h.Set("Access-Control-Allow-Headers", "Content-Type, Content-Range")
	h.Set("Access-Control-Expose-Headers", "Range, Content-Length")
}

// Sessions says how many resumable uploads have begun and are neither complete nor ended.
func (s *Server) Sessions() int {
	s.mu.Lock()
	sessions := slices.Collect(maps.Values(s.sessions))
	s.mu.Unlock()
	n := 0
	for _, up := range sessions {
		up.mu.Lock()
		if up.done == nil {
			n++
		}
		up.mu.Unlock()
	}
	return n
}

// Stored says how much of a session's content has arrived.
func (s *Server) Stored(uri string) int {
	s.mu.Lock()
	up := s.sessions[uri[strings.LastIndexByte(uri, '/')+1:]]
	s.mu.Unlock()
	if up == nil {
		return -1
	}
	up.mu.Lock()
	defer up.mu.Unlock()
	return len(up.content)
}
