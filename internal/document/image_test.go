package document_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/fault"
)

// picture is a PNG, another one for each shade.
func picture(t testing.TB, w, h int, shade uint8) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{shade, uint8(x), uint8(y), 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (e *env) setImage(version int, content []byte) error {
	return e.service.ImageSet(e.t.Context(), e.ada, e.adasCustomer, version, incoming("me.png", content))
}

func (e *env) used() int64 {
	e.t.Helper()
	return e.number(`SELECT used_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID)
}

// imaged is the version of Ada's customer, and how many pictures, files and events of pictures there are.
func (e *env) imaged() string {
	e.t.Helper()
	return e.text(`SELECT concat_ws(' ', (SELECT version FROM customer WHERE id = $1), (SELECT count(*) FROM customer_image), (SELECT count(*) FROM image_file),
		(SELECT count(*) FROM event WHERE type = 'CUSTOMER_UPDATED' AND subject_id = $1 AND changed_fields = '["image"]'))`, e.adasCustomer)
}

func TestAPictureIsStoredWithItsSmallOnesAndReplacedWhole(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	first, second := picture(t, 500, 300, 1), picture(t, 40, 400, 2)
	if err := e.setImage(1, first); err != nil {
		t.Fatal(err)
	}
	if got := e.imaged(); got != "2 1 3 1" {
		t.Errorf("after the first picture: %s, want version 2, one picture of 3 files, one event", got)
	}
	got := e.text(`SELECT string_agg(concat_ws('|', f.variant, f.content_type, i.width, i.height, i.content_type, i.size_bytes), ', ' ORDER BY variant) FROM image_file f JOIN customer_image i ON i.id = f.image_id`)
	rest := fmt.Sprint("|500|300|image/png|", len(first))
	if want := "ORIGINAL|image/png" + rest + ", PREVIEW|image/jpeg" + rest + ", THUMBNAIL|image/jpeg" + rest; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	CheckInvariants(t, e)
	before := e.used()
	if err := e.setImage(2, second); err != nil {
		t.Fatal(err)
	}
	if got := e.imaged(); got != "3 1 3 2" {
		t.Errorf("after the second picture: %s, want version 3, one picture of 3 files, two events", got)
	}
	if e.used() >= before {
		t.Errorf("%d bytes are used after a smaller picture, %d before", e.used(), before)
	}
	CheckInvariants(t, e)
	if got := e.objects(); got != 3 {
		t.Errorf("%d objects are left, want those of the picture in force", got)
	}
	for range 2 { // again is nothing
		if err := e.service.ImageRemove(t.Context(), e.ada, e.adasCustomer, 3); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.imaged(); got != "4 0 0 3" || e.used() != 0 {
		t.Errorf("after removing it: %s and %d bytes used", got, e.used())
	}
	CheckInvariants(t, e)
	if got := e.objects(); got != 0 {
		t.Errorf("%d objects are left of nothing", got)
	}
}

func TestWhatIsNoPictureIsRefusedAndLeavesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	whole := picture(t, 300, 300, 1)
	for name, c := range map[string]struct {
		content []byte
		want    fault.Code
		says    string
	}{
		"a PDF":          {pdf(5000, 1), fault.UnsupportedMediaType, "PNG, JPEG, GIF and WebP"},
		"an SVG":         {[]byte(`<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"></svg>`), fault.UnsupportedMediaType, "PNG"},
		"a TIFF":         {append([]byte("II*\x00\x08\x00\x00\x00"), make([]byte, 100)...), fault.UnsupportedMediaType, "PNG"},
		"nothing":        {nil, fault.BadUserInput, "empty"},
		"half a picture": {whole[:len(whole)/2], fault.BadUserInput, "cannot be read"},
		"a bomb":         {append(whole[:16:16], append([]byte{0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff}, whole[24:]...)...), fault.BadUserInput, "cannot be read"},
		"too large":      {append(bytes.Clone(whole), make([]byte, 5_000_000)...), fault.TooLarge, "bytes"},
	} {
		err := e.setImage(1, c.content)
		wantCode(t, err, c.want)
		if list := fault.AsList(err); len(list) != 1 || !slices.Equal(list[0].Path, []string{"file"}) || !strings.Contains(list[0].Message, c.says) {
			t.Errorf("%s: got %v, want it at file, saying %q", name, err, c.says)
		}
	}
	if got := e.imaged(); got != "1 0 0 0" {
		t.Errorf("refused pictures left %s", got)
	}
	if n := e.number(`SELECT reserved_bytes + used_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID); n != 0 {
		t.Errorf("refused pictures hold %d bytes", n)
	}
	CheckInvariants(t, e)
	if got := e.objects(); got != 0 {
		t.Errorf("%d objects are left of refused pictures", got)
	}
}

func TestAPictureFindsConflictsBeforeAndAfterTheBytes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := picture(t, 300, 300, 1)
	unread := incoming("me.png", content)
	wantCode(t, e.service.ImageSet(t.Context(), e.ada, e.adasCustomer, 7, unread), fault.VersionConflict)
	if unread.read != 0 {
		t.Errorf("%d bytes were read of a picture that could not be set", unread.read)
	}
	raced := &file{name: "me.png", bound: -1, r: io.MultiReader(bytes.NewReader(content[:100]), readerFunc(func([]byte) (int, error) {
		e.exec(`UPDATE customer SET version = 2 WHERE id = $1`, e.adasCustomer)
		return 0, io.EOF
	}), bytes.NewReader(content[100:]))}
	wantCode(t, e.service.ImageSet(t.Context(), e.ada, e.adasCustomer, 1, raced), fault.VersionConflict)
	CheckInvariants(t, e)
	if got := e.imaged(); got != "2 0 0 0" || e.objects() != 0 {
		t.Errorf("a picture that lost left %s and %d objects", got, e.objects())
	}
	wantCode(t, e.service.ImageRemove(t.Context(), e.ada, uuid.New(), 1), fault.NotFound)
	wantCode(t, e.service.ImageSet(t.Context(), e.bob, e.adasCustomer, 2, incoming("x.png", content)), fault.NotFound)
	viewer := e.ada
	viewer.Role = auth.Viewer
	wantCode(t, e.service.ImageSet(t.Context(), viewer, e.adasCustomer, 2, incoming("x.png", content)), fault.Forbidden)
	wantCode(t, e.service.ImageRemove(t.Context(), viewer, e.adasCustomer, 2), fault.Forbidden)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestTheSmallPicturesMustFitIntoTheStorageToo(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := picture(t, 300, 300, 1)
	e.exec(`UPDATE storage_usage SET limit_bytes = $2 WHERE account_id = $1`, e.ada.AccountID, len(content)+100)
	wantCode(t, e.setImage(1, content), fault.QuotaExceeded)
	CheckInvariants(t, e)
	if got := e.imaged(); got != "1 0 0 0" || e.objects() != 0 {
		t.Errorf("a picture without room left %s and %d objects", got, e.objects())
	}
}

func TestACrashWhileAPictureIsSetLeavesTheOldOneOrTheNewOne(t *testing.T) {
	t.Parallel()
	for point, want := range map[string]string{
		document.PointBegun: "2 1 3 1", document.PointStored: "2 1 3 1", document.PointShrunk: "2 1 3 1", document.PointComplete: "3 1 3 2",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			if err := e.setImage(1, picture(t, 300, 300, 1)); err != nil {
				t.Fatal(err)
			}
			e.service.CrashAt(point)
			if !crashing(func() { _ = e.setImage(2, picture(t, 200, 200, 2)) }) {
				t.Fatal("it did not crash")
			}
			CheckInvariants(t, e)
			if got := e.imaged(); got != want || e.objects() != 3 {
				t.Errorf("got %s and %d objects, want %s and 3", got, e.objects(), want)
			}
		})
	}
}

// uncertainImage commits and does not say so.
type uncertainImage struct {
	document.ImageStore
	times int
}

func (u *uncertainImage) CompleteImage(ctx context.Context, p auth.Principal, image document.Image) error {
	err := u.ImageStore.CompleteImage(ctx, p, image)
	if u.times--; u.times >= 0 && err == nil {
		return errors.Join(document.ErrOutcomeUnknown, fault.New(fault.Unavailable, "Nobody knows."))
	}
	return err
}

func TestAnUnknownCommitOfAPictureIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for times, want := range map[int]fault.Code{1: "", 9: fault.Unavailable} {
		e := newEnv(t)
		e.service.Images = &uncertainImage{ImageStore: e.store.Images(), times: times}
		wantCode(t, e.setImage(1, picture(t, 300, 300, 1)), want)
		if n := e.number(`SELECT count(*) FROM garbage`); n != 0 {
			t.Errorf("%d objects were thrown away while the outcome was unknown", n)
		}
		CheckInvariants(t, e)
		if got := e.imaged(); got != "2 1 3 1" {
			t.Errorf("got %s, want the picture that was committed, once", got)
		}
	}
}

func TestAPictureThatIsGoneFromTheStoreRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	if err := e.setImage(1, picture(t, 300, 300, 1)); err != nil {
		t.Fatal(err)
	}
	e.exec(`INSERT INTO garbage (id, account_id, created_at, object_key, until, next_at)
		SELECT gen_random_uuid(), account_id, now(), object_key, now() + interval '1 day', now() FROM image_file WHERE variant = 'PREVIEW'`)
	if r := e.sweep(); r.Guarded != 1 || r.Missing != 0 || e.objects() != 3 {
		t.Errorf("garbage that a picture has: %+v, %d objects; want it guarded", r, e.objects())
	}
	if err := e.blobs.Delete(t.Context(), e.text(`SELECT object_key FROM image_file WHERE variant = 'THUMBNAIL'`), blob.AnyGeneration); err != nil {
		t.Fatal(err)
	}
	if r := e.sweep(); r.Missing != 1 || r.Orphans != 0 {
		t.Errorf("got %+v, want one missing", r)
	}
}
