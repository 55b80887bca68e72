package server

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/fault"
)

// writeTime is how long a client of a ZIP may take for one write.
const writeTime = time.Minute

// safe sets the headers of everything that a link of a download is answered with.
//
// SECURITY: no page may embed it, no browser may show it or guess what it is, nobody may keep it, and the link, which is a
// credential, is told to nobody. The object store's answer has the same from the object's own metadata or the signed URL.
func safe(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-site")
}

// download answers a link of DocumentVersion.downloadUrl or Job.downloadUrl: it looks again whether the holder may, has the
// download put on record, and sends the browser to the store with a signature that is shorter still. A HEAD is answered from
// what is known of the content, because a signature of the store is for one method.
func (s *Server) download(find func(ctx context.Context, token string, v document.Visit) (document.Offer, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		safe(h)
		v := document.Visit{Peek: r.Method == http.MethodHead, Continues: continues(r.Header.Get("Range"))}
		offer, err := find(r.Context(), r.PathValue("token"), v)
		if err != nil {
			s.noDownload(w, r, err)
			return
		}
		if v.Peek {
			h.Set("Content-Type", offer.ContentType)
			h.Set("Content-Disposition", blob.AttachmentDisposition(offer.FileName))
			h.Set("Content-Length", strconv.FormatInt(offer.SizeBytes, 10))
			h.Set("Accept-Ranges", "bytes")
			return
		}
		http.Redirect(w, r, offer.URL, http.StatusFound)
	})
}

// continues says whether a Range asks for a part that does not begin at the beginning.
func continues(header string) bool {
	ranges, ok := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	start, _, dash := strings.Cut(ranges, "-")
	start = strings.TrimSpace(start)
	if !ok || !dash {
		return false
	}
	if start == "" { // the last so many bytes
		return true
	}
	n, err := strconv.ParseUint(start, 10, 63)
	return err == nil && n > 0
}

// archive answers a link of Customer.documentsZipUrl with the ZIP itself, as it is made. When that fails in the middle the
// connection is broken off, so that nobody takes what has arrived for all there is.
func (s *Server) archive() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		safe(h)
		peek := r.Method == http.MethodHead
		a, err := s.deps.Resolver.Documents.ArchiveRequest(r.Context(), s.deps.ArchiveLinks, r.PathValue("token"), document.Visit{Peek: peek})
		if err != nil {
			s.noDownload(w, r, err)
			return
		}
		h.Set("Content-Type", "application/zip")
		h.Set("Content-Disposition", blob.AttachmentDisposition(a.FileName))
		h.Set("Accept-Ranges", "none")
		if peek {
			return
		}
		out := &pacedWriter{w: w, control: http.NewResponseController(w)}
		if err := a.Write(r.Context(), out); err != nil {
			if r.Context().Err() == nil {
				s.log.WarnContext(r.Context(), "a ZIP of documents could not be finished", slog.Any("cause", err))
			}
			panic(http.ErrAbortHandler)
		}
		_ = out.control.SetWriteDeadline(time.Time{}) // the connection may be used for another request
	})
}

// pacedWriter is an answer that must keep being taken: each write has a time limit of its own.
type pacedWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	until   time.Time
}

// Write writes on, for as long as the client takes it.
func (p *pacedWriter) Write(b []byte) (int, error) {
	// Moving the deadline costs more than most writes, so it is moved when half of it is over.
	if now := time.Now(); p.until.Sub(now) < writeTime/2 {
		p.until = now.Add(writeTime)
		// A server that cannot set deadlines (a test recorder) has none to extend.
		_ = p.control.SetWriteDeadline(p.until)
	}
	return p.w.Write(b)
}

// noDownload is the one answer for a forged, an expired and a withdrawn link, and for a holder who may not any more.
func (s *Server) noDownload(w http.ResponseWriter, r *http.Request, err error) {
	switch code := fault.CodeOf(err); code { //nolint:exhaustive // all others say the same
	case fault.Unavailable:
		w.Header().Set("Retry-After", "1")
		http.Error(w, "The download cannot be begun just now. Try again.", http.StatusServiceUnavailable)
	case fault.TooLarge:
		http.Error(w, "The customer has more than "+strconv.Itoa(document.MaxArchived)+" documents, too many for one ZIP. Download them one by one.",
			http.StatusRequestEntityTooLarge)
	case fault.Internal:
		s.log.ErrorContext(r.Context(), "a download failed", slog.Any("cause", err))
		http.Error(w, "internal error", http.StatusInternalServerError)
	default:
		http.Error(w, "This link does not work, or no longer. Ask for a new one.", http.StatusNotFound)
	}
}
