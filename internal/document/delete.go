package document

import (
	"context"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// Delete deletes an archived document for good, with all its contents. It must be archived first, so that nothing is lost by
// one slip, and not have to be kept any more. Deleting it again changes nothing, whatever version is expected. Who may:
// DocumentsDelete.
func (s *Service) Delete(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	if err := p.Require(auth.DocumentsDelete); err != nil {
		return err
	}
	today := s.Now().UTC()
	err := s.Store.DeleteDocument(ctx, p, id, func(d Document, conflict Conflict) error {
		if err := conflict(expectedVersion, nil); err != nil {
			return err
		}
		return d.mayBeDeleted(today)
	})
	return fault.Wrap("document.Delete", err)
}

func (d Document) mayBeDeleted(now time.Time) error {
	path := []string{"id"}
	switch {
	case d.RetentionUntil != nil && d.RetentionUntil.Format(time.DateOnly) >= now.Format(time.DateOnly):
		return fault.At(fault.Conflict, path, "The document must be kept until %s is over. Delete it afterwards, or change retentionUntil first.",
			d.RetentionUntil.Format(time.DateOnly))
	case d.Status != StatusArchived:
		return fault.At(fault.Conflict, path, "Only an archived document can be deleted for good. Archive it first.")
	default:
		return nil
	}
}

// DeletedLine is the entry of a document that is gone, which it cannot lead to.
func (d Document) DeletedLine() timeline.Line {
	l := d.line(timeline.KindDocumentDeleted, "Document deleted: "+d.Title)
	l.Subject, l.SubjectID = "", nil
	return l
}
