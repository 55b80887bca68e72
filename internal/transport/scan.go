package transport

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"sync"

	"dossier/internal/fault"
)

const (
	// scanBufferBytes is the block of a request until a file of it is written by WriteTo.
	scanBufferBytes = 64 << 10
	// pieceBytes is the size of the pieces of take: large enough that a system call per piece does not count, small enough
	// to be still in the processor's cache when it is written.
	pieceBytes = 256 << 10
	// pieceSlackBytes is what may be read behind a piece. It is moved to the next block, so it is small, and more than a
	// boundary, so that a piece can always be told complete.
	pieceSlackBytes = 4 << 10
	// guardedReadBytes is the largest read before the operation is authorised, so that little of a file that nobody will
	// want has been taken from the network.
	guardedReadBytes = 4 << 10
	// directReadBytes is the smallest destination that the body is read into without a copy.
	directReadBytes = 8 << 10
	// maxPartHeaderBytes is the largest header block of one part.
	maxPartHeaderBytes = 8 << 10
	// maxPreambleBytes is the most that may come before the first boundary.
	maxPreambleBytes = 8 << 10
	// maxPaddingBytes is the most white space that may follow a boundary on its line.
	maxPaddingBytes = 256
)

// pieceBlock is a block that take gives away.
type pieceBlock [pieceBytes + pieceSlackBytes]byte

var (
	scanBuffers  = sync.Pool{New: func() any { return new([scanBufferBytes]byte) }}
	pieceBuffers = sync.Pool{New: func() any { return new(pieceBlock) }}
)

func newScanBlock() *[scanBufferBytes]byte {
	b, _ := scanBuffers.Get().(*[scanBufferBytes]byte)
	return b
}

func newPieceBlock() *pieceBlock {
	b, _ := pieceBuffers.Get().(*pieceBlock)
	return b
}

// scanner cuts a multipart body into parts (RFC 2046, RFC 7578). mime/multipart is not used: its parts give 4 KiB for
// each Read, and that doubles the CPU of an upload. Here the body is read straight into the caller's memory and searched
// there; only what follows a possible boundary is moved aside.
//
// A scanner is at the content of a part, or between parts; begin, header and read say which is expected.
type scanner struct {
	src   io.Reader
	block []byte // of small, or of large
	small *[scanBufferBytes]byte
	large *pieceBlock
	r, w  int // block[r:w] is read from src and not yet given out
	find  *searcher

	// guard is how many bytes may still be read before the operation is authorised; -1 when it is.
	guard int64
	// fresh: the CRLF that ends the part's headers is still in the block. It may be the first bytes of the boundary of a
	// part without a body.
	fresh bool
	// last: the closing boundary was read.
	last bool
}

func newScanner(src io.Reader, boundary string, guard int64) *scanner {
	small := newScanBlock()
	s := &scanner{src: src, small: small, block: small[:], guard: guard, find: newSearcher("\r\n--" + boundary)}
	// The first boundary needs no CRLF before it. With one in the block it is found like any other.
	s.w = copy(s.block, "\r\n")
	return s
}

// release gives the buffer back. The scanner must not be used afterwards.
func (s *scanner) release() {
	if s.small != nil {
		scanBuffers.Put(s.small)
	}
	if s.large != nil {
		pieceBuffers.Put(s.large)
	}
	s.find.release()
	s.block, s.small, s.large, s.find = nil, nil, nil, nil
}

// enlarge makes room for whole pieces.
func (s *scanner) enlarge() {
	if s.large != nil {
		return
	}
	s.large = newPieceBlock()
	s.r, s.w = 0, copy(s.large[:], s.block[s.r:s.w])
	s.block = s.large[:]
	scanBuffers.Put(s.small)
	s.small = nil
}

// begin reads past the preamble and the first boundary.
func (s *scanner) begin() error {
	var discard [512]byte
	for skipped := 0; skipped <= maxPreambleBytes; {
		n, err := s.read(discard[:])
		skipped += n
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return malformedBody("The boundary that the Content-Type names is not at the start of the body.")
}

// header reads the headers of the next part. io.EOF means that there are no more parts.
func (s *scanner) header() (textproto.MIMEHeader, error) {
	if s.last {
		return nil, io.EOF
	}
	for {
		data := s.block[s.r:s.w]
		end := bytes.Index(data, []byte("\r\n\r\n"))
		if end >= 0 {
			end += len("\r\n")
		}
		if bytes.HasPrefix(data, []byte("\r\n")) {
			end = 0 // A part without headers.
		}
		if end >= 0 && end <= maxPartHeaderBytes {
			s.r += end
			s.fresh = true
			return parseHeader(data[:end])
		}
		if len(data) >= maxPartHeaderBytes {
			return nil, malformedBody("The headers of a part are larger than %d bytes.", maxPartHeaderBytes)
		}
		if err := s.fill(); err != nil {
			return nil, unexpected(err)
		}
	}
}

func parseHeader(block []byte) (textproto.MIMEHeader, error) {
	lines := append(block[:len(block):len(block)], "\r\n"...)
	h, err := textproto.NewReader(bufio.NewReaderSize(bytes.NewReader(lines), len(lines))).ReadMIMEHeader()
	if err != nil {
		return nil, malformedBody("The headers of a part are not well-formed.")
	}
	return h, nil
}

// read gives content of the part. io.EOF means that the part is complete: its boundary was read.
func (s *scanner) read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := s.enter(); err != nil {
		return 0, err
	}
	for {
		if s.r == s.w && len(p) >= directReadBytes && s.guard < 0 {
			n, err := s.direct(p)
			if n > 0 || err != nil {
				return n, err
			}
		}
		data := s.block[s.r:s.w]
		n := s.find.content(data)
		if n == 0 && len(data) > 0 {
			ended, err := s.boundary()
			if ended || err != nil {
				return 0, endOr(err)
			}
			data = s.block[s.r:s.w]
			n = 1 + s.find.content(data[1:]) // Only looked like a boundary: its CR is content.
		}
		if n > 0 {
			n = copy(p, data[:n])
			s.r += n
			return n, nil
		}
		if err := s.fill(); err != nil {
			return 0, unexpected(err)
		}
	}
}

// enter goes past the end of the part's headers. io.EOF means that the part has no body.
func (s *scanner) enter() error {
	if !s.fresh {
		return nil
	}
	ended, err := s.boundary()
	s.fresh = false
	if ended || err != nil {
		return endOr(err)
	}
	s.r += len("\r\n")
	return nil
}

// take gives content of the part as read does, want bytes (pieceBytes at most) or all that is left, without a copy: in the
// block that they were read into. The caller owns the block, and gives it back to pieceBuffers.
func (s *scanner) take(want int) (*pieceBlock, []byte, error) {
	if err := s.enter(); err != nil {
		return nil, nil, err
	}
	s.enlarge()
	for searched := 0; ; {
		data := s.block[s.r:s.w]
		n := searched + s.find.content(data[searched:])
		if n == 0 && len(data) > 0 {
			ended, err := s.boundary()
			if ended || err != nil {
				return nil, nil, endOr(err)
			}
			searched = 1 // Only looked like a boundary: its CR is content.
			continue
		}
		if n >= want || len(data)-n >= len(s.find.pattern) {
			block, piece := s.hand(min(n, want))
			return block, piece, nil
		}
		searched = n
		if err := s.fill(); err != nil {
			if n > 0 {
				block, piece := s.hand(n) // The error comes again with the next read.
				return block, piece, nil
			}
			return nil, nil, unexpected(err)
		}
	}
}

// hand gives the block away, with the next n bytes in it. What follows them goes on in a small block where it fits: while
// the piece is written, a request holds no second large one.
func (s *scanner) hand(n int) (block *pieceBlock, piece []byte) {
	block, piece = s.large, s.block[s.r:s.r+n]
	rest := s.block[s.r+n : s.w]
	if len(rest) <= scanBufferBytes {
		s.large, s.small = nil, newScanBlock()
		s.block = s.small[:]
	} else {
		s.large = newPieceBlock()
		s.block = s.large[:]
	}
	s.r, s.w = 0, copy(s.block, rest)
	return block, piece
}

// direct reads the body into p and keeps back what is, or may become, a boundary. (0, nil) means that all was kept back.
func (s *scanner) direct(p []byte) (int, error) {
	p = p[:min(len(p), len(s.block))]
	n, err := s.src.Read(p)
	if n == 0 {
		return 0, unexpected(err)
	}
	// An error that came with bytes comes again with the next read.
	content := s.find.content(p[:n])
	s.r, s.w = 0, copy(s.block, p[content:n])
	return content, nil
}

// boundary decides whether the block, which begins like a boundary, has one, and reads past it. It says false when it
// is content that only looks like one.
func (s *scanner) boundary() (bool, error) {
	var srcErr error
	for {
		data := s.block[s.r:s.w]
		kind, n := s.classify(data, srcErr != nil && errors.Is(srcErr, io.EOF))
		switch kind {
		case notBoundary:
			return false, nil
		case nextPart, lastPart:
			s.r += n
			s.last = kind == lastPart
			return true, nil
		}
		if srcErr != nil {
			return false, unexpected(srcErr)
		}
		srcErr = s.fill()
	}
}

type boundaryKind int

const (
	undecided boundaryKind = iota
	notBoundary
	nextPart
	lastPart
)

// classify looks at data for a boundary line at its very start, and gives the length of that line. The closing boundary
// ends with the line or with the body; anything else after it makes it content.
func (s *scanner) classify(data []byte, ended bool) (boundaryKind, int) {
	delim := s.find.pattern
	if len(data) < len(delim) {
		if bytes.HasPrefix(delim, data) {
			return undecided, 0
		}
		return notBoundary, 0
	}
	if !bytes.HasPrefix(data, delim) {
		return notBoundary, 0
	}
	kind, i := nextPart, len(delim)
	if bytes.HasPrefix(data[i:], []byte("--")) {
		kind, i = lastPart, i+2
	} else if rest := data[i:]; len(rest) == 1 && rest[0] == '-' {
		return undecided, 0
	}
	for i < len(data) && (data[i] == ' ' || data[i] == '\t') {
		if i++; i-len(delim) > maxPaddingBytes {
			return notBoundary, 0
		}
	}
	rest := data[i:]
	switch {
	case bytes.HasPrefix(rest, []byte("\r\n")):
		return kind, i + 2
	case len(rest) == 0 && ended && kind == lastPart:
		return kind, i
	case len(rest) == 0, len(rest) == 1 && rest[0] == '\r':
		return undecided, 0
	default:
		return notBoundary, 0
	}
}

// fill reads more of the body into the block.
func (s *scanner) fill() error {
	if s.r > 0 {
		s.w = copy(s.block, s.block[s.r:s.w])
		s.r = 0
	}
	room := s.block[s.w:]
	if s.guard >= 0 {
		if s.guard == 0 {
			return errGuard
		}
		room = room[:min(int64(len(room)), s.guard, guardedReadBytes)]
	}
	n, err := s.src.Read(room)
	s.w += n
	if s.guard > 0 {
		s.guard -= int64(n)
	}
	if n > 0 {
		return nil // An error that came with bytes comes again with the next read.
	}
	return err
}

// errGuard: the fields before the files are too large. The transport says so in its own words.
var errGuard = errors.New("transport: more than the limit before the operation could be authorised")

// unexpected turns the end of the body, where there must not be one, into ErrTruncated.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return truncated(nil)
	}
	return err
}

func endOr(err error) error {
	if err != nil {
		return err
	}
	return io.EOF
}

func malformedBody(format string, args ...any) error {
	return &fault.Error{Code: fault.BadUserInput, Op: "transport.scan", Message: fmt.Sprintf(format, args...), Err: ErrBoundary}
}

// searcher finds a boundary by looking at two neighbouring bytes in each stretch of its length: wherever it is, it covers
// exactly one such pair. Only around a pair that the boundary has is anything compared. This is faster than bytes.Index
// on all sorts of content, and linear whatever boundary and content a client chooses.
type searcher struct {
	pattern []byte
	pairs   [1 << 16 / 64]uint64 // the set of pairs in pattern
}

// searchers keeps searchers without a pattern: the set takes 8 KiB, of which a pattern uses a few words.
var searchers = sync.Pool{New: func() any { return new(searcher) }}

func newSearcher(pattern string) *searcher {
	s, _ := searchers.Get().(*searcher)
	s.pattern = []byte(pattern)
	for i := range len(pattern) - 1 {
		word, bit := pair(pattern[i], pattern[i+1])
		s.pairs[word] |= bit
	}
	return s
}

// release empties the set and gives it back. The searcher must not be used afterwards.
func (s *searcher) release() {
	for i := range len(s.pattern) - 1 {
		word, _ := pair(s.pattern[i], s.pattern[i+1])
		s.pairs[word] = 0
	}
	s.pattern = nil
	searchers.Put(s)
}

// pair says where a set has the pair of these bytes.
func pair(first, second byte) (word uint, bit uint64) {
	pair := uint(first)<<8 | uint(second)
	return pair / 64, 1 << (pair % 64)
}

// content says how many bytes at the start of data are certainly not part of a boundary: up to the first occurrence of
// the pattern, or of a beginning of it that data ends with.
func (s *searcher) content(data []byte) int {
	if i := s.index(data); i >= 0 {
		return i
	}
	tail := max(0, len(data)-len(s.pattern)+1)
	for {
		i := bytes.IndexByte(data[tail:], s.pattern[0])
		if i < 0 {
			return len(data)
		}
		tail += i
		if bytes.HasPrefix(s.pattern, data[tail:]) {
			return tail
		}
		tail++
	}
}

func (s *searcher) index(data []byte) int {
	step := len(s.pattern) - 1
	for i := step; i < len(data); i += step {
		word, bit := pair(data[i-1], data[i])
		if s.pairs[word]&bit == 0 {
			continue
		}
		for from := i - step; from < i; from++ { // Where the boundary may begin.
			cr := bytes.IndexByte(data[from:i], '\r')
			if cr < 0 {
				break
			}
			from += cr
			if from+2 < len(data) && data[from+2] == '-' && bytes.HasPrefix(data[from:], s.pattern) {
				return from
			}
		}
	}
	return -1
}
