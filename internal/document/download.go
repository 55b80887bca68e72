package document

import (
	"context"

	"dossier/internal/blob"
	"dossier/internal/fault"
)

// DownloadRequest gives the URL at the object store that a download link leads to now. It looks again whether the
// content may be read: a version that was held back or deleted since the link was made is NOT_FOUND, as a forged and an
// expired link are.
func (s *Service) DownloadRequest(ctx context.Context, links *Links, path string) (url string, err error) {
	account, version, err := links.Verify(path)
	if err != nil {
		return "", err
	}
	d, err := s.Store.Download(ctx, account, version)
	if err != nil {
		return "", fault.Wrap("document.DownloadRequest", err)
	}
	req, err := s.Blobs.SignGet(ctx, d.ObjectKey, blob.SignGetOptions{
		Filename: d.FileName, ContentType: d.ContentType, Expires: s.Limits.Redirect,
	})
	if err != nil {
		return "", fault.Wrap("document.DownloadRequest", err)
	}
	return req.URL, nil
}
