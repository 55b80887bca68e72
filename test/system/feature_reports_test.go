package system

import (
	"fmt"
	"slices"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

func TestRowD15TheOriginReportCountsCustomersByWhatTheyHaveInCommon(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	a := staff(t, s, auth.Admin)
	account := uuidOf(t, text(a.must(t, `{ account { id } }`, nil), "account.id"))
	for i, label := range []string{"Web site", "A friend"} {
		for _, table := range []string{"customer_origin", "customer_type"} {
			exec(t, db, `INSERT INTO `+table+` (id, account_id, created_at, updated_at, key, label, label_key, position)
				VALUES (gen_random_uuid(), $1::uuid, now(), now(), $2, $3, lower($3), $4)`, account, fmt.Sprint("report_", i), label, 1000+i)
		}
	}
	data := a.must(t, `{ customerOrigins(first: 2) { nodes { id label } } customerTypes(first: 1) { nodes { id label } } }`, nil)
	web, friend := at(data, "customerOrigins.nodes.0"), at(data, "customerOrigins.nodes.1")
	kind := at(data, "customerTypes.nodes.0")
	if web == nil || friend == nil || kind == nil {
		t.Fatalf("there are no origins or types to choose from: %v", data)
	}
	existing := func(created string, input map[string]any) string {
		data := a.must(t, createCustomer, map[string]any{"input": input})
		id := text(data, "customerCreate.customer.id")
		exec(t, db, `UPDATE customer SET created_at = $2::timestamptz WHERE id = $1::uuid`, uuidOf(t, id), created)
		return id
	}
	person := func(origin any) map[string]any {
		return map[string]any{"givenName": "P", "originId": at(origin, "id"), "typeId": at(kind, "id")}
	}
	existing("2026-01-31T23:30:00Z", person(web)) // in Zurich it is February already
	existing("2026-02-10T12:00:00Z", person(web))
	gone := existing("2026-02-11T12:00:00Z", person(friend))
	existing("2026-02-12T12:00:00Z", map[string]any{"kind": "COMPANY", "companyName": "C"})
	existing("2026-05-01T12:00:00Z", person(friend))
	a.must(t, `mutation($id: ID!) { customerArchive(id: $id, expectedVersion: 1) { userErrors { message } } }`, map[string]any{"id": gone})

	report := func(arguments, fields string) []string {
		t.Helper()
		var rows []string
		for _, r := range list(a.must(t, `{ customerStats(`+arguments+`) { `+fields+` count } }`, nil), "customerStats") {
			label := "-"
			if at(r, "origin") != nil {
				label = text(r, "origin.label")
			}
			rows = append(rows, fmt.Sprint(at(r, "bucketStart"), " ", label, " ", at(r, "kind"), " ", number(r, "count")))
		}
		return rows
	}
	webName, friendName := text(web, "label"), text(friend, "label")
	for _, c := range []struct {
		arguments, fields string
		want              []string
	}{
		{`groupBy: []`, ``, []string{"<nil> - <nil> 5"}},
		{`groupBy: [KIND]`, `kind`, []string{"<nil> - PERSON 4", "<nil> - COMPANY 1"}},
		{`groupBy: [], where: {status: [ACTIVE]}`, ``, []string{"<nil> - <nil> 4"}},
		{`groupBy: [ORIGIN], bucket: QUARTER, where: {kind: [PERSON]}`, `bucketStart origin { label }`, nil},
		{`groupBy: [], bucket: MONTH`, `bucketStart`, []string{"2026-01-01 - <nil> 1", "2026-02-01 - <nil> 3", "2026-05-01 - <nil> 1"}},
		{`groupBy: [], bucket: MONTH, timeZone: "Europe/Zurich"`, `bucketStart`, []string{"2026-02-01 - <nil> 4", "2026-05-01 - <nil> 1"}},
		{`groupBy: [], bucket: WEEK, range: {from: "2026-02-10", to: "2026-02-12"}`, `bucketStart`, []string{"2026-02-09 - <nil> 3"}},
		{`groupBy: [], range: {from: "2026-02-01", to: "2026-02-01"}, timeZone: "Europe/Zurich"`, ``, []string{"<nil> - <nil> 1"}},
		{`groupBy: [], range: {from: "2030-01-01"}`, ``, nil},
	} {
		got := report(c.arguments, c.fields)
		if c.fields == "bucketStart origin { label }" {
			// Within a quarter the larger group comes first; of the equal ones of the second quarter there is one.
			c.want = []string{"2026-01-01 " + webName + " <nil> 2", "2026-01-01 " + friendName + " <nil> 1", "2026-04-01 " + friendName + " <nil> 1"}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s\ngot  %v\nwant %v", c.arguments, got, c.want)
		}
	}
	if got := codes(a.do(t, `{ customerStats(groupBy: [], timeZone: "Nowhere") { count } }`, nil)); !slices.Equal(got, []string{"BAD_USER_INPUT"}) {
		t.Errorf("an unknown time zone gives %v", got)
	}

	// Another account counts its own.
	b := newActor(s, s.Key(t, s.Account(t, "Other business", 2), "read"))
	if rows := list(b.must(t, `{ customerStats(groupBy: []) { count } }`, nil), "customerStats"); len(rows) != 1 || number(rows[0], "count") != 2 {
		t.Errorf("another account of 2 customers counts %v", rows)
	}
}
