package system

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/apitest"
	"dossier/internal/auth"
	"dossier/internal/typeid"
)

func TestEveryRootFieldHasARow(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	rows := operations(world{})
	fields := rootFields(t, s)
	for _, field := range fields {
		if _, ok := rows[field]; !ok {
			t.Errorf("%s has no row in operations: nothing shows that it keeps accounts apart", field)
		}
		if _, ok := foreign[field]; !ok {
			t.Errorf("%s has no row in foreign: what does another account's user get?", field)
		}
	}
	if len(rows) != len(fields) || len(foreign) != len(fields) {
		t.Errorf("the schema has %d root fields, operations %d, foreign %d", len(fields), len(rows), len(foreign))
	}
}

// foreign is what a root field gives to somebody who asks for another account's things. "own" fields take no id and show
// the asker's account.
var foreign = withSettings(map[string]string{
	"Query.viewer": "own", "Query.account": "own", "Query.storage": "own",
	"Query.node": "null", "Query.customer": "null", "Query.customerByExternalId": "null", "Query.document": "null", "Query.nodes": "nulls",
	"Query.customers": "empty", "Query.events": "NOT_FOUND", "Query.documents": "own", "Query.documentAreas": "NOT_FOUND",
	"Mutation.documentMove": "NOT_FOUND", "Mutation.documentDelete": "NOT_FOUND",
	"Mutation.customerCreate": "own", "Mutation.customerUpsert": "own", "Mutation.apiKeyCreate": "own",
	"Mutation.customerUpdate": "NOT_FOUND", "Mutation.customerArchive": "NOT_FOUND", "Mutation.customerRestore": "NOT_FOUND",
	"Mutation.contactCreate": "NOT_FOUND", "Mutation.contactUpdate": "NOT_FOUND", "Mutation.contactArchive": "NOT_FOUND",
	"Mutation.documentUpload": "NOT_FOUND", "Mutation.documentUploadBegin": "NOT_FOUND", "Mutation.documentUploadComplete": "NOT_FOUND",
	"Mutation.documentUploadCancel": "NOT_FOUND",
	"Mutation.documentReplace":      "NOT_FOUND", "Mutation.documentUpdate": "NOT_FOUND", "Mutation.documentArchive": "NOT_FOUND",
	"Mutation.documentRestore": "NOT_FOUND", "Mutation.timelineEntryCreate": "NOT_FOUND", "Mutation.timelineEntryUpdate": "NOT_FOUND",
	"Mutation.timelineEntryDelete": "NOT_FOUND", "Mutation.apiKeyRevoke": "NOT_FOUND",
	"Query.job": "null", "Query.jobs": "own", "Mutation.importStart": "own", "Mutation.exportStart": "own", "Mutation.jobCancel": "NOT_FOUND",
	"Query.customerDuplicates": "NOT_FOUND", "Query.customerDuplicateGroups": "own", "Query.customerMerges": "empty",
	"Mutation.customerMerge": "NOT_FOUND", "Mutation.customerMergeUndo": "NOT_FOUND",
	"Query.customerStats":       "no rows",
	"Mutation.storageLimitSet":  "FORBIDDEN", // an administrator's key; what a key of the operator's sets is its own account's
	"Query.auditTrail":          "own",
	"Mutation.customerImageSet": "NOT_FOUND", "Mutation.customerImageRemove": "NOT_FOUND",
	"Mutation.noteCreate": "NOT_FOUND", "Mutation.noteUpdate": "NOT_FOUND", "Mutation.noteDelete": "NOT_FOUND",
	"Subscription.documentEvents": "NOT_FOUND", "Subscription.events": "NOT_FOUND",

	"Query.attributeDefinitions": "empty", "Mutation.attributeDefinitionCreate": "own", "Mutation.attributeDefinitionUpdate": "NOT_FOUND",
	"Mutation.attributeDefinitionMove": "NOT_FOUND", "Mutation.attributeDefinitionArchive": "NOT_FOUND",
	"Mutation.attributeDefinitionRestore": "NOT_FOUND", "Mutation.attributeDefinitionDelete": "NOT_FOUND",
})

// TestNoAccountReachesAnothersThings asks each root field with the ids of another account. The answer must be the one for
// ids that name nothing, letter by letter.
func TestNoAccountReachesAnothersThings(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 3)
	db := database(t, s)
	a := staff(t, s, auth.Admin)
	theirs := build(t, a)
	b := newActor(s, s.Key(t, s.Account(t, "Other business", 2), "admin"))
	before := fingerprint(t, db, uuidOf(t, theirs.account))

	void := operations(nowhere())
	for field, op := range operations(theirs) {
		got := op.run(t, b, field)
		wantForeign(t, field, foreign[field], got)
		if foreign[field] == "own" {
			continue
		}
		none := void[field].run(t, b, field)
		if answer(got) != answer(none) {
			t.Errorf("%s: another account's id gives %s, an id of nothing %s: ids can be probed", field, answer(got), answer(none))
		}
	}
	for kind, id := range theirs.nodes() {
		r := b.do(t, `query($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": id})
		if len(r.Errors) > 0 || at(r.Data, "node") != nil {
			t.Errorf("node of another account's %s gives %v %v", kind, r.Data, r.Errors)
		}
	}
	wantNestedForeign(t, b, theirs)
	wantOwn(t, b, theirs)
	wantUnchanged(t, "another account", before, fingerprint(t, db, uuidOf(t, theirs.account)))
}

func uuidOf(t testing.TB, id string) string {
	t.Helper()
	u, err := typeid.ParseAs(strings.Split(id, "_")[0], id)
	if err != nil {
		t.Fatal(err)
	}
	return u.String()
}

// answer is what a client can tell apart.
func answer(r apitest.Result) string {
	data := fmt.Sprint(r.Data)
	for i := range r.Errors {
		data += fmt.Sprint(r.Errors[i].Message, r.Errors[i].Extensions["code"])
	}
	return data
}

func wantForeign(t *testing.T, field, want string, r apitest.Result) {
	t.Helper()
	name := field[strings.IndexByte(field, '.')+1:]
	switch want {
	case "own":
		if len(codes(r)) > 0 {
			t.Errorf("%s: %v %v", field, r.Errors, userErrors(r))
		}
	case "null":
		if v, ok := r.Data[name]; !ok || v != nil || len(r.Errors) > 0 {
			t.Errorf("%s gives %v %v, want null", field, r.Data, r.Errors)
		}
	case "nulls":
		nodes := list(r.Data, name)
		if len(nodes) == 0 || slices.ContainsFunc(nodes, func(v any) bool { return v != nil }) {
			t.Errorf("%s gives %v %v, want nulls", field, r.Data, r.Errors)
		}
	case "empty":
		if nodes, ok := at(r.Data, name+".nodes").([]any); !ok || len(nodes) > 0 || number(r.Data, name+".totalCount") != 0 {
			t.Errorf("%s gives %v %v, want an empty list", field, r.Data, r.Errors)
		}
	case "no rows":
		if rows, ok := r.Data[name].([]any); !ok || len(rows) > 0 || len(r.Errors) > 0 {
			t.Errorf("%s gives %v %v, want an empty list", field, r.Data, r.Errors)
		}
	default:
		if !slices.Equal(slices.Compact(codes(r)), []string{want}) { // several ids, the same answer for each
			t.Errorf("%s gives %v %v %v, want %s", field, r.Data, r.Errors, userErrors(r), want)
		}
	}
}

// wantNestedForeign puts another account's ids where an own one is expected below an own node.
func wantNestedForeign(t *testing.T, b actor, theirs world) {
	t.Helper()
	own := b.customer(t, "Own")
	for what, input := range map[string]map[string]any{
		"contacts":  {"contacts": []any{map[string]any{"id": theirs.contact, "givenName": "Stolen"}}},
		"emails":    {"emails": []any{map[string]any{"id": theirs.email, "address": "stolen@example.com"}}},
		"phones":    {"phones": []any{map[string]any{"id": theirs.phone, "number": "+4930901821"}}},
		"addresses": {"addresses": []any{map[string]any{"id": theirs.address, "addressLocality": "Stolen"}}},
	} {
		r := b.do(t, updateCustomer, map[string]any{"id": own, "version": 1, "input": input})
		if got := codes(r); len(got) != 1 || got[0] != "NOT_FOUND" {
			t.Errorf("another account's id in %s gives %v %v", what, got, userErrors(r))
		}
	}
	document := b.mustUpload(t, own, pdf("own.pdf", 500))
	for what, r := range map[string]apitest.Result{
		"documentMove to a customer": b.do(t, `mutation($id: ID!, $c: ID) { documentMove(id: $id, expectedVersion: 1, customerId: $c)`+justErrors+` }`,
			map[string]any{"id": document, "c": theirs.customer}),
		"documentMove to an area": b.do(t, `mutation($id: ID!, $k: String) { documentMove(id: $id, expectedVersion: 1, areaKey: $k)`+justErrors+` }`,
			map[string]any{"id": document, "k": theirs.areaKey}),
		"documentUploadBegin in an area": b.do(t, `mutation($c: ID!, $k: String) {
			documentUploadBegin(input: {customerId: $c, areaKey: $k, fileName: "a.pdf", sizeBytes: 9})`+justErrors+` }`, map[string]any{"c": own, "k": theirs.areaKey}),
		"documentAreas of a type": b.do(t, `query($t: ID) { documentAreas(typeId: $t) { key } }`, map[string]any{"t": theirs.customerType}),
	} {
		if got := codes(r); len(got) != 1 || got[0] != "NOT_FOUND" {
			t.Errorf("%s of another account gives %v %v %v", what, got, userErrors(r), r.Errors)
		}
	}
	// A cursor is of its account.
	r := b.do(t, `query($after: EventCursor) { events(after: $after) { nodes { id } } }`, map[string]any{"after": theirs.cursor})
	if !slices.Equal(codes(r), []string{"INVALID_CURSOR"}) {
		t.Errorf("another account's cursor gives %v %v, want INVALID_CURSOR", r.Data, r.Errors)
	}
	for _, sse := range []bool{true, false} {
		err := subscribeOnce(t, b, sse, map[string]any{"after": theirs.cursor})
		if refused, ok := err.(liveError); !ok || refused.code != "INVALID_CURSOR" { //nolint:errorlint // as it is
			t.Errorf("another account's cursor in a subscription (sse %v) gives %v, want INVALID_CURSOR", sse, err)
		}
	}
}

// subscribeOnce gives the first thing that goes wrong with a subscription.
func subscribeOnce(t *testing.T, a actor, sse bool, variables map[string]any) error {
	t.Helper()
	var s stream
	var err error
	if sse {
		s, err = dialSSE(t.Context(), a, followEvents, variables, "")
	} else {
		s, err = dialWS(t.Context(), a, followEvents, variables)
	}
	if err != nil {
		return err
	}
	defer s.cut()
	_, err = s.next()
	return err
}

// wantOwn lists everything that can be listed: nothing of the other account is in it.
func wantOwn(t *testing.T, b actor, theirs world) {
	t.Helper()
	r := b.do(t, `{ account { id name apiKeys { nodes { id } } staffUsers { nodes { id } } } viewer { account { id } }
		documents(where: {status: [ACTIVE, ARCHIVED, QUARANTINED]}) { nodes { id area { definition { id } } } } documentAreas { key definition { id } }
		customers(first: 10, where: {status: [ACTIVE, ARCHIVED]}) { nodes { id contacts { nodes { id } } documents { nodes { id } } timeline { nodes { id } } notes { nodes { id } } } }
		events(first: 100) { nodes { id customer { id } } } }`, nil)
	wantSuccess(t, "everything", r)
	all := fmt.Sprint(r.Data)
	for kind, id := range theirs.nodes() {
		if strings.Contains(all, id) {
			t.Errorf("another account's %s is in the lists", kind)
		}
	}
	if n := len(list(r.Data, "customers.nodes")); n < 3 {
		t.Errorf("%d own customers are listed: the test shows nothing", n)
	}
}

// subject is somebody who asks, and what the policy says they are.
type subject struct {
	name  string
	actor actor
	// principal is nil for those whose credential is not good; anonymous has a zero one.
	principal *auth.Principal
}

func subjects(t *testing.T, s *apitest.Server, account string) []subject {
	t.Helper()
	db := database(t, s)
	some := uuid.Must(uuid.NewV7())
	list := []subject{{"anonymous", newActor(s, ""), &auth.Principal{}}}
	for _, role := range auth.Roles {
		list = append(list, subject{string(role), staff(t, s, role), &auth.Principal{AccountID: some, Kind: auth.KindStaff, ID: some, Role: role}})
	}
	for _, scope := range auth.Scopes() {
		list = append(list, subject{"key " + scope, newActor(s, s.Key(t, account, scope)), &auth.Principal{
			AccountID: some, Kind: auth.KindAPIKey, ID: some, Scopes: []string{scope},
		}})
	}
	revoked, expired := s.Key(t, account, "admin"), s.Key(t, account, "admin")
	exec(t, db, `UPDATE api_key SET revoked_at = now() WHERE id = $1`, uuidOfKey(t, revoked))
	exec(t, db, `UPDATE api_key SET expires_at = now() - interval '1 second' WHERE id = $1`, uuidOfKey(t, expired))
	good := s.Token(t, auth.Admin)
	for name, token := range map[string]string{
		"revoked key": revoked, "expired key": expired, "garbage": "garbage", "garbage key": "dsk_garbage",
		"expired token": s.TokenFor(t, auth.Admin, -time.Hour), "changed token": good[:len(good)-6] + "AAAAAA",
		"changed key": revoked[:len(revoked)-12] + strings.Repeat("0", 12), "unsigned token": unsigned(good),
	} {
		list = append(list, subject{name, newActor(s, token), nil})
	}
	return list
}

// unsigned is the token with "alg": "none" and without its signature.
func unsigned(token string) string {
	parts := strings.Split(token, ".")
	return "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + "."
}

// uuidOfKey reads the id in a printed key.
func uuidOfKey(t testing.TB, key string) string {
	t.Helper()
	parts := strings.Split(key, "_")
	return uuidOf(t, "dsk_"+parts[1])
}

// TestThePolicyHoldsForEveryPrincipalAndField is row 2 of hardening.md.
func TestThePolicyHoldsForEveryPrincipalAndField(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 2)
	db := database(t, s)
	admin := staff(t, s, auth.Admin)
	theirs := build(t, admin)
	list := subjects(t, s, theirs.account)
	before := fingerprint(t, db, uuidOf(t, theirs.account))
	objectsBefore, _ := objects(t, s.DataDir)

	cells, unexpected := 0, 0
	check := func(who subject, field string, r apitest.Result, want string) {
		cells++
		got := ""
		if c := codes(r); len(c) > 0 && (c[0] == "UNAUTHENTICATED" || c[0] == "FORBIDDEN") {
			got = c[0]
		}
		if got != want || want == "" && len(r.Errors) > 0 && got == "" && codes(r)[0] != "NOT_FOUND" {
			unexpected++
			t.Errorf("%s on %s: got %q (status %d, %v, %v), want %q", who.name, field, got, r.Status, r.Errors, userErrors(r), want)
		}
	}
	// Those who are refused ask for real things with effective input: if they were let through it would show.
	for _, who := range list {
		for field, op := range operations(theirs) {
			if want := refusal(who, field); want != "" {
				check(who, field, op.run(t, who.actor, field), want)
			}
		}
	}
	wantUnchanged(t, "a refused request", before, fingerprint(t, db, uuidOf(t, theirs.account)))
	if after, _ := objects(t, s.DataDir); !slices.Equal(after, objectsBefore) {
		t.Errorf("refused requests changed the store: %d objects, before %d", len(after), len(objectsBefore))
	}
	for _, who := range list {
		for field, op := range operations(nowhere()) {
			if refusal(who, field) == "" {
				check(who, field, op.run(t, who.actor, field), "")
			}
		}
		wantNodes(t, who, theirs)
	}
	t.Logf("%d principals, %d cells, %d unexpected", len(list), cells, unexpected)
}

// refusal is what the policy table says: "" where the field is open to the subject.
func refusal(who subject, field string) string {
	perm, ok := auth.FieldPermission(field)
	switch {
	case who.principal == nil || who.principal.IsZero():
		return "UNAUTHENTICATED"
	case field == "Query.node" && !who.principal.CanRead("Customer"), field == "Query.nodes" && !readsAll(who.principal):
		return "FORBIDDEN" // the permission is that of the type, which the id tells
	case !ok || !who.principal.Can(perm):
		return "FORBIDDEN"
	default:
		return ""
	}
}

// readsAll says whether a principal may read each type that operations asks nodes(ids:) for.
func readsAll(p *auth.Principal) bool {
	for kind := range nowhere().nodes() {
		if !p.CanRead(kind) {
			return false
		}
	}
	return true
}

// wantNodes asks for each type behind node(id:), where the permission is that of the type.
func wantNodes(t *testing.T, who subject, theirs world) {
	t.Helper()
	for kind, id := range theirs.nodes() {
		r := who.actor.do(t, `query($id: ID!) { node(id: $id) { id } }`, map[string]any{"id": id})
		allowed := who.principal != nil && !who.principal.IsZero() && who.principal.CanRead(kind)
		if got := text(r.Data, "node.id") == id; got != allowed {
			t.Errorf("%s reads %s by node: %v, want %v (%v)", who.name, kind, got, allowed, r.Errors)
		}
	}
}
