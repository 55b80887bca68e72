package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const auditFields = ` id at action outcome times changedFields requestId clientAddress subjectId actor { id displayName } customer { id }
	subject { __typename ... on Document { id title } ... on DocumentVersion { id number document { id } } ... on Customer { id } ... on ApiKey { id } } `

const readTrail = `query($where: AuditWhere, $first: Int) { auditTrail(where: $where, first: $first) { nodes {` + auditFields + `} totalCount } }`

// trail reads the account's audit trail, newest first.
func (a actor) trail(t testing.TB, where map[string]any) []any {
	t.Helper()
	return list(a.must(t, readTrail, map[string]any{"where": where, "first": 100}), "auditTrail.nodes")
}

func actions(records []any) []string {
	out := make([]string, len(records))
	for i, r := range records {
		out[i] = text(r, "action")
	}
	return out
}

func TestRowA15TheAuditTrailSaysWhoDidWhatToACustomer(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	admin, editor, viewer := staff(t, s, auth.Admin), staff(t, s, auth.Editor), staff(t, s, auth.Viewer)
	customer := editor.customer(t, "Watched")
	other := editor.customer(t, "Other")
	editor.must(t, updateCustomer, map[string]any{"id": customer, "version": 1, "input": map[string]any{"familyName": "Person", "givenName": "Seen"}})
	document := editor.mustUpload(t, customer, pdf("contract.pdf", 3000))
	viewer.download(t, document)
	data := admin.must(t, `query($id: ID!) { customer(id: $id) { auditTrail { nodes {`+auditFields+`} totalCount pageInfo { hasNextPage } } } }`,
		map[string]any{"id": customer})
	nodes := list(data, "customer.auditTrail.nodes")
	if want := []string{"DOCUMENT_DOWNLOADED", "DOCUMENT_CREATED", "CUSTOMER_UPDATED", "CUSTOMER_CREATED"}; !slices.Equal(actions(nodes), want) ||
		number(data, "customer.auditTrail.totalCount") != 4 {
		t.Fatalf("the trail of the customer is %v, want %v", actions(nodes), want)
	}
	download, update := nodes[0], nodes[2]
	if text(download, "actor.displayName") != "Test viewer" || text(download, "subject.__typename") != "DocumentVersion" ||
		text(download, "subject.document.id") != document || text(download, "clientAddress") != "127.0.0.1" || len(text(download, "requestId")) < 20 {
		t.Errorf("the record of the download is %v", download)
	}
	if fmt.Sprint(at(update, "changedFields")) != "[familyName givenName]" || text(update, "actor.displayName") != "Test editor" ||
		text(update, "subjectId") != customer || text(update, "outcome") != "DONE" || number(update, "times") != 1 {
		t.Errorf("the record of the update is %v", update)
	}
	for _, n := range nodes {
		if text(n, "customer.id") != customer || text(n, "customer.id") == other {
			t.Errorf("a record of another customer: %v", n)
		}
		if _, err := time.Parse(time.RFC3339, text(n, "at")); err != nil {
			t.Error(err)
		}
	}
	for _, who := range []actor{viewer, editor} {
		r := who.do(t, `query($id: ID!) { customer(id: $id) { id auditTrail { nodes { id } } } }`, map[string]any{"id": customer})
		if r.Code() != "FORBIDDEN" || at(r.Data, "customer") != nil {
			t.Errorf("who is no administrator gets %v %v", r.Data, r.Errors)
		}
	}
}

func TestRowA15TheAuditTrailIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	admin := staff(t, s, auth.Admin)
	account := text(admin.must(t, `{ account { id } }`, nil), "account.id")
	machine := newActor(s, s.Key(t, account, "write"))
	for i := range 5 {
		machine.customer(t, fmt.Sprint("By machine ", i))
	}
	admin.customer(t, "By hand")
	key := text(machine.must(t, `{ viewer { actor { id } } }`, nil), "viewer.actor.id")
	if got := admin.trail(t, map[string]any{"actorId": key}); len(got) != 5 || text(got[0], "actor.id") != key {
		t.Errorf("by the key there are %v", actions(got))
	}
	if got := admin.trail(t, map[string]any{"actions": []string{"API_KEY_CREATED", "NONE"}}); len(got) != 1 || text(got[0], "subject.id") != key || at(got[0], "actor") != nil {
		t.Errorf("of the action there are %v", got)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	if got := admin.trail(t, map[string]any{"createdAt": map[string]any{"gte": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}}); len(got) != 0 {
		t.Errorf("of the time to come there are %v", got)
	}
	if got := admin.trail(t, map[string]any{"outcome": "DENIED"}); len(got) != 0 {
		t.Errorf("of denials there are %v", got)
	}
	var seen []string
	after := any(nil)
	for {
		data := admin.must(t, `query($after: String, $where: AuditWhere) { auditTrail(first: 2, after: $after, where: $where) {
			nodes { id at } pageInfo { hasNextPage endCursor } } }`, map[string]any{"after": after, "where": map[string]any{"createdAt": map[string]any{"lt": now[:4] + "-12-31T23:59:59Z"}}})
		for _, n := range list(data, "auditTrail.nodes") {
			seen = append(seen, text(n, "id"))
		}
		if at(data, "auditTrail.pageInfo.hasNextPage") != true {
			break
		}
		after = text(data, "auditTrail.pageInfo.endCursor")
	}
	all := admin.trail(t, nil)
	if len(seen) != len(all) || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != len(all) {
		t.Errorf("the pages have %d records, the whole has %d", len(seen), len(all))
	}
	r := admin.do(t, readTrail, map[string]any{"where": map[string]any{"actorId": account}})
	if r.Code() != "BAD_USER_INPUT" {
		t.Errorf("an actor that is none gives %v %v", r.Data, r.Errors)
	}
}

// TestWhateverChangesSomethingIsOnRecord goes through all mutations of the schema. One that leaves a row of the account
// other than before must leave a record.
func TestWhateverChangesSomethingIsOnRecord(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 2)
	db := database(t, s)
	admin := staff(t, s, auth.Admin)
	w := build(t, admin)
	account := uuidOf(t, w.account)
	// What an upload reserves before its bytes are there, and what keeps a repeated request from being done twice, is the
	// program's own account of a request. The change itself is in the other tables.
	technical := []string{"audit_record", "upload", "storage_usage", "idempotency", "garbage", "job"}
	changed, recorded := 0, 0
	for _, field := range rootFields(t, s) {
		op, ok := operations(w)[field]
		if !ok || !strings.HasPrefix(field, "Mutation.") {
			continue
		}
		op.variables = withVersion(t, db, op.variables)
		before, records := fingerprint(t, db, account), trailLength(t, db, account)
		op.run(t, admin, field)
		after := fingerprint(t, db, account)
		var tables []string
		for table, was := range before {
			if after[table] != was && !slices.Contains(technical, table) {
				tables = append(tables, table)
			}
		}
		if len(tables) == 0 {
			continue
		}
		changed++
		if trailLength(t, db, account) == records {
			t.Errorf("%s changed %v and left no record", field, tables)
		} else {
			recorded++
		}
	}
	t.Logf("%d mutations changed something, %d are on record", changed, recorded)
	if changed < 30 {
		t.Errorf("only %d mutations changed something", changed)
	}
	if n := scalar[int64](t, db, `SELECT count(*) FROM event e WHERE type NOT IN ('JOB_PROGRESS', 'ACCOUNT_SETTINGS_CHANGED')
		AND NOT EXISTS (SELECT FROM audit_record r WHERE r.account_id = e.account_id AND r.id = e.id)`); n != 0 {
		t.Errorf("%d events have no record", n)
	}
}

func trailLength(t testing.TB, db *pgxpool.Pool, account string) int64 {
	t.Helper()
	return scalar[int64](t, db, `SELECT count(*) FROM audit_record WHERE account_id = $1 AND outcome = 'DONE'`, account)
}

// withVersion makes the expected version of a row that of now.
func withVersion(t testing.TB, db *pgxpool.Pool, variables map[string]any) map[string]any {
	t.Helper()
	id, _ := variables["id"].(string)
	if _, versioned := variables["v"]; !versioned || id == "" {
		return variables
	}
	tables := map[string]string{
		"cus": "customer", "con": "contact", "doc": "document", "tle": "timeline_entry", "not": "note", "atd": "attribute_definition",
		"cty": "customer_type", "cor": "customer_origin", "off": "office", "srv": "service", "usr": "staff_user",
	}
	table := tables[id[:3]]
	if table == "" {
		return variables
	}
	out := map[string]any{}
	for name, v := range variables {
		out[name] = v
	}
	var version int64
	if err := db.QueryRow(t.Context(), `SELECT version FROM `+table+` WHERE id = $1`, uuidOf(t, id)).Scan(&version); err == nil {
		out["v"] = version
	}
	return out
}

func TestWhatIsRefusedIsOnRecord(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	admin, viewer := staff(t, s, auth.Admin), staff(t, s, auth.Viewer)
	account := text(admin.must(t, `{ account { id } }`, nil), "account.id")
	machine := newActor(s, s.Key(t, account, "customers:read", "events:read"))
	customer := admin.customer(t, "Guarded")
	other := newActor(s, s.Key(t, s.Account(t, "Other business", 0), "read"))

	viewer.do(t, updateCustomer, map[string]any{"id": customer, "version": 1, "input": map[string]any{"givenName": "X"}})
	viewer.do(t, `{ account { apiKeys { nodes { id } } } }`, nil)
	machine.do(t, `query($id: ID!) { customer(id: $id) { notes { nodes { id } } } }`, map[string]any{"id": customer})
	if err := subscribeOnce(t, newActor(s, s.Key(t, account, "customers:read")), true, map[string]any{"after": nil}); err == nil {
		t.Error("a key without events:read may subscribe")
	}
	other.do(t, `query($id: ID!) { customer(id: $id) { id } }`, map[string]any{"id": customer}) // null, which is no denial
	other.do(t, `mutation { customerCreate(input: {givenName: "X"}) { customer { id } } }`, nil)

	denied := admin.trail(t, map[string]any{"outcome": "DENIED"})
	want := []string{"Subscription.events", "Query.customer", "Query.account", "Mutation.customerUpdate"}
	if !slices.Equal(actions(denied), want) {
		t.Fatalf("the denials are %v, want %v", actions(denied), want)
	}
	last := denied[3]
	if text(last, "actor.displayName") != "Test viewer" || at(last, "subjectId") != nil || number(last, "times") != 1 ||
		text(last, "clientAddress") != "127.0.0.1" || len(text(last, "requestId")) < 20 {
		t.Errorf("the denial is %v", last)
	}
	for range 200 {
		viewer.do(t, updateCustomer, map[string]any{"id": customer, "version": 1, "input": map[string]any{"givenName": "X"}})
	}
	if got := admin.trail(t, map[string]any{"outcome": "DENIED"}); len(got) != 4 {
		t.Errorf("a flood of denials makes %d records at once, want none more", len(got))
	}
	// What was counted is written at the end of the minute, or when the program stops.
	if err := s.Terminate(t); err != nil {
		t.Fatal(err)
	}
	s.Restart(t)
	got := staff(t, s, auth.Admin).trail(t, map[string]any{"outcome": "DENIED", "actions": []string{"Mutation.customerUpdate"}})
	if len(got) != 2 || number(got[0], "times") != 200 {
		t.Errorf("after the flood the trail has %v, want one record of 200 more", got)
	}
}

// TestTheWorkOfAJobIsOnRecord shows that what an import writes has its records, in the name of who asked for it.
func TestTheWorkOfAJobIsOnRecord(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	db := database(t, s)
	admin := staff(t, s, auth.Admin)
	r := admin.startImport(t, table("people.csv", "givenName,familyName", "Ada,Lovelace", "Grace,Hopper", "Emmy,Noether"), map[string]any{}, false, "")
	job := text(r.Data, "importStart.job.id")
	admin.ended(t, job, readJob)
	records := admin.trail(t, map[string]any{"actions": []string{"CUSTOMER_CREATED", "JOB_CREATED", "JOB_FINISHED", "JOB_PROGRESS"}})
	if want := []string{"JOB_FINISHED", "CUSTOMER_CREATED", "CUSTOMER_CREATED", "CUSTOMER_CREATED", "JOB_CREATED"}; !slices.Equal(actions(records), want) {
		t.Fatalf("the trail has %v, want %v", actions(records), want)
	}
	for _, n := range records[:4] {
		if text(n, "actor.displayName") != "Test admin" || text(n, "requestId") != job || at(n, "clientAddress") != nil {
			t.Errorf("a record of the job's work is %v", n)
		}
	}
	wantInvariants(t, db, s.DataDir)
}
