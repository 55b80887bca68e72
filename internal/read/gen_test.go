package read_test

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"pgregory.net/rapid"

	"dossier/internal/typeid"
)

// generator writes random valid queries over the whole query side of the SDL.
type generator struct {
	t      *rapid.T
	schema *ast.Schema
	world  *world
	own    int // the account that asks
	// known are the cursors that earlier answers gave, by list.
	known map[string][]string

	variables []string
	values    map[string]any
	fragments []string
	aliases   int
	fields    int
}

func (g *generator) n(k int) int             { return rapid.IntRange(0, k-1).Draw(g.t, "n") }
func (g *generator) chance(percent int) bool { return g.n(100) >= 100-percent }

func oneFrom[T any](g *generator, list ...T) T { return list[g.n(len(list))] }

// roots are the fields of Query, the richer ones more often.
var roots = []string{
	"viewer", "account", "storage", "node", "node", "node", "nodes", "nodes", "customer", "customer", "customer", "document", "documents", "documents", "documents", "events", "events", "customerStats", "customerStats",
	"customers", "customers", "customers", "customers", "customers", "customers", "customerByExternalId",
	"customerTypes", "customerOrigins", "offices", "services", "staffUsers", "fieldPolicy", "job", "job", "jobs", "jobs", "customerMerges", "attributeDefinitions",
	"auditTrail", "auditTrail",
}

// weights are the fields that are chosen more often than others.
var weights = map[string]int{
	"nodes": 5, "edges": 4, "node": 6, "documents": 4, "contacts": 3, "timeline": 4, "emails": 2, "subject": 2, "pageInfo": 2,
	"attributes": 4, "definition": 2, "notes": 3, "area": 3,
}

// query writes an operation and its variables.
func (g *generator) query() (string, map[string]any) {
	g.variables, g.values, g.fragments = nil, map[string]any{}, nil
	var body strings.Builder
	for range 1 + g.n(3) {
		f := g.schema.Query.Fields.ForName(oneFrom(g, roots...))
		body.WriteString(g.field("Query", f, 6, true))
	}
	head := "query Q"
	if len(g.variables) > 0 {
		head += "(" + strings.Join(g.variables, ", ") + ")"
	}
	return head + " {" + body.String() + "}\n" + strings.Join(g.fragments, "\n"), g.values
}

// field writes a field with alias, arguments, directives and selection.
func (g *generator) field(parent string, f *ast.FieldDefinition, depth int, alias bool) string {
	g.fields++
	var b strings.Builder
	b.WriteString(" ")
	if alias {
		g.aliases++
		fmt.Fprintf(&b, "a%d: ", g.aliases)
	}
	b.WriteString(f.Name)
	b.WriteString(g.arguments(parent, f))
	if g.chance(8) {
		b.WriteString(g.directive())
	}
	def := g.schema.Types[f.Type.Name()]
	if def.IsCompositeType() {
		b.WriteString(g.selection(def, depth-1, alias))
	}
	return b.String()
}

func (g *generator) directive() string {
	value := fmt.Sprint(g.chance(50))
	if g.chance(50) {
		value = g.variable("Boolean!", g.chance(50))
	}
	return " @" + oneFrom(g, "skip", "include") + "(if: " + value + ")"
}

// selection writes a selection set on a type.
func (g *generator) selection(def *ast.Definition, depth int, alias bool) string {
	var b strings.Builder
	b.WriteString(" {")
	if g.chance(15) || def.Kind == ast.Union {
		b.WriteString(" __typename")
	}
	for range 1 + g.n(5) {
		b.WriteString(g.member(def, depth, alias))
	}
	if b.Len() == 2 {
		b.WriteString(" __typename")
	}
	b.WriteString(" }")
	return b.String()
}

func (g *generator) member(def *ast.Definition, depth int, alias bool) string {
	if def.Kind != ast.Object && g.chance(60) {
		types := g.schema.PossibleTypes[def.Name]
		return g.fragment(oneFrom(g, types...), depth, false)
	}
	if g.chance(10) {
		return g.fragment(def, depth, true)
	}
	var list []*ast.FieldDefinition
	for _, f := range def.Fields {
		leaf := !g.schema.Types[f.Type.Name()].IsCompositeType()
		if leaf || depth > 0 && g.fields < 40 {
			list = append(list, f)
			for range weights[f.Name] {
				list = append(list, f)
			}
		}
	}
	if len(list) == 0 {
		return " __typename"
	}
	f := oneFrom(g, list...)
	// The same response key twice is merged; that is valid when arguments and shapes are the same.
	plain := !alias && len(f.Arguments) == 0 && !g.schema.Types[f.Type.Name()].IsCompositeType()
	if plain || len(f.Arguments) == 0 && g.chance(50) && def.Kind == ast.Object {
		return g.field(def.Name, f, depth, false)
	}
	return g.field(def.Name, f, depth, true)
}

// fragment writes an inline or a named fragment; all its fields have aliases of their own, so that it merges with anything.
func (g *generator) fragment(def *ast.Definition, depth int, same bool) string {
	body := g.selection(def, depth, true)
	directive := ""
	if g.chance(15) {
		directive = g.directive()
	}
	switch g.n(3) {
	case 0:
		name := fmt.Sprintf("F%d", len(g.fragments))
		g.fragments = append(g.fragments, "fragment "+name+" on "+def.Name+body)
		return " ..." + name + directive
	case 1:
		if !same {
			return " ... on " + def.Name + directive + body
		}
		return " ..." + directive + body
	default:
		return " ... on " + def.Name + directive + body
	}
}

// variable declares a variable with a value and gives its use.
func (g *generator) variable(typeName string, value any) string {
	name := fmt.Sprintf("v%d", len(g.variables))
	g.variables = append(g.variables, "$"+name+": "+typeName)
	g.values[name] = value
	return "$" + name
}

// arguments writes the arguments of a field, each as literal or variable, at any depth.
func (g *generator) arguments(parent string, f *ast.FieldDefinition) string {
	var parts []string
	values := g.choose(parent, f)
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		arg := f.Arguments.ForName(name)
		parts = append(parts, name+": "+g.write(arg.Type, values[name]))
	}
	for _, arg := range f.Arguments { // variables without a value count as not given
		if _, given := values[arg.Name]; !given && !arg.Type.NonNull && g.chance(8) {
			g.variables = append(g.variables, fmt.Sprintf("$v%d: %s", len(g.variables), arg.Type.String()))
			parts = append(parts, fmt.Sprintf("%s: $v%d", arg.Name, len(g.variables)-1))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// write writes a value of an input type.
func (g *generator) write(t *ast.Type, v any) string {
	if g.chance(30) {
		return g.variable(t.String(), v)
	}
	switch v := v.(type) {
	case nil:
		return "null"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = g.write(t.Elem, v[i])
		}
		if len(parts) == 1 && parts[0][0] != '$' && g.chance(30) {
			return parts[0] // a single value stands for the list
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		def := g.schema.Types[t.NamedType]
		var parts []string
		for _, f := range def.Fields {
			if item, ok := v[f.Name]; ok {
				parts = append(parts, f.Name+": "+g.write(f.Type, item))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case string:
		if def := g.schema.Types[t.NamedType]; def.Kind == ast.Enum {
			return v
		}
		text, _ := json.Marshal(v)
		return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))
	}
	return fmt.Sprint(v)
}

// choose draws values for the arguments of a field; what is not in the map is not given.
func (g *generator) choose(parent string, f *ast.FieldDefinition) map[string]any {
	out := map[string]any{}
	has := func(name string) bool { return f.Arguments.ForName(name) != nil }
	list := map[string]string{"events": "log"}[f.Name]
	switch parent + "." + f.Name {
	case "Query.node", "Query.customer", "Query.document", "Query.job":
		out["id"] = g.anyID(f.Name)
		return out
	case "Query.nodes":
		ids := []any{}
		for range g.n(6) {
			ids = append(ids, g.anyID("node"))
		}
		out["ids"] = ids
		return out
	case "Query.customerByExternalId":
		out["externalId"] = oneFrom(g, "", "none", "ext-1", "ext-2", "EXT-2", "ext-3")
		return out
	case "Customer.emailFor":
		out["purpose"] = oneFrom(g, g.schema.Types["ContactPurpose"].EnumValues...).Name
		return out
	case "Query.customerStats":
		g.stats(out)
		return out
	case "Query.customers":
		if g.chance(50) {
			out["where"] = g.customerWhere(0)
		}
		if g.chance(50) {
			out["search"] = g.searchText()
		}
		list = "customers/" + g.customerOrder(out)
	case "Customer.documents":
		if g.chance(50) {
			out["where"] = g.documentWhere()
		}
		list = "Customer.documents/" + g.documentOrder(out, "CREATED_AT", "UPDATED_AT", "TITLE", "EXPIRES_ON")
	case "FileAttributeValue.documents":
		if g.chance(50) {
			out["where"] = g.documentWhere()
		}
		list = "FileAttributeValue.documents/" + g.documentOrder(out, "CREATED_AT", "UPDATED_AT", "TITLE", "EXPIRES_ON")
	case "Query.documents":
		if g.chance(60) {
			out["where"] = g.documentWhere()
		}
		list = "Query.documents/" + g.documentOrder(out, "CREATED_AT", "EXPIRES_ON", "RETENTION_UNTIL")
	case "Customer.contacts":
		if g.chance(40) {
			out["where"] = oneFrom[any](g, map[string]any{}, map[string]any{"isPrimary": g.chance(50)}, nil)
		}
		list = "Customer.contacts/false"
	case "Customer.notes":
		if g.chance(40) {
			out["where"] = oneFrom[any](g, map[string]any{}, map[string]any{"pinned": g.chance(50)}, nil)
		}
		list = "Customer.notes/true"
	case "Customer.timeline":
		list = "Customer.timeline/PAST/true"
		if g.chance(60) {
			out["direction"] = oneFrom(g, "PAST", "UPCOMING")
			if out["direction"] == "UPCOMING" {
				list = "Customer.timeline/UPCOMING/false"
			}
		}
		if g.chance(40) {
			out["kinds"] = g.enums("TimelineKind")
		}
	case "Query.fieldPolicy":
		out["channel"] = oneFrom(g, "STAFF", "API")
		if g.chance(50) {
			out["typeId"] = oneFrom[any](g, "cty_01h455vb4pex5vsknk084sn02q", nil)
		}
		return out
	case "Query.customerTypes", "Query.customerOrigins", "Query.offices", "Query.services", "Query.staffUsers":
		if g.chance(60) {
			out["where"] = oneFrom[any](g, map[string]any{}, map[string]any{"archived": true}, map[string]any{"archived": false},
				map[string]any{"archived": nil}, nil)
		}
		list = parent + "." + f.Name + "/false"
	case "Query.customerMerges":
		if g.chance(50) {
			out["customerId"] = typeid.Format("cus", oneFrom(g, g.world.rows("customer", g.world.accounts[g.own], all)...).id())
		}
		list = "Query.customerMerges/true"
	case "Query.auditTrail", "Customer.auditTrail":
		if g.chance(50) {
			out["where"] = g.auditWhere()
		}
		list = strings.TrimPrefix(parent+"."+f.Name, "Query.") + "/true"
	case "Customer.mergedCustomers":
		list = "Customer.mergedCustomers/false"
	case "Account.staffUsers":
		list = "Account.staffUsers/false"
	case "Account.apiKeys":
		list = "Account.apiKeys/true"
	case "Document.versions":
		list = "Document.versions/true"
	case "Job.rowErrors":
		list = "Job.rowErrors/false"
	case "Query.jobs":
		if g.chance(50) {
			where := map[string]any{}
			if g.chance(60) {
				where["kind"] = g.enums("JobKind")
			}
			if g.chance(60) {
				where["state"] = g.enums("JobState")
			}
			out["where"] = where
		}
		list = "jobs/true"
	case "Query.events":
		if g.chance(40) {
			out["types"] = g.enums("EventType")
		}
		if g.chance(40) {
			out["customerId"] = typeid.Format("cus", oneFrom(g, g.world.rows("customer", g.world.accounts[g.own], all)...).id())
		}
	}
	if l := g.attributeArguments(parent, f, out); l != "" {
		list = l
	}
	if has("first") {
		g.slice(out, list, has("last"))
	}
	return out
}

func (g *generator) slice(out map[string]any, list string, both bool) {
	size := "first"
	if both && g.chance(35) {
		size = "last"
	}
	if size == "last" || g.chance(85) {
		out[size] = oneFrom(g, 1, 2, 3, 5, 0, 100)
	}
	cursors := g.known[list]
	for _, name := range []string{"after", "before"} {
		if len(cursors) > 0 && g.chance(60) && (both || name == "after") {
			out[name] = oneFrom(g, cursors...)
		}
	}
}

func (g *generator) customerOrder(out map[string]any) string {
	column, desc := "sort_name", false
	if g.chance(60) {
		by := map[string]any{}
		if g.chance(70) {
			name := oneFrom(g, "DISPLAY_NAME", "FAMILY_NAME", "EXTERNAL_ID", "CREATED_AT", "UPDATED_AT")
			by["field"], column = name, customerOrders[name]
		}
		if g.chance(60) {
			by["direction"] = oneFrom(g, "ASC", "DESC")
			desc = by["direction"] == "DESC"
		}
		out["orderBy"] = by
	}
	return column + "/" + fmt.Sprint(desc)
}

func (g *generator) enums(typeName string) []any {
	out := []any{}
	for range g.n(4) {
		out = append(out, oneFrom(g, g.schema.Types[typeName].EnumValues...).Name)
	}
	return out
}

func (g *generator) customerWhere(depth int) any {
	where := map[string]any{}
	for range g.n(3) {
		switch g.n(23) {
		case 20, 21, 22:
			items := []any{}
			for range g.n(3) {
				items = append(items, g.attributeWhere())
			}
			where["attributes"] = items
		case 0:
			where["kind"] = g.enums("CustomerKind")
		case 1:
			where["status"] = g.enums("CustomerStatus")
		case 2:
			ids := []any{}
			for range g.n(4) {
				ids = append(ids, typeid.Format("cus", oneFrom(g, g.world.tables["customer"]...).id()))
			}
			where["ids"] = ids
		case 3:
			where["displayNameStartsWith"] = oneFrom(g, "a", "ADA", "élodie", "zo", "ø", "", "ann", "100%", "李")
		case 4:
			where["email"] = oneFrom(g, "ADA@example.com", "bob@example.com", "nobody@example.com", " ünal@example.com")
		case 5:
			where["phone"] = oneFrom(g, "+4930901820", "+49 30 90-1820", "+1")
		case 6:
			where["createdAt"] = g.timeFilter()
		case 7:
			where["updatedAt"] = g.timeFilter()
		case 8, 9:
			if depth < 3 {
				items := []any{}
				for range g.n(3) {
					items = append(items, g.customerWhere(depth+1))
				}
				where[oneFrom(g, "and", "or")] = items
			}
		case 10:
			where["externalId"] = oneFrom(g, []any{}, []any{"ext-1"}, []any{"ext-2", "ext-3", "nope"})
		case 11, 12:
			by := oneFrom(g, [3]string{"salespersonId", "usr", "staff_user"}, [3]string{"preferredStaffId", "usr", "staff_user"},
				[3]string{"typeId", "cty", "customer_type"}, [3]string{"originId", "cor", "customer_origin"}, [3]string{"preferredOfficeId", "off", "office"})
			ids := []any{}
			for range g.n(3) {
				ids = append(ids, typeid.Format(by[1], oneFrom(g, g.world.tables[by[2]]...).id()))
			}
			where[by[0]] = ids
		case 13:
			where["createdVia"] = g.enums("EntryChannel")
		case 14:
			where["taxExempt"] = g.chance(50)
		case 16:
			where["languageTag"] = oneFrom(g, []any{}, []any{"fr"}, []any{"de-CH", "it"})
		case 17:
			where[oneFrom(g, "hasEmail", "hasPhone")] = g.chance(50)
		case 18:
			where["addressLocality"] = oneFrom(g, "KOLN", "köln", "Bonn", "")
		case 19:
			where["postalCodeStartsWith"] = oneFrom(g, "50", "5 06", "sw1a1", "9", "")
		case 15:
			where[oneFrom(g, "kind", "email", "or", "createdAt")] = nil
		}
	}
	return where
}

// searchText is what somebody types: words, their beginnings and accents, numbers, addresses, and what is none of these.
func (g *generator) searchText() any {
	texts := []string{
		"a", "ada", "ELODIE", "Élo gro", "gross", "zoe", "z u", "o", "oystein", "李", "an", "anna", "strasse", "smile", "100", "tab line", "ada ann",
		"+4930901820", "30 901820", "030 90", "0049 30", "1820", "555-0100", "+1 555", "18", "example", "bob@", "ada@example.com", "ada@exa", "@example.com",
		"unal@example.com", "ünal@example", "example.com bob", "%", "a%", "_", "'", "x' | 'y", "\\", " ", "", "nobody", "ada 1820", "mar:*", "!ada",
	}
	if g.chance(5) {
		return nil
	}
	return oneFrom(g, texts...)
}

func (g *generator) timeFilter() any {
	filter := map[string]any{}
	for _, end := range []string{"gte", "lt"} {
		if g.chance(60) {
			at := oneFrom(g, g.world.tables["customer"]...)["created_at"].(time.Time)
			filter[end] = at.In(time.FixedZone("", 3600*g.n(3))).Format(time.RFC3339Nano)
		}
	}
	return filter
}

// anyID is an id of the own account, of another, of nothing, or no id at all.
func (g *generator) anyID(for_ string) string {
	tables := []string{
		"customer", "contact", "document", "document_version", "timeline_entry", "event", "staff_user", "api_key", "email_address", "account",
		"customer_type", "customer_origin", "office", "service", "job", "customer_merge", "attribute_definition", "attribute_option",
		"note", "customer_image", "audit_record",
	}
	if for_ != "node" && g.chance(80) {
		tables = []string{for_}
	}
	table := oneFrom(g, tables...)
	switch g.n(12) {
	case 0:
		return oneFrom(g, "", "cus_", "nonsense", "ups_01h455vb4pex5vsknk084sn02q", "doc_01h455vb4pex5vsknk084sn02q")
	case 1:
		return typeid.Format(typePrefixes[tableTypes[table]], oneFrom(g, g.world.tables[table]...).id())
	}
	if table == "account" {
		return typeid.Format("acc", g.world.accounts[g.own])
	}
	rows := g.world.rows(table, g.world.accounts[g.own], all)
	return typeid.Format(typePrefixes[tableTypes[table]], oneFrom(g, rows...).id())
}
