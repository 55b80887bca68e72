package read

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	entfield "entgo.io/ent/schema/field"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/ent/tables"
)

// check holds the declarations against the SDL and against the tables that ent generates, so that a field that cannot work
// stops the program when it starts and not the query of a client.
func (e *Engine) check() error {
	c := checker{e: e, schema: e.config.Schema, tables: tables.Columns()}
	for _, n := range declared() {
		c.noun(e.nouns[n.name])
	}
	for name, d := range finds() {
		if def := c.schema.Query.Fields.ForName(name); def == nil {
			c.broken("Query.%s is declared and not in the SDL", name)
		} else {
			c.first("Query."+name, &d, def)
		}
	}
	for name, d := range reports() {
		c.report(name, d)
	}
	for name, conn := range e.roots() {
		def := c.schema.Query.Fields.ForName(name)
		if def == nil {
			c.broken("Query.%s is declared and not in the SDL", name)
			continue
		}
		c.connection("Query."+name, &conn, def)
	}
	if len(c.errs) == 0 {
		c.unreadable()
	}
	return errors.Join(c.errs...)
}

type checker struct {
	e      *Engine
	schema *ast.Schema
	tables map[string][]tables.Column
	errs   []error
}

func (c *checker) broken(format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf(format, args...))
}

// noun checks one type: every field of the SDL is declared exactly once, and nothing else is.
func (c *checker) noun(n *noun) {
	n.def, n.byName = c.schema.Types[n.name], map[string]*field{}
	if n.variants != nil {
		c.variants(n)
		return
	}
	if n.def == nil || n.def.Kind != ast.Object {
		c.broken("%s is no object type of the SDL", n.name)
		return
	}
	if c.tables[n.table] == nil {
		c.broken("%s: there is no table %s", n.name, n.table)
		return
	}
	for _, column := range []string{n.id, n.account} {
		c.column(n.name, n, column, kindID, true)
	}
	for i := range n.fields {
		f := &n.fields[i]
		if n.byName[f.name] != nil {
			c.broken("%s.%s is declared twice", n.name, f.name)
		}
		n.byName[f.name] = f
		def := n.def.Fields.ForName(f.name)
		if def == nil {
			c.broken("%s.%s is declared and not in the SDL", n.name, f.name)
			continue
		}
		c.field(n, f, def)
	}
	for _, def := range n.def.Fields {
		if n.byName[def.Name] == nil && !strings.HasPrefix(def.Name, "__") {
			c.broken("%s.%s is in the SDL and not declared", n.name, def.Name)
		}
	}
}

// scalars are the SDL types that a kind of column can be shown as.
var scalars = map[kind][]string{
	kindText: {"String", "URL"}, kindPlain: {"String"}, kindInt: {"Int"}, kindBig: {"BigInt"}, kindBool: {"Boolean"}, kindNot: {"Boolean"},
	kindZero: {"Boolean"}, kindInstant: {"DateTime"}, kindDate: {"Date"}, kindID: {"ID"}, kindHex: {"String"}, kindJSON: {"String"},
	kindDecimal: {"Decimal"},
}

func (c *checker) field(n *noun, f *field, def *ast.FieldDefinition) {
	name, t := n.name+"."+f.name, def.Type
	if f.page == nil && f.first == nil && (f.list == nil || f.list.filter == nil) && len(def.Arguments) > 0 {
		c.broken("%s has arguments that nothing reads", name)
	}
	switch {
	case f.column != "":
		target := c.schema.Types[t.Name()]
		fits := slices.Contains(scalars[f.kind], t.Name()) || (f.kind == kindPlain || f.kind == kindJSON) && target.Kind == ast.Enum
		if !fits || (f.kind == kindJSON) != (t.Elem != nil) {
			c.broken("%s is %s in the SDL, which its column cannot be shown as", name, t)
		}
		if f.kind == kindID && (n.prefix == "" || f.of != nil) {
			c.broken("%s: the type has no prefix of ids", name)
		}
		owner := n
		if f.of != nil {
			c.column(name, n, f.of.column, kindID, t.NonNull && f.absent == "")
			if owner = c.e.nouns[f.of.noun]; owner == nil {
				c.broken("%s is of %s, which is declared nowhere", name, f.of.noun)
				return
			}
		}
		c.column(name, owner, f.column, f.kind, t.NonNull && !f.held)
	case f.compute != nil:
		for _, column := range f.compute.columns {
			c.column(name, n, column, 0, false)
		}
		for _, b := range f.compute.beside {
			c.column(name, n, b.key, kindID, false)
			if target := c.e.nouns[b.noun]; target == nil {
				c.broken("%s reads a row of %s, which is not declared", name, b.noun)
			} else {
				c.column(name, target, b.column, 0, false)
			}
		}
		for _, x := range f.compute.exists {
			if x.own != nil {
				for _, column := range x.own.columns {
					c.column(name, n, column, 0, false)
				}
				continue
			}
			if target := c.e.nouns[x.noun]; target == nil {
				c.broken("%s asks for rows of %s, which is not declared", name, x.noun)
			} else {
				c.column(name, target, x.foreignKey, kindID, false)
			}
		}
	case f.embed != "":
		target := c.e.nouns[f.embed]
		if target == nil || target.table != n.table || t.Name() != f.embed {
			c.broken("%s: %s is not on the same row", name, f.embed)
		}
	case f.one != nil:
		c.target(name, f.one.noun, t.Name())
		c.column(name, n, f.one.column, kindID, t.NonNull && !f.held)
		if f.one.fallback != "" {
			c.column(name, n, f.one.fallback, kindID, false)
		}
	case f.poly != nil:
		c.poly(name, n, f.poly, t)
	case f.list != nil:
		if t.Elem == nil || !t.NonNull || !t.Elem.NonNull {
			c.broken("%s is %s in the SDL; a list is [T!]!", name, t)
		}
		if target := c.target(name, f.list.noun, t.Name()); target != nil {
			c.list(name, target, f.list, def)
		}
	case f.first != nil:
		c.first(name, f.first, def)
	case f.page != nil:
		c.connection(name, f.page, def)
		for _, m := range f.page.matches {
			c.column(name, n, m.parent, kindID, true)
			if target := c.e.nouns[f.page.noun]; target != nil {
				c.column(name, target, m.column, kindID, false)
			}
		}
	case f.constant == nil:
		c.broken("%s declares nothing", name)
	}
}

func (c *checker) target(name, nounName, typeName string) *noun {
	target := c.e.nouns[nounName]
	if target == nil || nounName != typeName {
		c.broken("%s is %s in the SDL and declared as %s", name, typeName, nounName)
		return nil
	}
	return target
}

func (c *checker) poly(name string, n *noun, p *toPoly, t *ast.Type) {
	if t.NonNull || t.Elem != nil {
		c.broken("%s: a row of one of several types may be gone, so the field must be nullable", name)
	}
	c.column(name, n, p.typeColumn, kindPlain, false)
	c.column(name, n, p.idColumn, kindID, false)
	var declaredTypes, possible []string
	for _, arm := range p.types {
		declaredTypes = append(declaredTypes, arm.noun)
	}
	for _, def := range c.schema.PossibleTypes[t.Name()] {
		possible = append(possible, def.Name)
	}
	slices.Sort(declaredTypes)
	slices.Sort(possible)
	if !slices.Equal(declaredTypes, possible) {
		c.broken("%s is one of %v in the SDL and declared as one of %v", name, possible, declaredTypes)
	}
}

// column checks that a column exists, has the type that its kind reads, and is never null where the SDL says so.
func (c *checker) column(name string, n *noun, column string, k kind, nonNull bool) {
	if made, ok := n.derived[column]; ok {
		if k != made {
			c.broken("%s: the column %s is made as another kind", name, column)
		}
		return
	}
	col, ok := c.columnOf(n, column)
	if !ok {
		c.broken("%s: the table %s has no column %s", name, n.table, column)
		return
	}
	if nonNull && col.Nullable {
		c.broken("%s cannot be null by the SDL, and %s.%s can", name, n.table, column)
	}
	if k != 0 && !k.reads(col) {
		c.broken("%s: %s.%s is of the type %s, which is read otherwise", name, n.table, column, col.Type)
	}
}

func (c *checker) columnOf(n *noun, column string) (col tables.Column, ok bool) {
	list := c.tables[n.table]
	i := slices.IndexFunc(list, func(col tables.Column) bool { return col.Name == column })
	if i < 0 {
		return col, false
	}
	return list[i], true
}

// reads says whether the binary form of a column is what the kind expects.
func (k kind) reads(col tables.Column) bool {
	isDate, isDecimal := col.SQL == "date", strings.HasPrefix(col.SQL, "numeric")
	switch k {
	case kindText, kindPlain:
		return col.Type == entfield.TypeString && !isDecimal
	case kindDecimal:
		return isDecimal
	case kindInt:
		return col.Type == entfield.TypeInt32 || col.Type == entfield.TypeInt16
	case kindZero:
		return col.Type == entfield.TypeInt32 || col.Type == entfield.TypeInt16
	case kindBig:
		return col.Type == entfield.TypeInt64
	case kindBool, kindNot:
		return col.Type == entfield.TypeBool
	case kindInstant:
		return col.Type == entfield.TypeTime && !isDate
	case kindDate:
		return col.Type == entfield.TypeTime && isDate
	case kindID:
		return col.Type == entfield.TypeUUID
	case kindJSON:
		return col.Type == entfield.TypeJSON
	case kindHex:
		return col.Type == entfield.TypeBytes
	}
	return false
}

// first checks a field that is the first row which its arguments choose: it is null where there is none, and reads all its
// arguments.
func (c *checker) first(name string, d *toFirst, def *ast.FieldDefinition) {
	if def.Type.NonNull || def.Type.Elem != nil {
		c.broken("%s: there may be no such row, so the field must be nullable", name)
	}
	for _, arg := range def.Arguments {
		if !slices.Contains(d.arguments, arg.Name) {
			c.broken("%s does not read its argument %s", name, arg.Name)
		}
	}
	if target := c.target(name, d.noun, def.Type.Name()); target != nil {
		if d.foreignKey != "" {
			c.column(name, target, d.foreignKey, kindID, false)
		}
		c.order(name, target, d.order)
	}
}

// order checks that the keys of an order are never null: a row comparison with NULL would lose rows.
func (c *checker) order(name string, n *noun, o order) {
	if len(o.keys) == 0 {
		c.broken("%s has no order", name)
	}
	for _, k := range o.keys {
		c.column(name, n, k.column, k.kind, !k.held)
		col, ok := c.columnOf(n, k.column)
		if k.kind == kindText && !k.bytewise && ok && col.Collation != "C" {
			c.broken("%s orders by %s.%s, which is not in the collation C", name, n.table, k.column)
		}
	}
}

// unreadable finds types that can be reached and are declared nowhere.
func (c *checker) unreadable() {
	for _, def := range c.schema.PossibleTypes["Node"] {
		if n := c.e.nouns[def.Name]; def.Kind == ast.Object && (n == nil || n.prefix == "") {
			c.broken("%s is a Node and has no declaration with a prefix of ids", def.Name)
		}
	}
}
