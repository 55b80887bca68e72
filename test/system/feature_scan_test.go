package system

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/clamd/clamdtest"
)

const readScan = `query($id: ID!) { document(id: $id) { version status
	currentVersion { id downloadUrl previewUrl thumbnailUrl scanStatus scannedAt scanSignature scanProblem previewState } } }`

// state is what a client sees of a document's content.
func (a actor) state(t testing.TB, document string) any {
	t.Helper()
	return at(a.must(t, readScan, map[string]any{"id": document}), "document")
}

// awaitScan asks until a content has the status. Until it is good nothing of it may be offered.
func (a actor) awaitScan(t testing.TB, document, status string, limit time.Duration) (doc any, took time.Duration) {
	t.Helper()
	begun := time.Now()
	eventually(t, limit, func() error {
		doc = a.state(t, document)
		got := text(doc, "currentVersion.scanStatus")
		for _, field := range []string{"downloadUrl", "previewUrl", "thumbnailUrl"} {
			if got != "CLEAN" && got != "NOT_SCANNED" && at(doc, "currentVersion."+field) != nil {
				t.Fatalf("a content that is %s has a %s", got, field)
			}
		}
		if got != status {
			return fmt.Errorf("it is %s, want %s: %v", got, status, doc)
		}
		return nil
	})
	return doc, time.Since(begun)
}

func zipped(name string, content []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, _ := w.Create(name) // never fails in memory
	_, _ = f.Write(content)
	_ = w.Close()
	return b.Bytes()
}

// docx is a document of Word as far as anybody looks.
func docx(name string, content []byte) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, part := range []struct {
		name    string
		content []byte
	}{
		{"[Content_Types].xml", []byte(`<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"></Types>`)},
		{"_rels/.rels", []byte(`<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"></Relationships>`)},
		{"word/document.xml", []byte(`<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"></w:document>`)},
		{name, content},
	} {
		f, _ := w.Create(part.name) // never fails in memory
		_, _ = f.Write(part.content)
	}
	_ = w.Close()
	return b.Bytes()
}

func tarball(name string, content []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o600}) // never fails in memory
	_, _ = w.Write(content)
	_, _ = w.Close(), z.Close()
	return b.Bytes()
}

func mail(name string, content []byte) []byte {
	return []byte("From: a@example.com\r\nTo: b@example.com\r\nSubject: Your invoice\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\nSee attachment.\r\n--x\r\n" +
		"Content-Type: application/octet-stream; name=\"" + name + "\"\r\nContent-Transfer-Encoding: base64\r\n" +
		"Content-Disposition: attachment; filename=\"" + name + "\"\r\n\r\n" + base64.StdEncoding.EncodeToString(content) + "\r\n--x--\r\n")
}

// TestMalwareIsNeverAvailableInAnyWrapping is row 24 of hardening.md, through a real clamd.
func TestMalwareIsNeverAvailableInAnyWrapping(t *testing.T) {
	t.Parallel()
	system(t)
	daemon := clamdtest.Start(t)
	s := apitest.Start(t, 0, "--clamd="+daemon.Address)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Wrapped")
	live, err := dialWS(t.Context(), a, `subscription($customer: ID!, $after: EventCursor) { documentEvents(customerId: $customer, after: $after) {
		__typename cursor ... on EventDelivery { prevSeq event { id seq type customer { id } } } } }`, map[string]any{"customer": customer, "after": head(t, a)})
	if err != nil {
		t.Fatal(err)
	}
	defer live.cut()
	eicar := clamdtest.EICAR()
	infected := 0
	for _, f := range []file{
		{"eicar.txt", "text/plain", eicar},
		{"invoice.pdf", "application/pdf", eicar},
		{"scan.pdf", "application/pdf", slices.Concat(pdf("", 2000).content, eicar)},
		{"eicar.zip", "application/zip", zipped("a/eicar.com", eicar)},
		{"eicar.tar.gz", "application/gzip", tarball("eicar.com", eicar)},
		{"letter.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", docx("word/media/image1.bin", eicar)},
		{"mail.eml", "message/rfc822", mail("eicar.com", eicar)},
		{"photo.png", "image/png", slices.Concat(picture("", 300, 200).content, eicar)},
	} {
		r, err := a.upload(t.Context(), customer, "", f)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Equal(codes(r), []string{"UNSUPPORTED_MEDIA_TYPE"}) || slices.Equal(codes(r), []string{"BAD_USER_INPUT"}) {
			t.Logf("%s is refused: %v", f.name, userErrors(r))
			continue
		}
		wantSuccess(t, f.name, r)
		infected++
		id := text(r.Data, "documentUpload.results.0.document.id")
		doc, _ := a.awaitScan(t, id, "INFECTED", 20*time.Second)
		if text(doc, "status") != "QUARANTINED" || text(doc, "currentVersion.scanSignature") != clamdtest.Signature || text(doc, "currentVersion.scannedAt") == "" {
			t.Errorf("%s: %v", f.name, doc)
		}
		r = a.do(t, `mutation($id: ID!, $v: Int!) { documentArchive(id: $id, expectedVersion: $v) { document { id }`+errorFields+` } }`,
			map[string]any{"id": id, "v": number(doc, "version")})
		if got := codes(r); !slices.Equal(got, []string{"CONFLICT"}) {
			t.Errorf("%s: archived: %v", f.name, got)
		}
	}
	if infected < 6 {
		t.Errorf("only %d wrappings were accepted, which shows nothing of the others", infected)
	}
	wantEvent(t, live, "DOCUMENT_QUARANTINED")

	// What is good passes, soon, and heals a document that was held back.
	f := pdf("good.pdf", 400<<10)
	id := a.mustUpload(t, customer, f)
	_, took := a.awaitScan(t, id, "CLEAN", 20*time.Second)
	t.Logf("a good file of 400 kB is available %s after its upload was answered", took.Round(time.Millisecond))
	if took > 5*time.Second {
		t.Errorf("a good file is available after %s", took)
	}
	a.wantContent(t, id, f.sha256())
	wantEvent(t, live, "DOCUMENT_AVAILABLE")
	var bad string
	for _, doc := range list(a.must(t, `query($id: ID!) { customer(id: $id) { documents(where: {status: [QUARANTINED]}) { nodes { id } } } }`, map[string]any{"id": customer}), "customer.documents.nodes") {
		bad = text(doc, "id")
	}
	r, err := a.sendMultipart(t.Context(), replaceDocument, map[string]any{"id": bad, "version": 2, "file": nil}, []string{"variables.file"}, []file{f})
	if err != nil {
		t.Fatal(err)
	}
	wantSuccess(t, "documentReplace", r)
	doc, _ := a.awaitScan(t, bad, "CLEAN", 20*time.Second)
	if text(doc, "status") != "ACTIVE" {
		t.Errorf("with a good content it is %v", doc)
	}
	a.wantContent(t, bad, f.sha256())
	first := at(a.must(t, `query($id: ID!) { document(id: $id) { versions(last: 1) { nodes { scanStatus downloadUrl } } } }`, map[string]any{"id": bad}), "document.versions.nodes.0")
	if text(first, "scanStatus") != "INFECTED" || at(first, "downloadUrl") != nil {
		t.Errorf("the content that is infected: %v", first)
	}
	wantInvariants(t, db, s.DataDir)
}

// TestWithoutItsScannerNothingBecomesAvailableAndNothingIsLost: clamd is not there, then it is.
func TestWithoutItsScannerNothingBecomesAvailableAndNothingIsLost(t *testing.T) {
	t.Parallel()
	system(t)
	daemon := clamdtest.Start(t)
	daemon.Stop(t)
	s := apitest.Start(t, 0, "--clamd="+daemon.Address)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Down")
	good := picture("good.png", 400, 300)
	ids := map[string]string{}
	for _, f := range []file{pdf("a.pdf", 3000), pdf("b.pdf", 3000), good, {"eicar.txt", "text/plain", clamdtest.EICAR()}} {
		ids[f.name] = a.mustUpload(t, customer, f)
	}
	a.awaitScan(t, ids["a.pdf"], "FAILED", 20*time.Second)
	for name, id := range ids {
		if doc := a.state(t, id); at(doc, "currentVersion.downloadUrl") != nil || text(doc, "status") != "ACTIVE" {
			t.Errorf("%s without a scanner: %v", name, doc)
		}
	}
	// A picture of a customer cannot be held back, so it is refused.
	r := a.setImage(t, customer, 1, good)
	if got := codes(r); !slices.Equal(got, []string{"UNAVAILABLE"}) {
		t.Errorf("a customer's picture without a scanner: %v", got)
	}
	s.Kill(t)
	s.Restart(t)
	daemon.Restart(t)
	for name, id := range ids {
		want := "CLEAN"
		if name == "eicar.txt" {
			want = "INFECTED"
		}
		a.awaitScan(t, id, want, 60*time.Second)
	}
	r = a.setImage(t, customer, 1, file{"me.png", "image/png", slices.Concat(good.content, clamdtest.EICAR())})
	if got := userErrors(r); len(got) != 1 || !strings.Contains(text(got[0], "message"), "Malware") {
		t.Errorf("an infected picture of a customer: %v %v", got, r.Errors)
	}
	a.mustSetImage(t, customer, 1, good)
	wantInvariants(t, db, s.DataDir)
}

// TestTwoNodesShareTheScansAndOneThatIsKilledLosesNone: the node that has a content is killed while the scanner keeps it
// waiting.
func TestTwoNodesShareTheScansAndOneThatIsKilledLosesNone(t *testing.T) {
	t.Parallel()
	system(t)
	double := clamdtest.StartDouble(t)
	double.Fail(clamdtest.Silent)
	one := apitest.Start(t, 0, "--clamd="+double.Address, "--check-workers=0")
	two := one.Peer(t, "--clamd="+double.Address, "--job-lease=1s")
	db := database(t, one)
	a := staff(t, one, auth.Editor)
	customer := a.customer(t, "Shared")
	id := a.mustUpload(t, customer, pdf("a.pdf", 3000))
	eventually(t, 20*time.Second, func() error {
		if double.Scans() == 0 {
			return errNotYet
		}
		return nil
	})
	two.Kill(t)
	double.Fail(clamdtest.None)
	one.Peer(t, "--clamd="+double.Address, "--job-lease=1s")
	a.awaitScan(t, id, "CLEAN", 20*time.Second)
	if n := double.Scans(); n != 2 {
		t.Errorf("%d scans, want the one that was cut off and another", n)
	}
	if got := scalar[int64](t, db, `SELECT count(*) FROM event WHERE type = 'DOCUMENT_AVAILABLE'`); got != 1 {
		t.Errorf("%d events", got)
	}
}

// TestAFileThatIsTooLargeForTheScannerStaysHeldBackAndSaysWhy.
func TestAFileThatIsTooLargeForTheScannerStaysHeldBackAndSaysWhy(t *testing.T) {
	t.Parallel()
	system(t)
	double := clamdtest.StartDouble(t)
	s := apitest.Start(t, 0, "--clamd="+double.Address, "--scan-max-mb=1")
	a := staff(t, s, auth.Editor)
	id := a.mustUpload(t, a.customer(t, "Large"), pdf("large.pdf", 1_000_001))
	doc, _ := a.awaitScan(t, id, "FAILED", 20*time.Second)
	if text(doc, "currentVersion.scanProblem") != "FILE_TOO_LARGE" || text(doc, "status") != "ACTIVE" || double.Scans() != 0 {
		t.Errorf("got %v after %d scans", doc, double.Scans())
	}
	metrics := ""
	eventually(t, 10*time.Second, func() error {
		resp, body := a.fetch(t, s.AdminURL+"/metrics")
		if metrics = string(body); resp.StatusCode != http.StatusOK || !strings.Contains(metrics, `dossier_checks_total{outcome="scan_without_verdict"} 1`) {
			return errors.New("the metrics do not tell of it")
		}
		return nil
	})
}
