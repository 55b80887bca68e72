package read_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/typeid"
)

// merged gives a customer that was merged into another one, and that one.
func (s *seeded) merged(t testing.TB) (loser, winner row) {
	t.Helper()
	list := s.w.rows("customer", s.own, func(r row) bool { return r["merged_into_id"] != nil && r["external_id"] != nil })
	if len(list) == 0 {
		t.Fatal("nobody with an external id was merged: choose another seed")
	}
	return list[0], s.w.byID[list[0]["merged_into_id"].(uuid.UUID)]
}

// TestAMergedCustomerIsAnsweredWithItsWinner asks for it in each way, with the winner itself and others in the same list.
func TestAMergedCustomerIsAnsweredWithItsWinner(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	loser, winner := s.merged(t)
	lost, won := typeid.Format("cus", loser.id()), typeid.Format("cus", winner.id())
	ids := []any{lost, won, typeid.Format("doc", s.w.rows("document", s.own, all)[0].id()), lost}
	const query = `query($id: ID!, $ids: [ID!]!, $one: [ID!]!, $external: String!) {
		customer(id: $id) { id emails { address } mergedCustomers(first: 50) { nodes { id mergedInto { id } } } }
		node(id: $id) { id ... on Customer { status contacts { totalCount nodes { id } } } }
		nodes(ids: $ids) { id ... on Customer { documents { totalCount } } } one: nodes(ids: $one) { id }
		customerByExternalId(externalId: $external) { id emails { address } phones { e164 } } }`
	vars := map[string]any{"id": lost, "ids": ids, "one": []any{lost, won}, "external": loser["external_id"]}
	for range 2 { // compiled, and from the cache
		a := s.ask(admin(s.own), query, vars)
		if len(a.Errors) > 0 {
			t.Fatal(a.Errors)
		}
		for path, want := range map[string]any{
			"customer.id": won, "node.id": won, "nodes.0.id": won, "nodes.1.id": won, "nodes.2.id": ids[2], "nodes.3.id": won,
			"one.0.id": won, "one.1.id": won, "customerByExternalId.id": won, "customer.mergedCustomers.nodes.0.mergedInto.id": won,
		} {
			if got := a.lookup(t, path); got != want {
				t.Errorf("%s is %v, want %v", path, got, want)
			}
		}
		direct := s.ask(admin(s.own), `query($id: ID!) { customer(id: $id) { emails { address } } }`, map[string]any{"id": won})
		want := fmt.Sprint(direct.lookup(t, "customer.emails"))
		for _, path := range []string{"customer.emails", "customerByExternalId.emails"} {
			if got := fmt.Sprint(a.lookup(t, path)); got != want {
				t.Errorf("%s are %s, want those of the winner, %s", path, got, want)
			}
		}
	}
	// Not for others.
	if a := s.ask(admin(s.out), query, vars); fmt.Sprint(a.lookup(t, "customer"), a.lookup(t, "node"), a.lookup(t, "nodes"), a.lookup(t, "customerByExternalId.id")) == "" {
		t.Errorf("%s", a.Data)
	} else if a.lookup(t, "customer") != nil || a.lookup(t, "nodes.0") != nil || a.lookup(t, "node") != nil {
		t.Errorf("another account sees %s", a.Data)
	}
}

// TestOnlyAMergedCustomerCostsASecondRun counts what is sent.
func TestOnlyAMergedCustomerCostsASecondRun(t *testing.T) {
	t.Parallel()
	s := newSeeded(t)
	loser, winner := s.merged(t)
	for _, x := range []struct {
		id                  uuid.UUID
		batches, statements int64
	}{{winner.id(), 1, 3}, {loser.id(), 2, 6}} {
		batches, statements := s.trace.batches.Load(), s.trace.statements.Load()
		s.data(admin(s.own), `query($id: ID!) { customer(id: $id) { displayName emails { address } phones { e164 } } }`,
			map[string]any{"id": typeid.Format("cus", x.id)})
		if b, n := s.trace.batches.Load()-batches, s.trace.statements.Load()-statements; b != x.batches || n != x.statements {
			t.Errorf("%d batches of %d statements, want %d of %d", b, n, x.batches, x.statements)
		}
	}
}
