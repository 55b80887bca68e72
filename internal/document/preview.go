package document

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
	"dossier/internal/pdfpage"
	"dossier/internal/thumbnail"
)

// The sides of the squares that the pictures of a document fit into.
const (
	DocumentPreviewSide   = 1024
	DocumentThumbnailSide = 256
)

const (
	// maxPreviewBytes is the most bytes of a content that a preview is made of: it is decoded in memory.
	maxPreviewBytes = 20_000_000
	// maxPreviewAttempts is how often it is tried. A try that took the program with it counts, so that no file can do so for
	// ever.
	maxPreviewAttempts = 5
	// previewTime bounds a try, and keepRenditions is when the sweeper comes for objects that nobody took: well after it.
	previewTime    = 3 * time.Minute
	keepRenditions = 10 * time.Minute
)

const pdfType = "application/pdf"

// checks says what is to be done with the content of a source once it is stored.
func (s *Service) checks(src *source, c Content) Content {
	c.Hold = s.Scanner != nil
	c.Preview = slices.Contains(imageTypes, c.ContentType) || s.Pages && c.ContentType == pdfType && pdfpage.Complete(src.tail)
	return c
}

// Preview is what was made of a content.
type Preview struct {
	// Width and Height are the original's, as it is shown; 0 where that is no picture.
	Width, Height int
	// Renditions are the pictures, none when nothing can be made of the content.
	Renditions []Rendition
}

// Rendition is a picture that was made of a content. Its object is in the object store.
type Rendition struct {
	Variant       string
	ContentType   string
	SizeBytes     int64
	Width, Height int
	ObjectKey     string
	CRC32C        uint32
	Generation    int64
}

// preview makes the small pictures of a content and stores them. A content that none can be made of is IMPOSSIBLE, which
// takes nothing from the document.
func (c *Checker) preview(ctx context.Context, k Check) error {
	ctx, cancel := context.WithTimeout(ctx, previewTime)
	defer cancel()
	if k.SizeBytes > maxPreviewBytes || k.Attempt > maxPreviewAttempts {
		return c.finish(ctx, k, Preview{})
	}
	p, small, err := c.render(ctx, k)
	var large *thumbnail.TooLargeError
	switch {
	case errors.Is(err, thumbnail.ErrUnreadable) || errors.Is(err, pdfpage.ErrUnreadable) || errors.As(err, &large):
		return c.finish(ctx, k, Preview{})
	case err != nil:
		return err
	}
	for i, variant := range []string{ImagePreview, ImageThumbnail} {
		p.Renditions = append(p.Renditions, Rendition{
			Variant: variant, ContentType: small[i].ContentType, SizeBytes: int64(len(small[i].Bytes)),
			Width: small[i].Width, Height: small[i].Height, ObjectKey: blob.NewKey(k.AccountID),
		})
	}
	if err := c.keep(ctx, k, p.Renditions, small); err != nil {
		return err
	}
	c.at(pointRendered)
	return c.finish(ctx, k, p)
}

// render makes the pictures of a content.
func (c *Checker) render(ctx context.Context, k Check) (p Preview, small []thumbnail.Thumbnail, err error) {
	read := func(ctx context.Context) ([]byte, error) { return c.read(ctx, k) }
	if k.ContentType != pdfType {
		info, small, err := c.Thumbnails.Make(ctx, read, DocumentPreviewSide, DocumentThumbnailSide)
		return Preview{Width: info.Width, Height: info.Height}, small, err
	}
	if c.Pages == nil {
		return p, nil, pdfpage.ErrUnreadable
	}
	small, err = c.Thumbnails.Page(ctx, func(ctx context.Context) (image.Image, error) {
		content, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return c.Pages.FirstPage(ctx, content, DocumentPreviewSide)
	}, DocumentPreviewSide, DocumentThumbnailSide)
	return p, small, err
}

func (c *Checker) finish(ctx context.Context, k Check, p Preview) error {
	if err := c.Store.FinishPreview(ctx, k, p); err != nil {
		return err
	}
	if len(p.Renditions) == 0 {
		c.Observe(PreviewImpossible)
	} else {
		c.Observe(PreviewReady)
	}
	return nil
}

// keep writes the objects of renditions. Before the first byte the database knows them as garbage, so that whatever
// happens none is left that nobody has.
func (c *Checker) keep(ctx context.Context, k Check, list []Rendition, small []thumbnail.Thumbnail) error {
	keys := make([]string, len(list))
	for i, r := range list {
		keys[i] = r.ObjectKey
	}
	if err := c.Store.BeginRenditions(ctx, k, keys, keepRenditions); err != nil {
		return err
	}
	for i := range list {
		obj, err := c.Blobs.Put(ctx, list[i].ObjectKey, bytes.NewReader(small[i].Bytes), blob.PutOptions{
			ContentType: list[i].ContentType, ExpectedSize: list[i].SizeBytes, Metadata: map[string]string{"version": k.VersionID.String()},
		})
		if err != nil {
			return err
		}
		list[i].CRC32C, list[i].Generation = obj.CRC32C, obj.Generation
	}
	return nil
}

// read reads a content, which is bounded by maxPreviewBytes.
func (c *Checker) read(ctx context.Context, k Check) ([]byte, error) {
	r, err := c.Blobs.Open(ctx, k.ObjectKey, blob.Range{})
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // it was only read
	content := make([]byte, k.SizeBytes)
	if _, err := io.ReadFull(r, content); err != nil {
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return content, nil
}

// PreviewLinks makes and reads the links of previews: one Links for each size, with a secret of its own.
type PreviewLinks struct{ Preview, Thumbnail *Links }

// NewPreviewLinks gives the links below base. secret gives the key for a purpose.
func NewPreviewLinks(base string, secret func(purpose string) []byte) *PreviewLinks {
	of := func(variant string) *Links {
		name := strings.ToLower(variant)
		return &Links{Secret: secret("document " + name), BaseURL: base + "/" + name}
	}
	return &PreviewLinks{Preview: of(ImagePreview), Thumbnail: of(ImageThumbnail)}
}

// URLFor gives a link to a picture of the content of a version, in the name of a holder.
func (l *PreviewLinks) URLFor(variant string, h auth.Holder, account, version uuid.UUID) string {
	return l.of(variant).URLFor(h, account, version)
}

func (l *PreviewLinks) of(variant string) *Links {
	if variant == ImagePreview {
		return l.Preview
	}
	return l.Thumbnail
}

// OpenPreview opens the picture of a content that a link leads to. The caller closes it. It looks again whether the holder
// may read documents. A link that is forged, expired, of a holder who may not any more, or to a content that is held back or
// gone is NOT_FOUND. Who looks at a list sees many of them, so a preview is no download and has no record.
//
// SECURITY: a browser shows it in the place of this program's origin, so nothing comes from here that is not of the two
// types that are made here; what was uploaded never does.
func (s *Service) OpenPreview(ctx context.Context, links *PreviewLinks, variant, path string) (r *blob.Reader, contentType string, err error) {
	p, g, err := s.entitled(ctx, links.of(variant), path, auth.DocumentsRead, ActionPreview)
	if err != nil {
		return nil, "", err
	}
	d, err := s.Store.Rendition(ctx, p.AccountID, g.ID, variant)
	if err != nil {
		return nil, "", fault.Wrap("document.OpenPreview", err)
	}
	if !inlineTypes[d.ContentType] {
		return nil, "", errLink()
	}
	r, err = s.Blobs.Open(ctx, d.ObjectKey, blob.Range{})
	return r, d.ContentType, fault.Wrap("document.OpenPreview", err)
}
