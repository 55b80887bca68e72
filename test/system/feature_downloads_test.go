package system

import (
	"archive/zip"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const zipURL = `query($id: ID!) { customer(id: $id) { documentsZipUrl } }`

// link asks for the downloadUrl of a document.
func (a actor) link(t testing.TB, document string) string {
	t.Helper()
	return text(a.must(t, readDocument, map[string]any{"id": document}), "document.currentVersion.downloadUrl")
}

// visit gets a URL with headers, without a credential and without following redirects.
func (a actor) visit(t testing.TB, method, url string, header map[string]string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range header {
		req.Header.Set(name, v)
	}
	c := *a.http
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

// wantHarmless holds that no browser shows what was answered, guesses its type, or keeps it.
func wantHarmless(t testing.TB, what string, h http.Header) {
	t.Helper()
	for name, value := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-site",
	} {
		if got := h.Get(name); got != value {
			t.Errorf("%s: %s is %q, want %q", what, name, got, value)
		}
	}
	if csp := h.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("%s: the policy is %q", what, csp)
	}
	if !strings.Contains(h.Get("Cache-Control"), "no-store") {
		t.Errorf("%s: Cache-Control is %q", what, h.Get("Cache-Control"))
	}
}

func wantAttachment(t testing.TB, what string, h http.Header, name string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(h.Get("Content-Disposition"))
	if err != nil || kind != "attachment" || params["filename"] != name {
		t.Errorf("%s: the disposition %q is %s of %q (%v), want an attachment of %q", what, h.Get("Content-Disposition"), kind, params["filename"], err, name)
	}
}

func TestRowA16DocumentsAreDownloadedByShortLinks(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Viewer)
	f := pdf("Vertrag – Müller \"final\".pdf", 50_000)
	f.name = "Vertrag – Müller.pdf"
	document := staff(t, s, auth.Editor).mustUpload(t, staff(t, s, auth.Editor).customer(t, "Müller"), f)
	link := a.link(t, document)
	end, err := strconv.ParseInt(strings.Split(link[strings.LastIndexByte(link, '/')+1:], ".")[0], 10, 64)
	if left := end - time.Now().Unix(); err != nil || left > 300 || left < 200 {
		t.Errorf("the link works for another %d s (%v), want at most 300", left, err)
	}
	head, _ := a.visit(t, http.MethodHead, link, nil)
	if head.StatusCode != http.StatusOK || head.ContentLength != int64(len(f.content)) {
		t.Errorf("HEAD gives %d with %d bytes", head.StatusCode, head.ContentLength)
	}
	wantHarmless(t, "HEAD", head.Header)
	wantAttachment(t, "HEAD", head.Header, f.name)
	first, _ := a.visit(t, http.MethodGet, link, nil)
	if first.StatusCode != http.StatusFound {
		t.Fatalf("the link gives %d, want a redirect", first.StatusCode)
	}
	wantHarmless(t, "the redirect", first.Header)
	at := first.Header.Get("Location")
	get := func(header map[string]string) (*http.Response, []byte) { return a.visit(t, http.MethodGet, at, header) }
	whole, body := get(nil)
	if whole.StatusCode != http.StatusOK || !bytes.Equal(body, f.content) {
		t.Fatalf("the content is %d with %d bytes", whole.StatusCode, len(body))
	}
	wantHarmless(t, "the content", whole.Header)
	wantAttachment(t, "the content", whole.Header, f.name)
	etag := whole.Header.Get("ETag")
	for _, c := range []struct {
		header map[string]string
		status int
		want   []byte
	}{
		{map[string]string{"Range": "bytes=0-99"}, http.StatusPartialContent, f.content[:100]},
		{map[string]string{"Range": "bytes=49000-"}, http.StatusPartialContent, f.content[49_000:]},
		{map[string]string{"Range": "bytes=-10"}, http.StatusPartialContent, f.content[49_990:]},
		{map[string]string{"Range": "bytes=50000-"}, http.StatusRequestedRangeNotSatisfiable, nil},
		{map[string]string{"Range": "bytes=49000-", "If-Range": etag}, http.StatusPartialContent, f.content[49_000:]},
		{map[string]string{"Range": "bytes=49000-", "If-Range": `"another"`}, http.StatusOK, f.content},
	} {
		part, body := get(c.header)
		if part.StatusCode != c.status || c.want != nil && !bytes.Equal(body, c.want) {
			t.Errorf("%v gives %d with %d bytes, want %d with %d", c.header, part.StatusCode, len(body), c.status, len(c.want))
		}
		if c.want != nil { // the answer of net/http to a range that is not there has nothing in it
			wantHarmless(t, fmt.Sprint(c.header), part.Header)
		}
	}
}

// TestRowA16ALinkEndsWithTheRightOfItsHolder shows that a link is nothing by itself: whoever made it must still be allowed to.
func TestRowA16ALinkEndsWithTheRightOfItsHolder(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	admin, viewer := staff(t, s, auth.Admin), staff(t, s, auth.Viewer)
	customer := admin.customer(t, "Held")
	document := admin.mustUpload(t, customer, pdf("a.pdf", 3000))
	account := text(admin.must(t, `{ account { id } }`, nil), "account.id")
	printed := s.Key(t, account, "read")
	machine := newActor(s, printed)
	links := map[string]string{"of the person": viewer.link(t, document), "of the key": machine.link(t, document)}
	if links["of the person"] == links["of the key"] {
		t.Error("two principals have the same link")
	}
	status := func(url string) (int, string) {
		resp, body := admin.visit(t, http.MethodGet, url, nil)
		return resp.StatusCode, string(body)
	}
	for who, url := range links {
		if code, _ := status(url); code != http.StatusFound {
			t.Errorf("the link %s gives %d", who, code)
		}
	}
	exec(t, db, `UPDATE staff_user SET disabled_at = now() WHERE subject = 'viewer'`)
	admin.must(t, `mutation($id: ID!) { apiKeyRevoke(id: $id) { userErrors { message } } }`, map[string]any{"id": "key_" + strings.Split(printed, "_")[1]})
	_, forged := status(links["of the key"][:len(links["of the key"])-2] + "AA")
	for who, url := range links {
		eventually(t, 6*time.Second, func() error {
			if code, body := status(url); code != http.StatusNotFound || body != forged {
				return fmt.Errorf("the link %s gives %d %q", who, code, body)
			}
			return nil
		})
	}
	if got := admin.trail(t, map[string]any{"outcome": "DENIED", "actions": []string{"DOCUMENT_DOWNLOADED"}}); len(got) != 2 {
		t.Errorf("the denials are %v, want one for each", got)
	}
}

func TestRowA14AllDocumentsOfACustomerComeAsOneZIP(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	admin, editor := staff(t, s, auth.Admin), staff(t, s, auth.Editor)
	customer := editor.customer(t, "Zipped")
	want := map[string][]byte{}
	for i := range 12 {
		f := pdf("scan.pdf", 20_000+i)
		editor.mustUpload(t, customer, f)
		name := "General/scan.pdf"
		if i > 0 {
			name = fmt.Sprintf("General/scan (%d).pdf", i+1)
		}
		want[name] = f.content
	}
	editor.mustUpload(t, editor.customer(t, "Another"), pdf("not-in-it.pdf", 1000))
	url := text(editor.must(t, zipURL, map[string]any{"id": customer}), "customer.documentsZipUrl")
	resp, content := editor.visit(t, http.MethodGet, url, map[string]string{"Range": "bytes=100-"})
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/zip" {
		t.Fatalf("the link gives %d %s %q", resp.StatusCode, resp.Header.Get("Content-Type"), content[:min(200, len(content))])
	}
	wantHarmless(t, "the ZIP", resp.Header)
	wantAttachment(t, "the ZIP", resp.Header, "Zipped documents.zip")
	got := unzip(t, content)
	for name, b := range want {
		if !bytes.Equal(got[name], b) {
			t.Errorf("%s has %d bytes, want %d", name, len(got[name]), len(b))
		}
	}
	if len(got) != len(want)+1 || !strings.Contains(string(got["_contents.txt"]), "Documents in this ZIP: 12") {
		t.Errorf("the ZIP has %d files, the list says %q", len(got), got["_contents.txt"])
	}
	head, _ := editor.visit(t, http.MethodHead, url, nil)
	wantHarmless(t, "HEAD", head.Header)
	wantAttachment(t, "HEAD", head.Header, "Zipped documents.zip")
	records := admin.trail(t, map[string]any{"actions": []string{"DOCUMENTS_DOWNLOADED"}})
	if len(records) != 1 || text(records[0], "customer.id") != customer || text(records[0], "actor.displayName") != "Test editor" {
		t.Errorf("the records of the download are %v, want one", records)
	}
	for name, bad := range map[string]string{
		"forged": url[:len(url)-2] + "AA", "of a document": strings.Replace(editor.link(t, text(documentsOf(t, editor, customer)[0], "id")), "/files/", "/archives/", 1),
	} {
		if resp, _ := editor.visit(t, http.MethodGet, bad, nil); resp.StatusCode != http.StatusNotFound {
			t.Errorf("a link that is %s gives %d", name, resp.StatusCode)
		}
	}

	// Bytes that are lost in the middle: what has arrived must not look whole.
	keys, _ := objects(t, s.DataDir)
	lost := filepath.Join(s.DataDir, "blobs", keys[6][:36], keys[6][37:39], keys[6][37:])
	if err := os.Remove(lost); err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	broken, err := editor.http.Do(req)
	if err != nil {
		return // cut off before its head was sent
	}
	defer broken.Body.Close()
	if b, err := io.ReadAll(broken.Body); err == nil {
		t.Errorf("a ZIP without one of its documents ends well, with %d bytes", len(b))
	}
}

func documentsOf(t testing.TB, a actor, customer string) []any {
	t.Helper()
	return list(a.must(t, `query($id: ID!) { customer(id: $id) { documents(first: 100) { nodes { id } } } }`, map[string]any{"id": customer}), "customer.documents.nodes")
}

func unzip(t testing.TB, content []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range r.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(rc); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestRowA14AZIPOfAThousandDocumentsTakesLittleMemory downloads 400 MB in a thousand documents, several times at once.
func TestRowA14AZIPOfAThousandDocumentsTakesLittleMemory(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	editor := staff(t, s, auth.Editor)
	customer := editor.customer(t, "Heavy")
	const documents, size = 1000, 400_000
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails
	copy(content, "%PDF-1.4\n")
	const perRequest = 25
	var group sync.WaitGroup
	for worker := range 2 {
		group.Go(func() {
			for range documents / perRequest / 2 {
				files := make([]file, perRequest)
				for i := range files {
					files[i] = file{name: fmt.Sprintf("scan %d.pdf", worker), contentType: "application/pdf", content: content}
				}
				r, err := editor.upload(t.Context(), customer, "", files...)
				if err != nil || len(codes(r)) > 0 {
					t.Errorf("%v %v %v", err, r.Errors, userErrors(r))
					return
				}
			}
		})
	}
	group.Wait()
	if err := s.Terminate(t); err != nil { // what the uploads took must not hide what the ZIPs take
		t.Fatal(err)
	}
	s.Restart(t)
	editor = staff(t, s, auth.Editor)
	editor.customer(t, "Warm")
	before := procNumber(t, s, "status", "VmRSS")
	url := text(editor.must(t, zipURL, map[string]any{"id": customer}), "customer.documentsZipUrl")
	peak, stop := watchMemory(t, s)
	sizes := make([]int64, 4)
	for i := range sizes {
		group.Go(func() {
			resp, err := editor.http.Get(url) //nolint:noctx // it ends with the test's server
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if sizes[i], err = io.Copy(sha256.New(), resp.Body); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	stop()
	if before < 0 {
		t.Skip("this system does not say how much memory a process takes")
	}
	grown := (peak() - before) >> 10
	t.Logf("4 ZIPs at once, each of %d documents and %d MB: memory grew by %d MiB, from %d", documents, sizes[0]/1_000_000, grown, before>>10)
	if slices.Min(sizes) < documents*size {
		t.Errorf("the ZIPs have %v bytes", sizes)
	}
	if grown > 64 && !apitest.Raced() {
		t.Errorf("memory grew by %d MiB, want at most 64", grown)
	}
}

// watchMemory gives the most memory that the program takes, in KiB, from now until stop.
func watchMemory(t testing.TB, s *apitest.Server) (peak func() int64, stop func()) {
	t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	most := int64(-1)
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, procNumber(t, s, "status", "VmRSS"))
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { return most }, func() { close(done); <-ended }
}
