package thumbnail

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// corners is a picture whose quarters are red, green, blue and white, row by row.
func corners(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	quarters := []color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 255, 255}}
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, quarters[2*(2*y/h)+2*x/w])
		}
	}
	return img
}

// read names the quarters of a picture: R, G, B, W and, for one that can be seen through, a blank.
func read(t *testing.T, content []byte) string {
	t.Helper()
	img, _, err := image.Decode(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	var s string
	for _, at := range []image.Point{{1, 1}, {3, 1}, {1, 3}, {3, 3}} {
		r, g, bl, a := img.At(b.Min.X+b.Dx()*at.X/4, b.Min.Y+b.Dy()*at.Y/4).RGBA()
		switch high := func(v uint32) bool { return v > 0x8000 }; {
		case !high(a):
			s += " "
		case high(r) && high(g) && high(bl):
			s += "W"
		case high(r):
			s += "R"
		case high(g):
			s += "G"
		default:
			s += "B"
		}
	}
	return s
}

func encoded(t testing.TB, format string, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	var err error
	switch format {
	case "png":
		err = png.Encode(&b, img)
	case "jpeg":
		err = jpeg.Encode(&b, img, nil)
	case "gif":
		err = gif.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exif is EXIF data with an orientation.
func exif(order binary.AppendByteOrder, o uint16) []byte {
	b := []byte("II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	b = append(b, make([]byte, 12)...) // another tag
	b = order.AppendUint16(b, 0x0112)
	b = order.AppendUint16(b, 3)
	b = order.AppendUint32(b, 1)
	b = order.AppendUint16(b, o)
	return append(b, 0, 0)
}

func jpegWith(content, data []byte) []byte {
	segment := append([]byte{0xff, 0xe1}, binary.BigEndian.AppendUint16(nil, uint16(len(data)+8))...)
	return slices.Concat(content[:2], segment, exifHeader, data, content[2:])
}

func pngWith(content, data []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	typed := append([]byte("eXIf"), data...)
	chunk = binary.BigEndian.AppendUint32(append(chunk, typed...), crc32.ChecksumIEEE(typed))
	const behindHeader = 33
	return slices.Concat(content[:behindHeader], chunk, content[behindHeader:])
}

func small(t testing.TB, content []byte) (Info, []Thumbnail, error) {
	t.Helper()
	return NewMaker().Make(t.Context(), func(context.Context) ([]byte, error) { return content, nil }, 256, 64)
}

// webpFile is a picture from the tests of golang.org/x/image, which makes none.
func webpFile(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestEachFormatIsMadeSmall(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"png", "jpeg", "gif"} {
		info, list, err := small(t, encoded(t, format, corners(800, 400)))
		if err != nil || info.Width != 800 || info.Height != 400 {
			t.Fatalf("%s: %+v, %v", format, info, err)
		}
		for i, want := range []image.Point{{256, 128}, {64, 32}} {
			got := list[i]
			if got.Width != want.X || got.Height != want.Y || got.ContentType != "image/jpeg" || read(t, got.Bytes) != "RGBW" {
				t.Errorf("%s: thumbnail %d is %d x %d, %s, %q", format, i, got.Width, got.Height, got.ContentType, read(t, got.Bytes))
			}
		}
	}
	for _, name := range []string{"lossless.webp", "lossy.webp"} {
		content := webpFile(t, name)
		info, list, err := small(t, content)
		if err != nil || info.Width < 50 || len(list) != 2 || max(list[1].Width, list[1].Height) != 64 {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		// A WebP has its EXIF data behind the pixels; the size in the header is not looked at.
		data := exif(binary.LittleEndian, 6)
		chunk := append(binary.LittleEndian.AppendUint32([]byte("EXIF"), uint32(len(data))), data...)
		turned, _, err := small(t, append(content, chunk...))
		if err != nil || turned.Width != info.Height || turned.Height != info.Width {
			t.Errorf("%s with orientation 6: %+v, %v", name, turned, err)
		}
	}
}

func TestSmallPicturesAreNotEnlargedAndThinOnesStayVisible(t *testing.T) {
	t.Parallel()
	_, list, err := small(t, encoded(t, "png", corners(20, 10)))
	if err != nil || list[0].Width != 20 || list[1].Height != 10 {
		t.Errorf("a picture of 20 x 10 became %d x %d (%v)", list[0].Width, list[1].Height, err)
	}
	_, list, err = small(t, encoded(t, "png", corners(4000, 2)))
	if err != nil || list[1].Width != 64 || list[1].Height != 1 {
		t.Errorf("a line of 4000 x 2 became %d x %d (%v)", list[1].Width, list[1].Height, err)
	}
}

func TestWhatCanBeSeenThroughStaysSo(t *testing.T) {
	t.Parallel()
	img := corners(100, 100)
	for y := range 50 {
		for x := range 50 {
			img.SetRGBA(x, y, color.RGBA{})
		}
	}
	_, list, err := small(t, encoded(t, "png", img))
	if err != nil || list[1].ContentType != "image/png" || read(t, list[1].Bytes) != " GBW" {
		t.Errorf("got %v %q (%v), want a PNG", list[1].ContentType, read(t, list[1].Bytes), err)
	}
}

// TestPicturesAreTurnedUpright has what each orientation makes of red, green, blue, white.
func TestPicturesAreTurnedUpright(t *testing.T) {
	t.Parallel()
	for o, want := range map[uint16]string{
		0: "RGBW", 1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB", 9: "RGBW",
	} {
		for name, content := range map[string][]byte{
			"JPEG, little": jpegWith(encoded(t, "jpeg", corners(400, 200)), exif(binary.LittleEndian, o)),
			"JPEG, big":    jpegWith(encoded(t, "jpeg", corners(400, 200)), exif(binary.BigEndian, o)),
			"PNG":          pngWith(encoded(t, "png", corners(400, 200)), exif(binary.BigEndian, o)),
		} {
			info, list, err := small(t, content)
			if err != nil {
				t.Fatal(err)
			}
			w, h := 400, 200
			if o >= 5 && o <= 8 {
				w, h = h, w
			}
			if got := read(t, list[0].Bytes); got != want || info.Width != w || info.Height != h || list[0].Width*h != list[0].Height*w {
				t.Errorf("%s with orientation %d: %s of %d x %d (small %d x %d), want %s of %d x %d",
					name, o, got, info.Width, info.Height, list[0].Width, list[0].Height, want, w, h)
			}
			for _, s := range list {
				if bytes.Contains(s.Bytes, []byte("Exif")) || bytes.Contains(s.Bytes, []byte("eXIf")) {
					t.Errorf("%s: a thumbnail carries metadata", name)
				}
			}
		}
	}
}

// bomb is a PNG that claims to be so large, with no pixels in it.
func bomb(w, h uint32) []byte {
	header := []byte("IHDR")
	header = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(header, w), h)
	header = append(header, 8, 6, 0, 0, 0)
	b := binary.BigEndian.AppendUint32([]byte("\x89PNG\r\n\x1a\n"), 13)
	return binary.BigEndian.AppendUint32(append(b, header...), crc32.ChecksumIEEE(header))
}

func TestBombsAreRefusedBeforeAnythingIsDecoded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		w, h uint32
		ok   bool
	}{
		{5000, 4000, true},
		{5000, 4001, false},
		{20_001, 1, false},
		{1, 20_001, false},
		{1 << 30, 1 << 30, false},
		{0x7fffffff, 0x7fffffff, false},
	} {
		info, err := Inspect(bomb(c.w, c.h))
		var large *TooLargeError
		if c.ok != (err == nil) || !c.ok && !errors.As(err, &large) && !errors.Is(err, ErrUnreadable) {
			t.Errorf("%d x %d: %+v, %v; want accepted %v", c.w, c.h, info, err, c.ok)
		}
	}
	// There are no pixels behind the header: had anything been decoded, the picture would be unreadable and not too large.
	var large *TooLargeError
	if _, _, err := small(t, bomb(15_000, 15_000)); !errors.As(err, &large) {
		t.Errorf("a bomb gives %v, want it refused by its size", err)
	}
}

func TestWhatIsNoPictureIsUnreadable(t *testing.T) {
	t.Parallel()
	whole := encoded(t, "png", corners(300, 300))
	for name, content := range map[string][]byte{
		"nothing": {}, "text": []byte("hello"), "SVG": []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "a PDF": []byte("%PDF-1.4"),
		"the first half of a PNG": whole[:len(whole)/2], "a header alone": bomb(10, 10), "a JPEG's first bytes": []byte("\xff\xd8\xff\xe0"),
	} {
		if _, list, err := small(t, content); !errors.Is(err, ErrUnreadable) || list != nil {
			t.Errorf("%s: %v, want ErrUnreadable", name, err)
		}
	}
}

func TestOnlySoManyAtATime(t *testing.T) {
	t.Parallel()
	m := NewMaker()
	content := encoded(t, "png", corners(10, 10))
	entered, leave := make(chan struct{}), make(chan struct{})
	done := make(chan error, slots)
	for range slots {
		go func() {
			_, _, err := m.Make(context.Background(), func(context.Context) ([]byte, error) {
				entered <- struct{}{}
				<-leave
				return content, nil
			}, 64)
			done <- err
		}()
	}
	for range slots {
		<-entered
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	read := false
	_, _, err := m.Make(ctx, func(context.Context) ([]byte, error) { read = true; return content, nil }, 64)
	if !errors.Is(err, context.Canceled) || read {
		t.Errorf("one more: %v, read %v; want it to wait until its request ends", err, read)
	}
	close(leave)
	for range slots {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func FuzzMake(f *testing.F) {
	f.Add(encoded(f, "png", corners(8, 4)))
	f.Add(jpegWith(encoded(f, "jpeg", corners(8, 4)), exif(binary.LittleEndian, 6)))
	f.Add(encoded(f, "gif", corners(8, 4)))
	f.Add(webpFile(f, "lossless.webp"))
	f.Fuzz(func(t *testing.T, content []byte) {
		info, list, err := small(t, content)
		var large *TooLargeError
		switch {
		case err == nil && (len(list) != 2 || info.Width*info.Height > MaxPixels):
			t.Errorf("%d thumbnails of %d x %d", len(list), info.Width, info.Height)
		case err != nil && !errors.Is(err, ErrUnreadable) && !errors.As(err, &large):
			t.Errorf("%v", err)
		}
	})
}
