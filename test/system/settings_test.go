package system

import "testing"

// The rows of the settings of an account in the matrices: its lists, its staff, its field policy.

// settings is an id of each kind.
type settings struct{ customerType, origin, office, service, colleague string }

func buildSettings(t testing.TB, a actor) settings {
	t.Helper()
	made := func(field, noun, input string) string {
		data := a.must(t, `mutation { `+field+`(input: {`+input+`}) { `+noun+` { id } userErrors { message path } } }`, nil)
		return text(data, field+"."+noun+".id")
	}
	return settings{
		customerType: made("customerTypeCreate", "customerType", `label: "World type"`),
		origin:       made("customerOriginCreate", "customerOrigin", `label: "World origin"`),
		office:       made("officeCreate", "office", `name: "World office", timeZone: "Europe/Berlin"`),
		service:      made("serviceCreate", "service", `name: "World service", durationMinutes: 30`),
		colleague:    made("staffUserCreate", "staffUser", `displayName: "World", email: "world@staff.example.com"`),
	}
}

func settingsOf(id func(prefix string) string) settings {
	return settings{customerType: id("cty"), origin: id("cor"), office: id("off"), service: id("srv"), colleague: id("usr")}
}

func (s settings) nodes() map[string]string {
	return map[string]string{"CustomerType": s.customerType, "CustomerOrigin": s.origin, "Office": s.office, "Service": s.service}
}

func settingsOperations(w world) map[string]operation {
	id := func(id string) map[string]any { return map[string]any{"id": id, "v": 1} }
	call := func(args, field string) string {
		if args != "" {
			args = "(" + args + ")"
		}
		return "mutation" + args + " { " + field + justErrors + " }"
	}
	const byID = "$id: ID!, $v: Int!"
	rows := map[string]operation{
		"Query.customerTypes":   {query: `{ customerTypes { nodes { id } } }`},
		"Query.customerOrigins": {query: `{ customerOrigins { nodes { id } } }`},
		"Query.offices":         {query: `{ offices { nodes { id } } }`},
		"Query.services":        {query: `{ services { nodes { id } } }`},
		"Query.staffUsers":      {query: `{ staffUsers { nodes { id } } }`},
		"Query.fieldPolicy":     {query: `query($id: ID!) { fieldPolicy(channel: STAFF, typeId: $id) { field } }`, variables: id(w.customerType)},

		"Mutation.customerTypeCreate":   {query: call("", `customerTypeCreate(input: {label: "Matrix"})`)},
		"Mutation.customerOriginCreate": {query: call("", `customerOriginCreate(input: {label: "Matrix"})`)},
		"Mutation.officeCreate":         {query: call("", `officeCreate(input: {name: "Matrix", timeZone: "UTC"})`)},
		"Mutation.serviceCreate":        {query: call("", `serviceCreate(input: {name: "Matrix"})`)},
		"Mutation.staffUserCreate":      {query: call("", `staffUserCreate(input: {displayName: "Matrix", email: "matrix@example.com"})`)},
		"Mutation.staffUserUpdate": {
			query: call(byID, `staffUserUpdate(id: $id, expectedVersion: $v, input: {displayName: "Matrix"})`), variables: id(w.colleague),
		},
		"Mutation.staffUserArchive": {query: call(byID, `staffUserArchive(id: $id, expectedVersion: $v)`), variables: id(w.colleague)},
		"Mutation.staffUserRestore": {query: call(byID, `staffUserRestore(id: $id, expectedVersion: $v)`), variables: id(w.colleague)},
		"Mutation.fieldPolicyUpdate": {
			query:     call("$id: ID!", `fieldPolicyUpdate(channel: STAFF, typeId: $id, expectedVersion: 0, rules: [{field: "phones", required: true}])`),
			variables: id(w.customerType),
		},
		"Mutation.fieldPolicyReset": {
			query: call("$id: ID!", `fieldPolicyReset(channel: STAFF, typeId: $id, expectedVersion: 0, preset: STANDARD)`), variables: id(w.customerType),
		},
	}
	for noun, item := range map[string]struct{ id, label string }{
		"customerType": {w.customerType, "label"}, "customerOrigin": {w.origin, "label"}, "office": {w.office, "name"}, "service": {w.service, "name"},
	} {
		rows["Mutation."+noun+"Update"] = operation{
			query: call(byID, noun+`Update(id: $id, expectedVersion: $v, input: {`+item.label+`: "Matrix 2"})`), variables: id(item.id),
		}
		for _, verb := range []string{"Move", "Archive", "Restore", "Delete"} {
			rows["Mutation."+noun+verb] = operation{query: call(byID, noun+verb+`(id: $id, expectedVersion: $v)`), variables: id(item.id)}
		}
	}
	return rows
}

// withSettings adds what the fields of the settings give to somebody who asks for another account's things.
func withSettings(rows map[string]string) map[string]string {
	for field, op := range settingsOperations(world{}) {
		switch {
		case rows[field] != "":
		case op.variables == nil:
			rows[field] = "own"
		default:
			rows[field] = "NOT_FOUND"
		}
	}
	return rows
}
