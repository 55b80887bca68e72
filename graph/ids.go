package graph

import (
	"github.com/google/uuid"

	"dossier/internal/read"
	"dossier/internal/typeid"
)

// parseID reads an id argument. A malformed id and one of another type get the answer of an id that names nothing.
func parseID(prefix, id string, path ...string) (uuid.UUID, error) {
	u, err := typeid.ParseAs(prefix, id)
	if err != nil {
		return uuid.Nil, wrongID(path...)
	}
	return u, nil
}

// nodeRef is the node with a global id, for a payload.
func nodeRef(id string) any {
	prefix, u, err := typeid.Parse(id)
	if err != nil {
		return nil
	}
	switch prefix {
	case typeid.Customer:
		return read.Ref{Type: "Customer", ID: u}
	case typeid.Contact:
		return read.Ref{Type: "Contact", ID: u}
	case typeid.Document:
		return read.Ref{Type: "Document", ID: u}
	case typeid.TimelineEntry:
		return read.Ref{Type: "TimelineEntry", ID: u}
	default:
		return nil
	}
}
