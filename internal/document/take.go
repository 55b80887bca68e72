package document

import (
	"context"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
)

// Taking is a file that is kept for another area and becomes no document.
type Taking struct {
	// Mode is what the upload is stored as.
	Mode string
	// ContentType is what the object is stored as. The content is not looked at: Watch does that.
	ContentType string
	// MaxBytes is the most bytes that the file may have.
	MaxBytes int64
	// Key makes a repeated request give what the first one made.
	Key *idempotency.Key
	// Watch sees all bytes of the file in order, before they are stored. An error of it ends the upload and is the answer.
	Watch func(p []byte) error
	// Complete is the second transaction, with the rules of Store.CompleteUpload. Content.DocumentID is the id of what it
	// is to make. It runs several times when its outcome is not known.
	Complete func(ctx context.Context, p auth.Principal, a Attempt, c Content) (uuid.UUID, error)
}

// Take brings a file into the object store as Upload does: reserved, leased, hashed, with no connection held, and cleared
// away by the sweeper when it came to nothing. Where there is a scanner it is scanned before it is accepted. Who may is the caller's to ask. Errors are at path.
func (s *Service) Take(ctx context.Context, p auth.Principal, file Incoming, path []string, t Taking) (uuid.UUID, error) {
	name, err := cleanFileName(file.Name(), path)
	if err != nil {
		return uuid.Nil, err
	}
	r, err := s.receive(ctx, p, intake{
		file: &watched{Incoming: file, watch: t.Watch}, path: path, last: true, fileName: name, title: name, key: t.Key, take: &t,
		target: Target{MaxFileBytes: t.MaxBytes, Quota: Quota{LimitBytes: t.MaxBytes}},
	})
	return r.id, fault.Wrap("document.Take", err)
}

// scanTaken scans a file that becomes no document; one that is not good ends its upload.
func (s *Service) scanTaken(ctx context.Context, p auth.Principal, a Attempt, c Content, path []string) error {
	err := s.scanNow(ctx, p, a, c, path)
	if err != nil {
		s.giveUp(ctx, a, func(ctx context.Context) error { return s.Store.FailUpload(ctx, p, a, true) })
	}
	return err
}

// watched is a file that shows what passes. It hides that the file may be an io.WriterTo.
type watched struct {
	Incoming
	watch func(p []byte) error
}

// Read gives the next bytes.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Incoming.Read(p)
	if n > 0 {
		if refused := w.watch(p[:n]); refused != nil {
			return 0, refused
		}
	}
	return n, err
}
