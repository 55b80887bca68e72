package document_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/document"
	"dossier/internal/fault"
)

// photo is a JPEG as a telephone makes it: lying on its side, with the place where it was taken.
func photo(t testing.TB, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	exif := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00GPS 52.5200 N 13.4050 E")
	segment := append([]byte{0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(exif)+2))...)
	return slices.Concat(b.Bytes()[:2], segment, exif, b.Bytes()[2:])
}

// previewed says what was made of the content of a document.
func (e *env) previewed(id uuid.UUID) string {
	e.t.Helper()
	return e.text(`SELECT concat_ws(' ', preview_state, width, height, (SELECT string_agg(concat_ws(':', variant, content_type, r.width, r.height), ' ' ORDER BY variant)
		FROM document_rendition r WHERE r.version_id = v.id)) FROM document_version v WHERE id = $1`, e.version(id))
}

func (e *env) previews() *document.PreviewLinks {
	return document.NewPreviewLinks("https://x.test/previews", func(purpose string) []byte { return bytes.Repeat([]byte(purpose), 3) })
}

func TestPreviewsAreMadeOfPictures(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	c := e.checker(nil)
	webp, err := os.ReadFile(filepath.Join("..", "thumbnail", "testdata", "lossless.webp"))
	if err != nil {
		t.Fatal(err)
	}
	var animation bytes.Buffer
	if err := gif.Encode(&animation, image.NewGray(image.Rect(0, 0, 600, 300)), nil); err != nil {
		t.Fatal(err)
	}
	want1 := map[string]string{
		"PNG":  "READY 1300 700 PREVIEW:image/jpeg:1024:551 THUMBNAIL:image/jpeg:256:138",
		"JPEG": "READY 400 800 PREVIEW:image/jpeg:400:800 THUMBNAIL:image/jpeg:128:256", // turned
		"GIF":  "READY 600 300 PREVIEW:image/jpeg:600:300 THUMBNAIL:image/jpeg:256:128",
		"WebP": "READY ",
		"PDF":  "NONE",
	}
	ids := map[string]uuid.UUID{}
	for name, content := range map[string][]byte{
		"PNG": picture(t, 1300, 700, 1), "JPEG": photo(t, 800, 400), "GIF": animation.Bytes(), "WebP": webp, "PDF": pdf(2000, 1),
	} {
		ids[name] = e.stored(name, content)
		if state := e.previewed(ids[name]); name != "PDF" && state != "PENDING" {
			t.Errorf("%s: %s before anything was made", name, state)
		}
	}
	used := e.used()
	e.work(c)
	for name, id := range ids {
		if got := e.previewed(id); !strings.HasPrefix(got, want1[name]) || name != "WebP" && got != want1[name] {
			t.Errorf("%s: got %s, want %s", name, got, want1[name])
		}
	}
	want(t, "events", e.told(ids["PNG"]), `DOCUMENT_CREATED[] DOCUMENT_PREVIEW_READY["currentVersion"]`)
	if e.used() != used {
		t.Errorf("previews use %d bytes of the account's storage", e.used()-used)
	}
	CheckInvariants(t, e)

	links := e.previews()
	for variant, height := range map[string]int{document.ImagePreview: 800, document.ImageThumbnail: 256} {
		url := links.URLFor(variant, e.ada.Holder(), e.ada.AccountID, e.version(ids["JPEG"]))
		r, contentType, err := e.service.OpenPreview(t.Context(), links, variant, url)
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		_ = r.Close()
		small, decodeErr := jpeg.Decode(bytes.NewReader(content))
		if err != nil || decodeErr != nil || contentType != "image/jpeg" || small.Bounds().Dy() != height {
			t.Errorf("%s: %s, %v, %v", variant, contentType, err, decodeErr)
		}
		if bytes.Contains(content, []byte("GPS")) || bytes.Contains(content, []byte("Exif")) {
			t.Errorf("%s carries the metadata of the original", variant)
		}
		for _, other := range []string{
			links.URLFor(variant, e.bob.Holder(), e.bob.AccountID, e.version(ids["JPEG"])), links.URLFor(variant, e.ada.Holder(), e.ada.AccountID, e.version(ids["PDF"])),
			links.URLFor(map[string]string{document.ImagePreview: document.ImageThumbnail, document.ImageThumbnail: document.ImagePreview}[variant], e.ada.Holder(), e.ada.AccountID, e.version(ids["JPEG"])),
		} {
			_, _, err := e.service.OpenPreview(t.Context(), links, variant, other)
			wantCode(t, err, fault.NotFound)
		}
	}
}

func TestAPreviewThatIsImpossibleTakesNothingFromTheDocument(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	c := e.checker(nil)
	whole := picture(t, 300, 300, 1)
	bomb := bytes.Clone(whole)
	binary.BigEndian.PutUint32(bomb[16:], 15_000)
	binary.BigEndian.PutUint32(bomb[20:], 15_000)
	for name, content := range map[string][]byte{"half a picture": whole[:len(whole)/2], "a bomb": bomb} {
		id := e.stored("a.png", content)
		e.work(c)
		want(t, name, e.previewed(id)+" "+e.held(id), "IMPOSSIBLE ACTIVE 1 AVAILABLE")
		if !e.downloadable(id) {
			t.Errorf("%s cannot be downloaded", name)
		}
	}
	large := e.stored("large.png", whole)
	e.exec(`UPDATE document_version SET size_bytes = 20000001 WHERE id = $1`, e.version(large))
	e.work(c)
	want(t, "more than 20 MB", e.previewed(large), "IMPOSSIBLE")
	// A picture that takes the program with it is tried five times, however it ends.
	deadly := e.stored("b.png", whole)
	e.exec(`UPDATE document_version SET check_attempts = 5 WHERE id = $1`, e.version(deadly))
	e.work(c)
	want(t, "tried too often", e.previewed(deadly), "IMPOSSIBLE")
	// Nothing of it is left when the store does not take it, and it is tried again.
	lost := e.stored("c.png", picture(t, 400, 300, 2))
	e.exec(`UPDATE document_version SET object_key = object_key || '0' WHERE id = $1`, e.version(lost))
	e.work(c)
	want(t, "no content", fmt.Sprint(e.previewed(lost), e.number(`SELECT check_attempts FROM document_version WHERE id = $1`, e.version(lost))), "PENDING1")
}

// TestAPreviewIsMadeOfAContentThatIsAvailableOnly: none of malware, and none before the scan.
func TestAPreviewIsMadeOfAContentThatIsAvailableOnly(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	_, c := e.scanning()
	good := e.upload(incoming("a.png", picture(t, 300, 200, 1)))[0].Document
	bad := e.upload(incoming("b.png", append(picture(t, 300, 200, 2), "malware"...)))[0].Document
	want(t, "before the scan", e.previewed(good), "PENDING")
	if n := e.work(e.checker(nil)); n != 0 {
		t.Errorf("%d previews of contents that are held back", n)
	}
	e.work(c)
	want(t, "good", e.previewed(good), "READY 300 200 PREVIEW:image/jpeg:300:200 THUMBNAIL:image/jpeg:256:171")
	want(t, "bad", e.previewed(bad)+" "+e.held(bad), "NONE QUARANTINED 2 QUARANTINED/Test.Malware")
	CheckInvariants(t, e)
	links := e.previews()
	url := links.URLFor(document.ImagePreview, e.ada.Holder(), e.ada.AccountID, e.version(good))
	e.exec(`UPDATE document_version SET state = 'QUARANTINED' WHERE id = $1`, e.version(good))
	_, _, err := e.service.OpenPreview(t.Context(), links, document.ImagePreview, url)
	wantCode(t, err, fault.NotFound)
}

func TestAPreviewIsForWhoMayReadDocuments(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.png", picture(t, 300, 200, 1))
	e.work(e.checker(nil))
	links := e.previews()
	url := links.URLFor(document.ImageThumbnail, e.ada.Holder(), e.ada.AccountID, e.version(id))
	r, _, err := e.service.OpenPreview(t.Context(), links, document.ImageThumbnail, url)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	for _, bad := range []string{
		links.Thumbnail.URL(e.ada.AccountID, e.version(id)), links.URLFor(document.ImageThumbnail, e.bob.Holder(), e.ada.AccountID, e.version(id)),
		links.URLFor(document.ImagePreview, e.ada.Holder(), e.ada.AccountID, e.version(id)),
	} {
		_, _, err := e.service.OpenPreview(t.Context(), links, document.ImageThumbnail, bad)
		wantCode(t, err, fault.NotFound)
	}
	e.exec(`UPDATE staff_user SET disabled_at = now() WHERE id = $1`, e.ada.ID)
	e.service.Rights = e.authenticator()
	_, _, err = e.service.OpenPreview(t.Context(), links, document.ImageThumbnail, url)
	wantCode(t, err, fault.NotFound)
}

// TestTheSweeperAndAPreviewDoNotMeet: objects that the sweeper may be on its way to are not taken, and those that are taken
// are guarded.
func TestTheSweeperAndAPreviewDoNotMeet(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	c := e.checker(nil)
	id := e.stored("a.png", picture(t, 300, 200, 1))
	c.Store = slow{c.Store, e}
	e.work(c)
	want(t, "too slow", e.previewed(id), "PENDING")
	e.exec(`UPDATE garbage SET next_at = now()`)
	if r := e.sweep(); r.Deleted != 2 {
		t.Errorf("%+v, want two objects deleted", r)
	}
	e.due()
	e.work(e.checker(nil))
	want(t, "the next try", e.previewed(id), "READY 300 200 PREVIEW:image/jpeg:300:200 THUMBNAIL:image/jpeg:256:171")
	CheckInvariants(t, e)
	e.exec(`INSERT INTO garbage (id, account_id, created_at, object_key, until, next_at)
		SELECT gen_random_uuid(), account_id, now(), object_key, now() + interval '1 day', now() FROM document_rendition WHERE variant = 'PREVIEW'`)
	if r := e.sweep(); r.Guarded != 1 || r.Missing != 0 || r.Orphans != 0 || e.objects() != 3 {
		t.Errorf("garbage that a preview has: %+v, %d objects; want it guarded", r, e.objects())
	}
}

// slow lets so much time pass before a preview is finished that the sweeper comes.
type slow struct {
	document.CheckStore
	e *env
}

func (s slow) FinishPreview(ctx context.Context, c document.Check, p document.Preview) error {
	s.e.exec(`UPDATE garbage SET next_at = now() + interval '20 seconds'`)
	return s.CheckStore.FinishPreview(ctx, c, p)
}
