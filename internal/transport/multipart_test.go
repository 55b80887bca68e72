package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"dossier/internal/fault"
	"dossier/internal/transport"
)

// echo answers put with the name and content of each file, in the order of the arguments.
func echo(t testing.TB) resolver {
	return func(_ context.Context, _ string, args map[string]any) (any, error) {
		var all []any
		for _, name := range []string{"file", "a", "b"} {
			if args[name] != nil {
				all = append(all, args[name])
			}
		}
		list, _ := args["files"].([]any)
		var read []string
		for _, value := range append(all, list...) {
			content, err := readFile(t, value)
			if err != nil {
				return nil, err
			}
			read = append(read, content.(string))
		}
		return strings.Join(read, ","), nil
	}
}

func TestMultipartGivesTheFilesToTheResolver(t *testing.T) {
	t.Parallel()
	// A spool would fail: files read in the order they are sent are never put aside.
	env := newHTTPEnv(t, transport.MultipartConfig{SpoolDir: "/nonexistent"}, echo(t))
	large := strings.Repeat("\r\n--large", 100_000)
	cases := map[string]struct {
		parts []part
		want  string
	}{
		"one file":     {[]part{putFile, mapFile, {name: "0", file: "a.txt", content: "a"}}, "a.txt:a"},
		"empty file":   {[]part{putFile, mapFile, {name: "0", file: "a.txt"}}, "a.txt:"},
		"large file":   {[]part{putFile, mapFile, {name: "0", file: "a.txt", content: large}}, "a.txt:" + large},
		"three files":  {[]part{putFiles, mapFiles, {name: "0", file: "a", content: "1"}, {name: "1", file: "b"}, {name: "2", file: "c", content: "3"}}, "a:1,b:,c:3"},
		"no file name": {[]part{putFile, mapFile, {name: "0", content: "a"}}, ":a"},
		"no files":     {[]part{putFile, {name: "map", content: "{}"}}, ""},
		"operations as a file": {
			[]part{{name: "operations", file: "blob", content: putFile.content}, {name: "map", file: "blob", content: mapFile.content}, {name: "0", file: "a", content: "x"}},
			"a:x",
		},
		"field names of any kind": {
			[]part{putFile, {name: "map", content: `{"variables.f":["variables.f"]}`}, {name: "variables.f", file: "a", content: "x"}}, "a:x",
		},
		"a place that is absent": {
			[]part{{name: "operations", content: `{"query":"mutation($f:Upload){put(file:$f)}","variables":{}}`}, mapFile, {name: "0", file: "a", content: "x"}}, "a:x",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, send := range map[string]func(...part) answer{"Content-Length": env.upload, "chunked": env.uploadChunked} {
				if got := send(c.parts...); got.status != 200 || got.data["put"] != c.want {
					t.Errorf("%s: got %.300v, want %.300q", how, got, c.want)
				}
			}
		})
	}
}

// TestMultipartRefusesMalformedForms has the cases of graphql-upload's own tests among others.
func TestMultipartRefusesMalformedForms(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{MaxFiles: 3}, func(context.Context, string, map[string]any) (any, error) {
		t.Error("the operation was executed")
		return "", nil
	})
	file := part{name: "0", file: "a.txt", content: "a"}
	big := part{name: "0", file: "a.txt", content: strings.Repeat("a", 70_000)}
	operations := func(content string) part { return part{name: "operations", content: content} }
	mapping := func(content string) part { return part{name: "map", content: content} }
	header := func(lines ...string) textproto.MIMEHeader {
		h := textproto.MIMEHeader{}
		for i := 0; i < len(lines); i += 2 {
			h.Set(lines[i], lines[i+1])
		}
		return h
	}
	cases := map[string]struct {
		parts  []part
		status int
		want   string
	}{
		"no parts":                 {nil, 400, `The field "operations" is missing.`},
		"map first":                {[]part{mapFile, putFile, file}, 400, `The field "map" comes where "operations" must be`},
		"file before operations":   {[]part{file, putFile, mapFile}, 400, `The field "0" comes where "operations" must be`},
		"file before map":          {[]part{putFile, file, mapFile}, 400, `The field "0" comes where "map" must be`},
		"no map":                   {[]part{putFile}, 400, `The field "map" is missing.`},
		"operations not JSON":      {[]part{operations("{ x }"), mapFile, file}, 400, `The field "operations" is not valid JSON.`},
		"operations not JSON, big": {[]part{operations("{ x }"), mapFile, big}, 400, `The field "operations" is not valid JSON.`},
		"operations null":          {[]part{operations("null"), mapFile, file}, 400, `The field "operations" has no query.`},
		"operations a number":      {[]part{operations("1"), mapFile, file}, 400, `The field "operations" must be a JSON object`},
		"operations a boolean":     {[]part{operations("true"), mapFile, file}, 400, `The field "operations" must be a JSON object`},
		"operations a string":      {[]part{operations(`""`), mapFile, file}, 400, `The field "operations" must be a JSON object`},
		"operations empty":         {[]part{operations(""), mapFile, file}, 400, `The field "operations" is empty`},
		"batch":                    {[]part{operations("[" + putFile.content + "]"), mapping(`{"0":["0.variables.f"]}`), file}, 400, "Batches"},
		"map not JSON":             {[]part{putFile, mapping("{ x }"), file}, 400, `The field "map" must be a JSON object`},
		"map null":                 {[]part{putFile, mapping("null"), file}, 400, `The field "map" must be a JSON object`},
		"map a list":               {[]part{putFile, mapping("[]"), file}, 400, `The field "map" must be a JSON object`},
		"map a string":             {[]part{putFile, mapping(`""`), file}, 400, `The field "map" must be a JSON object`},
		"map entry null":           {[]part{putFile, mapping(`{"0":null}`), file}, 400, `"map" must give the file "0" a list`},
		"map entry an object":      {[]part{putFile, mapping(`{"0":{}}`), file}, 400, `"map" must give the file "0" a list`},
		"map entry empty":          {[]part{putFile, mapping(`{"0":[]}`), file}, 400, `"map" must give the file "0" a list`},
		"map path null":            {[]part{putFile, mapping(`{"0":[null]}`), file}, 400, `gives the file "0" the path ""`},
		"map path a number":        {[]part{putFile, mapping(`{"0":[1]}`), file}, 400, `"map" must give the file "0" a list`},
		"path elsewhere":           {[]part{putFile, mapping(`{"0":["query"]}`), file}, 400, `does not begin with "variables."`},
		"path of a batch":          {[]part{putFile, mapping(`{"0":["0.variables.f"]}`), file}, 400, `does not begin with "variables."`},
		"path below null":          {[]part{putFile, mapping(`{"0":["variables.f.0"]}`), file}, 400, `no object or list that holds "0"`},
		"path past the list":       {[]part{putFiles, mapping(`{"0":["variables.f.3"]}`), file}, 400, `the list has no element "3"`},
		"path of a bad index":      {[]part{putFiles, mapping(`{"0":["variables.f.-1"]}`), file}, 400, `the list has no element "-1"`},
		"path of a value":          {[]part{operations(`{"query":"{hello}","variables":{"f":"x"}}`), mapFile, file}, 400, "the value there is not null"},
		"two files at one place":   {[]part{putFile, mapping(`{"0":["variables.f","variables.f"]}`), file}, 400, "the value there is not null"},
		"no variables":             {[]part{operations(`{"query":"{hello}"}`), mapFile, file}, 400, "there are no variables"},
		"too many files":           {[]part{putFiles, mapping(`{"0":["variables.f.0"],"1":["variables.f.1"],"2":["variables.f.2"],"3":["variables.g"]}`), file}, 413, "The request has 4 files; at most 3"},
		"file missing":             {[]part{putFile, mapFile}, 400, `The file "0", which "map" names, is missing`},
		"file not in the map":      {[]part{putFile, mapFile, {name: "1", file: "b"}, file}, 400, `The body has the field "1", which "map" does not name.`},
		"operations twice":         {[]part{putFile, mapFile, putFile, file}, 400, `The field "operations" comes more than once.`},
		"map twice":                {[]part{putFile, mapFile, mapFile, file}, 400, `The field "map" comes more than once.`},
		"operations too large":     {[]part{operations(`{"query":"` + strings.Repeat(" ", 256<<10) + `"}`), mapFile, file}, 413, `larger than 262144 bytes`},
		"map too large":            {[]part{putFile, mapping(`{"0":["` + strings.Repeat(" ", 16<<10) + `"]}`), file}, 413, `The field "map" is larger than 16384 bytes.`},
		"no disposition":           {[]part{putFile, mapFile, {header: header("Content-Type", "text/plain"), content: "a"}}, 400, "Content-Disposition"},
		"other disposition":        {[]part{putFile, mapFile, {header: header("Content-Disposition", `attachment; name="0"`)}}, 400, "Content-Disposition"},
		"no name":                  {[]part{putFile, mapFile, {header: header("Content-Disposition", `form-data; filename="0"`)}}, 400, "Content-Disposition"},
		"two names":                {[]part{putFile, mapFile, {header: header("Content-Disposition", `form-data; name="0"; name="1"`)}}, 400, "Content-Disposition"},
		"broken disposition":       {[]part{putFile, mapFile, {header: header("Content-Disposition", `form-data; name="0`)}}, 400, "Content-Disposition"},
		"large headers":            {[]part{putFile, mapFile, {header: header("Content-Disposition", `form-data; name="0"`, "X", strings.Repeat("x", 9<<10))}}, 400, "headers of a part are larger"},
		"base64": {
			[]part{putFile, mapFile, {header: header("Content-Disposition", `form-data; name="0"`, "Content-Transfer-Encoding", "base64")}},
			400, `The file "0" is encoded.`,
		},
		"subscription": {[]part{operations(`{"query":"subscription{tick}","variables":{"f":null}}`), mapFile, file}, 400, "graphql-transport-ws"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, send := range map[string]func(...part) answer{"Content-Length": env.upload, "chunked": env.uploadChunked} {
				got := send(c.parts...)
				code := map[int]string{400: "BAD_USER_INPUT: ", 413: "PAYLOAD_TOO_LARGE: "}[c.status]
				if got.status != c.status || !strings.Contains(got.problem(), c.want) || !strings.HasPrefix(got.problem(), code) || !got.noData {
					t.Errorf("%s: got %.300v, want %d %s%q", how, got, c.status, code, c.want)
				}
			}
		})
	}
}

func TestMultipartRefusesABodyThatIsNone(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, echo(t))
	_, body := form(t, putFile, mapFile)
	cases := []struct{ contentType, body, want string }{
		{"multipart/form-data", body, "no valid boundary"},
		{"multipart/form-data; boundary=", body, "no valid boundary"},
		{"multipart/form-data; boundary=" + strings.Repeat("x", 71), body, "no valid boundary"},
		{"multipart/form-data; boundary=other", body, "ended before"},
		{"multipart/form-data; boundary=other", strings.Repeat(body, 100), "is not at the start"},
		{"multipart/form-data; boundary=x", "", "ended before"},
		{"multipart/form-data; boundary=x", "--x", "ended before"},
	}
	for _, c := range cases {
		got := env.do(http.MethodPost, "/", strings.NewReader(c.body), "Content-Type", c.contentType)
		if got.status != 400 || !strings.Contains(got.problem(), c.want) {
			t.Errorf("%.60s with %.20q: got %v, want 400 and %q", c.contentType, c.body, got, c.want)
		}
	}
}

func TestMultipartAnswersGraphQLErrorsLikePost(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, echo(t))
	contentType, body := form(t, part{name: "operations", content: `{"query":"{nothing}","variables":{"f":null}}`}, mapFile, part{name: "0", file: "a", content: "x"})
	for accept, want := range map[string]int{plain: 200, newer: 400, "text/html": 406} {
		got := env.do(http.MethodPost, "/", strings.NewReader(body), "Content-Type", contentType, "Accept", accept)
		if got.status != want || !got.noData {
			t.Errorf("%s: got %v, want %d", accept, got, want)
		}
	}
}

func TestMultipartFindsALaterMistakeWhenTheFileIsRead(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, echo(t))
	first := part{name: "0", file: "a", content: "x"}
	cases := map[string]struct {
		rest []part
		want string
	}{
		"missing":    {nil, `BAD_USER_INPUT: The file "1", which "map" names, is missing`},
		"unknown":    {[]part{{name: "9", file: "z"}}, `BAD_USER_INPUT: The body has the field "9"`},
		"twice":      {[]part{first, {name: "1", file: "b"}}, `BAD_USER_INPUT: The file "0" comes more than once.`},
		"operations": {[]part{putAB}, `BAD_USER_INPUT: The field "operations" comes more than once.`},
	}
	for name, c := range cases {
		got := env.upload(append([]part{putAB, mapAB, first}, c.rest...)...)
		if got.status != 200 || !strings.HasPrefix(got.problem(), c.want) {
			t.Errorf("%s: got %v, want %q", name, got, c.want)
		}
	}
	if got := env.upload(putFile, mapFile, first, part{name: "9", file: "z", content: "z"}); got.data["put"] != "a:x" {
		t.Errorf("a part after all files were read: got %v, want the files", got)
	}
}

// endless is a form whose last file goes on for n bytes.
func endless(t testing.TB, n int64, parts ...part) (contentType string, body io.Reader, length int64) {
	t.Helper()
	contentType, text := form(t, parts...)
	end := strings.LastIndex(text, "\r\n--")
	return contentType, io.MultiReader(strings.NewReader(text[:end]), io.LimitReader(zeros{}, n), strings.NewReader(text[end:])), int64(len(text)) + n
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestARefusedUploadIsAnsweredBeforeItsFilesAreRead(t *testing.T) {
	t.Parallel()
	const size = 16 << 20
	file := part{name: "0", file: "a.bin"}
	cases := map[string]struct {
		parts []part
		want  string
	}{
		"by the operation's field": {[]part{putFile, mapFile, file}, "FORBIDDEN"},
		"by the map":               {[]part{putFile, {name: "map", content: "{"}, file}, "BAD_USER_INPUT"},
		"by validation":            {[]part{{name: "operations", content: `{"query":"{nothing}","variables":{"f":null}}`}, mapFile, file}, "GRAPHQL_VALIDATION_FAILED"},
		"by the operations' size":  {[]part{{name: "operations"}}, "PAYLOAD_TOO_LARGE"},
	}
	for name, c := range cases {
		for _, chunked := range []bool{false, true} {
			// One after the other: a client that the machine does not let read for half a second is reset.
			t.Run(fmt.Sprintf("%s, chunked %v", name, chunked), func(t *testing.T) {
				env := newHTTPEnv(t, transport.MultipartConfig{}, func(context.Context, string, map[string]any) (any, error) {
					return nil, fault.New(fault.Forbidden, "You may not.")
				})
				contentType, body, length := endless(t, size, c.parts...)
				req, _ := http.NewRequestWithContext(expire(t), http.MethodPost, env.srv.URL, body)
				req.ContentLength = length
				if chunked {
					req.ContentLength = -1
				}
				req.Header.Set("Content-Type", contentType)
				req.Header.Set("X-Requested-With", "test")
				resp, err := env.client.Do(req)
				if err != nil {
					t.Fatalf("got %v, want the answer", err)
				}
				got := decodeAnswer(t, resp)
				if !strings.HasPrefix(got.problem(), c.want) {
					t.Errorf("got %v, want %s", got, c.want)
				}
				env.srv.Close() // Waits for the handler, so that all it reads is counted.
				if read := env.read.Load(); read > 256<<10+8<<10 {
					t.Errorf("read %d bytes from the network, want at most 256 KiB of body", read)
				}
			})
		}
	}
}

func TestAConnectionIsKeptAfterASmallRefusedUpload(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, func(context.Context, string, map[string]any) (any, error) {
		return nil, fault.New(fault.Forbidden, "You may not.")
	})
	for range 5 {
		for _, send := range []func(...part) answer{env.upload, env.uploadChunked} {
			got := send(putFile, mapFile, part{name: "0", file: "a", content: strings.Repeat("x", 100_000)})
			if !strings.HasPrefix(got.problem(), "FORBIDDEN") || got.closed {
				t.Errorf("got %v, want FORBIDDEN and an open connection", got)
			}
		}
	}
	if n := env.conns.Load(); n != 1 {
		t.Errorf("got %d connections, want 1", n)
	}
}

// rawUpload begins an upload on a connection of its own.
func rawUpload(t *testing.T, env *httpEnv, header, body string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", env.srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Requested-With: x\r\n"+header+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	return conn
}

func rawAnswer(t *testing.T, in *bufio.Reader) answer {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return decodeAnswer(t, resp)
}

func TestContinueIsSentOnlyWhenTheBodyIsRead(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, echo(t))
	contentType, body := form(t, putFile, mapFile, part{name: "0", file: "a", content: "x"})
	header := fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\nContent-Type: ", len(body))

	conn := rawUpload(t, env, header+contentType, "")
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("got %q and %v, want 100 Continue", line, err)
	}
	_, _ = in.ReadString('\n')
	_, _ = io.WriteString(conn, body)
	if got := rawAnswer(t, in); got.data["put"] != "a:x" {
		t.Errorf("got %v, want the file", got)
	}

	refused := rawUpload(t, env, header+"multipart/form-data", "")
	resp, err := http.ReadResponse(bufio.NewReader(refused), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 400 || !resp.Close {
		t.Errorf("got %d, closed %v, want 400 at once and the connection closed", resp.StatusCode, resp.Close)
	}
	_ = resp.Body.Close()
}

func TestMultipartGivesUpOnASlowClient(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 1)
	env := newHTTPEnv(t, transport.MultipartConfig{RateWindow: 50 * time.Millisecond}, func(_ context.Context, _ string, args map[string]any) (any, error) {
		_, err := readFile(t, args["file"])
		failed <- err
		return nil, err
	})
	contentType, body := form(t, putFile, mapFile, part{name: "0", file: "a", content: "xyz"})
	header := fmt.Sprintf("Content-Length: %d\r\nContent-Type: %s", len(body), contentType)

	conn := rawUpload(t, env, header, body[:strings.Index(body, "xyz")+1])
	got := rawAnswer(t, bufio.NewReader(conn))
	if err := <-failed; !errors.Is(err, transport.ErrTooSlow) || errors.Is(err, io.EOF) || fault.CodeOf(err) != fault.BadUserInput {
		t.Errorf("the file gave %v, want ErrTooSlow with BAD_USER_INPUT", err)
	}
	if !strings.Contains(got.problem(), "too slowly") || !got.closed {
		t.Errorf("got %v, want it said, and the connection closed", got)
	}

	conn = rawUpload(t, env, header, body[:100])
	if got := rawAnswer(t, bufio.NewReader(conn)); got.status != 408 || !strings.Contains(got.problem(), "too slowly") {
		t.Errorf("slow operations: got %v, want 408", got)
	}
}

func TestASlowResolverIsNotASlowClient(t *testing.T) {
	t.Parallel()
	const window = 400 * time.Millisecond // Long enough for a busy machine to deliver something.
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			resolve := func(ctx context.Context, _ string, args map[string]any) (any, error) {
				u := uploadArg(t, args["file"])
				n := 0
				for p := make([]byte, 256<<10); ; {
					m, err := io.ReadFull(u, p)
					n += m
					if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
						break
					}
					if err != nil {
						return nil, err
					}
					<-time.After(window * 5 / 4)
				}
				<-time.After(window * 5 / 4)
				return fmt.Sprint(n), ctx.Err()
			}
			env := newHTTPEnv(t, transport.MultipartConfig{RateWindow: window}, resolve)
			if protocol == "HTTP/2.0" {
				env = newHTTP2Env(t, transport.MultipartConfig{RateWindow: window}, resolve)
			}
			got := env.upload(putFile, mapFile, part{name: "0", file: "a", content: strings.Repeat("x", 512<<10)})
			if got.data["put"] != "524288" {
				t.Errorf("got %v, want all of the file", got)
			}
		})
	}
}

func TestMultipartWorksOverHTTP2(t *testing.T) {
	t.Parallel()
	env := newHTTP2Env(t, transport.MultipartConfig{}, func(_ context.Context, field string, args map[string]any) (any, error) {
		if field == "second" {
			return nil, fault.New(fault.Forbidden, "You may not.")
		}
		n, err := io.Copy(io.Discard, uploadArg(t, args["file"]))
		return fmt.Sprint(n), err
	})
	contentType, body, _ := endless(t, 8<<20, putFile, mapFile, part{name: "0", file: "a"})
	if got := env.do(http.MethodPost, "/", body, "Content-Type", contentType); got.data["put"] != fmt.Sprint(8<<20) {
		t.Errorf("got %v, want 8 MiB", got)
	}
	second := part{name: "operations", content: `{"query":"mutation($f:Upload){second(file:$f)}","variables":{"f":null}}`}
	contentType, body, _ = endless(t, 64<<20, second, mapFile, part{name: "0", file: "a"})
	if got := env.do(http.MethodPost, "/", body, "Content-Type", contentType); !strings.HasPrefix(got.problem(), "FORBIDDEN") {
		t.Errorf("got %v, want FORBIDDEN", got)
	}
}
