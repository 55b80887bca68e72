package transport

import (
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"sync"
	"time"

	"dossier/internal/fault"
)

// form is one multipart request while its operation runs. Its lock is held while the body is read, so that two resolvers
// which read files at the same time take turns.
type form struct {
	cfg    MultipartConfig
	length int64 // Content-Length, -1 when chunked

	mu      sync.Mutex
	body    *body
	scan    *scanner
	files   map[string]*file
	current *file // the file whose content the scanner is at
	failed  error // no further part can be read
	closed  bool

	spool   *os.File
	spooled int64
	skipped int64
}

// file is one part of the body that the map names.
type file struct {
	form   *form
	field  string
	places int // in the variables
	wanted int // of them, not closed

	state   fileState
	err     error   // why it cannot be read
	reader  *handle // who takes it from the network, once somebody does
	segment segment // where in the spool it is

	name         string
	declaredType string
	sizeBound    int64
}

type fileState int

const (
	waiting   fileState = iota // its part has not come yet
	streaming                  // the scanner is in it
	spooled                    // what was not read of it is in the spool
	complete                   // read, or skipped, to its end
)

// segment is a piece of the spool.
type segment struct{ offset, length int64 }

// advance reads parts until it is at the content of want.
func (f *form) advance(want *file) error {
	for f.current != want {
		if f.failed != nil {
			return f.failed
		}
		if err := f.leave(); err != nil {
			return err
		}
		next, err := f.next()
		switch {
		case errors.Is(err, io.EOF):
			return missingFile(want.field)
		case err != nil:
			f.failed = err
			return err
		}
		f.current = next
	}
	return nil
}

// leave gets the rest of the current file out of the way: to the spool, or nowhere when nobody wants it.
func (f *form) leave() error {
	cur := f.current
	if cur == nil {
		return nil
	}
	if cur.wanted > 0 {
		return f.putAside(cur)
	}
	return f.skip(cur)
}

// next reads the headers of the next part.
func (f *form) next() (*file, error) {
	header, err := f.scan.header()
	if err != nil {
		return nil, err
	}
	name, params, err := disposition(header)
	if err != nil {
		return nil, err
	}
	next := f.files[name]
	switch {
	case next == nil && (name == "operations" || name == "map"):
		return nil, malformedBody("The field %q comes more than once.", name)
	case next == nil:
		return nil, malformedBody("The body has the field %s, which \"map\" does not name.", quoteName(name))
	case next.state != waiting:
		return nil, malformedBody("The file %s comes more than once.", quoteName(name))
	}
	if encoding := strings.ToLower(strings.TrimSpace(header.Get("Content-Transfer-Encoding"))); encoding != "" &&
		encoding != "7bit" && encoding != "8bit" && encoding != "binary" {
		return nil, malformedBody("The file %s is encoded. Send its bytes as they are, without Content-Transfer-Encoding.", quoteName(name))
	}
	next.state = streaming
	next.name = strings.ToValidUTF8(params["filename"], "\uFFFD")
	next.declaredType = header.Get("Content-Type")
	next.sizeBound = -1
	if f.length >= 0 {
		taken := f.body.total - int64(f.scan.w-f.scan.r)
		closing := int64(len("\r\n") + len(f.scan.find.pattern) + len("--")) // The blank line before, the boundary after.
		next.sizeBound = max(0, f.length-taken-closing)
	}
	return next, nil
}

// disposition reads the Content-Disposition of a part.
func disposition(header textproto.MIMEHeader) (name string, params map[string]string, err error) {
	kind, params, err := mime.ParseMediaType(header.Get("Content-Disposition"))
	name, named := params["name"]
	if err != nil || kind != "form-data" || !named {
		return "", nil, malformedBody("A part of the body has no well-formed \"Content-Disposition: form-data\" with a name.")
	}
	return name, params, nil
}

// quoteName shows a field name in a message, shortened: it is the client's text.
func quoteName(name string) string {
	if len(name) > 64 {
		name = strings.ToValidUTF8(name[:64], "") + "..."
	}
	return fmt.Sprintf("%q", name)
}

func missingFile(field string) error {
	return &fault.Error{
		Code: fault.BadUserInput, Op: "transport.form", Err: ErrMissingFile,
		Message: fmt.Sprintf("The file %s, which \"map\" names, is missing from the body.", quoteName(field)),
	}
}

// putAside moves the rest of a file to the spool.
func (f *form) putAside(cur *file) error {
	if f.spool == nil {
		spool, err := os.CreateTemp(f.cfg.SpoolDir, "dossier-spool-")
		if err != nil {
			return f.fail(cur, spoolFault(err))
		}
		// Unlinked while open: whatever happens to the process, nothing stays on the disk.
		_ = os.Remove(spool.Name())
		f.spool = spool
	}
	buf := newPieceBlock()
	defer pieceBuffers.Put(buf)
	cur.segment = segment{offset: f.spooled}
	for {
		n, err := f.scan.read(buf[:scanBufferBytes])
		if f.spooled+int64(n) > f.cfg.MaxSpoolBytes {
			return f.fail(cur, f.spoolFull())
		}
		if n > 0 {
			if _, writeErr := f.spool.WriteAt(buf[:n], f.spooled); writeErr != nil {
				return f.fail(cur, spoolFault(writeErr))
			}
			f.spooled += int64(n)
		}
		if errors.Is(err, io.EOF) {
			cur.segment.length = f.spooled - cur.segment.offset
			cur.state, f.current = spooled, nil
			return nil
		}
		if err != nil {
			return f.fail(cur, err)
		}
	}
}

// skip reads past the rest of a file.
func (f *form) skip(cur *file) error {
	buf := newPieceBlock()
	defer pieceBuffers.Put(buf)
	for {
		n, err := f.scan.read(buf[:scanBufferBytes])
		f.skipped += int64(n)
		if f.skipped > f.cfg.MaxSpoolBytes {
			return f.fail(cur, f.spoolFull())
		}
		if errors.Is(err, io.EOF) {
			cur.state, f.current = complete, nil
			return nil
		}
		if err != nil {
			return f.fail(cur, err)
		}
	}
}

// fail ends the reading of the body: the scanner is inside a file, so nothing after it can be read.
func (f *form) fail(cur *file, err error) error {
	cur.err, f.failed = err, err
	return err
}

func (f *form) spoolFull() error {
	return &fault.Error{
		Code: fault.TooLarge, Op: "transport.form", Err: ErrSpoolFull,
		Message: fmt.Sprintf("More than %d bytes of this upload would have to be put aside. "+
			"Send the files in the order of the variables, each one once, or in requests of their own.", f.cfg.MaxSpoolBytes),
	}
}

func spoolFault(err error) error {
	// The text alone: a cause that is io.EOF would look like the end of a whole file.
	return &fault.Error{
		Code: fault.Unavailable, Op: "transport.spool", Err: fmt.Errorf("spool: %v", err), //nolint:errorlint // See above.
		Message: "The upload could not be put aside. Send the files in the order of the variables, or try again.",
	}
}

// close ends all reading. An Upload that a goroutine kept gives ErrClosed from now on.
func (f *form) close() {
	if !f.mu.TryLock() {
		// Somebody reads although the operation is over: do not wait for the client.
		_ = f.body.control.SetReadDeadline(time.Unix(1, 0))
		f.mu.Lock()
	}
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.closed = true
	f.scan.release()
	if f.spool != nil {
		_ = f.spool.Close()
	}
}

const (
	// maxDrainBytes is the most that is read of a body after its operation is over, to keep the connection.
	maxDrainBytes = 256 << 10
	// maxDrainTime is the longest that the answer waits for that.
	maxDrainTime = time.Second
)

// finish gets the connection ready for the answer. Without it a client that is still sending would find its connection
// reset, and many then show that instead of the answer they had already been sent.
func (f *form) finish(w http.ResponseWriter, r *http.Request) {
	f.close()
	if r.ProtoMajor != 1 || f.body.drained {
		return // HTTP/2 ends the stream by itself.
	}
	budget := int64(maxDrainBytes)
	if f.scan.guard >= 0 {
		budget -= f.body.total // Refused before a file was read: 256 KiB are all that is read of the body.
	}
	if f.length < 0 && f.current != nil && f.current.state == streaming && f.scan.guard < 0 {
		budget = 0 // Given up within a file of unknown length: most likely it was too large, and has no near end.
	}
	if f.body.failed == nil && (f.length < 0 || f.length-f.body.total <= budget) && f.drain(budget) {
		return
	}
	closeAfterReply(w)
	// net/http would read on by itself before it closes.
	_ = f.body.control.SetReadDeadline(time.Unix(1, 0))
}

// drain reads the rest of the body and says whether it came to its end.
func (f *form) drain(budget int64) bool {
	buf := newPieceBlock()
	defer pieceBuffers.Put(buf)
	f.body.waited = max(0, f.body.window-maxDrainTime)
	f.body.bytes = math.MinInt64 / 2 // However fast the client is, the window does not begin anew.
	for budget > 0 {
		n, err := f.body.Read(buf[:min(int64(len(buf)), budget)])
		budget -= int64(n)
		if err != nil {
			return f.body.drained
		}
	}
	return false
}

// LeaveBody has net/http read nothing of a body that is refused unread. Call it before the answer is written; the
// connection is closed after it.
func LeaveBody(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 {
		return // HTTP/2 resets the stream by itself.
	}
	closeAfterReply(w)
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
}

// closeAfterReply has net/http close the connection in the gentle way: it sends the answer, then its FIN, and waits for
// the client to read both, although the client's bytes are not read any more. Only http.MaxBytesReader asks for that.
func closeAfterReply(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = wrapper.Unwrap()
	}
	over := http.MaxBytesReader(w, io.NopCloser(strings.NewReader("over")), 1)
	_, _ = io.Copy(io.Discard, over)
}
