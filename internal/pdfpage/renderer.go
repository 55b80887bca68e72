package pdfpage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"io"
	"os"
	"sync"
	"time"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/enums"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

const (
	// maxMemoryPages is the memory of an instance, in pages of 64 KiB: 192 MiB.
	maxMemoryPages = 3072
	// renderTime is how long a page may take.
	renderTime = 20 * time.Second
)

// ErrUnreadable says that no page can be drawn: the file is no PDF, damaged, locked by a password, or takes too much.
var ErrUnreadable = errors.New("pdfpage: the page cannot be drawn")

// Renderer draws pages, one at a time. It is safe for concurrent use.
type Renderer struct {
	cacheDir string

	mu   sync.Mutex
	pool pdfium.Pool
}

// New gives a Renderer that keeps its machine code in cacheDir; "" means nowhere.
//
// SECURITY: what is in cacheDir is run by the program, so only its user may write there.
func New(cacheDir string) *Renderer { return &Renderer{cacheDir: cacheDir} }

// TrailerBytes is how much of the end of a file Complete looks at.
const TrailerBytes = 1024

// Complete says by its last TrailerBytes whether a file that begins as a PDF also ends as one. What does not is no PDF, and
// is not worth starting the renderer.
func Complete(end []byte) bool { return bytes.Contains(end, []byte("%%EOF")) }

// FirstPage draws the first page, as large as it fits into a square of side pixels, on white. The error is ErrUnreadable,
// ctx's, or says that there is no renderer.
func (r *Renderer) FirstPage(ctx context.Context, content []byte, side int) (image.Image, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	instance, err := r.pool.GetInstance(renderTime)
	if err != nil {
		return nil, fmt.Errorf("pdfpage: %w", err)
	}
	timed, cancel := context.WithTimeout(ctx, renderTime)
	defer cancel()
	// Kill is the one call that may come from elsewhere; it ends what runs.
	killed := context.AfterFunc(timed, func() { _ = instance.Kill() })
	img, err := render(instance, content, side)
	if killed() {
		_ = instance.Close() // it has nothing that could be lost
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	return img, nil
}

// render draws and copies the picture out of the sandbox.
func render(instance pdfium.Pdfium, content []byte, side int) (img image.Image, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			img, err = nil, fmt.Errorf("the renderer failed: %v", cause)
		}
	}()
	doc, err := instance.OpenDocument(&requests.OpenDocument{File: &content})
	if err != nil {
		return nil, err
	}
	page, err := instance.RenderPageInPixels(&requests.RenderPageInPixels{
		Page:  requests.Page{ByIndex: &requests.PageByIndex{Document: doc.Document, Index: 0}},
		Width: side, Height: side, RenderFlags: enums.FPDF_RENDER_FLAG_ANNOT,
	})
	if err != nil {
		return nil, err
	}
	defer page.Cleanup()
	src := page.Result.RenderedImage
	if b := src.Bounds(); b.Empty() || b.Dx() > side || b.Dy() > side {
		return nil, errors.New("the page has no area")
	}
	// A page that can be seen through is meant to be on paper.
	paper := image.NewRGBA(image.Rect(0, 0, src.Bounds().Dx(), src.Bounds().Dy()))
	draw.Draw(paper, paper.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(paper, paper.Bounds(), src, src.Bounds().Min, draw.Over)
	return paper, nil
}

// start makes the renderer ready.
func (r *Renderer) start() error {
	if r.pool != nil {
		return nil
	}
	config := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).
		WithCloseOnContextDone(true).WithMemoryLimitPages(maxMemoryPages)
	if r.cacheDir != "" {
		// Without the directory everything works, only slower.
		if err := os.MkdirAll(r.cacheDir, 0o700); err == nil {
			if cache, err := wazero.NewCompilationCacheWithDir(r.cacheDir); err == nil {
				config = config.WithCompilationCache(cache)
			}
		}
	}
	pool, err := webassembly.Init(webassembly.Config{
		MaxIdle: 1, MaxTotal: 1, RuntimeConfig: config, Stdout: io.Discard, Stderr: io.Discard,
		// SECURITY: the default is the whole file system.
		FSConfig: wazero.NewFSConfig(),
	})
	if err != nil {
		return fmt.Errorf("pdfpage: %w", err)
	}
	r.pool = pool
	return nil
}

// Close ends the Renderer.
func (r *Renderer) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pool == nil {
		return nil
	}
	pool := r.pool
	r.pool = nil
	return pool.Close()
}
