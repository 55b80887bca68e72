package document

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
)

// Scanner looks for malware. A Service without one takes every content for good.
type Scanner interface {
	// Scan gives what the scanner says about a content of size bytes, which it reads from r. In the chain of the error is a
	// *ScanLimitError or ErrScanFailed where the scanner would not or could not; any other one says that it did not answer.
	Scan(ctx context.Context, r io.Reader, size int64) (Verdict, error)
	// Ping says whether the scanner answers at all.
	Ping(ctx context.Context) error
}

// Verdict is what a scanner says about a content. The zero value is no verdict: a content is good only when it is said to
// be.
type Verdict struct {
	Clean bool
	// Signature names what was found in a content that is not clean.
	Signature string
}

// ScanLimitError says that a content is larger than the scanner takes.
type ScanLimitError struct {
	// LimitBytes is how large it may be, 0 where the scanner does not tell.
	LimitBytes int64
}

// Error is error's.
func (e *ScanLimitError) Error() string {
	return fmt.Sprintf("document: the content is larger than the scanner takes (%d bytes)", e.LimitBytes)
}

var (
	// ErrScanFailed says that the scanner could not make anything of the content.
	ErrScanFailed = errors.New("document: the scanner failed at the content")
	// errUnreadable says that the object store did not give the content that the row describes.
	errUnreadable = errors.New("document: the content could not be read as it was stored")
)

// ScanProblem is why a scan came to nothing, in the spelling of the SDL; "" when it did not.
type ScanProblem string

// The problems.
const (
	ScanFileTooLarge       ScanProblem = "FILE_TOO_LARGE"
	ScanScannerUnavailable ScanProblem = "SCANNER_UNAVAILABLE"
	ScanScannerFailed      ScanProblem = "SCANNER_FAILED"
	ScanContentUnreadable  ScanProblem = "CONTENT_UNREADABLE"
)

func problemOf(err error) ScanProblem {
	var limit *ScanLimitError
	switch {
	case errors.As(err, &limit):
		return ScanFileTooLarge
	case errors.Is(err, ErrScanFailed):
		return ScanScannerFailed
	case errors.Is(err, errUnreadable):
		return ScanContentUnreadable
	default:
		return ScanScannerUnavailable
	}
}

// stored is an object whose bytes are known.
type stored struct {
	key  string
	size int64
	crc  uint32
}

// scanObject has the scanner read an object.
//
// SECURITY: a content is clean only when the scanner has read all of it, byte by byte as it was stored.
func scanObject(ctx context.Context, scanner Scanner, blobs blob.Store, o stored) (Verdict, error) {
	r, err := blobs.Open(ctx, o.key, blob.Range{})
	if err != nil {
		return Verdict{}, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	defer r.Close() //nolint:errcheck // it was only read
	seen := &witness{in: r}
	v, err := scanner.Scan(ctx, seen, o.size)
	switch {
	case seen.err != nil:
		return Verdict{}, fmt.Errorf("%w: %w", errUnreadable, seen.err)
	case err != nil:
		return Verdict{}, err
	case v.Clean && (seen.size != o.size || seen.crc != o.crc):
		return Verdict{}, fmt.Errorf("%w: %d bytes with CRC32C %08x were read, want %d with %08x", errUnreadable, seen.size, seen.crc, o.size, o.crc)
	}
	return v, nil
}

// witness sees what a scanner reads.
type witness struct {
	in   io.Reader
	size int64
	crc  uint32
	err  error
}

// Read gives the next bytes.
func (w *witness) Read(p []byte) (int, error) {
	n, err := w.in.Read(p)
	w.size += int64(n)
	w.crc = crc32.Update(w.crc, castagnoli, p[:n])
	if err != nil && err != io.EOF { //nolint:errorlint // a wrapped io.EOF is a failure: taking it for the end would truncate
		w.err = err
	}
	return n, err
}

// scanNow is for a file that becomes no document, so that nothing could be held back: it is scanned before it is accepted,
// and without a verdict it is not. The lease of its upload is kept meanwhile.
func (s *Service) scanNow(ctx context.Context, p auth.Principal, a Attempt, c Content, path []string) error {
	if s.Scanner == nil {
		return nil
	}
	kept, stop := s.keepAlive(ctx, p, a)
	v, err := scanObject(kept, s.Scanner, s.Blobs, stored{key: a.ObjectKey, size: c.SizeBytes, crc: c.CRC32C})
	if lost := stop(); lost {
		return ErrLease()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return refusal(v, err, path)
}

// refusal says in the client's words why a file was not accepted that was scanned at once; nil for a good one.
func refusal(v Verdict, err error, path []string) error {
	var limit *ScanLimitError
	switch {
	case errors.As(err, &limit):
		e := fault.At(fault.TooLarge, path, "The file is larger than the malware scanner takes, so nothing of it was kept. Make it smaller.")
		if limit.LimitBytes > 0 {
			e.Detail = fault.LimitDetail{LimitBytes: limit.LimitBytes}
		}
		return e
	case err != nil:
		e := fault.At(fault.Unavailable, path, "The file could not be checked for malware, so nothing of it was kept. Upload it again later.")
		e.Err = err
		return e
	case !v.Clean:
		return fault.At(fault.BadUserInput, path, "Malware was found in the file (%s), so nothing of it was kept.", v.Signature)
	}
	return nil
}
