package thumbnail

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

const (
	// MaxPixels is how many pixels a picture may have.
	MaxPixels = 20_000_000
	// MaxSide is how wide and how high it may be: a strip of one pixel in height is no picture.
	MaxSide = 20_000
)

// ErrUnreadable says that the content is no picture that this package can read: damaged, or of another kind.
var ErrUnreadable = errors.New("thumbnail: the picture cannot be read")

// TooLargeError says that a picture has too many pixels.
type TooLargeError struct{ Width, Height int }

// Error is error's.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("thumbnail: %d x %d pixels", e.Width, e.Height)
}

// Info is what is known about a picture before it is decoded.
type Info struct {
	// Width and Height are as the picture is shown: turned as its metadata says.
	Width, Height int

	decode      func([]byte) (image.Image, error)
	orientation orientation
	// memory is about how many bytes decoding takes.
	memory int64
}

// Inspect reads the size of a picture without decoding it. content may be its beginning only, if that is enough to know
// the size; then the orientation may still be missing.
func Inspect(content []byte) (Info, error) {
	config, format, err := configOf(content)
	if err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	width, height := config.Width, config.Height
	if width <= 0 || height <= 0 {
		return Info{}, ErrUnreadable
	}
	// SECURITY: before anything of this size is allocated. The sides are bounded first, so that the product cannot overflow.
	if width > MaxSide || height > MaxSide || width*height > MaxPixels {
		return Info{}, &TooLargeError{width, height}
	}
	o := format.orientation(content)
	if o.turned() {
		width, height = height, width
	}
	memory := int64(config.Width)*int64(config.Height)*format.bytesPerPixel(content, config) + shrinkBytes
	return Info{Width: width, Height: height, decode: format.decode, orientation: o, memory: memory}, nil
}

// format is a kind of picture.
type format struct {
	decode        func([]byte) (image.Image, error)
	orientation   func(content []byte) orientation
	bytesPerPixel func(content []byte, config image.Config) int64
}

func configOf(content []byte) (image.Config, format, error) {
	r := bytes.NewReader(content)
	switch {
	case bytes.HasPrefix(content, []byte("\x89PNG\r\n\x1a\n")):
		config, err := png.DecodeConfig(r)
		return config, format{decodePNG, pngOrientation, pngBytes}, err
	case bytes.HasPrefix(content, []byte("\xff\xd8\xff")):
		config, err := jpeg.DecodeConfig(r)
		return config, format{decodeJPEG, jpegOrientation, jpegBytes}, err
	case bytes.HasPrefix(content, []byte("GIF8")):
		config, err := gif.DecodeConfig(r)
		upright := func([]byte) orientation { return 0 }
		// The picture, and the screen where that is larger.
		return config, format{decodeGIF, upright, func([]byte, image.Config) int64 { return 5 }}, err
	case len(content) >= 12 && string(content[:4]) == "RIFF" && string(content[8:12]) == "WEBP":
		config, err := webp.DecodeConfig(r)
		// Lossless pictures are the dearest: the pixels, and as much again while they are put together.
		return config, format{decodeWebP, webpOrientation, func([]byte, image.Config) int64 { return 9 }}, err
	}
	return image.Config{}, format{}, errors.New("no PNG, JPEG, GIF or WebP")
}

func decodePNG(content []byte) (image.Image, error)  { return png.Decode(bytes.NewReader(content)) }
func decodeJPEG(content []byte) (image.Image, error) { return jpeg.Decode(bytes.NewReader(content)) }

func decodeWebP(content []byte) (image.Image, error) { return webp.Decode(bytes.NewReader(content)) }

// decodeGIF gives the first picture of an animation, where it stands on the screen. The decoder refuses one that is larger
// than the screen, whose size was checked.
func decodeGIF(content []byte) (image.Image, error) {
	img, err := gif.Decode(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	config, err := gif.DecodeConfig(bytes.NewReader(content))
	screen := image.Rect(0, 0, config.Width, config.Height)
	if err != nil || img.Bounds() == screen {
		return img, err
	}
	whole := image.NewRGBA(screen)
	draw.Draw(whole, img.Bounds(), img, img.Bounds().Min, draw.Src)
	return whole, nil
}

// pngBytes: an interlaced picture is decoded in passes that are pictures too.
func pngBytes(content []byte, config image.Config) int64 {
	const interlaceAt = 28
	n := int64(4)
	switch config.ColorModel {
	case color.GrayModel:
		n = 1
	case color.Gray16Model:
		n = 2
	case color.RGBA64Model, color.NRGBA64Model:
		n = 8
	}
	if len(content) > interlaceAt && content[interlaceAt] != 0 {
		n *= 2
	}
	return n
}

// jpegBytes: a progressive picture is kept as coefficients of four bytes until its end.
func jpegBytes(content []byte, config image.Config) int64 {
	n := int64(3)
	switch config.ColorModel {
	case color.GrayModel:
		n = 1
	case color.CMYKModel:
		n = 8
	}
	if jpegProgressive(content) {
		n *= 5
	}
	return n
}
