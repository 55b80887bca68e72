package transport

import (
	"errors"
	"io"

	"github.com/99designs/gqlgen/graphql"

	"dossier/internal/fault"
)

// Upload is a file of a multipart request: the Go type of `scalar Upload`, passed by value.
//
// It is the request body itself, not a copy: Read takes the bytes from the network. Read the files of a request in the
// order in which they were sent, one after the other, and nothing is ever put aside. A file that is asked for before an
// earlier one was read to its end makes the rest of the earlier one go to an unlinked temporary file, up to a limit;
// Close a file that is not wanted, and it is skipped instead. Name, DeclaredType and SizeBound ask for the file too, as
// they are part of it.
//
// An Upload is valid until the operation that it belongs to has been answered.
type Upload struct{ handle *handle }

// handle is one reader of a file. Each argument that is made from a variable gets a handle of its own, so that a variable
// used twice is noticed: the second reader must not take the end of the first for an empty file.
type handle struct {
	file   *file
	place  *place
	offset int64 // in the file's segment of the spool
	given  int64 // bytes that were read from the network
	closed bool
}

// place is one place in the variables where a file is used.
type place struct{ closed bool }

// MarshalUpload is for gqlgen, which wants one. No field has the type Upload.
func MarshalUpload(Upload) graphql.Marshaler { return graphql.Null }

// UnmarshalUpload takes the value that Multipart put into the variables.
func UnmarshalUpload(value any) (Upload, error) {
	upload, ok := value.(Upload)
	if !ok || upload.handle == nil {
		return Upload{}, fault.New(fault.BadUserInput, "A file is sent as a part of a multipart/form-data request "+
			"(GraphQL multipart request specification): leave null in the variables and name the place in \"map\".")
	}
	return Upload{handle: &handle{file: upload.handle.file, place: upload.handle.place}}, nil
}

var errNoUpload = &fault.Error{Code: fault.Internal, Op: "transport.Upload", Message: "internal error", Err: ErrClosed}

// Open waits until the file has begun to arrive. Read does the same by itself; Open is for who wants to know that the
// file is there before anything else is done.
func (u Upload) Open() error {
	if u.handle == nil {
		return errNoUpload
	}
	form := u.handle.file.form
	form.mu.Lock()
	defer form.mu.Unlock()
	return u.handle.open()
}

// Name is the file's name as the client sent it, "" when it sent none or the file cannot be read. It is data: it may hold
// path separators, control characters and anything else, and must never become a path. `filename*` (RFC 8187) is decoded;
// `filename` is not, as a percent sign in it may be a percent sign: browsers send only ", CR and LF as %22, %0D and %0A.
func (u Upload) Name() string {
	if !u.arrived() {
		return ""
	}
	return u.handle.file.name
}

// DeclaredType is the Content-Type that the client claims for the file. Believe it only after looking at the content.
func (u Upload) DeclaredType() string {
	if !u.arrived() {
		return ""
	}
	return u.handle.file.declaredType
}

// SizeBound is the most bytes that the file can have: what the Content-Length of the request leaves for it. It is exact
// for no file, as the headers of later parts are unknown, and -1 when the request is chunked.
func (u Upload) SizeBound() int64 {
	if !u.arrived() {
		return -1
	}
	return u.handle.file.sizeBound
}

// arrived says whether the headers of the file's part were read, and reads them if they were not. They stay known when
// the file is closed or its content fails.
func (u Upload) arrived() bool {
	if u.handle == nil {
		return false
	}
	form := u.handle.file.form
	form.mu.Lock()
	defer form.mu.Unlock()
	return u.handle.file.state != waiting || u.handle.open() == nil
}

// Read gives the next bytes of the file. It is io.EOF only after the boundary that ends the file was seen; a body that
// ends before gives ErrTruncated, a client that is too slow ErrTooSlow, both in a *fault.Error. Large p are filled from
// the network without a copy.
func (u Upload) Read(p []byte) (int, error) {
	if u.handle == nil {
		return 0, errNoUpload
	}
	form := u.handle.file.form
	form.mu.Lock()
	defer form.mu.Unlock()
	return u.handle.read(p)
}

// WriteTo is io.WriterTo's: io.Copy writes in large pieces, each filled before it is written, from the memory that the
// network was read into. The pieces end at multiples of their size in the file, whatever was read before: a file system
// takes whole and aligned pages faster.
func (u Upload) WriteTo(w io.Writer) (int64, error) {
	if u.handle == nil {
		return 0, errNoUpload
	}
	var total int64
	for {
		n, err := u.writePiece(w)
		total += int64(n)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

func (u Upload) writePiece(w io.Writer) (int, error) {
	block, piece, err := u.take()
	if block == nil {
		return 0, err
	}
	defer pieceBuffers.Put(block)
	if len(piece) == 0 {
		return 0, err
	}
	n, writeErr := w.Write(piece)
	if writeErr == nil && n < len(piece) {
		writeErr = io.ErrShortWrite
	}
	if writeErr != nil {
		err = writeErr
	}
	return n, err
}

// take gives the next piece. The form's lock is not held while it is written.
func (u Upload) take() (*pieceBlock, []byte, error) {
	form := u.handle.file.form
	form.mu.Lock()
	defer form.mu.Unlock()
	return u.handle.take()
}

// Close says that the rest of the file is not wanted. What was not read of it is skipped when a later file is asked for.
func (u Upload) Close() error {
	if u.handle == nil {
		return nil
	}
	form := u.handle.file.form
	form.mu.Lock()
	defer form.mu.Unlock()
	u.handle.closed = true
	if !u.handle.place.closed {
		u.handle.place.closed = true
		u.handle.file.wanted--
	}
	return nil
}

func closedFault() error {
	return &fault.Error{Code: fault.Internal, Op: "transport.Upload", Message: "internal error", Err: ErrClosed}
}

// open brings the file to the front of the body. The form's lock is held.
func (h *handle) open() error {
	f := h.file
	if h.closed || f.form.closed {
		return closedFault()
	}
	if f.err == nil && f.state == waiting {
		f.form.scan.guard = -1 // A resolver asks, so the operation is authorised.
		f.err = f.form.advance(f)
	}
	return f.err
}

// claim opens the file for this handle, and when it takes bytes of it for no other.
func (h *handle) claim(takes bool) error {
	if err := h.open(); err != nil {
		return err
	}
	f := h.file
	f.form.scan.guard = -1
	if f.state == streaming && f.places > 1 && f.reader == nil {
		// Every variable must be able to read it from its start.
		if err := f.form.putAside(f); err != nil {
			return err
		}
	}
	if f.state != spooled && f.reader == nil && takes {
		f.reader = h
	}
	if f.reader != nil && f.reader != h {
		return alreadyRead(f.field)
	}
	return nil
}

func (h *handle) read(p []byte) (int, error) {
	if err := h.claim(len(p) > 0); err != nil {
		return 0, err
	}
	switch h.file.state {
	case streaming:
		n, err := h.file.form.scan.read(p)
		h.given += int64(n)
		return n, h.streamed(err)
	case spooled:
		return h.readSpool(p)
	default:
		return 0, io.EOF
	}
}

// take is read without a copy; the block is to be given back to pieceBuffers.
func (h *handle) take() (*pieceBlock, []byte, error) {
	if err := h.claim(true); err != nil {
		return nil, nil, err
	}
	switch h.file.state {
	case streaming:
		block, piece, err := h.file.form.scan.take(pieceBytes - int(h.given%pieceBytes))
		h.given += int64(len(piece))
		return block, piece, h.streamed(err)
	case spooled:
		block := newPieceBlock()
		n, err := h.readSpool(block[:pieceBytes])
		return block, block[:n], err
	default:
		return nil, nil, io.EOF
	}
}

// streamed notes how reading the file from the network went.
func (h *handle) streamed(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		h.file.state, h.file.form.current = complete, nil
		return err
	case err != nil:
		return h.file.form.fail(h.file, err)
	default:
		return nil
	}
}

func alreadyRead(field string) error {
	return fault.New(fault.BadUserInput, "The file %s is used more than once by the operation. "+
		"Use a variable for each place and name them all for this file in \"map\".", quoteName(field))
}

func (h *handle) readSpool(p []byte) (int, error) {
	left := h.file.segment.length - h.offset
	if left <= 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), left)]
	n, err := h.file.form.spool.ReadAt(p, h.file.segment.offset+h.offset)
	h.offset += int64(n)
	if n == len(p) {
		return n, nil
	}
	return n, spoolFault(err)
}
