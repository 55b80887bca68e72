package read_test

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// stats draws the arguments of a report.
func (g *generator) stats(out map[string]any) {
	out["groupBy"] = g.enums("CustomerDimension")
	if g.chance(60) {
		out["bucket"] = oneFrom(g, g.schema.Types["TimeBucket"].EnumValues...).Name
	}
	if g.chance(50) {
		out["timeZone"] = oneFrom(g, "UTC", "Europe/Zurich", "Asia/Kolkata", "Pacific/Auckland", "America/New_York")
	}
	if g.chance(50) {
		out["where"] = g.customerWhere(0)
	}
	if g.chance(50) {
		between := map[string]any{}
		first := testNow.AddDate(0, 0, g.n(9)-6)
		if g.chance(70) {
			between["from"] = first.Format(time.DateOnly)
		}
		if g.chance(70) {
			between["to"] = first.AddDate(0, 0, g.n(5)).Format(time.DateOnly)
		}
		out["range"] = between
	}
}

// statDimensions are the dimensions of a report in their order: the column, the field and the table of what it points at.
var statDimensions = []struct{ name, column, field, table string }{
	{"ORIGIN", "origin_id", "origin", "customer_origin"},
	{"TYPE", "type_id", "type", "customer_type"},
	{"SALESPERSON", "salesperson_id", "salesperson", "staff_user"},
	{"OFFICE", "preferred_office_id", "office", "office"},
	{"KIND", "kind", "kind", ""},
	{"STATUS", "status", "status", ""},
}

// statGroup is a group while it is counted; a dimension that was not asked for is nil.
type statGroup struct {
	start  string
	values [6]any
}

func (n *naive) customerStats(args map[string]any) any {
	zone, err := time.LoadLocation(args["timeZone"].(string))
	if err != nil {
		panic(err)
	}
	counts := map[statGroup]int{}
	for _, r := range n.rows("customer", n.account, all) {
		if _, given := field(args["where"], "status"); !given && r["status"] == "MERGED" || args["where"] != nil && !n.matches(args["where"], r) {
			continue
		}
		at := r["created_at"].(time.Time).In(zone)
		day := at.Format(time.DateOnly)
		if from, ok := field(args["range"], "from"); ok && day < from.(string) {
			continue
		}
		if to, ok := field(args["range"], "to"); ok && day > to.(string) {
			continue
		}
		g := statGroup{start: bucketOf(args["bucket"], at)}
		for i, d := range statDimensions {
			if slices.Contains(listOf(args["groupBy"]), any(d.name)) {
				g.values[i] = r[d.column]
			}
		}
		counts[g]++
	}
	groups := make([]statGroup, 0, len(counts))
	for g := range counts {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b statGroup) int {
		c := cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(counts[b], counts[a]))
		for i := 0; c == 0 && i < len(a.values); i++ {
			c = compareNullsLast(a.values[i], b.values[i])
		}
		return c
	})
	out := []any{}
	for _, g := range groups {
		fields := map[string]func() any{
			"count": func() any { return counts[g] },
			"bucketStart": func() any {
				if g.start == "" {
					return nil
				}
				return g.start
			},
		}
		for i, d := range statDimensions {
			fields[d.field] = func() any {
				if _, ok := g.values[i].(uuid.UUID); ok {
					return n.thing(d.table, g.values[i])
				}
				return g.values[i]
			}
		}
		out = append(out, thing{typeName: "CustomerStat", fields: fields})
	}
	return out
}

func bucketOf(bucket any, at time.Time) string {
	switch bucket {
	case "DAY":
	case "WEEK":
		at = at.AddDate(0, 0, -(int(at.Weekday())+6)%7)
	case "MONTH":
		at = at.AddDate(0, 0, 1-at.Day())
	case "QUARTER":
		at = time.Date(at.Year(), (at.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC)
	case "YEAR":
		at = time.Date(at.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	default:
		return ""
	}
	return at.Format(time.DateOnly)
}

func compareNullsLast(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return compareValues(a, b)
}
