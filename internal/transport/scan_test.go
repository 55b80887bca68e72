package transport

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

const testBoundary = "----WebKitFormBoundaryA1b2C3d4"

// scanned is what a scanner made of a body: the parts it gave, and how it ended.
type scanned struct {
	parts []string
	err   error
}

func (s scanned) String() string { return fmt.Sprintf("%q %v", s.parts, s.err) }

// byTake has scanAll take pieces without a copy.
const byTake = 0

// scanAll reads a whole body in pieces of n bytes; guarded means as before authorisation.
func scanAll(src io.Reader, boundary string, n int, guarded bool) scanned {
	guard := int64(-1)
	if guarded {
		guard = 1 << 40
	}
	s := newScanner(src, boundary, guard)
	defer s.release()
	var out scanned
	if out.err = s.begin(); out.err != nil {
		return out
	}
	p := make([]byte, n)
	read := func() (string, error) {
		n, err := s.read(p)
		return string(p[:n]), err
	}
	if n == byTake {
		read = func() (string, error) {
			block, piece, err := s.take(pieceBytes)
			if block == nil {
				return "", err
			}
			defer pieceBuffers.Put(block)
			return string(piece), err
		}
	}
	for {
		header, err := s.header()
		if err != nil {
			out.err = err
			return out
		}
		content := header.Get("X") + ":"
		for {
			piece, err := read()
			content += piece
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				out.parts, out.err = append(out.parts, content+"!"), err
				return out
			}
		}
		out.parts = append(out.parts, content)
	}
}

// pieces gives readers over body that deliver it in different pieces.
func pieces(body string) map[string]io.Reader {
	return map[string]io.Reader{
		"whole":    strings.NewReader(body),
		"one byte": iotest.OneByteReader(strings.NewReader(body)),
		"halves":   iotest.HalfReader(strings.NewReader(body)),
		"with EOF": iotest.DataErrReader(strings.NewReader(body)),
	}
}

func TestScannerGivesThePartsOfABody(t *testing.T) {
	t.Parallel()
	const b = "--" + testBoundary
	cases := map[string]struct {
		body string
		want []string
	}{
		"two parts":                  {b + "\r\nX: 1\r\n\r\none\r\n" + b + "\r\nX: 2\r\n\r\ntwo\r\n" + b + "--\r\n", []string{"1:one", "2:two"}},
		"no parts":                   {b + "--\r\n", nil},
		"no line end at the end":     {b + "\r\nX: 1\r\n\r\none\r\n" + b + "--", []string{"1:one"}},
		"preamble and epilogue":      {"preamble\r\n" + b + "\r\n\r\none\r\n" + b + "--\r\nepilogue\r\n" + b + "\r\n", []string{":one"}},
		"padding after the boundary": {b + " \t\r\nX: 1\r\n\r\none\r\n" + b + "-- \t \r\n", []string{"1:one"}},
		"no headers":                 {b + "\r\n\r\none\r\n" + b + "--", []string{":one"}},
		"empty content":              {b + "\r\nX: 1\r\n\r\n\r\n" + b + "--", []string{"1:"}},
		"no content at all":          {b + "\r\nX: 1\r\n\r\n" + b + "--", []string{"1:"}},
		"no headers, no content":     {b + "\r\n\r\n" + b + "\r\n\r\n\r\n" + b + "--", []string{":", ":"}},
		"content ends with CR":       {b + "\r\n\r\none\r\r\n" + b + "--", []string{":one\r"}},
		"content is CRLF":            {b + "\r\n\r\n\r\n\r\n" + b + "--", []string{":\r\n"}},
		"content of dashes":          {b + "\r\n\r\n------\r\n----\r\n" + b + "--", []string{":------\r\n----"}},
		"boundary within a line":     {b + "\r\n\r\nx" + b + "\r\n" + b + "--", []string{":x" + b}},
		"boundary with more":         {b + "\r\n\r\n1\r\n" + b + "x\r\n2\r\n" + b + "--", []string{":1\r\n" + b + "x\r\n2"}},
		"boundary with one dash":     {b + "\r\n\r\n1\r\n" + b + "-\r\n2\r\n" + b + "--", []string{":1\r\n" + b + "-\r\n2"}},
		"closing boundary with more": {b + "\r\n\r\n1\r\n" + b + "--x\r\n2\r\n" + b + "--", []string{":1\r\n" + b + "--x\r\n2"}},
		"boundary and lone CR":       {b + "\r\n\r\n1\r\n" + b + "\rx\r\n" + b + "--", []string{":1\r\n" + b + "\rx"}},
		"boundary and lone LF":       {b + "\r\n\r\n1\n" + b + "\n2\r\n" + b + "\n3\r\n" + b + "--", []string{":1\n" + b + "\n2\r\n" + b + "\n3"}},
		"all but the last byte":      {b + "\r\n\r\n\r\n" + b[:len(b)-1] + "\r\n" + b + "--", []string{":\r\n" + b[:len(b)-1]}},
		"boundary after its start":   {b + "\r\n\r\n\r\n--\r\n" + b + "--", []string{":\r\n--"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, src := range pieces(c.body) {
				for _, n := range []int{byTake, 1, 3, 100, directReadBytes, scanBufferBytes + 1} {
					for _, guarded := range []bool{true, false} {
						got := scanAll(src, testBoundary, n, guarded)
						if !errors.Is(got.err, io.EOF) || fmt.Sprint(got.parts) != fmt.Sprint(c.want) {
							t.Errorf("%s, by %d, guarded %v: got %v, want %q and EOF", how, n, guarded, got, c.want)
						}
						src = pieces(c.body)[how]
					}
				}
			}
		})
	}
}

func TestScannerFindsABoundarySplitAtEveryOffset(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("x", 300) + "\r\n--" + testBoundary[:10] + "\r\n--" + testBoundary + "y\r\r\n-"
	body := "--" + testBoundary + "\r\nX: 1\r\n\r\n" + content + "\r\n--" + testBoundary + "\r\nX: 2\r\n\r\nend\r\n--" + testBoundary + "--\r\n"
	want := scanned{parts: []string{"1:" + content, "2:end"}, err: io.EOF}
	for cut := range len(body) {
		for _, n := range []int{byTake, 7, scanBufferBytes} {
			src := io.MultiReader(strings.NewReader(body[:cut]), strings.NewReader(body[cut:]))
			if got := scanAll(src, testBoundary, n, false); got.String() != want.String() {
				t.Fatalf("cut at %d, read by %d: got %v, want %v", cut, n, got, want)
			}
		}
	}
	for size := 1; size <= len(body); size++ {
		for _, n := range []int{byTake, scanBufferBytes} {
			if got := scanAll(&stepReader{body, size}, testBoundary, n, false); got.String() != want.String() {
				t.Fatalf("pieces of %d, read by %d: got %v, want %v", size, n, got, want)
			}
		}
	}
}

// stepReader gives step bytes at a time.
type stepReader struct {
	rest string
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if r.rest == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.step)], r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func TestScannerNeverTakesATruncatedPartForAWholeOne(t *testing.T) {
	t.Parallel()
	whole := "--" + testBoundary + "\r\nX: 1\r\n\r\nthe content\r\n--" + testBoundary + "--"
	for cut := range len(whole) {
		for how, src := range pieces(whole[:cut]) {
			for _, n := range []int{byTake, 1, scanBufferBytes} {
				got := scanAll(src, testBoundary, n, false)
				if !errors.Is(got.err, ErrTruncated) || errors.Is(got.err, io.EOF) || errors.Is(got.err, io.ErrUnexpectedEOF) {
					t.Fatalf("%s, cut at %d: got %v, want ErrTruncated", how, cut, got)
				}
				src = pieces(whole[:cut])[how]
			}
		}
	}
}

func TestScannerKeepsLargeContent(t *testing.T) {
	t.Parallel()
	var content bytes.Buffer
	for i := range 40_000 {
		fmt.Fprintf(&content, "%d\r\n--%s", i, testBoundary[:i%len(testBoundary)])
	}
	body := "--" + testBoundary + "\r\n\r\n" + content.String() + "\r\n--" + testBoundary + "--\r\n"
	for _, step := range []int{1 << 20, 65_537, 4096, 997} {
		for _, n := range []int{byTake, scanBufferBytes, 1000, 1 << 20} {
			got := scanAll(&stepReader{body, step}, testBoundary, n, false)
			if !errors.Is(got.err, io.EOF) || len(got.parts) != 1 || got.parts[0] != ":"+content.String() {
				t.Errorf("pieces of %d, read by %d: got %d parts and %v, want the content", step, n, len(got.parts), got.err)
			}
		}
	}
}

func TestScannerBoundsWhatIsNotContent(t *testing.T) {
	t.Parallel()
	const b = "--" + testBoundary
	cases := map[string]string{
		"preamble":       strings.Repeat("x", 20<<10) + "\r\n" + b + "--",
		"headers":        b + "\r\nX: " + strings.Repeat("x", 20<<10) + "\r\n\r\none\r\n" + b + "--",
		"no colon":       b + "\r\nnonsense\r\n\r\none\r\n" + b + "--",
		"wrong boundary": "--other\r\n\r\none\r\n--other--" + strings.Repeat("x", 20<<10),
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, src := range pieces(body) {
				if got := scanAll(src, testBoundary, 100, true); !errors.Is(got.err, ErrBoundary) {
					t.Errorf("%s: got %v, want ErrBoundary", how, got)
				}
			}
		})
	}
}

func TestScannerStopsAtTheGuard(t *testing.T) {
	t.Parallel()
	read := 0
	src := io.TeeReader(strings.NewReader("--"+testBoundary+"\r\n\r\n"+strings.Repeat("x", 1<<20)), writerFunc(func(p []byte) (int, error) {
		read += len(p)
		return len(p), nil
	}))
	s := newScanner(src, testBoundary, 10_000)
	defer s.release()
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.header(); err != nil {
		t.Fatal(err)
	}
	_, err := io.Copy(io.Discard, readerFunc(s.read))
	if !errors.Is(err, errGuard) || read != 10_000 {
		t.Errorf("got %v after %d bytes, want errGuard after 10000", err, read)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestSearcherAgreesWithBytesIndex(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"\r\n--a", "\r\n--aaaaaaaa", "\r\n--abcabcabc", "\r\n--" + testBoundary} {
		s := newSearcher(pattern)
		for _, unit := range []string{"a", "abc", pattern[1:], pattern[:len(pattern)-1], "\r\n--", "xyz"} {
			for _, repeat := range []int{0, 1, 2, 3, 100, 6000} {
				data := []byte(strings.Repeat(unit, repeat) + pattern + strings.Repeat(unit, 3))
				if got, want := s.index(data), bytes.Index(data, []byte(pattern)); got != want {
					t.Errorf("%q in %d x %q: got %d, want %d", pattern, repeat, unit, got, want)
				}
				data = data[:len(data)-len(pattern)-3*len(unit)]
				if got, want := s.index(data), bytes.Index(data, []byte(pattern)); got != want {
					t.Errorf("%q not in %d x %q: got %d, want %d", pattern, repeat, unit, got, want)
				}
			}
		}
	}
}

// FuzzScanner: however a body arrives and is read, the result is the same; and without a closing boundary it is never a
// whole body.
func FuzzScanner(f *testing.F) {
	const b = "--b"
	for _, body := range []string{
		"", b, b + "--", b + "\r\n\r\n" + b + "--\r\n", b + "\r\nX: 1\r\n\r\none\r\n" + b + "\r\nX: 2\r\n\r\ntwo\r\n" + b + "--",
		b + "\r\n\r\n\r\n--\r\n" + b + "x\r\n" + b + "-\r\n" + b + "--x" + b + "--\r\n", "pre\r\n" + b + " \r\n\r\n\r\n\r\n" + b + "--  \r\npost",
	} {
		f.Add(body, uint8(1), uint16(1))
		f.Add(body, uint8(5), uint16(9000))
	}
	f.Fuzz(func(t *testing.T, body string, step uint8, n uint16) {
		want := scanAll(strings.NewReader(body), "b", scanBufferBytes, false)
		got := scanAll(&stepReader{body, int(step) + 1}, "b", int(n)+1, step&1 == 0)
		if got.String() != want.String() {
			t.Errorf("by %d into %d: got %v, want %v", step, n, got, want)
		}
		if errors.Is(want.err, io.EOF) && !strings.Contains("\r\n"+body, "\r\n--b--") {
			t.Errorf("got a whole body %v without a closing boundary", want)
		}
	})
}
