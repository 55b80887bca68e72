package system

import (
	"slices"
	"strings"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// rule is a rule of a field policy as a variable.
func rule(field string, required, visible bool) map[string]any {
	return map[string]any{"field": field, "required": required, "visible": visible}
}

// policy replaces the rules of the STAFF channel, of one type where there is one.
func (a actor) policy(t testing.TB, typeID any, version int, rules ...map[string]any) []string {
	t.Helper()
	_, wrong := a.settle(t, "fieldPolicyUpdate", "channel: STAFF, typeId: $type, expectedVersion: $v, rules: $rules", "fieldPolicy", " { field }",
		map[string]any{"type": typeID, "v": version, "rules": append([]map[string]any{}, rules...)})
	return wrong
}

// asterisks gives the fields that a client marks, and those that it leaves out.
func (a actor) asterisks(t testing.TB, channel string, typeID any) (required, hidden []string) {
	t.Helper()
	data := a.must(t, `query($type: ID) { fieldPolicy(channel: `+channel+`, typeId: $type) { field required visible } }`, map[string]any{"type": typeID})
	for _, r := range list(data, "fieldPolicy") {
		if at(r, "required") == true {
			required = append(required, text(r, "field"))
		}
		if at(r, "visible") == false {
			hidden = append(hidden, text(r, "field"))
		}
	}
	return required, hidden
}

var (
	onePhone   = []any{map[string]any{"number": "+49 30 901820"}}
	oneAddress = []any{map[string]any{"addressLocality": "Montréal"}}
)

func TestRowD1CoordinatesAreMandatoryAtCreationWithAnAsterisk(t *testing.T) {
	a := featureActor(t)
	// Who never asked for a policy has none: a name is enough.
	required, hidden := a.asterisks(t, "STAFF", nil)
	want(t, "required and hidden by default", []any{required, hidden}, []any{[]string{"companyName"}, []string(nil)})
	before := a.create(t, map[string]any{"givenName": "Before"})

	_, wrong := a.settle(t, "fieldPolicyReset", "channel: STAFF, expectedVersion: 0, preset: STANDARD", "fieldPolicy", " { field }", nil)
	want(t, "what is wrong", wrong, []string(nil))
	required, _ = a.asterisks(t, "STAFF", nil)
	want(t, "the asterisks", required, []string{"givenName", "familyName", "companyName", "phones", "addresses"})

	want(t, "a first name alone", a.refused(t, map[string]any{"givenName": "Ada"}),
		[]string{"REQUIRED [input addresses]", "REQUIRED [input familyName]", "REQUIRED [input phones]"})
	whole := map[string]any{"givenName": "Ada", "familyName": "Lovelace", "phones": onePhone, "addresses": oneAddress}
	ada := a.create(t, whole)

	// It holds for changes too: what is there is not emptied, and a customer from before is completed with its next change.
	updated := func(c map[string]any, input map[string]any) []string {
		_, wrong := a.updated(t, c, input)
		return wrong
	}
	want(t, "emptying the addresses", updated(ada, map[string]any{"addresses": []any{}}), []string{"REQUIRED [input addresses]"})
	want(t, "a change of an old one", updated(before, map[string]any{"familyName": "B"}), []string{"REQUIRED [input addresses]", "REQUIRED [input phones]"})
	want(t, "its completion", updated(before, map[string]any{"familyName": "B", "addresses": oneAddress, "phones": onePhone}), []string(nil))

	// Nothing of a refused customer was written.
	data := a.must(t, `{ customers { totalCount } }`, nil)
	want(t, "customers", number(data, "customers.totalCount"), int64(2))
}

// updated changes the newest version of a customer and gives what is wrong.
func (a actor) updated(t testing.TB, c map[string]any, input map[string]any) (apitest.Result, []string) {
	t.Helper()
	data := a.must(t, `query($id: ID!) { customer(id: $id) { version } }`, map[string]any{"id": c["id"]})
	r := a.do(t, updateCustomer, map[string]any{"id": c["id"], "version": number(data, "customer.version"), "input": input})
	var wrong []string
	for _, e := range userErrors(r) {
		wrong = append(wrong, text(e, "code")+" ["+text(e, "path.0")+" "+text(e, "path.1")+"]")
	}
	slices.Sort(wrong)
	return r, wrong
}

func TestRowD5AtLeastOneTelephoneNumberIsNeededToProceed(t *testing.T) {
	a := featureActor(t)
	want(t, "the policy", a.policy(t, nil, 0, rule("phones", true, true)), []string(nil))
	want(t, "none", a.refused(t, map[string]any{"givenName": "Ada"}), []string{"REQUIRED [input phones]"})
	c := a.create(t, map[string]any{"givenName": "Ada", "phones": []any{map[string]any{"number": "+4930901820"}, map[string]any{"number": "+4930901821"}}})
	_, wrong := a.updated(t, c, map[string]any{"phones": []any{}})
	want(t, "taking all away", wrong, []string{"REQUIRED [input phones]"})
	_, wrong = a.updated(t, c, map[string]any{"phones": onePhone})
	want(t, "keeping one", wrong, []string(nil))
}

func TestRowD6ACompanyMayUseTheTelephonesOfItsContacts(t *testing.T) {
	a := featureActor(t)
	want(t, "the policy", a.policy(t, nil, 0, rule("phones", true, true)), []string(nil))
	company := map[string]any{"kind": "COMPANY", "companyName": "ACME", "contacts": []any{map[string]any{"givenName": "Con"}}}
	want(t, "a contact without one", a.refused(t, company), []string{"REQUIRED [input phones]"})
	company["contacts"] = []any{map[string]any{"givenName": "Con", "phones": onePhone}, map[string]any{"givenName": "Other"}}
	c := a.create(t, company)
	id := ""
	for _, n := range list(c, "contacts.nodes") {
		if text(n, "displayName") == "Con" {
			id = text(n, "id")
		}
	}
	// The last number does not go with the contact that has it, nor is it taken away from it.
	archive := func() []string {
		data := a.must(t, `query($id: ID!) { node(id: $id) { ... on Contact { version } } }`, map[string]any{"id": id})
		_, wrong := a.settle(t, "contactArchive", "id: $id, expectedVersion: $v", "contact", " { id }", map[string]any{"id": id, "v": number(data, "node.version")})
		return wrong
	}
	want(t, "archiving", archive(), []string{"InvalidInputError REQUIRED [id]"})
	_, wrong := a.settle(t, "contactUpdate", "id: $id, expectedVersion: $v, input: {phones: []}", "contact", " { id }", map[string]any{"id": id, "v": 1})
	want(t, "emptying", wrong, []string{"InvalidInputError REQUIRED [input phones]"})
	_, wrong = a.settle(t, "contactUpdate", `id: $id, expectedVersion: $v, input: {role: "Boss"}`, "contact", " { id }", map[string]any{"id": id, "v": 1})
	want(t, "another change", wrong, []string(nil))
	_, wrong = a.updated(t, c, map[string]any{"phones": onePhone})
	want(t, "a number of the company's own", wrong, []string(nil))
	want(t, "archiving then", archive(), []string(nil))
}

func TestRowD9EmailCanBeMandatory(t *testing.T) {
	a := featureActor(t)
	input := map[string]any{"givenName": "Ada"}
	want(t, "before", a.refused(t, input), []string(nil))
	want(t, "the policy", a.policy(t, nil, 0, rule("emails", true, true)), []string(nil))
	want(t, "a stale change", a.policy(t, nil, 0), []string{"VersionConflictError VERSION_CONFLICT [expectedVersion]"})
	want(t, "without", a.refused(t, input), []string{"REQUIRED [input emails]"})
	input["emails"] = []any{map[string]any{"address": "ada@example.com"}}
	want(t, "with", a.refused(t, input), []string(nil))
	want(t, "without rules again", a.policy(t, nil, 1), []string(nil))
	want(t, "without", a.refused(t, map[string]any{"givenName": "Ada"}), []string(nil))
}

func TestRowD18HomePageImageAndAreaAreOfBuildersOnly(t *testing.T) {
	a := featureActor(t)
	builder, home := a.idOfItem(t, "customerTypes", "label", "Builder"), a.idOfItem(t, "customerTypes", "label", "Residential")
	want(t, "the policy", a.policy(t, nil, 0, rule("websiteUrl", false, false), rule("businessArea", false, false), rule("image", false, false)), []string(nil))
	want(t, "that of builders", a.policy(t, builder, 0, rule("websiteUrl", true, true), rule("businessArea", false, true), rule("image", false, true)), []string(nil))

	_, hidden := a.asterisks(t, "STAFF", home)
	want(t, "hidden from others", hidden, []string{"websiteUrl", "businessArea", "image"})
	required, hidden := a.asterisks(t, "STAFF", builder)
	want(t, "required of builders", []any{required, hidden}, []any{[]string{"companyName", "websiteUrl"}, []string(nil)})

	input := map[string]any{"givenName": "Bob", "typeId": home, "websiteUrl": "https://bob.example", "businessArea": "Condo towers"}
	want(t, "a home with a home page", a.refused(t, input), []string{"BAD_USER_INPUT [input businessArea]", "BAD_USER_INPUT [input websiteUrl]"})
	input["typeId"] = builder
	c := a.create(t, input)
	want(t, "a builder without", a.refused(t, map[string]any{"givenName": "Bob", "typeId": builder}), []string{"REQUIRED [input websiteUrl]"})
	// What a customer had before it changed its type is kept and not shown.
	_, wrong := a.updated(t, c, map[string]any{"typeId": home})
	want(t, "another type", wrong, []string(nil))
	_, wrong = a.updated(t, c, map[string]any{"businessArea": "Stores"})
	want(t, "a new area then", wrong, []string{"BAD_USER_INPUT [input businessArea]"})

	// The rules of a type go with it, and are not to be had by another account.
	made, _ := a.settle(t, "customerTypeCreate", `input: {label: "Short"}`, "customerType", " { id }", nil)
	want(t, "its policy", a.policy(t, made["id"], 0, rule("phones", true, true)), []string(nil))
	_, wrong = a.item(t, "customerType", "Delete", text(made, "id"), "")
	want(t, "deleting it", wrong, []string(nil))
	want(t, "its policy then", a.policy(t, made["id"], 1), []string{"NotFoundError NOT_FOUND [typeId]"})
}

func TestInvariant2OfTheFieldPolicyEachChannelHasRulesOfItsOwn(t *testing.T) {
	a := featureActor(t)
	_, wrong := a.settle(t, "fieldPolicyReset", "channel: STAFF, expectedVersion: 0, preset: STANDARD", "fieldPolicy", " { field }", nil)
	want(t, "what is wrong", wrong, []string(nil))
	key := a.must(t, `mutation { apiKeyCreate(input: {name: "Shop", scopes: ["write"]}) { secret userErrors { code } } }`, nil)
	shop := newActor(a.node, text(key, "apiKeyCreate.secret"))
	want(t, "a server", shop.refused(t, map[string]any{"givenName": "Ada"}), []string(nil))
	want(t, "staff", staff(t, a.node, auth.Editor).refused(t, map[string]any{"givenName": "Ada", "familyName": "L"}), []string{"REQUIRED [input addresses]", "REQUIRED [input phones]"})

	_, wrong = a.settle(t, "fieldPolicyUpdate", `channel: API, expectedVersion: 0, rules: [{field: "externalId", required: true}, {field: "attributes.size", visible: false}]`,
		"fieldPolicy", " { field }", nil)
	want(t, "the policy of servers", wrong, []string(nil))
	want(t, "a server", shop.refused(t, map[string]any{"givenName": "Ada"}), []string{"REQUIRED [input externalId]"})
	r := shop.do(t, `mutation { customerUpsert(by: {externalId: "a1"}, input: {givenName: "Ada"}) { customer { id } userErrors { code path } } }`, nil)
	want(t, "an upsert", codes(r), []string(nil))

	// A policy is one decision: all of it or nothing, in the newest version, of fields that there are.
	_, wrong = a.settle(t, "fieldPolicyUpdate", `channel: API, expectedVersion: 1, rules: [{field: "shoeSize"}, {field: "phones", required: true, visible: false}, {field: "emails"}, {field: "emails"}]`,
		"fieldPolicy", " { field }", nil)
	want(t, "wrong rules", wrong, []string{"InvalidInputError BAD_USER_INPUT [rules 0 field]", "InvalidInputError BAD_USER_INPUT [rules 1 required]", "InvalidInputError BAD_USER_INPUT [rules 3 field]"})
	data := a.must(t, `{ fieldPolicy(channel: API) { field required visible inherited policyVersion } }`, nil)
	rules := list(data, "fieldPolicy")
	own := map[string]any{}
	var names []string
	for _, r := range rules {
		names = append(names, text(r, "field"))
		if at(r, "inherited") == false {
			own[text(r, "field")] = []any{at(r, "required"), at(r, "visible"), at(r, "policyVersion")}
		}
	}
	want(t, "the rules", own, map[string]any{"externalId": []any{true, true, 1.0}, "attributes.size": []any{false, false, 1.0}})

	// Every field of the input is in the list, so that a client can draw its form by it.
	data = a.must(t, `{ __type(name: "CustomerCreateInput") { inputFields { name } } }`, nil)
	for _, f := range list(data, "__type.inputFields") {
		named := func(rule string) bool { return rule == text(f, "name") || strings.HasPrefix(rule, text(f, "name")+".") }
		if name := text(f, "name"); name != "kind" && !slices.ContainsFunc(names, named) {
			t.Errorf("fieldPolicy does not say anything about %s", name)
		}
	}
}
