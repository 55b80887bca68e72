package thumbnail

import (
	"image"
	"image/draw"
)

// stripRows is how many rows of a picture are converted at a time, and shrinkBytes about what shrinking takes beside the
// large picture and the small one.
const (
	stripRows   = 16
	shrinkBytes = MaxSide*stripRows*4 + 4*maxScaled*maxScaled + 4<<20
)

// shrink gives a picture with w x h pixels, which are not more than it has: each is the mean of the area that it stands
// for, exactly. Only a strip of the large picture is converted at a time, and one row of sums kept, so that a poster costs
// no more than its own pixels.
func shrink(src image.Image, w, h int) *image.RGBA {
	from := src.Bounds()
	sw, sh := from.Dx(), from.Dy()
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	if w == sw && h == sh {
		draw.Draw(dst, dst.Bounds(), src, from.Min, draw.Src)
		return dst
	}
	strip := image.NewRGBA(image.Rect(0, 0, sw, min(stripRows, sh)))
	row, sums := make([]uint32, 4*w), make([]uint64, 4*w)
	// A row of the large picture is h high and one of the small picture sh, so that both pictures have the height h * sh.
	y, left := 0, sh
	for at := range sh {
		if at%stripRows == 0 {
			draw.Draw(strip, strip.Bounds(), src, image.Pt(from.Min.X, from.Min.Y+at), draw.Src)
		}
		addAcross(row, strip.Pix[at%stripRows*strip.Stride:], w, sw)
		for rest := h; rest > 0; {
			part := min(rest, left)
			for i, v := range row {
				sums[i] += uint64(v) * uint64(part)
			}
			rest -= part
			if left -= part; left == 0 {
				settle(dst.Pix[y*dst.Stride:], sums, uint64(sw)*uint64(sh))
				y, left = y+1, sh
			}
		}
	}
	return dst
}

// addAcross sums sw pixels up into w, in the same way across: a large pixel is w wide, a small one sw.
func addAcross(row []uint32, pixels []byte, w, sw int) {
	clear(row)
	x, left := 0, uint32(sw)
	for at := range sw {
		p := pixels[4*at : 4*at+4 : 4*at+4]
		for rest := uint32(w); rest > 0; {
			part := min(rest, left)
			s := row[4*x : 4*x+4 : 4*x+4]
			s[0] += uint32(p[0]) * part
			s[1] += uint32(p[1]) * part
			s[2] += uint32(p[2]) * part
			s[3] += uint32(p[3]) * part
			rest -= part
			if left -= part; left == 0 {
				x, left = x+1, uint32(sw)
			}
		}
	}
}

// settle writes a row of the small picture: the sums by the area, rounded.
func settle(pixels []byte, sums []uint64, area uint64) {
	for i, sum := range sums {
		pixels[i] = byte((sum + area/2) / area)
	}
	clear(sums)
}
