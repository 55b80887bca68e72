package document

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/text"
)

// Limits of what is said about a document.
const (
	MaxDescription = 2000
	MaxTags        = 20
	MaxTag         = 50
)

// Details is what is said about a document beside its title and its expiry. The JSON is that of a session straight to the
// object store, which remembers it.
type Details struct {
	// AreaID is the area, uuid.Nil for the general one.
	AreaID uuid.UUID `json:"-"`
	// Description and Purpose are "" where there is none.
	Description string   `json:"description,omitempty"`
	Purpose     string   `json:"purpose,omitempty"`
	Visibility  string   `json:"visibility,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	// RetentionUntil is a date: midnight UTC.
	RetentionUntil *time.Time `json:"retentionUntil,omitempty"`
}

// DetailsDraft is the details of an input. It is part of the fingerprint of idempotency keys, so what is not given is left
// out of its JSON.
type DetailsDraft struct {
	// AreaKey is the key of the area; nil for the general one.
	AreaKey     *string `json:",omitempty"`
	Description *string `json:",omitempty"`
	Purpose     *string `json:",omitempty"`
	// Visibility may be "" for VisibleToStaff.
	Visibility     string     `json:",omitempty"`
	Tags           []string   `json:",omitempty"`
	RetentionUntil *time.Time `json:",omitempty"`
}

// remembered is the form in which a key remembers the draft: without what it would be anyway.
func (d DetailsDraft) remembered() DetailsDraft {
	if d.Visibility == VisibleToStaff {
		d.Visibility = ""
	}
	return d
}

// clean gives the details as they are kept, all but the area, which only the stored data tell.
func (d DetailsDraft) clean() (Details, error) {
	var list fault.List
	add := func(err error) { list = append(list, fault.AsList(err)...) }
	out := Details{Visibility: VisibleToStaff, RetentionUntil: d.RetentionUntil}
	var err error
	if d.Description != nil {
		out.Description, err = cleanDescription(*d.Description)
		add(err)
	}
	if d.Purpose != nil {
		out.Purpose = *d.Purpose
		add(checkOneOf(out.Purpose, purposes, []string{"input", "purpose"}))
	}
	if d.Visibility != "" {
		out.Visibility = d.Visibility
		add(checkOneOf(out.Visibility, visibilities, []string{"input", "visibility"}))
	}
	out.Tags, err = cleanTags(d.Tags)
	add(err)
	add(checkDate(d.RetentionUntil, []string{"input", "retentionUntil"}))
	return out, list.Err()
}

func cleanDescription(s string) (string, error) {
	lines, problem := text.Lines(s, MaxDescription)
	if problem != "" {
		return "", fault.At(fault.BadUserInput, []string{"input", "description"}, "%s", problem)
	}
	return lines, nil
}

// cleanTags gives the tags in their order, each once: those that differ in case and accents only are one.
func cleanTags(tags []string) ([]string, error) {
	path := []string{"input", "tags"}
	if len(tags) > MaxTags {
		return nil, fault.At(fault.BadUserInput, path, "There are %d tags; at most %d are accepted.", len(tags), MaxTags)
	}
	var list fault.List
	out, seen := make([]string, 0, len(tags)), make(map[string]bool, len(tags))
	for i, tag := range tags {
		here := append(slices.Clip(path), strconv.Itoa(i))
		line, problem := text.Line(tag, MaxTag)
		key := fold.Text(line)
		switch {
		case problem != "":
			list = append(list, fault.At(fault.BadUserInput, here, "%s", problem))
		case line == "":
			list = append(list, fault.At(fault.BadUserInput, here, "A tag has at least one character. Leave it out."))
		case !seen[key]:
			seen[key] = true
			out = append(out, line)
		}
	}
	return out, list.Err()
}

// SearchKey is what the filter by text looks in: title, description and file name, folded. No text that is looked for goes
// over the end of one of them, because none holds a line break when it is folded.
func SearchKey(title, description, fileName string) string {
	return strings.Join([]string{fold.Text(title), fold.Text(description), fold.Text(fileName)}, "\n")
}
