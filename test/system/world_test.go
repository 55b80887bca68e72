package system

import (
	"io"
	"maps"
	"net/http"
	"sort"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/apitest"
	"dossier/internal/typeid"
)

// world is an id of each kind in one account.
type world struct {
	customer, contact, email, phone, address string
	document, version, entry, session        string
	event, cursor, apiKey, staff, account    string
	attribute, option, attributeKey          string
	// shelved is an archived document, areaKey an area for documents.
	shelved, areaKey string
	note, image      string
	external         string
	// other is a second customer, merge a merge of two more.
	other, merge string
	settings
	job   string
	audit string
}

// build makes one of everything.
func build(t testing.TB, a actor) world {
	t.Helper()
	var w world
	w.cursor = head(t, a)
	data := a.must(t, `mutation { customerCreate(input: {kind: COMPANY, companyName: "World Ltd", externalId: "world", emails: [{address: "world@example.com"}],
		phones: [{number: "+4930901820"}], addresses: [{addressLocality: "Berlin"}], contacts: [{givenName: "Con", familyName: "Tact"}]}) {
		customer { id emails { id } phones { id } addresses { id } contacts { nodes { id } } } userErrors { message path } } }`, nil)
	c := at(data, "customerCreate.customer")
	w.customer, w.contact, w.external = text(c, "id"), text(c, "contacts.nodes.0.id"), "world"
	w.email, w.phone, w.address = text(c, "emails.0.id"), text(c, "phones.0.id"), text(c, "addresses.0.id")
	w.document = a.mustUpload(t, w.customer, pdf("world.pdf", 2000))
	w.shelved = a.mustUpload(t, w.customer, pdf("shelved.pdf", 1000))
	a.must(t, `mutation($id: ID!) { documentArchive(id: $id, expectedVersion: 1) { userErrors { message path } } }`, map[string]any{"id": w.shelved})
	data = a.must(t, createEntry, map[string]any{"customer": w.customer, "input": map[string]any{
		"kind": "VISIT", "at": "2031-01-01T00:00:00Z", "title": "Visit",
	}})
	w.entry = text(data, "timelineEntryCreate.timelineEntry.id")
	data = a.must(t, `mutation($c: ID!) { documentUploadBegin(input: {customerId: $c, fileName: "s.pdf", sizeBytes: 9}) {
		uploadSession { id } userErrors { message path } } }`, map[string]any{"c": w.customer})
	w.session = text(data, "documentUploadBegin.uploadSession.id")
	data = a.must(t, `mutation { apiKeyCreate(input: {name: "World", scopes: ["read"]}) { apiKey { id } userErrors { message } } }`, nil)
	w.apiKey = text(data, "apiKeyCreate.apiKey.id")
	w.attributeKey = "world_size"
	data = a.must(t, `mutation($key: String) { attributeDefinitionCreate(input: {key: $key, label: "Size", type: SELECT, options: [{label: "Small"}]}) {
		attributeDefinition { id options { id } } userErrors { message } } }`, map[string]any{"key": w.attributeKey})
	w.attribute = text(data, "attributeDefinitionCreate.attributeDefinition.id")
	w.option = text(data, "attributeDefinitionCreate.attributeDefinition.options.0.id")
	w.areaKey = text(a.define(t, map[string]any{"key": "world_papers", "label": "Papers", "type": "FILE"}), "key")
	w.image = text(a.mustSetImage(t, w.customer, 1, picture("world.png", 40, 30)), "id")
	w.note = text(a.note(t, w.customer, "What the world is like", false), "id")
	data = a.must(t, `query($d: ID!) { account { id staffUsers(first: 1) { nodes { id } } } document(id: $d) { currentVersion { id } }
		events(first: 1) { nodes { id } } auditTrail(first: 1) { nodes { id } } }`, map[string]any{"d": w.document})
	r := a.startImport(t, table("world.csv", "givenName", ""), map[string]any{}, true, "")
	w.job = text(r.Data, "importStart.job.id")
	a.ended(t, w.job, readJob)
	w.account, w.version = text(data, "account.id"), text(data, "document.currentVersion.id")
	w.staff, w.event, w.audit = text(data, "account.staffUsers.nodes.0.id"), text(data, "events.nodes.0.id"), text(data, "auditTrail.nodes.0.id")
	w.other = a.customer(t, "Other World")
	data = a.must(t, mergeCustomers, map[string]any{"winner": a.customer(t, "Winner"), "loser": a.customer(t, "Loser"), "w": 1, "l": 1})
	w.merge = text(data, "customerMerge.merge.id")
	w.settings = buildSettings(t, a)
	return w
}

// nowhere has ids that name nothing.
func nowhere() world {
	id := func(prefix string) string { return string(typeid.Append(nil, prefix, uuid.Must(uuid.NewV7()))) }
	return world{
		customer: id("cus"), contact: id("con"), email: id("eml"), phone: id("phn"), address: id("adr"), document: id("doc"),
		version: id("dov"), entry: id("tle"), session: id("ups"), event: id("evt"), apiKey: id("key"), job: id("job"), staff: id("usr"), account: id("acc"),
		external: "nowhere", settings: settingsOf(id), other: id("cus"), merge: id("mrg"),
		attribute: id("atd"), option: id("ato"), attributeKey: "nowhere", shelved: id("doc"), areaKey: "nowhere",
		note: id("not"), image: id("img"), audit: id("aud"),
	}
}

// nodes are the ids that node(id:) takes, by type.
func (w world) nodes() map[string]string {
	nodes := map[string]string{
		"Customer": w.customer, "Contact": w.contact, "EmailAddress": w.email, "PhoneNumber": w.phone, "PostalAddress": w.address,
		"Document": w.document, "DocumentVersion": w.version, "TimelineEntry": w.entry, "Event": w.event, "ApiKey": w.apiKey,
		"StaffUser": w.staff, "Account": w.account, "Job": w.job, "CustomerMerge": w.merge,
		"AttributeDefinition": w.attribute, "AttributeOption": w.option,
		"Note": w.note, "Image": w.image, "AuditRecord": w.audit,
	}
	maps.Copy(nodes, w.settings.nodes())
	return nodes
}

func (w world) ids() []string {
	var ids []string
	for _, id := range w.nodes() {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	return ids
}

// operation is one root field, asked for what is in a world.
type operation struct {
	query     string
	variables map[string]any
	// file says that there is a file at variables.file or variables.files.0.
	file string
	// content is what is in the file; a PDF when it is nil.
	content []byte
}

const justErrors = ` { userErrors { code message path } }`

// operations has a row for each root field of the schema: a field without one fails TestEveryRootFieldHasARow.
func operations(w world) map[string]operation {
	id := func(id string) map[string]any { return map[string]any{"id": id, "v": 1} }
	call := func(args, field string) string { return "mutation(" + args + ") { " + field + justErrors + " }" }
	const byID = "$id: ID!, $v: Int!"
	rows := map[string]operation{
		"Query.viewer":   {query: `{ viewer { __typename permissions } }`},
		"Query.account":  {query: `{ account { id } }`},
		"Query.storage":  {query: `{ storage { usedBytes reservedBytes limitBytes availableBytes maxFileBytes warnedPercent } }`},
		"Query.node":     {query: `query($id: ID!) { node(id: $id) { __typename id } }`, variables: id(w.customer)},
		"Query.nodes":    {query: `query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }`, variables: map[string]any{"ids": w.ids()}},
		"Query.customer": {query: `query($id: ID!) { customer(id: $id) { id } }`, variables: id(w.customer)},
		"Query.customerByExternalId": {
			query: `query($x: String!) { customerByExternalId(externalId: $x) { id } }`, variables: map[string]any{"x": w.external},
		},
		"Query.customerDuplicates":      {query: `query($id: ID!) { customerDuplicates(customerId: $id) { reasons } }`, variables: id(w.customer)},
		"Query.customerDuplicateGroups": {query: `{ customerDuplicateGroups { nodes { value customers { id } } } }`},
		"Query.customerMerges":          {query: `query($id: ID) { customerMerges(customerId: $id) { nodes { id } totalCount } }`, variables: id(w.customer)},
		"Mutation.customerMerge": {
			query:     call("$id: ID!, $other: ID!", `customerMerge(winnerId: $id, loserId: $other, expectedWinnerVersion: 1, expectedLoserVersion: 1)`),
			variables: map[string]any{"id": w.customer, "other": w.other},
		},
		"Mutation.customerMergeUndo": {query: call("$id: ID!", `customerMergeUndo(mergeId: $id)`), variables: id(w.merge)},

		"Query.documents":     {query: `{ documents { nodes { id } totalCount } }`},
		"Query.documentAreas": {query: `query($id: ID!) { documentAreas(customerId: $id) { key } }`, variables: id(w.customer)},
		"Query.document":      {query: `query($id: ID!) { document(id: $id) { id } }`, variables: id(w.document)},
		"Query.customers":     {query: `query($id: ID!) { customers(where: {ids: [$id]}) { nodes { id } totalCount } }`, variables: id(w.customer)},
		"Query.events":        {query: `query($id: ID) { events(customerId: $id) { nodes { id } totalCount } }`, variables: id(w.customer)},
		"Query.auditTrail":    {query: `{ auditTrail(first: 5) { nodes { id action } totalCount } }`},
		"Query.customerStats": {query: `query($id: ID!) { customerStats(groupBy: [KIND], where: {ids: [$id]}) { kind count } }`, variables: id(w.customer)},

		"Mutation.customerCreate":  {query: `mutation { customerCreate(input: {givenName: "Matrix"})` + justErrors + ` }`},
		"Mutation.customerUpdate":  {query: call(byID, `customerUpdate(id: $id, expectedVersion: $v, input: {givenName: "Matrix"})`), variables: id(w.customer)},
		"Mutation.customerUpsert":  {query: `mutation { customerUpsert(by: {externalId: "matrix"}, input: {givenName: "Matrix"})` + justErrors + ` }`},
		"Mutation.customerArchive": {query: call(byID, `customerArchive(id: $id, expectedVersion: $v)`), variables: id(w.customer)},
		"Mutation.customerRestore": {query: call(byID, `customerRestore(id: $id, expectedVersion: $v)`), variables: id(w.customer)},
		"Mutation.contactCreate":   {query: call("$id: ID!", `contactCreate(customerId: $id, input: {givenName: "Matrix"})`), variables: id(w.customer)},
		"Mutation.contactUpdate":   {query: call(byID, `contactUpdate(id: $id, expectedVersion: $v, input: {givenName: "Matrix"})`), variables: id(w.contact)},
		"Mutation.contactArchive":  {query: call(byID, `contactArchive(id: $id, expectedVersion: $v)`), variables: id(w.contact)},
		"Mutation.documentUpload": {
			query:     call("$id: ID!, $files: [Upload!]!", `documentUpload(input: {customerId: $id}, files: $files)`),
			variables: map[string]any{"id": w.customer, "files": []any{nil}}, file: "variables.files.0",
		},
		"Mutation.documentReplace": {
			query:     call(byID+", $file: Upload!", `documentReplace(id: $id, expectedVersion: $v, file: $file)`),
			variables: map[string]any{"id": w.document, "v": 1, "file": nil}, file: "variables.file",
		},
		"Mutation.documentUploadBegin": {
			query: call("$id: ID!", `documentUploadBegin(input: {customerId: $id, fileName: "m.pdf", sizeBytes: 10})`), variables: id(w.customer),
		},
		"Mutation.documentUploadComplete": {query: call("$id: ID!", `documentUploadComplete(uploadSessionId: $id)`), variables: id(w.session)},
		"Mutation.documentUploadCancel":   {query: call("$id: ID!", `documentUploadCancel(uploadSessionId: $id)`), variables: id(w.session)},
		"Mutation.documentUpdate":         {query: call(byID, `documentUpdate(id: $id, expectedVersion: $v, input: {title: "Matrix"})`), variables: id(w.document)},
		"Mutation.documentArchive":        {query: call(byID, `documentArchive(id: $id, expectedVersion: $v)`), variables: id(w.document)},
		"Mutation.documentRestore":        {query: call(byID, `documentRestore(id: $id, expectedVersion: $v)`), variables: id(w.document)},
		"Mutation.documentMove": {
			query:     call(byID+", $other: ID!", `documentMove(id: $id, expectedVersion: $v, customerId: $other)`),
			variables: map[string]any{"id": w.document, "v": 1, "other": w.other},
		},
		"Mutation.documentDelete": {query: call(byID, `documentDelete(id: $id, expectedVersion: $v)`), variables: map[string]any{"id": w.shelved, "v": 2}},
		"Mutation.timelineEntryCreate": {
			query:     call("$id: ID!", `timelineEntryCreate(customerId: $id, input: {kind: TASK, at: "2031-01-01T00:00:00Z", title: "Matrix"})`),
			variables: id(w.customer),
		},
		"Mutation.timelineEntryUpdate": {query: call(byID, `timelineEntryUpdate(id: $id, expectedVersion: $v, input: {title: "Matrix"})`), variables: id(w.entry)},
		"Mutation.timelineEntryDelete": {query: call(byID, `timelineEntryDelete(id: $id, expectedVersion: $v)`), variables: id(w.entry)},
		"Mutation.customerImageSet": {
			query:     call(byID+", $file: Upload!", `customerImageSet(id: $id, expectedVersion: $v, file: $file)`),
			variables: map[string]any{"id": w.customer, "v": 2, "file": nil}, file: "variables.file",
		},
		"Mutation.customerImageRemove": {query: call(byID, `customerImageRemove(id: $id, expectedVersion: $v)`), variables: map[string]any{"id": w.customer, "v": 2}},
		"Mutation.noteCreate":          {query: call("$id: ID!", `noteCreate(customerId: $id, input: {body: "Matrix"})`), variables: id(w.customer)},
		"Mutation.noteUpdate":          {query: call(byID, `noteUpdate(id: $id, expectedVersion: $v, input: {body: "Matrix"})`), variables: id(w.note)},
		"Mutation.noteDelete":          {query: call(byID, `noteDelete(id: $id, expectedVersion: $v)`), variables: id(w.note)},
		"Mutation.apiKeyCreate":        {query: `mutation { apiKeyCreate(input: {name: "Matrix", scopes: ["account:admin"]})` + justErrors + ` }`},
		"Mutation.apiKeyRevoke":        {query: call("$id: ID!", `apiKeyRevoke(id: $id)`), variables: id(w.apiKey)},
		"Mutation.storageLimitSet":     {query: `mutation { storageLimitSet(input: {limitBytes: 400000000})` + justErrors + ` }`},

		"Query.job":  {query: `query($id: ID!) { job(id: $id) { id rowErrors { nodes { line } } } }`, variables: id(w.job)},
		"Query.jobs": {query: `{ jobs(where: {kind: [IMPORT]}) { nodes { id } totalCount } }`},
		"Mutation.importStart": {
			query:     call("$file: Upload!", `importStart(input: {}, file: $file)`),
			variables: map[string]any{"file": nil}, file: "variables.file", content: []byte("givenName\nMatrix\n"),
		},
		"Mutation.exportStart": {query: `mutation { exportStart(input: {})` + justErrors + ` }`},
		"Mutation.jobCancel":   {query: call("$id: ID!", `jobCancel(id: $id)`), variables: id(w.job)},
		"Query.attributeDefinitions": {
			query: `query($key: String!) { attributeDefinitions(where: {keys: [$key]}) { nodes { id } totalCount } }`, variables: map[string]any{"key": w.attributeKey},
		},
		"Mutation.attributeDefinitionCreate":  {query: `mutation { attributeDefinitionCreate(input: {label: "Matrix", type: TEXT})` + justErrors + ` }`},
		"Mutation.attributeDefinitionUpdate":  {query: call(byID, `attributeDefinitionUpdate(id: $id, expectedVersion: $v, input: {label: "Matrix"})`), variables: id(w.attribute)},
		"Mutation.attributeDefinitionMove":    {query: call(byID, `attributeDefinitionMove(id: $id, expectedVersion: $v)`), variables: id(w.attribute)},
		"Mutation.attributeDefinitionArchive": {query: call(byID, `attributeDefinitionArchive(id: $id, expectedVersion: $v)`), variables: id(w.attribute)},
		"Mutation.attributeDefinitionRestore": {query: call(byID, `attributeDefinitionRestore(id: $id, expectedVersion: $v)`), variables: id(w.attribute)},
		"Mutation.attributeDefinitionDelete":  {query: call(byID, `attributeDefinitionDelete(id: $id, expectedVersion: $v)`), variables: id(w.attribute)},

		"Subscription.documentEvents": {query: `subscription($id: ID!) { documentEvents(customerId: $id) { cursor } }`, variables: id(w.customer)},
		"Subscription.events":         {query: `subscription($id: ID) { events(customerId: $id) { cursor } }`, variables: id(w.customer)},
	}
	maps.Copy(rows, settingsOperations(w))
	return rows
}

// run sends an operation the way its kind needs. A subscription that opens is an answer without errors.
func (o operation) run(t testing.TB, a actor, field string) apitest.Result {
	t.Helper()
	variables := map[string]any{}
	for name, v := range o.variables {
		if strings.Contains(o.query, "$"+name+":") { // variables that an operation does not declare are no mistake, but noise
			variables[name] = v
		}
	}
	switch {
	case strings.HasPrefix(field, "Subscription."):
		return o.subscribe(t, a, variables)
	case o.file != "":
		r, err := a.sendMultipart(t.Context(), o.query, variables, []string{o.file}, []file{o.upload()})
		if err != nil {
			t.Fatalf("%s: %v", field, err)
		}
		return r
	default:
		return a.do(t, o.query, variables)
	}
}

func (o operation) upload() file {
	if o.content != nil {
		return file{"matrix.csv", "text/csv", o.content}
	}
	return pdf("matrix.pdf", 1000)
}

func (o operation) subscribe(t testing.TB, a actor, variables map[string]any) apitest.Result {
	t.Helper()
	s, err := dialSSE(t.Context(), a, o.query, variables, "")
	if err == nil {
		_, err = s.firstError()
		defer s.cut()
	}
	if err == nil {
		return apitest.Result{Status: http.StatusOK}
	}
	refused, ok := err.(liveError) //nolint:errorlint // parseResult gives it as it is
	if !ok {
		t.Fatalf("%s: %v", o.query, err)
	}
	return apitest.Result{Status: http.StatusOK, Errors: []apitest.Error{{Extensions: map[string]any{"code": refused.code}}}}
}

// rootFields are the fields of the schema that the server serves.
func rootFields(t testing.TB, s *apitest.Server) []string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/schema.graphql", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := newActor(s, "").http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	sdl, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: string(sdl)})
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for _, def := range []*ast.Definition{schema.Query, schema.Mutation, schema.Subscription} {
		for _, f := range def.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				fields = append(fields, def.Name+"."+f.Name)
			}
		}
	}
	return fields
}
