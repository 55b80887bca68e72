package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/transport"
)

const fileSDL = `
scalar Upload
type Query { hello(name: String): String count(n: Float): String broken: String }
type Mutation { put(file: Upload, files: [Upload!], a: Upload, b: Upload): String second(file: Upload): String }
type Subscription { tick: Int }
`

// filesAST is parsed once: the fuzz target makes a handler for each input.
var filesAST = gqlparser.MustLoadSchema(&ast.Source{Input: fileSDL})

// resolver answers one root field.
type resolver func(ctx context.Context, field string, args map[string]any) (any, error)

// fileSchema is an executable schema whose root fields are all answered by one resolver, one after the other.
type fileSchema struct {
	schema  *ast.Schema
	resolve resolver
}

func (s *fileSchema) Schema() *ast.Schema { return s.schema }

func (s *fileSchema) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (s *fileSchema) Exec(ctx context.Context) graphql.ResponseHandler {
	oc := graphql.GetOperationContext(ctx)
	done := false
	return func(ctx context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		return s.run(ctx, oc)
	}
}

func (s *fileSchema) run(ctx context.Context, oc *graphql.OperationContext) *graphql.Response {
	var errs gqlerror.List
	data := []byte{'{'}
	for i, sel := range oc.Operation.SelectionSet {
		field, _ := sel.(*ast.Field)
		var value any
		var err error
		switch field.Name {
		case "__typename":
			value = field.ObjectDefinition.Name
		case "__type":
		default:
			value, err = s.resolve(ctx, field.Name, field.ArgumentMap(oc.Variables))
		}
		if err != nil {
			errs = append(errs, presentFault(ctx, err))
			value = nil
		}
		if i > 0 {
			data = append(data, ',')
		}
		raw, _ := json.Marshal(value) //nolint:errchkjson // plain values
		data = fmt.Appendf(data, "%q:%s", field.Alias, raw)
	}
	return &graphql.Response{Data: append(data, '}'), Errors: errs}
}

// httpEnv is a server with the HTTP transports, over real connections.
type httpEnv struct {
	t      testing.TB
	srv    *httptest.Server
	client *http.Client
	// read counts the bytes that the server took from its connections; conns the connections.
	read  atomic.Int64
	conns atomic.Int64
}

// newHandler is the transports as the server adds them.
func newHandler(cfg transport.MultipartConfig, resolve resolver) *handler.Server {
	h := handler.New(&fileSchema{schema: filesAST, resolve: resolve})
	h.AddTransport(transport.NewMultipart(cfg))
	h.AddTransport(transport.GET{})
	h.AddTransport(transport.POST{MinBytesPerSecond: cfg.MinBytesPerSecond, RateWindow: cfg.RateWindow})
	h.AddTransport(transport.Unsupported{})
	h.SetErrorPresenter(presentFault)
	return h
}

func newHTTPEnv(t testing.TB, cfg transport.MultipartConfig, resolve resolver) *httpEnv {
	t.Helper()
	env := &httpEnv{t: t}
	env.srv = httptest.NewUnstartedServer(newHandler(cfg, resolve))
	env.srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	env.srv.Listener = countingListener{env.srv.Listener, env}
	env.srv.Start()
	env.client = env.srv.Client()
	t.Cleanup(env.srv.Close)
	return env
}

func newHTTP2Env(t testing.TB, cfg transport.MultipartConfig, resolve resolver) *httpEnv {
	t.Helper()
	env := &httpEnv{t: t, srv: httptest.NewUnstartedServer(newHandler(cfg, resolve))}
	env.srv.EnableHTTP2 = true
	env.srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	env.srv.StartTLS()
	env.client = env.srv.Client()
	t.Cleanup(env.srv.Close)
	return env
}

type countingListener struct {
	net.Listener
	env *httpEnv
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.env.conns.Add(1)
	return countingConn{conn, &l.env.read}, nil
}

type countingConn struct {
	net.Conn
	read *atomic.Int64
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// answer is a response with its body decoded.
type answer struct {
	status int
	closed bool // the server closes the connection
	header http.Header
	raw    string
	data   map[string]any
	noData bool
	errors []struct {
		Message    string         `json:"message"`
		Extensions map[string]any `json:"extensions"`
	}
}

// problem is the first error as "CODE: message".
func (a answer) problem() string {
	if len(a.errors) == 0 {
		return ""
	}
	return fmt.Sprintf("%v: %s", a.errors[0].Extensions["code"], a.errors[0].Message)
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.raw) }

func decodeAnswer(t testing.TB, resp *http.Response) answer {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the response: %v", err)
	}
	a := answer{status: resp.StatusCode, closed: resp.Close, header: resp.Header, raw: string(raw)}
	var body struct {
		Data   *json.RawMessage `json:"data"`
		Errors json.RawMessage  `json:"errors"`
	}
	if err := json.Unmarshal(raw, &body); err != nil {
		t.Fatalf("the response %q is not JSON: %v", raw, err)
	}
	a.noData = body.Data == nil && !strings.Contains(a.raw, `"data":null`)
	if body.Data != nil {
		_ = json.Unmarshal(*body.Data, &a.data) // null stays nil
	}
	if body.Errors != nil {
		if err := json.Unmarshal(body.Errors, &a.errors); err != nil {
			t.Fatalf("errors of %q: %v", raw, err)
		}
	}
	return a
}

// do sends a request with the preflight header; header is alternately names and values, and an empty value removes.
func (e *httpEnv) do(method, target string, body io.Reader, header ...string) answer {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), method, e.srv.URL+target, body)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("GraphQL-Require-Preflight", "1")
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := e.client.Do(req)
	if err != nil {
		e.t.Fatalf("%s %s: %v", method, target, err)
	}
	return decodeAnswer(e.t, resp)
}

// part is one part of a form.
type part struct {
	name    string
	file    string // file name; "" is a plain field
	content string
	header  textproto.MIMEHeader // instead of all of the above but content
}

// form encodes parts with the standard library, whose writer is independent of what is tested.
func form(t testing.TB, parts ...part) (contentType, body string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for _, p := range parts {
		h := p.header
		if h == nil {
			h = textproto.MIMEHeader{"Content-Disposition": {fmt.Sprintf("form-data; name=%q", p.name)}}
			if p.file != "" {
				h.Set("Content-Disposition", fmt.Sprintf("form-data; name=%q; filename=%q", p.name, p.file))
				h.Set("Content-Type", "text/plain")
			}
		}
		out, err := w.CreatePart(h)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(out, p.content)
	}
	_ = w.Close()
	return w.FormDataContentType(), buf.String()
}

// upload sends a form with a Content-Length.
func (e *httpEnv) upload(parts ...part) answer {
	e.t.Helper()
	contentType, body := form(e.t, parts...)
	return e.do(http.MethodPost, "/", strings.NewReader(body), "Content-Type", contentType)
}

// uploadChunked sends a form without a Content-Length.
func (e *httpEnv) uploadChunked(parts ...part) answer {
	e.t.Helper()
	contentType, body := form(e.t, parts...)
	return e.do(http.MethodPost, "/", struct{ io.Reader }{strings.NewReader(body)}, "Content-Type", contentType)
}

// The operations of the upload tests.
var (
	putFile  = part{name: "operations", content: `{"query":"mutation($f:Upload){put(file:$f)}","variables":{"f":null}}`}
	putFiles = part{name: "operations", content: `{"query":"mutation($f:[Upload!]){put(files:$f)}","variables":{"f":[null,null,null]}}`}
	putAB    = part{name: "operations", content: `{"query":"mutation($a:Upload,$b:Upload){put(a:$a,b:$b)}","variables":{"a":null,"b":null}}`}
	mapFile  = part{name: "map", content: `{"0":["variables.f"]}`}
	mapFiles = part{name: "map", content: `{"0":["variables.f.0"],"1":["variables.f.1"],"2":["variables.f.2"]}`}
	mapAB    = part{name: "map", content: `{"0":["variables.a"],"1":["variables.b"]}`}
	mapBoth  = part{name: "map", content: `{"0":["variables.a","variables.b"]}`}
)

func uploadArg(t testing.TB, value any) transport.Upload {
	t.Helper()
	u, err := transport.UnmarshalUpload(value)
	if err != nil {
		t.Errorf("UnmarshalUpload: %v", err)
	}
	return u
}

// readFile gives "name:content" or the error.
func readFile(t testing.TB, value any) (any, error) {
	t.Helper()
	u := uploadArg(t, value)
	content, err := io.ReadAll(u)
	return u.Name() + ":" + string(content), err
}

// expire gives a context for what must not take long.
func expire(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
