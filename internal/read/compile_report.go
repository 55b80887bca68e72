package read

import (
	"slices"
	"strings"
)

// maxGroups is the most groups that a report gives.
const maxGroups = 1000

// report is a root field that counts the rows of a noun in groups. The text of its statement does not depend on which
// dimensions are asked for: each is switched by a parameter, so that all ways of asking share one prepared statement.
type report struct {
	// noun is what a group is written as, of what is counted, by the point in time in the column at.
	noun, of, at string
	dimensions   []dimension
	// arguments are those that filter reads; groupBy, range, bucket and timeZone are known without.
	arguments []string
	filter    func(f *filter) error
	// over is the answer when there are more groups than maxGroups.
	over error
}

// dimension is a value of the argument groupBy and the column that it stands for.
type dimension struct{ name, column string }

// reports are the fields of Query that count.
func reports() map[string]report { return map[string]report{"customerStats": customerStats()} }

// report compiles a report.
func (c *compiler) report(d report, sel selected) {
	n := c.e.nouns[d.noun]
	l := c.level(n, shapeList)
	c.u.root = l
	if err := c.mayRead(n, ""); err != nil {
		c.fail(nil, err)
		c.u.null = true
		return
	}
	c.u.null = !c.groups(l, d, sel)
}

func (c *compiler) groups(l *level, d report, sel selected) bool {
	args, site, ok := c.arguments(sel, nil)
	if !ok {
		return false
	}
	g := &grouping{report: d, of: c.e.nouns[d.of], bucket: buckets[args.text("bucket")]}
	if err := c.group(g, site, args); err != nil {
		return c.refuse(nil, err)
	}
	if !c.filter(l, d.filter, site, args, nil) {
		return false
	}
	g.conds, l.conds = append(g.conds, l.conds...), nil // they are about the rows that are counted
	if h := l.having; h != nil {
		g.conds, l.having = append(g.conds, func(w *writer, t string) { w.hasAttribute(t, h) }), nil
	}
	l.derived, l.over = g.write, d.over
	l.order = ascending("POSITION", bigKey("position"))
	l.limit, _ = c.param(oidInt8, func(*binding) ([]byte, error) { return int8Bytes(maxGroups), nil })
	l.more, _ = c.param(oidInt8, func(*binding) ([]byte, error) { return int8Bytes(maxGroups + 1), nil })
	row, ok := c.object(place{l, nil}, l.noun, sel.sets(), nil)
	if !ok {
		return false
	}
	l.lanes, l.rowed = []*object{row}, true
	c.finish(l)
	return true
}

// grouping writes the groups as a table.
type grouping struct {
	report
	of     *noun
	bucket string
	conds  []cond
	// asked are the slots of whether each dimension is asked for, zone that of the time zone.
	asked []int
	zone  int
}

// group reads groupBy, timeZone and range.
func (c *compiler) group(g *grouping, site int, args arguments) error {
	for _, d := range g.dimensions {
		slot, err := c.param(oidBool, func(b *binding) ([]byte, error) {
			list, _ := b.args[site]["groupBy"].([]any)
			return []byte{byte(btoi(slices.ContainsFunc(list, func(v any) bool { return asText(v) == d.name })))}, nil
		})
		if err != nil {
			return err
		}
		g.asked = append(g.asked, slot)
	}
	var err error
	if g.zone, err = c.param(oidText, func(b *binding) ([]byte, error) { return zoneOf(b, site) }); err != nil {
		return err
	}
	between := args.in("range")
	for _, end := range []struct{ name, comparison, day string }{{"from", " >= ", ""}, {"to", " < ", " + 1"}} {
		if between == nil || between[end.name] == nil {
			continue
		}
		slot, err := c.param(oidText, func(b *binding) ([]byte, error) { return dayOf(b, site, end.name) })
		if err != nil {
			return err
		}
		g.conds = append(g.conds, func(w *writer, t string) {
			w.text(t + "." + g.at + end.comparison + "((")
			w.param(slot)
			w.text("::date" + end.day + ")::timestamp AT TIME ZONE ")
			w.param(g.zone)
			w.text(")")
		})
	}
	return nil
}

// write writes the query of the groups: by time, then the largest first, then in a fixed order.
//
// What is grouped by is computed behind a fence (OFFSET 0): without it PostgreSQL takes a month for as rare as the instant
// that it is made of, expects a group for each row, and sorts them all instead of counting them in a small table.
func (g *grouping) write(w *writer) {
	rows, t := w.alias(), w.alias()
	columns := []string{"bucket_start"}
	for _, d := range g.dimensions {
		columns = append(columns, d.column)
	}
	keys := rows + "." + strings.Join(columns, ", "+rows+".")
	w.text("SELECT " + keys + ", count(*)::int4 AS count, row_number() OVER (ORDER BY " + rows + ".bucket_start, count(*) DESC, " +
		rows + "." + strings.Join(columns[1:], ", "+rows+".") + ") AS position")
	w.fromPage(rows, func() {
		w.text("SELECT ")
		g.start(w, t)
		w.text(" AS bucket_start")
		for i, d := range g.dimensions {
			w.text(", ")
			g.dimension(w, t, i)
			w.text(" AS " + d.column)
		}
		w.from(g.of, t, nil)
		w.and(g.conds, t)
		w.text(" OFFSET 0")
	})
	w.text(" GROUP BY " + keys)
}

// dimension is null in all rows when it is not asked for, which makes them one group.
func (g *grouping) dimension(w *writer, t string, i int) {
	w.text("CASE WHEN ")
	w.param(g.asked[i])
	w.text(" THEN " + t + "." + g.dimensions[i].column + " END")
}

func (g *grouping) start(w *writer, t string) {
	if g.bucket == "" {
		w.text("NULL::date")
		return
	}
	w.text("date_trunc('" + g.bucket + "', " + t + "." + g.at + " AT TIME ZONE ")
	w.param(g.zone)
	w.text(")::date")
}
