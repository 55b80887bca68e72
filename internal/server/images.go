package server

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"

	"dossier/internal/blob"
)

// originalImage answers a link of Image.url as download does: it sends the browser to the store, for an attachment.
func (s *Server) originalImage() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		to, err := s.deps.Resolver.Documents.ImageRequest(r.Context(), s.deps.Images, r.PathValue("token"))
		if err != nil {
			noImage(w)
			return
		}
		http.Redirect(w, r, to, http.StatusFound)
	})
}

// smallImage answers a link of a previewUrl or thumbnailUrl, of a customer's image or of a document, with the picture
// itself, to be shown by an img element. A directory shows many of them, so each costs one request.
func (s *Server) smallImage(open func(ctx context.Context, token string) (*blob.Reader, string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Referrer-Policy", "no-referrer")
		body, contentType, err := open(r.Context(), r.PathValue("token"))
		if err != nil {
			h.Set("Cache-Control", "no-store")
			noImage(w)
			return
		}
		defer body.Close() //nolint:errcheck // it was only read
		// SECURITY: the bytes were made by this program and are an image/png or image/jpeg. Should that ever be wrong, a
		// browser neither guesses another type nor runs anything in them.
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // apps of other origins show them; the link is the credential
		h.Set("Content-Disposition", "inline")
		// The link lives for minutes, and what it leads to never changes. Only the asker's own browser may keep it.
		h.Set("Cache-Control", "private, max-age=300, immutable")
		h.Set("Content-Length", strconv.FormatInt(body.Length, 10))
		if r.Method == http.MethodHead {
			return
		}
		s.send(w, r, body)
	})
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, body *blob.Reader) {
	if _, err := io.Copy(w, body); err != nil && r.Context().Err() == nil {
		s.log.WarnContext(r.Context(), "a picture could not be sent", slog.Any("cause", err))
	}
}

// noImage is the one answer for a forged and an expired link, and for a picture that is gone.
func noImage(w http.ResponseWriter) {
	http.Error(w, "This link does not work, or no longer. Ask for the URLs again.", http.StatusNotFound)
}
