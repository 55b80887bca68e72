package system

import (
	"fmt"
	"slices"
	"testing"
)

const definitionFields = `id version key label description type required customerVisible position archivedAt accept maxFiles
	options { id key label position archived } customerTypes { id label }
	validation { minLength maxLength pattern minimum maximum earliestDate latestDate earliestTime latestTime }`

const valueFields = `key definition { label type }
	... on TextAttributeValue { text } ... on IntegerAttributeValue { integer } ... on DecimalAttributeValue { decimal }
	... on BooleanAttributeValue { boolean } ... on DateAttributeValue { date } ... on DateTimeAttributeValue { dateTime }
	... on SelectAttributeValue { option { key label } } ... on MultiSelectAttributeValue { options { key label } }
	... on UrlAttributeValue { url } ... on EmailAttributeValue { email } ... on PhoneAttributeValue { phone }`

// define makes a custom attribute.
func (a actor) define(t testing.TB, input map[string]any) map[string]any {
	t.Helper()
	data := a.must(t, `mutation($input: AttributeDefinitionCreateInput!) { attributeDefinitionCreate(input: $input) {
		attributeDefinition { `+definitionFields+` } userErrors { code message path } } }`, map[string]any{"input": input})
	d, _ := at(data, "attributeDefinitionCreate.attributeDefinition").(map[string]any)
	return d
}

// redefine does something with a definition: the field with its arguments besides id and expectedVersion.
func (a actor) redefine(t testing.TB, field, arguments string, d map[string]any, variables map[string]any) (map[string]any, []string) {
	t.Helper()
	declared := "$id: ID!, $version: Int!"
	for name, typeName := range map[string]string{"input": "AttributeDefinitionUpdateInput!", "after": "ID"} {
		if _, ok := variables[name]; ok {
			declared += ", $" + name + ": " + typeName
		}
	}
	vars := map[string]any{"id": d["id"], "version": d["version"]}
	for name, v := range variables {
		vars[name] = v
	}
	r := a.do(t, `mutation(`+declared+`) { `+field+`(id: $id, expectedVersion: $version`+arguments+`) {
		attributeDefinition { `+definitionFields+` } userErrors { code message path } } }`, vars)
	next, _ := at(r.Data, field+".attributeDefinition").(map[string]any)
	return next, lines(r.Data, field)
}

// lines gives the user errors of a field as lines of code and path.
func lines(data map[string]any, field string) []string {
	var out []string
	for _, e := range list(data, field+".userErrors") {
		out = append(out, fmt.Sprint(at(e, "code"), " ", at(e, "path")))
	}
	slices.Sort(out)
	return out
}

// valuesOf gives the values of a customer by key, each as its own field.
func (a actor) valuesOf(t testing.TB, customer any, arguments string) (values map[string]any, order []string) {
	t.Helper()
	data := a.must(t, `query($id: ID!) { customer(id: $id) { attributes`+arguments+` { `+valueFields+` } } }`, map[string]any{"id": customer})
	values = map[string]any{}
	for _, v := range list(data, "customer.attributes") {
		key := text(v, "key")
		order = append(order, key)
		for name, content := range v.(map[string]any) {
			if name != "key" && name != "definition" {
				values[key] = content
			}
		}
	}
	return values, order
}

// found gives the names of the customers that a condition on attributes holds for.
func (a actor) found(t testing.TB, where string) []string {
	t.Helper()
	var names []string
	for _, c := range list(a.must(t, `{ customers(where: `+where+`) { nodes { displayName } } }`, nil), "customers.nodes") {
		names = append(names, text(c, "displayName"))
	}
	return names
}

func keys(nodes []any) []string {
	var out []string
	for _, n := range nodes {
		out = append(out, text(n, "key"))
	}
	return out
}

func TestRowE8AnAttributeIsCreatedWithKeyLabelAndType(t *testing.T) {
	a := featureActor(t)
	size := a.define(t, map[string]any{
		"label": "Größe (cm)", "type": "INTEGER", "description": "Of the person", "customerVisible": true,
		"validation": map[string]any{"minimum": "30", "maximum": "250"},
	})
	want(t, "key", size["key"], "grosse_cm")
	want(t, "validation", at(size, "validation.minimum"), "30")
	want(t, "version and position", fmt.Sprint(size["version"], size["position"]), "1 0")
	plan := a.define(t, map[string]any{"key": "plan", "label": "Plan", "type": "SELECT", "options": []any{
		map[string]any{"label": "Gold"}, map[string]any{"key": "basic", "label": "Basic"},
	}})
	want(t, "options", keys(plan["options"].([]any)), []string{"gold", "basic"})

	data := a.must(t, `{ attributeDefinitions(first: 10) { totalCount nodes { key position } } }`, nil)
	want(t, "order", keys(list(data, "attributeDefinitions.nodes")), []string{"grosse_cm", "plan"})

	moved, errs := a.redefine(t, "attributeDefinitionMove", ", afterId: $after", size, map[string]any{"after": plan["id"]})
	want(t, "user errors of the move", errs, []string(nil))
	want(t, "position after the move", moved["position"], float64(1))
	renamed, errs := a.redefine(t, "attributeDefinitionUpdate", ", input: $input", moved, map[string]any{"input": map[string]any{"label": "Size", "validation": nil}})
	want(t, "user errors of the update", errs, []string(nil))
	want(t, "label and rules", fmt.Sprint(renamed["label"], at(renamed, "validation.minimum")), "Size<nil>")
	_, errs = a.redefine(t, "attributeDefinitionUpdate", ", input: $input", moved, map[string]any{"input": map[string]any{"label": "Late"}})
	want(t, "an update of an old version", errs, []string{"VERSION_CONFLICT [expectedVersion]"})

	events := a.must(t, `{ events(types: [ATTRIBUTE_DEFINITION_CREATED, ATTRIBUTE_DEFINITION_UPDATED], first: 10) { nodes {
		type changedFields subject { ... on AttributeDefinition { key } } } } }`, nil)
	var told []string
	for _, e := range list(events, "events.nodes") {
		told = append(told, fmt.Sprint(text(e, "type"), at(e, "changedFields"), text(e, "subject.key")))
	}
	want(t, "events", told, []string{
		"ATTRIBUTE_DEFINITION_CREATED[]grosse_cm", "ATTRIBUTE_DEFINITION_CREATED[]plan",
		"ATTRIBUTE_DEFINITION_UPDATED[position]grosse_cm", "ATTRIBUTE_DEFINITION_UPDATED[label validation]grosse_cm",
	})

	r := a.do(t, `mutation($input: AttributeDefinitionCreateInput!) { attributeDefinitionCreate(input: $input) { userErrors { code path } } }`,
		map[string]any{"input": map[string]any{
			"key": "plan", "label": " ", "type": "BOOLEAN", "options": []any{map[string]any{"label": "x"}},
			"validation": map[string]any{"pattern": "("},
		}})
	want(t, "all that is wrong", lines(r.Data, "attributeDefinitionCreate"), []string{
		"BAD_USER_INPUT [input options]",
		"BAD_USER_INPUT [input validation pattern]", "CONFLICT [input key]", "REQUIRED [input label]",
	})
}

func TestRowE8EachTypeOfAttributeHasTypedValues(t *testing.T) {
	a := featureActor(t)
	var inputs []any
	expected := map[string]any{}
	for _, kind := range []struct {
		typeName, field string
		in, out         any
	}{
		{"TEXT", "text", " Rot ", "Rot"},
		{"LONG_TEXT", "text", "a\nb", "a\nb"},
		{"INTEGER", "integer", 9007199254740991, float64(9007199254740991)},
		{"DECIMAL", "decimal", "12345678901234567890.50", "12345678901234567890.5"},
		{"BOOLEAN", "boolean", false, false},
		{"DATE", "date", "2024-02-29", "2024-02-29"},
		{"DATE_TIME", "dateTime", "2026-03-01T10:30:00.5+01:00", "2026-03-01T09:30:00.5Z"},
		{"SELECT", "option", "b", map[string]any{"key": "b", "label": "B"}},
		{"MULTI_SELECT", "options", []any{"b", "a"}, []any{map[string]any{"key": "a", "label": "A"}, map[string]any{"key": "b", "label": "B"}}},
		{"URL", "url", "https://example.com/x", "https://example.com/x"},
		{"EMAIL", "email", "ada@example.com", "ada@example.com"},
		{"PHONE", "phone", "+49 30 901820", "+4930901820"},
	} {
		d := map[string]any{"label": kind.typeName, "type": kind.typeName}
		if kind.field == "option" || kind.field == "options" {
			d["options"] = []any{map[string]any{"label": "A"}, map[string]any{"label": "B"}}
		}
		key := text(a.define(t, d), "key")
		inputs = append(inputs, map[string]any{"key": key, kind.field: kind.in})
		expected[key] = kind.out
	}
	c := a.create(t, map[string]any{"givenName": "Ada", "attributes": inputs})
	got, order := a.valuesOf(t, c["id"], "")
	want(t, "values", got, expected)
	want(t, "order", order, []string{"text", "long_text", "integer", "decimal", "boolean", "date", "date_time", "select", "multi_select", "url", "email", "phone"})
	_, order = a.valuesOf(t, c["id"], `(keys: ["url", "text", "none"])`)
	want(t, "some of them", order, []string{"text", "url"})

	// An update changes what it names; null and an empty list empty.
	c = a.change(t, text(c, "id"), map[string]any{"attributes": []any{
		map[string]any{"key": "integer", "integer": -1}, map[string]any{"key": "text", "text": nil}, map[string]any{"key": "multi_select", "options": []any{}},
	}})
	got, _ = a.valuesOf(t, c["id"], "")
	want(t, "what is left", len(got), 10)
	want(t, "what was changed", got["integer"], float64(-1))
	events := a.must(t, `query($id: ID) { events(customerId: $id, types: [CUSTOMER_UPDATED]) { nodes { changedFields } } }`, map[string]any{"id": c["id"]})
	want(t, "the event", at(events, "events.nodes.0.changedFields"), []any{"attributes"})

	want(t, "all that is wrong", a.refused(t, map[string]any{"givenName": "Bob", "attributes": []any{
		map[string]any{"key": "integer", "text": "7"},
		map[string]any{"key": "nothing", "text": "x"},
		map[string]any{"key": "email", "email": "x"},
		map[string]any{"key": "select", "option": "c"},
		map[string]any{"key": "date"},
	}}), []string{
		"BAD_USER_INPUT [input attributes 0 text]", "BAD_USER_INPUT [input attributes 2 email]", "BAD_USER_INPUT [input attributes 3 option]",
		"NOT_FOUND [input attributes 1 key]", "REQUIRED [input attributes 4 date]",
	})
}

func TestRowE9ARequiredAttributeMustHaveAValue(t *testing.T) {
	a := featureActor(t)
	a.define(t, map[string]any{"label": "Size", "type": "INTEGER", "required": true})
	want(t, "without it", a.refused(t, map[string]any{"givenName": "Ada"}), []string{"REQUIRED [input attributes]"})
	want(t, "with null", a.refused(t, map[string]any{"givenName": "Ada", "attributes": []any{map[string]any{"key": "size", "integer": nil}}}),
		[]string{"REQUIRED [input attributes 0 integer]"})
	c := a.create(t, map[string]any{"givenName": "Ada", "attributes": []any{map[string]any{"key": "size", "integer": 180}}})
	r := a.do(t, updateCustomer, map[string]any{"id": c["id"], "version": 1, "input": map[string]any{
		"attributes": []any{map[string]any{"key": "size", "integer": nil}},
	}})
	want(t, "emptying it", lines(r.Data, "customerUpdate"), []string{"REQUIRED [input attributes 0 integer]"})
	// A server that imports what there is is not held to it.
	server := newActor(a.node, a.node.Key(t, text(a.must(t, `{ account { id } }`, nil), "account.id"), "write"))
	server.create(t, map[string]any{"givenName": "Imported"})
}

func TestRowE10NoAttributeIsNeededAndOneInUseIsArchivedNotDeleted(t *testing.T) {
	a := featureActor(t)
	plain := a.create(t, map[string]any{"givenName": "Plain"})
	values, _ := a.valuesOf(t, plain["id"], "")
	want(t, "values without definitions", values, map[string]any{})

	plan := a.define(t, map[string]any{"label": "Plan", "type": "SELECT", "options": []any{map[string]any{"label": "Gold"}, map[string]any{"label": "Basic"}}})
	c := a.create(t, map[string]any{"givenName": "Ada", "attributes": []any{map[string]any{"key": "plan", "option": "gold"}}})
	r := a.do(t, `mutation($id: ID!) { attributeDefinitionDelete(id: $id, expectedVersion: 1) { deletedId userErrors { code path } } }`, map[string]any{"id": plan["id"]})
	want(t, "deleting one in use", lines(r.Data, "attributeDefinitionDelete"), []string{"CONFLICT [id]"})
	_, errs := a.redefine(t, "attributeDefinitionUpdate", ", input: $input", plan, map[string]any{"input": map[string]any{"type": "TEXT"}})
	want(t, "another type", errs, []string{"CONFLICT [input type]"})

	// An option that a customer has is archived when it leaves the list, one that nobody has is gone.
	next, errs := a.redefine(t, "attributeDefinitionUpdate", ", input: $input", plan, map[string]any{"input": map[string]any{"options": []any{map[string]any{"label": "Free"}}}})
	want(t, "the new list", errs, []string(nil))
	want(t, "options", fmt.Sprint(keys(list(next, "options")), at(next, "options.1.archived")), "[free gold] true")
	want(t, "an archived option", a.refused(t, map[string]any{"givenName": "B", "attributes": []any{map[string]any{"key": "plan", "option": "gold"}}}),
		[]string{"BAD_USER_INPUT [input attributes 0 option]"})
	a.change(t, text(c, "id"), map[string]any{"attributes": []any{map[string]any{"key": "plan", "option": "gold"}}}) // whoever has it keeps it

	archived, errs := a.redefine(t, "attributeDefinitionArchive", "", next, nil)
	want(t, "archiving", errs, []string(nil))
	values, _ = a.valuesOf(t, c["id"], "")
	want(t, "values of an archived attribute", values, map[string]any{})
	want(t, "writing one", a.refused(t, map[string]any{"givenName": "B", "attributes": []any{map[string]any{"key": "plan", "option": "free"}}}),
		[]string{"NOT_FOUND [input attributes 0 key]"})
	data := a.must(t, `{ attributeDefinitions { nodes { key } } old: attributeDefinitions(where: {archived: true}) { nodes { key } } }`, nil)
	want(t, "in use and archived", fmt.Sprint(keys(list(data, "attributeDefinitions.nodes")), keys(list(data, "old.nodes"))), "[] [plan]")
	if _, errs = a.redefine(t, "attributeDefinitionRestore", "", archived, nil); errs != nil {
		t.Error(errs)
	}
	values, _ = a.valuesOf(t, c["id"], "")
	want(t, "values after restoring", at(values, "plan.key"), "gold")

	unused := a.define(t, map[string]any{"label": "Unused", "type": "MULTI_SELECT", "options": []any{map[string]any{"label": "x"}}})
	data = a.must(t, `mutation($id: ID!) { attributeDefinitionDelete(id: $id, expectedVersion: 1) { deletedId userErrors { code path } } }`, map[string]any{"id": unused["id"]})
	want(t, "deleting an unused one", text(data, "attributeDefinitionDelete.deletedId"), unused["id"])
}

func TestRowE2AFileAttributeIsDefinedAsAnAreaForDocuments(t *testing.T) {
	a := featureActor(t)
	area := a.define(t, map[string]any{"label": "Contracts", "type": "FILE", "accept": []any{"application/pdf", "image/*"}, "maxFiles": 5, "required": true})
	want(t, "the area", fmt.Sprint(area["accept"], area["maxFiles"]), "[application/pdf image/*] 5")
	want(t, "a value of its own", a.refused(t, map[string]any{"givenName": "Ada", "attributes": []any{map[string]any{"key": "contracts", "text": "x"}}}),
		[]string{"BAD_USER_INPUT [input attributes 0 key]"})
	a.create(t, map[string]any{"givenName": "Ada"}) // its files come later
}

func TestRowE17OneDefinitionServesBothSides(t *testing.T) {
	a := featureActor(t)
	d := a.define(t, map[string]any{"label": "Wishes", "type": "LONG_TEXT", "customerVisible": true})
	a.define(t, map[string]any{"label": "Notes of staff", "type": "LONG_TEXT"})
	next, errs := a.redefine(t, "attributeDefinitionUpdate", ", input: $input", d, map[string]any{"input": map[string]any{"customerVisible": false}})
	want(t, "user errors", errs, []string(nil))
	want(t, "customerVisible", next["customerVisible"], false)
	data := a.must(t, `query($id: ID!) { node(id: $id) { ... on AttributeDefinition { key customerVisible } } }`, map[string]any{"id": d["id"]})
	want(t, "the same definition", fmt.Sprint(at(data, "node")), "map[customerVisible:false key:wishes]")
}

func TestRowD18AnAttributeIsForSomeTypesOfCustomers(t *testing.T) {
	a := featureActor(t)
	builder, other := a.someTypes(t)
	d := a.define(t, map[string]any{"label": "Building site", "type": "TEXT", "required": true, "customerTypeIds": []any{builder}})
	a.define(t, map[string]any{"label": "For all", "type": "TEXT"})
	want(t, "its types", at(d, "customerTypes.0.id"), builder)
	value := []any{map[string]any{"key": "building_site", "text": "Berlin"}}
	want(t, "a customer of another type", a.refused(t, map[string]any{"givenName": "A", "typeId": other, "attributes": value}), []string{"BAD_USER_INPUT [input attributes 0 key]"})
	want(t, "a customer without a type", a.refused(t, map[string]any{"givenName": "A", "attributes": value}), []string{"BAD_USER_INPUT [input attributes 0 key]"})
	want(t, "a builder without it", a.refused(t, map[string]any{"givenName": "A", "typeId": builder}), []string{"REQUIRED [input attributes]"})
	a.create(t, map[string]any{"givenName": "A", "typeId": other})
	c := a.create(t, map[string]any{"givenName": "Bob", "typeId": builder, "attributes": value})
	values, _ := a.valuesOf(t, c["id"], "")
	want(t, "the builder's value", values, map[string]any{"building_site": "Berlin"})
	data := a.must(t, `query($b: ID!, $o: ID!) { b: attributeDefinitions(where: {customerTypeId: $b}) { nodes { key } }
		o: attributeDefinitions(where: {customerTypeId: $o}) { nodes { key } } }`, map[string]any{"b": builder, "o": other})
	want(t, "the form of a builder", keys(list(data, "b.nodes")), []string{"building_site", "for_all"})
	want(t, "the form of another", keys(list(data, "o.nodes")), []string{"for_all"})
}

// someTypes are two types of customers of the account.
func (a actor) someTypes(t testing.TB) (one, two string) {
	t.Helper()
	data := a.must(t, `{ customerTypes(first: 2) { nodes { id } } }`, nil)
	one, two = text(data, "customerTypes.nodes.0.id"), text(data, "customerTypes.nodes.1.id")
	if one == "" || two == "" {
		t.Fatalf("the account has no two types of customers: %v", data)
	}
	return one, two
}

func TestCustomersAreFoundByTheirAttributes(t *testing.T) {
	a := featureActor(t)
	a.define(t, map[string]any{"label": "Colour", "type": "TEXT"})
	a.define(t, map[string]any{"label": "Size", "type": "INTEGER"})
	a.define(t, map[string]any{"label": "Price", "type": "DECIMAL"})
	a.define(t, map[string]any{"label": "Plan", "type": "SELECT", "options": []any{map[string]any{"label": "Gold"}, map[string]any{"label": "Basic"}}})
	a.define(t, map[string]any{"label": "Tags", "type": "MULTI_SELECT", "options": []any{map[string]any{"label": "A"}, map[string]any{"label": "B"}, map[string]any{"label": "C"}}})
	a.define(t, map[string]any{"label": "Story", "type": "LONG_TEXT"})
	for name, values := range map[string][]any{
		"Ada": {
			map[string]any{"key": "colour", "text": "Grün"},
			map[string]any{"key": "size", "integer": 10},
			map[string]any{"key": "price", "decimal": "9.5"},
			map[string]any{"key": "plan", "option": "gold"},
			map[string]any{"key": "tags", "options": []any{"a", "b"}},
		},
		"Bob": {
			map[string]any{"key": "colour", "text": "grau"},
			map[string]any{"key": "size", "integer": 20},
			map[string]any{"key": "price", "decimal": "10"},
			map[string]any{"key": "plan", "option": "basic"},
			map[string]any{"key": "story", "text": "Long"},
		},
		"Cem": {map[string]any{"key": "tags", "options": []any{"c"}}},
	} {
		a.create(t, map[string]any{"givenName": name, "attributes": values})
	}
	for where, expected := range map[string][]string{
		`{attributes: [{key: "colour", text: {eq: "GRUN"}}]}`:                                                 {"Ada"},
		`{attributes: [{key: "colour", text: {startsWith: "gr"}}]}`:                                           {"Ada", "Bob"},
		`{attributes: [{key: "colour", text: {oneOf: ["grau", "blau"]}}]}`:                                    {"Bob"},
		`{attributes: [{key: "size", integer: {gte: 10, lt: 20}}]}`:                                           {"Ada"},
		`{attributes: [{key: "size", integer: {oneOf: [20, 30]}}]}`:                                           {"Bob"},
		`{attributes: [{key: "price", decimal: {gte: "9.50"}}]}`:                                              {"Ada", "Bob"},
		`{attributes: [{key: "plan", option: ["gold"]}, {key: "size", integer: {eq: 10}}]}`:                   {"Ada"},
		`{attributes: [{key: "plan", option: ["gold"]}, {key: "size", integer: {eq: 11}}]}`:                   nil,
		`{attributes: [{key: "tags", options: ["b", "c"]}]}`:                                                  {"Ada", "Cem"},
		`{attributes: [{key: "plan", exists: false}]}`:                                                        {"Cem"},
		`{attributes: [{key: "story"}]}`:                                                                      {"Bob"},
		`{or: [{attributes: [{key: "story", exists: true}]}, {attributes: [{key: "tags", options: ["c"]}]}]}`: {"Bob", "Cem"},
		`{displayNameStartsWith: "a", and: [{attributes: [{key: "colour", exists: true}]}]}`:                  {"Ada"},
	} {
		want(t, where, a.found(t, where), expected)
	}
	for where, expected := range map[string]string{
		`{attributes: [{key: "none"}]}`:                                  "NOT_FOUND [where attributes 0 key]",
		`{attributes: [{key: "size", text: {eq: "x"}}]}`:                 "BAD_USER_INPUT [where attributes 0 text]",
		`{attributes: [{key: "story", text: {eq: "x"}}]}`:                "BAD_USER_INPUT [where attributes 0 text]",
		`{attributes: [{key: "size", exists: false, integer: {eq: 1}}]}`: "BAD_USER_INPUT [where attributes 0 integer]",
	} {
		r := a.do(t, `{ customers(where: `+where+`) { nodes { id } } }`, nil)
		if len(r.Errors) != 1 || fmt.Sprint(r.Errors[0].Extensions["code"], " ", r.Errors[0].Extensions["argumentPath"]) != expected {
			t.Errorf("%s: %+v, want %s", where, r.Errors, expected)
		}
	}
}
