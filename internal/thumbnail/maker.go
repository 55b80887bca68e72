package thumbnail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"time"

	"golang.org/x/sync/semaphore"
)

// maxScaled is the greatest side of a thumbnail.
const maxScaled = 1024

// The bounds of all makings of a Maker at a time.
const (
	// slots is how many files are in memory.
	slots = 2
	// memoryBytes is how much decoding may take, by an estimate from the size and the kind. A progressive JPEG of 20
	// megapixels takes nearly all of it.
	memoryBytes = 320 << 20
	// patience is how long one waits for its turn.
	patience = 30 * time.Second
)

// quality is of the JPEGs that are made.
const quality = 85

// ErrBusy says that too many pictures are being made small at the moment.
var ErrBusy = errors.New("thumbnail: too many pictures at a time")

// Thumbnail is a small picture.
type Thumbnail struct {
	// ContentType is image/jpeg, or image/png for a picture that one can see through.
	ContentType   string
	Width, Height int
	Bytes         []byte
}

// Maker makes thumbnails, few at a time. It is safe for concurrent use.
type Maker struct {
	files, memory *semaphore.Weighted
}

// NewMaker gives a Maker. A program has one, as the bounds are each Maker's.
func NewMaker() *Maker {
	return &Maker{files: semaphore.NewWeighted(slots), memory: semaphore.NewWeighted(memoryBytes)}
}

// Make gives the picture in a square of each of the sizes, which are from large to small and at most 1024: whole, upright,
// in its own proportions, and never enlarged. read gives the file when it is its turn; its error is given as it is.
//
// The error is ErrUnreadable, a *TooLargeError, ErrBusy, ctx's or read's.
func (m *Maker) Make(ctx context.Context, read func(context.Context) ([]byte, error), sizes ...int) (Info, []Thumbnail, error) {
	turn, cancel := context.WithTimeoutCause(ctx, patience, ErrBusy)
	defer cancel()
	if m.files.Acquire(turn, 1) != nil {
		return Info{}, nil, context.Cause(turn)
	}
	defer m.files.Release(1)
	content, err := read(ctx)
	if err != nil {
		return Info{}, nil, err
	}
	info, err := Inspect(content)
	if err != nil {
		return Info{}, nil, err
	}
	if info.memory > memoryBytes {
		return Info{}, nil, &TooLargeError{info.Width, info.Height}
	}
	// Who has this waits for nothing else, so the order of the two cannot close a circle.
	if m.memory.Acquire(turn, info.memory) != nil {
		return Info{}, nil, context.Cause(turn)
	}
	defer m.memory.Release(info.memory)
	list, err := info.make(content, sizes)
	return info, list, err
}

// Page is Make for a picture that draw makes, such as the page of a document. No picture is decoded meanwhile, so that what
// draw takes is within the bounds of all makings.
func (m *Maker) Page(ctx context.Context, draw func(context.Context) (image.Image, error), sizes ...int) ([]Thumbnail, error) {
	turn, cancel := context.WithTimeoutCause(ctx, patience, ErrBusy)
	defer cancel()
	if m.files.Acquire(turn, 1) != nil {
		return nil, context.Cause(turn)
	}
	defer m.files.Release(1)
	if m.memory.Acquire(turn, memoryBytes) != nil {
		return nil, context.Cause(turn)
	}
	defer m.memory.Release(memoryBytes)
	src, err := draw(ctx)
	if err != nil {
		return nil, err
	}
	return smaller(src, 0, sizes)
}

func (i Info) make(content []byte, sizes []int) (list []Thumbnail, err error) {
	defer func() {
		// SECURITY: a decoder that trips over a hostile file must not take the upload's state with it.
		if cause := recover(); cause != nil {
			list, err = nil, fmt.Errorf("%w: the decoder failed: %v", ErrUnreadable, cause)
		}
	}()
	src, err := i.decode(content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return smaller(src, i.orientation, sizes)
}

// smaller gives a picture in each of the sizes, upright.
func smaller(src image.Image, o orientation, sizes []int) (list []Thumbnail, err error) {
	for _, size := range sizes {
		small := scale(src, size)
		src = small // the next one is smaller, and made of this one
		t, err := encode(o.apply(small))
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// scale fits a picture into a square.
func scale(src image.Image, size int) *image.RGBA {
	w, h := fit(src.Bounds().Dx(), src.Bounds().Dy(), min(size, maxScaled))
	return shrink(src, w, h)
}

func fit(w, h, size int) (int, int) {
	most := max(w, h)
	if most <= size {
		return w, h
	}
	return max(1, (w*size+most/2)/most), max(1, (h*size+most/2)/most)
}

func encode(img *image.RGBA) (Thumbnail, error) {
	t := Thumbnail{ContentType: "image/jpeg", Width: img.Bounds().Dx(), Height: img.Bounds().Dy()}
	var b bytes.Buffer
	var err error
	if img.Opaque() {
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
	} else {
		t.ContentType = "image/png"
		err = png.Encode(&b, img)
	}
	t.Bytes = b.Bytes()
	return t, err
}
