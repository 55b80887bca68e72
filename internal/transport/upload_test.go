package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"dossier/internal/fault"
	"dossier/internal/transport"
)

// readInOrder answers put with the files of the arguments a and b, read in the order of names.
func readInOrder(t testing.TB, names ...string) resolver {
	return func(_ context.Context, _ string, args map[string]any) (any, error) {
		var read []string
		for _, name := range names {
			content, err := readFile(t, args[name])
			if err != nil {
				return nil, err
			}
			read = append(read, content.(string))
		}
		return strings.Join(read, ","), nil
	}
}

func TestFilesCanBeReadInTheOtherOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	large := strings.Repeat("0123456789", 50_000)
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: dir}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		second, err := readFile(t, args["b"])
		if err != nil {
			return nil, err
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 0 {
			t.Errorf("got the file %q in the spool directory, want it unlinked", entries[0].Name())
		}
		first, err := readFile(t, args["a"])
		return fmt.Sprint(second, ",", first), err
	})
	got := env.upload(putAB, mapAB, part{name: "0", file: "a", content: large}, part{name: "1", file: "b", content: "2"})
	if want := "b:2,a:" + large; got.data["put"] != want {
		t.Errorf("got %.200v, want %.200q", got, want)
	}
	got = env.upload(putAB, mapAB, part{name: "1", file: "b", content: "2"}, part{name: "0", file: "a", content: large})
	if want := "b:2,a:" + large; got.data["put"] != want {
		t.Errorf("sent in the other order: got %.200v, want %.200q", got, want)
	}
}

func TestAFileReadInPartIsPutAsideForTheNext(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 50_000)
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: t.TempDir()}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		first := uploadArg(t, args["a"])
		start := make([]byte, 100_001)
		if _, err := io.ReadFull(first, start); err != nil {
			return nil, err
		}
		second, err := readFile(t, args["b"])
		if err != nil {
			return nil, err
		}
		rest, err := io.ReadAll(first)
		return fmt.Sprint(string(start)+string(rest) == content, " ", second), err
	})
	got := env.upload(putAB, mapAB, part{name: "0", file: "a", content: content}, part{name: "1", file: "b", content: "2"})
	if got.data["put"] != "true b:2" {
		t.Errorf("got %v, want both files whole", got)
	}
}

func TestOneFileMappedToTwoVariablesCanBeReadTwice(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: t.TempDir()}, readInOrder(t, order...))
		got := env.uploadChunked(putAB, mapBoth, part{name: "0", file: "x", content: "content"})
		if got.data["put"] != "x:content,x:content" {
			t.Errorf("%v: got %v, want the content twice", order, got)
		}
	}
}

func TestAVariableUsedTwiceIsNotAnEmptyFile(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, echo(t))
	got := env.upload(part{name: "operations", content: `{"query":"mutation($f:Upload){x:put(file:$f) y:put(file:$f)}","variables":{"f":null}}`},
		mapFile, part{name: "0", file: "a", content: "content"})
	if got.data["x"] != "a:content" || got.data["y"] != nil || !strings.HasPrefix(got.problem(), `BAD_USER_INPUT: The file "0" is used more than once`) {
		t.Errorf("got %v, want the first use answered and the second refused", got)
	}
}

func TestWhatIsPutAsideIsLimited(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := strings.Repeat("x", 1<<20)
	cases := map[string]struct {
		resolve resolver
		parts   []part
	}{
		"other order": {readInOrder(t, "b", "a"), []part{putAB, mapAB, {name: "0", file: "a", content: big}, {name: "1", file: "b"}}},
		"twice":       {readInOrder(t, "a", "b"), []part{putAB, mapBoth, {name: "0", file: "a", content: big}}},
		"skipped": {func(ctx context.Context, field string, args map[string]any) (any, error) {
			_ = uploadArg(t, args["a"]).Close()
			return readInOrder(t, "b")(ctx, field, args)
		}, []part{putAB, mapAB, {name: "0", file: "a", content: big}, {name: "1", file: "b"}}},
	}
	for name, c := range cases {
		for limit, want := range map[int64]bool{1<<20 - 1: false, 1 << 20: true} {
			env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: dir, MaxSpoolBytes: limit}, c.resolve)
			got := env.upload(c.parts...)
			if ok := got.problem() == ""; ok != want || !ok && !strings.HasPrefix(got.problem(), "PAYLOAD_TOO_LARGE: More than 1048575 bytes") {
				t.Errorf("%s, limit %d: got %.200v, want success %v", name, limit, got, want)
			}
		}
	}
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: dir + "/none"}, readInOrder(t, "b", "a"))
	got := env.upload(putAB, mapAB, part{name: "0", file: "a"}, part{name: "1", file: "b"})
	if !strings.HasPrefix(got.problem(), "UNAVAILABLE: The upload could not be put aside") || strings.Contains(got.raw, "none") {
		t.Errorf("no spool directory: got %v, want UNAVAILABLE without its path", got)
	}
}

func TestAFileThatNobodyReads(t *testing.T) {
	t.Parallel()
	ignore := func(context.Context, string, map[string]any) (any, error) { return "ignored", nil }
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: "/nonexistent"}, ignore)
	for _, size := range []int64{0, 10_000, 10 << 20} {
		contentType, body, length := endless(t, size, putFile, mapFile, part{name: "0", file: "a"})
		before := env.read.Load()
		if got := env.do(http.MethodPost, "/", body, "Content-Type", contentType); got.data["put"] != "ignored" {
			t.Errorf("%d bytes: got %v, want the answer", size, got)
		}
		if read := env.read.Load() - before; read > 256<<10+8<<10 || size < 100_000 && read < length {
			t.Errorf("%d bytes: %d were read, want all of a small body and at most 256 KiB of a large one", size, read)
		}
	}
	env = newHTTPEnv(t, transport.MultipartConfig{SpoolDir: t.TempDir()}, readInOrder(t, "b"))
	if got := env.upload(putAB, mapAB, part{name: "0", file: "a", content: "1"}, part{name: "1", file: "b", content: "2"}); got.data["put"] != "b:2" {
		t.Errorf("the first of two: got %v, want the second", got)
	}
	env = newHTTPEnv(t, transport.MultipartConfig{SpoolDir: "/nonexistent"}, func(ctx context.Context, field string, args map[string]any) (any, error) {
		u := uploadArg(t, args["a"])
		_, _ = u.Read(make([]byte, 1))
		if err := errors.Join(u.Close(), u.Close()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := u.Read(make([]byte, 1)); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Read after Close: got %v, want ErrClosed", err)
		}
		if u.Name() != "a" {
			t.Errorf("Name after Close: got %q, want a", u.Name())
		}
		return readInOrder(t, "b")(ctx, field, args)
	})
	if got := env.upload(putAB, mapAB, part{name: "0", file: "a", content: "12345"}, part{name: "1", file: "b", content: "2"}); got.data["put"] != "b:2" {
		t.Errorf("the first of two, closed: got %v, want the second", got)
	}
}

func TestFilesCanBeReadAtTheSameTime(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("a", 3_000_000), strings.Repeat("b", 3_000_000)
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: t.TempDir()}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		var wg sync.WaitGroup
		var got [2]any
		var errs [2]error
		for i, name := range []string{"a", "b"} {
			wg.Go(func() { got[i], errs[i] = readFile(t, args[name]) })
		}
		wg.Wait()
		return fmt.Sprint(got[0] == "a:"+a, got[1] == "b:"+b), errors.Join(errs[0], errs[1])
	})
	got := env.uploadChunked(putAB, mapAB, part{name: "0", file: "a", content: a}, part{name: "1", file: "b", content: b})
	if got.data["put"] != "true true" {
		t.Errorf("got %v, want both files whole", got)
	}
}

func TestAnUploadEndsWithItsOperation(t *testing.T) {
	t.Parallel()
	kept := make(chan transport.Upload, 2)
	env := newHTTPEnv(t, transport.MultipartConfig{}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		kept <- uploadArg(t, args["a"])
		kept <- uploadArg(t, args["b"])
		return "kept", nil
	})
	env.upload(putAB, mapAB, part{name: "0", file: "a", content: "1"}, part{name: "1", file: "b", content: "1"})
	for range 2 {
		u := <-kept
		if _, err := io.ReadAll(u); !errors.Is(err, transport.ErrClosed) {
			t.Errorf("Read: got %v, want ErrClosed", err)
		}
		_ = u.Close()
		_, _ = u.Name(), u.SizeBound()
	}
	var none transport.Upload
	if _, err := none.Read(nil); !errors.Is(err, transport.ErrClosed) || none.Name() != "" || none.DeclaredType() != "" ||
		none.SizeBound() != -1 || none.Close() != nil || none.Open() == nil {
		t.Errorf("the zero Upload: got %v, want ErrClosed and nothing known", err)
	}
}

func TestUploadNamesAreWhatTheClientSent(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		`filename="plain.txt"`:                                             "plain.txt",
		`filename=token.txt`:                                               "token.txt",
		`filename=""`:                                                      "",
		`filename="Rechnung für Zoë 🏃.pdf"`:                                "Rechnung für Zoë 🏃.pdf",
		`filename="a \"quoted\" name.txt"`:                                 `a "quoted" name.txt`,
		`filename="a%22b%0D%0A.txt"`:                                       "a%22b%0D%0A.txt",
		`filename="100%.txt"`:                                              "100%.txt",
		`filename="C:\dir\file.txt"`:                                       `C:\dir\file.txt`,
		`filename="../../etc/passwd"`:                                      "../../etc/passwd",
		`filename="a;b=c.txt"`:                                             "a;b=c.txt",
		`filename*=UTF-8''na%C3%AFve%20file.txt`:                           "naïve file.txt",
		`filename="fallback.txt"; filename*=utf-8'en'%E2%82%AC%20rates`:    "€ rates",
		`filename="fallback.txt"; filename*=iso-8859-1'en'%A3%20rates.txt`: "fallback.txt",
		"filename=\"bad\xff.txt\"":                                         "bad\uFFFD.txt",
	}
	env := newHTTPEnv(t, transport.MultipartConfig{}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		u := uploadArg(t, args["file"])
		return u.Name() + "|" + u.DeclaredType(), nil
	})
	for sent, want := range cases {
		got := env.upload(putFile, mapFile, part{content: "x", header: textproto.MIMEHeader{
			"Content-Disposition": {`form-data; name="0"; ` + sent}, "Content-Type": {`Text/Plain; charset="x"`},
		}})
		if want += `|Text/Plain; charset="x"`; got.data["put"] != want {
			t.Errorf("%s: got %v, want %q", sent, got, want)
		}
	}
}

func TestSizeBoundIsNeverTooSmall(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: t.TempDir()}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		a, b := uploadArg(t, args["a"]), uploadArg(t, args["b"])
		boundA := a.SizeBound()
		_, _ = io.Copy(io.Discard, a)
		return fmt.Sprint(boundA, " ", b.SizeBound()), nil
	})
	for _, size := range []int{0, 1, 5000, 500_000} {
		parts := []part{putAB, mapAB, {name: "0", file: "a", content: strings.Repeat("x", size)}, {name: "1", file: "b", content: strings.Repeat("y", size)}}
		var a, b int
		got, _ := env.upload(parts...).data["put"].(string)
		if _, err := fmt.Sscan(got, &a, &b); err != nil || b < size || b > size+4 || a < 2*size || a > 2*size+400 {
			t.Errorf("size %d: got bounds %s, want a little more than %d and %d", size, got, 2*size, size)
		}
		if got := env.uploadChunked(parts...).data["put"]; got != "-1 -1" {
			t.Errorf("chunked: got %v, want -1", got)
		}
	}
}

func TestAWriterThatFailsEndsTheCopy(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	env := newHTTPEnv(t, transport.MultipartConfig{}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		u := uploadArg(t, args["file"])
		if err := u.Open(); err != nil {
			t.Errorf("Open: %v", err)
		}
		n, err := io.Copy(limitedWriter{100, full}, u)
		if n != 100 || !errors.Is(err, full) {
			t.Errorf("got %d and %v, want 100 and the writer's error", n, err)
		}
		n, err = io.Copy(limitedWriter{100, nil}, u)
		if n != 100 || !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("got %d and %v, want 100 and ErrShortWrite", n, err)
		}
		return "", nil
	})
	env.upload(putFile, mapFile, part{name: "0", file: "a", content: strings.Repeat("x", 1<<20)})
}

// limitedWriter takes n bytes of each write.
type limitedWriter struct {
	n   int
	err error
}

func (w limitedWriter) Write(p []byte) (int, error) { return min(len(p), w.n), w.err }

func TestAStringIsNoUpload(t *testing.T) {
	t.Parallel()
	for _, value := range []any{"a.txt", nil, 1, map[string]any{}, transport.Upload{}, &transport.Upload{}} {
		if _, err := transport.UnmarshalUpload(value); fault.CodeOf(err) != fault.BadUserInput || !strings.Contains(err.Error(), "multipart/form-data") {
			t.Errorf("%T: got %v, want BAD_USER_INPUT that says how", value, err)
		}
	}
	var out bytes.Buffer
	transport.MarshalUpload(transport.Upload{}).MarshalGQL(&out)
	if out.String() != "null" {
		t.Errorf("MarshalUpload wrote %q, want null", out.String())
	}
}

// serve answers one request without a connection.
func serve(t testing.TB, h http.Handler, contentType string, body io.Reader, header ...string) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Requested-With", "test")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return decodeAnswer(t, w.Result())
}

func TestATruncatedBodyNeverSucceeds(t *testing.T) {
	t.Parallel()
	h := newHandler(transport.MultipartConfig{SpoolDir: t.TempDir()}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		for _, name := range []string{"a", "b"} {
			// ReadFull makes io.ErrUnexpectedEOF of an io.EOF, so nothing else may look like it.
			if _, err := io.ReadFull(uploadArg(t, args[name]), make([]byte, 100)); !errors.Is(err, io.ErrUnexpectedEOF) {
				return nil, err
			}
		}
		return "whole", nil
	})
	for _, mapping := range []part{mapAB, mapBoth} {
		parts := []part{putAB, mapping, {name: "0", file: "a", content: "first"}, {name: "1", file: "b", content: "second"}}
		if mapping.content == mapBoth.content {
			parts = parts[:3]
		}
		contentType, body := form(t, parts...)
		end := len(strings.TrimSuffix(body, "\r\n"))
		for cut := range len(body) + 1 {
			got := serve(t, h, contentType, strings.NewReader(body[:cut]))
			whole := cut == end || cut == len(body)
			if (got.data["put"] == "whole") != whole || !whole && !strings.HasPrefix(got.problem(), "BAD_USER_INPUT: The request body ended before") &&
				!strings.Contains(got.problem(), "is missing") {
				t.Fatalf("cut at %d of %d: got %v", cut, len(body), got)
			}
		}
	}
}

func TestAConnectionCutWithinAFileFailsTheFile(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	env := newHTTPEnv(t, transport.MultipartConfig{}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		_, err := io.Copy(io.Discard, uploadArg(t, args["file"]))
		failed <- err
		return nil, err
	})
	contentType, body := form(t, putFile, mapFile, part{name: "0", file: "a", content: strings.Repeat("x", 70_000)})
	cut := len(body) - 1000
	for how, sent := range map[string][2]string{
		"Content-Length": {"Content-Length: " + strconv.Itoa(len(body)), body[:cut]},
		"chunked, cut":   {"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s", len(body), body[:cut])},
		"chunked, ended": {"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", cut, body[:cut])},
		"chunked, bad":   {"Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n%s!!", cut, body[:cut])},
	} {
		conn := rawUpload(t, env, sent[0]+"\r\nContent-Type: "+contentType, sent[1])
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
		err := <-failed
		if !errors.Is(err, transport.ErrTruncated) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || fault.CodeOf(err) != fault.BadUserInput {
			t.Errorf("%s: got %v, want ErrTruncated with BAD_USER_INPUT", how, err)
		}
		if !errors.Is(fault.Wrap("x", err), transport.ErrTruncated) {
			t.Errorf("%s: the wrapped error lost ErrTruncated", how)
		}
		if got := rawAnswer(t, bufio.NewReader(conn)); !strings.Contains(got.problem(), "ended before") || got.closed == (how == "chunked, ended") {
			t.Errorf("%s: got %v, want it said, and a broken connection closed", how, got)
		}
	}
}

// TestMemoryStaysFlat is not parallel: it measures what the process allocates.
func TestMemoryStaysFlat(t *testing.T) { //nolint:paralleltest // See above.
	const size = 64 << 20
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: "/nonexistent"}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		hash := sha256.New()
		n, err := io.Copy(hash, uploadArg(t, args["file"]))
		return fmt.Sprintf("%d %x", n, hash.Sum(nil)), err
	})
	sum := sha256.New()
	_, _ = io.CopyN(sum, zeros{}, size)
	want := fmt.Sprintf("%d %x", size, sum.Sum(nil))
	for _, chunked := range []bool{false, true} {
		contentType, body, length := endless(t, size, putFile, mapFile, part{name: "0", file: "a"})
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, env.srv.URL, body)
		if req.ContentLength = length; chunked {
			req.ContentLength = -1
		}
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("X-Requested-With", "test")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		resp, err := env.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := decodeAnswer(t, resp)
		runtime.ReadMemStats(&after)
		if got.data["put"] != want {
			t.Errorf("chunked %v: got %v, want %s", chunked, got, want)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > flatBytes {
			t.Errorf("chunked %v: allocated %d bytes for a file of %d, want under %d", chunked, grown, size, flatBytes)
		}
	}
}
