package system

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"dossier/internal/auth"
)

const mergeCustomers = `mutation($winner: ID!, $loser: ID!, $w: Int!, $l: Int!, $picks: [MergePick!], $key: String) {
	customerMerge(winnerId: $winner, loserId: $loser, expectedWinnerVersion: $w, expectedLoserVersion: $l, picks: $picks, idempotencyKey: $key) {
		customer { ` + profileFields + ` }
		merge { id winner { id } loser { id status mergedInto { id } } mergedBy { id } mergedAt undoneAt
			moved { emails phones addresses contacts documents timelineEntries } }
		preview { displayName }
		userErrors { code message path } } }`

const undoMerge = `mutation($id: ID!) { customerMergeUndo(mergeId: $id) {
	customer { id } merge { id undoneAt undoneBy { id } } userErrors { __typename code message path } } }`

// mergeOf makes two customers with one of everything.
func mergeOf(t *testing.T, a actor) (winner, loser map[string]any, document string) {
	t.Helper()
	winner = a.create(t, map[string]any{
		"givenName": "Ada", "externalId": "A", "emails": []any{map[string]any{"address": "ada@example.com"}},
	})
	loser = a.create(t, map[string]any{
		"givenName": "A.", "familyName": "Lovelace", "externalId": "B", "languageTag": "en", "businessArea": "Engines",
		"emails":   []any{map[string]any{"address": "ADA@example.com", "purposes": []any{"INVOICE"}}, map[string]any{"address": "lovelace@example.com"}},
		"phones":   []any{map[string]any{"number": "+4930901820"}},
		"contacts": []any{map[string]any{"givenName": "Charles"}},
	})
	document = a.mustUpload(t, text(loser, "id"), pdf("engine.pdf", 2000))
	a.entry(t, text(loser, "id"))
	return winner, loser, document
}

const wholeFile = `query($id: ID!) { customer(id: $id) { ` + profileFields + ` people: contacts(first: 10) { nodes { id version isPrimary displayName } }
	documents(first: 10) { nodes { id version title currentVersion { sha256 } } } 
	past: timeline(first: 50) { nodes { id version kind title } } mergedCustomers { nodes { id displayName status } } } }`

func (a actor) whole(t testing.TB, id any) map[string]any {
	t.Helper()
	c, _ := at(a.must(t, wholeFile, map[string]any{"id": id}), "customer").(map[string]any)
	return c
}

func TestRowA15AMergeLinksRecordsToTheRightCustomer(t *testing.T) {
	a := featureActor(t)
	winner, loser, document := mergeOf(t, a)
	data := a.must(t, mergeCustomers, map[string]any{"winner": winner["id"], "loser": loser["id"], "w": 1, "l": 1, "picks": []any{"BUSINESS_AREA"}})
	want(t, "the name", text(data, "customerMerge.customer.displayName"), "Ada Lovelace")
	want(t, "the picked field", text(data, "customerMerge.customer.businessArea"), "Engines")
	want(t, "what was moved", fmt.Sprint(at(data, "customerMerge.merge.moved")),
		"map[addresses:0 contacts:1 documents:1 emails:1 phones:1 timelineEntries:3]")
	want(t, "the loser", text(data, "customerMerge.merge.loser.mergedInto.id"), winner["id"])

	c := a.whole(t, winner["id"])
	want(t, "the document", text(c, "documents.nodes.0.id"), document)
	want(t, "the contact", text(c, "people.nodes.0.displayName"), "Charles")
	want(t, "the addresses", fmt.Sprint(c["emails"]),
		"[map[address:ada@example.com isPrimary:true purposes:[INVOICE]] map[address:lovelace@example.com isPrimary:false purposes:[]]]")
	if len(list(c, "past.nodes")) != 5 {
		t.Errorf("the timeline has %v, want the lines of both and that of the merge", c["past"])
	}
	a.wantContent(t, document, text(c, "documents.nodes.0.currentVersion.sha256"))

	// The loser's ids answer the winner, and say so.
	data = a.must(t, `query($id: ID!, $ids: [ID!]!) { customer(id: $id) { id } node(id: $id) { id } nodes(ids: $ids) { id }
		customerByExternalId(externalId: "B") { id externalId mergedCustomers { nodes { id externalId status } } }
		customers(where: {status: [MERGED]}) { nodes { id mergedInto { id } viewerPermissions } } }`,
		map[string]any{"id": loser["id"], "ids": []any{loser["id"], winner["id"]}})
	for _, path := range []string{"customer.id", "node.id", "nodes.0.id", "nodes.1.id", "customerByExternalId.id", "customers.nodes.0.mergedInto.id"} {
		want(t, path, text(data, path), winner["id"])
	}
	want(t, "the winner's external id", text(data, "customerByExternalId.externalId"), "A")
	want(t, "what was merged", fmt.Sprint(list(data, "customerByExternalId.mergedCustomers.nodes")),
		fmt.Sprintf("[map[externalId:B id:%s status:MERGED]]", loser["id"]))
	want(t, "what may be done with the loser", list(data, "customers.nodes.0.viewerPermissions"), []any{})

	// A merged customer cannot be changed.
	r := a.do(t, updateCustomer, map[string]any{"id": loser["id"], "version": 2, "input": map[string]any{"givenName": "x"}})
	want(t, "a change of the loser", codes(r), []string{"CONFLICT"})
	// One event of each of the two, and the older ones stay where they were.
	data = a.must(t, `query($w: ID!, $l: ID!) { w: events(customerId: $w, types: [CUSTOMER_MERGED]) { nodes { type subject { ... on Customer { id } } } }
		l: events(customerId: $l) { nodes { type subject { ... on Customer { id status } } } } }`, map[string]any{"w": winner["id"], "l": loser["id"]})
	want(t, "the winner's event", text(data, "w.nodes.0.subject.id"), winner["id"])
	if nodes := list(data, "l.nodes"); len(nodes) < 3 || text(nodes[0], "type") != "CUSTOMER_CREATED" || text(nodes[len(nodes)-1], "type") != "CUSTOMER_MERGED" {
		t.Errorf("the loser's log is %v", nodes)
	}
}

func TestInvariant15UndoingAMergeGivesBackBothCustomersWithAllTheyHad(t *testing.T) {
	a := featureActor(t)
	winner, loser, _ := mergeOf(t, a)
	strip := func(c map[string]any) string {
		delete(c, "version")
		past := slices.DeleteFunc(list(c, "past.nodes"), func(v any) bool {
			return text(v, "kind") == "CUSTOMER_MERGED" || text(v, "kind") == "CUSTOMER_MERGE_UNDONE"
		})
		c["past"] = past
		return fmt.Sprint(c)
	}
	w, l := strip(a.whole(t, winner["id"])), strip(a.whole(t, loser["id"]))
	vars := map[string]any{"winner": winner["id"], "loser": loser["id"], "w": 1, "l": 1, "key": "once"}
	merge := text(a.must(t, mergeCustomers, vars), "customerMerge.merge.id")
	want(t, "a retry", text(a.must(t, mergeCustomers, vars), "customerMerge.merge.id"), merge)
	data := a.must(t, undoMerge, map[string]any{"id": merge})
	if text(data, "customerMergeUndo.merge.undoneAt") == "" || text(data, "customerMergeUndo.merge.undoneBy.id") == "" {
		t.Errorf("the merge is %v", data)
	}
	want(t, "the winner", strip(a.whole(t, winner["id"])), w)
	want(t, "the loser", strip(a.whole(t, loser["id"])), l)
	want(t, "undoing it again", codes(a.do(t, undoMerge, map[string]any{"id": merge})), []string(nil))

	// What was added since stays with the winner; what was changed since stands in the way.
	vars["w"], vars["l"], vars["key"] = 3, 3, "twice"
	merge = text(a.must(t, mergeCustomers, vars), "customerMerge.merge.id")
	added := a.mustUpload(t, text(winner, "id"), pdf("new.pdf", 2000))
	a.must(t, undoMerge, map[string]any{"id": merge})
	want(t, "what was added", text(a.whole(t, winner["id"]), "documents.nodes.0.id"), added)
	vars["w"], vars["l"], vars["key"] = 5, 5, "thrice"
	merge = text(a.must(t, mergeCustomers, vars), "customerMerge.merge.id")
	a.change(t, text(winner, "id"), map[string]any{"familyName": "Byron"})
	r := a.do(t, undoMerge, map[string]any{"id": merge})
	want(t, "undoing after a change", codes(r), []string{"CONFLICT"})
	want(t, "its type", text(userErrors(r)[0], "__typename"), "StateConflictError")
	data = a.must(t, `query($id: ID!) { customerMerges(customerId: $id, first: 2) { nodes { undoneAt } totalCount pageInfo { hasNextPage } } }`, map[string]any{"id": loser["id"]})
	want(t, "the merges", fmt.Sprint(number(data, "customerMerges.totalCount"), at(data, "customerMerges.nodes.0.undoneAt"), at(data, "customerMerges.pageInfo.hasNextPage")), "3 <nil> true")
}

func TestADryRunShowsTheMergedCustomerAndChangesNothing(t *testing.T) {
	a := featureActor(t)
	winner, loser, _ := mergeOf(t, a)
	before := fmt.Sprint(a.whole(t, winner["id"]), a.whole(t, loser["id"]))
	const dry = `mutation($winner: ID!, $loser: ID!) { customerMerge(winnerId: $winner, loserId: $loser, expectedWinnerVersion: 1, expectedLoserVersion: 1,
		picks: [GIVEN_NAME, EXTERNAL_ID], dryRun: true) { customer { id } merge { id } userErrors { code message }
		preview { kind displayName externalId languageTag type { id } taxExempt emails { id address purposes isPrimary } phones { e164 } addresses { id }
			changedFields moved { documents contacts } } } }`
	data := a.must(t, dry, map[string]any{"winner": winner["id"], "loser": loser["id"]})
	p := at(data, "customerMerge.preview")
	want(t, "the preview", fmt.Sprint(text(p, "displayName"), " ", text(p, "externalId"), " ", text(p, "languageTag"), " ", len(list(p, "emails")), " ", at(p, "moved")),
		"A. Lovelace B en 2 map[contacts:1 documents:1]")
	want(t, "the changed fields", list(p, "changedFields"), []any{
		"businessArea", "contacts", "emails", "externalId", "familyName", "givenName", "languageTag", "mergedCustomers", "phones",
	})
	want(t, "what was merged", at(data, "customerMerge.merge"), nil)
	want(t, "both", fmt.Sprint(a.whole(t, winner["id"]), a.whole(t, loser["id"])), before)

	// It shows the file, so a key that may only write may not run it dry.
	account := text(a.must(t, `{ account { id } }`, nil), "account.id")
	writer := newActor(a.node, a.node.Key(t, account, string(auth.CustomersWrite)))
	want(t, "a key without customers:read", codes(writer.do(t, dry, map[string]any{"winner": winner["id"], "loser": loser["id"]})), []string{"FORBIDDEN"})
}

func TestRowD1APickCannotEmptyWhatTheFieldPolicyRequires(t *testing.T) {
	a := featureActor(t)
	winner := a.create(t, map[string]any{"givenName": "Ada", "businessArea": "Engines"})
	loser := a.create(t, map[string]any{"givenName": "A."})
	a.must(t, `mutation { fieldPolicyUpdate(channel: STAFF, expectedVersion: 0, rules: [{field: "businessArea", required: true, visible: true}]) { userErrors { message path } } }`, nil)
	vars := map[string]any{"winner": winner["id"], "loser": loser["id"], "w": 1, "l": 1, "picks": []any{"BUSINESS_AREA"}}
	r := a.do(t, mergeCustomers, vars)
	want(t, "what is wrong", fmt.Sprint(codes(r), userErrors(r)[0]["path"]), "[REQUIRED] [picks]")
	vars["picks"] = []any{}
	a.must(t, mergeCustomers, vars)
}

const createAsked = `mutation($input: CustomerCreateInput!, $insist: Boolean!) { customerCreate(input: $input, allowDuplicate: $insist) { customer { id }
	userErrors { __typename code path message ... on DuplicateCustomerError { candidates { id displayName } } } } }`

func TestWhoMayBeTheSameIsAskedBeforeACustomerIsCreated(t *testing.T) {
	a := featureActor(t)
	byEmail := a.create(t, map[string]any{"givenName": "Ada", "emails": []any{map[string]any{"address": "ada@example.com"}}})
	byContact := a.create(t, map[string]any{"kind": "COMPANY", "companyName": "Engines", "contacts": []any{map[string]any{"givenName": "C", "phones": []any{map[string]any{"number": "+4930901820"}}}}})
	byName := a.create(t, map[string]any{"givenName": "Élodie", "familyName": "Groß", "addresses": []any{map[string]any{"postalCode": "sw1a 1aa"}}})
	a.must(t, `mutation($id: ID!) { customerArchive(id: $id, expectedVersion: 1) { userErrors { message } } }`, map[string]any{"id": byContact["id"]})
	for what, x := range map[string]struct {
		input map[string]any
		want  []any
	}{
		"e-mail":          {map[string]any{"givenName": "X", "emails": []any{map[string]any{"address": "ADA@Example.com"}}}, []any{byEmail["id"]}},
		"contact's phone": {map[string]any{"givenName": "X", "phones": []any{map[string]any{"number": "+49 30 901820"}}}, []any{byContact["id"]}},
		"name and code":   {map[string]any{"givenName": "elodie", "familyName": "GROSS", "addresses": []any{map[string]any{"postalCode": "SW1A1AA"}}}, []any{byName["id"]}},
		"the likeliest first": {map[string]any{
			"givenName": "elodie", "familyName": "gross", "addresses": []any{map[string]any{"postalCode": "SW1A1AA"}},
			"emails": []any{map[string]any{"address": "ada@example.com"}},
		}, []any{byEmail["id"], byName["id"]}},
		"another extension": {map[string]any{"givenName": "Y", "phones": []any{map[string]any{"number": "+4930901820;ext=7"}}}, nil},
		"only the name":     {map[string]any{"givenName": "Ada"}, nil},
	} {
		r := a.do(t, createAsked, map[string]any{"input": x.input, "insist": false})
		errs := userErrors(r)
		if len(r.Errors) > 0 || len(errs) != min(len(x.want), 1) {
			t.Errorf("%s: %v %v", what, r.Errors, errs)
			continue
		}
		if len(errs) > 0 {
			want(t, what+": its type", fmt.Sprint(errs[0]["__typename"], errs[0]["code"], errs[0]["path"]), "DuplicateCustomerErrorCONFLICT[input]")
			var got []any
			for _, c := range list(errs[0], "candidates") {
				got = append(got, text(c, "id"))
			}
			want(t, what+": the candidates", got, x.want)
		}
	}
	input := map[string]any{"givenName": "X", "emails": []any{map[string]any{"address": "ada@example.com"}}}
	a.must(t, createAsked, map[string]any{"input": input, "insist": true})
}

func TestOfEqualCustomersCreatedAtOnceOneIsMade(t *testing.T) {
	a := featureActor(t)
	input := map[string]any{"givenName": "Ada", "emails": []any{map[string]any{"address": "ada@example.com"}}, "phones": []any{map[string]any{"number": "+4930901820"}}}
	made := make([]bool, 6)
	var g errgroup.Group
	for i := range made {
		g.Go(func() error {
			r, err := a.try(t.Context(), createAsked, map[string]any{"input": input, "insist": false})
			made[i] = text(r.Data, "customerCreate.customer.id") != ""
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(slices.DeleteFunc(made, func(ok bool) bool { return !ok })); n != 1 {
		t.Errorf("%d equal customers were made, want 1", n)
	}
}

func TestDuplicatesAreListedForCleaningUp(t *testing.T) {
	a := featureActor(t)
	mail := func(address string) []any { return []any{map[string]any{"address": address}} }
	x := a.create(t, map[string]any{"givenName": "X", "emails": mail("b@example.com"), "phones": []any{map[string]any{"number": "+4930901820"}}})
	y := a.create(t, map[string]any{"givenName": "Y", "emails": mail("B@example.com"), "phones": []any{map[string]any{"number": "+4930901820"}}})
	z := a.create(t, map[string]any{"givenName": "Z", "contacts": []any{map[string]any{"givenName": "C", "emails": mail("a@example.com")}}})
	u := a.create(t, map[string]any{"givenName": "U", "emails": mail("a@example.com")})
	a.create(t, map[string]any{"givenName": "V", "emails": mail("v@example.com")})
	data := a.must(t, `query($id: ID!) { customerDuplicates(customerId: $id) { customer { id displayName } reasons } account { id } }`, map[string]any{"id": x["id"]})
	want(t, "who may be the same", fmt.Sprint(list(data, "customerDuplicates")),
		fmt.Sprintf("[map[customer:map[displayName:Y id:%s] reasons:[SAME_EMAIL SAME_PHONE]]]", y["id"]))

	const page = `query($after: String) { customerDuplicateGroups(first: 1, after: $after) { nodes { reason value customers { id } } edges { cursor } pageInfo { hasNextPage endCursor } } }`
	groups := func() (got []string) {
		var after any
		for {
			data := a.must(t, page, map[string]any{"after": after})
			for _, g := range list(data, "customerDuplicateGroups.nodes") {
				got = append(got, fmt.Sprint(text(g, "reason"), " ", text(g, "value"), " ", text(g, "customers.0.id"), " ", text(g, "customers.1.id")))
			}
			if at(data, "customerDuplicateGroups.pageInfo.hasNextPage") != true {
				return got
			}
			after = at(data, "customerDuplicateGroups.pageInfo.endCursor")
		}
	}
	want(t, "the groups", groups(), []string{
		fmt.Sprint("SAME_EMAIL a@example.com ", z["id"], " ", u["id"]), fmt.Sprint("SAME_EMAIL b@example.com ", x["id"], " ", y["id"]),
		fmt.Sprint("SAME_PHONE +4930901820 ", x["id"], " ", y["id"]),
	})
	want(t, "a cursor of another list", codes(a.do(t, page, map[string]any{"after": "nonsense"})), []string{"INVALID_CURSOR"})
	a.must(t, mergeCustomers, map[string]any{"winner": x["id"], "loser": y["id"], "w": 1, "l": 1})
	want(t, "the groups after a merge", groups(), []string{fmt.Sprint("SAME_EMAIL a@example.com ", z["id"], " ", u["id"])})
	data = a.must(t, `query($id: ID!) { customerDuplicates(customerId: $id) { reasons } }`, map[string]any{"id": y["id"]})
	want(t, "who may be the same after it", list(data, "customerDuplicates"), []any{})
}
