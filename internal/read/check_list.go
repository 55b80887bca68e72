package read

import (
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
)

// variants checks an interface: that its types are those of the SDL, and that all of them are read from its table.
func (c *checker) variants(n *noun) {
	if n.def == nil || !n.def.IsAbstractType() {
		c.broken("%s is no interface or union of the SDL", n.name)
		return
	}
	if c.tables[n.table] == nil || len(n.fields) > 0 || n.prefix != "" {
		c.broken("%s: an interface has a table, and neither fields of its own nor a prefix of ids", n.name)
		return
	}
	c.column(n.name, n, n.variants.column, kindPlain, true)
	var declaredTypes, possible []string
	for _, t := range n.variants.types {
		if v := c.e.nouns[t.noun]; v == nil || v.table != n.table || v.variants != nil {
			c.broken("%s: %s is not read from its table", n.name, t.noun)
		}
		declaredTypes = append(declaredTypes, t.noun)
	}
	for _, def := range c.schema.PossibleTypes[n.name] {
		possible = append(possible, def.Name)
	}
	slices.Sort(declaredTypes)
	slices.Sort(possible)
	if declaredTypes = slices.Compact(declaredTypes); !slices.Equal(declaredTypes, possible) {
		c.broken("%s is one of %v in the SDL and declared as one of %v", n.name, possible, declaredTypes)
	}
}

// list checks a list without pages: where its rows hang, its order, and that its arguments change the statement.
func (c *checker) list(name string, target *noun, list *toList, def *ast.FieldDefinition) {
	switch {
	case list.through == nil:
		c.column(name, target, list.foreignKey, kindID, false)
	case c.tables[list.through.table] == nil:
		c.broken("%s: there is no table %s", name, list.through.table)
		return
	default:
		for _, column := range []string{list.foreignKey, list.through.column, "account_id"} {
			c.column(name, list.through.noun(), column, kindID, true)
		}
	}
	if list.also != nil {
		c.made(name, target, list.also)
	}
	own := order{keys: slices.DeleteFunc(slices.Clone(list.order.keys), func(k orderKey) bool { return k.beside })}
	beside := order{keys: slices.DeleteFunc(slices.Clone(list.order.keys), func(k orderKey) bool { return !k.beside })}
	if list.beside != nil {
		c.column(name, target, list.beside.column, kindID, true)
		if c.e.nouns[list.beside.noun] == nil {
			c.broken("%s: %s is declared nowhere", name, list.beside.noun)
			return
		}
	} else if len(beside.keys) > 0 {
		c.broken("%s is ordered by a row beside it, and there is none", name)
		return
	}
	if len(beside.keys) > 0 {
		c.order(name, c.e.nouns[list.beside.noun], beside)
	}
	if len(own.keys) > 0 || len(beside.keys) == 0 {
		c.order(name, target, own)
	}
	c.arguments(name, list.arguments, nil, def)
	if len(c.errs) == 0 && list.filter != nil {
		c.filters(name, list.arguments, list.filter, def)
	}
}

// made checks rows that are made of those of another noun: that each column is of the list's own noun.
func (c *checker) made(name string, target *noun, also *toMade) {
	if c.e.nouns[also.noun] == nil {
		c.broken("%s: %s is declared nowhere", name, also.noun)
	}
	for _, column := range also.columns {
		c.column(name, target, column.name, 0, false)
	}
}
