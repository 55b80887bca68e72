package read_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// errorsOf writes the errors of an answer as "CODE path".
func errorsOf(a answer) []string {
	var list []string
	for _, err := range a.Errors {
		list = append(list, fmt.Sprint(err.Extensions["code"], " ", err.Path))
	}
	return list
}

// lookup gives the value at a dotted path of the data.
func (a answer) lookup(t testing.TB, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(a.Data, &v); err != nil {
		t.Fatalf("%v in %s (errors %v)", err, a.Data, a.Errors)
	}
	for _, key := range strings.Split(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(at) {
				t.Fatalf("no %s in %s", path, a.Data)
			}
			v = at[i]
		default:
			t.Fatalf("no %s in %s (errors %v)", path, a.Data, a.Errors)
		}
	}
	return v
}

// seeded is an env with a world in it.
type seeded struct {
	*env
	w        *world
	own, out uuid.UUID // two accounts
}

func newSeeded(t testing.TB, change ...func(*read.Config)) *seeded {
	t.Helper()
	s := &seeded{env: newEnv(t, change...), w: newWorld(2, 12)}
	s.w.insert(t, s.pool)
	s.own, s.out = s.w.accounts[0], s.w.accounts[1]
	return s
}

// some gives the id of some row of the account's.
func (s *seeded) some(table string, account uuid.UUID, holds func(row) bool) string {
	s.t.Helper()
	rows := s.w.rows(table, account, holds)
	if len(rows) == 0 {
		s.t.Fatalf("no such row in %s", table)
	}
	return typeid.Format(typePrefixes[tableTypes[table]], rows[0].id())
}

func TestRefusedArgumentsNameTheFieldAndLeaveTheOthers(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	customer := s.some("customer", s.own, all)
	vars := map[string]any{"id": customer, "doc": s.some("document", s.own, all), "out": s.some("customer", s.out, all)}
	deep := "where: {and: [{and: [{and: [{or: [{kind: PERSON}]}]}]}]}"
	eleven := "where: {or: [" + strings.Repeat("{},", 11) + "]}"
	for _, c := range []struct{ field, want string }{
		{`customers(first: 101) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(first: -1) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(last: 101) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(first: 1, last: 1) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(after: "nonsense") { totalCount }`, "INVALID_CURSOR x"},
		{`customers(before: "") { totalCount }`, "INVALID_CURSOR x"},
		{`customers(where: {ids: ["` + vars["doc"].(string) + `"]}) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(where: {ids: ["x"]}) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(` + deep + `) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(` + eleven + `) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(where: {displayNameStartsWith: "a\u0000"}) { totalCount }`, "BAD_USER_INPUT x"},
		{`customers(where: {email: "` + strings.Repeat("x", 2000) + `"}) { totalCount }`, "BAD_USER_INPUT x"},
		{`customer(id: $id) { contacts(first: 1000) { totalCount } }`, "BAD_USER_INPUT x.contacts"},
		{`customer(id: $id) { documents(where: {createdAt: {gte: "yesterday"}}) { totalCount } }`, "BAD_USER_INPUT x.documents"},
		{`node(id: $id) { ... on Customer { timeline(after: "AAAA") { nodes { id } } } }`, "INVALID_CURSOR x.timeline"},
		{`customers { edges { node { c: contacts(last: -5) { nodes { id } } } } }`, "BAD_USER_INPUT x.edges.node.c"},
		{`nodes(ids: [` + strings.Repeat(`"x",`, 101) + `]) { id }`, "BAD_USER_INPUT x"},
		{`events(first: 101) { totalCount }`, "BAD_USER_INPUT x"},
		{`events(after: "nonsense") { totalCount }`, "INVALID_CURSOR x"},
		{`events(customerId: $out) { totalCount }`, "NOT_FOUND x"},
		{`events(customerId: "nonsense") { nodes { id } }`, "NOT_FOUND x"},
		{`events(customerId: $doc) { nodes { id } }`, "NOT_FOUND x"},
	} {
		query := "query($id: ID!, $doc: ID!, $out: ID!) { x: " + c.field +
			" a: node(id: $id) { id } b: node(id: $doc) { id } c: node(id: $out) { id } }"
		a := s.ask(admin(s.own), query, vars)
		if got := errorsOf(a); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s\ngot errors %v, want %s", c.field, a.Errors, c.want)
			continue
		}
		if strings.Contains(a.Errors[0].Message, "internal") || strings.Contains(a.Errors[0].Message, "SQL") {
			t.Errorf("%s\ngot the message %q", c.field, a.Errors[0].Message)
		}
		if nullable := strings.HasPrefix(c.field, "customer(") || strings.HasPrefix(c.field, "node("); nullable {
			if a.lookup(t, "x") != nil || a.lookup(t, "a.id") != customer || a.lookup(t, "c") != nil {
				t.Errorf("%s\ngot %s, want x and c null and a there", c.field, a.Data)
			}
		} else if string(a.Data) != "null" {
			t.Errorf("%s\ngot %s, want null: the field cannot be null", c.field, a.Data)
		}
	}
}

func TestVariablesOfNestedArgumentsAreChecked(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	id := s.some("customer", s.own, all)
	const query = `query($id: ID!, $d: TimelineDirection = UPCOMING, $e: TimelineDirection, $k: [TimelineKind!], $n: Int, $at: DateTime) { customer(id: $id) {
		timeline(direction: $d, kinds: $k, first: $n) { totalCount } e: timeline(direction: $e) { totalCount } documents(where: {createdAt: {lt: $at}}) { totalCount } } }`
	for _, c := range []struct {
		vars map[string]any
		want string
	}{
		{map[string]any{"d": "past"}, "BAD_USER_INPUT customer.timeline"},
		{map[string]any{"d": nil}, "BAD_USER_INPUT customer.timeline"},
		{map[string]any{"e": nil}, "BAD_USER_INPUT customer.e"},
		{map[string]any{"k": "visit"}, "BAD_USER_INPUT customer.timeline"},
		{map[string]any{"n": 1000}, "BAD_USER_INPUT customer.timeline"},
		{map[string]any{"at": 5}, "BAD_USER_INPUT customer.documents"},
		{map[string]any{"at": "2026-13-01T00:00:00Z"}, "BAD_USER_INPUT customer.documents"},
		{map[string]any{"k": "VISIT", "n": 3, "at": "2026-01-01T00:00:00+02:00"}, ""},
		{map[string]any{"k": []any{}, "at": nil}, ""},
		{map[string]any{}, ""},
	} {
		c.vars["id"] = id
		a := s.ask(admin(s.own), query, clone(c.vars))
		if got := strings.Join(errorsOf(a), ", "); got != c.want {
			t.Errorf("%v: got %q, want %q", c.vars, got, c.want)
		}
	}
}

func TestForeignAndMalformedIDsAreNull(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	own, foreign := s.some("customer", s.own, all), s.some("customer", s.out, all)
	foreignAccount := typeid.Format("acc", s.out)
	for _, id := range []string{
		foreign, foreignAccount, "", "cus_", "cus_zzz", strings.ToUpper(own), own + "x", "ups_" + own[4:], "doc_" + own[4:], "cus_" + typeid.Format("x", uuid.New())[2:],
	} {
		a := s.ask(admin(s.own), `query($id: ID!) { node(id: $id) { id } customer(id: $id) { id contacts { totalCount } } document(id: $id) { id }
			nodes(ids: [$id, "`+own+`", $id]) { id } customers(where: {ids: []}) { totalCount nodes { id } } }`, map[string]any{"id": id})
		want := `{"node":null,"customer":null,"document":null,"nodes":[null,{"id":"` + own + `"},null],"customers":{"totalCount":0,"nodes":[]}}`
		if len(a.Errors) > 0 || string(a.Data) != want {
			t.Errorf("%q: got %s %v, want %s", id, a.Data, a.Errors, want)
		}
	}
	a := s.ask(admin(s.own), `query($ids: [ID!]) { customers(where: {ids: $ids, status: [ACTIVE, ARCHIVED]}) { nodes { id } } }`,
		map[string]any{"ids": []any{own, foreign}})
	if want := `{"customers":{"nodes":[{"id":"` + own + `"}]}}`; string(a.Data) != want {
		t.Errorf("got %s, want %s", a.Data, want)
	}
}

func TestCursorsHoldForTheirListOrderAndAccountOnly(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	cursorOf := func(p auth.Principal, field string) string {
		return s.ask(p, "{ x: "+field+"(first: 1) { pageInfo { endCursor } } }", nil).lookup(t, "x.pageInfo.endCursor").(string)
	}
	good := cursorOf(admin(s.own), "customers")
	byTime := s.ask(admin(s.own), `{ customers(first: 1, orderBy: {field: CREATED_AT}) { pageInfo { endCursor } } }`, nil).
		lookup(t, "customers.pageInfo.endCursor").(string)
	event := cursorOf(admin(s.own), "events")
	ask := func(cursor string) answer {
		return s.ask(admin(s.own), `query($c: String) { customers(after: $c) { nodes { id } } }`, map[string]any{"c": cursor})
	}
	if a := ask(good); len(a.Errors) > 0 {
		t.Fatalf("got %v for a good cursor", a.Errors)
	}
	forged := []string{cursorOf(admin(s.out), "customers"), byTime, event, good + "A", good[:len(good)-2], strings.Repeat("A", 5000), "===", "\x00"}
	for i := range len(good) {
		flipped := []byte(good)
		flipped[i] = map[bool]byte{true: 'B', false: 'A'}[flipped[i] == 'A']
		if string(flipped) != good {
			forged = append(forged, string(flipped))
		}
	}
	for _, c := range forged {
		if got := errorsOf(ask(c)); len(got) != 1 || got[0] != "INVALID_CURSOR customers" {
			t.Errorf("%.60q: got %v, want INVALID_CURSOR", c, got)
		}
	}
	if a := s.ask(admin(s.own), `query($c: EventCursor) { events(after: $c) { nodes { id } } }`, map[string]any{"c": cursorOf(admin(s.out), "events")}); len(errorsOf(a)) != 1 {
		t.Errorf("got %s for the event cursor of another account", a.Data)
	}
}

func TestEventCursorsExpireWithTheEvents(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	if _, err := s.pool.Exec(t.Context(), `UPDATE account SET event_floor = 10 WHERE id = $1`, s.own); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		seq  int64
		want string
	}{{9, "CURSOR_EXPIRED events"}, {10, ""}, {40, ""}, {41, "INVALID_CURSOR events"}, {1 << 60, "INVALID_CURSOR events"}, {0, "CURSOR_EXPIRED events"}} {
		cursor := read.EventCursor(s.own, c.seq)
		if seq, err := read.ParseEventCursor(s.own, cursor); err != nil || seq != c.seq {
			t.Errorf("ParseEventCursor(%d): got %d, %v", c.seq, seq, err)
		}
		a := s.ask(admin(s.own), `query($c: EventCursor) { events(after: $c, first: 1) { nodes { seq cursor } edges { cursor } pageInfo { endCursor hasPreviousPage } } }`,
			map[string]any{"c": cursor})
		if got := strings.Join(errorsOf(a), ", "); got != c.want {
			t.Errorf("seq %d: got %q, want %q", c.seq, got, c.want)
			continue
		}
		if c.seq == 10 {
			next := read.EventCursor(s.own, 11)
			want := `{"events":{"nodes":[{"seq":11,"cursor":"` + next + `"}],"edges":[{"cursor":"` + next + `"}],"pageInfo":{"endCursor":"` + next + `","hasPreviousPage":true}}}`
			if string(a.Data) != want {
				t.Errorf("got %s, want %s", a.Data, want)
			}
		}
	}
	if _, err := read.ParseEventCursor(s.out, read.EventCursor(s.own, 5)); err == nil {
		t.Error("the event cursor of another account was accepted")
	}
}

func TestWhatMayNotBeReadIsForbiddenAtItsField(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	key := func(scopes ...string) auth.Principal {
		return auth.Principal{AccountID: s.own, Kind: auth.KindAPIKey, ID: uuid.New(), Scopes: scopes}
	}
	viewer := auth.Principal{AccountID: s.own, Kind: auth.KindStaff, Role: auth.Viewer, ID: uuid.New()}
	for _, c := range []struct {
		p     auth.Principal
		query string
		want  string
		data  string
	}{
		{key("customers:read"), `{ customers(first: 1) { nodes { id documents { totalCount } } } }`, "FORBIDDEN customers.nodes.documents", "null"},
		{key("customers:read"), `{ customers(first: 0) { nodes { id createdBy { id } } } }`, "FORBIDDEN customers.nodes.createdBy", `{"customers":{"nodes":[]}}`},
		{viewer, `{ account { id apiKeys { totalCount } } }`, "FORBIDDEN account.apiKeys", "null"},
		{key("customers:read"), `{ node(id: "` + s.some("document", s.own, all) + `") { id } }`, "FORBIDDEN node", `{"node":null}`},
		{key("customers:read"), `{ document(id: "x") { id } }`, "FORBIDDEN document", `{"document":null}`},
		{key("customers:read"), `{ nodes(ids: ["` + s.some("document", s.own, all) + `", "x"]) { id } }`, "FORBIDDEN nodes", `{"nodes":[null,null]}`},
		{key(), `{ customers { totalCount } }`, "FORBIDDEN customers", "null"},
	} {
		a := s.ask(c.p, c.query, nil)
		got := errorsOf(a)
		if strings.Contains(c.want, "createdBy") { // once for the field, when rows show it
			if len(got) != 0 {
				t.Errorf("%s\ngot %v without rows", c.query, got)
			}
			continue
		}
		if len(got) != 1 || got[0] != c.want || string(a.Data) != c.data {
			t.Errorf("%s\ngot %v and %s, want %s and %s", c.query, got, a.Data, c.want, c.data)
		}
	}
	a := s.ask(key("customers:read", "timeline:read", "jobs:read", "notes:read"), `{ customers { nodes { timeline { nodes { subject { __typename } } } } } }`, nil)
	if got := errorsOf(a); len(got) != 1 || got[0] != "FORBIDDEN customers.nodes.timeline.nodes.subject" {
		t.Errorf("got %v, want one error for the subjects that are documents", got)
	}
	if !strings.Contains(string(a.Data), `"__typename":"Contact"`) || strings.Contains(string(a.Data), `"__typename":"Document"`) {
		t.Errorf("got %s, want subjects that may be read and no others", a.Data)
	}
}

func TestAnonymousGetsNothing(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	if got := errorsOf(s.ask(auth.Principal{}, `{ customers { totalCount } }`, nil)); len(got) != 1 || got[0] != "UNAUTHENTICATED customers" {
		t.Errorf("got %v, want UNAUTHENTICATED", got)
	}
}

func TestDearAndDeepOperationsAreRefusedBeforeTheyRun(t *testing.T) {
	t.Parallel()
	s := newSeeded(t, func(c *read.Config) { c.MaxCost, c.MaxDepth = 500, 7 })
	for _, c := range []struct {
		query string
		vars  map[string]any
		want  string
	}{
		{`{ customers(first: 20) { nodes { id contacts(first: 3) { nodes { id } } } } }`, nil, ""}, // 2 + 20 * (1 + 2 + 3 * 1) = 122
		{`{ customers(first: 100) { nodes { id contacts(first: 3) { nodes { id } } } } }`, nil, "602"},
		{`query($n: Int) { customers(first: $n) { nodes { id contacts(first: 3) { nodes { id } } } } }`, map[string]any{"n": 100}, "602"},
		{`query($n: Int) { customers(first: $n) { nodes { id contacts(first: 3) { nodes { id } } } } }`, map[string]any{"n": 10}, ""},
		{`query($n: Int) { customers(first: $n) { nodes { id contacts(first: 3) { nodes { id } } } } }`, nil, ""},
		{`{ customers(first: 100) { edges { node { contacts(first: 100) { edges { node { id } } } } } } }`, nil, "10302"},
		{`{ a: customers { totalCount } b: customers { totalCount } c: customers { totalCount nodes { id } } }`, nil, ""},
		{`{ customers { nodes { contacts(first: 1) { nodes { customer { contacts(first: 1) { nodes { id } } } } } } } }`, nil, "nested"},
	} {
		before := s.trace.batches.Load()
		a := s.ask(admin(s.own), c.query, clone(c.vars))
		if c.want == "" {
			if len(a.Errors) > 0 {
				t.Errorf("%s\ngot %v", c.query, a.Errors)
			}
			continue
		}
		if len(a.Errors) == 0 || a.Errors[0].Extensions["code"] != "QUERY_TOO_COMPLEX" || !strings.Contains(a.Errors[0].Message, c.want) {
			t.Errorf("%s\ngot %v, want QUERY_TOO_COMPLEX with %q", c.query, a.Errors, c.want)
		}
		if n := s.trace.batches.Load() - before; n != 0 {
			t.Errorf("%s\ngot %d batches, want none", c.query, n)
		}
	}
}
