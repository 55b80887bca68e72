package document

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/blob"
	"dossier/internal/fault"
)

// ImageLinks makes and reads the links of pictures: one Links for each variant, with a secret of its own, so that a link
// to a thumbnail is never one to the original, which has all its metadata.
type ImageLinks struct{ Original, Preview, Thumbnail *Links }

// NewImageLinks gives the links below base. secret gives the key for a purpose.
func NewImageLinks(base string, secret func(purpose string) []byte) *ImageLinks {
	of := func(variant string) *Links {
		name := strings.ToLower(variant)
		return &Links{Secret: secret("image " + name), BaseURL: base + "/" + name}
	}
	return &ImageLinks{Original: of(ImageOriginal), Preview: of(ImagePreview), Thumbnail: of(ImageThumbnail)}
}

// URL gives a link to a variant of a picture.
func (l *ImageLinks) URL(variant string, account, image uuid.UUID) string {
	return l.of(variant).URL(account, image)
}

func (l *ImageLinks) of(variant string) *Links {
	switch variant {
	case ImageOriginal:
		return l.Original
	case ImagePreview:
		return l.Preview
	default:
		return l.Thumbnail
	}
}

// inlineTypes is what small pictures are, because they are made here.
var inlineTypes = set("image/jpeg", "image/png")

// ImageRequest gives the URL at the object store that a link to an original leads to now, as an attachment. A link that is
// forged, expired, or to a picture that was replaced since is NOT_FOUND.
func (s *Service) ImageRequest(ctx context.Context, links *ImageLinks, path string) (url string, err error) {
	d, err := s.imageFile(ctx, links.Original, ImageOriginal, path)
	if err != nil {
		return "", err
	}
	req, err := s.Blobs.SignGet(ctx, d.ObjectKey, blob.SignGetOptions{
		Filename: d.FileName, ContentType: d.ContentType, Expires: s.Limits.Redirect,
	})
	if err != nil {
		return "", fault.Wrap("document.ImageRequest", err)
	}
	return req.URL, nil
}

// SmallImage opens the small picture that a link leads to. The caller closes it.
//
// SECURITY: only what this program made may be shown by a browser in the place of its origin: originals never come here,
// and nothing that is not of the two types.
func (s *Service) SmallImage(ctx context.Context, links *ImageLinks, variant, path string) (r *blob.Reader, contentType string, err error) {
	if variant != ImagePreview && variant != ImageThumbnail {
		return nil, "", errLink()
	}
	d, err := s.imageFile(ctx, links.of(variant), variant, path)
	if err != nil {
		return nil, "", err
	}
	if !inlineTypes[d.ContentType] {
		return nil, "", errLink()
	}
	r, err = s.Blobs.Open(ctx, d.ObjectKey, blob.Range{})
	return r, d.ContentType, fault.Wrap("document.SmallImage", err)
}

func (s *Service) imageFile(ctx context.Context, links *Links, variant, path string) (Download, error) {
	account, image, err := links.Verify(path)
	if err != nil {
		return Download{}, err
	}
	d, err := s.Images.ImageFile(ctx, account, image, variant)
	return d, fault.Wrap("document.imageFile", err)
}
