package document

import (
	"crypto/sha256"
	"errors"
	"hash"
	"hash/crc32"
	"io"

	"dossier/internal/fault"
	"dossier/internal/pdfpage"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// source is the reader that the object store pulls a file through. It hashes the very slices that it hands on, so the
// bytes are touched once, and stops at a limit. It remembers whose failure an end was: a file that is too large leaves
// the request usable for the next file, a body that broke does not.
type source struct {
	in io.Reader
	// head is what was read to find the type, headErr how that reading ended.
	head    []byte
	headErr error

	sha  hash.Hash
	size int64
	// crc is the CRC32C, where checked asks for it: on the way into the object store the store computes it, and compares
	// it with what it has kept.
	crc     uint32
	checked bool

	// tail is the last bytes so far, as many as say whether a PDF is whole.
	tail []byte

	// limit is how many bytes are let through, over the error for one more.
	limit int64
	over  error
	// broken is the error of the incoming file.
	broken error
}

// open reads the head of a file and stops there.
func open(in io.Reader) *source {
	s := &source{in: in, sha: sha256.New(), limit: -1}
	buf := make([]byte, sniffBytes)
	n := 0
	// Not io.ReadFull: it makes a truncated source look like one that ended.
	for empty := 0; n < len(buf) && s.headErr == nil; {
		m, err := in.Read(buf[n:])
		n += m
		s.headErr = err
		if empty++; m > 0 {
			empty = 0
		} else if empty > 100 && err == nil {
			s.headErr = io.ErrNoProgress
		}
	}
	s.head = buf[:n]
	if s.headErr != nil && s.headErr != io.EOF { //nolint:errorlint // a wrapped io.EOF is a failure: taking it for the end would truncate
		s.broken = s.headErr
	}
	return s
}

// ended says that the head is all there is.
func (s *source) ended() bool { return s.headErr == io.EOF } //nolint:errorlint // see open

// stopAt sets how many bytes may pass and what to answer to one more.
func (s *source) stopAt(limit int64, over error) { s.limit, s.over = limit, over }

// Read gives the next bytes and hashes them.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.next(p)
	if err != nil && err != io.EOF { //nolint:errorlint // see open
		s.broken = err
		return n, err
	}
	if passed := s.pass(p[:n]); passed != nil {
		return n, passed
	}
	return n, err
}

func (s *source) next(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	if s.headErr != nil {
		return 0, s.headErr
	}
	return s.in.Read(p)
}

// pass counts and hashes bytes on their way.
func (s *source) pass(p []byte) error {
	s.size += int64(len(p))
	if s.limit >= 0 && s.size > s.limit {
		return s.over
	}
	s.sha.Write(p)
	s.keepTail(p)
	if s.checked {
		s.crc = crc32.Update(s.crc, castagnoli, p)
	}
	return nil
}

func (s *source) keepTail(p []byte) {
	p = p[max(0, len(p)-pdfpage.TrailerBytes):]
	keep := min(len(s.tail), pdfpage.TrailerBytes-len(p))
	s.tail = append(append(s.tail[:0], s.tail[len(s.tail)-keep:]...), p...)
}

// sum gives the SHA-256 so far.
func (s *source) sum() (sum [32]byte) {
	s.sha.Sum(sum[:0])
	return sum
}

// reader is what is given to the object store: the source, as an io.WriterTo where the file is one.
func (s *source) reader() io.Reader {
	if wt, ok := s.in.(io.WriterTo); ok {
		return &sourceTo{source: s, wt: wt}
	}
	return s
}

// sourceTo is a source whose file writes itself, which saves copying it into the object store's buffer.
type sourceTo struct {
	*source
	wt io.WriterTo
}

// WriteTo writes what is left to w and hashes it.
func (s *sourceTo) WriteTo(w io.Writer) (int64, error) {
	before := s.size
	t := &tap{s: s.source, w: w}
	if len(s.head) > 0 {
		head := s.head
		s.head = nil
		if _, err := t.Write(head); err != nil {
			return s.size - before, err
		}
	}
	if s.headErr != nil {
		if s.ended() {
			return s.size - before, nil
		}
		return s.size - before, s.headErr
	}
	_, err := s.wt.WriteTo(t)
	if err != nil && t.err == nil {
		s.broken = err
	}
	return s.size - before, err
}

// tap hashes what a file writes on its way to the object store.
type tap struct {
	s   *source
	w   io.Writer
	err error
}

// Write passes p on.
func (t *tap) Write(p []byte) (int, error) {
	if t.err = t.s.pass(p); t.err != nil {
		return 0, t.err
	}
	var n int
	n, t.err = t.w.Write(p)
	return n, t.err
}

// errBroken says in the client's words why the file did not arrive. An incoming file that knows better says so itself.
func errBroken(cause error, path []string) error {
	var list fault.List
	if errors.As(cause, &list) {
		return list
	}
	var f *fault.Error
	if errors.As(cause, &f) {
		w := *f
		if w.Path == nil {
			w.Path = path
		}
		return &w
	}
	e := fault.At(fault.BadUserInput, path, "The file did not arrive completely, so nothing of it was kept. Upload it again.")
	e.Err = cause
	return e
}
