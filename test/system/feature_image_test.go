package system

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const (
	imageFields = ` customer { id version image { id contentType sizeBytes width height url previewUrl thumbnailUrl createdAt } }`
	setImage    = `mutation($id: ID!, $version: Int!, $file: Upload!) {
		customerImageSet(id: $id, expectedVersion: $version, file: $file) {` + imageFields + ` userErrors { __typename code message path
			... on VersionConflictError { currentVersion conflictingFields } } } }`
	removeImage = `mutation($id: ID!, $version: Int!) { customerImageRemove(id: $id, expectedVersion: $version) {` + imageFields + errorFields + ` } }`
	readImage   = `query($id: ID!) { customer(id: $id) { version image { id url previewUrl thumbnailUrl } } }`
)

// halves is a picture that is red on the left and blue on the right.
func halves(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{220, 20, 20, 255}
			if 2*x >= w {
				c = color.RGBA{20, 20, 220, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func picture(name string, w, h int) file {
	var b bytes.Buffer
	_ = png.Encode(&b, halves(w, h)) // never fails in memory
	return file{name: name, contentType: "image/png", content: b.Bytes()}
}

// photo is a JPEG as a telephone makes it: lying on its side, with the place where it was taken.
func photo(w, h int, orientation uint16) file {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, halves(w, h), nil) // never fails in memory
	exif := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00")
	exif = append(binary.LittleEndian.AppendUint16(exif, orientation), "\x00\x00GPS 52.5200 N 13.4050 E"...)
	segment := append([]byte{0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(exif)+2))...)
	return file{name: "IMG_1.jpg", contentType: "image/jpeg", content: slices.Concat(b.Bytes()[:2], segment, exif, b.Bytes()[2:])}
}

// spoilt is a token of a link with another signature.
func spoilt(token string) string {
	i, other := len(token)-4, "A"
	if token[i] == 'A' {
		other = "B"
	}
	return token[:i] + other + token[i+1:]
}

func (a actor) setImage(t testing.TB, customer string, version int, f file) apitest.Result {
	t.Helper()
	r, err := a.sendMultipart(t.Context(), setImage, map[string]any{"id": customer, "version": version, "file": nil}, []string{"variables.file"}, []file{f})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (a actor) mustSetImage(t testing.TB, customer string, version int, f file) any {
	t.Helper()
	r := a.setImage(t, customer, version, f)
	wantSuccess(t, "customerImageSet", r)
	return at(r.Data, "customerImageSet.customer.image")
}

// fetch gets a URL without a credential, as an img element does.
func (a actor) fetch(t testing.TB, url string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := a.http.Do(req)
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

func TestRowD16ACustomerHasAnImageWithThumbnails(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Pictured")
	f := photo(800, 400, 6) // to be turned by a quarter, clockwise
	img := a.mustSetImage(t, customer, 1, f)
	if text(img, "contentType") != "image/jpeg" || number(img, "width") != 400 || number(img, "height") != 800 || number(img, "sizeBytes") != int64(len(f.content)) {
		t.Errorf("the image is %v, want a JPEG of 400 x 800", img)
	}
	resp, original := a.fetch(t, text(img, "url"))
	if !bytes.Equal(original, f.content) || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the original has %d bytes and is %q, want the %d that were sent, as an attachment", len(original), resp.Header.Get("Content-Disposition"), len(f.content))
	}
	for field, height := range map[string]int{"previewUrl": 256, "thumbnailUrl": 64} {
		resp, content := a.fetch(t, text(img, field))
		small, err := jpeg.Decode(bytes.NewReader(content))
		if err != nil || small.Bounds().Dx() != height/2 || small.Bounds().Dy() != height {
			t.Fatalf("%s: %v, %v, want %d x %d", field, small.Bounds(), err, height/2, height)
		}
		// What was on the left is above now.
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

	// Another one takes its place; the old links lead nowhere, the old objects go.
	next := a.mustSetImage(t, customer, 2, picture("logo.png", 300, 300))
	if text(next, "id") == text(img, "id") {
		t.Error("another image has the same id")
	}
	for _, field := range []string{"url", "previewUrl", "thumbnailUrl"} {
		if resp, _ := a.fetch(t, text(img, field)); resp.StatusCode != http.StatusNotFound {
			t.Errorf("the old %s gives %d", field, resp.StatusCode)
		}
	}
	wantInvariants(t, db, s.DataDir)
	used := number(a.must(t, `{ storage { usedBytes } }`, nil), "storage.usedBytes")
	if used <= number(next, "sizeBytes") {
		t.Errorf("%v bytes are used, want the original and what was made of it", used)
	}
	data := a.must(t, removeImage, map[string]any{"id": customer, "version": 3})
	if at(data, "customerImageRemove.customer.image") != nil || number(data, "customerImageRemove.customer.version") != 4 {
		t.Errorf("after removing it: %v", data)
	}
	a.must(t, removeImage, map[string]any{"id": customer, "version": 3}) // again is nothing
	wantInvariants(t, db, s.DataDir)
	if used := number(a.must(t, `{ storage { usedBytes } }`, nil), "storage.usedBytes"); used != 0 {
		t.Errorf("%v bytes are used by nothing", used)
	}
	var changes []string
	for _, e := range list(a.must(t, `{ events(types: [CUSTOMER_UPDATED]) { nodes { changedFields } } }`, nil), "events.nodes") {
		changes = append(changes, fmt.Sprint(at(e, "changedFields")))
	}
	if want := []string{"[image]", "[image]", "[image]"}; !slices.Equal(changes, want) {
		t.Errorf("the log has %v, want %v", changes, want)
	}
}

func TestRowD16WhatIsNoImageIsRefused(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Refused")
	whole := picture("a.png", 300, 300)
	bomb := bytes.Clone(whole.content)
	binary.BigEndian.PutUint32(bomb[16:], 15_000)
	binary.BigEndian.PutUint32(bomb[20:], 15_000)
	for name, c := range map[string]struct {
		content  []byte
		typeName string
	}{
		"a PDF called .png":                {pdf("a.png", 2000).content, "UnsupportedMediaTypeError"},
		"an SVG":                           {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "UnsupportedMediaTypeError"},
		"half a PNG":                       {whole.content[:len(whole.content)/2], "InvalidInputError"},
		"a PNG that claims 225 megapixels": {bomb, "InvalidInputError"},
	} {
		r := a.setImage(t, customer, 1, file{name: "a.png", contentType: "image/png", content: c.content})
		if got := text(r.Data, "customerImageSet.userErrors.0.__typename"); got != c.typeName || fmt.Sprint(at(r.Data, "customerImageSet.userErrors.0.path")) != "[file]" {
			t.Errorf("%s gives %v %v, want %s at file", name, r.Data, r.Errors, c.typeName)
		}
	}
	r := a.setImage(t, customer, 9, whole)
	if got := text(r.Data, "customerImageSet.userErrors.0.__typename"); got != "VersionConflictError" {
		t.Errorf("a stale version gives %v %v", r.Data, r.Errors)
	}
	if at(a.must(t, readImage, map[string]any{"id": customer}), "customer.image") != nil {
		t.Error("the customer has an image")
	}
	wantInvariants(t, db, s.DataDir)
}

func TestRowD16LinksOfImagesAreBoundToOneSizeAndAccount(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	img := a.mustSetImage(t, a.customer(t, "Linked"), 1, picture("logo.png", 300, 300))
	thumbnail := text(img, "thumbnailUrl")
	token := thumbnail[strings.LastIndexByte(thumbnail, '/')+1:]
	for _, url := range []string{
		s.URL + "/images/original/" + token, s.URL + "/images/preview/" + token, s.URL + "/files/" + token, s.URL + "/images/other/" + token,
		s.URL + "/images/thumbnail/" + spoilt(token), s.URL + "/images/thumbnail/x",
	} {
		if resp, body := a.fetch(t, url); resp.StatusCode != http.StatusNotFound || bytes.Contains(body, []byte("PNG")) {
			t.Errorf("%s gives %d", url, resp.StatusCode)
		}
	}
}

// TestRowD16ManyImagesAtOnceTakeBoundedMemory sets large pictures in parallel: few are decoded at a time.
func TestRowD16ManyImagesAtOnceTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	f := picture("large.png", 4000, 4000) // 64 MB of pixels in a small file
	const pictures = 8
	ids := make([]string, pictures)
	for i := range ids {
		ids[i] = a.customer(t, fmt.Sprint("Large ", i))
	}
	var group sync.WaitGroup
	for _, id := range ids {
		group.Go(func() {
			if r := a.setImage(t, id, 1, f); len(codes(r)) > 0 {
				t.Errorf("%v %v", r.Errors, userErrors(r))
			}
		})
	}
	group.Wait()
	peak := procNumber(t, s, "status", "VmHWM") >> 10
	if peak < 0 {
		t.Skip("this system does not say how much memory a process takes")
	}
	t.Logf("%d pictures of 16 megapixels at once: peak %d MiB", pictures, peak)
	if limit := 600; int(peak) > limit && !apitest.Raced() {
		t.Errorf("the program took %d MiB, want at most %d", peak, limit)
	}
}
