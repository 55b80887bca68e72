package store

import (
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/catalog"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

func TestOneOfSeveralDecisionsOnAPolicyHolds(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	policies, ctx := customer.NewPolicies(e.store), t.Context()
	builder, err := catalog.NewService(e.store).Create(ctx, e.ada, catalog.CustomerTypes, catalog.Draft{Label: "Builder"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, typeID := range []uuid.UUID{uuid.Nil, builder} {
		const tries = 8
		errs := make([]error, tries)
		var g errgroup.Group
		for i := range tries {
			g.Go(func() error {
				field := []string{"phones", "emails"}[i%2]
				errs[i] = policies.Update(ctx, e.ada, customer.ByStaff, typeID, 0, []customer.Rule{{Field: field, Required: true, Visible: true}})
				return nil
			})
		}
		_ = g.Wait()
		made := 0
		for _, err := range errs {
			switch fault.CodeOf(err) {
			case "":
				made++
			case fault.VersionConflict:
			default:
				t.Errorf("got %v, want VERSION_CONFLICT", err)
			}
		}
		if made != 1 {
			t.Errorf("%d of %d decisions hold, want 1", made, tries)
		}
	}
	if n, rules := e.count("SELECT count(*) FROM field_policy"), e.count("SELECT count(*) FROM field_rule"); n != 2 || rules != 2 {
		t.Errorf("%d policies with %d rules, want 2 with one each", n, rules)
	}
	rules, err := policies.Rules(ctx, e.ada, customer.ByStaff, builder)
	if err != nil {
		t.Fatal(err)
	}
	own, required := 0, 0
	for _, r := range rules {
		if !r.Inherited {
			own++
		}
		if r.Required && r.Field != "companyName" {
			required++
		}
		if r.PolicyVersion != 1 {
			t.Errorf("%s is of version %d, want 1", r.Field, r.PolicyVersion)
		}
	}
	if own != 1 || required < 1 || required > 2 {
		t.Errorf("%d own rules and %d required fields: %+v", own, required, rules)
	}
	for name, typeID := range map[string]uuid.UUID{"another account's type": builder, "nobody's": typeid.New()} {
		_, readErr := policies.Rules(ctx, e.bob, customer.ByStaff, typeID)
		writeErr := policies.Reset(ctx, e.bob, customer.ByStaff, typeID, 0, customer.Minimal)
		if fault.CodeOf(readErr) != fault.NotFound || fault.CodeOf(writeErr) != fault.NotFound {
			t.Errorf("%s: got %v and %v, want NOT_FOUND", name, readErr, writeErr)
		}
	}
	// Another account's rules are not read with its own.
	if rules, err := policies.Rules(ctx, e.bob, customer.ByStaff, uuid.Nil); err != nil || rules[3].Required || rules[3].PolicyVersion != 0 {
		t.Errorf("the other account has %+v (%v)", rules[3], err)
	}
}
