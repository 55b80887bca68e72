package note

import (
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/text"
	"dossier/internal/timeline"
)

// MaxBody is how many characters a note may have.
const MaxBody = 10_000

// Note is a note about a customer.
type Note struct {
	ID         uuid.UUID
	Version    int
	CustomerID uuid.UUID
	Body       string
	Pinned     bool
}

// The fields of a note that a change can touch, as the schema has them.
const (
	FieldBody   = "body"
	FieldPinned = "pinned"
)

// Draft is the input of a new note. The JSON names are part of the fingerprint of idempotency keys, which is a hash.
type Draft struct {
	Body   string `json:"body"`
	Pinned bool   `json:"pinned"`
}

// Patch is what to change of a note.
type Patch struct {
	Body   optional.Field[*string]
	Pinned optional.Field[*bool]
}

// Change is what becomes of a note: what the store writes, all of it or nothing. Without fields nothing happens.
type Change struct {
	Note   Note
	Fields []string
	// Edited says that the text is another one, so that the note shows by whom and when.
	Edited bool
	// Remove says that the note is deleted, with its line on the timeline.
	Remove bool
}

// Line is the note's entry on the timeline. It holds nothing of the text: who may read a timeline need not be somebody who
// may read notes. Whoever may gets the note itself as the subject.
func (n Note) Line(at time.Time) timeline.Line {
	return timeline.Line{
		CustomerID: n.CustomerID, At: at, Kind: timeline.KindNote, Title: "Note", Subject: timeline.SubjectNote, SubjectID: &n.ID,
	}
}

// EventOf makes an event about the note. Its fields are names, never contents.
func (n Note) EventOf(eventType string, fields []string) timeline.Event {
	return timeline.Event{Type: eventType, CustomerID: &n.CustomerID, Subject: timeline.SubjectNote, SubjectID: n.ID, ChangedFields: fields}
}

func create(id, customerID uuid.UUID, d Draft) (Note, error) {
	body, err := checkBody(&d.Body)
	return Note{ID: id, Version: 1, CustomerID: customerID, Body: body, Pinned: d.Pinned}, err
}

func checkBody(s *string) (string, error) {
	path := []string{"input", "body"}
	if s == nil {
		return "", errNoBody(path)
	}
	body, problem := text.Lines(*s, MaxBody)
	switch {
	case problem != "":
		return "", fault.At(fault.BadUserInput, path, "%s", problem)
	case body == "":
		return "", errNoBody(path)
	}
	return body, nil
}

func errNoBody(path []string) error {
	return fault.At(fault.Required, path, "A note needs a text. Delete the note if it is no longer wanted.")
}

// clean checks what is given, all of it at once.
func (p *Patch) clean() error {
	var faults fault.List
	if p.Body.Given {
		body, err := checkBody(p.Body.Value)
		faults = append(faults, fault.AsList(err)...)
		p.Body.Value = &body
	}
	if p.Pinned.Given && p.Pinned.Value == nil {
		faults = append(faults, fault.At(fault.BadUserInput, []string{"input", "pinned"},
			"A note is pinned or not: give true or false, or leave the field out."))
	}
	return faults.Err()
}

func (p Patch) fields() []string {
	var names []string
	if p.Body.Given {
		names = append(names, FieldBody)
	}
	if p.Pinned.Given {
		names = append(names, FieldPinned)
	}
	return names
}

// apply gives the change from n; what is as it was is no change.
func (p Patch) apply(n Note) Change {
	ch := Change{Note: n}
	if p.Body.Given && *p.Body.Value != n.Body {
		ch.Note.Body, ch.Edited = *p.Body.Value, true
		ch.Fields = append(ch.Fields, FieldBody)
	}
	if p.Pinned.Given && *p.Pinned.Value != n.Pinned {
		ch.Note.Pinned = *p.Pinned.Value
		ch.Fields = append(ch.Fields, FieldPinned)
	}
	return ch
}
