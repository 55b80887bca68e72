package read

import (
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// paging are the arguments that every connection may have.
var paging = []string{"first", "after", "last", "before"}

// connection checks a field with pages: its type, its arguments, its orders, and that each member of its filter changes
// the statement.
func (c *checker) connection(name string, conn *connection, def *ast.FieldDefinition) {
	target := c.e.nouns[conn.noun]
	if target == nil {
		c.broken("%s is a list of %s, which is declared nowhere", name, conn.noun)
		return
	}
	c.connectionType(name, conn, def.Type)
	if conn.foreignKey != "" {
		c.column(name, target, conn.foreignKey, kindID, false)
	}
	c.arguments(name, append([]string{"first", "after"}, conn.arguments...), paging, def)
	for _, args := range c.choices(def.Arguments) {
		c.order(name, target, conn.orders(args))
	}
	if conn.counted != nil {
		c.counter(name, conn)
	}
	if len(c.errs) == 0 && conn.filter != nil {
		c.filters(name, conn.arguments, conn.filter, def)
	}
}

// arguments checks that the arguments that are read are those of the SDL; optional ones may be in it.
func (c *checker) arguments(name string, read, optional []string, def *ast.FieldDefinition) {
	for _, arg := range def.Arguments {
		if !slices.Contains(optional, arg.Name) && !slices.Contains(read, arg.Name) {
			c.broken("%s has the argument %s, which nothing reads", name, arg.Name)
		}
	}
	for _, arg := range read {
		if def.Arguments.ForName(arg) == nil {
			c.broken("%s reads the argument %s, which is not in the SDL", name, arg)
		}
	}
}

// counter checks that a counter is a column of the account, of a connection that belongs to the account.
func (c *checker) counter(name string, conn *connection) {
	if conn.foreignKey != "" {
		c.broken("%s has a counter per account and belongs to %s", name, conn.foreignKey)
	}
	c.column(name, c.e.nouns["Account"], conn.counted.column, kindBig, true)
}

// connectionType checks the shape that pages are written in.
func (c *checker) connectionType(name string, conn *connection, t *ast.Type) {
	def := c.schema.Types[t.Name()]
	if !t.NonNull || t.Elem != nil || def == nil || !strings.HasSuffix(def.Name, "Connection") {
		c.broken("%s is %s in the SDL; a connection is XConnection!", name, t)
		return
	}
	edge := strings.TrimSuffix(def.Name, "Connection") + "Edge"
	want := map[string]string{"edges": "[" + edge + "!]!", "nodes": "[" + conn.noun + "!]!", "pageInfo": "PageInfo!", "totalCount": "Int!"}
	c.fieldsAre(def, want)
	cursor := "String!"
	if edgeDef := c.schema.Types[edge]; edgeDef != nil {
		c.fieldsAre(edgeDef, map[string]string{"cursor": cursor, "node": conn.noun + "!"})
	}
}

func (c *checker) fieldsAre(def *ast.Definition, want map[string]string) {
	for _, f := range def.Fields {
		if want[f.Name] != f.Type.String() {
			c.broken("%s.%s is %s in the SDL; a connection has %s", def.Name, f.Name, f.Type, want[f.Name])
		}
	}
	if len(def.Fields) != len(want) {
		c.broken("%s has %d fields; it must have %d", def.Name, len(def.Fields), len(want))
	}
}

// choices are the arguments with each value of each enumeration in them, so that every order is seen.
func (c *checker) choices(defs ast.ArgumentDefinitionList) []arguments {
	list := []arguments{{}}
	for _, arg := range defs {
		def := c.schema.Types[arg.Type.Name()]
		switch {
		case arg.Type.Elem != nil:
		case def.Kind == ast.Enum:
			for _, v := range def.EnumValues {
				list = append(list, arguments{arg.Name: v.Name})
			}
		case def.Kind == ast.InputObject && def.Fields.ForName("direction") != nil:
			for _, v := range c.schema.Types[def.Fields.ForName("field").Type.Name()].EnumValues {
				list = append(list, arguments{arg.Name: arguments{"field": v.Name, "direction": "ASC"}},
					arguments{arg.Name: arguments{"field": v.Name, "direction": "DESC"}})
			}
		}
	}
	return list
}

// sample is some value of an input type; an id has the prefix.
func sample(schema *ast.Schema, t *ast.Type, prefix string) any {
	if t.Elem != nil {
		return []any{sample(schema, t.Elem, prefix)}
	}
	def := schema.Types[t.NamedType]
	switch {
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Name == "DateTimeFilter":
		return arguments{"gte": "2026-01-01T00:00:00Z"}
	case def.Name == "DateRange":
		return arguments{"from": "2026-01-01"}
	case def.Kind == ast.InputObject:
		out := arguments{}
		for _, f := range def.Fields {
			if f.Type.NonNull || f.Name == "eq" { // an empty condition on a value is none
				out[f.Name] = sample(schema, f.Type, prefix)
			}
		}
		return out
	case def.Name == "BigInt":
		return int64(1)
	case def.Name == "Date":
		return "2026-01-01"
	case def.Name == "Boolean":
		return true
	case def.Name == "ID":
		return prefix + "_01h455vb4pex5vsknk084sn02q"
	}
	return "1"
}
