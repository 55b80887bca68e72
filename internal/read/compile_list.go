package read

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// variants compiles a selection on an interface: a program for each type, of which a column of the row chooses one.
func (c *compiler) variants(at place, n *noun, sets []ast.SelectionSet, path []string) (*object, bool) {
	o := &object{slot: at.level.slot(at.via, n.variants.column)}
	programs := make(map[string]*object, len(n.variants.types))
	for _, t := range n.variants.types {
		program := programs[t.noun]
		if program == nil {
			v := c.e.nouns[t.noun]
			if err := c.mayRead(v, ""); err != nil {
				c.fail(path, err)
				return nil, false
			}
			var ok bool
			if program, ok = c.object(at, v, sets, path); !ok {
				return nil, false
			}
			programs[t.noun] = program
		}
		o.arms = append(o.arms, arm{value: t.value, object: program})
	}
	return o, true
}

// childKey names a list below a row by where it is and which fields of the document ask for it. The types of an interface
// have such lists in common, and each is read once.
type childKey struct {
	level  *level
	via    *joined
	fields string
}

func keyOf(at place, sel selected) childKey {
	var b strings.Builder
	for _, f := range sel.fields {
		fmt.Fprintf(&b, "%p ", f)
	}
	return childKey{at.level, at.via, b.String()}
}

func (c *compiler) share(key childKey, l *level) {
	if c.shared == nil {
		c.shared = map[childKey]*level{}
	}
	c.shared[key] = l
}

// list compiles a list without pages: its arguments, then its rows.
func (c *compiler) list(o *object, at place, d *field, sel selected, x op) bool {
	n := c.e.nouns[d.list.noun]
	if err := c.mayRead(n, ""); err != nil {
		c.fail(x.path, err)
		return false
	}
	key := keyOf(at, sel)
	l := c.shared[key]
	if l == nil {
		if l = c.child(at, n, shapeList, d.list.foreignKey); !c.rows(l, d.list, sel, x.path) {
			return false
		}
		c.share(key, l)
	}
	c.childOp(&x, at, l)
	o.add(sel.key, x)
	return true
}

func (c *compiler) rows(l *level, list *toList, sel selected, path []string) bool {
	l.order = list.order
	if list.where != "" {
		l.conds = append(l.conds, raw(list.where))
	}
	if list.beside != nil {
		l.beside = l.join(joined{noun: c.e.nouns[list.beside.noun], column: list.beside.column})
	}
	if list.through != nil {
		l.through = list.through.noun()
	}
	l.also = list.also
	if list.filter != nil {
		args, number, ok := c.arguments(sel, path)
		if !ok || !c.filter(l, list.filter, number, args, path) {
			return false
		}
	}
	item, ok := c.object(place{l, nil}, l.noun, sel.sets(), path)
	if !ok {
		return false
	}
	l.lanes, l.rowed = []*object{item}, true
	c.finish(l)
	return true
}

// noun stands for the table of pairs where statements are written: a row of it is found by the id of the list's row.
func (p *pairs) noun() *noun {
	return &noun{name: p.table, table: p.table, id: p.column, account: "account_id"}
}
