package read_test

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fold"
	"dossier/internal/typeid"
)

// valueTypes is the type of the interface AttributeValue for each type of attributes, with the name of its own field.
var valueTypes = map[any][2]string{
	"TEXT": {"TextAttributeValue", "text"}, "LONG_TEXT": {"TextAttributeValue", "text"}, "INTEGER": {"IntegerAttributeValue", "integer"},
	"DECIMAL": {"DecimalAttributeValue", "decimal"}, "BOOLEAN": {"BooleanAttributeValue", "boolean"}, "DATE": {"DateAttributeValue", "date"},
	"DATE_TIME": {"DateTimeAttributeValue", "dateTime"}, "SELECT": {"SelectAttributeValue", "option"},
	"MULTI_SELECT": {"MultiSelectAttributeValue", "options"}, "URL": {"UrlAttributeValue", "url"}, "EMAIL": {"EmailAttributeValue", "email"},
	"PHONE": {"PhoneAttributeValue", "phone"}, "FILE": {"FileAttributeValue", "documents"},
}

// attributes are the values of a customer that can be seen.
func (n *naive) attributes(c row, args map[string]any) any {
	type seen struct{ value, definition row }
	var list []seen
	for _, v := range n.rows("attribute_value", n.account, func(v row) bool { return v["customer_id"] == c.id() }) {
		d := n.byID[v["definition_id"].(uuid.UUID)]
		keys, given := field(args, "keys")
		if d["archived_at"] == nil && (!given || slices.Contains(listOf(keys), d["key"])) {
			list = append(list, seen{v, d})
		}
	}
	for _, d := range n.rows("attribute_definition", n.account, func(d row) bool { return d["type"] == "FILE" && d["archived_at"] == nil }) {
		if keys, given := field(args, "keys"); (!given || slices.Contains(listOf(keys), d["key"])) && n.filed(c.id(), d.id()) {
			list = append(list, seen{row{"type": "FILE", "customer_id": c.id(), "definition_id": d.id()}, d})
		}
	}
	slices.SortFunc(list, func(a, b seen) int { return compareRows(a.definition, b.definition, []string{"position", "id"}) })
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = n.attributeValue(s.value, s.definition)
	}
	return out
}

func (n *naive) attributeValue(v, d row) thing {
	kind := valueTypes[v["type"]]
	return thing{typeName: kind[0], row: v, fields: map[string]func() any{
		"key":        func() any { return d["key"] },
		"definition": func() any { return thing{typeName: "AttributeDefinition", row: d} },
		kind[1]: func() any {
			switch v["type"] {
			case "INTEGER":
				return v["integer_value"]
			case "DECIMAL":
				return v["decimal_value"]
			case "BOOLEAN":
				return v["boolean_value"]
			case "DATE":
				return dateText(v["date_value"])
			case "DATE_TIME":
				return v["time_value"]
			case "SELECT":
				return n.thing("attribute_option", v["option_id"])
			case "MULTI_SELECT":
				return n.ordered("AttributeOption", n.optionsOf(v))
			}
			return v["text_value"]
		},
	}}
}

func (n *naive) optionsOf(v row) []row {
	var list []row
	for _, pair := range n.rows("attribute_value_option", n.account, func(p row) bool { return p["value_id"] == v.id() }) {
		list = append(list, n.byID[pair["option_id"].(uuid.UUID)])
	}
	return list
}

func (n *naive) ordered(typeName string, list []row) any {
	slices.SortFunc(list, func(a, b row) int { return compareRows(a, b, []string{"position", "id"}) })
	return things(typeName, list)
}

// definition resolves what the columns of a definition do not say by their names.
func (n *naive) definition(d row, name string) any {
	switch name {
	case "options":
		return n.ordered("AttributeOption", n.rows("attribute_option", n.account, func(o row) bool { return o["definition_id"] == d.id() }))
	case "customerTypes":
		var list []row
		for _, pair := range n.rows("attribute_definition_type", n.account, func(p row) bool { return p["definition_id"] == d.id() }) {
			list = append(list, n.byID[pair["type_id"].(uuid.UUID)])
		}
		return n.ordered("CustomerType", list)
	case "validation":
		fields := map[string]func() any{}
		for _, f := range n.schema.Types["AttributeValidation"].Fields {
			v := d[snake(f.Name)]
			if strings.HasSuffix(f.Name, "Date") {
				v = dateText(v)
			}
			fields[f.Name] = func() any { return v }
		}
		return thing{typeName: "AttributeValidation", fields: fields}
	}
	panic("naive: no AttributeDefinition." + name)
}

func dateText(v any) any {
	if at, ok := v.(time.Time); ok {
		return at.Format(time.DateOnly)
	}
	return nil
}

func (n *naive) attributeDefinitions(args map[string]any) any {
	where := args["where"]
	archived, _ := field(where, "archived")
	list := n.rows("attribute_definition", n.account, func(d row) bool {
		return (d["archived_at"] != nil) == (archived == true) && listed(where, "type", d["type"]) && listed(where, "keys", d["key"]) &&
			n.forType(where, d)
	})
	return n.connection("AttributeDefinition", "attributeDefinitions", list, []string{"position", "id"}, false, args)
}

func (n *naive) forType(where any, d row) bool {
	id, given := field(where, "customerTypeId")
	pairs := n.rows("attribute_definition_type", n.account, func(p row) bool { return p["definition_id"] == d.id() })
	return !given || len(pairs) == 0 || slices.ContainsFunc(pairs, func(p row) bool { return typeid.Format("cty", p["type_id"].(uuid.UUID)) == id })
}

// hasAttributes says whether all conditions on attributes hold for a customer.
func (n *naive) hasAttributes(where any, c row) bool {
	list, given := field(where, "attributes")
	if !given {
		return true
	}
	for _, item := range listOf(list) {
		key, _ := field(item, "key")
		values := n.rows("attribute_value", n.account, func(v row) bool {
			return v["customer_id"] == c.id() && n.byID[v["definition_id"].(uuid.UUID)]["key"] == key
		})
		filed := len(n.rows("attribute_definition", n.account, func(d row) bool { return d["key"] == key && n.filed(c.id(), d.id()) })) > 0
		if exists, _ := field(item, "exists"); exists == false {
			if len(values) > 0 || filed {
				return false
			}
			continue
		}
		if !filed && (len(values) == 0 || !n.satisfies(item, values[0])) {
			return false
		}
	}
	return true
}

func (n *naive) satisfies(item any, v row) bool {
	for _, m := range []string{"text", "url", "email", "phone"} {
		if cond, ok := field(item, m); ok && !textHolds(cond, v["text_key"].(string), m) {
			return false
		}
	}
	if cond, ok := field(item, "integer"); ok && !numberHolds(cond, new(big.Rat).SetInt64(v["integer_value"].(int64))) {
		return false
	}
	if cond, ok := field(item, "decimal"); ok && !numberHolds(cond, rational(v["decimal_value"])) {
		return false
	}
	if cond, ok := field(item, "date"); ok {
		days := func(s any) int64 {
			at, _ := time.Parse(time.DateOnly, s.(string))
			return at.Unix() / 86400
		}
		at := v["date_value"].(time.Time).Unix() / 86400
		eq, isEq := field(cond, "eq")
		gte, isGte := field(cond, "gte")
		lt, isLt := field(cond, "lt")
		if isEq && at != days(eq) || isGte && at < days(gte) || isLt && at >= days(lt) {
			return false
		}
	}
	if want, ok := field(item, "boolean"); ok && v["boolean_value"] != want {
		return false
	}
	if keys, ok := field(item, "option"); ok && !slices.Contains(listOf(keys), n.byID[v["option_id"].(uuid.UUID)]["key"]) {
		return false
	}
	if keys, ok := field(item, "options"); ok && !slices.ContainsFunc(n.optionsOf(v), func(o row) bool { return slices.Contains(listOf(keys), o["key"]) }) {
		return false
	}
	return v["time_value"] == nil || inRange(item, "dateTime", v["time_value"])
}

func textHolds(cond any, have, member string) bool {
	folded := func(s any) string {
		switch member {
		case "phone":
			return strings.NewReplacer(" ", "", "-", "").Replace(s.(string))
		case "email":
			return fold.Email(s.(string))
		}
		return fold.Text(s.(string))
	}
	if s, ok := field(cond, "eq"); ok && have != folded(s) {
		return false
	}
	if list, ok := field(cond, "oneOf"); ok && !slices.ContainsFunc(listOf(list), func(s any) bool { return have == folded(s) }) {
		return false
	}
	s, ok := field(cond, "startsWith")
	return !ok || strings.HasPrefix(have, folded(s))
}

func numberHolds(cond any, have *big.Rat) bool {
	if s, ok := field(cond, "eq"); ok && have.Cmp(rational(s)) != 0 {
		return false
	}
	if list, ok := field(cond, "oneOf"); ok && !slices.ContainsFunc(listOf(list), func(s any) bool { return have.Cmp(rational(s)) == 0 }) {
		return false
	}
	if s, ok := field(cond, "gte"); ok && have.Cmp(rational(s)) < 0 {
		return false
	}
	s, ok := field(cond, "lt")
	return !ok || have.Cmp(rational(s)) < 0
}

func rational(v any) *big.Rat {
	s, ok := v.(string)
	if !ok {
		if n, isInt := v.(int64); isInt {
			s = strconv.FormatInt(n, 10)
		} else {
			s = toText(v)
		}
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		panic("naive: no number " + s)
	}
	return r
}

func toText(v any) string {
	if s, ok := v.(interface{ String() string }); ok {
		return s.String()
	}
	panic("naive: not a number")
}

// attributeWhere draws a condition on an attribute that there is, in the member of its type.
func (g *generator) attributeWhere() any {
	kind := oneFrom(g, attributeKinds...)
	where := map[string]any{"key": strings.ToLower(kind.typeName)}
	if g.chance(25) {
		if g.chance(50) {
			where["key"] = areas[g.n(2)]
		}
		where["exists"] = g.chance(60)
		return where
	}
	texts := func(list ...string) any {
		cond := map[string]any{}
		for range g.n(3) {
			switch g.n(3) {
			case 0:
				cond["eq"] = oneFrom(g, list...)
			case 1:
				cond["startsWith"] = oneFrom(g, list...)[:g.n(2)+1]
			default:
				cond["oneOf"] = g.some(list)
			}
		}
		return cond
	}
	ends := func(list ...any) map[string]any {
		cond := map[string]any{}
		for range g.n(3) {
			cond[oneFrom(g, "eq", "gte", "lt")] = oneFrom(g, list...)
		}
		return cond
	}
	switch kind.typeName {
	case "TEXT":
		where["text"] = texts("ADA", "ann", "zoë", "100%_x")
	case "URL":
		where["url"] = texts("https://example.com/a", "HTTP://example.com")
	case "EMAIL":
		where["email"] = texts("ada@EXAMPLE.com", "bob@example.com")
	case "PHONE":
		where["phone"] = texts("+49 30 901820", "+15550100;ext=12")
	case "INTEGER":
		cond := ends(int64(0), int64(42), int64(-7), int64(1<<53-1))
		if g.chance(30) {
			cond["oneOf"] = []any{int64(42), int64(-7)}[:g.n(3)]
		}
		where["integer"] = cond
	case "DECIMAL":
		where["decimal"] = ends("0", "-0.50", "12.34", "100000.0", "99999999999999999999.5")
	case "BOOLEAN":
		where["boolean"] = g.chance(50)
	case "DATE":
		where["date"] = ends("2026-02-27", "2026-02-28", "2026-03-01")
	case "DATE_TIME":
		where["dateTime"] = g.timeFilter()
	case "SELECT":
		where["option"] = g.some([]string{"o0", "o1", "o2", "none"})
	case "MULTI_SELECT":
		where["options"] = g.some([]string{"o0", "o3", "none"})
	}
	return where
}

// some draws a few of the texts.
func (g *generator) some(list []string) []any {
	out := []any{}
	for range g.n(3) {
		out = append(out, oneFrom(g, list...))
	}
	return out
}

// attributeArguments draws the arguments of what is about attributes; the list that cursors are of is "" where there is none.
func (g *generator) attributeArguments(parent string, f *ast.FieldDefinition, out map[string]any) (list string) {
	keys := []string{"text", "integer", "select", "multi_select", "old_text", "none", "contracts", "plans"}
	switch parent + "." + f.Name {
	case "Customer.attributes":
		if g.chance(40) {
			out["keys"] = g.some(keys)
		}
	case "Query.attributeDefinitions":
		if g.chance(60) {
			where := map[string]any{}
			if g.chance(40) {
				where["archived"] = g.chance(50)
			}
			if g.chance(30) {
				where["type"] = g.enums("AttributeType")
			}
			if g.chance(30) {
				where["keys"] = g.some(keys)
			}
			if g.chance(30) {
				where["customerTypeId"] = typeid.Format("cty", oneFrom(g, g.world.tables["customer_type"]...).id())
			}
			out["where"] = where
		}
		return "attributeDefinitions/false"
	}
	return ""
}
