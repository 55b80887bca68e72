package thumbnail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// TestEachPixelIsTheMeanOfItsArea compares shrink with the definition, pixel by pixel and part by part.
func TestEachPixelIsTheMeanOfItsArea(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sw, sh := rapid.IntRange(1, 40).Draw(t, "width"), rapid.IntRange(1, 40).Draw(t, "height")
		w, h := rapid.IntRange(1, sw).Draw(t, "to width"), rapid.IntRange(1, sh).Draw(t, "to height")
		// Not at the origin, as a part of a picture is not.
		src := image.NewRGBA(image.Rect(3, 5, 3+sw, 5+sh))
		copy(src.Pix, rapid.SliceOfN(rapid.Byte(), len(src.Pix), len(src.Pix)).Draw(t, "pixels"))
		got := shrink(src, w, h)
		for y := range h {
			for x := range w {
				for c := range 4 {
					if want := mean(src, w, h, x, y, c); got.Pix[got.PixOffset(x, y)+c] != want {
						t.Fatalf("%d x %d to %d x %d: channel %d at %d, %d is %d, want %d", sw, sh, w, h, c, x, y, got.Pix[got.PixOffset(x, y)+c], want)
					}
				}
			}
		}
	})
}

func mean(src *image.RGBA, w, h, x, y, c int) byte {
	sw, sh := src.Bounds().Dx(), src.Bounds().Dy()
	overlap := func(i, size, j, other int) int { return max(0, min((i+1)*size, (j+1)*other)-max(i*size, j*other)) }
	sum := 0
	for sy := range sh {
		for sx := range sw {
			sum += int(src.Pix[sy*src.Stride+4*sx+c]) * overlap(sx, w, x, sw) * overlap(sy, h, y, sh)
		}
	}
	return byte((sum + sw*sh/2) / (sw * sh))
}

func TestAPreviewOfAPosterCostsLittleMoreThanItsPixels(t *testing.T) {
	poster := image.NewGray(image.Rect(0, 0, 1000, MaxSide)) // 20 MB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	small := shrink(poster, 51, 1024)
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 2<<20 || small.Bounds().Dy() != 1024 {
		t.Errorf("shrinking took %d bytes", taken)
	}
}

// TestOnlyTheFirstPictureOfAnAnimationIsDecoded: what stands behind it is no GIF at all.
func TestOnlyTheFirstPictureOfAnAnimationIsDecoded(t *testing.T) {
	t.Parallel()
	palette := color.Palette{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}}
	frame := func(r image.Rectangle) *image.Paletted { return image.NewPaletted(r, palette) }
	var b bytes.Buffer
	animation := &gif.GIF{
		Image: []*image.Paletted{frame(image.Rect(0, 0, 400, 200)), frame(image.Rect(0, 0, 400, 200))}, Delay: []int{1, 1},
		Config: image.Config{Width: 400, Height: 200, ColorModel: palette},
	}
	if err := gif.EncodeAll(&b, animation); err != nil {
		t.Fatal(err)
	}
	content := b.Bytes()
	second := bytes.LastIndex(content, []byte{0x2c, 0, 0, 0, 0, 0x90, 1, 200, 0})
	if info, list, err := small(t, append(content[:second:second], "garbage"...)); err != nil || info.Width != 400 || list[0].Height != 128 {
		t.Errorf("got %+v, %v, want the first picture", info, err)
	}
	// A picture that is smaller than the screen stands where it belongs.
	b.Reset()
	animation.Image, animation.Delay = []*image.Paletted{frame(image.Rect(200, 0, 400, 100))}, []int{1}
	if err := gif.EncodeAll(&b, animation); err != nil {
		t.Fatal(err)
	}
	if _, list, err := small(t, b.Bytes()); err != nil || list[0].Width != 256 || list[0].Height != 128 || read(t, list[0].Bytes) != " R  " {
		t.Errorf("a part of the screen: %v %+v", err, list)
	}
}

// TestAFrameThatIsLargerThanThePictureIsRefused: the header that was checked says 1 x 1, the frame behind it 256 megapixels.
func TestAFrameThatIsLargerThanThePictureIsRefused(t *testing.T) {
	gifBomb := []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x02\x44\x01\x00\x3b")
	// VP8X: flags, 3 bytes each of width - 1 and height - 1. VP8L: 14 bits each.
	lossless := append([]byte{0x2f}, binary.LittleEndian.AppendUint32(nil, 0x3fff|0x3fff<<14)...)
	lossless = append(lossless, make([]byte, 100)...)
	lossy := append([]byte{0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0xff, 0x3f}, make([]byte, 100)...)
	for name, content := range map[string][]byte{
		"a GIF": gifBomb, "a lossless WebP": webpOf("VP8L", lossless), "a lossy WebP": webpOf("VP8 ", lossy),
	} {
		if _, err := Inspect(content); err != nil {
			t.Errorf("%s is refused by its header already (%v): it shows nothing", name, err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, list, err := small(t, content)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrUnreadable) || list != nil {
			t.Errorf("%s: %v, want ErrUnreadable", name, err)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
			t.Errorf("%s: %d bytes were taken", name, taken)
		}
	}
}

// webpOf is a WebP whose extended header says 1 x 1.
func webpOf(chunk string, data []byte) []byte {
	body := append([]byte("WEBPVP8X"), 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	body = append(body, chunk...)
	body = append(binary.LittleEndian.AppendUint32(body, uint32(len(data))), data...)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}
