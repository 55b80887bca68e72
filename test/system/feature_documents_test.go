package system

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// titles gives the titles of a list of documents.
func titles(v any, path string) []string {
	var out []string
	for _, d := range list(v, path) {
		out = append(out, text(d, "title"))
	}
	return out
}

// documentChange does something with a document: the field with its arguments besides id and expectedVersion.
func (a actor) documentChange(t testing.TB, field string, d map[string]any, arguments string, variables map[string]any) (map[string]any, []string) {
	t.Helper()
	declared, vars := "$id: ID!, $v: Int!", map[string]any{"id": d["id"], "v": d["version"]}
	if arguments != "" {
		declared += ", $x: " + map[string]string{", input: $x": "DocumentUpdateInput!", ", customerId: $x": "ID", ", areaKey: $x": "String"}[arguments]
		vars["x"] = variables["x"]
	}
	r := a.do(t, `mutation(`+declared+`) { `+field+`(id: $id, expectedVersion: $v`+arguments+`) { document {`+documentFields+` } userErrors { code message path } } }`, vars)
	next, _ := at(r.Data, field+".document").(map[string]any)
	return next, lines(r.Data, field)
}

func (a actor) mustChange(t testing.TB, field string, d map[string]any, arguments string, x any) map[string]any {
	t.Helper()
	next, errs := a.documentChange(t, field, d, arguments, map[string]any{"x": x})
	if errs != nil || next == nil {
		t.Fatalf("%s: %v", field, errs)
	}
	return next
}

// documentsWhere gives the titles of the documents of all customers that arguments ask for.
func (a actor) documentsWhere(t testing.TB, arguments string) []string {
	t.Helper()
	return titles(a.must(t, `{ documents(`+arguments+`) { nodes { title } } }`, nil), "documents.nodes")
}

func TestRowA1AndE1DocumentsAreStoredInTheProfileOfACustomer(t *testing.T) {
	a := featureActor(t)
	ada, bob := a.customer(t, "Ada"), a.customer(t, "Bob")
	f := pdf("lease.pdf", 4000)
	d := a.fileAway(t, map[string]any{"customerId": ada}, f)
	a.fileAway(t, map[string]any{"customerId": bob}, pdf("other.pdf", 4000))
	want(t, "whose it is", at(d, "customer.id"), ada)
	data := a.must(t, `query($id: ID!) { customer(id: $id) { documents { totalCount nodes { id title customer { id } } } } documents { totalCount nodes { title customer { displayName } } } }`,
		map[string]any{"id": ada})
	want(t, "in the profile", fmt.Sprint(titles(data, "customer.documents.nodes"), number(data, "customer.documents.totalCount")), "[lease.pdf] 1")
	want(t, "of all customers, newest first", fmt.Sprint(titles(data, "documents.nodes"), number(data, "documents.totalCount")), "[other.pdf lease.pdf] 2")
	a.wantContent(t, text(d, "id"), f.sha256())
}

func TestRowA2OneListHoldsAllKindsAndIsFilteredAndOrdered(t *testing.T) {
	a := featureActor(t)
	a.define(t, map[string]any{"label": "Contracts", "type": "FILE"})
	c := a.customer(t, "Ada")
	for _, x := range []struct {
		input map[string]any
		f     file
	}{
		{map[string]any{"titles": []any{"Überlassung"}, "areaKey": "contracts", "purpose": "LEGAL", "tags": []any{"2026", "lease"}, "expiresOn": "2040-05-01"}, pdf("a.pdf", 900)},
		{map[string]any{"titles": []any{"Insurance"}, "purpose": "ADMINISTRATIVE", "expiresOn": "2039-05-01", "visibility": "CUSTOMER", "description": "Kündigung möglich"}, pdf("b.pdf", 900)},
		{map[string]any{"titles": []any{"Site"}, "purpose": "OPERATIONAL", "retentionUntil": "2045-12-31", "tags": []any{"lease"}}, smallPNG()},
	} {
		x.input["customerId"] = c
		a.fileAway(t, x.input, x.f)
	}
	for where, expected := range map[string][]string{
		`kind: [UPLOAD]`:                           {"Site", "Insurance", "Überlassung"},
		`kind: [GENERATED, FORM]`:                  nil,
		`purpose: [LEGAL, OPERATIONAL]`:            {"Site", "Überlassung"},
		`areaKey: ["contracts"]`:                   {"Überlassung"},
		`areaKey: ["general"]`:                     {"Site", "Insurance"},
		`visibility: [CUSTOMER]`:                   {"Insurance"},
		`contentType: ["image/*"]`:                 {"Site"},
		`contentType: ["application/pdf"]`:         {"Insurance", "Überlassung"},
		`tags: ["lease"]`:                          {"Site", "Überlassung"},
		`tags: ["2026", "none"]`:                   {"Überlassung"},
		`text: "UBERLAS"`:                          {"Überlassung"},
		`text: "kundigung"`:                        {"Insurance"},
		`text: "photo.PNG"`:                        {"Site"},
		`text: "ance b.pdf"`:                       nil,
		`expiresOn: {to: "2039-12-31"}`:            {"Insurance"},
		`expiresOn: {from: "2040-05-01"}`:          {"Überlassung"},
		`retentionUntil: {from: "2045-12-31"}`:     {"Site"},
		`source: [STAFF], status: [ACTIVE]`:        {"Site", "Insurance", "Überlassung"},
		`updatedAt: {gte: "2100-01-01T00:00:00Z"}`: nil,
	} {
		want(t, where, a.documentsWhere(t, `where: {`+where+`}`), expected)
		data := a.must(t, `query($id: ID!) { customer(id: $id) { documents(where: {`+where+`}) { nodes { title } } } }`, map[string]any{"id": c})
		want(t, where+" of the customer", titles(data, "customer.documents.nodes"), expected)
	}
	want(t, "by expiry", a.documentsWhere(t, `orderBy: {field: EXPIRES_ON, direction: ASC}`), []string{"Insurance", "Überlassung"})
	want(t, "by retention", a.documentsWhere(t, `orderBy: {field: RETENTION_UNTIL}`), []string{"Site"})
	data := a.must(t, `query($id: ID!) { customer(id: $id) { t: documents(orderBy: {field: TITLE, direction: ASC}) { nodes { title } }
		u: documents(orderBy: {field: UPDATED_AT, direction: ASC}) { nodes { title } } e: documents(orderBy: {field: EXPIRES_ON}) { nodes { title } } } }`, map[string]any{"id": c})
	want(t, "the customer's orders", fmt.Sprint(titles(data, "customer.t.nodes"), titles(data, "customer.u.nodes"), titles(data, "customer.e.nodes")),
		"[Insurance Site Überlassung] [Überlassung Insurance Site] [Überlassung Insurance]")
	// Pages of the root list, there and back.
	page := a.must(t, `{ documents(first: 2, orderBy: {field: EXPIRES_ON, direction: ASC}) { pageInfo { endCursor hasNextPage } } all: documents(first: 2) { pageInfo { endCursor } } }`, nil)
	want(t, "a next page", at(page, "documents.pageInfo.hasNextPage"), false)
	want(t, "the second page", a.documentsWhere(t, fmt.Sprintf(`after: %q`, text(page, "all.pageInfo.endCursor"))), []string{"Überlassung"})
	want(t, "backward", a.documentsWhere(t, fmt.Sprintf(`last: 1, before: %q`, text(page, "all.pageInfo.endCursor"))), []string{"Site"})
}

func TestRowA3TheSourceOfADocumentIsKept(t *testing.T) {
	a := featureActor(t)
	c := a.customer(t, "Ada")
	server := newActor(a.node, a.node.Key(t, text(a.must(t, `{ account { id } }`, nil), "account.id"), "write"))
	want(t, "by staff", a.fileAway(t, map[string]any{"customerId": c}, pdf("a.pdf", 900))["source"], "STAFF")
	want(t, "by a server", server.fileAway(t, map[string]any{"customerId": c}, pdf("b.pdf", 900))["source"], "STAFF")
	want(t, "those of customers", a.documentsWhere(t, `where: {source: [CUSTOMER, IMPORT]}`), []string(nil))
}

func TestRowA5AndB12SeveralFilesAreUploadedAtOnceEachWithItsResult(t *testing.T) {
	a := featureActor(t)
	c := a.customer(t, "Ada")
	r := a.uploadAs(t, map[string]any{"customerId": c, "titles": []any{"One", nil, "Three"}, "tags": []any{"scan"}},
		pdf("1.pdf", 900), file{"2.exe", "application/pdf", []byte("MZ\x90\x00\x03\x00\x00\x00")}, smallPNG())
	want(t, "what stands in the way", refusals(r), []string{"UNSUPPORTED_MEDIA_TYPE [files 1]"})
	want(t, "the results", fmt.Sprint(at(r.Data, "documentUpload.results.0.document.title"), at(r.Data, "documentUpload.results.1.document"),
		at(r.Data, "documentUpload.results.2.document.title"), at(r.Data, "documentUpload.results.2.document.tags")), "One<nil>Three[scan]")
	want(t, "what is stored", a.documentsWhere(t, `where: {tags: ["scan"]}`), []string{"Three", "One"})
}

func TestRowA7WhatWasUploadedIsKeptAndToldOf(t *testing.T) {
	a := featureActor(t)
	c := a.customer(t, "Ada")
	f := pdf("a.pdf", 9000)
	d := a.fileAway(t, map[string]any{"customerId": c}, f)
	a.node.Kill(t)
	a.node.Restart(t)
	a = newActor(a.node, a.token)
	a.wantContent(t, text(d, "id"), f.sha256())
	data := a.must(t, `query($id: ID!) { events(customerId: $id, types: [DOCUMENT_CREATED]) { nodes { subject { ... on Document { id } } } }
		customer(id: $id) { timeline { nodes { kind subject { ... on Document { id } } } } } }`, map[string]any{"id": c})
	want(t, "the event", text(data, "events.nodes.0.subject.id"), d["id"])
	want(t, "the timeline", fmt.Sprint(at(data, "customer.timeline.nodes.0.kind"), at(data, "customer.timeline.nodes.0.subject.id")), fmt.Sprint("DOCUMENT_ADDED", d["id"]))
	d = a.mustChange(t, "documentArchive", d, "", nil)
	want(t, "out of the default view", a.documentsWhere(t, `first: 5`), []string(nil))
	want(t, "but not lost", a.documentsWhere(t, `where: {status: [ARCHIVED]}`), []string{"a.pdf"})
	a.wantContent(t, text(d, "id"), f.sha256())
}

func TestRowA9ADocumentHasAPurpose(t *testing.T) {
	a := featureActor(t)
	c := a.customer(t, "Ada")
	d := a.fileAway(t, map[string]any{"customerId": c, "purpose": "LEGAL"}, pdf("a.pdf", 900))
	want(t, "its purpose", d["purpose"], "LEGAL")
	d = a.mustChange(t, "documentUpdate", d, ", input: $x", map[string]any{"purpose": "ADMINISTRATIVE"})
	want(t, "afterwards", d["purpose"], "ADMINISTRATIVE")
	d = a.mustChange(t, "documentUpdate", d, ", input: $x", map[string]any{"purpose": nil})
	want(t, "none", d["purpose"], nil)
}

func TestRowA14ADocumentIsManagedFromTheProfile(t *testing.T) {
	a := featureActor(t)
	editor := staff(t, a.node, auth.Editor)
	a.define(t, map[string]any{"label": "Contracts", "type": "FILE"})
	c := a.customer(t, "Ada")
	d := editor.fileAway(t, map[string]any{"customerId": c}, pdf("a.pdf", 900))
	d = editor.mustChange(t, "documentUpdate", d, ", input: $x", map[string]any{
		"title": "Lease", "description": "Two\nlines", "tags": []any{"a", "b"}, "visibility": "CUSTOMER", "expiresOn": "2040-01-02", "retentionUntil": "2041-01-02",
	})
	want(t, "as described", fmt.Sprint(d["title"], d["description"], d["tags"], d["visibility"], d["expiresOn"], d["retentionUntil"], d["version"]),
		"LeaseTwo\nlines[a b]CUSTOMER2040-01-022041-01-022")
	d = editor.mustChange(t, "documentMove", d, ", areaKey: $x", "contracts")
	want(t, "moved", at(d, "area.key"), "contracts")
	stale := map[string]any{"id": d["id"], "version": 1}
	_, errs := editor.documentChange(t, "documentUpdate", stale, ", input: $x", map[string]any{"x": map[string]any{"title": "Lost"}})
	want(t, "a stale version", errs, []string{"VERSION_CONFLICT [expectedVersion]"})
	r, err := editor.sendMultipart(t.Context(), `mutation($id: ID!, $v: Int!, $file: Upload!) { documentReplace(id: $id, expectedVersion: $v, file: $file, input: {expiresOn: "2042-01-02"}) {
		document {`+documentFields+` versions { nodes { number fileName downloadUrl } } } userErrors { code message path } } }`,
		map[string]any{"id": d["id"], "v": d["version"], "file": nil}, []string{"variables.file"}, []file{pdf("b.pdf", 1200)})
	if err != nil {
		t.Fatal(err)
	}
	wantSuccess(t, "documentReplace", r)
	d, _ = at(r.Data, "documentReplace.document").(map[string]any)
	want(t, "its contents", fmt.Sprint(at(d, "versions.nodes.0.number"), at(d, "versions.nodes.0.fileName"), at(d, "versions.nodes.1.number"), d["expiresOn"]), "2b.pdf12042-01-02")
	if text(d, "versions.nodes.1.downloadUrl") == "" {
		t.Error("the older content cannot be downloaded")
	}
	d = editor.mustChange(t, "documentArchive", d, "", nil)
	d = editor.mustChange(t, "documentRestore", d, "", nil)
	want(t, "restored", d["status"], "ACTIVE")
}

func TestRowA14AnArchivedDocumentIsDeletedForGoodByAdministrators(t *testing.T) {
	a := featureActor(t)
	db := database(t, a.node)
	c := a.customer(t, "Ada")
	d := a.fileAway(t, map[string]any{"customerId": c, "retentionUntil": "2999-12-31"}, pdf("secret.pdf", 5000))
	before := number(a.must(t, `{ storage { usedBytes } }`, nil), "storage.usedBytes")
	del := func(who actor, d map[string]any) (apitest.Result, []string) {
		r := who.do(t, `mutation($id: ID!, $v: Int!) { documentDelete(id: $id, expectedVersion: $v) { deletedId userErrors { code message path } } }`,
			map[string]any{"id": d["id"], "v": d["version"]})
		return r, lines(r.Data, "documentDelete")
	}
	_, errs := del(a, d)
	want(t, "one in use", errs, []string{"CONFLICT [id]"})
	d = a.mustChange(t, "documentArchive", d, "", nil)
	_, errs = del(a, d)
	want(t, "one that must be kept", errs, []string{"CONFLICT [id]"})
	d = a.mustChange(t, "documentUpdate", d, ", input: $x", map[string]any{"retentionUntil": "2020-01-01"})
	refused, _ := del(staff(t, a.node, auth.Editor), d)
	want(t, "an editor", codes(refused), []string{"FORBIDDEN"})
	r, errs := del(a, d)
	want(t, "deleting it", fmt.Sprint(errs, text(r.Data, "documentDelete.deletedId")), fmt.Sprint("[]", d["id"]))
	_, errs = del(a, d)
	want(t, "deleting it again", errs, []string(nil))
	data := a.must(t, `query($id: ID!, $c: ID!) { document(id: $id) { id } node(id: $id) { id } storage { usedBytes }
		customer(id: $c) { documents(where: {status: [ARCHIVED, ACTIVE]}) { totalCount } timeline(first: 1) { nodes { kind title subject { __typename } } } upcoming: timeline(direction: UPCOMING) { totalCount } }
		events(customerId: $c, types: [DOCUMENT_DELETED]) { nodes { subject { __typename } } } }`, map[string]any{"id": d["id"], "c": c})
	want(t, "what is left", fmt.Sprint(at(data, "document"), at(data, "node"), number(data, "customer.documents.totalCount"), number(data, "customer.upcoming.totalCount")), "<nil> <nil> 0 0")
	want(t, "the timeline", fmt.Sprint(at(data, "customer.timeline.nodes.0")), "map[kind:DOCUMENT_DELETED subject:<nil> title:Document deleted: secret.pdf]")
	want(t, "the event", fmt.Sprint(at(data, "events.nodes")), "[map[subject:<nil>]]")
	want(t, "the storage", number(data, "storage.usedBytes"), before-5000)
	wantInvariants(t, db, a.node.DataDir)
}

func TestRowA15ADocumentOfTheWrongCustomerIsMovedAndBothAreTold(t *testing.T) {
	a := featureActor(t)
	ada, bob := a.customer(t, "Ada"), a.customer(t, "Bob")
	from := head(t, a)
	live, err := dialWS(t.Context(), a, `subscription($customer: ID!, $after: EventCursor) { documentEvents(customerId: $customer, after: $after) {
		__typename cursor ... on EventDelivery { prevSeq event { id seq type customer { id } } } } }`, map[string]any{"customer": bob, "after": from})
	if err != nil {
		t.Fatal(err)
	}
	defer live.cut()
	d := a.fileAway(t, map[string]any{"customerId": ada, "expiresOn": "2040-01-01"}, pdf("passport.pdf", 900))
	loser := a.merged(t)
	_, errs := a.documentChange(t, "documentMove", d, ", customerId: $x", map[string]any{"x": loser})
	want(t, "to a merged customer", errs, []string{"CONFLICT [customerId]"})
	d = a.mustChange(t, "documentMove", d, ", customerId: $x", bob)
	want(t, "whose it is", at(d, "customer.id"), bob)
	d = a.mustChange(t, "documentMove", d, ", customerId: $x", bob) // a retry
	want(t, "the version", d["version"], float64(2))
	// A subscription that opens late misses the event, so there is another one.
	a.mustChange(t, "documentMove", a.mustChange(t, "documentMove", d, ", customerId: $x", ada), ", customerId: $x", bob)
	wantEvent(t, live, "DOCUMENT_MOVED")
	const both = `query($id: ID!, $after: EventCursor) { customer(id: $id) { documents { totalCount } timeline { nodes { kind } } upcoming: timeline(direction: UPCOMING) { nodes { kind } } }
		events(after: $after, customerId: $id, types: [DOCUMENT_MOVED]) { nodes { changedFields subject { ... on Document { id } } } } }`
	for customer, expected := range map[string]string{
		ada: "0 [map[kind:DOCUMENT_MOVED] map[kind:DOCUMENT_MOVED] map[kind:DOCUMENT_MOVED] map[kind:DOCUMENT_ADDED] map[kind:CUSTOMER_CREATED]] [] 3",
		bob: "1 [map[kind:DOCUMENT_MOVED] map[kind:DOCUMENT_MOVED] map[kind:DOCUMENT_MOVED] map[kind:CUSTOMER_CREATED]] [map[kind:DOCUMENT_EXPIRES]] 3",
	} {
		data := a.must(t, both, map[string]any{"id": customer, "after": from})
		want(t, "the file", fmt.Sprint(number(data, "customer.documents.totalCount"), " ", at(data, "customer.timeline.nodes"), " ", at(data, "customer.upcoming.nodes"), " ",
			len(list(data, "events.nodes"))), expected)
		want(t, "the event", fmt.Sprint(at(data, "events.nodes.0")), fmt.Sprintf("map[changedFields:[customer] subject:map[id:%s]]", d["id"]))
	}
}

func TestRowE15WhatExpiresOrMustBeKeptIsToldOfInTime(t *testing.T) {
	a := featureActor(t)
	c := a.customer(t, "Ada")
	day := func(days int) string { return time.Now().UTC().AddDate(0, 0, days).Format(time.DateOnly) }
	d := a.fileAway(t, map[string]any{"customerId": c, "titles": []any{"Soon"}, "expiresOn": day(20), "retentionUntil": day(25)}, pdf("a.pdf", 900))
	a.fileAway(t, map[string]any{"customerId": c, "titles": []any{"Later"}, "expiresOn": day(40), "retentionUntil": day(50)}, pdf("b.pdf", 900))
	want(t, "what expires in the next 30 days", a.documentsWhere(t, fmt.Sprintf(`where: {expiresOn: {from: %q, to: %q}}, orderBy: {field: EXPIRES_ON, direction: ASC}`, day(0), day(30))),
		[]string{"Soon"})
	data := a.must(t, `query($c: ID!) { customer(id: $c) { timeline(direction: UPCOMING) { nodes { kind title } } } }`, map[string]any{"c": c})
	var kinds []string
	for _, n := range list(data, "customer.timeline.nodes") {
		kinds = append(kinds, text(n, "kind")+" "+text(n, "title"))
	}
	want(t, "the coming timeline", kinds, []string{
		"DOCUMENT_EXPIRES Document expires: Soon", "DOCUMENT_RETENTION_ENDS Document must be kept until here: Soon",
		"DOCUMENT_EXPIRES Document expires: Later", "DOCUMENT_RETENTION_ENDS Document must be kept until here: Later",
	})
	told := func() []string {
		data := a.must(t, `query($c: ID!) { events(customerId: $c, types: [DOCUMENT_EXPIRES_SOON, DOCUMENT_RETENTION_ENDING]) { nodes { type actor { id } subject { ... on Document { title } } } } }`,
			map[string]any{"c": c})
		var out []string
		for _, e := range list(data, "events.nodes") {
			out = append(out, fmt.Sprint(at(e, "type"), " ", at(e, "subject.title"), " ", at(e, "actor")))
		}
		slices.Sort(out)
		return out
	}
	eventually(t, 20*time.Second, func() error {
		if len(told()) < 2 {
			return errNotYet
		}
		return nil
	})
	a.mustChange(t, "documentUpdate", d, ", input: $x", map[string]any{"expiresOn": day(21)}) // another date is told of again
	first := []string{"DOCUMENT_EXPIRES_SOON Soon <nil>", "DOCUMENT_EXPIRES_SOON Soon <nil>", "DOCUMENT_RETENTION_ENDING Soon <nil>"}
	eventually(t, 20*time.Second, func() error {
		if len(told()) < 3 {
			return errNotYet
		}
		return nil
	})
	pause(t.Context(), 2500*time.Millisecond) // two more sweeps
	want(t, "what was told", told(), first)
}
