package store

import (
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/optional"
)

// awaited makes a colleague known who has not signed in.
func (e *env) awaited(email string) uuid.UUID {
	e.t.Helper()
	id, err := account.NewService(e.store, auth.Pepper{}).StaffCreate(e.t.Context(), e.ada, account.StaffDraft{DisplayName: "Awaited", Email: email}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

func TestAVerifiedAddressClaimsTheRecordThatAwaitsIt(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := account.NewService(e.store, auth.Pepper{})
	grace, bob, eve := e.awaited("Grace@Example.com"), e.awaited("bob@example.com"), e.awaited("eve@example.com")
	if err := svc.StaffArchive(t.Context(), e.ada, eve, 1); err != nil {
		t.Fatal(err)
	}
	verified := func(subject, email string) auth.StaffClaims {
		return auth.StaffClaims{Subject: subject, Email: email, EmailVerified: true, Name: "Name of " + subject, Role: auth.Editor}
	}
	unverified := verified("mallory", "bob@example.com")
	unverified.EmailVerified = false
	for name, c := range map[string]struct {
		account auth.Principal
		claims  auth.StaffClaims
		want    uuid.UUID
	}{
		"whatever the case":                {e.ada, verified("g", "grace@example.COM"), grace},
		"not without the issuer's word":    {e.ada, unverified, uuid.Nil},
		"not from another account":         {e.bob, verified("g", "bob@example.com"), uuid.Nil},
		"an archived one stays archived":   {e.ada, verified("e", "eve@example.com"), eve},
		"an address that nobody awaits":    {e.ada, verified("n", "nobody@example.com"), uuid.Nil},
		"an empty address is nobody's":     {e.ada, verified("empty", ""), uuid.Nil},
		"a person who was there all along": {e.ada, verified("Ada", "bob@example.com"), e.ada.ID},
	} {
		r, err := e.store.EnsureStaff(t.Context(), c.account.AccountID, c.claims)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.want != uuid.Nil && r.ID != c.want {
			t.Errorf("%s: got another record", name)
		}
		if c.want == uuid.Nil && (r.ID == grace || r.ID == bob || r.ID == eve) {
			t.Errorf("%s: claimed a record that awaits somebody else", name)
		}
		if !r.Active || r.DisplayName != c.claims.Name && c.claims.Name != "" {
			t.Errorf("%s: got %+v, want the name of the token", name, r)
		}
	}
	// A claimed record is not claimed again, and Bob is still awaited.
	second, err := e.store.EnsureStaff(t.Context(), e.ada.AccountID, verified("thief", "grace@example.com"))
	if err != nil || second.ID == grace {
		t.Errorf("a second person with the address got %+v, %v", second, err)
	}
	if n := e.count(`SELECT count(*) FROM staff_user WHERE id = $1 AND subject IS NULL AND signed_in_at IS NULL`, bob); n != 1 {
		t.Error("Bob's record was claimed")
	}
	if n := e.count(`SELECT count(*) FROM staff_user WHERE id = $1 AND archived_at IS NOT NULL AND signed_in_at IS NOT NULL AND role = 'EDITOR'`, eve); n != 1 {
		t.Error("Eve is not archived and signed in")
	}
	// From then on the token says who it is.
	err = svc.StaffUpdate(t.Context(), e.ada, grace, e.count(`SELECT version FROM staff_user WHERE id = $1`, grace), account.StaffPatch{DisplayName: optional.Some(ptr("x"))})
	if fault.CodeOf(err) != fault.Conflict {
		t.Errorf("renaming somebody who has signed in got %v, want CONFLICT", err)
	}
}

func TestSeveralNodesClaimARecordOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	grace := e.awaited("grace@example.com")
	const nodes = 10
	ids := make([]uuid.UUID, nodes)
	var g errgroup.Group
	for i := range nodes {
		g.Go(func() error {
			r, err := e.store.EnsureStaff(t.Context(), e.ada.AccountID, auth.StaffClaims{
				Subject: "grace", Email: "grace@example.com", EmailVerified: true, Name: "Grace", Role: auth.Editor,
			})
			ids[i] = r.ID
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	claimed := 0
	for _, id := range ids {
		if id == grace {
			claimed++
		}
	}
	if n := e.count(`SELECT count(*) FROM staff_user WHERE email_key = 'grace@example.com'`); claimed != nodes || n != 1 {
		t.Errorf("%d of %d nodes found the record, and there are %d", claimed, nodes, n)
	}
}

func TestStaffByAdministrators(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc, ctx := account.NewService(e.store, auth.Pepper{}), t.Context()
	grace := e.awaited("grace@example.com")
	_, err := svc.StaffCreate(ctx, e.ada, account.StaffDraft{DisplayName: "Other", Email: "GRACE@example.com"}, nil)
	if list := fault.AsList(err); len(list) != 1 || list[0].Code != fault.Conflict || list[0].Path[1] != "email" {
		t.Errorf("the same address got %v, want CONFLICT at input.email", err)
	}
	_, err = svc.StaffCreate(ctx, e.ada, account.StaffDraft{DisplayName: " ", Email: "nonsense"}, nil)
	if list := fault.AsList(err); len(list) != 2 {
		t.Errorf("two mistakes got %v", err)
	}
	if err := svc.StaffUpdate(ctx, e.ada, grace, 1, account.StaffPatch{DisplayName: optional.Some(ptr("Grace")), Email: optional.Some(ptr("g@example.com"))}); err != nil {
		t.Fatal(err)
	}
	if err := svc.StaffUpdate(ctx, e.ada, grace, 1, account.StaffPatch{Email: optional.Some(ptr("x@example.com"))}); fault.CodeOf(err) != fault.VersionConflict {
		t.Errorf("a stale update got %v", err)
	}
	if err := svc.StaffArchive(ctx, e.ada, grace, 2); err != nil {
		t.Fatal(err)
	}
	e.awaited("g@example.com") // the address is free again
	if err := svc.StaffRestore(ctx, e.ada, grace, 3); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("restoring a second person with one address got %v, want CONFLICT", err)
	}
	if err := svc.StaffArchive(ctx, e.bob, grace, 3); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another account got %v, want NOT_FOUND", err)
	}
	editor := e.ada
	editor.Role = auth.Editor
	if err := svc.StaffArchive(ctx, editor, grace, 3); fault.CodeOf(err) != fault.Forbidden {
		t.Errorf("an editor got %v, want FORBIDDEN", err)
	}
	if n := e.count(`SELECT count(*) FROM event WHERE type = 'ACCOUNT_SETTINGS_CHANGED' AND changed_fields = '["staffUsers"]'`); n != 4 {
		t.Errorf("%d events, want one for each change", n)
	}
}
