package system

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// form is a multipart body that is written part by part, so that each part can be wrong.
type form struct {
	boundary string
	b        bytes.Buffer
}

func newForm() *form { return &form{boundary: "----" + canary} }

// part adds a part with these headers.
func (f *form) part(headers string, content string) *form {
	fmt.Fprintf(&f.b, "--%s\r\n%s\r\n\r\n%s\r\n", f.boundary, headers, content)
	return f
}

func (f *form) field(name, content string) *form {
	return f.part(`Content-Disposition: form-data; name="`+name+`"`, content)
}

func (f *form) file(name, fileName, content string) *form {
	return f.part(`Content-Disposition: form-data; name="`+name+`"; filename="`+fileName+`"`+"\r\nContent-Type: application/pdf", content)
}

func (f *form) raw(s string) *form {
	f.b.WriteString(s)
	return f
}

// end closes the body.
func (f *form) end() string { return f.b.String() + "--" + f.boundary + "--\r\n" }

// cutOff is the body without its end.
func (f *form) cutOff() string { return f.b.String() }

// formCase is a multipart request that must be refused.
type formCase struct {
	name string
	body string
	// contentType, when it is not multipart/form-data with the boundary.
	contentType string
	code        string
}

const pdfText = "%PDF-1.4\n" + canary

// operations of a form: one file, one customer.
func formOperations(customer, files string) string {
	return fmt.Sprintf(`{"query": %q, "variables": {"input": {"customerId": %q}, "files": %s}}`, uploadDocument, customer, files)
}

// formCases are the mistakes that graphql-upload's tests name, and others.
func formCases(customer string) []formCase {
	ops := formOperations(customer, "[null]")
	const one = `{"1": ["variables.files.0"]}`
	start := func() *form { return newForm().field("operations", ops) }
	whole := func() *form { return start().field("map", one) }
	return []formCase{
		{"no parts", newForm().end(), "", "BAD_USER_INPUT"},
		{"nothing at all", "", "", "BAD_USER_INPUT"},
		{"no boundary in the type", whole().file("1", "a.pdf", pdfText).end(), "multipart/form-data", "BAD_USER_INPUT"},
		{"a boundary that is too long", whole().end(), "multipart/form-data; boundary=" + strings.Repeat("b", 71), "BAD_USER_INPUT"},
		{"another boundary", whole().file("1", "a.pdf", pdfText).end(), "multipart/form-data; boundary=other", "BAD_USER_INPUT"},
		{"missing operations", newForm().field("map", one).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"operations are no JSON", newForm().field("operations", "{"+canary).field("map", one).end(), "", "BAD_USER_INPUT"},
		{"operations are a text", newForm().field("operations", `"`+canary+`"`).field("map", one).end(), "", "BAD_USER_INPUT"},
		{"operations are a list", newForm().field("operations", "["+ops+"]").field("map", one).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"operations twice", start().field("operations", ops).field("map", one).end(), "", "BAD_USER_INPUT"},
		{"operations are too large", newForm().field("operations", strings.Repeat(canary, 40_000)).end(), "", "PAYLOAD_TOO_LARGE"},
		{"missing map", start().end(), "", "BAD_USER_INPUT"},
		{"map before operations", newForm().field("map", one).field("operations", ops).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"file before map", start().file("1", "a.pdf", pdfText).field("map", one).end(), "", "BAD_USER_INPUT"},
		{"map is no JSON", start().field("map", "{"+canary).end(), "", "BAD_USER_INPUT"},
		{"map is a text", start().field("map", `"`+canary+`"`).end(), "", "BAD_USER_INPUT"},
		{"map is a list", start().field("map", `[]`).end(), "", "BAD_USER_INPUT"},
		{"map is null", start().field("map", `null`).end(), "", "BAD_USER_INPUT"},
		{"map entry is a text", start().field("map", `{"1": "variables.files.0"}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"map entry holds a number", start().field("map", `{"1": [0]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"map entry is empty", start().field("map", `{"1": []}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"map is too large", start().field("map", `{"`+strings.Repeat(canary, 3000)+`": ["variables.files.0"]}`).end(), "", "PAYLOAD_TOO_LARGE"},
		{"map twice", whole().field("map", one).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"path outside of the variables", start().field("map", `{"1": ["query"]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"path to nothing", start().field("map", `{"1": ["variables.`+canary+`.x.y"]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"path beyond the list", start().field("map", `{"1": ["variables.files.7"]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"path to a negative place", start().field("map", `{"1": ["variables.files.-1"]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"path to a value", start().field("map", `{"1": ["variables.input.customerId"]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"path to a prototype", start().field("map", `{"1": ["variables.__proto__.x"]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"two files for one place", start().field("map", `{"1": ["variables.files.0"], "2": ["variables.files.0"]}`).file("1", "a.pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"too many files", manyFiles(customer, 51), "", "PAYLOAD_TOO_LARGE"},
		{"missing file", whole().end(), "", "BAD_USER_INPUT"},
		{"a file that the map does not name", whole().file("2", canary, pdfText).end(), "", "BAD_USER_INPUT"},
		{"a part without a disposition", whole().part("Content-Type: application/pdf", pdfText).end(), "", "BAD_USER_INPUT"},
		{"a part with a broken header", whole().part(canary, pdfText).end(), "", "BAD_USER_INPUT"},
		{"an encoded file", whole().part(`Content-Disposition: form-data; name="1"; filename="a.pdf"`+"\r\nContent-Transfer-Encoding: base64", "JVBERi0=").end(), "", "BAD_USER_INPUT"},
		{"headers without an end", whole().raw("------" + canary + "\r\nX: " + strings.Repeat(canary, 40_000)).cutOff(), "", "BAD_USER_INPUT"},
		{"cut off in operations", newForm().raw("------" + canary + "\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{\"query").cutOff(), "", "BAD_USER_INPUT"},
		{"cut off in the headers of the file", whole().raw("------" + canary + "\r\nContent-Dispo").cutOff(), "", "BAD_USER_INPUT"},
		{"cut off in the file", whole().raw("------" + canary + "\r\nContent-Disposition: form-data; name=\"1\"; filename=\"a.pdf\"\r\n\r\n" + pdfText).cutOff(), "", ""},
		{"cut off in the last boundary", strings.TrimSuffix(whole().file("1", "a.pdf", pdfText).end(), canary+"--\r\n"), "", ""},
		{"an empty file", whole().file("1", canary, "").end(), "", "BAD_USER_INPUT"},
		{"a file of a wrong type", whole().file("1", canary+".pdf", "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff"+canary).end(), "", "UNSUPPORTED_MEDIA_TYPE"},
		{"a file name that is too long", whole().file("1", strings.Repeat(canary, 40), pdfText).end(), "", "BAD_USER_INPUT"},
		{"unknown field in the operation", newForm().field("operations", `{"query": "mutation { `+canary+` }", "variables": {"files": [null]}}`).field("map", one).file("1", "a.pdf", pdfText).end(), "", "GRAPHQL_VALIDATION_FAILED"},
		{"a file for a text", newForm().field("operations", `{"query": "query($id: ID!) { customer(id: $id) { id } }", "variables": {"id": null}}`).
			field("map", `{"1": ["variables.id"]}`).file("1", "a.pdf", pdfText).end(), "", ""},
	}
}

func manyFiles(customer string, n int) string {
	nulls, places := make([]string, n), make([]string, n)
	for i := range n {
		nulls[i], places[i] = "null", fmt.Sprintf(`"%d": ["variables.files.%d"]`, i, i)
	}
	f := newForm().field("operations", formOperations(customer, "["+strings.Join(nulls, ",")+"]")).field("map", "{"+strings.Join(places, ",")+"}")
	for i := range n {
		f.file(fmt.Sprint(i), canary+".pdf", pdfText)
	}
	return f.end()
}

// TestMalformedUploadsStoreNothing is row 32 of hardening.md.
func TestMalformedUploadsStoreNothing(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--log-level=debug", "--upload-lease=2s")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Malformed")
	db := database(t, s)
	account := scalar[string](t, db, `SELECT id::text FROM account`)
	before := fingerprint(t, db, account)
	cases := formCases(customer)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { //nolint:paralleltest // one log is looked at in the end
			for _, chunked := range []bool{false, true} {
				wantRefusedForm(t, a, c, chunked)
			}
		})
	}
	wantNoUpload(t, db, s, account, before)
	wantQuietLog(t, s)
	t.Logf("%d malformed bodies, each with and without Content-Length", len(cases))

	inputs := fuzzForms(t, a, customer, time.Duration(full(60, 3))*time.Second)
	wantInvariants(t, db, s.DataDir)
	if out := s.Output(); strings.Contains(out, `"panic"`) || strings.Contains(out, `"level":"ERROR"`) {
		t.Errorf("a mutated body led to an error of the server: %s", out[max(0, strings.Index(out, `"level":"ERROR"`)):])
	}
	t.Logf("%d mutated bodies", inputs)
}

func wantRefusedForm(t *testing.T, a actor, c formCase, chunked bool) {
	t.Helper()
	contentType := c.contentType
	if contentType == "" {
		contentType = "multipart/form-data; boundary=----" + canary
	}
	r, err := a.sendForm(t.Context(), contentType, []byte(c.body), chunked)
	if err != nil {
		t.Errorf("chunked %v: %v", chunked, err)
		return
	}
	got := codes(r)
	if len(got) == 0 || got[0] == "INTERNAL" || c.code != "" && got[0] != c.code {
		t.Errorf("chunked %v: status %d %v (%v %v), want %s", chunked, r.Status, got, r.Errors, userErrors(r), c.code)
	} else if !chunked {
		t.Logf("status %d, %v: %v %v", r.Status, got, r.Errors, userErrors(r))
	}
}

func (a actor) sendForm(ctx context.Context, contentType string, body []byte, chunked bool) (apitest.Result, error) {
	var src io.Reader = bytes.NewReader(body)
	if chunked {
		src = io.MultiReader(src)
	}
	req, err := a.post(ctx, contentType, src)
	if err != nil {
		return apitest.Result{}, err
	}
	req.Header.Set("GraphQL-Require-Preflight", "1")
	return a.send(req)
}

// wantNoUpload waits for the sweeper, then compares everything but the attempts, which are kept as FAILED.
func wantNoUpload(t *testing.T, db *pgxpool.Pool, s *apitest.Server, account string, before map[string]string) {
	t.Helper()
	wantInvariants(t, db, s.DataDir)
	after := fingerprint(t, db, account)
	for _, table := range []string{"upload", "garbage"} {
		delete(before, table)
	}
	wantUnchanged(t, "a malformed upload", before, after)
	if keys, _ := objects(t, s.DataDir); len(keys) > 0 {
		t.Errorf("%d objects are stored", len(keys))
	}
}

// fuzzForms sends mutations of a good body for so long. Whatever is stored then was a well-formed upload.
func fuzzForms(t *testing.T, a actor, customer string, d time.Duration) int {
	t.Helper()
	good := newForm().field("operations", formOperations(customer, "[null, null]")).
		field("map", `{"1": ["variables.files.0"], "2": ["variables.files.1"]}`).
		file("1", "a.pdf", pdfText).file("2", "b.pdf", pdfText+strings.Repeat("x", 5000)).end()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	counts := make([]int, 4)
	var group sync.WaitGroup
	for i := range counts {
		group.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 7))
			for ; ctx.Err() == nil; counts[i]++ {
				body := mutate(rnd, []byte(good))
				r, err := a.sendForm(t.Context(), "multipart/form-data; boundary=----"+canary, body, rnd.IntN(2) == 0)
				if err != nil || slices.Contains(codes(r), "INTERNAL") {
					t.Errorf("status %d %v %v for %q", r.Status, r.Errors, err, body)
					return
				}
			}
		})
	}
	group.Wait()
	n := 0
	for _, c := range counts {
		n += c
	}
	return n
}

// mutate changes a body in a few places.
func mutate(rnd *rand.Rand, b []byte) []byte {
	b = slices.Clone(b)
	for range 1 + rnd.IntN(4) {
		if len(b) < 2 {
			return b
		}
		at := rnd.IntN(len(b))
		to := min(len(b), at+1+rnd.IntN(64))
		switch rnd.IntN(6) {
		case 0:
			b[at] ^= 1 << rnd.IntN(8)
		case 1:
			b = slices.Delete(b, at, to)
		case 2:
			b = slices.Insert(b, at, b[at:to]...)
		case 3:
			b = b[:at]
		case 4:
			b = slices.Insert(b, at, []byte("\r\n------"+canary+"\r\n")...)
		default:
			b = slices.Insert(b, at, []byte("\r\n------"+canary+"--")...)
		}
	}
	return b
}

// TestABoundaryMayStandAnywhere uploads what looks like the boundary, in pieces of every size: nothing may be taken for
// the end of the file, and nothing of the file be lost.
func TestABoundaryMayStandAnywhere(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Boundary")
	content := pdfText
	mark := "\r\n------" + canary
	for i := range mark {
		content += mark[:i+1-btoi(i == len(mark)-1)] + "\x00"
	}
	f := file{name: "boundary.pdf", contentType: "application/pdf", content: []byte(content)}
	body := newForm().field("operations", formOperations(customer, "[null]")).field("map", `{"1": ["variables.files.0"]}`).
		file("1", f.name, content).end()
	head := fmt.Sprintf("POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nGraphQL-Require-Preflight: 1\r\n"+
		"Content-Type: multipart/form-data; boundary=----%s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", a.token, canary, len(body))
	for _, piece := range []int{1, 7, len(mark) - 1, len(mark), len(mark) + 1} {
		conn := dialRaw(t, s)
		send := head + body
		at := len(head) + strings.Index(body, pdfText) // the pieces matter from the file on
		if _, err := io.WriteString(conn, send[:at]); err != nil {
			t.Fatal(err)
		}
		for ; at < len(send); at += piece {
			if _, err := io.WriteString(conn, send[at:min(len(send), at+piece)]); err != nil {
				t.Fatal(err)
			}
		}
		r := readRaw(t, conn)
		if got := text(r.Data, "documentUpload.results.0.document.currentVersion.sha256"); got != f.sha256() {
			t.Errorf("in pieces of %d bytes the SHA-256 is %q (%v %v), want %s", piece, got, r.Errors, userErrors(r), f.sha256())
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// dialRaw opens a TCP connection that is closed with the test.
func dialRaw(t testing.TB, s *apitest.Server) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T", conn)
	}
	_ = tcp.SetNoDelay(true)
	return tcp
}
