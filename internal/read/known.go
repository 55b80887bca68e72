package read

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Known is what a use case knows of rows because it has just written them: by the name of the type, that of a Ref and those
// of the nodes that its row refers to, and by column. A selection that needs nothing else is written without asking the
// database, which saves a small mutation a fourth of its round trips. A selection that needs more is read as a whole.
//
// SECURITY: what the viewer may read is decided when the selection is compiled, so it holds here too.
type Known map[string]Columns

// Columns are the columns of a row, in PostgreSQL's binary form, nil for null.
type Columns map[string][]byte

// KnownColumns encodes columns: nil, uuid.UUID, string, int (of a column of int4 or int8), int64, []byte (bytea) and time.Time
// (timestamptz). It panics for other types.
func KnownColumns(values map[string]any) Columns {
	c := make(Columns, len(values))
	for name, v := range values {
		switch v := v.(type) {
		case nil:
			c[name] = nil
		case uuid.UUID:
			c[name] = v[:]
		case string:
			c[name] = []byte(v)
		case int:
			c[name] = binary.BigEndian.AppendUint64(nil, uint64(v)) //nolint:gosec // the two's complement
		case int64:
			c[name] = binary.BigEndian.AppendUint64(nil, uint64(v)) //nolint:gosec // the two's complement
		case []byte:
			c[name] = v
		case time.Time:
			c[name] = encodeInstant(v)
		default:
			panic(fmt.Sprintf("read: a column cannot be a %T", v))
		}
	}
	return c
}

// fromKnown writes the unit's row from what is known of it, and says whether it could.
func (r *unitRun) fromKnown() bool {
	l := r.unit.root
	if r.known == nil || len(r.ids) != 1 || len(r.unit.steps) != 1 || l == nil || l.shape != shapeRows || !l.rowed || l.counted {
		return false
	}
	row := make([][]byte, len(l.slots))
	for i, s := range l.slots {
		v, ok := r.known.value(l, s)
		if !ok {
			return false
		}
		row[i] = v
	}
	if uuid.UUID(row[l.ownID]) != r.ids[0] {
		return false
	}
	r.readRow(l, row)
	return true
}

// value gives the value of a column of the level's row, or of one that the row refers to.
func (k Known) value(l *level, s columnSlot) ([]byte, bool) {
	own := k[l.noun.name]
	if s.asks != nil || own == nil {
		return nil, false
	}
	if s.via == nil {
		v, ok := own[s.column]
		return v, ok
	}
	other := k[s.via.noun.name]
	if s.via.parent != nil || s.via.fallback != "" || s.via.typeColumn != "" || other == nil {
		return nil, false
	}
	id := other[s.via.noun.id]
	if refers, ok := own[s.via.column]; !ok || id == nil || string(refers) != string(id) {
		return nil, false
	}
	v, ok := other[s.column]
	return v, ok
}
