package timeline

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/text"
)

// MaxTitle is how many characters the title of an entry may have.
const MaxTitle = 200

// staffKinds are the kinds that staff make. All others tell what Dossier did and cannot be changed.
var staffKinds = []string{KindVisit, KindCall, KindTask}

// Entry is a line on a customer's timeline.
type Entry struct {
	ID         uuid.UUID
	Version    int
	CustomerID uuid.UUID
	At         time.Time
	Kind       string
	Title      string
}

// Draft is the input of a new entry. The JSON names are part of the fingerprint of idempotency keys.
type Draft struct {
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"`
	Title string    `json:"title"`
}

// Patch is what to change of an entry. A field that is nil stays as it is.
type Patch struct {
	Kind  *string
	At    *time.Time
	Title *string
}

// create makes the entry that the draft asks for.
func create(id, customerID uuid.UUID, d Draft) (Entry, error) {
	var faults fault.List
	e := Entry{ID: id, Version: 1, CustomerID: customerID, At: d.At.UTC(), Kind: d.Kind}
	checkKind(&faults, d.Kind)
	checkAt(&faults, d.At)
	e.Title = checkTitle(&faults, d.Title)
	return e, faults.Err()
}

// update makes the entry that the patch asks for, and names the fields that differ.
func update(e Entry, p Patch) (Entry, []string, error) {
	if !slices.Contains(staffKinds, e.Kind) {
		return e, nil, fault.At(fault.Conflict, []string{"id"}, "Dossier made this entry to tell what happened. It cannot be changed or deleted.")
	}
	var faults fault.List
	next := e
	var fields []string
	if p.At != nil {
		checkAt(&faults, *p.At)
		if next.At = p.At.UTC(); !next.At.Equal(e.At) {
			fields = append(fields, "at")
		}
	}
	if p.Kind != nil {
		checkKind(&faults, *p.Kind)
		if next.Kind = *p.Kind; next.Kind != e.Kind {
			fields = append(fields, "kind")
		}
	}
	if p.Title != nil {
		if next.Title = checkTitle(&faults, *p.Title); next.Title != e.Title {
			fields = append(fields, "title")
		}
	}
	return next, fields, faults.Err()
}

func (p Patch) fields() []string {
	var names []string
	if p.At != nil {
		names = append(names, "at")
	}
	if p.Kind != nil {
		names = append(names, "kind")
	}
	if p.Title != nil {
		names = append(names, "title")
	}
	return names
}

func checkKind(faults *fault.List, kind string) {
	if !slices.Contains(staffKinds, kind) {
		*faults = append(*faults, fault.At(fault.BadUserInput, []string{"input", "kind"},
			"Staff make entries of the kinds %s.", strings.Join(staffKinds, ", ")))
	}
}

// The years that an entry can be in: what PostgreSQL and every client's calendar can hold.
const minYear, maxYear = 1900, 2999

func checkAt(faults *fault.List, at time.Time) {
	if y := at.UTC().Year(); y < minYear || y > maxYear {
		*faults = append(*faults, fault.At(fault.BadUserInput, []string{"input", "at"}, "The time is in a year from %d to %d.", minYear, maxYear))
	}
}

func checkTitle(faults *fault.List, s string) string {
	title, problem := text.Line(s, MaxTitle)
	path := []string{"input", "title"}
	switch {
	case problem != "":
		*faults = append(*faults, fault.At(fault.BadUserInput, path, "%s", problem))
	case title == "":
		*faults = append(*faults, fault.At(fault.Required, path, "An entry needs a title."))
	}
	return title
}

// CutTitle shortens a title that Dossier makes from other texts to what an entry can hold.
func CutTitle(s string) string {
	if utf8.RuneCountInString(s) <= MaxTitle {
		return s
	}
	return string([]rune(s)[:MaxTitle-1]) + "…"
}
