package document_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

func typeID(id uuid.UUID) string { return typeid.Format(typeid.CustomerType, id) }

// customer makes another customer of Ada's account.
func (e *env) customer(name string) uuid.UUID {
	e.t.Helper()
	id := typeid.New()
	e.exec(`INSERT INTO customer (id, account_id, created_at, updated_at, kind, display_name, sort_name)
		VALUES ($1, $2, now(), now(), 'PERSON', $3, lower($3))`, id, e.ada.AccountID, name)
	return id
}

func TestADocumentMovesBetweenCustomersAndBothAreTold(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.area(attribute.Draft{Label: "Contracts"})
	id := e.storedIn("contracts", "a.pdf", pdf(100, 1))
	day := time.Date(2041, 1, 2, 0, 0, 0, 0, time.UTC)
	if err := e.service.Update(t.Context(), e.ada, id, 1, document.Patch{ExpiresOn: optional.Some(&day), RetentionUntil: optional.Some(&day)}); err != nil {
		t.Fatal(err)
	}
	other, merged := e.customer("Other"), e.customer("Merged")
	e.exec(`UPDATE customer SET status = 'MERGED', merged_into_id = $2 WHERE id = $1`, merged, other)
	nobody := uuid.New()
	for name, c := range map[string]struct {
		err  error
		want fault.Code
	}{
		"nowhere":            {e.service.Move(t.Context(), e.ada, id, 2, document.Destination{}), fault.Required},
		"a stale version":    {e.service.Move(t.Context(), e.ada, id, 1, document.Destination{CustomerID: &other}), fault.VersionConflict},
		"a merged customer":  {e.service.Move(t.Context(), e.ada, id, 2, document.Destination{CustomerID: &merged}), fault.Conflict},
		"nobody":             {e.service.Move(t.Context(), e.ada, id, 2, document.Destination{CustomerID: &nobody}), fault.NotFound},
		"a foreign customer": {e.service.Move(t.Context(), e.ada, id, 2, document.Destination{CustomerID: &e.bobsCustomer}), fault.NotFound},
		"a foreign document": {e.service.Move(t.Context(), e.bob, id, 2, document.Destination{CustomerID: &e.bobsCustomer}), fault.NotFound},
		"no such area":       {e.service.Move(t.Context(), e.ada, id, 2, document.Destination{AreaKey: ptr("none")}), fault.NotFound},
		"an empty key":       {e.service.Move(t.Context(), e.ada, id, 2, document.Destination{AreaKey: ptr("")}), fault.NotFound},
		"a viewer":           {e.service.Move(t.Context(), viewer(e.ada), id, 2, document.Destination{CustomerID: &other}), fault.Forbidden},
	} {
		if fault.CodeOf(c.err) != c.want {
			t.Errorf("%s: %v, want %s", name, c.err, c.want)
		}
	}
	move := func() error {
		return e.service.Move(t.Context(), e.ada, id, 2, document.Destination{CustomerID: &other, AreaKey: ptr("general")})
	}
	if err := move(); err != nil {
		t.Fatal(err)
	}
	if err := move(); err != nil || e.revisionOf(id) != 3 {
		t.Errorf("moving again: %v, version %d, want 3", err, e.revisionOf(id))
	}
	lines := func(customer uuid.UUID) string {
		return e.text(`SELECT coalesce(string_agg(kind, ' ' ORDER BY kind, id), '') FROM timeline_entry WHERE customer_id = $1`, customer)
	}
	if got := lines(e.adasCustomer); got != "DOCUMENT_ADDED DOCUMENT_MOVED" {
		t.Errorf("the former customer's timeline has %s", got)
	}
	if got := lines(other); got != "DOCUMENT_EXPIRES DOCUMENT_MOVED DOCUMENT_RETENTION_ENDS" {
		t.Errorf("the new customer's timeline has %s", got)
	}
	got := e.text(`SELECT string_agg(customer_id || ' ' || changed_fields, ', ' ORDER BY seq) FROM event WHERE type = 'DOCUMENT_MOVED'`)
	if want := fmt.Sprintf(`%s ["area", "customer"], %s ["area", "customer"]`, e.adasCustomer, other); got != want {
		t.Errorf("events %s, want %s", got, want)
	}
	CheckInvariants(t, e)
}

// TestMovesInOppositeDirectionsEnd has documents move to and fro between two customers, through the same few places.
func TestMovesInOppositeDirectionsEnd(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.area(attribute.Draft{Label: "Few", MaxFiles: ptr(3)})
	other := e.customer("Other")
	ids := []uuid.UUID{e.storedIn("few", "a.pdf", pdf(100, 1)), e.storedIn("few", "b.pdf", pdf(100, 2)), e.storedIn("few", "c.pdf", pdf(100, 3))}
	done := make(chan error, 60)
	for i := range 60 {
		id, to := ids[i%3], []uuid.UUID{e.adasCustomer, other}[i/3%2]
		go func() {
			done <- e.service.Move(t.Context(), e.ada, id, e.revisionOf(id), document.Destination{CustomerID: &to})
		}()
	}
	for range 60 {
		if err := <-done; err != nil && fault.CodeOf(err) != fault.VersionConflict {
			t.Error(err)
		}
	}
	CheckInvariants(t, e)
}

// TestAMoveAndAMergeAtOnceLoseNothing: whichever comes first, the document is the winner's in the end, with its lines.
func TestAMoveAndAMergeAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customers := customer.NewService(e.store)
	for i := range 10 {
		loser := e.customer(names(i))
		e.exec(`UPDATE customer SET given_name = display_name`)
		id := e.stored(names(i), pdf(100, byte(i)))
		merged := make(chan error, 1)
		go func() {
			_, err := customers.Merge(t.Context(), e.ada, customer.MergeInput{
				WinnerID: e.adasCustomer, LoserID: loser, ExpectedWinner: i + 1, ExpectedLoser: 1,
			}, nil)
			merged <- err
		}()
		if err := e.service.Move(t.Context(), e.ada, id, 1, document.Destination{CustomerID: &loser}); err != nil {
			wantCode(t, err, fault.Conflict) // it was merged before
		}
		if err := <-merged; err != nil {
			t.Fatal(err)
		}
		if got := e.number(`SELECT count(*) FROM document WHERE id = $1 AND customer_id = $2`, id, e.adasCustomer); got != 1 {
			t.Errorf("round %d: the document is not the winner's", i)
		}
	}
	if got := e.number(`SELECT count(*) FROM timeline_entry WHERE customer_id <> $1 AND subject_type = 'Document'`, e.adasCustomer); got != 0 {
		t.Errorf("%d lines are left with losers", got)
	}
	CheckInvariants(t, e)
}

func TestADocumentIsDeletedForGood(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	now := time.Date(2040, 5, 2, 1, 0, 0, 0, time.UTC)
	e.service.Now = func() time.Time { return now }
	content := pdf(4000, 1)
	keep := e.stored("keep.pdf", pdf(300, 3))
	id := e.upload(incoming("a.pdf", content))[0].Document
	if err := e.service.Replace(t.Context(), e.ada, id, 1, incoming("b.pdf", pdf(5000, 2)), document.Patch{}); err != nil {
		t.Fatal(err)
	}
	day := time.Date(2040, 5, 2, 0, 0, 0, 0, time.UTC)
	if err := e.service.Update(t.Context(), e.ada, id, 2, document.Patch{RetentionUntil: optional.Some(&day), ExpiresOn: optional.Some(&day)}); err != nil {
		t.Fatal(err)
	}
	del := func(p auth.Principal, version int) error { return e.service.Delete(t.Context(), p, id, version) }
	wantCode(t, del(e.ada, 3), fault.Conflict) // not archived
	if err := e.service.Archive(t.Context(), e.ada, id, 3); err != nil {
		t.Fatal(err)
	}
	wantCode(t, del(e.ada, 4), fault.Conflict) // its last day is not over
	now = now.AddDate(0, 0, 1)
	editor := e.ada
	editor.Role = auth.Editor
	wantCode(t, del(editor, 4), fault.Forbidden)
	wantCode(t, del(e.ada, 3), fault.VersionConflict)
	wantCode(t, del(e.bob, 4), fault.NotFound)
	// A new content is on its way meanwhile.
	gate := newGate(pdf(90_000, 5), 50_000)
	replaced := make(chan error, 1)
	go func() {
		replaced <- e.service.Replace(t.Context(), e.ada, id, 4, &file{name: "c.pdf", bound: -1, r: gate}, document.Patch{})
	}()
	<-gate.reached
	e.eventually(`SELECT EXISTS (SELECT FROM upload WHERE state = 'PENDING')`)
	if err := del(e.ada, 4); err != nil {
		t.Fatal(err)
	}
	close(gate.open)
	if err := <-replaced; err == nil {
		t.Error("a document that is gone was replaced")
	}
	if err := del(e.ada, 4); err != nil {
		t.Errorf("deleting again: %v", err)
	}
	wantCode(t, del(e.bob, 4), fault.NotFound)
	wantCode(t, e.service.Delete(t.Context(), e.ada, uuid.New(), 1), fault.NotFound)
	if got := e.text(`SELECT string_agg(kind || ' ' || (subject_id IS NOT NULL), ', ' ORDER BY created_at, kind) FROM timeline_entry WHERE title LIKE '%a.pdf'`); got !=
		"DOCUMENT_ADDED true, DOCUMENT_REPLACED true, DOCUMENT_DELETED false" {
		t.Errorf("timeline: %s", got)
	}
	if got := e.number(`SELECT used_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID); got != 300 {
		t.Errorf("%d bytes are in use, want 300", got)
	}
	if got := e.number(`SELECT count(*) FROM event WHERE type = 'DOCUMENT_DELETED' AND subject_id = $1`, id); got != 1 {
		t.Errorf("%d events tell of it, want 1", got)
	}
	CheckInvariants(t, e)
	if got := e.documents(); got != 1 || e.revisionOf(keep) != 1 {
		t.Errorf("%d documents are left, want 1", got)
	}
}

func TestDatesAreToldOfOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	now := time.Date(2040, 5, 20, 12, 0, 0, 0, time.UTC)
	day := func(days int) optional.Field[*time.Time] {
		return optional.Some(ptr(time.Date(2040, 5, 20+days, 0, 0, 0, 0, time.UTC)))
	}
	tell := func() string {
		t.Helper()
		before := e.number(`SELECT coalesce(max(seq), 0) FROM event WHERE account_id = $1`, e.ada.AccountID)
		if err := document.TellOfDates(t.Context(), e.store, now); err != nil {
			t.Fatal(err)
		}
		return e.text(`SELECT coalesce(string_agg(v.type || ' ' || d.title || coalesce(v.created_by_kind, ''), ', ' ORDER BY v.type, d.title), '')
			FROM event v JOIN document d ON d.id = v.subject_id WHERE v.account_id = $1 AND v.seq > $2`, e.ada.AccountID, before)
	}
	ids := map[string]uuid.UUID{}
	for name, patch := range map[string]document.Patch{
		"a.pdf": {ExpiresOn: day(30)}, "b.pdf": {ExpiresOn: day(31)}, "c.pdf": {RetentionUntil: day(0)}, "d.pdf": {ExpiresOn: day(-1), RetentionUntil: day(400)},
		"e.pdf": {ExpiresOn: day(-2)}, "f.pdf": {ExpiresOn: day(5)}, "g.pdf": {RetentionUntil: day(5)},
	} {
		ids[name] = e.stored(name, pdf(100, name[0]))
		if err := e.service.Update(t.Context(), e.ada, ids[name], 1, patch); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"f.pdf", "g.pdf"} {
		if err := e.service.Archive(t.Context(), e.ada, ids[name], 2); err != nil {
			t.Fatal(err)
		}
	}
	const soon, ending = "DOCUMENT_EXPIRES_SOON ", "DOCUMENT_RETENTION_ENDING "
	step := func(what, want string) {
		t.Helper()
		if got := tell(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	step("at first", strings.Join([]string{soon + "a.pdf", soon + "d.pdf", ending + "c.pdf", ending + "g.pdf"}, ", "))
	step("again", "")
	if err := e.service.Update(t.Context(), e.ada, ids["a.pdf"], 2, document.Patch{ExpiresOn: day(29), Title: optional.Some(ptr("a.pdf"))}); err != nil {
		t.Fatal(err)
	}
	if err := e.service.Update(t.Context(), e.ada, ids["d.pdf"], 2, document.Patch{Purpose: optional.Some(ptr("LEGAL"))}); err != nil {
		t.Fatal(err)
	}
	step("after another date", soon+"a.pdf")
	if err := e.service.Restore(t.Context(), e.ada, ids["f.pdf"], 3); err != nil {
		t.Fatal(err)
	}
	step("after a restore", soon+"f.pdf")
	now = now.AddDate(0, 0, 1)
	step("a day later", soon+"b.pdf")
	if got := e.number(`SELECT count(*) FROM event WHERE type IN ('DOCUMENT_EXPIRES_SOON', 'DOCUMENT_RETENTION_ENDING') AND created_by_kind IS NOT NULL`); got != 0 {
		t.Errorf("%d events have an actor, want none", got)
	}
	CheckInvariants(t, e)
}

func TestManySweepersTellOfADateOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	day := time.Now().AddDate(0, 0, 3)
	for i := range 20 {
		id := e.stored(names(i), pdf(100, byte(i)))
		if err := e.service.Update(t.Context(), e.ada, id, 1, document.Patch{ExpiresOn: optional.Some(&day)}); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 6)
	for range 6 {
		go func() { done <- document.TellOfDates(t.Context(), e.store, time.Now()) }()
	}
	for range 6 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got := e.number(`SELECT count(*) FROM event WHERE type = 'DOCUMENT_EXPIRES_SOON'`); got != 20 {
		t.Errorf("%d events, want 20", got)
	}
	CheckInvariants(t, e)
}

func TestPatchesAreChecked(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(100, 1))
	for path, p := range map[string]document.Patch{
		"[input purpose]":        {Purpose: optional.Some(ptr("FUN"))},
		"[input visibility]":     {Visibility: optional.Some[*string](nil)},
		"[input tags 0]":         {Tags: optional.Some([]string{strings.Repeat("x", 51)})},
		"[input description]":    {Description: optional.Some(ptr(strings.Repeat("x", 2001)))},
		"[input retentionUntil]": {RetentionUntil: optional.Some(ptr(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)))},
	} {
		if list := fault.AsList(e.service.Update(t.Context(), e.ada, id, 1, p)); len(list) != 1 || fmt.Sprint(list[0].Path) != path {
			t.Errorf("%s: %v", path, list)
		}
	}
	all := document.Patch{
		Title: optional.Some(ptr("T")), Description: optional.Some(ptr("D")), Tags: optional.Some([]string{"x"}), Purpose: optional.Some(ptr("LEGAL")),
		Visibility: optional.Some(ptr("CUSTOMER")), ExpiresOn: optional.Some(ptr(time.Now())), RetentionUntil: optional.Some(ptr(time.Now())),
	}
	empty := document.Patch{
		Description: optional.Some[*string](nil), Tags: optional.Some[[]string](nil), Purpose: optional.Some[*string](nil),
		ExpiresOn: optional.Some[*time.Time](nil), RetentionUntil: optional.Some[*time.Time](nil),
	}
	for i, step := range []struct {
		patch document.Patch
		want  string
	}{{all, "T D LEGAL CUSTOMER [\"x\"] t\nd\na.pdf"}, {all, "T D LEGAL CUSTOMER [\"x\"] t\nd\na.pdf"}, {empty, "T CUSTOMER [] t\n\na.pdf"}} {
		if err := e.service.Update(t.Context(), e.ada, id, min(i+1, 2), step.patch); err != nil {
			t.Fatal(err)
		}
		if got := e.text(`SELECT concat_ws(' ', title, description, purpose, visibility, tags, search_key) FROM document`); got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
	}
	fields := document.Patch.Fields(all)
	if !slices.IsSorted(fields) || len(fields) != 7 {
		t.Errorf("the fields are %v", fields)
	}
	CheckInvariants(t, e)
}
