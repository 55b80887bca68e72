package system

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// canary stands in everything that these tests send. It must never be in the log.
const canary = "Zq7Canary"

// badCase is an operation that must be refused.
type badCase struct {
	name      string
	query     string
	variables map[string]any
	// code is the first error code, path the end of the argument path or a word of the message that names the place.
	code, names string
}

// fixture is what the bad cases point at.
type fixture struct {
	world
	stale   string // a customer at version 3
	expired string // a cursor whose events are gone
	foreign string // a cursor of another list
	order   string // a cursor of customers in another order
}

func badFixture(t *testing.T, s *apitest.Server, a actor) fixture {
	t.Helper()
	f := fixture{world: build(t, a)}
	f.stale = a.customer(t, "Stale")
	for v := 1; v <= 2; v++ {
		a.must(t, updateCustomer, map[string]any{"id": f.stale, "version": v, "input": map[string]any{"familyName": fmt.Sprintf("V%d", v+1)}})
	}
	a.must(t, createCustomer, map[string]any{"key": "used-key", "input": map[string]any{"givenName": "First"}})
	data := a.must(t, `query($id: ID!) { events(first: 1) { pageInfo { endCursor } } customers(first: 1) { pageInfo { endCursor } }
		customer(id: $id) { contacts(first: 1) { pageInfo { endCursor } } } }`, map[string]any{"id": f.customer})
	f.expired = text(data, "events.pageInfo.endCursor")
	f.foreign = text(data, "customer.contacts.pageInfo.endCursor")
	f.order = text(data, "customers.pageInfo.endCursor")
	exec(t, database(t, s), `UPDATE account SET event_floor = 3 WHERE id = $1`, uuidOf(t, f.account))
	return f
}

func documentCases() []badCase {
	deep := `{ customers(first: 1) { nodes {` + strings.Repeat(` contacts(first: 1) { nodes { customer {`, 4) + ` id` + strings.Repeat(` } } }`, 4) + ` } } }`
	var aliases, roots, tokens strings.Builder
	for i := range 40 {
		fmt.Fprintf(&aliases, " a%d: id", i)
	}
	for i := range 11 {
		fmt.Fprintf(&roots, " r%d: storage { usedBytes }", i)
	}
	for range 2100 {
		tokens.WriteString(" id")
	}
	return []badCase{
		{"syntax error", `{ customer(id: "` + canary + `"`, nil, "GRAPHQL_PARSE_FAILED", ""},
		{"unknown field", `{ ` + canary + ` }`, nil, "GRAPHQL_VALIDATION_FAILED", canary},
		{"unknown argument", `{ customer(` + canary + `: 1, id: "x") { id } }`, nil, "GRAPHQL_VALIDATION_FAILED", canary},
		{"no selection", `{ customer(id: "` + canary + `") }`, nil, "GRAPHQL_VALIDATION_FAILED", "customer"},
		{"fragment cycle", `{ customer(id: "x") { ...` + canary + ` } } fragment ` + canary + ` on Customer { ...` + canary + ` }`, nil, "GRAPHQL_VALIDATION_FAILED", canary},
		{"unused fragment", `{ storage { usedBytes } } fragment ` + canary + ` on Customer { id }`, nil, "GRAPHQL_VALIDATION_FAILED", canary},
		{"unknown type of variable", `query($v: ` + canary + `) { customer(id: $v) { id } }`, nil, "GRAPHQL_VALIDATION_FAILED", "v"},
		{"missing variable", `query($id: ID!) { customer(id: $id) { id } }`, map[string]any{"other": canary}, "GRAPHQL_VALIDATION_FAILED", "id"},
		{"variable of a wrong type", `query($n: Int) { customers(first: $n) { nodes { id } } }`, map[string]any{"n": canary}, "GRAPHQL_VALIDATION_FAILED", "n"},
		{"object for a text", `query($id: ID!) { customer(id: $id) { id } }`, map[string]any{"id": map[string]any{canary: 1}}, "GRAPHQL_VALIDATION_FAILED", "id"},
		{"unknown field of an input", createCustomer, map[string]any{"input": map[string]any{canary: canary}}, "GRAPHQL_VALIDATION_FAILED", "input"},
		{"null for a list element", `query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": []any{nil, canary}}, "GRAPHQL_VALIDATION_FAILED", "ids"},
		{"wrong enum value", `{ customers(orderBy: {field: ` + canary + `}) { nodes { id } } }`, nil, "GRAPHQL_VALIDATION_FAILED", canary},
		{
			"wrong enum value in a variable", `query($k: [CustomerKind!]) { customers(where: {kind: $k}) { nodes { id } } }`,
			map[string]any{"k": []any{canary}},
			"GRAPHQL_VALIDATION_FAILED", "k",
		},
		{"too deep", deep, nil, "QUERY_TOO_COMPLEX", "deeper"},
		{"too many aliases", `{ account {` + aliases.String() + ` } }`, nil, "QUERY_TOO_COMPLEX", "aliases"},
		{"too many root fields", `{` + roots.String() + ` }`, nil, "QUERY_TOO_COMPLEX", "root fields"},
		{"too many tokens", `{ account {` + tokens.String() + ` } }`, nil, "QUERY_TOO_COMPLEX", "2000"},
		{
			"two mutation fields", `mutation { a: customerCreate(input: {givenName: "` + canary + `"}) { customer { id } }
			b: customerCreate(input: {givenName: "` + canary + `"}) { customer { id } } }`, nil, "BAD_USER_INPUT", "mutation",
		},
		{"a subscription without a live transport", `subscription { events { cursor } }`, map[string]any{"x": canary}, "BAD_USER_INPUT", "ubscription"},
	}
}

func pagingCases(f fixture) []badCase {
	const customers = `query($first: Int, $last: Int, $after: String, $before: String, $order: CustomerOrder) {
		customers(first: $first, last: $last, after: $after, before: $before, orderBy: $order) { nodes { id } } }`
	const events = `query($after: EventCursor) { events(after: $after) { nodes { id } } }`
	ids := make([]any, 101)
	for i := range ids {
		ids[i] = canary
	}
	return []badCase{
		{"first over the limit", customers, map[string]any{"first": 101}, "BAD_USER_INPUT", "first"},
		{"last over the limit", customers, map[string]any{"last": 1000000}, "BAD_USER_INPUT", "last"},
		{"negative first", customers, map[string]any{"first": -1}, "BAD_USER_INPUT", "first"},
		{"first and last together", customers, map[string]any{"first": 1, "last": 1}, "BAD_USER_INPUT", "last"},
		{"nested first over the limit", `{ customers(first: 1) { nodes { contacts(first: 101) { nodes { id } } } } }`, nil, "BAD_USER_INPUT", "first"},
		{"cursor of nothing", customers, map[string]any{"after": canary}, "INVALID_CURSOR", "after"},
		{"cursor before of nothing", customers, map[string]any{"before": canary}, "INVALID_CURSOR", "before"},
		{"cursor of another list", customers, map[string]any{"after": f.foreign}, "INVALID_CURSOR", "after"},
		{"cursor of another order", customers, map[string]any{"after": f.order, "order": map[string]any{"field": "CREATED_AT"}}, "INVALID_CURSOR", "after"},
		{"event cursor of nothing", events, map[string]any{"after": canary}, "INVALID_CURSOR", "after"},
		{"empty event cursor", events, map[string]any{"after": ""}, "INVALID_CURSOR", "after"},
		{"expired event cursor", events, map[string]any{"after": f.expired}, "CURSOR_EXPIRED", "after"},
		{"101 nodes", `query($ids: [ID!]!) { nodes(ids: $ids) { id } }`, map[string]any{"ids": ids}, "", "ids"},
	}
}

// inputCases are refused by the rules of the nouns, as userErrors.
func inputCases(f fixture) []badCase {
	create := func(input map[string]any) map[string]any { return map[string]any{"input": input} }
	many := func(n int, v any) []any { return slices.Repeat([]any{v}, n) }
	const begin = `mutation($input: DocumentUploadBeginInput!) { documentUploadBegin(input: $input) { uploadSession { id } userErrors { __typename code message path } } }`
	const keys = `mutation($input: ApiKeyCreateInput!) { apiKeyCreate(input: $input) { apiKey { id } secret userErrors { __typename code message path } } }`
	return []badCase{
		{"no name at all", createCustomer, create(map[string]any{}), "REQUIRED", "input"},
		{"company without a name", createCustomer, create(map[string]any{"kind": "COMPANY", "givenName": canary}), "REQUIRED", "companyName"},
		{"name too long", createCustomer, create(map[string]any{"givenName": strings.Repeat(canary, 30)}), "BAD_USER_INPUT", "givenName"},
		{"NUL in a name", createCustomer, create(map[string]any{"givenName": canary + "\x00"}), "BAD_USER_INPUT", "givenName"},
		{
			"bad e-mail", createCustomer, create(map[string]any{"givenName": "A", "emails": []any{map[string]any{"address": canary}}}),
			"BAD_USER_INPUT", "input.emails.0.address",
		},
		{
			"bad telephone number of a contact", createCustomer,
			create(map[string]any{"kind": "COMPANY", "companyName": "A", "contacts": []any{map[string]any{"givenName": "B", "phones": []any{map[string]any{"number": canary}}}}}),
			"BAD_USER_INPUT", "input.contacts.0.phones.0.number",
		},
		{
			"bad country", createCustomer, create(map[string]any{"givenName": "A", "addresses": []any{map[string]any{"addressCountry": canary}}}),
			"BAD_USER_INPUT", "input.addresses.0.addressCountry",
		},
		{
			"21 e-mails", createCustomer, create(map[string]any{"givenName": "A", "emails": many(21, map[string]any{"address": canary + "@example.com"})}),
			"", "input.emails",
		},
		{
			"51 contacts", createCustomer, create(map[string]any{"kind": "COMPANY", "companyName": "A", "contacts": many(51, map[string]any{"givenName": canary})}),
			"", "input.contacts",
		},
		{"empty idempotency key", createCustomer, map[string]any{"key": "", "input": map[string]any{"givenName": canary}}, "BAD_USER_INPUT", "idempotencyKey"},
		{
			"idempotency key too long", createCustomer,
			map[string]any{"key": strings.Repeat("k", 256), "input": map[string]any{"givenName": canary}},
			"BAD_USER_INPUT", "idempotencyKey",
		},
		{
			"reused idempotency key", createCustomer,
			map[string]any{"key": "used-key", "input": map[string]any{"givenName": canary}},
			"IDEMPOTENCY_KEY_REUSED", "idempotencyKey",
		},
		{"malformed id", updateCustomer, map[string]any{"id": canary, "version": 1, "input": map[string]any{"givenName": canary}}, "NOT_FOUND", "id"},
		{"id of another type", updateCustomer, map[string]any{"id": f.document, "version": 1, "input": map[string]any{"givenName": canary}}, "NOT_FOUND", "id"},
		{"stale version", updateCustomer, map[string]any{"id": f.stale, "version": 2, "input": map[string]any{"familyName": canary}}, "VERSION_CONFLICT", "expectedVersion"},
		{"a version beyond 32 bits", updateCustomer, map[string]any{"id": f.stale, "version": 1 << 40, "input": map[string]any{"familyName": canary}}, "", "ersion"},
		{"negative version", updateCustomer, map[string]any{"id": f.stale, "version": -1, "input": map[string]any{"familyName": canary}}, "", "expectedVersion"},
		{"title too long", createEntry, map[string]any{"customer": f.customer, "input": map[string]any{
			"kind": "CALL", "at": "2030-01-01T00:00:00Z", "title": strings.Repeat(canary, 30),
		}}, "BAD_USER_INPUT", "input.title"},
		{"no time", createEntry, map[string]any{"customer": f.customer, "input": map[string]any{"kind": "CALL", "at": canary, "title": "x"}}, "", "at"},
		{"no bytes", begin, create(map[string]any{"customerId": f.customer, "fileName": canary, "sizeBytes": 0}), "BAD_USER_INPUT", "sizeBytes"},
		{"too many bytes", begin, create(map[string]any{"customerId": f.customer, "fileName": canary, "sizeBytes": 1 << 40}), "PAYLOAD_TOO_LARGE", "sizeBytes"},
		{"no date", begin, create(map[string]any{"customerId": f.customer, "fileName": canary, "sizeBytes": 9, "expiresOn": canary}), "", "expiresOn"},
		{"unknown scope", keys, create(map[string]any{"name": canary, "scopes": []any{canary}}), "BAD_USER_INPUT", "input.scopes.0"},
		{"no scope", keys, create(map[string]any{"name": canary, "scopes": []any{}}), "REQUIRED", "input.scopes"},
		{"key that has expired", keys, create(map[string]any{"name": canary, "scopes": []any{"read"}, "expiresAt": "2001-01-01T00:00:00Z"}), "BAD_USER_INPUT", "input.expiresAt"},
		{"a text where a file must be", uploadDocument, map[string]any{"input": map[string]any{"customerId": f.customer}, "files": []any{canary}}, "", "file"},
		{"nothing where a file must be", uploadDocument, map[string]any{"input": map[string]any{"customerId": f.customer}, "files": []any{}}, "REQUIRED", "files"},
	}
}

// TestBadInputIsNamedAndChangesNothing sends what is wrong in every way and looks at the answers, the rows and the log.
func TestBadInputIsNamedAndChangesNothing(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 2, "--log-level=debug")
	a := staff(t, s, auth.Admin)
	f := badFixture(t, s, a)
	db := database(t, s)
	before := fingerprint(t, db, uuidOf(t, f.account))
	for _, c := range slices.Concat(documentCases(), pagingCases(f), inputCases(f)) {
		t.Run(c.name, func(t *testing.T) { wantBad(t, a, c) }) //nolint:paralleltest // one log is looked at in the end
	}
	t.Run("stale version in detail", func(t *testing.T) { wantConflictDetail(t, a, f) })
	t.Run("requests", func(t *testing.T) { badRequests(t, s, a) })
	t.Run("tokens", func(t *testing.T) { badTokens(t, s) })
	t.Run("subscriptions", func(t *testing.T) { badSubscriptions(t, a, f) })
	wantUnchanged(t, "bad input", before, fingerprint(t, db, uuidOf(t, f.account)))
	wantQuietLog(t, s)
}

// wantQuietLog looks for what a customer wrote, and for panics, in all that the server has printed.
func wantQuietLog(t *testing.T, s *apitest.Server, secrets ...string) {
	t.Helper()
	for line := range strings.Lines(s.Output()) {
		for _, secret := range append(secrets, canary) {
			if strings.Contains(line, secret) {
				t.Errorf("the log has what a customer wrote: %s", line)
			}
		}
		if strings.Contains(line, `"panic"`) || strings.Contains(line, "goroutine ") {
			t.Errorf("the log has a panic: %s", line)
		}
	}
}

func wantBad(t *testing.T, a actor, c badCase) {
	r := a.do(t, c.query, c.variables)
	got := codes(r)
	if len(got) == 0 || c.code != "" && got[0] != c.code || c.code == "" && got[0] == "INTERNAL" {
		t.Errorf("status %d, codes %v (%v %v), want %s", r.Status, got, r.Errors, userErrors(r), c.code)
		return
	}
	t.Logf("status %d, %v: %v %v", r.Status, got, r.Errors, userErrors(r))
	for _, e := range r.Errors {
		if e.Extensions["requestId"] == nil {
			t.Errorf("a top-level error has no requestId: %v", e)
		}
	}
	if all := described(r); !strings.Contains(all, c.names) {
		t.Errorf("the error does not name %q: %s", c.names, all)
	}
}

// described is all that an error says about its place.
func described(r apitest.Result) string {
	var b strings.Builder
	for _, e := range r.Errors {
		fmt.Fprint(&b, e.Message, " ", e.Path, " ", e.Extensions, "\n")
	}
	for _, e := range userErrors(r) {
		fmt.Fprint(&b, text(e, "message"), " ")
		for i, step := range list(e, "path") {
			if i > 0 {
				b.WriteString(".")
			}
			fmt.Fprint(&b, step)
		}
	}
	return b.String()
}

func wantConflictDetail(t *testing.T, a actor, f fixture) {
	r := a.do(t, updateCustomer, map[string]any{"id": f.stale, "version": 1, "input": map[string]any{"familyName": canary, "givenName": "G"}})
	errs := userErrors(r)
	if len(errs) != 1 || text(errs[0], "__typename") != "VersionConflictError" || number(errs[0], "currentVersion") != 3 ||
		fmt.Sprint(list(errs[0], "conflictingFields")) != "[familyName]" || text(errs[0], "current.familyName") != "V3" ||
		fmt.Sprint(list(errs[0], "path")) != "[expectedVersion]" {
		t.Errorf("got %v %v", r.Errors, errs)
	}
}

// badRequests are wrong before there is an operation.
func badRequests(t *testing.T, s *apitest.Server, a actor) {
	big, err := json.Marshal(map[string]any{"query": "{ storage { usedBytes } }", "variables": map[string]any{"x": strings.Repeat(canary, 40_000)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, contentType, body string
		status                  int
		code                    string
	}{
		{"oversize body", "application/json", string(big), 413, "PAYLOAD_TOO_LARGE"},
		{"no JSON", "application/json", canary, 400, "BAD_USER_INPUT"},
		{"empty body", "application/json", "", 400, "BAD_USER_INPUT"},
		{"a batch", "application/json", `[{"query": "{ storage { usedBytes } }"}]`, 400, "BAD_USER_INPUT"},
		{"no query", "application/json", `{"variables": {"` + canary + `": 1}}`, 400, "BAD_USER_INPUT"},
		{"query of a wrong type", "application/json", `{"query": {"` + canary + `": 1}}`, 400, "BAD_USER_INPUT"},
		{"variables of a wrong type", "application/json", `{"query": "{ storage { usedBytes } }", "variables": "` + canary + `"}`, 400, "BAD_USER_INPUT"},
		{"two values", "application/json", `{"query": "{ storage { usedBytes } }"} {"` + canary + `": 1}`, 400, "BAD_USER_INPUT"},
		{"plain text", "text/plain", `{"query": "{ storage { usedBytes } }"}`, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"other characters", "application/json; charset=utf-16", `{"query": "{ storage { usedBytes } }"}`, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"unknown operation", "application/json", `{"query": "query A { storage { usedBytes } }", "operationName": "` + canary + `"}`, 200, ""},
		{"an upload without multipart", "multipart/form-data", canary, 400, "BAD_USER_INPUT"},
	} {
		for _, chunked := range []bool{false, true} {
			req, err := a.post(t.Context(), c.contentType, bytes.NewReader([]byte(c.body)))
			if err != nil {
				t.Fatal(err)
			}
			if chunked {
				req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(c.body))
			}
			req.Header.Set("GraphQL-Require-Preflight", "1")
			r, err := a.send(req)
			if err != nil {
				t.Errorf("%s (chunked %v): %v", c.name, chunked, err)
			} else if r.Status != c.status || len(codes(r)) == 0 || c.code != "" && codes(r)[0] != c.code {
				t.Errorf("%s (chunked %v): status %d, %v, want %d %s", c.name, chunked, r.Status, r.Errors, c.status, c.code)
			}
		}
	}
	for _, target := range []string{"/files/" + canary, "/blobs/" + canary, "/" + canary, "/graphql?query=" + canary, "/graphql?" + canary + "=%zz", "/dev/issuer/" + canary} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+target, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := a.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode < 400 || resp.StatusCode >= 500 {
			t.Errorf("GET %s: status %d", target, resp.StatusCode)
		}
	}
}

// badTokens are refused with 401 and a code; none of them is in the log.
func badTokens(t *testing.T, s *apitest.Server) {
	good := s.Token(t, auth.Admin)
	for _, header := range []string{
		"Bearer " + canary, "Bearer dsk_" + canary, "Basic " + canary, "Bearer", "Bearer " + good + canary, "Bearer " + unsigned(good),
		"Bearer " + good + " " + canary, "Bearer " + strings.Repeat(canary, 2000), "bearer\t" + canary,
	} {
		req, err := newActor(s, "").request(t.Context(), `{ storage { usedBytes } }`, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", header)
		r, err := newActor(s, "").send(req)
		if err != nil || r.Status != http.StatusUnauthorized || !slices.Equal(codes(r), []string{"UNAUTHENTICATED"}) {
			t.Errorf("%.40s: status %d %v %v, want 401 UNAUTHENTICATED", header, r.Status, r.Errors, err)
		}
	}
	wantQuietLog(t, s, good)
}

// badSubscriptions are refused on both live transports with the codes of the other ones.
func badSubscriptions(t *testing.T, a actor, f fixture) {
	for _, c := range []struct {
		variables map[string]any
		code      string
	}{
		{map[string]any{"after": canary}, "INVALID_CURSOR"},
		{map[string]any{"after": f.expired}, "CURSOR_EXPIRED"},
		{map[string]any{"customer": canary}, "NOT_FOUND"},
		{map[string]any{"customer": f.document}, "NOT_FOUND"},
		{map[string]any{"types": []any{canary}}, "GRAPHQL_VALIDATION_FAILED"},
	} {
		for _, sse := range []bool{true, false} {
			err := subscribeOnce(t, a, sse, c.variables)
			if refused, ok := err.(liveError); !ok || refused.code != c.code { //nolint:errorlint // as it is
				t.Errorf("%v (sse %v) gives %v, want %s", c.variables, sse, err, c.code)
			}
		}
	}
}
