package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/fault"
	"dossier/internal/transport"
)

func hello(_ context.Context, field string, args map[string]any) (any, error) {
	switch field {
	case "hello":
		name, _ := args["name"].(string)
		return "hello " + name, nil
	case "count":
		return args["n"], nil
	case "broken":
		return nil, fault.New(fault.NotFound, "There is no such thing.")
	default:
		return nil, errors.New("unknown field")
	}
}

const (
	newer = "application/graphql-response+json"
	plain = "application/json"
)

func TestPostAnswersByTheAcceptedMediaType(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, hello)
	const ok, unparsed, invalid, badVariable = `{"query":"{hello}"}`, `{"query":"{"}`, `{"query":"{nothing}"}`,
		`{"query":"query($n:Float!){count(n:$n)}","variables":{"n":null}}`
	cases := []struct {
		accept, body, wantMedia string
		want                    int
	}{
		{"", ok, plain, 200},
		{"*/*", ok, plain, 200},
		{"application/*", ok, plain, 200},
		{plain, ok, plain, 200},
		{newer, ok, newer, 200},
		{newer + ", " + plain + ";q=0.9", ok, newer, 200},
		{plain + ";q=0.5, " + newer, ok, newer, 200},
		{plain + ", " + newer, ok, plain, 200},
		{newer + ";q=0, */*", ok, plain, 200},
		{"text/html, */*;q=0.1", ok, plain, 200},
		{newer + ", application/graphql+json, " + plain + ", text/event-stream, multipart/mixed", ok, newer, 200},
		{"text/html", ok, plain, 406},
		{plain + ";q=0", ok, plain, 406},
		{plain, unparsed, plain, 200},
		{plain, invalid, plain, 200},
		{plain, badVariable, plain, 200},
		{newer, unparsed, newer, 400},
		{newer, invalid, newer, 400},
		{newer, badVariable, newer, 400},
		{plain, `{`, plain, 400},
		{newer, `{`, newer, 400},
		{newer, `{"query":"{broken}"}`, newer, 200},
	}
	for _, c := range cases {
		t.Run(c.accept+" "+c.body, func(t *testing.T) {
			t.Parallel()
			got := env.do(http.MethodPost, "/", strings.NewReader(c.body), "Content-Type", plain, "Accept", c.accept)
			if got.status != c.want || got.header.Get("Content-Type") != c.wantMedia+"; charset=utf-8" {
				t.Errorf("got %v as %q, want %d as %s", got, got.header.Get("Content-Type"), c.want, c.wantMedia)
			}
			if got.header.Get("Content-Length") != strconv.Itoa(len(got.raw)) {
				t.Errorf("got Content-Length %q, want %d", got.header.Get("Content-Length"), len(got.raw))
			}
			executed := c.want == 200 && (c.body == ok || strings.Contains(c.body, "broken"))
			if got.noData == executed {
				t.Errorf("got %v, want a data entry exactly when it was executed", got)
			}
		})
	}
}

func TestPostRefusesWhatIsNoOperation(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, hello)
	cases := []struct{ body, want string }{
		{"", "BAD_USER_INPUT: The request body is empty"},
		{"{", "BAD_USER_INPUT: The request body is not valid JSON"},
		{`{"query":"{hello}"} x`, "BAD_USER_INPUT: The request body is not valid JSON"},
		{`{"query":"{hello}"}{"query":"{hello}"}`, "BAD_USER_INPUT: The request body is not valid JSON"},
		{`[{"query":"{hello}"}]`, "BAD_USER_INPUT: The request body is a list. Batches"},
		{`"query"`, "BAD_USER_INPUT: The request body must be a JSON object"},
		{`null`, "BAD_USER_INPUT: The request body has no query"},
		{`{}`, "BAD_USER_INPUT: The request body has no query"},
		{`{"query":null}`, "BAD_USER_INPUT: The request body has no query"},
		{`{"query":1}`, `"query" must be a string`},
		{`{"query":{"a":1}}`, `"query" must be a string`},
		{`{"query":"{hello}","operationName":1}`, `"operationName" must be a string`},
		{`{"query":"{hello}","variables":"x"}`, `"variables" must be a JSON object`},
		{`{"query":"{hello}","variables":[1]}`, `"variables" must be a JSON object`},
		{`{"query":"{hello}","extensions":false}`, `"extensions" must be a JSON object`},
		{`{"query":"subscription{tick}"}`, "graphql-transport-ws"},
	}
	for _, c := range cases {
		t.Run(c.body, func(t *testing.T) {
			t.Parallel()
			for _, accept := range []string{plain, newer} {
				got := env.do(http.MethodPost, "/", strings.NewReader(c.body), "Content-Type", plain, "Accept", accept)
				if got.status != 400 || !strings.Contains(got.problem(), c.want) || !strings.HasPrefix(got.problem(), "BAD_USER_INPUT: ") {
					t.Errorf("got %v, want 400 and %q", got, c.want)
				}
			}
		})
	}
}

func TestPostTakesOnlyJSONInUTF8(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, hello)
	for contentType, want := range map[string]int{
		plain: 200, "application/json; charset=utf-8": 200, `Application/JSON;charset="UTF-8"`: 200,
		"": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415, "application/json; charset=latin1": 415,
		"application/graphql": 415, "nonsense;;": 415,
	} {
		got := env.do(http.MethodPost, "/", strings.NewReader(`{"query":"{hello(name:\"Zoë 🏃\")}"}`), "Content-Type", contentType)
		if got.status != want {
			t.Errorf("Content-Type %q: got %v, want %d", contentType, got, want)
		}
		if want == 200 && got.data["hello"] != "hello Zoë 🏃" {
			t.Errorf("Content-Type %q: got %v, want the name unchanged", contentType, got.data)
		}
	}
}

func TestPostKeepsTheDigitsOfNumbers(t *testing.T) {
	t.Parallel()
	var got any
	env := newHTTPEnv(t, transport.MultipartConfig{}, func(ctx context.Context, _ string, _ map[string]any) (any, error) {
		got = graphql.GetOperationContext(ctx).Extensions["n"]
		return "", nil
	})
	env.do(http.MethodPost, "/", strings.NewReader(`{"query":"{hello}","extensions":{"n":9007199254740993}}`), "Content-Type", plain)
	if got != json.Number("9007199254740993") {
		t.Errorf("got %v (%T), want 9007199254740993", got, got)
	}
}

func TestPostRefusesALargeBody(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, hello)
	query := `{"query":"{hello}` + strings.Repeat(" ", transport.DefaultMaxBodyBytes) + `"}`
	for how, body := range map[string]io.Reader{
		"Content-Length": strings.NewReader(query),
		"chunked":        struct{ io.Reader }{strings.NewReader(query)},
	} {
		got := env.do(http.MethodPost, "/", body, "Content-Type", plain)
		if got.status != 413 || !strings.HasPrefix(got.problem(), "PAYLOAD_TOO_LARGE: ") {
			t.Errorf("%s: got %v, want 413 and PAYLOAD_TOO_LARGE", how, got)
		}
	}
	fits := query[:transport.DefaultMaxBodyBytes-2] + `"}`
	for how, body := range map[string]io.Reader{
		"Content-Length": strings.NewReader(fits),
		"chunked":        struct{ io.Reader }{strings.NewReader(fits)},
	} {
		if got := env.do(http.MethodPost, "/", body, "Content-Type", plain); got.status != 200 {
			t.Errorf("%s: a body of exactly the limit got %d, want 200", how, got.status)
		}
	}
}

func TestPostGivesUpOnASlowClient(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{RateWindow: 50 * time.Millisecond}, hello)
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	go func() { _, _ = io.WriteString(w, `{"query":`) }()
	got := env.do(http.MethodPost, "/", r, "Content-Type", plain)
	if got.status != 408 || !strings.Contains(got.problem(), "too slowly") {
		t.Errorf("got %v, want 408", got)
	}
}

func TestGetRunsQueriesOnly(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, hello)
	cases := []struct {
		values url.Values
		want   int
		text   string
	}{
		{url.Values{"query": {"{hello}"}}, 200, `"hello "`},
		{url.Values{"query": {"query($n:String){hello(name:$n)}"}, "variables": {`{"n":"Ada"}`}}, 200, `"hello Ada"`},
		{url.Values{"query": {"query A{hello} query B{count}"}, "operationName": {"B"}}, 200, `"count"`},
		{url.Values{"query": {"{hello}"}, "variables": {"null"}, "extensions": {"{}"}}, 200, `"hello "`},
		{url.Values{"query": {"mutation{put}"}}, 405, "Send it with POST"},
		{url.Values{"query": {"query A{hello} mutation B{put}"}, "operationName": {"B"}}, 405, "Send it with POST"},
		{url.Values{"query": {"subscription{tick}"}}, 400, "Server-Sent Events"},
		{url.Values{}, 400, "has no query"},
		{url.Values{"query": {"{hello}", "{count}"}}, 400, "more than once"},
		{url.Values{"query": {"{hello}"}, "variables": {"[]"}}, 400, `\"variables\" in the URL must be a JSON object`},
		{url.Values{"query": {"{hello}"}, "extensions": {"{"}}, 400, `\"extensions\" in the URL must be a JSON object`},
		{url.Values{"query": {"{"}}, 400, "GRAPHQL_PARSE_FAILED"},
	}
	for _, c := range cases {
		got := env.do(http.MethodGet, "/?"+c.values.Encode(), nil, "Accept", newer)
		if got.status != c.want || !strings.Contains(got.raw, c.text) {
			t.Errorf("%v: got %v, want %d with %q", c.values, got, c.want, c.text)
		}
		if got.status == 405 && got.header.Get("Allow") != "POST" {
			t.Errorf("%v: got Allow %q, want POST", c.values, got.header.Get("Allow"))
		}
		if got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%v: got Cache-Control %q, want no-store", c.values, got.header.Get("Cache-Control"))
		}
	}
	if got := env.do(http.MethodGet, "/?query=%zz", nil); got.status != 400 {
		t.Errorf("a broken query string: got %v, want 400", got)
	}
}

func TestRequestsThatAFormCanSendNeedAPreflightHeader(t *testing.T) {
	t.Parallel()
	ran := make(chan string, 20)
	env := newHTTPEnv(t, transport.MultipartConfig{}, func(_ context.Context, field string, _ map[string]any) (any, error) {
		ran <- field
		return "", nil
	})
	contentType, body := form(t, putFile, mapFile, part{name: "0", file: "a.txt", content: "a"})
	const none, preflight = "", "GraphQL-Require-Preflight"
	cases := []struct {
		name, method, target, body string
		header                     []string
		want                       int
	}{
		{"GET", "GET", "/?query={hello}", "", []string{preflight, none}, 400},
		{"GET with Accept", "GET", "/?query={hello}", "", []string{preflight, none, "Accept", newer}, 400},
		{"GET as a form", "GET", "/?query={hello}", "", []string{preflight, none, "Content-Type", "text/plain"}, 400},
		{"GET as nonsense", "GET", "/?query={hello}", "", []string{preflight, none, "Content-Type", "text/plain; a=;"}, 400},
		{"GET as JSON", "GET", "/?query={hello}", "", []string{preflight, none, "Content-Type", plain}, 200},
		{"GET with the header", "GET", "/?query={hello}", "", nil, 200},
		{"GET with Apollo's header", "GET", "/?query={hello}", "", []string{preflight, none, "Apollo-Require-Preflight", "true"}, 200},
		{"GET with jQuery's header", "GET", "/?query={hello}", "", []string{preflight, none, "X-Requested-With", "XMLHttpRequest"}, 200},
		{"form", "POST", "/", body, []string{preflight, none, "Content-Type", contentType}, 400},
		{"form with the header", "POST", "/", body, []string{"Content-Type", contentType}, 200},
		{"text", "POST", "/", `{"query":"{hello}"}`, []string{preflight, none, "Content-Type", "text/plain"}, 415},
		{"JSON", "POST", "/", `{"query":"{hello}"}`, []string{preflight, none, "Content-Type", plain}, 200},
	}
	for _, c := range cases {
		got := env.do(c.method, c.target, strings.NewReader(c.body), c.header...)
		if executed := len(ran) == 1; got.status != c.want || executed != (c.want == 200) {
			t.Errorf("%s: got %v, executed: %v; want %d", c.name, got, executed, c.want)
		}
		if c.want == 400 && !strings.Contains(got.problem(), "Apollo-Require-Preflight") {
			t.Errorf("%s: got %q, want the headers named", c.name, got.problem())
		}
		for len(ran) > 0 {
			<-ran
		}
	}
}

func TestAnOperationThatWasNotExecutedHasTheStatusOfItsError(t *testing.T) {
	t.Parallel()
	codes := map[fault.Code]int{
		fault.BadUserInput: 400, fault.QueryTooComplex: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.TooLarge: 413,
		fault.RateLimited: 429, fault.Internal: 500, fault.Unavailable: 503,
	}
	for code, want := range codes {
		h := newHandler(transport.MultipartConfig{}, hello)
		h.AroundOperations(func(context.Context, graphql.OperationHandler) graphql.ResponseHandler {
			return graphql.OneShot(&graphql.Response{Errors: gqlerror.List{{Message: "no", Extensions: map[string]any{"code": string(code)}}}})
		})
		for accept, status := range map[string]int{newer: want, plain: 200} {
			got := serve(t, h, plain, strings.NewReader(`{"query":"{hello}"}`), "Accept", accept)
			if got.status != status || !got.noData {
				t.Errorf("%s as %s: got %v, want %d", code, accept, got, status)
			}
		}
	}
	h := newHandler(transport.MultipartConfig{}, hello)
	h.AroundOperations(func(context.Context, graphql.OperationHandler) graphql.ResponseHandler {
		return func(context.Context) *graphql.Response { return nil } // As the executor does when the request was cancelled.
	})
	got := serve(t, h, plain, strings.NewReader(`{"query":"{hello}"}`), "Accept", newer)
	if got.status != 503 || !strings.HasPrefix(got.problem(), "UNAVAILABLE: ") {
		t.Errorf("no response: got %v, want 503 and UNAVAILABLE", got)
	}
}

func TestOtherMethodsAreNamed(t *testing.T) {
	t.Parallel()
	env := newHTTPEnv(t, transport.MultipartConfig{}, hello)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		got := env.do(method, "/", nil)
		if got.status != 405 || got.header.Get("Allow") != "GET, POST, OPTIONS" {
			t.Errorf("%s: got %v with Allow %q, want 405", method, got, got.header.Get("Allow"))
		}
	}
	w := httptest.NewRecorder()
	newHandler(transport.MultipartConfig{}, hello).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/", nil))
	if w.Code != 204 || w.Header().Get("Allow") != "GET, POST, OPTIONS" {
		t.Errorf("OPTIONS: got %d with Allow %q, want 204", w.Code, w.Header().Get("Allow"))
	}
}

func TestTransportsLeaveStreamsToTheOthers(t *testing.T) {
	t.Parallel()
	multipartTransport := transport.NewMultipart(transport.MultipartConfig{})
	cases := []struct {
		accept, upgrade string
		want            bool
	}{
		{"", "", true},
		{"text/event-stream", "", false},
		{"text/event-stream, application/json", "", false},
		{"application/json, text/event-stream", "", true},
		{"application/json;q=0.5, text/event-stream", "", false},
		{"text/event-stream;q=0.5, */*", "", true},
		{"*/*", "", true},
		{"", "websocket", false},
	}
	for _, c := range cases {
		for method, tr := range map[string]graphql.Transport{"GET": transport.GET{}, "POST": transport.POST{}, "FORM": multipartTransport} {
			r, _ := http.NewRequestWithContext(t.Context(), strings.Replace(method, "FORM", "POST", 1), "http://x/", nil)
			r.Header.Set("Accept", c.accept)
			r.Header.Set("Upgrade", c.upgrade)
			if method == "FORM" {
				r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
			}
			if got := tr.Supports(r); got != c.want {
				t.Errorf("%s Accept %q Upgrade %q: got %v, want %v", method, c.accept, c.upgrade, got, c.want)
			}
		}
	}
}

func TestAppendResponseSaysWhatEncodingJSONSays(t *testing.T) {
	t.Parallel()
	failed := gqlerror.List{{Message: `a "b" <c>`, Extensions: map[string]any{"code": "X"}}}
	cases := map[string]*graphql.Response{
		`{"data":{"a":1}}`: {Data: []byte(`{"a":1}`)},
		`{"data":null}`:    {},
		`{"errors":[{"message":"a \"b\" \u003cc\u003e","extensions":{"code":"X"}}],"data":null}`: {Data: []byte(`null`), Errors: failed},
		`{"errors":[{"message":"a \"b\" \u003cc\u003e","extensions":{"code":"X"}}]}`:             {Errors: failed},
		`{"data":{},"extensions":{"cost":1}}`:                                                    {Data: []byte(`{}`), Extensions: map[string]any{"cost": 1}},
	}
	for want, response := range cases {
		if got := string(transport.AppendResponse([]byte("x"), response)); got != "x"+want {
			t.Errorf("got %s, want x%s", got, want)
		}
	}
	got := string(transport.AppendResponse([]byte("x"), &graphql.Response{
		Data: []byte(`{}`), Extensions: map[string]any{"f": func() {}},
	}))
	if !strings.HasPrefix(got, `x{"errors"`) || !json.Valid([]byte(got[1:])) || !strings.Contains(got, "INTERNAL") {
		t.Errorf("got %s, want an INTERNAL error", got)
	}
}
