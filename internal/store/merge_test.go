package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

func (e *env) file(id uuid.UUID) customer.File {
	e.t.Helper()
	f, err := (&tx{scope: e.store.in(e.ada.AccountID)}).readFile(context.Background(), id, nil, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return f
}

// mergeNow merges two customers as they are.
func (e *env) mergeNow(winner, loser uuid.UUID, picks ...string) (customer.MergeResult, error) {
	e.t.Helper()
	return customer.NewService(e.store).Merge(context.Background(), e.ada, customer.MergeInput{
		WinnerID: winner, LoserID: loser, ExpectedWinner: e.file(winner).Version, ExpectedLoser: e.file(loser).Version, Picks: picks,
	}, nil)
}

func (e *env) mustMerge(winner, loser uuid.UUID, picks ...string) uuid.UUID {
	e.t.Helper()
	r, err := e.mergeNow(winner, loser, picks...)
	if err != nil {
		e.t.Fatal(err)
	}
	return r.ID
}

// document makes a document without a content in a store.
func (e *env) document(customerID uuid.UUID, title string) uuid.UUID {
	e.t.Helper()
	id, version := typeid.New(), typeid.New()
	_, err := e.admin.Exec(context.Background(), `WITH d AS (
			INSERT INTO document (id, account_id, created_at, updated_at, customer_id, title, current_version_id) VALUES ($1, $2, now(), now(), $3, $4, $5)
		) INSERT INTO document_version (id, account_id, created_at, document_id, number, file_name, content_type, size_bytes, sha256, crc32c, object_key, object_generation)
		VALUES ($5, $2, now(), $1, 1, $4, 'application/pdf', 1, '', 0, $5::uuid::text, 1)`, id, e.ada.AccountID, customerID, title, version)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

func (e *env) entry(customerID uuid.UUID, title string) uuid.UUID {
	e.t.Helper()
	id, err := timeline.NewService(e.store).EntryCreate(context.Background(), e.ada, customerID, timeline.Draft{
		Kind: timeline.KindCall, At: time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC), Title: title,
	}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

// full makes a customer with one of everything, named so that two of them share an e-mail address.
func (e *env) full(name string) uuid.UUID {
	e.t.Helper()
	id, err := customer.NewService(e.store).Create(context.Background(), e.ada, customer.Draft{
		Kind: customer.Company, CompanyName: ptr(name),
		ProfileInput: customer.ProfileInput{ExternalID: optional.Some(ptr("ext-" + name)), BusinessArea: optional.Some(ptr(name))},
		Emails:       []customer.EmailInput{{Address: "shared@example.com", Purposes: []string{"STATEMENT"}}, {Address: name + "@example.com"}},
		Phones:       []customer.PhoneInput{{Number: "+4930901820"}},
		Addresses:    []customer.AddressInput{{AddressLocality: ptr(name)}},
		Contacts:     []customer.ContactDraft{{GivenName: ptr(name), Emails: []customer.EmailInput{{Address: name + ".contact@example.com"}}}, {GivenName: ptr("Second")}},
	}, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	e.document(id, name)
	e.entry(id, name)
	_, err = e.admin.Exec(context.Background(), `INSERT INTO upload (id, account_id, created_at, updated_at, customer_id, mode, object_key, file_name, title, reserved_bytes, lease_until)
		VALUES ($1, $2, now(), now(), $3, 'DIRECT', $1::uuid::text, 'x', 'x', 0, now() + interval '1 hour')`, typeid.New(), e.ada.AccountID, id)
	if err != nil {
		e.t.Fatal(err)
	}
	_, err = e.admin.Exec(context.Background(), `INSERT INTO note (id, account_id, created_at, updated_at, customer_id, body) VALUES ($1, $2, now(), now(), $3, 'x')`,
		typeid.New(), e.ada.AccountID, id)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

// picture gives a customer a picture without files.
func (e *env) picture(customerID uuid.UUID) uuid.UUID {
	e.t.Helper()
	id := typeid.New()
	_, err := e.admin.Exec(context.Background(), `WITH i AS (
			INSERT INTO customer_image (id, account_id, created_at, customer_id, file_name, content_type, size_bytes, width, height)
			VALUES ($1, $2, now(), $3, 'x', 'image/png', 1, 1, 1)
		) UPDATE customer SET image_id = $1 WHERE id = $3`, id, e.ada.AccountID, customerID)
	if err != nil {
		e.t.Fatal(err)
	}
	return id
}

// TestAPictureGoesToAWinnerWithoutOne and back, and stays where the winner has one.
func TestAPictureGoesToAWinnerWithoutOne(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	has := func(customerID, image uuid.UUID) {
		t.Helper()
		if n := e.count(`SELECT count(*) FROM customer c JOIN customer_image i ON i.id = c.image_id AND i.customer_id = c.id WHERE c.id = $1 AND i.id = $2`, customerID, image); n != 1 {
			t.Errorf("customer %s does not have the picture %s", customerID, image)
		}
	}
	winner, loser := e.person(e.ada, "Winner"), e.person(e.ada, "Loser")
	picture := e.picture(loser)
	merge := e.mustMerge(winner, loser)
	has(winner, picture)
	if _, err := svc.MergeUndo(t.Context(), e.ada, merge); err != nil {
		t.Fatal(err)
	}
	has(loser, picture)
	if n := e.count(`SELECT count(*) FROM customer WHERE id = $1 AND image_id IS NOT NULL`, winner); n != 0 {
		t.Error("the winner still points at a picture")
	}
	own := e.picture(winner)
	merge = e.mustMerge(winner, loser)
	has(winner, own)
	has(loser, picture)
	if _, err := svc.MergeUndo(t.Context(), e.ada, merge); err != nil {
		t.Fatal(err)
	}
	has(winner, own)
}

// TestEveryTableThatPointsAtCustomersIsKnownToTheMerge asks the database, so that a table that comes later is not forgotten.
func TestEveryTableThatPointsAtCustomersIsKnownToTheMerge(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	rows, err := e.admin.Query(t.Context(), `SELECT DISTINCT conrelid::regclass::text FROM pg_constraint
		WHERE contype = 'f' AND confrelid = 'customer'::regclass`)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	var name string
	for rows.Next() {
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		found[name] = true
	}
	known := maps.Clone(keptTables)
	for _, m := range movedTables {
		known[m.name] = "moved"
	}
	for name := range found {
		if known[name] == "" {
			t.Errorf("%s points at customers and a merge does not know it: add it to movedTables, or with a reason to keptTables", name)
		}
	}
	for name := range known {
		if !found[name] && name != "attribute_value_option" && name != "search_token" { // one reaches customers through attribute_value, the other has no key
			t.Errorf("%s is known to the merge and does not point at customers", name)
		}
	}
	// And each table that has a customer_id points at customers by a key.
	if n := e.count(`SELECT count(*) FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
		WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND column_name = 'customer_id' AND NOT table_name = ANY ($1)`, slices.Collect(maps.Keys(known))); n != 0 {
		t.Errorf("%d tables have a column customer_id without a foreign key", n)
	}
}

func TestAMergeMovesWhatTheLoserHas(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	winner, loser := e.full("winner"), e.full("loser")
	r, err := e.mergeNow(winner, loser, "BUSINESS_AREA", "EXTERNAL_ID")
	if err != nil {
		t.Fatal(err)
	}
	if want := (customer.MergeCounts{Emails: 1, Addresses: 1, Contacts: 2, Documents: 1, TimelineEntries: 2}); r.Moved != want {
		t.Errorf("moved %+v, want %+v", r.Moved, want)
	}
	w, l := e.file(winner), e.file(loser)
	var emails []string
	for _, m := range w.Emails {
		emails = append(emails, m.Address+" "+m.Purposes)
	}
	if want := []string{"shared@example.com STATEMENT", "winner@example.com ", "loser@example.com "}; !slices.Equal(emails, want) {
		t.Errorf("the winner's addresses are %q, want %q", emails, want)
	}
	if w.BusinessArea != "loser" || w.ExternalID != "ext-loser" || l.ExternalID != "ext-winner" || w.CompanyName != "winner" {
		t.Errorf("winner %+v, loser %+v: want the picked fields of the loser, and the winner's external id with the loser", w.Customer, l.Customer)
	}
	if len(w.Contacts) != 4 || len(l.Contacts) != 0 || l.Status != customer.Merged || l.MergedInto != winner {
		t.Errorf("%d contacts with the winner, %d with the loser, which is %s into %s", len(w.Contacts), len(l.Contacts), l.Status, l.MergedInto)
	}
	for _, table := range []string{"document", "timeline_entry", "upload", "contact", "note", "customer_image"} {
		if n := e.count("SELECT count(*) FROM "+table+" WHERE customer_id = $1", loser); n != 0 {
			t.Errorf("%d rows of %s stayed with the loser", n, table)
		}
	}
	if n := e.count(`SELECT count(*) FROM event WHERE type = 'CUSTOMER_MERGED' AND customer_id = subject_id AND customer_id IN ($1, $2)`, winner, loser); n != 2 {
		t.Errorf("%d events tell of the merge, want one for each of the two", n)
	}
	if n := e.count(`SELECT active_customers FROM account WHERE id = $1`, e.ada.AccountID); n != 1 {
		t.Errorf("the counter says %d active customers, want 1", n)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	winner, loser := e.full("winner"), e.full("loser")
	before := e.everything()
	in := customer.MergeInput{WinnerID: winner, LoserID: loser, ExpectedWinner: 1, ExpectedLoser: 1, Picks: []string{"COMPANY_NAME"}, DryRun: true}
	r, err := customer.NewService(e.store).Merge(t.Context(), e.ada, in, ptr("key"))
	if err != nil || r.ID != uuid.Nil || r.Winner.CompanyName != "loser" || r.Moved.Documents != 1 || !slices.Contains(r.Fields, "companyName") {
		t.Errorf("the dry run gives %+v, %v", r, err)
	}
	if after := e.everything(); after != before {
		t.Errorf("the dry run changed\n%s\nto\n%s", before, after)
	}
}

// everything is all rows of all tables but statistics, as text.
func (e *env) everything() string {
	e.t.Helper()
	var b strings.Builder
	for _, table := range []string{
		"account", "customer", "contact", "email_address", "phone_number", "postal_address", "document", "timeline_entry", "upload", "event", "revision",
		"customer_merge", "idempotency",
	} {
		var text string
		if err := e.admin.QueryRow(context.Background(), "SELECT coalesce(string_agg(x::text, E'\n' ORDER BY id), '') FROM "+table+" AS x").Scan(&text); err != nil {
			e.t.Fatal(err)
		}
		b.WriteString(table + "\n" + text + "\n")
	}
	return b.String()
}

func TestMergesThatCannotBe(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	a, b, c := e.person(e.ada, "A"), e.person(e.ada, "B"), e.person(e.ada, "C")
	svc := customer.NewService(e.store)
	first := e.mustMerge(a, b)
	merge := func(winner, loser uuid.UUID, winnerVersion, loserVersion int) error {
		_, err := svc.Merge(t.Context(), e.ada, customer.MergeInput{
			WinnerID: winner, LoserID: loser, ExpectedWinner: winnerVersion, ExpectedLoser: loserVersion,
		}, nil)
		return err
	}
	for name, x := range map[string]struct {
		err  error
		code fault.Code
		path string
	}{
		"into itself":             {merge(a, a, 2, 2), fault.Conflict, "loserId"},
		"a circle":                {merge(b, a, 2, 2), fault.Conflict, "winnerId"},
		"a loser twice":           {merge(c, b, 1, 2), fault.Conflict, "loserId"},
		"a stale winner":          {merge(a, c, 1, 1), fault.VersionConflict, "expectedWinnerVersion"},
		"a stale loser":           {merge(a, c, 2, 7), fault.VersionConflict, "expectedLoserVersion"},
		"change of a merged one":  {e.rename(e.ada, b, 2, "x"), fault.Conflict, "id"},
		"archive of a merged one": {svc.Archive(t.Context(), e.ada, b, 2), fault.Conflict, "id"},
		"an entry for it": {second(timeline.NewService(e.store).EntryCreate(t.Context(), e.ada, b, timeline.Draft{
			Kind: timeline.KindCall, At: time.Now(), Title: "x",
		}, nil)), fault.Conflict, "customerId"},
		"a contact for it": {second(svc.ContactCreate(t.Context(), e.ada, b, customer.ContactDraft{GivenName: ptr("x")}, nil)), fault.Conflict, ""},
		"an upload for it": {second(e.store.Documents().UploadTarget(t.Context(), e.ada, b, attribute.GeneralKey)), fault.Conflict, ""},
		"an unknown pick": {second(svc.Merge(t.Context(), e.ada, customer.MergeInput{
			WinnerID: a, LoserID: c, ExpectedWinner: 2, ExpectedLoser: 1, Picks: []string{"SHOE_SIZE"},
		}, nil)), fault.BadUserInput, "picks"},
	} {
		list := fault.AsList(x.err)
		if len(list) == 0 || list[0].Code != x.code || x.path != "" && strings.Join(list[0].Path, ".") != x.path {
			t.Errorf("%s: %v, want %s at %s", name, x.err, x.code, x.path)
		}
	}
	// Chains are flat, and come undone from the end.
	last := e.mustMerge(c, a)
	if e.file(b).MergedInto != c {
		t.Errorf("the first loser stands for %s, want the last winner", e.file(b).MergedInto)
	}
	if _, err := svc.MergeUndo(t.Context(), e.ada, first); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("undoing the inner merge first: %v", err)
	}
	for _, id := range []uuid.UUID{last, last, first} { // twice is as good as once
		if _, err := svc.MergeUndo(t.Context(), e.ada, id); err != nil {
			t.Errorf("undo: %v", err)
		}
	}
	if n := e.count(`SELECT count(*) FROM customer WHERE merged_into_id IS NOT NULL OR status <> 'ACTIVE'`); n != 0 {
		t.Errorf("%d customers are not back", n)
	}
	if n := e.count(`SELECT active_customers FROM account WHERE id = $1`, e.ada.AccountID); n != 3 {
		t.Errorf("the counter says %d, want 3", n)
	}
}

func TestUndoNamesWhatWasChangedSince(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	for name, x := range map[string]struct {
		change func(winner, contact, document, entry uuid.UUID) error
		want   string
	}{
		"a field that the merge wrote": {func(winner, _, _, _ uuid.UUID) error {
			return svc.Update(t.Context(), e.ada, winner, 2, customer.Patch{ProfileInput: customer.ProfileInput{BusinessArea: optional.Some(ptr("x"))}}, "")
		}, "businessArea"},
		"addresses that came": {func(winner, _, _, _ uuid.UUID) error {
			return svc.Update(t.Context(), e.ada, winner, 2, customer.Patch{Emails: optional.Some([]customer.EmailInput{})}, "")
		}, "emails"},
		"a contact": {func(_, contact, _, _ uuid.UUID) error {
			return svc.ContactUpdate(t.Context(), e.ada, contact, 1, customer.ContactPatch{Role: optional.Some(ptr("x"))}, "")
		}, "contact con_"},
		"a document": {func(_, _, doc, _ uuid.UUID) error {
			return e.store.Documents().ChangeDocument(t.Context(), e.ada, doc, func(d document.Document, _ document.Conflict) (document.Change, error) {
				d.Title = "x"
				return document.Change{Document: d, Fields: []string{"title"}, Event: timeline.DocumentUpdated}, nil
			})
		}, "document doc_"},
		"an entry that was deleted": {func(_, _, _, entry uuid.UUID) error {
			return timeline.NewService(e.store).EntryDelete(t.Context(), e.ada, entry, 1)
		}, "timeline entry tle_"},
	} {
		winner, loser := e.person(e.ada, "Winner"), e.full("loser."+strings.ReplaceAll(name, " ", "."))
		doc, entry := e.document(loser, "moved"), e.entry(loser, "moved")
		contact := e.file(loser).Contacts[1].ID
		merge := e.mustMerge(winner, loser)
		if err := x.change(winner, contact, doc, entry); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		before := e.everything()
		_, err := svc.MergeUndo(t.Context(), e.ada, merge)
		if fault.CodeOf(err) != fault.Conflict || !strings.Contains(fault.AsList(err)[0].Message, x.want) {
			t.Errorf("%s: %v, want a conflict that names %q", name, err, x.want)
		}
		if e.everything() != before {
			t.Errorf("%s: what was refused changed something", name)
		}
	}
}

func TestAnUpsertByTheLosersIDChangesTheWinner(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	winner, loser := e.full("winner"), e.full("loser")
	merge := e.mustMerge(winner, loser)
	patch := customer.Patch{ProfileInput: customer.ProfileInput{BusinessArea: optional.Some(ptr("Towers"))}}
	id, created, err := svc.Upsert(t.Context(), e.ada, customer.Key{ExternalID: ptr("ext-loser")}, patch)
	if f := e.file(winner); err != nil || created || id != winner || f.BusinessArea != "Towers" || f.ExternalID != "ext-winner" {
		t.Errorf("upsert gives %s, %v, %v and %+v; want the winner changed, with its own external id", id, created, err, f.Customer)
	}
	if _, err := svc.MergeUndo(t.Context(), e.ada, merge); err != nil {
		t.Fatal(err)
	}
	if id, _, err := svc.Upsert(t.Context(), e.ada, customer.Key{ExternalID: ptr("ext-loser")}, patch); err != nil || id != loser {
		t.Errorf("after the merge was undone: %s, %v; want the loser", id, err)
	}
}

// TestAnUploadInProgressEndsWithTheWinner completes one that was begun for the loser.
func TestAnUploadInProgressEndsWithTheWinner(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	winner, loser := e.person(e.ada, "Winner"), e.person(e.ada, "Loser")
	docs := e.store.Documents()
	a := document.Attempt{
		ID: typeid.New(), CustomerID: loser, Mode: document.ModeDirect, ObjectKey: "o", FileName: "x.pdf", Title: "x", Lease: time.Hour,
		DeclaredBytes: 1, WantBytes: 1, NeedBytes: 1,
	}
	if _, err := docs.BeginUpload(t.Context(), e.ada, a); err != nil {
		t.Fatal(err)
	}
	e.mustMerge(winner, loser)
	late := a
	late.ID, late.ObjectKey = typeid.New(), "late"
	if _, err := docs.BeginUpload(t.Context(), e.ada, late); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("beginning an upload for the loser: %v, want a conflict", err)
	}
	id, err := docs.CompleteUpload(t.Context(), e.ada, a, document.Content{DocumentID: typeid.New(), VersionID: typeid.New(), SizeBytes: 1, ContentType: "application/pdf"})
	if err != nil {
		t.Fatal(err)
	}
	if n := e.count("SELECT count(*) FROM document WHERE id = $1 AND customer_id = $2", id, winner); n != 1 {
		t.Error("the document is not the winner's")
	}
	if n := e.count("SELECT count(*) FROM timeline_entry WHERE subject_id = $1 AND customer_id = $2", id, winner); n != 1 {
		t.Error("its line is not on the winner's timeline")
	}
}

// TestOppositeMergesDoNotStandInEachOthersWay merges the same customers in both directions at once, again and again.
func TestOppositeMergesDoNotStandInEachOthersWay(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	for range 20 {
		a, b := e.person(e.ada, "A"), e.person(e.ada, "B")
		errs := make([]error, 2)
		var g errgroup.Group
		for i, pair := range [][2]uuid.UUID{{a, b}, {b, a}} {
			g.Go(func() error {
				_, errs[i] = svc.Merge(context.Background(), e.ada, customer.MergeInput{
					WinnerID: pair[0], LoserID: pair[1], ExpectedWinner: 1, ExpectedLoser: 1,
				}, nil)
				return nil
			})
		}
		_ = g.Wait()
		ok := 0
		for _, err := range errs {
			switch {
			case err == nil:
				ok++
			case fault.AsList(err) == nil:
				t.Errorf("a merge failed otherwise: %v", err)
			}
		}
		if ok != 1 {
			t.Errorf("%d of two opposite merges were made (%v)", ok, errors.Join(errs...))
		}
	}
}

func TestNothingIsAddedToALoserWhileItIsMerged(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for range 15 {
		winner, loser := e.person(e.ada, "Winner"), e.person(e.ada, "Loser")
		docs := e.store.Documents()
		var g errgroup.Group
		g.Go(func() error {
			_, err := customer.NewService(e.store).Merge(context.Background(), e.ada, customer.MergeInput{
				WinnerID: winner, LoserID: loser, ExpectedWinner: 1, ExpectedLoser: 1,
			}, nil)
			return err
		})
		for i := range 3 {
			g.Go(func() error {
				_, err := timeline.NewService(e.store).EntryCreate(context.Background(), e.ada, loser, timeline.Draft{
					Kind: timeline.KindTask, At: time.Now(), Title: fmt.Sprint(i),
				}, nil)
				return unlessConflict(err)
			})
			g.Go(func() error {
				id := typeid.New()
				a := document.Attempt{ID: id, CustomerID: loser, Mode: document.ModeDirect, ObjectKey: id.String(), FileName: "x", Title: "x", Lease: time.Hour, DeclaredBytes: 1, WantBytes: 1, NeedBytes: 1}
				if _, err := docs.BeginUpload(context.Background(), e.ada, a); err != nil {
					return unlessConflict(err)
				}
				_, err := docs.CompleteUpload(context.Background(), e.ada, a, document.Content{DocumentID: typeid.New(), VersionID: typeid.New(), SizeBytes: 1, ContentType: "application/pdf"})
				return err
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"timeline_entry", "document"} {
			if n := e.count("SELECT count(*) FROM "+table+" WHERE customer_id = $1", loser); n != 0 {
				t.Errorf("%d rows of %s were left behind at the loser", n, table)
			}
		}
	}
}

func unlessConflict(err error) error {
	if fault.CodeOf(err) == fault.Conflict {
		return nil
	}
	return err
}

// TestRecordsKeepTheirForm holds the names under which merges are stored: undoing an old merge reads them.
func TestRecordsKeepTheirForm(t *testing.T) {
	t.Parallel()
	f := customer.File{Customer: customer.Customer{
		Points: customer.Points{Emails: []customer.Email{{}}, Phones: []customer.Phone{{}}, Addresses: []customer.Address{{}}},
	}, Contacts: []customer.Contact{{}}}
	b, err := json.Marshal(mergeRecord{
		MergeRecord: customer.MergeRecord{Winner: f}, Moved: map[string][]movedRow{"contact": {{}}}, Flattened: []uuid.UUID{{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	w := got["Winner"].(map[string]any)
	for where, check := range map[string]struct {
		object any
		keys   string
	}{
		"record":  {got, "After Flattened Loser Moved Winner"},
		"moved":   {got["Moved"].(map[string]any)["contact"].([]any)[0], "ID Version"},
		"winner":  {w, "Addresses ArchivedAt BusinessArea CompanyName Contacts CreatedVia DeliveryDistanceKm Emails ExternalID FamilyName GivenName ID Kind LanguageTag MergedInto OriginID Phones PreferredChannel PreferredOfficeID PreferredStaffID RepresentativeID SalespersonID Status TaxExempt TaxExemptReason TimeZone TypeID Version WebsiteURL"},
		"e-mail":  {w["Emails"].([]any)[0], "Address ID Key Purposes Type"},
		"phone":   {w["Phones"].([]any)[0], "E164 Extension ID Type"},
		"address": {w["Addresses"].([]any)[0], "Country ID Locality PostalCode Region StreetAddress Type"},
		"contact": {w["Contacts"].([]any)[0], "Addresses Emails FamilyName GivenName ID Phones Primary Role Version"},
	} {
		keys := strings.Join(slices.Sorted(maps.Keys(check.object.(map[string]any))), " ")
		for want := range strings.SplitSeq(check.keys, " ") {
			if !slices.Contains(strings.Split(keys, " "), want) {
				t.Errorf("%s: %s is gone: what merges of older versions stored under it is lost", where, want)
			}
		}
	}
}

func TestMergesOfAnotherAccountAreNotThere(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	a, b := e.person(e.ada, "A"), e.person(e.ada, "B")
	merge := e.mustMerge(a, b)
	mine := e.person(e.bob, "Mine")
	try := func(p auth.Principal, winner, loser uuid.UUID) string {
		_, err := svc.Merge(t.Context(), p, customer.MergeInput{WinnerID: winner, LoserID: loser, ExpectedWinner: 1, ExpectedLoser: 1}, nil)
		return fmt.Sprint(err)
	}
	none := typeid.New()
	for _, pair := range [][4]uuid.UUID{{mine, a, mine, none}, {a, mine, none, mine}, {a, b, none, typeid.New()}} {
		foreign, nobody := try(e.bob, pair[0], pair[1]), try(e.bob, pair[2], pair[3])
		if foreign != nobody || !strings.Contains(foreign, "NOT_FOUND") {
			t.Errorf("another account's customer gives %q, none %q", foreign, nobody)
		}
	}
	_, foreign := svc.MergeUndo(t.Context(), e.bob, merge)
	_, nobody := svc.MergeUndo(t.Context(), e.bob, none)
	if fault.CodeOf(foreign) != fault.NotFound || foreign.Error() != nobody.Error() {
		t.Errorf("another account's merge gives %v, none %v", foreign, nobody)
	}
	if _, err := svc.Duplicates(t.Context(), e.bob, a); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("duplicates of another account's customer: %v", err)
	}
}
