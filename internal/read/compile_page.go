package read

import (
	"encoding/binary"

	"dossier/internal/fault"
)

const (
	defaultPage = 25
	maxPage     = 100
)

// root compiles a connection of the account: customers, events.
func (c *compiler) root(conn connection, name string, sel selected) {
	n := c.e.nouns[conn.noun]
	l := c.level(n, shapePages)
	c.u.root = l
	if err := c.mayRead(n, ""); err != nil {
		c.fail(nil, err)
		c.u.null = true
		return
	}
	c.u.null = !c.pages(l, &conn, name, sel, nil)
}

// pages compiles a connection: its arguments, then its fields.
func (c *compiler) pages(l *level, conn *connection, name string, sel selected, path []string) bool {
	args, number, ok := c.arguments(sel, path)
	if !ok {
		return false
	}
	l.order = conn.orders(args)
	if conn.where != "" {
		l.conds = append(l.conds, raw(conn.where))
	}
	if !c.filter(l, conn.filter, number, args, path) {
		return false
	}
	if conn.counted != nil && conn.counted.stands(args) {
		l.counter = conn.counted.column
	}
	l.cursor = newCursorShape(name, l.order, conn.log)
	if err := c.slice(l, number, args); err != nil {
		return c.refuse(path, err)
	}
	if conn.searched != nil && !blank(args["search"]) {
		if err := c.search(l, conn.searched, number, args); err != nil {
			return c.refuse(path, err)
		}
	}
	if conn.log {
		c.guardLog(number, args)
	}
	if !c.pageFields(l, sel, path) {
		return false
	}
	if l.sifted != nil {
		c.guardSift(l)
	}
	c.finish(l)
	return true
}

// slice compiles first, after, last and before.
func (c *compiler) slice(l *level, site int, args arguments) error {
	l.backward = args["last"] != nil
	size := func(b *binding) (int64, error) { return pageSize(b.args[site]) }
	if _, err := size(c.b); err != nil {
		return err
	}
	l.limit, _ = c.param(oidInt8, func(b *binding) ([]byte, error) {
		n, err := size(b)
		return int8Bytes(n), err
	})
	l.more, _ = c.param(oidInt8, func(b *binding) ([]byte, error) {
		n, err := size(b)
		return int8Bytes(n + 1), err
	})
	l.afterGiven, l.beforeGiven = args["after"] != nil, args["before"] != nil
	for _, end := range []struct {
		name  string
		given bool
		less  bool
	}{{"after", l.afterGiven, l.order.desc}, {"before", l.beforeGiven, !l.order.desc}} {
		if !end.given {
			continue
		}
		bound, err := c.bound(l, site, end.name, end.less)
		if err != nil {
			return err
		}
		l.bounds = append(l.bounds, bound)
	}
	return nil
}

// bound compiles a cursor to one row comparison.
func (c *compiler) bound(l *level, site int, name string, less bool) (cond, error) {
	shape := l.cursor
	slots := make([]int, len(l.order.keys))
	for i, k := range l.order.keys {
		slot, err := c.param(k.kind.oid(), func(b *binding) ([]byte, error) {
			values, err := shape.parse(b.rq.env.account, asText(b.args[site][name]))
			if err != nil {
				return nil, fault.At(fault.InvalidCursor, []string{name},
					"The cursor in %s was not given out for this list and order. Begin without it.", name)
			}
			return values[i], nil
		})
		if err != nil {
			return nil, err
		}
		slots[i] = slot
	}
	return func(w *writer, t string) {
		w.text("(")
		l.keyList(w, t, false)
		if less {
			w.text(") < (")
		} else {
			w.text(") > (")
		}
		for i, s := range slots {
			if i > 0 {
				w.text(", ")
			}
			w.param(s)
		}
		w.text(")")
	}, nil
}

// pageSize checks first and last.
func pageSize(args arguments) (int64, error) {
	first, forward := args["first"].(int64)
	last, backward := args["last"].(int64)
	name, n := "first", first
	switch {
	case forward && backward:
		return 0, fault.At(fault.BadUserInput, []string{"last"}, "Give first or last, not both.")
	case backward:
		name, n = "last", last
	case !forward:
		return defaultPage, nil
	}
	if n < 0 || n > maxPage {
		return 0, fault.At(fault.BadUserInput, []string{name}, "%s must be from 0 to %d.", name, maxPage)
	}
	return n, nil
}

// guardLog adds what the event log must answer beside its rows: whether the cursor is still covered, and whether the
// customer of the filter exists.
func (c *compiler) guardLog(site int, args arguments) {
	if args["after"] != nil {
		w := newWriter(c.u)
		t := w.alias()
		w.text("SELECT " + t + ".event_floor, " + t + ".event_seq")
		w.from(c.e.nouns["Account"], t, nil)
		c.u.steps = append(c.u.steps, sqlStep{statement: w.statement(), guard: func(b *binding, row [][]byte) error {
			seq, err := ParseEventCursor(b.rq.env.account, asText(b.args[site]["after"]))
			switch {
			case err != nil:
				return err
			case len(row) != 2 || seq > int64(binary.BigEndian.Uint64(row[1])):
				return fault.At(fault.InvalidCursor, []string{"after"}, "The cursor in after is of no event of this account. Begin without it.")
			case seq < int64(binary.BigEndian.Uint64(row[0])):
				return fault.At(fault.CursorExpired, []string{"after"},
					"The events after this cursor are no longer kept. Reload, then go on from a new cursor.")
			}
			return nil
		}})
	}
	if args["customerId"] != nil {
		in := input{f: &filter{c: c, site: site, arguments: args}, values: args}
		w := newWriter(c.u)
		t := w.alias()
		w.text("SELECT " + t + ".id")
		w.from(c.e.nouns["Customer"], t, nil)
		w.and([]cond{in.id("customerId", "id", c.e.nouns["Customer"].prefix, noCustomer)}, t)
		c.u.steps = append(c.u.steps, sqlStep{statement: w.statement(), guard: func(_ *binding, row [][]byte) error {
			if row == nil {
				return noCustomer()
			}
			return nil
		}})
	}
}

func noCustomer() error {
	return fault.At(fault.NotFound, []string{"customerId"}, "customerId names no customer in this account.")
}

// pageFields compiles the selection on a connection.
func (c *compiler) pageFields(l *level, sel selected, path []string) bool {
	typeName := sel.first().Definition.Type.Name()
	for _, s := range c.collect(typeName, sel.sets()) {
		here := append(path[:len(path):len(path)], s.key)
		pf := pageField{key: fieldKey(len(l.fields) == 0, s.key)}
		switch s.first().Name {
		case "nodes", "edges":
			item, ok := c.item(l, s, here)
			if !ok {
				return false
			}
			pf.lane, l.rowed = len(l.lanes), true
			l.lanes = append(l.lanes, item)
		case "pageInfo":
			pf.code, l.rowed = pageInfo, true
			pf.info = c.infoFields(l, s)
		case "totalCount":
			pf.code, l.counted = pageTotal, true
		default:
			pf.code, pf.key = pageLiteral, append(pf.key, `"`+typeName+`"`...)
		}
		l.fields = append(l.fields, pf)
	}
	return true
}

// item compiles what is written for each row: the node, or the edge with it.
func (c *compiler) item(l *level, s selected, path []string) (*object, bool) {
	if s.first().Name == "nodes" {
		return c.object(place{l, nil}, l.noun, s.sets(), path)
	}
	o := &object{}
	typeName := s.first().Definition.Type.Name()
	for _, f := range c.collect(typeName, s.sets()) {
		switch f.first().Name {
		case "cursor":
			c.cursorSlots(l)
			o.add(f.key, op{code: opCursor, level: l})
		case "node":
			node, ok := c.object(place{l, nil}, l.noun, f.sets(), append(path[:len(path):len(path)], f.key))
			if !ok {
				return nil, false
			}
			o.add(f.key, op{code: opInline, object: node, nonNull: true})
		default:
			o.literal(f.key, `"`+typeName+`"`)
		}
	}
	return o, true
}

func (c *compiler) cursorSlots(l *level) {
	if l.cursor.slots == nil {
		for _, k := range l.order.keys {
			l.cursor.slots = append(l.cursor.slots, l.slot(nil, k.column))
		}
	}
}

func (c *compiler) infoFields(l *level, s selected) []infoField {
	var list []infoField
	for _, f := range c.collect("PageInfo", s.sets()) {
		x := infoField{key: fieldKey(len(list) == 0, f.key)}
		switch f.first().Name {
		case "hasNextPage":
			x.code = infoNext
		case "hasPreviousPage":
			x.code = infoPrevious
		case "startCursor", "endCursor":
			x.code = infoStart
			if f.first().Name == "endCursor" {
				x.code = infoEnd
			}
			l.ends = true
			c.cursorSlots(l)
		default:
			x.code, x.key = infoLiteral, append(x.key, `"PageInfo"`...)
		}
		list = append(list, x)
	}
	return list
}
