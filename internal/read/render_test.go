package read_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func (s *seeded) render(v read.Value) {
	s.mutate = func(ctx context.Context) (*read.Object, error) { return s.engine.Render(ctx, v) }
}

func TestAPayloadIsReadUnderItsSelection(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	c := s.w.rows("customer", s.own, all)[0]
	name := dump(c["display_name"])
	other := s.w.rows("document", s.own, all)[0]
	s.render(read.Obj{Type: "CustomerPayload", Fields: map[string]any{
		"customer": read.Ref{Type: "Customer", ID: c.id()},
		"userErrors": []any{
			read.Obj{Type: "VersionConflictError", Fields: map[string]any{
				"code": "VERSION_CONFLICT", "message": "a \"b\"\n\xff", "path": []string{"expectedVersion"}, "currentVersion": 7,
				"conflictingFields": []string{}, "current": read.NodeRef(typeid.Format("cus", c.id())),
			}},
			read.Obj{Type: "NotFoundError", Fields: map[string]any{"code": "NOT_FOUND", "message": "m"}},
			read.Obj{Type: "VersionConflictError", Fields: map[string]any{
				"code": "VERSION_CONFLICT", "message": "", "currentVersion": int64(8), "conflictingFields": []any{"x"},
				"current": read.Ref{Type: "Document", ID: other.id()},
			}},
			read.Obj{Type: "QuotaExceededError", Fields: map[string]any{"code": "QUOTA_EXCEEDED", "message": "", "limitBytes": int64(1 << 40), "usedBytes": 3}},
		},
	}})
	before := s.trace.batches.Load()
	got := s.data(admin(s.own), `mutation { p: customerArchive(id: "x", expectedVersion: 1) { __typename customer { ...C contacts(first: 0) { totalCount } }
		userErrors { __typename code path ... on UserError { message }
			... on VersionConflictError { currentVersion conflictingFields current { __typename id ...C ... on Document { title } } } ... on QuotaExceededError { limitBytes usedBytes } } } }
		fragment C on Customer { displayName }`, nil)
	contacts := len(s.w.rows("contact", s.own, func(r row) bool { return r["customer_id"] == c.id() && r["archived_at"] == nil }))
	title := dump(other["title"])
	want := `{"p":{"__typename":"CustomerPayload","customer":{"displayName":` + name + `,"contacts":{"totalCount":` + string(rune('0'+contacts)) + `}},"userErrors":[` +
		`{"__typename":"VersionConflictError","code":"VERSION_CONFLICT","path":["expectedVersion"],"message":"a \"b\"\n` + "\uFFFD" + `","currentVersion":7,"conflictingFields":[],` +
		`"current":{"__typename":"Customer","id":"` + typeid.Format("cus", c.id()) + `","displayName":` + name + `}},` +
		`{"__typename":"NotFoundError","code":"NOT_FOUND","path":null,"message":"m"},` +
		`{"__typename":"VersionConflictError","code":"VERSION_CONFLICT","path":null,"message":"","currentVersion":8,"conflictingFields":["x"],` +
		`"current":{"__typename":"Document","id":"` + typeid.Format("doc", other.id()) + `","title":` + title + `}},` +
		`{"__typename":"QuotaExceededError","code":"QUOTA_EXCEEDED","path":null,"message":"","limitBytes":1099511627776,"usedBytes":3}]}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := s.trace.batches.Load() - before; n != 1 {
		t.Errorf("got %d batches, want 1", n)
	}
}

func TestAPayloadWithoutNodesNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	s.render(read.Obj{Type: "UploadSessionPayload", Fields: map[string]any{"userErrors": []any{}, "uploadSession": read.Obj{
		Type: "UploadSession", Fields: map[string]any{
			"id": "ups_1", "uploadUrl": "https://x/?a=1&b=2", "uploadMethod": "PUT", "expiresAt": time.Date(2026, 1, 2, 3, 4, 5, 6000, time.FixedZone("", 3600)),
			"uploadHeaders": []any{read.Obj{Type: "HttpHeader", Fields: map[string]any{"name": "a", "value": "b"}}},
		},
	}}})
	before := s.trace.batches.Load()
	got := s.data(admin(s.own), `mutation { documentUploadBegin(input: {customerId: "x", fileName: "f", sizeBytes: 1}) {
		userErrors { code } uploadSession { id uploadUrl uploadHeaders { name v: value } expiresAt } } }`, nil)
	want := `{"documentUploadBegin":{"userErrors":[],"uploadSession":{"id":"ups_1","uploadUrl":"https://x/?a=1&b=2","uploadHeaders":[{"name":"a","v":"b"}],"expiresAt":"2026-01-02T02:04:05.000006Z"}}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if n := s.trace.batches.Load() - before; n != 0 {
		t.Errorf("got %d batches, want none", n)
	}
}

func TestAMutationIsPricedBeforeItRuns(t *testing.T) {
	t.Parallel()
	s := newSeeded(t, func(c *read.Config) { c.MaxCost = 50 })
	var cost int
	s.mutate = func(ctx context.Context) (*read.Object, error) {
		err := s.engine.Check(ctx)
		cost = read.Cost(ctx)
		if err != nil {
			return nil, err
		}
		return s.engine.Render(ctx, read.Obj{Type: "CustomerPayload", Fields: map[string]any{"userErrors": []any{}}})
	}
	for _, c := range []struct {
		first, cost int
		want        string
	}{{5, 1 + 1 + 2 + 5*(1+1), ""}, {50, 104, "QUERY_TOO_COMPLEX customerArchive"}} {
		a := s.ask(admin(s.own), `mutation($n: Int) { customerArchive(id: "x", expectedVersion: 1) { userErrors { code }
			customer { contacts(first: $n) { nodes { id emails { id } } } } } }`, clone(map[string]any{"n": c.first}))
		if got := strings.Join(errorsOf(a), ", "); got != c.want || cost != c.cost+1 {
			t.Errorf("first %d: got %q at %d, want %q at %d", c.first, got, cost, c.want, c.cost+1)
		}
	}
}

func TestARefToAnotherAccountIsNull(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	for _, id := range []uuid.UUID{s.w.rows("customer", s.out, all)[0].id(), uuid.New()} {
		s.render(read.Obj{Type: "CustomerPayload", Fields: map[string]any{"customer": read.Ref{Type: "Customer", ID: id}, "userErrors": []any{}}})
		got := s.data(admin(s.own), `mutation { customerArchive(id: "x", expectedVersion: 1) { customer { id contacts { nodes { id } } } } }`, nil)
		if want := `{"customerArchive":{"customer":null}}`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	s.render(read.Obj{Type: "CustomerPayload", Fields: map[string]any{"customer": read.NodeRef("nonsense")}})
	a := s.ask(admin(s.own), `mutation { customerArchive(id: "x", expectedVersion: 1) { customer { id } userErrors { code } } }`, nil)
	if got := errorsOf(a); len(got) != 1 || got[0] != "NOT_FOUND customerArchive.userErrors" || string(a.Data) != "null" {
		t.Errorf("got %v and %s, want an error for the list that cannot be null", got, a.Data)
	}
}

func (s *seeded) messages(p auth.Principal, query string, values []any) []answer {
	s.t.Helper()
	s.subscribe = func(ctx context.Context) (<-chan *read.Object, error) {
		objects, err := s.engine.RenderEach(ctx, values)
		if err != nil {
			return nil, err
		}
		ch := make(chan *read.Object, len(objects))
		for i := range objects {
			ch <- &objects[i]
		}
		close(ch)
		return ch, nil
	}
	ctx := graphql.StartOperationTrace(auth.WithPrincipal(context.Background(), p))
	oc, errs := s.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
	if errs != nil {
		s.t.Fatal(errs)
	}
	next, ctx := s.exec.DispatchOperation(ctx, oc)
	var list []answer
	for res := next(ctx); res != nil; res = next(ctx) {
		list = append(list, answer{bytes.Clone(res.Data), res.Errors}) // gqlgen uses the buffer again
	}
	return list
}

func TestMessagesOfASubscriptionAreOneBatch(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	var values []any
	var want []string
	for i, e := range s.w.rows("event", s.own, all)[:20] {
		values = append(values, read.Obj{Type: "EventDelivery", Fields: map[string]any{
			"cursor": read.EventCursor(s.own, int64(i+1)), "prevSeq": int64(i), "event": read.Ref{Type: "Event", ID: e.id()},
		}})
		want = append(want, `{"events":{"prevSeq":`+string(appendNumber(i))+`,"event":{"id":"`+typeid.Format("evt", e.id())+`","seq":`+string(appendNumber(i+1))+`}}}`)
	}
	values = append(values, read.Obj{Type: "Heartbeat", Fields: map[string]any{"cursor": "c"}})
	want = append(want, `{"events":{"cursor":"c"}}`)
	before, statements := s.trace.batches.Load(), s.trace.statements.Load()
	got := s.messages(admin(s.own), `subscription { events { ... on Heartbeat { cursor } ... on EventDelivery { prevSeq event { id seq } } } }`, values)
	if len(got) != len(want) {
		t.Fatalf("got %d messages, want %d", len(got), len(want))
	}
	for i := range want {
		if string(got[i].Data) != want[i] {
			t.Errorf("message %d: got %s %v, want %s", i, got[i].Data, got[i].Errors, want[i])
		}
	}
	if b, n := s.trace.batches.Load()-before, s.trace.statements.Load()-statements; b != 1 || n != 1 {
		t.Errorf("got %d batches and %d statements, want 1 and 1", b, n)
	}
}

func appendNumber(n int) []byte {
	if n >= 10 {
		return append(appendNumber(n/10), byte('0'+n%10))
	}
	return []byte{byte('0' + n)}
}
