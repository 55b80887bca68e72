package system

import (
	"bytes"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/typeid"
	"dossier/test/hostile"
)

// harmlessTypes are what a browser may be told that a content is: nothing in it runs, whatever it is in truth.
var harmlessTypes = []string{"application/octet-stream", "application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp"}

var objectKey = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[0-9a-f]{32}$`)

// TestHostileFilesAreRefusedOrStoredSafely uploads the corpus in both ways that a client has. Each file is refused with a
// reason, or it comes down again byte for byte, as an attachment that no browser shows, under the name that the API says.
func TestHostileFilesAreRefusedOrStoredSafely(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Hostile")
	stored, refused := 0, 0
	for i, f := range hostile.Files() {
		for _, way := range []string{"streamed", "direct"} {
			what := fmt.Sprintf("file %d, %.40q, %s", i+1, f.Name, way)
			var document any
			var r apitest.Result
			if way == "streamed" {
				r = a.uploadNamed(t, customer, f)
				document = at(r.Data, "documentUpload.results.0.document")
			} else {
				r = a.uploadDirect(t, customer, f)
				document = at(r.Data, "documentUploadComplete.document")
			}
			if document == nil {
				refused++
				wantClearRefusal(t, what, r)
				continue
			}
			stored++
			a.wantServedSafely(t, what, text(document, "id"), f.Content)
		}
	}
	t.Logf("%d stored, %d refused", stored, refused)
	if stored < 20 || refused < 20 {
		t.Errorf("%d are stored and %d refused: the test shows nothing", stored, refused)
	}
	keys, _ := objects(t, s.DataDir)
	for _, key := range keys {
		if !objectKey.MatchString(key) {
			t.Errorf("the object key %q has something in it that is no random id", key)
		}
	}
	for _, table := range []string{"document_version", "upload"} {
		if n := scalar[int64](t, db, `SELECT count(*) FROM `+table+` WHERE object_key !~ '^[0-9a-f-]{36}/[0-9a-f]{32}$'`); n != 0 {
			t.Errorf("%d keys in %s are not random", n, table)
		}
	}
	wantInvariants(t, db, s.DataDir)

	// All of them in a ZIP: names that stay in the folder that they are unpacked into.
	url := text(a.must(t, zipURL, map[string]any{"id": customer}), "customer.documentsZipUrl")
	resp, content := a.visit(t, http.MethodGet, url, nil)
	wantHarmless(t, "the ZIP", resp.Header)
	files := unzip(t, content)
	if len(files) != stored+1 {
		t.Errorf("the ZIP has %d files, want %d", len(files), stored+1)
	}
	for name := range files {
		clean := filepath.ToSlash(filepath.Clean(name))
		if clean != name || !filepath.IsLocal(name) || strings.ContainsAny(name, "\\:\x00\r\n\u202e") || !utf8.ValidString(name) || len(name) > 255 {
			t.Errorf("the ZIP has the name %q", name)
		}
	}
}

// TestWhatSlipsThroughIsServedSafely puts each file of the corpus into the store past all checks, as text/html: the checks
// are one wall, and how contents are served is another.
func TestWhatSlipsThroughIsServedSafely(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Planted")
	account := uuid.MustParse(uuidOf(t, text(a.must(t, `{ account { id } }`, nil), "account.id")))
	safe := 0
	for i, f := range hostile.Files() {
		document := a.mustUpload(t, customer, pdf(fmt.Sprintf("%d.pdf", i), 1000))
		mediaType := []string{"text/html", "image/svg+xml", "application/javascript"}[i%3]
		err := hostile.Plant(t.Context(), db, filepath.Join(s.DataDir, "blobs"), account, uuid.MustParse(uuidOf(t, document)), f, mediaType)
		if err != nil {
			t.Fatal(err)
		}
		if a.wantServedSafely(t, fmt.Sprintf("file %d, %.40q", i+1, f.Name), document, f.Content) {
			safe++
		}
	}
	t.Logf("%d of %d are served as attachments, with nosniff and a sandbox", safe, hostile.Size)
}

// uploadNamed streams a file whose name stands in the request as a browser writes it.
func (a actor) uploadNamed(t testing.TB, customer string, f hostile.File) apitest.Result {
	t.Helper()
	name := strings.NewReplacer(`"`, "%22", "\r", "%0D", "\n", "%0A").Replace(f.Name)
	r, err := a.upload(t.Context(), customer, "", file{name: name, contentType: "text/html", content: f.Content})
	if err != nil {
		t.Fatalf("%.40q: %v", f.Name, err)
	}
	return r
}

// uploadDirect sends a file to the object store itself.
func (a actor) uploadDirect(t testing.TB, customer string, f hostile.File) apitest.Result {
	t.Helper()
	r := a.do(t, `mutation($input: DocumentUploadBeginInput!) { documentUploadBegin(input: $input) {
		uploadSession { id uploadUrl uploadMethod uploadHeaders { name value } } `+errorFields+` } }`,
		map[string]any{"input": map[string]any{"customerId": customer, "fileName": strings.ToValidUTF8(f.Name, "\uFFFD"), "sizeBytes": len(f.Content)}})
	session := at(r.Data, "documentUploadBegin.uploadSession")
	if session == nil {
		return r
	}
	req, err := http.NewRequestWithContext(t.Context(), text(session, "uploadMethod"), text(session, "uploadUrl"), bytes.NewReader(f.Content))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list(session, "uploadHeaders") {
		req.Header.Set(text(h, "name"), text(h, "value"))
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return a.do(t, `mutation($id: ID!) { documentUploadComplete(uploadSessionId: $id) { document { id }`+errorFields+` } }`,
		map[string]any{"id": text(session, "id")})
}

// wantClearRefusal holds that a client is told what is wrong.
func wantClearRefusal(t testing.TB, what string, r apitest.Result) {
	t.Helper()
	expected := []string{"BAD_USER_INPUT", "UNSUPPORTED_MEDIA_TYPE", "PAYLOAD_TOO_LARGE", "REQUIRED"}
	found := codes(r)
	if len(found) == 0 || !slices.Contains(expected, found[0]) {
		t.Errorf("%s is refused with %v: %v %v", what, found, r.Errors, userErrors(r))
	}
	for _, e := range userErrors(r) {
		if len(text(e, "message")) < 20 {
			t.Errorf("%s is refused with the message %q", what, text(e, "message"))
		}
	}
}

// wantServedSafely downloads a document and looks at what a browser would be told.
func (a actor) wantServedSafely(t testing.TB, what, document string, content []byte) bool {
	t.Helper()
	failed := t.Failed()
	data := a.must(t, `query($id: ID!) { document(id: $id) { title currentVersion { fileName downloadUrl } } }`, map[string]any{"id": document})
	name, link := text(data, "document.currentVersion.fileName"), text(data, "document.currentVersion.downloadUrl")
	if _, err := typeid.ParseAs(typeid.Document, document); err != nil || name == "" || !utf8.ValidString(name) || strings.ContainsAny(name, `/\`) ||
		strings.ContainsFunc(name, func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
		}) {
		t.Errorf("%s is called %q", what, name)
	}
	first, _ := a.visit(t, http.MethodGet, link, nil)
	wantHarmless(t, what+": the redirect", first.Header)
	second, body := a.visit(t, http.MethodGet, first.Header.Get("Location"), nil)
	wantHarmless(t, what, second.Header)
	wantAttachment(t, what, second.Header, name)
	if contentType := second.Header.Get("Content-Type"); !slices.Contains(harmlessTypes, contentType) {
		t.Errorf("%s is served as %s", what, contentType)
	}
	if second.StatusCode != http.StatusOK || !bytes.Equal(body, content) {
		t.Errorf("%s comes down as %d with %d bytes, want %d", what, second.StatusCode, len(body), len(content))
	}
	if len(second.Header.Values("Set-Cookie"))+len(second.Header.Values("X-Injected")) > 0 || len(second.Header.Values("Content-Type")) != 1 {
		t.Errorf("%s: the name has made headers: %v", what, second.Header)
	}
	return failed || !t.Failed()
}
