package read

import (
	"strconv"
	"strings"
)

const (
	accountSlot    = 0
	countLimit     = 10_001
	countLimitText = "10001"
)

// The types of parameters.
const (
	oidBool        = 16
	oidInt8        = 20
	oidText        = 25
	oidInt4        = 23
	oidDate        = 1082
	oidTimestamptz = 1184
	oidUUID        = 2950
	oidTextArray   = 1009
	oidInt8Array   = 1016
	oidUUIDArray   = 2951
	oidTSQuery     = 3615
	oidBit         = 1560
)

// statement is one finished statement. Its text depends on the shape of the selection only, so that it stays prepared.
type statement struct {
	sql   string
	slots []int    // $1, $2, ... are these parameters of the unit
	oids  []uint32 // their types
}

// writer writes one statement.
type writer struct {
	sql     strings.Builder
	unit    *unit
	slots   []int
	aliases int
}

func (w *writer) text(s string) { w.sql.WriteString(s) }

// alias gives a name that no other table of the statement has.
func (w *writer) alias() string {
	w.aliases++
	return "t" + strconv.Itoa(w.aliases)
}

// param writes the parameter of a slot of the unit.
func (w *writer) param(slot int) {
	i := 0
	for i < len(w.slots) && w.slots[i] != slot {
		i++
	}
	if i == len(w.slots) {
		w.slots = append(w.slots, slot)
	}
	w.text("$" + strconv.Itoa(i+1))
}

// template writes sql with t for each {t}.
func (w *writer) template(sql, t string) { w.text(strings.ReplaceAll(sql, "{t}", t)) }

func (w *writer) joined(empty, separator string, list []cond, t string) {
	if len(list) == 0 {
		w.text(empty)
		return
	}
	w.text("(")
	for i, c := range list {
		if i > 0 {
			w.text(separator)
		}
		c(w, t)
	}
	w.text(")")
}

func (w *writer) and(conds []cond, t string) {
	for _, c := range conds {
		w.text(" AND ")
		c(w, t)
	}
}

func (w *writer) statement() *statement {
	s := &statement{sql: w.sql.String(), slots: w.slots}
	for _, slot := range w.slots {
		s.oids = append(s.oids, w.unit.params[slot].oid)
	}
	return s
}

// newWriter begins a statement; the account is $1 in all of them.
func newWriter(u *unit) *writer { return &writer{unit: u, slots: []int{accountSlot}} }

// columns are the columns of one table that a statement needs, each once.
type columns struct{ names []string }

func (c *columns) add(name string) {
	for _, have := range c.names {
		if have == name {
			return
		}
	}
	c.names = append(c.names, name)
}

// page writes the rows of the level: its table under the alias t, with the conditions, in order, limited. limit is a slot
// or -1. The columns are written under their own names.
func (l *level) page(w *writer, t string, names []string, paged bool, limit int) {
	w.text("SELECT ")
	for i, n := range names {
		if i > 0 {
			w.text(", ")
		}
		w.text(t + "." + n)
	}
	l.rows(w, t, nil, paged, limit)
	if limit >= 0 { // the order of all rows of a list is for those who see them
		l.ordered(w, t, limit)
	}
}

// narrowed is rows for customers who have a value of a custom attribute. Of those who are few an index gives all, and the
// page is sorted from them; where they are many, the page's own order is followed and each customer asked. Which it is no
// planner can tell before it has the values, so both are written, and how many there are lets one of them run.
func (l *level) narrowed(w *writer, t string, joins func(), paged bool, limit int) {
	branch := func(has func(t string, h *having)) func() {
		return func() {
			b := w.alias()
			w.text("SELECT " + b + ".*")
			w.from(l.noun, b, nil)
			w.and(l.conds, b)
			if paged {
				w.and(l.bounds, b)
			}
			w.text(" AND ")
			has(b, l.having)
			if limit >= 0 {
				l.ordered(w, b, limit)
			}
		}
	}
	w.fromEither(l.noun, t, branch(w.isFewHaver), branch(w.isOneOfMany), joins)
}

// withMade writes the level's own rows and those that are made of another noun's, as one table.
func (l *level) withMade(w *writer, t string, joins func()) {
	parent := func() {
		if l.grouped {
			w.text("p.id")
		} else {
			w.param(l.parent.ids)
		}
	}
	own := func() {
		a := w.alias()
		w.text("SELECT ")
		for i, c := range l.also.columns {
			if i > 0 {
				w.text(", ")
			}
			w.text(a + "." + c.name)
		}
		w.from(l.noun, a, nil)
		w.text(" AND " + a + "." + l.foreignKey + " = ")
		parent()
	}
	made := func() {
		d := w.alias()
		w.text("SELECT ")
		for i, c := range l.also.columns {
			if i > 0 {
				w.text(", ")
			}
			if c.made == nil {
				w.text("NULL::" + c.sql)
			} else {
				c.made(w, d, parent)
			}
		}
		w.from(l.e.nouns[l.also.noun], d, nil)
		w.text(" AND ")
		l.also.holds(w, l.e.nouns, d, parent)
	}
	w.fromEither(l.noun, t, own, made, joins)
}

// rows writes FROM and WHERE of the level. paged adds the conditions of after and before. limit is the slot of how many are
// wanted, -1 for all; it only helps to find them.
func (l *level) rows(w *writer, t string, joins func(), paged bool, limit int) {
	attached := func() {
		l.attach(w, t)
		if joins != nil {
			joins()
		}
	}
	switch {
	case l.derived != nil:
		w.fromPage(t, func() { l.derived(w) })
		attached()
		return
	case l.having != nil:
		l.narrowed(w, t, attached, paged, limit)
		return
	case l.sifted != nil:
		l.sift(w, t, attached, paged)
		return
	case l.also != nil:
		l.withMade(w, t, attached)
		w.and(l.conds, t)
		return
	}
	w.from(l.noun, t, attached)
	owner := t
	if l.through != nil {
		owner = t + "l"
	}
	if l.search != nil {
		w.text(" AND " + t + "." + l.noun.id + " = ANY(ARRAY(")
		l.foundPage(w, limit)
		w.text("))")
		return
	}
	switch {
	case l.ids >= 0 && l.many:
		w.text(" AND " + t + "." + l.noun.id + " = ANY(")
		w.param(l.ids)
		w.text(")")
	case l.ids >= 0:
		w.text(" AND " + t + "." + l.noun.id + " = ")
		w.param(l.ids)
	case l.matches != nil:
		for _, m := range l.matches {
			w.text(" AND " + owner + "." + m.column + " = p." + m.parent)
		}
	case l.foreignKey != "" && l.grouped:
		w.text(" AND " + owner + "." + l.foreignKey + " = p.id")
	case l.foreignKey != "":
		w.text(" AND " + owner + "." + l.foreignKey + " = ")
		w.param(l.parent.ids)
	}
	w.and(l.conds, t)
	if paged {
		w.and(l.bounds, t)
	}
}

// attach writes the rows that stand beside each row of the list, under aliases that its own makes: conditions and orders
// find them by it, however often the list is written in a statement.
func (l *level) attach(w *writer, t string) {
	if l.beside != nil {
		w.innerJoin(l.beside.noun, t+"b", func() { l.beside.key(w, t) })
	}
	if l.through != nil {
		w.innerJoin(l.through, t+"l", func() { w.text(t + "." + l.noun.id) })
	}
}

// ordered writes ORDER BY and LIMIT.
func (l *level) ordered(w *writer, t string, limit int) {
	if len(l.order.keys) > 0 {
		w.text(" ORDER BY ")
		l.keyList(w, t, l.order.desc != l.backward)
	}
	if limit >= 0 {
		w.text(" LIMIT ")
		w.param(limit)
	}
}

func (l *level) keyList(w *writer, t string, desc bool) {
	for i, k := range l.order.keys {
		if i > 0 {
			w.text(", ")
		}
		if k.beside {
			w.text(t + "b." + k.column)
		} else {
			w.text(t + "." + k.column)
		}
		if k.bytewise {
			w.text(` COLLATE "C"`)
		}
		if desc {
			w.text(" DESC")
		}
	}
}

// parents writes a query for the keys of the level's parents, with the columns that its rows are found by.
func (l *level) parents(w *writer) {
	var more []string
	for _, m := range l.matches {
		more = append(more, m.parent)
	}
	l.parent.keys(w, l.via, more)
}

// keys writes a query for the column id: the keys of the parents of a child that hangs on this level's row (via nil) or on
// a row joined to it. more are further columns of the level's row.
func (l *level) keys(w *writer, via *joined, more []string) {
	if via == nil {
		l.ownKeys(w, more)
		return
	}
	chain := via.chain()
	var need columns
	chain[0].addColumns(&need)
	aliases := make([]string, len(chain)) // aliases[i] is the table that chain[i] hangs on
	aliases[0] = w.alias()
	w.text("SELECT DISTINCT ")
	for i := 1; i < len(chain); i++ {
		aliases[i] = w.alias()
	}
	deepest := chain[len(chain)-1]
	deepest.key(w, aliases[len(chain)-1])
	w.text(" AS id")
	joins := func() {
		for i, j := range chain[:len(chain)-1] {
			w.innerJoin(j.noun, aliases[i+1], func() { j.key(w, aliases[i]) })
		}
	}
	if l.ids >= 0 {
		l.rows(w, aliases[0], joins, false, -1)
		return
	}
	l.source(w, aliases[0], need.names, l.limit)
	joins()
}

func (l *level) ownKeys(w *writer, more []string) {
	if l.ids >= 0 {
		w.text("SELECT unnest(")
		w.param(l.ids)
		w.text(") AS id")
		return
	}
	names := append([]string{l.noun.id}, more...)
	if !l.grouped {
		l.page(w, w.alias(), names, true, l.limit)
		return
	}
	t := w.alias()
	w.text("SELECT " + t + "." + strings.Join(names, ", "+t+"."))
	l.source(w, t, names, l.limit)
}

// source writes FROM with the level's page under the alias t.
func (l *level) source(w *writer, t string, names []string, limit int) {
	inner := w.alias()
	rows := func() { l.page(w, inner, names, true, limit) }
	if l.grouped {
		w.perParent(func() { l.parents(w) }, t, rows)
		return
	}
	w.fromPage(t, rows)
}

// rowsStatement is the statement for the level's rows: the parent's key when they are grouped, then the columns.
func (l *level) rowsStatement(u *unit) *statement {
	w := newWriter(u)
	t := w.alias()
	for i := range l.joins {
		if l.joins[i].alias = w.alias(); l.joins[i] == l.beside {
			l.joins[i].alias = t + "b"
		}
	}
	more := l.limit
	if l.limit >= 0 {
		more = l.more
		for _, k := range l.order.keys {
			l.base.add(k.column)
		}
	}
	switch {
	case l.grouped:
		w.text("SELECT p.id")
		outer := w.alias()
		for i := range l.slots {
			w.text(", " + outer + ".c" + strconv.Itoa(i))
		}
		w.perParent(func() { l.parents(w) }, outer, func() { l.select1(w, t, more, true) })
	default:
		l.select1(w, t, more, false)
	}
	return w.statement()
}

// select1 writes the query of the rows of one parent, with the joined rows.
func (l *level) select1(w *writer, t string, limit int, named bool) {
	w.text("SELECT ")
	for i, s := range l.slots {
		if i > 0 {
			w.text(", ")
		}
		alias := t
		if s.via != nil {
			alias = s.via.alias
		}
		switch {
		case s.asks == nil:
			w.text(alias + "." + s.column)
		case s.asks.own != nil:
			s.asks.own.write(w, s.asks.e.nouns, alias)
		default:
			w.exists(s.asks, alias+"."+s.column)
		}
		if named {
			w.text(" AS c" + strconv.Itoa(i))
		}
	}
	if len(l.slots) == 0 {
		w.text("1 AS c0")
	}
	joins := func() {
		for _, j := range l.joins {
			if j == l.beside {
				continue // it is attached
			}
			on := t
			if j.parent != nil {
				on = j.parent.alias
			}
			w.leftJoin(j.noun, j.alias, func() { j.key(w, on) })
		}
	}
	if len(l.joins) == 0 || limit < 0 {
		l.rows(w, t, joins, true, limit)
		l.ordered(w, t, limit)
		return
	}
	// The page is cut before anything is joined to it.
	inner := w.alias()
	w.fromPage(t, func() { l.page(w, inner, l.base.names, true, limit) })
	joins()
	l.ordered(w, t, -1)
}

// counterStatement reads the counter of the level's rows, cut where counting them would have stopped.
func (l *level) counterStatement(u *unit, account *noun) *statement {
	w := newWriter(u)
	t := w.alias()
	w.text("SELECT least(" + t + "." + l.counter + ", " + countLimitText + ")")
	w.from(account, t, nil)
	return w.statement()
}

// countStatement counts the level's rows, whatever page is asked for.
func (l *level) countStatement(u *unit) *statement {
	w := newWriter(u)
	t := w.alias()
	rows := func() {
		w.bounded(func() {
			w.text("SELECT 1")
			if l.search != nil {
				l.foundAll(w)
				return
			}
			l.rows(w, t, nil, false, -1)
		})
	}
	if !l.grouped {
		rows()
		return w.statement()
	}
	outer := w.alias()
	w.text("SELECT p.id, " + outer + ".c0")
	w.perParent(func() { l.parents(w) }, outer, rows)
	return w.statement()
}
