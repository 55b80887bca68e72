package system

import (
	"bytes"
	"fmt"
	"image/jpeg"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const readPreview = `query($id: ID!) { document(id: $id) { version currentVersion { previewState previewUrl thumbnailUrl width height downloadUrl scanStatus } } }`

// awaitPreview asks until the preview of a document's content is in the state.
func (a actor) awaitPreview(t testing.TB, document, state string) (version any) {
	t.Helper()
	eventually(t, 2*time.Minute, func() error {
		version = at(a.must(t, readPreview, map[string]any{"id": document}), "document.currentVersion")
		if got := text(version, "previewState"); got != state {
			return fmt.Errorf("the preview is %s, want %s", got, state)
		}
		return nil
	})
	if ready := state == "READY"; ready != (at(version, "previewUrl") != nil) || ready != (at(version, "thumbnailUrl") != nil) {
		t.Errorf("a preview that is %s: %v", state, version)
	}
	return version
}

// wantPreview uploads a picture on one node and shows it by another one.
func wantPreview(t testing.TB, a, other actor, customer string) {
	t.Helper()
	version := other.awaitPreview(t, a.mustUpload(t, customer, picture("plan.png", 600, 300)), "READY")
	resp, content := other.fetch(t, text(version, "thumbnailUrl"))
	if small, err := jpeg.Decode(bytes.NewReader(content)); err != nil || small.Bounds().Dx() != 256 || small.Bounds().Dy() != 128 {
		t.Errorf("the thumbnail: status %d, %v", resp.StatusCode, err)
	}
}

func TestRowA14PicturesHaveAPreviewAndAThumbnail(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Pictured")
	live, err := dialWS(t.Context(), a, `subscription($customer: ID!, $after: EventCursor) { documentEvents(customerId: $customer, after: $after) {
		__typename cursor ... on EventDelivery { prevSeq event { id seq type customer { id } } } } }`, map[string]any{"customer": customer, "after": head(t, a)})
	if err != nil {
		t.Fatal(err)
	}
	defer live.cut()
	f := photo(1600, 1200, 6) // to be turned by a quarter, clockwise
	id := a.mustUpload(t, customer, f)
	wantEvent(t, live, "DOCUMENT_PREVIEW_READY")
	version := a.awaitPreview(t, id, "READY")
	if number(version, "width") != 1200 || number(version, "height") != 1600 || text(version, "scanStatus") != "NOT_SCANNED" {
		t.Errorf("got %v, want 1200 x 1600 pixels", version)
	}
	for field, height := range map[string]int{"previewUrl": 1024, "thumbnailUrl": 256} {
		resp, content := a.fetch(t, text(version, field))
		small, err := jpeg.Decode(bytes.NewReader(content))
		if err != nil || small.Bounds().Dx() != height*3/4 || small.Bounds().Dy() != height {
			t.Fatalf("%s: status %d, %v, want %d x %d", field, resp.StatusCode, err, height*3/4, height)
		}
		above, _, _, _ := small.At(height/4, height/8).RGBA()
		below, _, _, _ := small.At(height/4, height*7/8).RGBA()
		if above < 0x8000 || below > 0x8000 {
			t.Errorf("%s is not upright: red above is %x, below %x", field, above, below)
		}
		if bytes.Contains(content, []byte("GPS")) || bytes.Contains(content, []byte("Exif")) {
			t.Errorf("%s carries the metadata of the original", field)
		}
		h := resp.Header
		if h.Get("Content-Type") != "image/jpeg" || h.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || !strings.HasPrefix(h.Get("Cache-Control"), "private") {
			t.Errorf("%s is sent with %v", field, h)
		}
	}
	a.wantContent(t, id, f.sha256()) // the original is as it was sent
	if used := number(a.must(t, `{ storage { usedBytes } }`, nil), "storage.usedBytes"); used != int64(len(f.content)) {
		t.Errorf("%d bytes are used, want those of the original alone", used)
	}

	// A link is good for one size of one content.
	thumbnail := text(version, "thumbnailUrl")
	token := thumbnail[strings.LastIndexByte(thumbnail, '/')+1:]
	for _, url := range []string{
		s.URL + "/previews/preview/" + token, s.URL + "/files/" + token, s.URL + "/images/thumbnail/" + token, s.URL + "/previews/thumbnail/x",
		s.URL + "/previews/thumbnail/" + spoilt(token),
	} {
		if resp, body := a.fetch(t, url); resp.StatusCode != http.StatusNotFound || bytes.Contains(body, []byte("JFIF")) {
			t.Errorf("%s gives %d", url, resp.StatusCode)
		}
	}
	a.awaitPreview(t, a.mustUpload(t, customer, file{"a.txt", "text/plain", []byte("hello")}), "NONE")
	a.awaitPreview(t, a.mustUpload(t, customer, pdf("a.pdf", 2000)), "NONE") // it begins as one and has no end
	broken := picture("broken.png", 300, 300)
	broken.content = broken.content[:len(broken.content)/2]
	id = a.mustUpload(t, customer, broken)
	a.awaitPreview(t, id, "IMPOSSIBLE")
	a.wantContent(t, id, broken.sha256())
	wantInvariants(t, db, s.DataDir)
}

// page is a PDF of one page, half of which is red.
func page(name string) file {
	const content = "1 0 0 rg 0 421 595 421 re f BT /F1 48 Tf 60 200 Td (Contract) Tj ET"
	var b bytes.Buffer
	fmt.Fprintf(&b, "%%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"+
		"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>\nendobj\n"+
		"4 0 obj\n<< /Length %d >>\nstream\n%s\nendstream\nendobj\n5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n"+
		"trailer << /Size 6 /Root 1 0 R >>\n%%%%EOF\n", len(content), content)
	return file{name: name, contentType: "application/pdf", content: b.Bytes()}
}

func TestRowA14TheFirstPageOfAPDFIsDrawn(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--pdf-previews")
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Contracted")
	version := a.awaitPreview(t, a.mustUpload(t, customer, page("contract.pdf")), "READY")
	resp, content := a.fetch(t, text(version, "previewUrl"))
	img, err := jpeg.Decode(bytes.NewReader(content))
	if err != nil || img.Bounds().Dy() != 1024 || resp.Header.Get("Content-Type") != "image/jpeg" {
		t.Fatalf("the preview: status %d, %v", resp.StatusCode, err)
	}
	_, above, _, _ := img.At(300, 200).RGBA()
	_, below, _, _ := img.At(300, 980).RGBA()
	if above > 0x4000 || below < 0xf000 || at(version, "width") != nil {
		t.Errorf("the page is not drawn: green is %x above and %x below; width %v", above, below, at(version, "width"))
	}
	hostile := file{"no.pdf", "application/pdf", []byte("%PDF-1.7\nnothing of one\n%%EOF\n")}
	id := a.mustUpload(t, customer, hostile)
	a.awaitPreview(t, id, "IMPOSSIBLE")
	a.wantContent(t, id, hostile.sha256())
	off := s.Peer(t, "--pdf-previews=false")
	a.on(off).awaitPreview(t, a.on(off).mustUpload(t, customer, page("b.pdf")), "NONE")
	t.Logf("peak %d MiB with the renderer made", procNumber(t, s, "status", "VmHWM")>>10)
	wantInvariants(t, db, s.DataDir)
}

// TestRowA14ManyPreviewsAtOnceTakeBoundedMemory uploads large pictures in parallel: few are decoded at a time.
func TestRowA14ManyPreviewsAtOnceTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--check-workers=8")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Large")
	f := picture("large.png", 4000, 4000) // 64 MB of pixels in a small file
	const pictures = 8
	ids := make([]string, pictures)
	var group sync.WaitGroup
	for i := range ids {
		group.Go(func() {
			r, err := a.upload(t.Context(), customer, "", f)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = text(r.Data, "documentUpload.results.0.document.id")
		})
	}
	group.Wait()
	for _, id := range ids {
		a.awaitPreview(t, id, "READY")
	}
	peak := procNumber(t, s, "status", "VmHWM") >> 10
	if peak < 0 {
		t.Skip("this system does not say how much memory a process takes")
	}
	t.Logf("%d pictures of 16 megapixels at once: peak %d MiB", pictures, peak)
	if limit := 600; int(peak) > limit && !apitest.Raced() {
		t.Errorf("the program took %d MiB, want at most %d", peak, limit)
	}
}
