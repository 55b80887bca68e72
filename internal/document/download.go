package document

import (
	"context"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/fault"
)

// Offer is where a link leads to now, and what is there.
type Offer struct {
	// URL is at the object store and works for Limits.Redirect. It is "" for who only peeks.
	URL string
	// FileName is what the content is offered as, ContentType what it is served as, see blob.SafeContentType.
	FileName, ContentType string
	SizeBytes             int64
}

// OfferOf makes the offer of an object.
func (s *Service) OfferOf(ctx context.Context, key string, o Offer, v Visit) (Offer, error) {
	o.ContentType = blob.SafeContentType(o.ContentType)
	if v.Peek {
		return o, nil
	}
	req, err := s.Blobs.SignGet(ctx, key, blob.SignGetOptions{Filename: o.FileName, ContentType: o.ContentType, Expires: s.Limits.Redirect})
	o.URL = req.URL
	return o, err
}

// DownloadRequest gives where a download link leads to now. It looks again whether the holder may read documents and
// whether the content may be read: a version that was held back or deleted since the link was made is NOT_FOUND, as a
// forged and an expired link are. The download is in the audit trail before the URL is given.
func (s *Service) DownloadRequest(ctx context.Context, links *Links, path string, v Visit) (Offer, error) {
	p, version, reading, err := s.Follow(ctx, links, path, v, auth.DocumentsRead, ActionDocument)
	if err != nil {
		return Offer{}, err
	}
	d, err := s.Store.Download(ctx, p, version, reading)
	if err != nil {
		return Offer{}, fault.Wrap("document.DownloadRequest", err)
	}
	o, err := s.OfferOf(ctx, d.ObjectKey, Offer{FileName: d.FileName, ContentType: d.ContentType, SizeBytes: d.SizeBytes}, v)
	return o, fault.Wrap("document.DownloadRequest", err)
}
