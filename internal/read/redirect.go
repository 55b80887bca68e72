package read

import (
	"slices"

	"github.com/google/uuid"
)

// A row that is asked for by its id, or found by a key, may have been merged into another one, which answers for it. The
// statement for the row says so in one more column. Then, and only then, the operation runs once more with the other ids:
// all of it, so that the answer is of one snapshot. Rows that are reached from others are shown as they are.

// maxRedirects is how often an operation runs again. One is enough unless rows are merged between two runs.
const maxRedirects = 3

// follow notes that a row is answered for by another one. A row that was found by a key has no id here.
func (r *unitRun) follow(from, to uuid.UUID) {
	if r.moved == nil {
		r.moved = map[uuid.UUID]uuid.UUID{}
	}
	r.moved[from] = to
}

// answers gives the id of the row that answers for the one that was asked for.
func (r *unitRun) answers(id uuid.UUID) uuid.UUID {
	for range maxRedirects {
		to, ok := r.redirects[id]
		if !ok {
			break
		}
		id = to
	}
	return id
}

// redirect plans the units again whose rows are answered for by others. false means that there are none.
func (op *operation) redirect() bool {
	again := false
	for _, p := range op.runs {
		if len(p.run.moved) == 0 {
			continue
		}
		again = true
		if p.key.connection != "" { // from now on the row is known by its id
			p.key = runKey{typeName: p.run.unit.root.noun.name}
			p.run.ids = []uuid.UUID{uuid.Nil}
		}
		if p.run.redirects == nil {
			p.run.redirects = map[uuid.UUID]uuid.UUID{}
		}
		ids := make([]uuid.UUID, 0, len(p.run.ids))
		for _, id := range p.run.ids {
			if to, ok := p.run.moved[id]; ok {
				p.run.redirects[id] = to
				id = to
			}
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
		p.run.ids = ids
		op.plan(p)
	}
	return again
}
