package pdfpage

import (
	"context"
	"errors"
	"fmt"
	"image"
	"os"
	"strings"
	"testing"
	"time"
)

// shared is the renderer of all tests, as making one takes seconds.
var shared *Renderer

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pdfpage-")
	if err != nil {
		panic(err)
	}
	shared = New(dir)
	code := m.Run()
	_ = shared.Close()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// document is a PDF of one page with a content stream and further objects from 6 on.
func document(box, content string, objects ...string) []byte {
	list := append([]string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox " + box + " /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /X 6 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}, objects...)
	var b strings.Builder
	b.WriteString("%PDF-1.7\n")
	offsets := make([]int, len(list))
	for i, o := range list {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(list)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(list)+1, xref)
	return []byte(b.String())
}

const a4 = "[0 0 595 842]"

// ink is how many pixels of a part are not white.
func ink(img image.Image, part image.Rectangle) (n int) {
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); r < 0xf000 || g < 0xf000 || b < 0xf000 {
				n++
			}
		}
	}
	return n
}

func TestTheFirstPageIsDrawn(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the renderer")
	}
	img, err := shared.FirstPage(t.Context(), document(a4, "BT /F1 48 Tf 60 700 Td (Invoice 4711) Tj ET 1 0 0 rg 0 0 595 84.2 re f"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	if b.Dy() != 1000 || b.Dx() < 700 || b.Dx() > 710 {
		t.Errorf("the page has %d x %d pixels, want about 707 x 1000", b.Dx(), b.Dy())
	}
	if text := ink(img, image.Rect(0, 100, b.Dx(), 200)); text < 1000 || text > 20_000 {
		t.Errorf("%d pixels of text", text)
	}
	if r, g, _, a := img.At(350, 950).RGBA(); r < 0xf000 || g > 0x1000 || a != 0xffff {
		t.Errorf("the red stripe is %v", img.At(350, 950))
	}
	if n := ink(img, image.Rect(0, 300, b.Dx(), 800)); n != 0 {
		t.Errorf("%d pixels where nothing is", n)
	}
}

func TestWhatIsHostileIsUnreadable(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the renderer")
	}
	whole := document(a4, "BT /F1 48 Tf 60 700 Td (x) Tj ET")
	bomb := document(a4, "q 595 0 0 842 0 0 cm /X Do Q",
		"<< /Type /XObject /Subtype /Image /Width 60000 /Height 60000 /BitsPerComponent 8 /ColorSpace /DeviceRGB /Length 3 >>\nstream\nabc\nendstream")
	circle := document(a4, "/X Do", "<< /Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /XObject << /X 6 0 R >> >> /Length 5 >>\nstream\n/X Do\nendstream")
	for name, content := range map[string][]byte{
		"nothing": {}, "text": []byte("hello"), "a header alone": []byte("%PDF-1.7\n%%EOF"), "half a PDF": whole[:len(whole)/3],
		"no page": []byte(strings.Replace(string(whole), "/Kids [3 0 R] /Count 1", "/Kids [] /Count 0", 1)),
	} {
		if img, err := shared.FirstPage(t.Context(), content, 500); !errors.Is(err, ErrUnreadable) || img != nil {
			t.Errorf("%s: %v, want ErrUnreadable", name, err)
		}
	}
	// These may be drawn or not; the program goes on, and the picture is never larger than asked for.
	for name, content := range map[string][]byte{
		"an image of 3.6 gigapixels": bomb, "a form in itself": circle, "a page of kilometres": document("[0 0 9999999 9999999]", ""),
		"a strip": document("[0 0 14400 1]", ""), "an empty page": document("[0 0 0 0]", ""),
	} {
		img, err := shared.FirstPage(t.Context(), content, 500)
		if err != nil && !errors.Is(err, ErrUnreadable) || err == nil && max(img.Bounds().Dx(), img.Bounds().Dy()) > 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := shared.FirstPage(t.Context(), whole, 500); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestDrawingEndsWithItsContext(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the renderer")
	}
	whole := document(a4, "")
	if _, err := shared.FirstPage(t.Context(), whole, 100); err != nil { // it is compiled now
		t.Fatal(err)
	}
	endless := document(a4, strings.Repeat("0 0 m 100 900 500 -900 595 842 c 595 0 0 842 300 300 c S\n", 600_000))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	_, err := shared.FirstPage(ctx, endless, 1000)
	if took := time.Since(begun); !errors.Is(err, context.DeadlineExceeded) || took > 15*time.Second {
		t.Errorf("it ended with %v after %s", err, took)
	}
	if _, err := shared.FirstPage(t.Context(), whole, 100); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	if whole := document(a4, ""); !Complete(whole[len(whole)-20:]) || Complete(whole[:20]) || Complete(nil) {
		t.Error("the end of a PDF is not known")
	}
}
