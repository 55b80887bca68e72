package document

import (
	"context"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/timeline"
)

// Document is a document without its contents, as a change sees it.
type Document struct {
	ID         uuid.UUID
	CustomerID uuid.UUID
	Version    int
	Status     string
	Title      string
	// ExpiresOn is a date: midnight UTC.
	ExpiresOn *time.Time
	Details
}

// Change is what a use case does to a document: what the store writes, all of it or nothing.
type Change struct {
	// Document is the document as it will be. Fields names what differs from the stored one, in the spelling of the
	// schema and sorted; with none nothing happens.
	Document Document
	Fields   []string
	// Event is the type of the event.
	Event string
	// From is the customer that the document was of, where it moves to another one.
	From uuid.UUID
}

// Patch is what to change of a document.
type Patch struct {
	Title          optional.Field[*string]
	Description    optional.Field[*string]
	Tags           optional.Field[[]string]
	Purpose        optional.Field[*string]
	Visibility     optional.Field[*string]
	ExpiresOn      optional.Field[*time.Time]
	RetentionUntil optional.Field[*time.Time]
}

// The fields of a document that a change can touch, as the schema has them.
const (
	FieldTitle          = "title"
	FieldDescription    = "description"
	FieldTags           = "tags"
	FieldPurpose        = "purpose"
	FieldVisibility     = "visibility"
	FieldExpiresOn      = "expiresOn"
	FieldRetentionUntil = "retentionUntil"
	FieldArea           = "area"
	FieldCustomer       = "customer"
	FieldCurrentVersion = "currentVersion"
	FieldVersions       = "versions"
	FieldStatus         = "status"
)

// The states of a document and of a version, in the spelling of the schema.
const (
	StatusActive      = "ACTIVE"
	StatusQuarantined = "QUARANTINED"
	StatusArchived    = "ARCHIVED"

	StateStored      = "STORED"
	StateAvailable   = "AVAILABLE"
	StateQuarantined = "QUARANTINED"
)

// AddedLine and ReplacedLine are the document's entries on the past timeline. Their time is that of the transaction.
func (d Document) AddedLine() timeline.Line {
	return d.line(timeline.KindDocumentAdded, "Document added: "+d.Title)
}

// ReplacedLine tells of a new content.
func (d Document) ReplacedLine() timeline.Line {
	return d.line(timeline.KindDocumentReplaced, "Document replaced: "+d.Title)
}

func (d Document) line(kind, title string) timeline.Line {
	return timeline.Line{
		CustomerID: d.CustomerID, Kind: kind, Title: timeline.CutTitle(title), Subject: timeline.SubjectDocument, SubjectID: &d.ID,
	}
}

// EventOf makes an event about the document.
func (d Document) EventOf(eventType string, fields []string) timeline.Event {
	return timeline.Event{
		Type: eventType, CustomerID: &d.CustomerID, Subject: timeline.SubjectDocument, SubjectID: d.ID, ChangedFields: fields,
	}
}

// Replace gives a document a new content, and changes what the patch gives. A document that was changed since
// expectedVersion is not replaced: that is found out before the file is read, and looked at again when it is there. Who
// may: DocumentsWrite.
func (s *Service) Replace(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, file Incoming, patch Patch) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	path := []string{"file"}
	name, err := cleanFileName(file.Name(), path)
	if err != nil {
		return err
	}
	if err := patch.clean(); err != nil {
		return err
	}
	target, err := s.Store.ReplaceTarget(ctx, p, id, expectedVersion)
	if err != nil {
		return fault.Wrap("document.Replace", err)
	}
	_, err = s.receive(ctx, p, intake{
		file: file, path: path, target: target, last: true, fileName: name,
		title: target.Title, expires: target.ExpiresOn, of: id, expected: expectedVersion, patch: patch,
	})
	return fault.Wrap("document.Replace", err)
}

// Update changes what the patch gives. Who may: DocumentsWrite.
func (s *Service) Update(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch Patch) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	if err := patch.clean(); err != nil {
		return err
	}
	err := s.Store.ChangeDocument(ctx, p, id, func(d Document, conflict Conflict) (Change, error) {
		if err := conflict(expectedVersion, patch.Fields()); err != nil {
			return Change{}, err
		}
		return patch.Apply(d), nil
	})
	return fault.Wrap("document.Update", err)
}

// Archive takes a document out of the default view. An archived document stays as it is, whatever version is expected,
// so that a retry succeeds. One that is held back for malware is refused: it would come back as if nothing had been found.
// Who may: DocumentsWrite.
func (s *Service) Archive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	err := s.Store.ChangeDocument(ctx, p, id, func(d Document, conflict Conflict) (Change, error) {
		if d.Status == StatusArchived {
			return Change{Document: d}, nil
		}
		if err := conflict(expectedVersion, []string{FieldStatus}); err != nil {
			return Change{}, err
		}
		if d.Status == StatusQuarantined {
			return Change{}, fault.New(fault.Conflict, "The document is held back because malware was found in it. Replace its content first.")
		}
		d.Status = StatusArchived
		return Change{Document: d, Fields: []string{FieldStatus}, Event: timeline.DocumentArchived}, nil
	})
	return fault.Wrap("document.Archive", err)
}

// Restore brings an archived document back, for which its area must have room; any other stays as it is. Who may:
// DocumentsWrite.
func (s *Service) Restore(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	err := s.Store.PlaceDocument(ctx, p, id, Destination{}, func(d Document, at Place, conflict Conflict) (Change, error) {
		if d.Status != StatusArchived {
			return Change{Document: d}, nil
		}
		if err := conflict(expectedVersion, []string{FieldStatus}); err != nil {
			return Change{}, err
		}
		d.Status = StatusActive
		return Change{Document: d, Fields: []string{FieldStatus}, Event: timeline.DocumentRestored}, at.room(d, []string{"id"})
	})
	return fault.Wrap("document.Restore", err)
}
