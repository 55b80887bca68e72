package read_test

import (
	"fmt"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"golang.org/x/sync/errgroup"

	"dossier/internal/auth"
	"dossier/internal/read"
)

// TestMemoryOfAnAnswerIsUsedAgainOnlyWhenItWasSent asks many things at once and gives the memory of each answer back as the
// transport does: an answer must be the same until then.
func TestMemoryOfAnAnswerIsUsedAgainOnlyWhenItWasSent(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	w := newWorld(5, 60)
	w.insert(t, e.pool)
	queries := []string{
		`{ customers(first: 50) { nodes { id displayName contacts { nodes { displayName } } } } }`,
		`{ customers(first: 1) { nodes { id } } }`,
		`{ a: customers(first: 3) { nodes { displayName } } account { name } b: customers(last: 20) { nodes { displayName id } } }`,
		`{ __typename account { id } }`,
		`{ customer(id: "cus_01h455vb4pex5vsknk084sn02q") { id } }`,
	}
	want := map[string]string{}
	for _, account := range w.accounts {
		for _, q := range queries {
			want[account.String()+q] = e.data(admin(account), q, nil)
		}
	}
	var g errgroup.Group
	for n := range 6 {
		g.Go(func() error {
			for i := range 60 {
				account, q := w.accounts[(n+i)%len(w.accounts)], queries[(n*7+i)%len(queries)]
				ctx := graphql.StartOperationTrace(auth.WithPrincipal(t.Context(), admin(account)))
				oc, errs := e.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: q})
				if errs != nil {
					return errs
				}
				next, ctx := e.exec.DispatchOperation(ctx, oc)
				res := next(ctx)
				if got := string(res.Data); got != want[account.String()+q] || len(res.Errors) > 0 {
					return fmt.Errorf("%s\ngot %s (%w)\nwant %s", q, got, res.Errors, want[account.String()+q])
				}
				read.Release(ctx)
				read.Release(ctx) // which does nothing
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
