package read

// first compiles a field that is the first row which its arguments choose.
func (c *compiler) first(o *object, at place, d *field, sel selected, x op) bool {
	n := c.e.nouns[d.first.noun]
	if err := c.mayRead(n, ""); err != nil {
		c.fail(x.path, err)
		return false
	}
	l := c.child(at, n, shapeFirst, d.first.foreignKey)
	if !c.chosen(l, d.first, sel, x.path) {
		return false
	}
	c.childOp(&x, at, l)
	o.add(sel.key, x)
	return true
}

// find compiles a row of the account that is found by arguments, and not by its id.
func (c *compiler) find(d toFirst, sel selected) {
	n := c.e.nouns[d.noun]
	l := c.level(n, shapeFirst)
	c.u.root = l
	if err := c.mayRead(n, ""); err != nil {
		c.fail(nil, err)
		c.u.null = true
		return
	}
	l.redirected()
	c.u.null = !c.chosen(l, &d, sel, nil)
}

// chosen compiles the one row of a level.
func (c *compiler) chosen(l *level, d *toFirst, sel selected, path []string) bool {
	args, number, ok := c.arguments(sel, path)
	if !ok {
		return false
	}
	l.order = d.order
	if d.where != "" {
		l.conds = append(l.conds, raw(d.where))
	}
	if !c.filter(l, d.filter, number, args, path) {
		return false
	}
	l.limit, _ = c.param(oidInt8, func(*binding) ([]byte, error) { return int8Bytes(1), nil })
	l.more = l.limit
	row, ok := c.object(place{l, nil}, l.noun, sel.sets(), path)
	if !ok {
		return false
	}
	l.lanes, l.rowed = []*object{row}, true
	c.finish(l)
	return true
}

// arguments reads the arguments of a field, and notes the field so that they are read again for other requests.
func (c *compiler) arguments(sel selected, path []string) (args arguments, number int, ok bool) {
	field := sel.first()
	args, err := coercer{schema: c.e.config.Schema, vars: c.vars}.field(field.Definition, field.Arguments)
	if err != nil {
		return nil, 0, c.refuse(path, err)
	}
	number = len(c.u.sites)
	c.u.sites = append(c.u.sites, site{field.Definition, field.Arguments})
	c.b.args = append(c.b.args, args)
	return args, number, true
}

// filter adds the conditions that the arguments ask for.
func (c *compiler) filter(l *level, add func(*filter) error, number int, args arguments, path []string) bool {
	if add == nil {
		return true
	}
	f := &filter{c: c, site: number, arguments: args, conds: l.conds}
	if err := add(f); err != nil {
		return c.refuse(path, err)
	}
	if f.err != nil {
		return c.refuse(path, f.err)
	}
	l.conds, l.having, l.sifted = f.conds, f.having, f.sifted
	return true
}
