package store

import (
	"slices"
	"testing"
	"time"

	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

func TestLifeOfAnEntry(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc, ctx := timeline.NewService(e.store), t.Context()
	cus := e.person(e.ada, "Ada")
	d := timeline.Draft{Kind: timeline.KindVisit, At: time.Now().Add(time.Hour), Title: "Visit"}
	id, err := svc.EntryCreate(ctx, e.ada, cus, d, ptr("key"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := svc.EntryCreate(ctx, e.ada, cus, d, ptr("key")); again != id || err != nil {
		t.Errorf("a retry got %v, %v; want %v", again, err, id)
	}
	if err := svc.EntryUpdate(ctx, e.ada, id, 1, timeline.Patch{Title: ptr("Visit")}); err != nil {
		t.Errorf("a change of nothing got %v", err)
	}
	if err := svc.EntryUpdate(ctx, e.ada, id, 1, timeline.Patch{Title: ptr("Longer visit")}); err != nil {
		t.Errorf("an update got %v: the change of nothing must not have made a version", err)
	}
	if err := svc.EntryUpdate(ctx, e.ada, id, 1, timeline.Patch{Title: ptr("x")}); fault.CodeOf(err) != fault.VersionConflict {
		t.Errorf("a stale update got %v, want VERSION_CONFLICT", err)
	}
	if err := svc.EntryDelete(ctx, e.ada, id, 1); fault.CodeOf(err) != fault.VersionConflict {
		t.Errorf("a stale deletion got %v, want VERSION_CONFLICT", err)
	}
	if err := svc.EntryDelete(ctx, e.ada, id, 2); err != nil {
		t.Fatal(err)
	}
	if err := svc.EntryDelete(ctx, e.ada, id, 2); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("deleting again got %v, want NOT_FOUND", err)
	}
	if n := e.count("SELECT count(*) FROM event WHERE subject_type = 'TimelineEntry' AND customer_id = $1", cus); n != 3 {
		t.Errorf("%d events, want created, updated, deleted", n)
	}
	if n := e.count("SELECT count(*) FROM revision WHERE subject_id = $1", id); n != 3 {
		t.Errorf("%d revisions, want 3", n)
	}
}

func TestDossiersOwnEntriesStay(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := timeline.NewService(e.store)
	e.person(e.ada, "Ada")
	id := e.id("SELECT id FROM timeline_entry WHERE kind = 'CUSTOMER_CREATED'")
	if err := svc.EntryUpdate(t.Context(), e.ada, id, 1, timeline.Patch{Title: ptr("x")}); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("an update got %v, want CONFLICT", err)
	}
	if err := svc.EntryDelete(t.Context(), e.ada, id, 1); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("a deletion got %v, want CONFLICT", err)
	}
}

func TestTimelineTellsTheLifeOfACustomer(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc, ctx := customer.NewService(e.store), t.Context()
	id, err := svc.Create(ctx, e.ada, customer.Draft{Kind: customer.Company, CompanyName: ptr("Office"), Contacts: []customer.ContactDraft{{GivenName: ptr("Bob")}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.ContactCreate(ctx, e.ada, id, customer.ContactDraft{GivenName: ptr("Ada")}, nil); err != nil {
		t.Fatal(err)
	}
	for i, step := range []func() error{
		func() error { return svc.Archive(ctx, e.ada, id, 2) },
		func() error { return svc.Archive(ctx, e.ada, id, 2) }, // a retry
		func() error { return svc.Restore(ctx, e.ada, id, 3) },
		func() error { return svc.Restore(ctx, e.ada, id, 3) },
	} {
		if err := step(); err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	rows, err := e.admin.Query(ctx, `SELECT kind || ' ' || title || ' ' || created_by_kind FROM timeline_entry WHERE customer_id = $1 ORDER BY at, id`, id)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		got = append(got, s)
	}
	want := []string{
		"CUSTOMER_CREATED Customer created STAFF", "CONTACT_ADDED Contact added: Ada STAFF",
		"CUSTOMER_ARCHIVED Customer archived STAFF", "CUSTOMER_RESTORED Customer restored STAFF",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if n := e.count("SELECT version FROM customer WHERE id = $1", id); n != 4 {
		t.Errorf("version is %d, want 4", n)
	}
}
