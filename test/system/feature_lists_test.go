package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dossier/internal/auth"
)

// settle runs a mutation of a setting and gives its noun, and what is wrong as lines of type, code and path.
func (a actor) settle(t testing.TB, field, args, noun, fields string, variables map[string]any) (map[string]any, []string) {
	t.Helper()
	declared := []string{}
	for name := range variables {
		declared = append(declared, "$"+name+": "+map[string]string{"id": "ID!", "after": "ID", "v": "Int!", "type": "ID", "rules": "[FieldRuleInput!]!", "key": "String"}[name])
	}
	head := ""
	if len(declared) > 0 {
		slices.Sort(declared)
		head = "(" + strings.Join(declared, ", ") + ")"
	}
	r := a.do(t, "mutation"+head+" { "+field+"("+args+") { "+noun+fields+errorFields+" } }", variables)
	if len(r.Errors) > 0 {
		t.Fatalf("%s: %+v", field, r.Errors)
	}
	var wrong []string
	for _, e := range userErrors(r) {
		wrong = append(wrong, fmt.Sprint(e["__typename"], " ", e["code"], " ", e["path"]))
	}
	node, _ := at(r.Data, field+"."+noun).(map[string]any)
	return node, wrong
}

// item runs a mutation on an item of a list in its newest version.
func (a actor) item(t testing.TB, noun, verb, id, more string) (map[string]any, []string) {
	t.Helper()
	typeName := strings.ToUpper(noun[:1]) + noun[1:]
	data := a.must(t, `query($id: ID!) { node(id: $id) { ... on `+typeName+` { version } } }`, map[string]any{"id": id})
	answer, fields := noun, " { id version archivedAt }"
	if verb == "Delete" {
		answer, fields = "deletedId", ""
	}
	return a.settle(t, noun+verb, "id: $id, expectedVersion: $v"+more, answer, fields, map[string]any{"id": id, "v": number(data, "node.version")})
}

// labels gives a list as its query shows it.
func (a actor) labels(t testing.TB, query, label, where string) []string {
	t.Helper()
	data := a.must(t, "{ "+query+"(first: 100"+where+") { nodes { "+label+" } } }", nil)
	var out []string
	for _, n := range list(data, query+".nodes") {
		out = append(out, text(n, label))
	}
	return out
}

func (a actor) idOfItem(t testing.TB, query, label, value string) string {
	t.Helper()
	data := a.must(t, "{ "+query+"(first: 100) { nodes { id "+label+" } } }", nil)
	for _, n := range list(data, query+".nodes") {
		if text(n, label) == value {
			return text(n, "id")
		}
	}
	t.Fatalf("%s has no %q", query, value)
	return ""
}

// editsTheList goes through all that an administrator does with a list. use makes something that uses an item.
func editsTheList(t *testing.T, a actor, query, noun, label string, defaults []string, more string, use func(id string) []string) {
	t.Helper()
	want(t, "the list of a new account", a.labels(t, query, label, ""), defaults)
	create := func(value, more string) (map[string]any, []string) {
		return a.settle(t, noun+"Create", "input: {"+label+": \""+value+"\""+more+"}", noun, " { id key "+label+" position version }", nil)
	}
	made, wrong := create("Großkunde No. 1", more)
	want(t, "what is wrong", wrong, []string(nil))
	want(t, "the key", made["key"], "grosskunde_no_1")
	id := text(made, "id")
	want(t, "the list", a.labels(t, query, label, ""), append(slices.Clone(defaults), "Großkunde No. 1"))

	// Two names that look the same, no name, and a key that is taken are refused.
	_, wrong = create("GROSSKUNDE  no. 1", more)
	want(t, "the same name", wrong, []string{"StateConflictError CONFLICT [input " + label + "]"})
	_, wrong = create(" ", more+`, key: "?"`)
	want(t, "an empty one", wrong, []string{"InvalidInputError REQUIRED [input " + label + "]", "InvalidInputError BAD_USER_INPUT [input key]"})
	_, wrong = create("Other one", more+`, key: "grosskunde_no_1"`)
	want(t, "the same key", wrong, []string{"StateConflictError CONFLICT [input key]"})

	// Rename, reorder.
	_, wrong = a.item(t, noun, "Update", id, ", input: {"+label+": \"Großkunde\"}")
	want(t, "renaming", wrong, []string(nil))
	_, wrong = a.item(t, noun, "Move", id, "")
	want(t, "moving", wrong, []string(nil))
	want(t, "the list", a.labels(t, query, label, ""), append([]string{"Großkunde"}, defaults...))
	_, wrong = a.settle(t, noun+"Update", "id: $id, expectedVersion: $v, input: {"+label+": \"x\"}", noun, " { id }", map[string]any{"id": id, "v": 1})
	want(t, "a stale change", wrong, []string{"VersionConflictError VERSION_CONFLICT [expectedVersion]"})
	data := a.must(t, `query($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": id})
	want(t, "by id", text(data, "node.id"), id)

	// In use: it cannot be deleted, and an archived one cannot be chosen anew.
	want(t, "choosing it", use(id), []string(nil))
	_, wrong = a.item(t, noun, "Delete", id, "")
	want(t, "deleting what is in use", wrong, []string{"StateConflictError CONFLICT [id]"})
	_, wrong = a.item(t, noun, "Archive", id, "")
	want(t, "archiving", wrong, []string(nil))
	want(t, "the list", a.labels(t, query, label, ""), defaults)
	want(t, "the archive", a.labels(t, query, label, ", where: {archived: true}"), []string{"Großkunde"})
	if got := use(id); len(got) != 1 || !strings.HasPrefix(got[0], "CONFLICT") {
		t.Errorf("choosing an archived one gives %v, want CONFLICT", got)
	}
	_, wrong = a.item(t, noun, "Restore", id, "")
	want(t, "restoring", wrong, []string(nil))
	want(t, "choosing it again", use(id), []string(nil))

	// What nothing uses can be deleted, and its name is free again.
	for range 2 {
		spare, wrong := create("Spare", more)
		want(t, "creating", wrong, []string(nil))
		_, wrong = a.item(t, noun, "Delete", text(spare, "id"), "")
		want(t, "deleting", wrong, []string(nil))
	}
	want(t, "the list in the end", a.labels(t, query, label, ""), append([]string{"Großkunde"}, defaults...))
}

func TestRowD13CustomerTypesComeFromAListThatTheAccountEdits(t *testing.T) {
	a := featureActor(t)
	editsTheList(t, a, "customerTypes", "customerType", "label", []string{"Residential", "Commercial", "Builder"}, "", func(id string) []string {
		return a.refused(t, map[string]any{"givenName": "Ada", "typeId": id})
	})
	// Where an archived type is used it stays readable.
	builder := a.idOfItem(t, "customerTypes", "label", "Builder")
	c := a.create(t, map[string]any{"givenName": "Bob", "typeId": builder})
	_, wrong := a.item(t, "customerType", "Archive", builder, "")
	want(t, "archiving", wrong, []string(nil))
	c = a.change(t, text(c, "id"), map[string]any{"familyName": "Builder", "typeId": builder}) // no new choice
	want(t, "the type", text(c, "type.label"), "Builder")
}

func TestRowD14OriginsComeFromAListThatTheAccountEdits(t *testing.T) {
	a := featureActor(t)
	defaults := []string{"Google", "Flyer", "Facebook", "Friend's reference", "Other"}
	editsTheList(t, a, "customerOrigins", "customerOrigin", "label", defaults, "", func(id string) []string {
		return a.refused(t, map[string]any{"givenName": "Ada", "originId": id})
	})
}

func TestRowC6AnOfficeHasATimeZoneAndCanBePreferred(t *testing.T) {
	a := featureActor(t)
	editsTheList(t, a, "offices", "office", "name", []string{"Main office"}, `, timeZone: "America/Toronto"`, func(id string) []string {
		return a.refused(t, map[string]any{"givenName": "Ada", "preferredOfficeId": id})
	})
	_, wrong := a.settle(t, "officeCreate", `input: {name: "Atlantis", timeZone: "Atlantic/Atlantis"}`, "office", " { id }", nil)
	want(t, "a zone that is none", wrong, []string{"InvalidInputError BAD_USER_INPUT [input timeZone]"})
	main := a.idOfItem(t, "offices", "name", "Main office")
	_, wrong = a.item(t, "office", "Update", main, `, input: {timeZone: "Europe/Zurich"}`)
	want(t, "moving the office", wrong, []string(nil))
	data := a.must(t, `query($id: ID!) { node(id: $id) { ... on Office { name timeZone key } } }`, map[string]any{"id": main})
	want(t, "the office", at(data, "node"), map[string]any{"name": "Main office", "timeZone": "Europe/Zurich", "key": "main_office"})
}

func TestServicesAreAListThatTheAccountEdits(t *testing.T) {
	a := featureActor(t)
	for i, minutes := range []string{"30", "45", "null"} {
		_, wrong := a.settle(t, "serviceCreate", fmt.Sprintf(`input: {name: "Service %d", durationMinutes: %s}, idempotencyKey: "k%d"`, i, minutes, i), "service", " { id }", nil)
		want(t, "creating", wrong, []string(nil))
	}
	again, _ := a.settle(t, "serviceCreate", `input: {name: "Service 0", durationMinutes: 30}, idempotencyKey: "k0"`, "service", " { id }", nil)
	first := a.idOfItem(t, "services", "name", "Service 0")
	want(t, "the same key", again["id"], first)
	last := a.idOfItem(t, "services", "name", "Service 2")
	_, wrong := a.settle(t, "serviceMove", "id: $id, expectedVersion: $v, afterId: $after", "service", " { id }", map[string]any{"id": first, "v": 1, "after": last})
	want(t, "moving", wrong, []string(nil))
	want(t, "the list", a.labels(t, "services", "name", ""), []string{"Service 1", "Service 2", "Service 0"})
	_, wrong = a.item(t, "service", "Update", last, `, input: {durationMinutes: 0}`)
	want(t, "a duration of nothing", wrong, []string{"InvalidInputError BAD_USER_INPUT [input durationMinutes]"})
	_, wrong = a.item(t, "service", "Update", last, `, input: {durationMinutes: 90}`)
	want(t, "a duration", wrong, []string(nil))
	data := a.must(t, `{ services(first: 2) { nodes { durationMinutes } pageInfo { hasNextPage } totalCount } }`, nil)
	want(t, "the first page", data, map[string]any{"services": map[string]any{
		"nodes": []any{map[string]any{"durationMinutes": 45.0}, map[string]any{"durationMinutes": 90.0}}, "pageInfo": map[string]any{"hasNextPage": true}, "totalCount": 3.0,
	}})
}

func TestRowC7AColleagueCanBePreferredBeforeTheyHaveSignedIn(t *testing.T) {
	a := featureActor(t)
	grace, wrong := a.settle(t, "staffUserCreate", `input: {displayName: "Grace", email: "Grace@Example.com"}, idempotencyKey: "grace"`, "staffUser", " { id role signedInAt }", nil)
	want(t, "what is wrong", wrong, []string(nil))
	want(t, "signed in", grace["signedInAt"], nil)
	_, wrong = a.settle(t, "staffUserCreate", `input: {displayName: " ", email: "grace@example.com@"}`, "staffUser", " { id }", nil)
	want(t, "two mistakes", wrong, []string{"InvalidInputError REQUIRED [input displayName]", "InvalidInputError BAD_USER_INPUT [input email]"})
	_, wrong = a.settle(t, "staffUserCreate", `input: {displayName: "G", email: "GRACE@example.com"}`, "staffUser", " { id }", nil)
	want(t, "the same address", wrong, []string{"StateConflictError CONFLICT [input email]"})
	_, wrong = a.item(t, "staffUser", "Update", text(grace, "id"), `, input: {displayName: "Grace H."}`)
	want(t, "renaming", wrong, []string(nil))
	c := a.create(t, map[string]any{"givenName": "Ada", "preferredStaffId": grace["id"], "salespersonId": grace["id"]})

	// Her first token claims the record, if the issuer vouches for the address.
	signIn := func(subject string, verified bool) string {
		token := a.node.Mint(t, auth.DevClaims{Subject: subject, Email: "grace@example.com", Name: "Grace Hopper", Role: auth.Editor, EmailVerified: verified})
		return text(newActor(a.node, token).must(t, `{ viewer { actor { id } } }`, nil), "viewer.actor.id")
	}
	if id := signIn("mallory", false); id == grace["id"] {
		t.Error("somebody with an unverified address took Grace's place")
	}
	want(t, "who signed in", signIn("grace", true), grace["id"])
	data := a.must(t, `query($id: ID!) { customer(id: $id) { preferredStaff { displayName role } salesperson { displayName } } }`, map[string]any{"id": c["id"]})
	want(t, "the preferred one", at(data, "customer.preferredStaff"), map[string]any{"displayName": "Grace Hopper", "role": "EDITOR"})
	_, wrong = a.item(t, "staffUser", "Update", text(grace, "id"), `, input: {displayName: "X"}`)
	want(t, "renaming who has signed in", wrong, []string{"StateConflictError CONFLICT [id]"})

	// Archived she stays where she was chosen, is not chosen anew, and still signs in.
	_, wrong = a.item(t, "staffUser", "Archive", text(grace, "id"), "")
	want(t, "archiving", wrong, []string(nil))
	want(t, "choosing", a.refused(t, map[string]any{"givenName": "Bob", "preferredStaffId": grace["id"]}), []string{"CONFLICT [input preferredStaffId]"})
	want(t, "who signed in", signIn("grace", true), grace["id"])
	if slices.Contains(a.labels(t, "staffUsers", "id", ""), text(grace, "id")) || !slices.Contains(a.labels(t, "staffUsers", "id", ", where: {archived: true}"), text(grace, "id")) {
		t.Error("an archived person is to be in the archive and not in the list")
	}
	_, wrong = a.item(t, "staffUser", "Restore", text(grace, "id"), "")
	want(t, "restoring", wrong, []string(nil))
	want(t, "choosing", a.refused(t, map[string]any{"givenName": "Bob", "preferredStaffId": grace["id"]}), []string(nil))
}

func TestRowB17OnlyAdministratorsChangeSettingsAndEverybodySeesThem(t *testing.T) {
	a := featureActor(t)
	a.customer(t, "Ada")
	from := head(t, a)
	for _, role := range []auth.Role{auth.Viewer, auth.Editor} {
		other := staff(t, a.node, role)
		want(t, "the types", other.labels(t, "customerTypes", "label", ""), []string{"Residential", "Commercial", "Builder"})
		r := other.do(t, `mutation { customerTypeCreate(input: {label: "x"}) { userErrors { code } } }`, nil)
		want(t, "creating one as "+string(role), codes(r), []string{"FORBIDDEN"})
	}
	// A dashboard learns which of its lists to read again.
	_, wrong := a.settle(t, "customerOriginCreate", `input: {label: "Radio"}`, "customerOrigin", " { id }", nil)
	want(t, "creating", wrong, []string(nil))
	_, wrong = a.settle(t, "fieldPolicyReset", `channel: API, expectedVersion: 0, preset: STANDARD`, "fieldPolicy", " { field }", nil)
	want(t, "resetting", wrong, []string(nil))
	data := a.must(t, `query($after: EventCursor) { account { id } events(after: $after, types: [ACCOUNT_SETTINGS_CHANGED]) {
		nodes { changedFields customer { id } subject { ... on Account { id customers: name } } actor { displayName } } } }`, map[string]any{"after": from})
	var fields []any
	for _, e := range list(data, "events.nodes") {
		fields = append(fields, at(e, "changedFields"))
		want(t, "the subject", text(e, "subject.id"), text(data, "account.id"))
		want(t, "who did it", text(e, "actor.displayName"), "Test admin")
	}
	want(t, "what changed", fields, []any{[]any{"customerOrigins"}, []any{"fieldPolicy"}})
}
