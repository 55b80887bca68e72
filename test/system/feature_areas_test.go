package system

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"dossier/internal/apitest"
)

const documentFields = ` id version title description tags purpose visibility expiresOn retentionUntil kind source status
	customer { id } area { key label maxFiles maxFileBytes accept required customerVisible archivedAt definition { id key } } currentVersion { number fileName contentType }`

// uploadAs uploads files with an input.
func (a actor) uploadAs(t testing.TB, input map[string]any, files ...file) apitest.Result {
	t.Helper()
	paths, empty := make([]string, len(files)), make([]any, len(files))
	for i := range files {
		paths[i] = fmt.Sprint("variables.files.", i)
	}
	r, err := a.sendMultipart(t.Context(), `mutation($input: DocumentUploadInput!, $files: [Upload!]!) { documentUpload(input: $input, files: $files) {
		results { fileName document {`+documentFields+` } userErrors { code message path } } userErrors { code message path } } }`,
		map[string]any{"input": input, "files": empty}, paths, files)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// fileAway uploads one file that must be taken, and gives the document.
func (a actor) fileAway(t testing.TB, input map[string]any, f file) map[string]any {
	t.Helper()
	r := a.uploadAs(t, input, f)
	wantSuccess(t, "documentUpload", r)
	d, _ := at(r.Data, "documentUpload.results.0.document").(map[string]any)
	return d
}

// filed is the input of an upload to an area of a customer.
func filed(customer any, area string) map[string]any {
	return map[string]any{"customerId": customer, "areaKey": area}
}

// refusals are the codes and paths of what stands in the way of an upload, of all files and of each.
func refusals(r apitest.Result) []string {
	out := lines(r.Data, "documentUpload")
	for i := range list(r.Data, "documentUpload.results") {
		out = append(out, lines(r.Data, fmt.Sprint("documentUpload.results.", i))...)
	}
	return out
}

func (a actor) areaKeys(t testing.TB, arguments string) []string {
	t.Helper()
	return keys(list(a.must(t, `{ documentAreas`+arguments+` { key } }`, nil), "documentAreas"))
}

// put sends a content straight to the object store.
func put(t testing.TB, a actor, session any, content []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), text(session, "uploadMethod"), text(session, "uploadUrl"), bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list(session, "uploadHeaders") {
		req.Header.Set(text(h, "name"), text(h, "value"))
	}
	resp, err := a.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		t.Fatalf("%s to the store: status %d", text(session, "uploadMethod"), resp.StatusCode)
	}
}

func smallPNG() file { return picture("photo.png", 20, 20) }

func TestRowE2FilesAreSortedIntoAreas(t *testing.T) {
	a := featureActor(t)
	builder, other := a.someTypes(t)
	a.define(t, map[string]any{"label": "Contracts", "type": "FILE", "accept": []any{"application/pdf"}, "customerVisible": true})
	a.define(t, map[string]any{"label": "Photos", "type": "FILE", "accept": []any{"IMAGE"}, "maxFiles": 3})
	a.define(t, map[string]any{"label": "Sites", "type": "FILE", "customerTypeIds": []any{builder}})
	c := a.create(t, map[string]any{"givenName": "Ada", "typeId": other})
	id := text(c, "id")
	want(t, "the tabs", a.areaKeys(t, ""), []string{"general", "contracts", "photos", "sites"})
	want(t, "those of a customer", a.areaKeys(t, fmt.Sprintf(`(customerId: %q)`, id)), []string{"general", "contracts", "photos"})
	want(t, "those of a type", a.areaKeys(t, fmt.Sprintf(`(typeId: %q)`, builder)), []string{"general", "contracts", "photos", "sites"})

	a.fileAway(t, filed(id, "contracts"), pdf("lease.pdf", 2000))
	d := a.fileAway(t, filed(id, "photos"), smallPNG())
	a.fileAway(t, map[string]any{"customerId": id}, pdf("any.pdf", 2000))
	want(t, "the area of a document", fmt.Sprint(at(d, "area.key"), at(d, "area.label"), at(d, "area.maxFiles"), at(d, "area.accept"), at(d, "area.definition.key")), "photosPhotos3 [IMAGE]photos")
	want(t, "a picture among contracts", refusals(a.uploadAs(t, filed(id, "contracts"), smallPNG())), []string{"UNSUPPORTED_MEDIA_TYPE [files 0]"})
	want(t, "an area of other customers", refusals(a.uploadAs(t, filed(id, "sites"), pdf("a.pdf", 99))), []string{"CONFLICT [input areaKey]"})
	want(t, "no such area", refusals(a.uploadAs(t, filed(id, "none"), pdf("a.pdf", 99))), []string{"NOT_FOUND [input areaKey]"})

	data := a.must(t, `query($id: ID!) { customer(id: $id) { attributes { key ... on FileAttributeValue { documents(first: 5) { totalCount nodes { title area { key } } } } }
		contracts: documents(where: {areaKey: ["contracts"]}) { nodes { title } } loose: documents(where: {areaKey: ["general"]}) { nodes { title } }
		both: documents(where: {areaKey: ["contracts", "photos"]}) { totalCount } } }`, map[string]any{"id": id})
	want(t, "the values of a customer", fmt.Sprint(at(data, "customer.attributes")),
		"[map[documents:map[nodes:[map[area:map[key:contracts] title:lease.pdf]] totalCount:1] key:contracts] "+
			"map[documents:map[nodes:[map[area:map[key:photos] title:photo.png]] totalCount:1] key:photos]]")
	want(t, "filters", fmt.Sprint(at(data, "customer.contracts.nodes"), at(data, "customer.loose.nodes"), at(data, "customer.both.totalCount")),
		"[map[title:lease.pdf]] [map[title:any.pdf]] 2")
	a.create(t, map[string]any{"givenName": "Bob"})
	want(t, "who has a contract", a.found(t, `{attributes: [{key: "contracts"}]}`), []string{"Ada"})
	want(t, "who has none", a.found(t, `{attributes: [{key: "contracts", exists: false}]}`), []string{"Bob"})
}

func TestRowE8AnAreaIsAnAttributeWithANameAndTheTypeFile(t *testing.T) {
	a := featureActor(t)
	d := a.define(t, map[string]any{"label": "Verträge", "type": "FILE", "accept": []any{"OFFICE", "image/*"}, "maxFiles": 2, "maxFileBytes": 3000})
	want(t, "its key", d["key"], "vertrage")
	c := a.customer(t, "Ada")
	want(t, "too large a file", refusals(a.uploadAs(t, filed(c, "vertrage"), pdf("a.pdf", 3001))), []string{"PAYLOAD_TOO_LARGE [files 0]"})
	doc := a.fileAway(t, filed(c, "vertrage"), pdf("a.pdf", 3000))
	want(t, "its limit", at(doc, "area.maxFileBytes"), float64(3000))
	_, errs := a.redefine(t, "attributeDefinitionUpdate", ", input: $input", d, map[string]any{"input": map[string]any{"type": "TEXT"}})
	want(t, "another type", errs, []string{"CONFLICT [input type]"})
	words := a.define(t, map[string]any{"label": "Words", "type": "TEXT"})
	_, errs = a.redefine(t, "attributeDefinitionUpdate", ", input: $input", words, map[string]any{"input": map[string]any{"type": "FILE"}})
	want(t, "another attribute as an area", errs, []string{"CONFLICT [input type]"})
	next, errs := a.redefine(t, "attributeDefinitionUpdate", ", input: $input", d, map[string]any{"input": map[string]any{"maxFileBytes": nil}})
	want(t, "user errors", errs, []string(nil))
	data := a.must(t, `query($id: ID!) { node(id: $id) { ... on AttributeDefinition { maxFileBytes } } documentAreas { key maxFileBytes } account { limits { maxFileBytes } } }`,
		map[string]any{"id": next["id"]})
	want(t, "without a limit of its own, the account's", at(data, "documentAreas.1.maxFileBytes"), at(data, "account.limits.maxFileBytes"))
	want(t, "the definition's own", at(data, "node.maxFileBytes"), nil)
}

func TestRowE9ARequiredAreaIsATaskUntilItHasADocument(t *testing.T) {
	a := featureActor(t)
	builder, other := a.someTypes(t)
	a.define(t, map[string]any{"label": "Passport", "type": "FILE", "required": true, "customerTypeIds": []any{builder}})
	input := func(name, customerType string) map[string]any {
		return map[string]any{
			"givenName": name, "typeId": customerType, "emails": []any{map[string]any{"address": name + "@example.com"}},
			"phones": []any{map[string]any{"number": "+4930901820"}}, "addresses": []any{map[string]any{"addressLocality": name}},
		}
	}
	create := func(in map[string]any) string { // that two share a number is no matter here
		data := a.must(t, `mutation($input: CustomerCreateInput!) { customerCreate(input: $input, allowDuplicate: true) { customer { id } userErrors { message path } } }`,
			map[string]any{"input": in})
		return text(data, "customerCreate.customer.id")
	}
	ada, bob := create(input("ada", builder)), create(input("bob", other))
	tasks := func(customer string) string {
		return fmt.Sprint(at(a.must(t, `query($id: ID!) { customer(id: $id) { setupTasks } }`, map[string]any{"id": customer}), "customer.setupTasks"))
	}
	want(t, "a builder's tasks", tasks(ada), "[ADD_DOCUMENT]")
	want(t, "another one's", tasks(bob), "[]")
	d := a.fileAway(t, filed(ada, "passport"), pdf("pass.pdf", 900))
	want(t, "afterwards", tasks(ada), "[]")
	a.must(t, `mutation($id: ID!) { documentArchive(id: $id, expectedVersion: 1) { userErrors { message path } } }`, map[string]any{"id": d["id"]})
	want(t, "when it was archived", tasks(ada), "[ADD_DOCUMENT]")
}

func TestRowE10AndE16TheGeneralAreaIsThereWithoutSetupAndStays(t *testing.T) {
	a := featureActor(t)
	want(t, "the areas of a new account", a.areaKeys(t, ""), []string{"general"})
	c := a.customer(t, "Ada")
	d := a.fileAway(t, map[string]any{"customerId": c}, pdf("a.pdf", 900))
	want(t, "its area", fmt.Sprint(at(d, "area.key"), "|", at(d, "area.label"), "|", at(d, "area.definition"), "|", at(d, "area.required")), "general|General documents|<nil>|false")
	want(t, "named", at(a.fileAway(t, filed(c, "general"), pdf("b.pdf", 900)), "area.key"), "general")
	r := a.do(t, `mutation { attributeDefinitionCreate(input: {key: "general", label: "x", type: FILE}) { userErrors { code path } } }`, nil)
	want(t, "a rival of the general area", lines(r.Data, "attributeDefinitionCreate"), []string{"CONFLICT [input key]"})
	want(t, "one of its label", a.define(t, map[string]any{"label": "General", "type": "FILE"})["key"], "general_2")
}

func TestRowE10AnAreaInUseIsArchivedNotDeleted(t *testing.T) {
	a := featureActor(t)
	area := a.define(t, map[string]any{"label": "Contracts", "type": "FILE"})
	c := a.customer(t, "Ada")
	d := a.fileAway(t, filed(c, "contracts"), pdf("a.pdf", 900))
	remove := func(definition map[string]any) []string {
		r := a.do(t, `mutation($id: ID!, $v: Int!) { attributeDefinitionDelete(id: $id, expectedVersion: $v) { userErrors { code path } } }`,
			map[string]any{"id": definition["id"], "v": definition["version"]})
		return lines(r.Data, "attributeDefinitionDelete")
	}
	want(t, "deleting it", remove(area), []string{"CONFLICT [id]"})
	archived, errs := a.redefine(t, "attributeDefinitionArchive", "", area, nil)
	want(t, "archiving it", errs, []string(nil))
	want(t, "a new document", refusals(a.uploadAs(t, filed(c, "contracts"), pdf("b.pdf", 900))), []string{"CONFLICT [input areaKey]"})
	want(t, "the tabs", a.areaKeys(t, ""), []string{"general"})
	want(t, "those of the customer who has something there", a.areaKeys(t, fmt.Sprintf(`(customerId: %q)`, c)), []string{"general", "contracts"})
	data := a.must(t, `query($id: ID!) { document(id: $id) { area { key archivedAt } } }`, map[string]any{"id": d["id"]})
	if at(data, "document.area.archivedAt") == nil {
		t.Errorf("the document is in %v, want an archived area", at(data, "document.area"))
	}
	a.must(t, `mutation($id: ID!) { documentMove(id: $id, expectedVersion: 1, areaKey: "general") { userErrors { message path } } }`, map[string]any{"id": d["id"]})
	want(t, "deleting it when it is empty", remove(archived), []string(nil))
}

func TestRowE14DocumentsAreUploadedInTheCustomersCardOnBothWays(t *testing.T) {
	a := featureActor(t)
	a.define(t, map[string]any{"label": "Contracts", "type": "FILE"})
	c := a.customer(t, "Ada")
	said := map[string]any{
		"customerId": c, "areaKey": "contracts", "description": "Signed", "purpose": "LEGAL", "visibility": "CUSTOMER", "tags": []any{"2026", "lease"},
		"expiresOn": "2040-05-01", "retentionUntil": "2041-01-01",
	}
	streamed := a.fileAway(t, said, pdf("lease.pdf", 5000))
	said["fileName"], said["sizeBytes"] = "lease.pdf", 5000
	data := a.must(t, `mutation($input: DocumentUploadBeginInput!) { documentUploadBegin(input: $input) {
		uploadSession { id uploadUrl uploadMethod uploadHeaders { name value } } userErrors { message path } } }`, map[string]any{"input": said})
	put(t, a, at(data, "documentUploadBegin.uploadSession"), pdf("lease.pdf", 5000).content)
	data = a.must(t, `mutation($id: ID!) { documentUploadComplete(uploadSessionId: $id) { document {`+documentFields+` } userErrors { message path } } }`,
		map[string]any{"id": at(data, "documentUploadBegin.uploadSession.id")})
	direct, _ := at(data, "documentUploadComplete.document").(map[string]any)
	for _, d := range []map[string]any{streamed, direct} {
		delete(d, "id")
	}
	want(t, "what came straight to the store", fmt.Sprint(direct), fmt.Sprint(streamed))
	want(t, "what was said", fmt.Sprint(streamed["description"], streamed["purpose"], streamed["visibility"], streamed["tags"], streamed["expiresOn"], streamed["retentionUntil"]),
		"SignedLEGALCUSTOMER[2026 lease]2040-05-012041-01-01")
}

func TestRowE17OneAreaIsOneDefinitionOnAllSurfaces(t *testing.T) {
	a := featureActor(t)
	d := a.define(t, map[string]any{"label": "Wishes", "type": "FILE", "customerVisible": true, "accept": []any{"image/*"}})
	c := a.customer(t, "Ada")
	a.fileAway(t, filed(c, "wishes"), smallPNG())
	data := a.must(t, `query($id: ID!) { documentAreas(customerId: $id) { key customerVisible accept definition { id } }
		customer(id: $id) { attributes { definition { id } } documents { nodes { area { definition { id } } } } } }`, map[string]any{"id": c})
	for _, path := range []string{"documentAreas.1.definition.id", "customer.attributes.0.definition.id", "customer.documents.nodes.0.area.definition.id"} {
		want(t, path, at(data, path), d["id"])
	}
	want(t, "what customers may", fmt.Sprint(at(data, "documentAreas.1.customerVisible"), at(data, "documentAreas.1.accept")), "true [image/*]")
}

func TestAnAreaTakesNoMoreThanItsPlaces(t *testing.T) {
	a := featureActor(t)
	a.define(t, map[string]any{"label": "Few", "type": "FILE", "maxFiles": 4})
	c := a.customer(t, "Ada")
	var group sync.WaitGroup
	var mu sync.Mutex
	taken, refused := 0, []string(nil)
	for range 12 {
		group.Go(func() {
			r := a.uploadAs(t, filed(c, "few"), pdf("a.pdf", 3000), pdf("b.pdf", 3000))
			mu.Lock()
			defer mu.Unlock()
			for i := range 2 {
				if text(r.Data, fmt.Sprintf("documentUpload.results.%d.document.id", i)) != "" {
					taken++
				}
			}
			refused = append(refused, refusals(r)...)
		})
	}
	group.Wait()
	want(t, "documents", taken, 4)
	refused = slices.DeleteFunc(refused, func(s string) bool { return !strings.HasPrefix(s, "CONFLICT [files ") })
	want(t, "refusals", len(refused), 20)
}
