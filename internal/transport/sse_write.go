package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// errGone: the client left, or does not read.
var errGone = errors.New("transport: the connection of an event stream is gone")

// maxCursorBytes bounds Last-Event-ID, which goes into a log line and a query parameter of the store.
const maxCursorBytes = 1 << 10

// sseParams reads the operation. A refusal is for a request that is not GraphQL over HTTP at all; what is wrong with the
// operation itself is told in the event stream.
//
// A GET needs no preflight header here, because an EventSource cannot send one: it runs no mutation, and another site
// cannot read the answer.
func (s *SSE) sseParams(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *refusal) {
	if r.Method == http.MethodGet {
		return urlParams(r.URL.RawQuery)
	}
	if bad := jsonContent(r); bad != nil {
		return nil, bad
	}
	return POST{MaxBodyBytes: s.cfg.MaxBodyBytes}.params(w, r)
}

// lastEventID is the cursor to resume from; one that cannot be a cursor is taken as none, and the store would
// refuse it anyhow.
func lastEventID(r *http.Request) string {
	id := strings.TrimSpace(r.Header.Get("Last-Event-ID"))
	if len(id) > maxCursorBytes {
		return ""
	}
	return id
}

// sseWriter writes events. After the first error nothing more is written.
type sseWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	buf     []byte
	begun   bool
	failed  bool
}

func newSSEWriter(w http.ResponseWriter, timeout time.Duration) *sseWriter {
	return &sseWriter{w: w, control: http.NewResponseController(w), timeout: timeout}
}

// begin sends the headers, so that the client knows that it is connected before the first event.
func (o *sseWriter) begin() error {
	if o.begun {
		return nil
	}
	o.begun = true
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold the events back
	// The server's read deadline would end the stream although the client has nothing more to say.
	if err := o.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return o.fail()
	}
	o.w.WriteHeader(http.StatusOK)
	return o.flush(append(o.buf[:0], ":\n\n"...))
}

// result writes a whole result: next and complete.
func (o *sseWriter) result(resp *graphql.Response) {
	if o.begin() != nil {
		return
	}
	b := appendEvent(o.buf[:0], "", AppendResponse(nil, resp))
	_ = o.flush(appendComplete(b)) // the stream ends either way
}

func (o *sseWriter) complete() { _ = o.flush(appendComplete(o.buf[:0])) } // the stream ends either way

func (o *sseWriter) comment() error { return o.flush(append(o.buf[:0], ":\n\n"...)) }

// messages writes m and those that are ready behind it with one flush.
func (o *sseWriter) messages(m Message, stream Stream) error {
	b := appendEvent(o.buf[:0], m.Cursor, m.Payload)
	var err error
	if poller, ok := stream.(Poller); ok {
		for ok = true; ok && err == nil && len(b) < fillBytes; {
			if m, ok, err = poller.Poll(nil); ok && err == nil {
				b = appendEvent(b, m.Cursor, m.Payload)
			}
		}
	}
	if ferr := o.flush(b); ferr != nil {
		return ferr
	}
	return err
}

func (o *sseWriter) flush(b []byte) error {
	if o.failed {
		return errGone
	}
	if cap(b) <= maxPooledFrames {
		o.buf = b
	}
	if err := o.control.SetWriteDeadline(time.Now().Add(o.timeout)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return o.fail()
	}
	if _, err := o.w.Write(b); err != nil {
		return o.fail()
	}
	if err := o.control.Flush(); err != nil {
		return o.fail()
	}
	return nil
}

func (o *sseWriter) fail() error {
	o.failed = true
	return errGone
}

// appendEvent appends a next event. JSON has no line break that matters, but whitespace between tokens may be one.
func appendEvent(b []byte, cursor string, payload []byte) []byte {
	b = append(b, "event: next\n"...)
	if cursor != "" && !strings.ContainsAny(cursor, "\r\n\x00") {
		b = append(b, "id: "...)
		b = append(b, cursor...)
		b = append(b, '\n')
	}
	b = append(b, "data: "...)
	if bytes.ContainsAny(payload, "\r\n") {
		var flat bytes.Buffer
		if json.Compact(&flat, payload) == nil {
			payload = flat.Bytes()
		}
	}
	b = append(b, payload...)
	return append(b, "\n\n"...)
}

// appendComplete appends the complete event. The empty data line is needed: an EventSource drops events without data.
func appendComplete(b []byte) []byte { return append(b, "event: complete\ndata: \n\n"...) }
