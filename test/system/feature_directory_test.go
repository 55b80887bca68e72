package system

import (
	"slices"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// directory gives the names that the directory shows for some arguments.
func (a actor) directory(t testing.TB, arguments string) []string {
	t.Helper()
	names := []string{}
	for _, n := range list(a.must(t, "{ customers("+arguments+") { nodes { displayName } } }", nil), "customers.nodes") {
		names = append(names, text(n, "displayName"))
	}
	return names
}

// business fills the directory of a small business.
func business(t *testing.T, a actor) {
	t.Helper()
	for _, input := range []map[string]any{
		{
			"givenName": "Zoë", "familyName": "Müller", "externalId": "K-3", "languageTag": "de",
			"emails": []map[string]any{{"address": "zoe.mueller@example.com"}}, "phones": []map[string]any{{"number": "+49 30 901820"}},
			"addresses": []map[string]any{{"addressLocality": "Köln", "postalCode": "50667", "addressCountry": "DE"}},
		},
		{"givenName": "Ada", "familyName": "Zimmer", "externalId": "K-1", "languageTag": "fr", "phones": []map[string]any{{"number": "+1 415 555 2671"}}},
		{
			"kind": "COMPANY", "companyName": "Bau & Söhne", "externalId": "K-2",
			"contacts":  []map[string]any{{"givenName": "Maria", "familyName": "Quandt", "emails": []map[string]any{{"address": "maria@bau.example"}}}},
			"addresses": []map[string]any{{"addressLocality": "Bonn", "postalCode": "53111", "addressCountry": "DE"}},
		},
	} {
		if c := a.create(t, input); c == nil {
			t.Fatalf("not created: %v", input)
		}
	}
}

func TestRowB2TheDirectoryFindsCustomersByAnythingThatIsKnownOfThem(t *testing.T) {
	a := featureActor(t)
	business(t, a)
	for search, found := range map[string][]string{
		"zoe":                     {"Zoë Müller"},
		"MUL":                     {"Zoë Müller"},
		"müller zoë":              {"Zoë Müller"},
		"mulelr":                  {"Zoë Müller"}, // mistyped
		"zoe.mueller@example.com": {"Zoë Müller"},
		"mueller@exam":            {"Zoë Müller"},
		"030 90 18":               {"Zoë Müller"},
		"+4930901820":             {"Zoë Müller"},
		"1820":                    {"Zoë Müller"},
		"sohne":                   {"Bau & Söhne"},
		"quandt":                  {"Bau & Söhne"}, // by its contact
		"maria@bau":               {"Bau & Söhne"},
		"415 555-2671":            {"Ada Zimmer"},
		"z":                       {"Ada Zimmer", "Zoë Müller"},
		"z a":                     {"Ada Zimmer"},
		"nobody":                  {},
		"":                        {"Ada Zimmer", "Bau & Söhne", "Zoë Müller"},
	} {
		want(t, "what "+search+" finds", a.directory(t, `search: "`+search+`"`), found)
	}
	other := staff(t, apitest.Start(t, 0), auth.Viewer)
	want(t, "what another account finds", other.directory(t, `search: "zoe"`), []string{})
}

func TestRowB2TheDirectoryIsOrderedAndFiltered(t *testing.T) {
	a := featureActor(t)
	business(t, a)
	for arguments, found := range map[string][]string{
		`orderBy: {field: DISPLAY_NAME}`:                                 {"Ada Zimmer", "Bau & Söhne", "Zoë Müller"},
		`orderBy: {field: FAMILY_NAME}`:                                  {"Bau & Söhne", "Zoë Müller", "Ada Zimmer"},
		`orderBy: {field: FAMILY_NAME, direction: DESC}`:                 {"Ada Zimmer", "Zoë Müller", "Bau & Söhne"},
		`orderBy: {field: EXTERNAL_ID}`:                                  {"Ada Zimmer", "Bau & Söhne", "Zoë Müller"},
		`orderBy: {field: CREATED_AT, direction: DESC}`:                  {"Bau & Söhne", "Ada Zimmer", "Zoë Müller"},
		`orderBy: {field: UPDATED_AT}`:                                   {"Zoë Müller", "Ada Zimmer", "Bau & Söhne"},
		`where: {hasEmail: true}`:                                        {"Bau & Söhne", "Zoë Müller"},
		`where: {hasPhone: false}`:                                       {"Bau & Söhne"},
		`where: {languageTag: ["de", "fr"]}`:                             {"Ada Zimmer", "Zoë Müller"},
		`where: {addressLocality: "KOLN"}`:                               {"Zoë Müller"},
		`where: {postalCodeStartsWith: "5"}`:                             {"Bau & Söhne", "Zoë Müller"},
		`where: {or: [{addressLocality: "bonn"}, {hasEmail: false}]}`:    {"Ada Zimmer", "Bau & Söhne"},
		`search: "z", where: {hasEmail: true}`:                           {"Zoë Müller"},
		`search: "z", where: {kind: [COMPANY]}`:                          {},
		`search: "z", orderBy: {field: FAMILY_NAME}, first: 1`:           {"Zoë Müller"},
		`search: "z", orderBy: {field: FAMILY_NAME}, last: 1`:            {"Ada Zimmer"},
		`search: "z", where: {and: [{or: [{and: [{hasPhone: true}]}]}]}`: {"Ada Zimmer", "Zoë Müller"},
	} {
		want(t, arguments, a.directory(t, arguments), found)
	}
	refused := a.do(t, `{ customers(where: {and: [{or: [{and: [{or: [{hasPhone: true}]}]}]}]}) { nodes { id } } }`, nil)
	if len(refused.Errors) != 1 || refused.Errors[0].Extensions["code"] != "BAD_USER_INPUT" {
		t.Errorf("four levels of and/or: %+v", refused.Errors)
	}
}

func TestRowC1WhatIsAdjustedIsFoundAtOnceByItsNewNameOnly(t *testing.T) {
	a := featureActor(t)
	business(t, a)
	data := a.must(t, `{ customers(search: "quandt") { nodes { id contacts { nodes { id version } } } } }`, nil)
	customer := list(data, "customers.nodes")[0]
	id := text(customer, "id")
	a.change(t, id, map[string]any{"companyName": "Hochtief Nord", "phones": []map[string]any{{"number": "+41 44 668 18 00"}}})
	want(t, "by the new name", a.directory(t, `search: "hochtief"`), []string{"Hochtief Nord"})
	want(t, "by the new number", a.directory(t, `search: "044 668 18 00"`), []string{"Hochtief Nord"})
	want(t, "by the old name", a.directory(t, `search: "sohne"`), []string{})

	contact := list(customer, "contacts.nodes")[0]
	a.must(t, `mutation($id: ID!, $v: Int!) { contactArchive(id: $id, expectedVersion: $v) { contact { id } userErrors { message } } }`,
		map[string]any{"id": text(contact, "id"), "v": number(contact, "version")})
	want(t, "by a contact that left", a.directory(t, `search: "quandt"`), []string{})

	version := number(a.must(t, `query($id: ID!) { customer(id: $id) { version } }`, map[string]any{"id": id}), "customer.version")
	a.must(t, `mutation($id: ID!, $v: Int!) { customerArchive(id: $id, expectedVersion: $v) { customer { id } userErrors { message } } }`,
		map[string]any{"id": id, "v": version})
	want(t, "what was archived", a.directory(t, `search: "hochtief"`), []string{})
	want(t, "what was archived, asked for", a.directory(t, `search: "hochtief", where: {status: [ARCHIVED]}`), []string{"Hochtief Nord"})
	if all := a.directory(t, `first: 100`); slices.Contains(all, "Hochtief Nord") {
		t.Errorf("the directory shows %v", all)
	}
}
