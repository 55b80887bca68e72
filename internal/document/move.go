package document

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// Destination is where a document is to go. What is not given stays as it is.
type Destination struct {
	CustomerID *uuid.UUID
	AreaKey    *string
}

// Place is where a document is or goes, as it is while the document is locked.
type Place struct {
	CustomerID uuid.UUID
	// Area is with Fits for the customer.
	Area Area
	// Filed is how many other documents the customer has in the area, uploads in progress included.
	Filed int
	// ContentType and SizeBytes are of the content in force.
	ContentType string
	SizeBytes   int64
}

// Move files a document in another area, another customer's file, or both. One that is there already stays as it is,
// whatever version is expected, so that a retry succeeds. Who may: DocumentsWrite.
func (s *Service) Move(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, to Destination) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	if to.CustomerID == nil && to.AreaKey == nil {
		return fault.At(fault.Required, []string{"areaKey"}, "Say where to: give areaKey, customerId, or both.")
	}
	err := s.Store.PlaceDocument(ctx, p, id, to, func(d Document, t Place, conflict Conflict) (Change, error) {
		if t.Area.Key == "" {
			return Change{}, errAreaUnknown([]string{"areaKey"})
		}
		ch := d.movedTo(t)
		if len(ch.Fields) == 0 {
			return ch, nil
		}
		if err := conflict(expectedVersion, ch.Fields); err != nil {
			return Change{}, err
		}
		return ch, t.takes(d)
	})
	return fault.Wrap("document.Move", err)
}

// movedTo gives the change that a move is.
func (d Document) movedTo(t Place) Change {
	ch := Change{Document: d, Event: timeline.DocumentMoved}
	if t.Area.ID != d.AreaID {
		ch.Document.AreaID = t.Area.ID
		ch.Fields = append(ch.Fields, FieldArea)
	}
	if t.CustomerID != d.CustomerID {
		ch.Document.CustomerID = t.CustomerID
		ch.Fields = append(ch.Fields, FieldCustomer)
		ch.From = d.CustomerID
	}
	slices.Sort(ch.Fields)
	return ch
}

// takes refuses a document that the area does not take. An archived one takes no place.
func (t Place) takes(d Document) error {
	path := []string{"areaKey"}
	if err := t.Area.takesNew(path); err != nil {
		return err
	}
	if t.Area.General() {
		return nil
	}
	if t.SizeBytes > t.Area.MaxFileBytes {
		e := fault.At(fault.TooLarge, path, "The document has %d bytes; the area %s takes %d at most.", t.SizeBytes, t.Area.Key, t.Area.MaxFileBytes)
		e.Detail = fault.LimitDetail{LimitBytes: t.Area.MaxFileBytes}
		return e
	}
	if err := t.Area.checkType(t.ContentType, path); err != nil {
		return err
	}
	return t.room(d, path)
}

// room refuses a document for which the area is full.
func (t Place) room(d Document, path []string) error {
	if t.Area.MaxFiles > 0 && t.Filed >= t.Area.MaxFiles && d.Status != StatusArchived {
		return ErrAreaFull(t.Area.MaxFiles, path)
	}
	return nil
}

// MovedLines are the entries of a move to another customer: one on the timeline of each.
func (d Document) MovedLines(from uuid.UUID) []timeline.Line {
	gone := d.line(timeline.KindDocumentMoved, "Document moved to another customer: "+d.Title)
	gone.CustomerID = from
	return []timeline.Line{gone, d.line(timeline.KindDocumentMoved, "Document moved from another customer: "+d.Title)}
}
