package read

import (
	"bytes"
	"encoding/binary"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"dossier/internal/fault"
)

// span is a finished fragment in a level's buffer. null says that a field that cannot be null was, and took it along.
type span struct {
	from, to int
	null     bool
}

// levelState is what a level has written so far. Fragments are kept by the id of the row that they belong to.
type levelState struct {
	buf    []byte
	spans  map[uuid.UUID]span
	only   span
	counts map[uuid.UUID]int64
	count  int64
	seed   uint64
	group  group
}

// group is the rows of one parent while they arrive.
type group struct {
	key   uuid.UUID
	open  bool
	n     int
	more  bool
	null  bool
	lanes []laneState
	first []byte
	last  [][]byte
	arena []byte
}

// laneState is a run of items. Forward they stand with their commas; backward their starts are kept to turn them round.
type laneState struct {
	buf    []byte
	starts []int
}

// unitRun is one use of a unit: its values and what it has written.
type unitRun struct {
	*binding
	states []levelState
	// refused is a guard's answer.
	refused error
	// faults are errors that the data caused, each once for its field.
	faults []located
	denied map[*located]bool
	// moved maps the rows that another row answers for to that row, as this run of the statements found them; redirects does
	// so for the rows that were asked for, over all runs.
	moved, redirects map[uuid.UUID]uuid.UUID
	// known is what the caller knows of the row that was asked for last.
	known Known
}

func (r *unitRun) reset() {
	if cap(r.states) < len(r.unit.levels) {
		r.states = make([]levelState, len(r.unit.levels))
	}
	r.states = r.states[:len(r.unit.levels)]
	for i := range r.states {
		s := &r.states[i]
		s.buf, s.only, s.count = s.buf[:0], span{from: -1}, 0
		clear(s.spans)
		clear(s.counts)
	}
	r.refused, r.faults, r.denied, r.moved = nil, nil, nil, nil
}

// read takes the rows of one statement.
func (r *unitRun) read(s *sqlStep, rows *pgconn.ResultReader) error {
	switch {
	case s.guard != nil:
		var row [][]byte
		if rows.NextRow() {
			row = rows.Values()
		}
		if err := s.guard(r.binding, row); err != nil && r.refused == nil {
			r.refused = err
		}
		return nil
	case s.count:
		r.readCounts(s.level, rows)
		return nil
	case s.level.shape == shapeRows:
		r.readRows(s.level, rows)
		return nil
	default:
		return r.readGroups(s.level, rows)
	}
}

func (r *unitRun) readCounts(l *level, rows *pgconn.ResultReader) {
	s := &r.states[l.index]
	for rows.NextRow() {
		row := rows.Values()
		if !l.grouped {
			s.count = integerOf(row[0])
			if l.short != nil && r.uncounted && s.count < countLimit && r.refused == nil {
				r.refused = l.short
			}
			continue
		}
		if row[0] == nil {
			continue // the key of a joined row that is not there
		}
		if s.counts == nil {
			s.counts = make(map[uuid.UUID]int64)
		}
		s.counts[uuid.UUID(row[0])] = integerOf(row[1])
	}
}

func (r *unitRun) readRows(l *level, rows *pgconn.ResultReader) {
	for rows.NextRow() {
		r.readRow(l, rows.Values())
	}
}

func (r *unitRun) readRow(l *level, row [][]byte) {
	if l.redirect >= 0 && row[l.redirect] != nil {
		r.follow(uuid.UUID(row[l.ownID]), uuid.UUID(row[l.redirect]))
		return
	}
	s := &r.states[l.index]
	from := len(s.buf)
	dst, ok := r.object(s.buf, l.lanes[0], row)
	s.buf = dst
	at := span{from, len(dst), !ok}
	if !l.many {
		s.only = at
		return
	}
	s.keep(uuid.UUID(row[l.ownID]), at)
}

func (s *levelState) keep(key uuid.UUID, at span) {
	if s.spans == nil {
		s.spans = make(map[uuid.UUID]span)
	}
	s.spans[key] = at
}

func (r *unitRun) readGroups(l *level, rows *pgconn.ResultReader) error {
	s := &r.states[l.index]
	g := &s.group
	size := int(^uint(0) >> 1)
	if l.limit >= 0 {
		size = int(binary.BigEndian.Uint64(r.values[l.limit]))
	}
	s.seed = l.cursor.seed(r.rq.env.account)
	g.begin(l, uuid.UUID{})
	g.open = !l.grouped
	for rows.NextRow() {
		row := rows.Values()
		if l.grouped {
			if !g.open || !bytes.Equal(g.key[:], row[0]) {
				if err := r.closeGroup(l, s); err != nil {
					return err
				}
				g.begin(l, uuid.UUID(row[0]))
			}
			row = row[1:]
		}
		if l.redirect >= 0 && row[l.redirect] != nil {
			r.follow(uuid.Nil, uuid.UUID(row[l.redirect]))
			continue
		}
		if g.n == size {
			g.more = true
			continue
		}
		r.item(l, s, row)
	}
	if g.more && l.over != nil && r.refused == nil {
		r.refused = l.over
	}
	if l.short != nil && r.endless && !g.more {
		if g.n < size && r.refused == nil {
			r.refused = l.short
		}
		g.more = true
	}
	return r.closeGroup(l, s)
}

func (g *group) begin(l *level, key uuid.UUID) {
	g.key, g.open, g.n, g.more, g.null = key, true, 0, false, false
	if cap(g.lanes) < len(l.lanes) {
		g.lanes = make([]laneState, len(l.lanes))
	}
	g.lanes = g.lanes[:len(l.lanes)]
	for i := range g.lanes {
		g.lanes[i].buf, g.lanes[i].starts = g.lanes[i].buf[:0], g.lanes[i].starts[:0]
	}
	g.first, g.last = g.first[:0], g.last[:0]
}

func (r *unitRun) closeGroup(l *level, s *levelState) error {
	g := &s.group
	if !g.open {
		return nil
	}
	from, null := len(s.buf), g.null || l.shape == shapeFirst && g.n == 0
	if !null {
		s.buf = r.compose(s.buf, l, g)
	}
	at := span{from, len(s.buf), null}
	if !l.grouped {
		s.only = at
		return nil
	}
	if _, twice := s.spans[g.key]; twice {
		return fault.New(fault.Internal, "rows of one parent came apart")
	}
	s.keep(g.key, at)
	return nil
}

// item writes one row into all lanes.
func (r *unitRun) item(l *level, s *levelState, row [][]byte) {
	g := &s.group
	for i, program := range l.lanes {
		lane := &g.lanes[i]
		switch {
		case l.backward:
			lane.starts = append(lane.starts, len(lane.buf))
		case g.n > 0:
			lane.buf = append(lane.buf, ',')
		}
		var ok bool
		if lane.buf, ok = r.object(lane.buf, program, row); !ok {
			g.null = true
		}
	}
	if l.ends {
		if g.n == 0 {
			g.first = l.cursor.write(g.first, s.seed, r.rq.env.account, row)
		}
		g.remember(l, row)
	}
	g.n++
}

// remember copies the keys of the row, which may turn out to be the last.
func (g *group) remember(l *level, row [][]byte) {
	if cap(g.last) < len(row) {
		g.last = make([][]byte, len(row))
	}
	g.last, g.arena = g.last[:len(row)], g.arena[:0]
	for _, slot := range l.cursor.slots {
		from := len(g.arena)
		g.arena = append(g.arena, row[slot]...)
		g.last[slot] = g.arena[from:len(g.arena):len(g.arena)]
	}
}

// compose writes the list or connection of one parent; g holds its rows, or none.
func (r *unitRun) compose(dst []byte, l *level, g *group) []byte {
	if l.shape == shapeFirst {
		return append(dst, g.lanes[0].buf...)
	}
	if l.shape == shapeList {
		dst = append(dst, '[')
		if g.n > 0 {
			dst = append(dst, g.lanes[0].buf...)
		}
		return append(dst, ']')
	}
	if len(l.fields) == 0 {
		return append(dst, "{}"...)
	}
	for i := range l.fields {
		f := &l.fields[i]
		dst = append(dst, f.key...)
		switch f.code {
		case pageLane:
			dst = append(dst, '[')
			dst = g.items(dst, f.lane)
			dst = append(dst, ']')
		case pageInfo:
			dst = r.info(dst, l, f.info, g)
		case pageTotal:
			s := &r.states[l.index]
			n := s.count
			if l.grouped {
				n = s.counts[g.key]
			}
			dst = appendInt(dst, n)
		case pageLiteral:
		}
	}
	return append(dst, '}')
}

func (g *group) items(dst []byte, i int) []byte {
	if g.n == 0 {
		return dst
	}
	lane := &g.lanes[i]
	end := len(lane.buf)
	if len(lane.starts) == 0 {
		return append(dst, lane.buf...)
	}
	for j := len(lane.starts) - 1; j >= 0; j-- {
		dst = append(dst, lane.buf[lane.starts[j]:end]...)
		if end = lane.starts[j]; j > 0 {
			dst = append(dst, ',')
		}
	}
	return dst
}

func (r *unitRun) info(dst []byte, l *level, fields []infoField, g *group) []byte {
	if len(fields) == 0 {
		return append(dst, "{}"...)
	}
	next, previous := g.more || l.beforeGiven, l.afterGiven
	if l.backward {
		next, previous = l.beforeGiven, g.more || l.afterGiven
	}
	for i := range fields {
		f := &fields[i]
		dst = append(dst, f.key...)
		switch f.code {
		case infoNext:
			dst = appendBool(dst, next)
		case infoPrevious:
			dst = appendBool(dst, previous)
		case infoStart, infoEnd:
			switch {
			case g.n == 0:
				dst = append(dst, "null"...)
			case (f.code == infoStart) != l.backward:
				dst = append(dst, g.first...)
			default:
				dst = l.cursor.write(dst, r.states[l.index].seed, r.rq.env.account, g.last)
			}
		case infoLiteral:
		}
	}
	return append(dst, '}')
}

// write writes the cursor of a row as a JSON string.
func (c *cursorShape) write(dst []byte, seed uint64, account uuid.UUID, row [][]byte) []byte {
	dst = append(dst, '"')
	if c.log {
		dst = appendEventCursor(dst, account, integerOf(row[c.slots[0]]))
	} else {
		dst = c.append(dst, seed, row)
	}
	return append(dst, '"')
}

// child writes the list or connection that belongs to a row; false means that it is null.
func (r *unitRun) child(dst []byte, x *op, row [][]byte) ([]byte, bool) {
	l := x.level
	s := &r.states[l.index]
	at, found := s.only, s.only.from >= 0
	var key uuid.UUID
	if l.grouped {
		key = uuid.UUID(row[x.slot])
		at, found = s.spans[key]
	}
	if !found && l.shape == shapeFirst {
		return dst, false
	}
	if !found {
		return r.compose(dst, l, &group{key: key}), true
	}
	return append(dst, s.buf[at.from:at.to]...), !at.null
}
