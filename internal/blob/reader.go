package blob

import "io"

// Reader reads an object or a part of it.
type Reader struct {
	// Object is the object as it was when it was opened.
	Object Object
	// Offset and Length are the part that is read.
	Offset, Length int64

	body io.ReadCloser
	left int64
}

// NewReader is for drivers: body gives length bytes of obj from offset on.
func NewReader(obj Object, offset, length int64, body io.ReadCloser) *Reader {
	return &Reader{Object: obj, Offset: offset, Length: length, body: body, left: length}
}

// Read gives the next bytes. A body that ends early is an error, never io.EOF, so that a truncated answer of the store
// cannot pass for the object.
func (r *Reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.left -= int64(n)
	return n, r.check(err)
}

// WriteTo writes the rest to w. For the disk driver and a plain HTTP response that is sendfile.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	wt, ok := r.body.(io.WriterTo)
	if !ok {
		return io.Copy(w, onlyReader{r})
	}
	n, err := wt.WriteTo(w)
	r.left -= n
	if err == nil && r.left > 0 {
		err = r.check(io.EOF)
	}
	return n, err
}

// Close releases what the Reader holds. It may be called before the end.
func (r *Reader) Close() error { return r.body.Close() }

func (r *Reader) check(err error) error {
	switch {
	case err == nil:
		return nil
	case err != io.EOF: //nolint:errorlint // io.EOF is never wrapped by a well-behaved reader, and a wrapped one is a failure
		return Fail("blob.Read", ErrUnavailable, err)
	case r.left > 0:
		return Fail("blob.Read", ErrUnavailable, io.ErrUnexpectedEOF)
	default:
		return io.EOF
	}
}

type onlyReader struct{ io.Reader }
