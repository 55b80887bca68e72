package transport

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"dossier/internal/fault"
)

const (
	// DefaultMinBytesPerSecond is the slowest upload that is waited for.
	DefaultMinBytesPerSecond = 8 << 10
	// DefaultRateWindow is how long an upload may be slower than that: a hiccup of a mobile network is no attack.
	DefaultRateWindow = 10 * time.Second
)

// The ways in which a body fails. What a reader returns is a *fault.Error with a message for the client that wraps one
// of these. None of them is, or wraps, io.EOF or io.ErrUnexpectedEOF: io.Copy and io.ReadFull must not take a cut-off
// file for a whole one.
var (
	// ErrTruncated: the body ended, or the connection broke, before the boundary that ends the file.
	ErrTruncated = errors.New("transport: the body ended too early")
	// ErrTooSlow: less than the minimum rate arrived over a whole window.
	ErrTooSlow = errors.New("transport: the body arrives too slowly")
	// ErrBoundary: the body is not multipart as its Content-Type says.
	ErrBoundary = errors.New("transport: the body is not well-formed multipart")
	// ErrMissingFile: the map names a file that the body does not have.
	ErrMissingFile = errors.New("transport: a file of the map is not in the body")
	// ErrClosed: the upload was closed, or read after its request had been answered.
	ErrClosed = errors.New("transport: the upload is closed")
	// ErrSpoolFull: files are read in another order than they were sent, and too much had to be put aside.
	ErrSpoolFull = errors.New("transport: too much of the body had to be put aside")
)

// body reads a request body under a minimum rate. Only the time spent waiting for the client counts: a slow object
// store is not the client's fault.
type body struct {
	src     io.Reader
	control *http.ResponseController
	rate    int64
	window  time.Duration
	// http2: there, a deadline that passes while nobody reads ends the stream for good.
	http2 bool

	total   int64         // bytes read so far
	bytes   int64         // of them, in the present window
	waited  time.Duration // time waited in the present window
	drained bool          // the end of the body was seen
	failed  error         // the first failure, repeated for ever
}

func newBody(w http.ResponseWriter, r *http.Request, rate int64, window time.Duration) *body {
	if rate <= 0 {
		rate = DefaultMinBytesPerSecond
	}
	if window <= 0 {
		window = DefaultRateWindow
	}
	return &body{src: r.Body, control: http.NewResponseController(w), rate: rate, window: window, http2: r.ProtoMajor == 2}
}

// Read is io.Reader's. The only error that is not a fault is io.EOF, at the end of the whole body.
func (b *body) Read(p []byte) (int, error) {
	if b.failed != nil {
		return 0, b.failed
	}
	started := time.Now()
	// A writer without deadlines (a recorder in a test) reads without a minimum rate.
	_ = b.control.SetReadDeadline(started.Add(b.window - b.waited))
	n, err := b.src.Read(p)
	if b.http2 {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	b.total += int64(n)
	b.bytes += int64(n)
	b.waited += time.Since(started)
	if b.bytes >= b.rate*int64(b.window)/int64(time.Second) {
		b.bytes, b.waited = 0, 0
	}
	switch {
	case err == nil && b.waited < b.window:
		return n, nil
	case err == nil:
		b.failed = tooSlow()
	case errors.Is(err, io.EOF):
		b.drained, b.failed = true, io.EOF
		// net/http now watches the connection for the client's departure. A deadline left behind would look like one
		// and cancel the request while its resolver still works.
		_ = b.control.SetReadDeadline(time.Time{})
	default:
		b.failed = bodyFault(err)
	}
	return n, b.failed
}

// bodyFault says in the client's words why the body could not be read.
func bodyFault(err error) error {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return tooSlow()
	case errors.As(err, &tooLarge):
		return &fault.Error{
			Code: fault.TooLarge, Op: "transport.body", Err: err,
			Message: fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit),
		}
	default:
		return truncated(err)
	}
}

func tooSlow() error {
	return &fault.Error{
		Code: fault.BadUserInput, Op: "transport.body", Err: ErrTooSlow,
		Message: "The request body arrived too slowly. Send it again over a faster connection.",
	}
}

// truncated drops the identity of its cause, which may be io.EOF, and keeps its text for the log.
func truncated(cause error) error {
	err := ErrTruncated
	if cause != nil {
		err = fmt.Errorf("%w: %v", ErrTruncated, cause) //nolint:errorlint // A wrapped io.EOF would look like the end of a whole file.
	}
	return &fault.Error{
		Code: fault.BadUserInput, Op: "transport.body", Err: err,
		Message: "The request body ended before all of it had arrived. Send the request again.",
	}
}

// readLimited appends the whole body to dst, and one byte more than limit at most.
func readLimited(src io.Reader, dst []byte, limit int64) ([]byte, error) {
	for int64(len(dst)) <= limit {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		room := min(int64(cap(dst)), limit+1)
		n, err := src.Read(dst[len(dst):room])
		dst = dst[:len(dst)+n]
		if errors.Is(err, io.EOF) {
			return dst, nil
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}
