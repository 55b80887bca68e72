package store

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

func TestNewAccountHasStorageAndItsIssuerToItself(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := account.NewService(e.store, auth.Pepper{})
	issuer := auth.Issuer{URL: "https://issuer.example", Audience: "app", Algorithms: []string{"ES256"}, RoleClaim: "role"}
	id, err := svc.Create(t.Context(), account.Draft{Name: " Office ", Issuer: issuer})
	if err != nil {
		t.Fatal(err)
	}
	if n := e.count("SELECT count(*) FROM storage_usage WHERE account_id = $1 AND limit_bytes > 0", id); n != 1 {
		t.Errorf("%d rows of storage, want 1", n)
	}
	got, err := e.store.IssuerByURL(t.Context(), issuer.URL)
	if err != nil || got.AccountID != id || got.Audience != "app" || got.RoleClaim != "role" || len(got.Algorithms) != 1 {
		t.Errorf("issuer is %+v, %v; want that of the draft", got, err)
	}
	if _, err := svc.Create(t.Context(), account.Draft{Name: "Other", Issuer: issuer}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a second account of the issuer got %v, want CONFLICT", err)
	}
	if n := e.count("SELECT count(*) FROM storage_usage"); n != 3 {
		t.Errorf("%d rows of storage, want none of the account that was refused", n)
	}
	moved := issuer
	moved.URL = "https://issuer.example:8443"
	if err := svc.SetIssuer(t.Context(), id, moved); err != nil {
		t.Fatal(err)
	}
	if got, err := e.store.IssuerByURL(t.Context(), moved.URL); err != nil || got.AccountID != id {
		t.Errorf("the new issuer gives %+v, %v; want the account", got, err)
	}
	if _, err := e.store.IssuerByURL(t.Context(), issuer.URL); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("the old issuer got %v, want NOT_FOUND", err)
	}
	if err := svc.SetIssuer(t.Context(), typeid.New(), issuer); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("an account that is not there got %v, want NOT_FOUND", err)
	}
	if _, err := e.store.IssuerByURL(t.Context(), "https://issuer.example/"); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another spelling of the issuer got %v, want NOT_FOUND", err)
	}
}

func TestLifeOfAKey(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	pepper, err := auth.DerivePepper(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	svc, ctx := account.NewService(e.store, pepper), t.Context()
	id, printed, err := svc.KeyCreate(ctx, e.ada, account.KeyDraft{Name: "Server", Scopes: []string{"read"}, ExpiresAt: ptr(time.Now().Add(time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	parsed, secret, ok := auth.ParseKey(printed)
	r, err := e.store.KeyByID(ctx, id)
	if err != nil || !ok || parsed != id || string(r.Hash) != string(auth.KeyHash(pepper, id, secret)) || r.AccountID != e.ada.AccountID || r.Revoked {
		t.Errorf("stored key is %+v, %v; want it to match the printed one", r, err)
	}
	for who, foreign := range map[string]error{"another account": svc.KeyRevoke(ctx, e.bob, id), "nobody's id": svc.KeyRevoke(ctx, e.ada, typeid.New())} {
		if fault.CodeOf(foreign) != fault.NotFound {
			t.Errorf("revoking by %s got %v, want NOT_FOUND", who, foreign)
		}
	}
	for range 2 { // the second time changes nothing
		if err := svc.KeyRevoke(ctx, e.ada, id); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := e.store.KeyByID(ctx, id); err != nil || !r.Revoked {
		t.Errorf("after the revocation the key is %+v, %v", r, err)
	}
	viewer := e.ada
	viewer.Role = auth.Editor
	if _, _, err := svc.KeyCreate(ctx, viewer, account.KeyDraft{Name: "x", Scopes: []string{"read"}}); fault.CodeOf(err) != fault.Forbidden {
		t.Errorf("an editor got %v, want FORBIDDEN", err)
	}
	_, _, err = svc.KeyCreate(ctx, e.ada, account.KeyDraft{Name: "a\x00", Scopes: []string{"fly"}, ExpiresAt: ptr(time.Now().Add(-time.Hour))})
	if list := fault.AsList(err); len(list) != 3 {
		t.Errorf("a draft with three mistakes got %v, want all of them at once", err)
	}
}

func TestStaffIsMadeOnceAndStaysLockedOut(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	claims := auth.StaffClaims{Subject: "grace", Email: "grace@example.com", Name: "Grace", Role: auth.Editor}
	const nodes = 10
	ids := make([]uuid.UUID, nodes)
	var g errgroup.Group
	for i := range nodes {
		g.Go(func() error {
			r, err := e.store.EnsureStaff(t.Context(), e.ada.AccountID, claims)
			ids[i] = r.ID
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("one person got the ids %v", ids)
		}
	}
	if _, err := e.admin.Exec(t.Context(), "UPDATE staff_user SET disabled_at = now() WHERE id = $1", ids[0]); err != nil {
		t.Fatal(err)
	}
	claims.Name = "Grace Hopper"
	r, err := e.store.EnsureStaff(t.Context(), e.ada.AccountID, claims)
	if err != nil || r.Active || r.DisplayName != "Grace Hopper" || r.ID != ids[0] {
		t.Errorf("a locked out person became %+v, %v; want the new name and still locked out", r, err)
	}
	if _, err := e.store.StaffByID(t.Context(), e.bob.AccountID, ids[0]); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another account found the person: %v", err)
	}
	other, err := e.store.EnsureStaff(t.Context(), e.bob.AccountID, claims)
	if err != nil || other.ID == ids[0] || !other.Active {
		t.Errorf("the same subject in another account is %+v, %v; want another person", other, err)
	}
}
