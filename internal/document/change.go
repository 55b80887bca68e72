package document

import (
	"context"
	"slices"
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
}

// Change is what a use case does to a document: what the store writes, all of it or nothing.
type Change struct {
	// Document is the document as it will be. Fields names what differs from the stored one, in the spelling of the
	// schema and sorted; with none nothing happens.
	Document Document
	Fields   []string
	// Event is the type of the event.
	Event string
}

// Patch is what to change of a document.
type Patch struct {
	Title     optional.Field[*string]
	ExpiresOn optional.Field[*time.Time]
}

// The fields of a document that a change can touch, as the schema has them.
const (
	FieldTitle          = "title"
	FieldExpiresOn      = "expiresOn"
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

// expiryHour is the hour (UTC) at which a document that expires stands on the timeline: at noon the date is the same in
// nearly every time zone, and the document is still valid.
const expiryHour = 12

// ExpiryLine is the document's entry on the coming timeline, nil when it has none: it does not expire or is archived.
func (d Document) ExpiryLine() *timeline.Line {
	if d.ExpiresOn == nil || d.Status == StatusArchived {
		return nil
	}
	y, m, day := d.ExpiresOn.Date()
	return &timeline.Line{
		CustomerID: d.CustomerID, At: time.Date(y, m, day, expiryHour, 0, 0, 0, time.UTC), Kind: timeline.KindDocumentExpires,
		Title: timeline.CutTitle("Document expires: " + d.Title), Subject: timeline.SubjectDocument, SubjectID: &d.ID,
	}
}

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

// Replace gives a document a new content. A document that was changed since expectedVersion is not replaced: that is
// found out before the file is read, and looked at again when it is there. Who may: DocumentsWrite.
func (s *Service) Replace(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, file Incoming) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	path := []string{"file"}
	name, err := cleanFileName(file.Name(), path)
	if err != nil {
		return err
	}
	target, err := s.Store.ReplaceTarget(ctx, p, id, expectedVersion)
	if err != nil {
		return fault.Wrap("document.Replace", err)
	}
	_, err = s.receive(ctx, p, intake{
		file: file, path: path, target: target, last: true, fileName: name,
		title: target.Title, expires: target.ExpiresOn, of: id, expected: expectedVersion,
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
		if err := conflict(expectedVersion, patch.fields()); err != nil {
			return Change{}, err
		}
		return patch.apply(d), nil
	})
	return fault.Wrap("document.Update", err)
}

// fields gives the names of what is given.
func (p Patch) fields() []string {
	var names []string
	if p.ExpiresOn.Given {
		names = append(names, FieldExpiresOn)
	}
	if p.Title.Given {
		names = append(names, FieldTitle)
	}
	return names
}

func (p *Patch) clean() error {
	var list fault.List
	if p.Title.Given {
		path := []string{"input", "title"}
		title := ""
		if p.Title.Value != nil {
			var err error
			title, err = cleanTitle(*p.Title.Value, path)
			list = append(list, fault.AsList(err)...)
		}
		if title == "" && len(list) == 0 {
			list = append(list, fault.At(fault.Required, path, "A document needs a title. Leave the field out to keep the one it has."))
		}
		p.Title.Value = &title
	}
	list = append(list, fault.AsList(checkDate(p.ExpiresOn.Value, []string{"input", "expiresOn"}))...)
	return list.Err()
}

// apply gives the change from d; what is as it was is no change.
func (p Patch) apply(d Document) Change {
	ch := Change{Document: d, Event: timeline.DocumentUpdated}
	if p.Title.Given && *p.Title.Value != d.Title {
		ch.Document.Title = *p.Title.Value
		ch.Fields = append(ch.Fields, FieldTitle)
	}
	if p.ExpiresOn.Given && !sameDate(p.ExpiresOn.Value, d.ExpiresOn) {
		ch.Document.ExpiresOn = p.ExpiresOn.Value
		ch.Fields = append(ch.Fields, FieldExpiresOn)
	}
	slices.Sort(ch.Fields)
	return ch
}

func sameDate(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Format(time.DateOnly) == b.Format(time.DateOnly)
}

// Archive takes a document out of the default view. An archived document stays as it is, whatever version is expected,
// so that a retry succeeds. One that is held back for malware is refused: it would come back as if nothing had been found.
// Who may: DocumentsWrite.
func (s *Service) Archive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.move(ctx, "document.Archive", p, id, expectedVersion, timeline.DocumentArchived, func(Document) string {
		return StatusArchived
	})
}

// Restore brings an archived document back; any other stays as it is. Who may: DocumentsWrite.
func (s *Service) Restore(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.move(ctx, "document.Restore", p, id, expectedVersion, timeline.DocumentRestored, func(d Document) string {
		if d.Status == StatusArchived {
			return StatusActive
		}
		return d.Status
	})
}

func (s *Service) move(
	ctx context.Context, op string, p auth.Principal, id uuid.UUID, expectedVersion int, event string, to func(Document) string,
) error {
	if err := p.Require(auth.DocumentsWrite); err != nil {
		return err
	}
	err := s.Store.ChangeDocument(ctx, p, id, func(d Document, conflict Conflict) (Change, error) {
		status := to(d)
		if status == d.Status {
			return Change{Document: d}, nil
		}
		if err := conflict(expectedVersion, []string{FieldStatus}); err != nil {
			return Change{}, err
		}
		if d.Status == StatusQuarantined {
			return Change{}, fault.New(fault.Conflict, "The document is held back because malware was found in it. Replace its content first.")
		}
		d.Status = status
		return Change{Document: d, Fields: []string{FieldStatus}, Event: event}, nil
	})
	return fault.Wrap(op, err)
}
