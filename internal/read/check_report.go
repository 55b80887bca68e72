package read

import "slices"

// report checks a report: it reads all its arguments, and groups by columns that are there.
func (c *checker) report(name string, d report) {
	def := c.schema.Query.Fields.ForName(name)
	if def == nil {
		c.broken("Query.%s is declared and not in the SDL", name)
		return
	}
	if def.Type.Elem == nil || !def.Type.NonNull || !def.Type.Elem.NonNull {
		c.broken("Query.%s is %s in the SDL; a list is [T!]!", name, def.Type)
	}
	n, of := c.target("Query."+name, d.noun, def.Type.Name()), c.e.nouns[d.of]
	if n == nil || of == nil || n.table != of.table {
		c.broken("Query.%s: %s is not made of %s", name, d.noun, d.of)
		return
	}
	c.column("Query."+name, of, d.at, kindInstant, true)
	known := append([]string{"groupBy", "range", "bucket", "timeZone"}, d.arguments...)
	for _, arg := range def.Arguments {
		if !slices.Contains(known, arg.Name) {
			c.broken("Query.%s does not read its argument %s", name, arg.Name)
		}
	}
	values := c.schema.Types[def.Arguments.ForName("groupBy").Type.Name()].EnumValues
	if len(values) != len(d.dimensions) {
		c.broken("Query.%s has %d dimensions in the SDL and %d are declared", name, len(values), len(d.dimensions))
	}
	for _, x := range d.dimensions {
		if values.ForName(x.name) == nil {
			c.broken("Query.%s groups by %s, which is not in the SDL", name, x.name)
		}
		c.column("Query."+name, of, x.column, 0, false)
	}
	for _, v := range c.schema.Types[def.Arguments.ForName("bucket").Type.Name()].EnumValues {
		if buckets[v.Name] == "" {
			c.broken("Query.%s: nothing is known of the bucket %s", name, v.Name)
		}
	}
}
