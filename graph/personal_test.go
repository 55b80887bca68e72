package graph

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// TestLinksAreNotSharedBetweenSubscribers: a link in a message is in the name of who follows it.
func TestLinksAreNotSharedBetweenSubscribers(t *testing.T) {
	t.Parallel()
	one := staff(auth.Viewer)
	other := one
	other.ID = uuid.MustParse("01980000-0000-7000-8000-0000000000aa")
	const head = `subscription { documentEvents(customerId: "cus_01h455vb4pex5vsknk084sn02q") { cursor ... on EventDelivery { event `
	for query, shared := range map[string]bool{
		head + `{ subject { ... on Document { title currentVersion { fileName } } } } } } }`:                                                    true,
		head + `{ subject { ... on Document { title currentVersion { downloadUrl } } } } } } }`:                                                 false,
		head + `{ subject { ... on Document { title currentVersion { link: downloadUrl } } } } } } }`:                                           false,
		head + `{ ...E } } } } fragment E on Event { customer { documentsZipUrl } }`:                                                            false,
		head + `{ subject { ... on Document { customer { ... { documents { edges { node { currentVersion { downloadUrl } } } } } } } } } } } }`: false,
		head + `{ subject { ... on Job { downloadUrl } } } } } }`:                                                                               false,
		head + `{ subject { ... on Document { currentVersion { thumbnailUrl } } } } } } }`:                                                      false,
		head + `{ customer { image { thumbnailUrl } } } } } }`:                                                                                  true,
	} {
		if got := keyOf(t, one, query, nil) == keyOf(t, other, query, nil); got != shared {
			t.Errorf("two colleagues with the same rights share %s: %v, want %v", query, got, shared)
		}
		again := one
		if keyOf(t, one, query, nil) != keyOf(t, again, query, nil) {
			t.Errorf("one person's two subscriptions do not share %s", query)
		}
	}
}

func TestWhatIsForbiddenIsToldToTheAuditTrail(t *testing.T) {
	t.Parallel()
	var told []string
	p := presenter{log: slog.New(slog.DiscardHandler), denied: func(_ context.Context, field string) { told = append(told, field) }}
	ctx := graphql.WithFieldContext(t.Context(), &graphql.FieldContext{
		Object: "Mutation", Field: graphql.CollectedField{Field: &ast.Field{Name: "customerCreate", Alias: "mine"}},
	})
	for _, code := range []fault.Code{fault.Forbidden, fault.NotFound, fault.Unauthenticated, fault.Internal} {
		p.present(ctx, fault.New(code, "m"))
	}
	p.present(t.Context(), fault.New(fault.Forbidden, "before any field"))
	if want := []string{"Mutation.customerCreate"}; !slices.Equal(told, want) {
		t.Errorf("the trail was told %v, want %v", told, want)
	}
}
