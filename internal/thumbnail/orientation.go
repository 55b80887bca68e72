package thumbnail

import (
	"bytes"
	"encoding/binary"
	"image"
)

// orientation is how a picture has to be turned to be upright: the EXIF tag of the same name, 1 to 8. 0 and 1 are upright.
type orientation uint8

// turned says that width and height change places.
func (o orientation) turned() bool { return o >= 5 && o <= 8 }

// apply turns a small picture.
func (o orientation) apply(src *image.RGBA) *image.RGBA {
	if o <= 1 || o > 8 {
		return src
	}
	w, h := src.Bounds().Dx(), src.Bounds().Dy()
	size := image.Rect(0, 0, w, h)
	if o.turned() {
		size = image.Rect(0, 0, h, w)
	}
	dst := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			tx, ty := o.place(x, y, w, h)
			copy(dst.Pix[dst.PixOffset(tx, ty):][:4], src.Pix[src.PixOffset(x, y):][:4])
		}
	}
	return dst
}

// place is where the pixel x, y of a picture of w x h goes.
func (o orientation) place(x, y, w, h int) (int, int) {
	switch o {
	case 2:
		return w - 1 - x, y
	case 3:
		return w - 1 - x, h - 1 - y
	case 4:
		return x, h - 1 - y
	case 5:
		return y, x
	case 6:
		return h - 1 - y, x
	case 7:
		return h - 1 - y, w - 1 - x
	case 8:
		return y, w - 1 - x
	default:
		return x, y
	}
}

// jpegSegments calls f for each segment before the pixels, until f gives false.
func jpegSegments(content []byte, f func(marker byte, payload []byte) bool) {
	for rest := content[min(2, len(content)):]; len(rest) >= 4 && rest[0] == 0xff; {
		marker := rest[1]
		if marker == 0xff { // padding
			rest = rest[1:]
			continue
		}
		n := int(binary.BigEndian.Uint16(rest[2:])) + 2
		const startOfScan = 0xda
		if n < 4 || n > len(rest) || marker == startOfScan || !f(marker, rest[4:n]) {
			return
		}
		rest = rest[n:]
	}
}

func jpegProgressive(content []byte) (progressive bool) {
	jpegSegments(content, func(marker byte, _ []byte) bool {
		const startOfFrame2 = 0xc2
		progressive = progressive || marker == startOfFrame2
		return true
	})
	return progressive
}

// exifHeader is before the EXIF data in a JPEG, and in some WebP files.
var exifHeader = []byte("Exif\x00\x00")

func jpegOrientation(content []byte) (o orientation) {
	jpegSegments(content, func(marker byte, payload []byte) bool {
		const app1 = 0xe1
		if marker != app1 || !bytes.HasPrefix(payload, exifHeader) {
			return true
		}
		o = tiffOrientation(payload[len(exifHeader):])
		return false
	})
	return o
}

func pngOrientation(content []byte) orientation {
	for rest := content[min(8, len(content)):]; len(rest) >= 12; {
		n := int(binary.BigEndian.Uint32(rest))
		if n < 0 || n > len(rest)-12 {
			return 0
		}
		if string(rest[4:8]) == "eXIf" {
			return tiffOrientation(rest[8 : 8+n])
		}
		rest = rest[12+n:]
	}
	return 0
}

func webpOrientation(content []byte) orientation {
	for rest := content[min(12, len(content)):]; len(rest) >= 8; {
		n := int(binary.LittleEndian.Uint32(rest[4:]))
		if n < 0 || n > len(rest)-8 {
			return 0
		}
		if string(rest[:4]) == "EXIF" {
			return tiffOrientation(bytes.TrimPrefix(rest[8:8+n], exifHeader))
		}
		rest = rest[min(len(rest), 8+n+n&1):]
	}
	return 0
}

// tiffOrientation reads the one tag that matters out of EXIF data; what it does not understand is upright.
func tiffOrientation(data []byte) orientation {
	if len(data) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.LittleEndian
	if data[0] == 'M' {
		order = binary.BigEndian
	}
	at := int64(order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return 0
	}
	const entryBytes, orientationTag, short = 12, 0x0112, 3
	entries := data[at+2:]
	for range order.Uint16(data[at:]) {
		if len(entries) < entryBytes {
			return 0
		}
		if order.Uint16(entries) == orientationTag && order.Uint16(entries[2:]) == short {
			if o := order.Uint16(entries[8:]); o <= 8 {
				return orientation(o)
			}
			return 0
		}
		entries = entries[entryBytes:]
	}
	return 0
}
