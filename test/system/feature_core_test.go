package system

import (
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// The tests of features are named after the rows of the product's list of features.

const profileFields = `id version kind status displayName givenName familyName companyName languageTag timeZone externalId
	preferredChannel deliveryDistanceKm websiteUrl businessArea taxExempt taxExemptReason createdVia representativeIsDefault
	type { id label } origin { id label } preferredOffice { id name } salesperson { id } representative { id } preferredStaff { id }
	emails { address purposes isPrimary } phones { e164 } addresses { streetAddress addressLocality addressRegion postalCode addressCountry }
	setupTasks viewerPermissions contacts(first: 5) { nodes { id displayName } }`

// create makes a customer with an input.
func (a actor) create(t testing.TB, input map[string]any) map[string]any {
	t.Helper()
	data := a.must(t, `mutation($input: CustomerCreateInput!) { customerCreate(input: $input) { customer { `+profileFields+` } userErrors { code message path } } }`,
		map[string]any{"input": input})
	c, _ := at(data, "customerCreate.customer").(map[string]any)
	return c
}

// change updates the newest version of a customer.
func (a actor) change(t testing.TB, id string, input map[string]any) map[string]any {
	t.Helper()
	data := a.must(t, `query($id: ID!) { customer(id: $id) { version } }`, map[string]any{"id": id})
	data = a.must(t, `mutation($id: ID!, $version: Int!, $input: CustomerUpdateInput!) { customerUpdate(id: $id, expectedVersion: $version, input: $input) {
		customer { `+profileFields+` } userErrors { code message path } } }`,
		map[string]any{"id": id, "version": number(data, "customer.version"), "input": input})
	c, _ := at(data, "customerUpdate.customer").(map[string]any)
	return c
}

// refused gives what is wrong with the input of a new customer, as lines of code and path.
func (a actor) refused(t testing.TB, input map[string]any) []string {
	t.Helper()
	r := a.do(t, `mutation($input: CustomerCreateInput!) { customerCreate(input: $input) { customer { id } userErrors { code message path } } }`,
		map[string]any{"input": input})
	var list []string
	for _, e := range userErrors(r) {
		list = append(list, fmt.Sprint(e["code"], " ", e["path"]))
	}
	for _, e := range r.Errors {
		list = append(list, fmt.Sprint(e.Extensions["code"]))
	}
	slices.Sort(list)
	return list
}

func want(t testing.TB, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func featureActor(t *testing.T) actor {
	t.Helper()
	t.Parallel()
	system(t)
	return staff(t, apitest.Start(t, 0), auth.Admin)
}

func (a actor) idOf(t testing.TB, query, path string) string {
	t.Helper()
	return text(a.must(t, query, nil), path)
}

func TestRowB3AndB8ACustomerIsCreatedAndTheWholeEntityComesBack(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{"givenName": "Ada", "familyName": "Lovelace"})
	want(t, "displayName", c["displayName"], "Ada Lovelace")
	data := a.must(t, `{ customers(where: {displayNameStartsWith: "ada"}) { nodes { id } } }`, nil) // row B2
	want(t, "the directory", text(data, "customers.nodes.0.id"), c["id"])
}

func TestRowB4ToB7ABusinessHasNamesContactInformationAndAnAddress(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{
		"kind": "COMPANY", "companyName": "Hammer & Söhne GmbH", "givenName": "Jo", "familyName": "Hammer",
		"emails": []any{map[string]any{"address": "info@hammer.example"}}, "phones": []any{map[string]any{"number": "+49 30 901820"}},
		"addresses": []any{map[string]any{"streetAddress": "Weg 1", "addressLocality": "Berlin", "addressRegion": "BE", "postalCode": "10115", "addressCountry": "DE"}},
	})
	want(t, "displayName", c["displayName"], "Hammer & Söhne GmbH")
	want(t, "e164", text(c, "phones.0.e164"), "+4930901820")
	want(t, "addressLocality", text(c, "addresses.0.addressLocality"), "Berlin")
	want(t, "what is wrong", a.refused(t, map[string]any{
		"givenName": "Jo", "emails": []any{map[string]any{"address": "hammer"}}, "phones": []any{map[string]any{"number": "110"}},
	}), []string{"BAD_USER_INPUT [input emails 0 address]", "BAD_USER_INPUT [input phones 0 number]"})
}

func TestRowB14ACustomerIsTaxExemptForAReason(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{"givenName": "Ada", "taxExempt": true, "taxExemptReason": "Certificate 7"})
	want(t, "taxExempt", []any{c["taxExempt"], c["taxExemptReason"]}, []any{true, "Certificate 7"})
	c = a.change(t, text(c, "id"), map[string]any{"taxExempt": false})
	want(t, "taxExempt", []any{c["taxExempt"], c["taxExemptReason"]}, []any{false, nil})
	want(t, "what is wrong", a.refused(t, map[string]any{"givenName": "Ada", "taxExemptReason": "none"}), []string{"BAD_USER_INPUT [input taxExemptReason]"})
}

func TestRowB17AnAppShowsWhatTheViewerMayDo(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{"givenName": "Ada"})
	if p := fmt.Sprint(c["viewerPermissions"]); p == "[]" || !slices.Contains(list(c, "viewerPermissions"), any("ARCHIVE")) {
		t.Errorf("an admin may do %s", p)
	}
	viewer := staff(t, a.node, auth.Viewer)
	data := viewer.must(t, `query($id: ID!) { customer(id: $id) { viewerPermissions } }`, map[string]any{"id": c["id"]})
	want(t, "what a viewer may do", list(data, "customer.viewerPermissions"), []any{})
	a.must(t, `mutation($id: ID!) { customerArchive(id: $id, expectedVersion: 1) { userErrors { message } } }`, map[string]any{"id": c["id"]})
	data = a.must(t, `query($id: ID!) { customer(id: $id) { viewerPermissions } }`, map[string]any{"id": c["id"]})
	got := list(data, "customer.viewerPermissions")
	if slices.Contains(got, any("ARCHIVE")) || !slices.Contains(got, any("RESTORE")) {
		t.Errorf("with an archived customer an admin may do %v", got)
	}
}

func TestRowC1ToC4DetailsAreListedAndAdjustedAtEveryMoment(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{"givenName": "Ada", "languageTag": "DE-ch", "timeZone": "Europe/Zurich"})
	want(t, "languageTag", []any{c["languageTag"], c["timeZone"]}, []any{"de-CH", "Europe/Zurich"})
	c = a.change(t, text(c, "id"), map[string]any{"languageTag": "fr", "timeZone": nil})
	want(t, "languageTag", []any{c["languageTag"], c["timeZone"]}, []any{"fr", nil})
	want(t, "what is wrong", a.refused(t, map[string]any{"givenName": "Ada", "languageTag": "German", "timeZone": "Berlin"}),
		[]string{"BAD_USER_INPUT [input languageTag]", "BAD_USER_INPUT [input timeZone]"})
}

const upsert = `mutation($key: String!, $input: CustomerUpsertInput!) { customerUpsert(by: {externalId: $key}, input: $input) {
	created customer { ` + profileFields + ` } userErrors { code message path } } }`

func TestRowC5AnotherSystemFindsAndKeepsACustomerByItsOwnID(t *testing.T) {
	a := featureActor(t)
	input := map[string]any{
		"givenName": "Ada", "emails": []any{map[string]any{"address": "ada@example.com"}}, "phones": []any{map[string]any{"number": "+4930901820"}},
		"addresses": []any{map[string]any{"addressLocality": "Bern"}},
		"contacts":  []any{map[string]any{"givenName": "Con", "emails": []any{map[string]any{"address": "con@example.com"}}}},
	}
	first := a.must(t, upsert, map[string]any{"key": "CRM-1", "input": input})
	again := a.must(t, upsert, map[string]any{"key": "CRM-1", "input": input})
	want(t, "created", []any{at(first, "customerUpsert.created"), at(again, "customerUpsert.created")}, []any{true, false})
	if one, two := at(first, "customerUpsert.customer"), at(again, "customerUpsert.customer"); !reflect.DeepEqual(one, two) {
		t.Errorf("sending the same again changed the customer:\n%v\n%v", one, two)
	}
	input["familyName"] = "Lovelace"
	changed := a.must(t, upsert, map[string]any{"key": "CRM-1", "input": input})
	want(t, "displayName", text(changed, "customerUpsert.customer.displayName"), "Ada Lovelace")
	want(t, "version", number(changed, "customerUpsert.customer.version"), int64(2))
	data := a.must(t, `{ customerByExternalId(externalId: "CRM-1") { id externalId } none: customerByExternalId(externalId: "CRM-2") { id } }`, nil)
	want(t, "the customer", text(data, "customerByExternalId.id"), text(first, "customerUpsert.customer.id"))
	want(t, "no customer", at(data, "none"), nil)
	want(t, "what is wrong", a.refused(t, map[string]any{"givenName": "Eve", "externalId": "CRM-1"}), []string{"CONFLICT [input externalId]"})
}

func TestRowC5TwentyUpsertsAtOnceMakeOneCustomer(t *testing.T) {
	a := featureActor(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids, created := map[string]bool{}, 0
	for i := range 20 {
		wg.Go(func() {
			r, err := a.try(t.Context(), upsert, map[string]any{"key": "K", "input": map[string]any{"givenName": fmt.Sprintf("Ada %d", i)}})
			mu.Lock()
			defer mu.Unlock()
			if err != nil || len(codes(r)) > 0 {
				t.Error(err, r.Errors, userErrors(r))
				return
			}
			ids[text(r.Data, "customerUpsert.customer.id")] = true
			if at(r.Data, "customerUpsert.created") == true {
				created++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || created != 1 {
		t.Errorf("20 upserts of one key made %d customers, %d of them say that they are new", len(ids), created)
	}
}

func TestRowC6AndC7OfficeStaffAndChannelArePreferred(t *testing.T) {
	a := featureActor(t)
	office := a.idOf(t, `{ offices(first: 1) { nodes { id } } }`, "offices.nodes.0.id")
	me := a.idOf(t, `{ viewer { actor { id } } }`, "viewer.actor.id")
	c := a.create(t, map[string]any{"givenName": "Ada", "preferredOfficeId": office, "preferredStaffId": me, "preferredChannel": "SMS"})
	want(t, "preferences", []any{text(c, "preferredOffice.id"), text(c, "preferredStaff.id"), c["preferredChannel"]}, []any{office, me, "SMS"})
	data := a.must(t, `query($o: ID!) { customers(where: {preferredOfficeId: [$o]}) { nodes { id } } }`, map[string]any{"o": office})
	want(t, "found by office", text(data, "customers.nodes.0.id"), c["id"])
}

func TestRowC16TheWayInIsKept(t *testing.T) {
	a := featureActor(t)
	want(t, "createdVia", a.create(t, map[string]any{"givenName": "Ada"})["createdVia"], "STAFF")
	account := a.idOf(t, `{ account { id } }`, "account.id")
	server := newActor(a.node, a.node.Key(t, account, "write"))
	want(t, "createdVia", server.create(t, map[string]any{"givenName": "Bob"})["createdVia"], "API")
}

func TestRowD2KilometresAreExact(t *testing.T) {
	a := featureActor(t)
	for given, kept := range map[any]any{"12.50": "12.5", 7: "7", 0.125: "0.125", "0": "0", "999999.999": "999999.999", "10000": "10000"} {
		want(t, fmt.Sprint(given), a.create(t, map[string]any{"givenName": "Ada", "deliveryDistanceKm": given})["deliveryDistanceKm"], kept)
	}
	for _, bad := range []any{"-1", "1000000", "1.0005"} {
		want(t, fmt.Sprint(bad), a.refused(t, map[string]any{"givenName": "Ada", "deliveryDistanceKm": bad}), []string{"BAD_USER_INPUT [input deliveryDistanceKm]"})
	}
	if got := a.refused(t, map[string]any{"givenName": "Ada", "deliveryDistanceKm": "far"}); len(got) != 1 {
		t.Errorf("a distance of %q gives %v", "far", got)
	}
}

func TestRowD3AndD4ACompanyAsksForAContact(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{"kind": "COMPANY", "companyName": "Ada Ltd"})
	want(t, "setupTasks", list(c, "setupTasks"), []any{"ADD_CONTACT", "ADD_EMAIL", "ADD_PHONE", "ADD_ADDRESS"})
	c = a.change(t, text(c, "id"), map[string]any{"contacts": []any{map[string]any{
		"givenName": "Con", "emails": []any{map[string]any{"address": "con@example.com"}}, "phones": []any{map[string]any{"number": "+4930901820"}},
	}}})
	want(t, "setupTasks", list(c, "setupTasks"), []any{"ADD_ADDRESS"})
}

func TestRowD7AndD8TheRepresentativeIsTheSalespersonUntilOneIsChosen(t *testing.T) {
	a := featureActor(t)
	me := a.idOf(t, `{ viewer { actor { id } } }`, "viewer.actor.id")
	other := staff(t, a.node, auth.Editor).idOf(t, `{ viewer { actor { id } } }`, "viewer.actor.id")
	c := a.create(t, map[string]any{"givenName": "Ada", "salespersonId": me})
	want(t, "representative", []any{text(c, "representative.id"), c["representativeIsDefault"]}, []any{me, true})
	c = a.change(t, text(c, "id"), map[string]any{"salespersonId": other})
	want(t, "representative", []any{text(c, "representative.id"), c["representativeIsDefault"]}, []any{other, true})
	c = a.change(t, text(c, "id"), map[string]any{"representativeId": me})
	want(t, "representative", []any{text(c, "representative.id"), text(c, "salesperson.id"), c["representativeIsDefault"]}, []any{me, other, false})
	c = a.change(t, text(c, "id"), map[string]any{"representativeId": nil})
	want(t, "representative", text(c, "representative.id"), other)
	data := a.must(t, `query($s: ID!) { customers(where: {salespersonId: [$s]}) { totalCount } }`, map[string]any{"s": other})
	want(t, "customers of a salesperson", number(data, "customers.totalCount"), int64(1))
}

func TestRowD10AndD11AnAddressIsChosenByPurpose(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{"givenName": "Ada", "emails": []any{
		map[string]any{"address": "ada@example.com"},
		map[string]any{"address": "books@example.com", "purposes": []any{"STATEMENT", "INVOICE"}},
	}})
	const chosen = `query($id: ID!) { customer(id: $id) { invoice: emailFor(purpose: INVOICE) { address } statement: emailFor(purpose: STATEMENT) { address }
		news: emailFor(purpose: MARKETING) { address } emails { id address purposes } } }`
	data := a.must(t, chosen, map[string]any{"id": c["id"]})
	want(t, "addresses", []any{text(data, "customer.invoice.address"), text(data, "customer.statement.address"), text(data, "customer.news.address")},
		[]any{"books@example.com", "books@example.com", "ada@example.com"})
	want(t, "two addresses for the statement", a.refused(t, map[string]any{"givenName": "Ada", "emails": []any{
		map[string]any{"address": "a@example.com", "purposes": []any{"STATEMENT"}}, map[string]any{"address": "b@example.com", "purposes": []any{"STATEMENT"}},
	}}), []string{"BAD_USER_INPUT [input emails]"})
	// The purpose moves from one address to the other, in either order of the list.
	first, second := text(data, "customer.emails.0.id"), text(data, "customer.emails.1.id")
	for range 2 {
		a.change(t, text(c, "id"), map[string]any{"emails": []any{
			map[string]any{"id": first, "address": "ada@example.com", "purposes": []any{"STATEMENT"}},
			map[string]any{"id": second, "address": "books@example.com", "purposes": []any{}},
		}})
		data = a.must(t, chosen, map[string]any{"id": c["id"]})
		want(t, "address", text(data, "customer.statement.address"), "ada@example.com")
		a.change(t, text(c, "id"), map[string]any{"emails": []any{
			map[string]any{"id": first, "address": "ada@example.com", "purposes": []any{}},
			map[string]any{"id": second, "address": "books@example.com", "purposes": []any{"STATEMENT"}},
		}})
	}
	data = a.must(t, chosen, map[string]any{"id": a.create(t, map[string]any{"givenName": "Bob"})["id"]})
	want(t, "no address", at(data, "customer.invoice"), nil)
}

func TestRowD12AndD17ABuilderHasAHomePageAndAnArea(t *testing.T) {
	a := featureActor(t)
	c := a.create(t, map[string]any{"givenName": "Ada", "websiteUrl": "https://builder.example/a?b=c", "businessArea": "Condo towers"})
	want(t, "websiteUrl", []any{c["websiteUrl"], c["businessArea"]}, []any{"https://builder.example/a?b=c", "Condo towers"})
	for _, bad := range []string{"javascript:alert(1)", "builder.example", "https://", "https://user@builder.example", "ftp://builder.example"} {
		want(t, bad, a.refused(t, map[string]any{"givenName": "Ada", "websiteUrl": bad}), []string{"BAD_USER_INPUT [input websiteUrl]"})
	}
}

func TestRowD13AndD14ACustomerHasATypeAndAnOriginOfTheAccountsLists(t *testing.T) {
	a := featureActor(t)
	data := a.must(t, `{ customerTypes { nodes { id key } } customerOrigins { nodes { id key } } }`, nil)
	kind, origin := text(data, "customerTypes.nodes.0.id"), text(data, "customerOrigins.nodes.0.id")
	c := a.create(t, map[string]any{"givenName": "Ada", "typeId": kind, "originId": origin})
	want(t, "type", []any{text(c, "type.id"), text(c, "origin.id")}, []any{kind, origin})
	other := newActor(a.node, a.node.Key(t, a.node.Account(t, "Other", 0), "admin"))
	want(t, "a type of another account", other.refused(t, map[string]any{"givenName": "Eve", "typeId": kind, "originId": origin, "salespersonId": "usr_x"}),
		[]string{"NOT_FOUND [input originId]", "NOT_FOUND [input salespersonId]", "NOT_FOUND [input typeId]"})
}

const disjoint = `mutation($id: ID!, $version: Int!, $input: CustomerUpdateInput!) { customerUpdate(id: $id, expectedVersion: $version, input: $input,
	onConflict: MERGE_DISJOINT) { customer { version givenName familyName businessArea } userErrors { code message path
	... on VersionConflictError { conflictingFields currentVersion } } } }`

func TestUpdatesOfDifferentFieldsAreMergedWhenAsked(t *testing.T) {
	a := featureActor(t)
	id := text(a.create(t, map[string]any{"givenName": "Ada"}), "id")
	a.change(t, id, map[string]any{"familyName": "Lovelace"})
	data := a.must(t, disjoint, map[string]any{"id": id, "version": 1, "input": map[string]any{"businessArea": "Engines"}})
	want(t, "the customer", at(data, "customerUpdate.customer"),
		map[string]any{"version": at(data, "customerUpdate.customer.version"), "givenName": "Ada", "familyName": "Lovelace", "businessArea": "Engines"})
	r := a.do(t, disjoint, map[string]any{"id": id, "version": 1, "input": map[string]any{"businessArea": "Poems", "givenName": "A."}})
	want(t, "codes", codes(r), []string{"VERSION_CONFLICT"})
	want(t, "conflictingFields", list(userErrors(r)[0], "conflictingFields"), []any{"businessArea"})
	for _, version := range []int{0, -1, 4, 1000} { // a version that never was is no base to merge on
		r = a.do(t, disjoint, map[string]any{"id": id, "version": version, "input": map[string]any{"languageTag": "de"}})
		want(t, fmt.Sprint("codes of version ", version), codes(r), []string{"VERSION_CONFLICT"})
	}
}
