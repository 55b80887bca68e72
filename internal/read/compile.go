package read

import (
	"slices"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// compiler makes one unit. Values of the request decide about its shape only where the signature of the variables (cache.go)
// holds them; all others are read through parameters.
type compiler struct {
	e      *Engine
	viewer Viewer
	collector
	u *unit
	b *binding
	// shared are the children that several types of an interface have in common.
	shared map[childKey]*level
	// refused says that the arguments were at fault, so that the unit holds for this request only.
	refused bool
	now     int
}

// place is where an object's columns are: a row of the level or one joined to it.
type place struct {
	level *level
	via   *joined
}

// noun is whose row it is.
func (p place) noun() *noun {
	if p.via != nil {
		return p.via.noun
	}
	return p.level.noun
}

func (e *Engine) newCompiler(rq *request, ids []uuid.UUID) *compiler {
	u := &unit{walled: e.walled}
	c := &compiler{
		e: e, viewer: rq.env.viewer, collector: collector{shapes: e.shapes, vars: rq.vars}, u: u, now: -1,
		b: &binding{rq: rq, unit: u, schema: e.config.Schema, ids: ids},
	}
	_, _ = c.param(oidUUID, func(b *binding) ([]byte, error) { return b.rq.env.account[:], nil })
	return c
}

// param adds a parameter and binds it for the request at hand.
func (c *compiler) param(oid uint32, get func(b *binding) ([]byte, error)) (int, error) {
	v, err := get(c.b)
	if err != nil {
		return -1, err
	}
	c.u.params = append(c.u.params, param{oid, get})
	c.b.values = append(c.b.values, v)
	return len(c.u.params) - 1, nil
}

func (c *compiler) nowSlot() int {
	if c.now < 0 {
		c.now, _ = c.param(oidTimestamptz, func(b *binding) ([]byte, error) { return encodeInstant(b.rq.now), nil })
	}
	return c.now
}

// byID compiles the reading of one or several nodes of a type.
func (c *compiler) byID(n *noun, many bool, sets []ast.SelectionSet) {
	l := c.level(n, shapeRows)
	l.many = many
	if many {
		l.ids, _ = c.param(oidUUIDArray, func(b *binding) ([]byte, error) { return encodeUUIDs(b.ids), nil })
	} else {
		l.ids, _ = c.param(oidUUID, func(b *binding) ([]byte, error) { return b.ids[0][:], nil })
	}
	c.u.root = l
	if err := c.mayRead(n, ""); err != nil {
		c.fail(nil, err)
		c.u.null = true
		return
	}
	l.ownID = l.slot(nil, n.id)
	l.redirected()
	o, ok := c.object(place{l, nil}, n, sets, nil)
	if !ok {
		c.u.null = true
		return
	}
	l.lanes, l.rowed = []*object{o}, true
	c.finish(l)
}

func (c *compiler) level(n *noun, s shape) *level {
	l := &level{index: len(c.u.levels), noun: n, e: c.e, shape: s, ids: -1, limit: -1, more: -1, redirect: -1}
	c.u.levels = append(c.u.levels, l)
	return l
}

// redirected says that a row of the level may be answered for by another one.
func (l *level) redirected() {
	if l.noun.redirect != "" {
		l.redirect = l.slot(nil, l.noun.redirect)
	}
}

// finish adds the level's statements. Its children were finished while its objects were compiled, so they come first.
func (c *compiler) finish(l *level) {
	switch {
	case l.counted && l.counter != "":
		c.u.steps = append(c.u.steps, sqlStep{statement: l.counterStatement(c.u, c.e.nouns["Account"]), level: l, count: true})
	case l.counted:
		c.u.steps = append(c.u.steps, sqlStep{statement: l.countStatement(c.u), level: l, count: true})
	}
	if l.rowed {
		c.u.steps = append(c.u.steps, sqlStep{statement: l.rowsStatement(c.u), level: l})
	}
}

func (c *compiler) fail(path []string, err error) {
	for _, f := range c.u.faults { // the same field in several types of an interface
		if slices.Equal(f.path, path) && f.err.Error() == err.Error() {
			return
		}
	}
	c.u.faults = append(c.u.faults, located{slices.Clone(path), err})
}

// object compiles a selection on a noun. false means that a field that cannot be null failed, so the object is null.
func (c *compiler) object(at place, n *noun, sets []ast.SelectionSet, path []string) (*object, bool) {
	if n.variants != nil {
		return c.variants(at, n, sets, path)
	}
	o := &object{}
	for _, sel := range c.collect(n.name, sets) {
		f := sel.first()
		if f.Name == "__typename" {
			o.literal(sel.key, `"`+n.name+`"`)
			continue
		}
		here := append(path[:len(path):len(path)], sel.key)
		d := n.byName[f.Name]
		if err := c.mayRead(n, f.Name); err != nil {
			c.fail(here, err)
			if f.Definition.Type.NonNull {
				return nil, false
			}
			o.literal(sel.key, "null")
			continue
		}
		if !c.field(o, at, d, sel, here) {
			if f.Definition.Type.NonNull {
				return nil, false
			}
			o.literal(sel.key, "null")
		}
	}
	return o, true
}

// field compiles one field; false means that it failed.
func (c *compiler) field(o *object, at place, d *field, sel selected, path []string) bool {
	def := sel.first().Definition
	x := op{nonNull: def.Type.NonNull, path: path}
	switch {
	case d.of != nil:
		n := c.e.nouns[d.of.noun]
		if err := c.mayRead(n, ""); err != nil && d.absent == "" {
			c.fail(path, err)
			return false
		}
		j := at.level.join(joined{noun: n, parent: at.via, column: d.of.column})
		x.code, x.kind, x.slot, x.absent = opColumn, d.kind, at.level.slot(j, d.column), d.absent
	case d.column != "":
		x.code, x.kind, x.slot = opColumn, d.kind, at.level.slot(at.via, d.column)
		if d.kind == kindID {
			x.prefix = at.noun().prefix
		}
	case d.constant != nil:
		o.literal(sel.key, string(appendInt(nil, d.constant(&c.e.config))))
		return true
	case d.compute != nil:
		x.code, x.compute = opCompute, d.compute
		for _, column := range d.compute.columns {
			x.slots = append(x.slots, at.level.slot(at.via, column))
		}
		for _, b := range d.compute.beside {
			j := at.level.join(joined{noun: c.e.nouns[b.noun], parent: at.via, column: b.key})
			x.slots = append(x.slots, at.level.slot(j, b.column))
		}
		for _, e := range d.compute.exists {
			x.slots = append(x.slots, at.level.answer(at.via, at.noun().id, question{e, c.e.nouns[e.noun], c.e}))
		}
	case d.embed != "":
		child, ok := c.object(at, c.e.nouns[d.embed], sel.sets(), path)
		if !ok {
			return false
		}
		x.code, x.object = opInline, child
	case d.one != nil:
		return c.one(o, at, d, sel, x)
	case d.poly != nil:
		c.poly(&x, at, d, sel)
	case d.list != nil:
		return c.list(o, at, d, sel, x)
	case d.first != nil:
		return c.first(o, at, d, sel, x)
	default:
		return c.page(o, at, d, sel, x)
	}
	o.add(sel.key, x)
	return true
}

func (c *compiler) one(o *object, at place, d *field, sel selected, x op) bool {
	n := c.e.nouns[d.one.noun]
	if err := c.mayRead(n, ""); err != nil {
		c.fail(x.path, err)
		return false
	}
	j := at.level.join(joined{noun: n, parent: at.via, column: d.one.column, fallback: d.one.fallback})
	child, ok := c.object(place{at.level, j}, n, sel.sets(), x.path)
	if !ok {
		return false
	}
	x.code, x.slot, x.object = opOne, j.idSlot, child
	o.add(sel.key, x)
	return true
}

func (c *compiler) poly(x *op, at place, d *field, sel selected) {
	x.code, x.slot = opPoly, at.level.slot(at.via, d.poly.typeColumn)
	for _, t := range d.poly.types {
		n := c.e.nouns[t.noun]
		a := arm{value: t.value}
		if err := c.mayRead(n, ""); err != nil {
			a.denied = &located{x.path, err}
		} else {
			j := at.level.join(joined{noun: n, parent: at.via, column: d.poly.idColumn, typeColumn: d.poly.typeColumn, typeValue: t.value})
			a.idSlot = j.idSlot
			a.object, _ = c.object(place{at.level, j}, n, sel.sets(), x.path)
		}
		x.arms = append(x.arms, a)
	}
}

// child makes the level of a list below a row.
func (c *compiler) child(at place, n *noun, s shape, foreignKey string) *level {
	l := c.level(n, s)
	l.parent, l.via, l.foreignKey = at.level, at.via, foreignKey
	// Below a single node whose id is known the children need no key of their parent.
	l.grouped = foreignKey != "" && (at.via != nil || at.level.ids < 0 || at.level.many)
	return l
}

func (c *compiler) childOp(x *op, at place, l *level) {
	x.code, x.level, x.slot = opChild, l, -1
	if l.grouped {
		if at.via != nil {
			x.slot = at.via.idSlot
		} else {
			x.slot = at.level.slot(nil, at.level.noun.id)
		}
	}
}

func (c *compiler) page(o *object, at place, d *field, sel selected, x op) bool {
	n := c.e.nouns[d.page.noun]
	if err := c.mayRead(n, ""); err != nil {
		c.fail(x.path, err)
		return false
	}
	key := keyOf(at, sel)
	if l := c.shared[key]; l != nil {
		c.childOp(&x, at, l)
		o.add(sel.key, x)
		return true
	}
	l := c.child(at, n, shapePages, d.page.foreignKey)
	l.matches = d.page.matches
	if !c.pages(l, d.page, at.noun().name+"."+d.name, sel, x.path) {
		return false
	}
	c.share(key, l)
	c.childOp(&x, at, l)
	o.add(sel.key, x)
	return true
}

// add appends a field to the program.
func (o *object) add(key string, x op) {
	x.key = o.key(key)
	o.ops = append(o.ops, x)
}

func (o *object) literal(key, value string) {
	o.ops = append(o.ops, op{code: opLiteral, key: append(o.key(key), value...)})
}

func (o *object) key(key string) []byte { return fieldKey(len(o.ops) == 0, key) }

// fieldKey gives what stands before a value: names need no escaping by the grammar of GraphQL.
func fieldKey(first bool, key string) []byte {
	if first {
		return []byte(`{"` + key + `":`)
	}
	return []byte(`,"` + key + `":`)
}

// refuse keeps an argument's fault at its field.
func (c *compiler) refuse(path []string, err error) bool {
	c.refused = true
	c.fail(path, fault.Wrap("read", err))
	return false
}
