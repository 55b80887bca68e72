package graph

import (
	"context"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/read"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// subscription is an operation as the executor hands it over.
func subscription(t *testing.T, query string, variables map[string]any) *graphql.OperationContext {
	t.Helper()
	doc, errs := gqlparser.LoadQuery(Schema(), query)
	if errs != nil {
		t.Fatal(errs)
	}
	return &graphql.OperationContext{RawQuery: query, Doc: doc, Operation: doc.Operations[len(doc.Operations)-1], Variables: variables}
}

func keyOf(t *testing.T, p auth.Principal, query string, variables map[string]any) string {
	t.Helper()
	oc := subscription(t, query, variables)
	fields := graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{"Subscription"})
	return groupKey(p, fields[0].Field, oc)
}

type vars = map[string]any

func TestWhoDiffersByTheCursorAloneSharesExecutions(t *testing.T) {
	t.Parallel()
	p := staff(auth.Viewer)
	const query = `subscription($c: EventCursor, $t: [EventType!]) { events(after: $c, types: $t) { cursor } }`
	other := p
	other.ID = uuid.MustParse("01980000-0000-7000-8000-0000000000aa")
	foreign := p
	foreign.AccountID = uuid.MustParse("01980000-0000-7000-8000-0000000000bb")
	key := auth.Principal{AccountID: testAccount, Kind: auth.KindAPIKey, ID: p.ID, Scopes: []string{"events:read"}}
	first := keyOf(t, p, query, vars{"c": "A", "t": []any{"CUSTOMER_CREATED"}})
	for _, c := range []struct {
		name  string
		p     auth.Principal
		query string
		vars  vars
		same  bool
	}{
		{"another cursor", p, query, vars{"c": "B", "t": []any{"CUSTOMER_CREATED"}}, true},
		{"no cursor", p, query, vars{"t": []any{"CUSTOMER_CREATED"}}, true},
		{"a colleague with the same role", other, query, vars{"c": "A", "t": []any{"CUSTOMER_CREATED"}}, true},
		{"another variable", p, query, vars{"c": "A", "t": []any{"CUSTOMER_UPDATED"}}, false},
		{"a variable less", p, query, vars{"c": "A"}, false},
		{"another account", foreign, query, vars{"c": "A", "t": []any{"CUSTOMER_CREATED"}}, false},
		{"a key with fewer rights", key, query, vars{"c": "A", "t": []any{"CUSTOMER_CREATED"}}, false},
		{"another document", p, query + " ", vars{"c": "A", "t": []any{"CUSTOMER_CREATED"}}, false},
	} {
		if got := keyOf(t, c.p, c.query, c.vars) == first; got != c.same {
			t.Errorf("%s: the same group is %v, want %v", c.name, got, c.same)
		}
	}
	const twice = `subscription($c: EventCursor) { events(after: $c) { cursor } ...F } fragment F on Subscription { events(after: $c) { __typename } }`
	if keyOf(t, p, twice, vars{"c": "A"}) == keyOf(t, p, twice, vars{"c": "B"}) {
		t.Error("a cursor that stands in two places is left out of the key: one of the places may not be a cursor")
	}
	const literal = `subscription($d: EventCursor) { events(after: "x", customerId: $d) { cursor } }`
	if rawKey(t, p, literal, vars{"d": "A"}) == rawKey(t, p, literal, vars{"d": "B"}) {
		t.Error("a variable that is no cursor is left out of the key")
	}
}

// A variable counts wherever it stands: in a list, in an object, in a directive, in a fragment.
func TestUsesOfAVariableAreFoundEverywhere(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]int{
		`{ a }`:                      0,
		`{ a(x: $c) }`:               1,
		`{ a(x: $d) }`:               0,
		`{ a(x: [1, $c, {y: $c}]) }`: 2,
		`{ a @include(if: $c) { b @skip(if: $c) } }`:                      2,
		`{ ... on Query @include(if: $c) { a(x: $c) } }`:                  2,
		`{ ...F @include(if: $c) ...F } fragment F on Query { a(x: $c) }`: 3,
	} {
		doc := loose(t, query)
		if got := uses(doc.Operations[0].SelectionSet, "c"); got != want {
			t.Errorf("%s uses $c %d times, want %d", query, got, want)
		}
	}
}

// loose is a document that need not be valid, with its fragments linked.
func loose(t *testing.T, query string) *ast.QueryDocument {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		t.Fatal(err)
	}
	validator.Walk(Schema(), doc, &validator.Events{})
	return doc
}

func rawKey(t *testing.T, p auth.Principal, query string, variables vars) string {
	t.Helper()
	doc := loose(t, query)
	field, _ := doc.Operations[0].SelectionSet[0].(*ast.Field)
	return groupKey(p, field, &graphql.OperationContext{RawQuery: query, Doc: doc, Operation: doc.Operations[0], Variables: variables})
}

func TestOperationsOfOneDocumentDoNotShare(t *testing.T) {
	t.Parallel()
	const query = `subscription A { events { cursor } } subscription B { events { __typename } }`
	doc := loose(t, query)
	keys := map[string]bool{}
	for _, op := range doc.Operations {
		field, _ := op.SelectionSet[0].(*ast.Field)
		keys[groupKey(staff(auth.Viewer), field, &graphql.OperationContext{RawQuery: query, Doc: doc, Operation: op})] = true
	}
	if len(keys) != 2 {
		t.Errorf("%d keys, want 2", len(keys))
	}
}

// log is a timeline.Store with a log from the event floor to head.
type eventLog struct {
	timeline.Store
	head, floor int64
}

func (l eventLog) Head(context.Context, uuid.UUID) (head, floor int64, err error) {
	return l.head, l.floor, nil
}

type knownCustomer struct {
	customer.Store
	id uuid.UUID
}

func (k knownCustomer) CustomerExists(_ context.Context, accountID, id uuid.UUID) (bool, error) {
	return accountID == testAccount && id == k.id, nil
}

func TestASubscriptionIsCheckedBeforeItBegins(t *testing.T) {
	t.Parallel()
	known := uuid.MustParse("01980000-0000-7000-8000-0000000000cc")
	r := &Resolver{
		Customers: customer.NewService(knownCustomer{id: known}), Timeline: timeline.NewService(eventLog{head: 50, floor: 20}),
	}
	const query = `subscription($c: EventCursor, $id: ID) { events(after: $c, customerId: $id) { cursor } }`
	at := func(seq int64) string { return read.EventCursor(testAccount, seq) }
	for _, c := range []struct {
		name string
		p    auth.Principal
		vars vars
		code fault.Code
		from int64
	}{
		{"nobody", auth.Principal{}, nil, fault.Unauthenticated, 0},
		{"a key without the right", auth.Principal{AccountID: testAccount, Kind: auth.KindAPIKey, ID: known, Scopes: []string{"documents:read"}}, nil, fault.Forbidden, 0},
		{"from now", staff(auth.Viewer), nil, "", FromNow},
		{"from a cursor", staff(auth.Viewer), vars{"c": at(30)}, "", 30},
		{"from the newest event", staff(auth.Viewer), vars{"c": at(50)}, "", 50},
		{"from the oldest that is kept", staff(auth.Viewer), vars{"c": at(20)}, "", 20},
		{"from an event that is gone", staff(auth.Viewer), vars{"c": at(19)}, fault.CursorExpired, 0},
		{"from an event that is not there yet", staff(auth.Viewer), vars{"c": at(51)}, fault.InvalidCursor, 0},
		{"from another account's event", staff(auth.Viewer), vars{"c": read.EventCursor(known, 30)}, fault.InvalidCursor, 0},
		{"from nonsense", staff(auth.Viewer), vars{"c": "nonsense"}, fault.InvalidCursor, 0},
		{"of a customer", staff(auth.Viewer), vars{"id": typeid.Format(typeid.Customer, known)}, "", FromNow},
		{"of a customer that is not there", staff(auth.Viewer), vars{"id": typeid.Format(typeid.Customer, testAccount)}, fault.NotFound, 0},
		{"of what is no customer", staff(auth.Viewer), vars{"id": typeid.Format(typeid.Contact, known)}, fault.NotFound, 0},
	} {
		ctx := t.Context()
		if !c.p.IsZero() {
			ctx = auth.WithPrincipal(ctx, c.p)
		}
		got, err := r.Subscribe(ctx, nil, subscription(t, query, c.vars))
		if fault.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want the code %q", c.name, err, c.code)
		} else if err == nil && (got.From != c.from || got.Account != testAccount) {
			t.Errorf("%s: begins at %d of %s, want %d of %s", c.name, got.From, got.Account, c.from, testAccount)
		}
	}
}

func TestASubscriptionNeedsALiveTransport(t *testing.T) {
	t.Parallel()
	r := &Resolver{}
	if _, err := (subscriptionResolver{r}).replay(t.Context(), nil, nil); fault.CodeOf(err) != fault.BadUserInput {
		t.Errorf("without a transport: %v, want BAD_USER_INPUT", err)
	}
	for _, query := range []string{`subscription { __typename }`, `subscription { ...F } fragment F on Subscription { __typename }`} {
		doc := loose(t, query)
		_, err := r.Subscribe(auth.WithPrincipal(t.Context(), staff(auth.Admin)), nil, &graphql.OperationContext{Doc: doc, Operation: doc.Operations[0]})
		if fault.CodeOf(err) != fault.BadUserInput {
			t.Errorf("%s: %v, want BAD_USER_INPUT", query, err)
		}
	}
}
