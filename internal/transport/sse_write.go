package transport

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
)

// errGone: the client left, or does not read.
var errGone = errors.New("transport: the connection of an event stream is gone")

// maxCursorBytes bounds Last-Event-ID, which goes into a log line and a query parameter of the store.
const maxCursorBytes = 1 << 10

// readSSERequest reads the operation. A status other than 0 refuses a request that is not GraphQL over HTTP at all;
// what is wrong with the operation itself is told in the event stream.
func readSSERequest(w http.ResponseWriter, r *http.Request, maxBytes int64) (_ *graphql.RawParams, status int, message string) {
	var p struct {
		Query         string         `json:"query"`
		OperationName string         `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	if r.Method == http.MethodGet {
		q := r.URL.Query()
		p.Query, p.OperationName = q.Get("query"), q.Get("operationName")
		for name, into := range map[string]any{"variables": &p.Variables, "extensions": &p.Extensions} {
			if v := q.Get(name); v != "" && decodeNumbers([]byte(v), into) != nil {
				return nil, http.StatusBadRequest, fmt.Sprintf("The parameter %q must be a JSON object.", name)
			}
		}
	} else {
		// SECURITY: other content types can be posted by any page without a preflight.
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return nil, http.StatusUnsupportedMediaType, "Send the operation as application/json."
		}
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBytes))
		d.UseNumber()
		if err := d.Decode(&p); err != nil {
			var tooBig *http.MaxBytesError
			if errors.As(err, &tooBig) {
				return nil, http.StatusRequestEntityTooLarge, fmt.Sprintf("The body is larger than %d bytes.", maxBytes)
			}
			return nil, http.StatusBadRequest, "The body must be a JSON object with a string 'query'."
		}
	}
	if p.Query == "" {
		return nil, http.StatusBadRequest, "The request has no 'query'."
	}
	return &graphql.RawParams{Query: p.Query, OperationName: p.OperationName, Variables: p.Variables, Extensions: p.Extensions}, 0, ""
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
	b := appendEvent(o.buf[:0], "", appendResponse(nil, resp))
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
