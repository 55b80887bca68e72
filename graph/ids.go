package graph

import (
	"github.com/google/uuid"

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
