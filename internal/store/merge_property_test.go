package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// TestMergeThenUndoGivesBackEqualCustomers merges random customers, in part chains of them, with random picks, adds to the
// winner in between, and undoes it all: every row of both must be what and where it was.
func TestMergeThenUndoGivesBackEqualCustomers(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	rapid.Check(t, func(r *rapid.T) {
		e := &merger{env: e, r: r, svc: svc}
		ids := []uuid.UUID{e.random(), e.random(), e.random()}
		before := e.rows(ids...)
		var merges []uuid.UUID
		e.merge(&merges, ids[0], ids[1])
		switch rapid.SampledFrom([]string{"no more", "a chain", "two losers"}).Draw(r, "then") {
		case "a chain":
			e.merge(&merges, ids[2], ids[0])
		case "two losers":
			e.merge(&merges, ids[0], ids[2])
		}
		e.holds(ids)
		added := map[string]bool{}
		if rapid.Bool().Draw(r, "something is added") {
			top := e.top(ids[0])
			added[e.entry(top, "added").String()] = true
			added[e.document(top, "added").String()] = true
		}
		for _, id := range slices.Backward(merges) {
			if _, err := svc.MergeUndo(context.Background(), e.ada, id); err != nil {
				r.Fatalf("undo: %v", err)
			}
		}
		after := e.rows(ids...)
		maps.DeleteFunc(after, func(key, _ string) bool { return added[key[len(key)-36:]] })
		for key := range maps.Keys(after) {
			if before[key] != after[key] {
				r.Errorf("%s\nwas %s\nis  %s", key, before[key], after[key])
			}
		}
		for key := range maps.Keys(before) {
			if after[key] == "" {
				r.Errorf("%s is gone: %s", key, before[key])
			}
		}
		e.holds(ids)
	})
}

type merger struct {
	*env
	r   *rapid.T
	svc *customer.Service
}

func (e *merger) merge(merges *[]uuid.UUID, winner, loser uuid.UUID) {
	all := customer.Picks()
	picks := rapid.SliceOfNDistinct(rapid.SampledFrom(all), 0, 5, rapid.ID[string]).Draw(e.r, "picks")
	r, err := e.mergeNow(winner, loser, picks...)
	if err != nil {
		if list := fault.AsList(err); list == nil || list[0].Code != fault.Required { // a pick can take the name away
			e.r.Fatalf("merge: %v", err)
		}
		return
	}
	*merges = append(*merges, r.ID)
}

// top is the customer that has all now.
func (e *merger) top(id uuid.UUID) uuid.UUID {
	if into := e.file(id).MergedInto; into != uuid.Nil {
		return into
	}
	return id
}

// random makes a customer with a random file, documents, entries, uploads and archived contacts.
func (e *merger) random() uuid.UUID {
	m := &model{r: e.r, e: e.env, svc: e.svc}
	text := func(name string) optional.Field[*string] {
		return optional.Some(rapid.SampledFrom([]*string{nil, ptr("x"), ptr("y")}).Draw(e.r, name))
	}
	d := customer.Draft{
		Kind: customer.Kind(rapid.SampledFrom([]string{"PERSON", "COMPANY"}).Draw(e.r, "kind")), GivenName: ptr("Ada"), CompanyName: ptr("Engines"),
		FamilyName: text("family").Value, Emails: m.emailInputs(nil),
		ProfileInput: customer.ProfileInput{
			BusinessArea: text("area"), TaxExempt: optional.Some(ptr(rapid.Bool().Draw(e.r, "exempt"))),
			DeliveryDistanceKm: optional.Some(rapid.SampledFrom([]*string{nil, ptr("1.5")}).Draw(e.r, "way")),
		},
	}
	if rapid.Bool().Draw(e.r, "known elsewhere") {
		d.ExternalID = optional.Some(ptr(typeid.New().String()))
	}
	if d.TaxExempt.Value != nil && *d.TaxExempt.Value {
		d.TaxExemptReason = text("reason")
	}
	if len(d.Emails) > 0 && rapid.Bool().Draw(e.r, "statement") {
		d.Emails[rapid.IntRange(0, len(d.Emails)-1).Draw(e.r, "which")].Purposes = []string{"STATEMENT"}
	}
	for range rapid.IntRange(0, 2).Draw(e.r, "phones") {
		d.Phones = append(d.Phones, customer.PhoneInput{Number: fmt.Sprintf("+4930901%d", rapid.IntRange(820, 823).Draw(e.r, "number"))})
	}
	for range rapid.IntRange(0, 2).Draw(e.r, "addresses") {
		d.Addresses = append(d.Addresses, customer.AddressInput{AddressLocality: ptr(rapid.SampledFrom([]string{"Bern", "Rom"}).Draw(e.r, "town"))})
	}
	for range rapid.IntRange(0, 3).Draw(e.r, "contacts") {
		d.Contacts = append(d.Contacts, customer.ContactDraft{GivenName: ptr(letters.Draw(e.r, "name")), Emails: m.emailInputs(nil)})
	}
	id, err := e.svc.Create(context.Background(), e.ada, d, nil)
	if err != nil {
		e.r.Fatalf("create: %v", err)
	}
	for range rapid.IntRange(0, 2).Draw(e.r, "things") {
		e.document(id, "d")
		e.entry(id, "e")
	}
	if rapid.Bool().Draw(e.r, "picture") {
		e.picture(id)
	}
	if f := e.file(id); len(f.Contacts) > 1 && rapid.Bool().Draw(e.r, "archived contact") {
		err = e.svc.ContactArchive(context.Background(), e.ada, f.Contacts[0].ID, f.Contacts[0].Version)
	}
	if err == nil && rapid.IntRange(0, 3).Draw(e.r, "archived") == 0 {
		err = e.svc.Archive(context.Background(), e.ada, id, e.file(id).Version)
	}
	if err != nil {
		e.r.Fatalf("archive: %v", err)
	}
	return id
}

// rows are all rows of the customers by table and id, as JSON without what a merge and its undoing may change: the versions
// and times of the customers and of the contact that was primary, and the lines that tell of them.
func (e *merger) rows(ids ...uuid.UUID) map[string]string {
	out := map[string]string{}
	for table, query := range map[string]string{
		"customer":       `SELECT id, to_jsonb(t) - 'version' - 'updated_at' FROM customer t WHERE id = ANY ($1)`,
		"contact":        `SELECT id, to_jsonb(t) - CASE WHEN secondary THEN '{}' ELSE '{version,updated_at}'::text[] END FROM contact t WHERE customer_id = ANY ($1)`,
		"email_address":  `SELECT id, to_jsonb(t) FROM email_address t WHERE customer_id = ANY ($1)`,
		"phone_number":   `SELECT id, to_jsonb(t) FROM phone_number t WHERE customer_id = ANY ($1)`,
		"postal_address": `SELECT id, to_jsonb(t) FROM postal_address t WHERE customer_id = ANY ($1)`,
		"document":       `SELECT id, to_jsonb(t) FROM document t WHERE customer_id = ANY ($1)`,
		"note":           `SELECT id, to_jsonb(t) FROM note t WHERE customer_id = ANY ($1)`,
		"customer_image": `SELECT id, to_jsonb(t) FROM customer_image t WHERE customer_id = ANY ($1)`,
		"upload":         `SELECT id, to_jsonb(t) FROM upload t WHERE customer_id = ANY ($1)`,
		"timeline_entry": `SELECT id, to_jsonb(t) FROM timeline_entry t WHERE customer_id = ANY ($1) AND kind NOT LIKE 'CUSTOMER_MERGE%'`,
	} {
		rows, err := e.admin.Query(context.Background(), query, ids)
		if err != nil {
			e.r.Fatal(err)
		}
		for rows.Next() {
			var id uuid.UUID
			var text json.RawMessage
			if err := rows.Scan(&id, &text); err != nil {
				e.r.Fatal(err)
			}
			out[table+" "+id.String()] = string(text)
		}
		if err := rows.Err(); err != nil {
			e.r.Fatal(err)
		}
	}
	return out
}

// holds checks what must be true of every customer, merged or not.
func (e *merger) holds(ids []uuid.UUID) {
	for _, id := range ids {
		m := &model{r: e.r, e: e.env, id: id}
		for _, mail := range e.file(id).Emails {
			m.emails = append(m.emails, mail.Address)
		}
		m.check()
	}
	if n := e.count(`SELECT count(*) FROM customer c WHERE (status = 'MERGED') <> (merged_into_id IS NOT NULL)
		OR EXISTS (SELECT FROM customer w WHERE w.id = c.merged_into_id AND w.status = 'MERGED')`); n != 0 {
		e.r.Errorf("%d customers are in a chain of merges, or merged by half", n)
	}
	if n := e.count(`SELECT count(*) FROM account a WHERE id = $1 AND (active_customers, archived_customers) <> (
		SELECT count(*) FILTER (WHERE status = 'ACTIVE'), count(*) FILTER (WHERE status = 'ARCHIVED') FROM customer WHERE account_id = a.id)`,
		e.ada.AccountID); n != 0 {
		e.r.Error("the counters of customers are wrong")
	}
}

// counterFields are fields that hold a number which the test counts up.
var counterFields = map[string]struct {
	read  func(customer.Customer) string
	patch func(*string) customer.Patch
}{
	"familyName": {
		func(c customer.Customer) string { return c.FamilyName },
		func(s *string) customer.Patch { return customer.Patch{FamilyName: optional.Some(s)} },
	},
	"companyName": {
		func(c customer.Customer) string { return c.CompanyName },
		func(s *string) customer.Patch { return customer.Patch{CompanyName: optional.Some(s)} },
	},
	"businessArea": {
		func(c customer.Customer) string { return c.BusinessArea },
		func(s *string) customer.Patch {
			return customer.Patch{ProfileInput: customer.ProfileInput{BusinessArea: optional.Some(s)}}
		},
	},
}

// TestConcurrentUpdatesLoseNoUpdate has writers count numbers in fields of the same customers up, with both ways to treat a
// conflict, while the customers are merged and the merges undone. What was accepted must be what is counted.
func TestConcurrentUpdatesLoseNoUpdate(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	const customers, writers, rounds, leastMerges = 3, 6, 60, 3
	ids := make([]uuid.UUID, customers)
	for i := range ids {
		var err error
		ids[i], err = svc.Create(t.Context(), e.ada, customer.Draft{
			GivenName: ptr("Ada"), FamilyName: ptr("0"), CompanyName: ptr("0"), ProfileInput: customer.ProfileInput{BusinessArea: optional.Some(ptr("0"))},
			Emails: []customer.EmailInput{{Address: fmt.Sprintf("%d@example.com", i)}}, Contacts: []customer.ContactDraft{{GivenName: ptr("C")}},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	var mu sync.Mutex
	accepted := map[string]int{}
	var refused, merged, undone atomic.Int64
	names := slices.Sorted(maps.Keys(counterFields))
	w := counting{env: e, svc: svc}
	var g errgroup.Group
	done := make(chan struct{})
	for n := range writers {
		g.Go(func() error {
			random := rand.New(rand.NewPCG(uint64(n), 3))
			// On a slow machine the mergers may need longer than the writers.
			for i := 0; i < rounds || merged.Load() < leastMerges && i < 50*rounds; i++ {
				id, name := ids[random.IntN(customers)], names[random.IntN(len(names))]
				ok, err := w.increment(id, name, customer.OnConflict([]string{"REJECT", "MERGE_DISJOINT"}[random.IntN(2)]))
				if err != nil {
					return err
				}
				if !ok {
					refused.Add(1)
					continue
				}
				mu.Lock()
				accepted[id.String()+name]++
				mu.Unlock()
			}
			return nil
		})
	}
	var mergers errgroup.Group
	mergers.Go(func() error {
		random := rand.New(rand.NewPCG(9, 9))
		for {
			select {
			case <-done:
				return nil
			default:
			}
			from := random.IntN(customers)
			id, err := w.mergeAny(ids[from], ids[(from+1)%customers])
			if err != nil {
				return err
			}
			if id == uuid.Nil {
				continue
			}
			merged.Add(1)
			if _, err := svc.MergeUndo(context.Background(), e.ada, id); err != nil {
				return err
			}
			undone.Add(1)
		}
	})
	err := g.Wait()
	close(done)
	if mergeErr := mergers.Wait(); err != nil || mergeErr != nil {
		t.Fatal(err, mergeErr)
	}
	total := 0
	for _, id := range ids {
		f := e.file(id)
		for name, field := range counterFields {
			want := accepted[id.String()+name]
			total += want
			if got := field.read(f.Customer); got != strconv.Itoa(want) {
				t.Errorf("%s of customer %s counts %s, and %d increments were accepted", name, id, got, want)
			}
		}
	}
	t.Logf("%d increments accepted, %d refused, %d merges, %d undone", total, refused.Load(), merged.Load(), undone.Load())
	if total < 50 || merged.Load() < leastMerges {
		t.Errorf("%d increments and %d merges show nothing", total, merged.Load())
	}
}

type counting struct {
	*env
	svc *customer.Service
}

// increment reads a number and writes the next one, as a client does. It is false when the update was refused.
func (w counting) increment(id uuid.UUID, name string, onConflict customer.OnConflict) (bool, error) {
	f, err := (&tx{scope: w.store.in(w.ada.AccountID)}).readFile(context.Background(), id, nil, nil)
	if err != nil {
		return false, err
	}
	n, err := strconv.Atoi(counterFields[name].read(f.Customer))
	if err != nil {
		return false, err
	}
	err = w.svc.Update(context.Background(), w.ada, id, f.Version, counterFields[name].patch(ptr(strconv.Itoa(n+1))), onConflict)
	switch fault.CodeOf(err) {
	case fault.VersionConflict, fault.Conflict: // somebody was faster, or it is merged just now
		return false, nil
	}
	return err == nil, err
}

// mergeAny merges two customers, unless somebody changes one of them in between.
func (w counting) mergeAny(winner, loser uuid.UUID) (uuid.UUID, error) {
	r, err := w.svc.Merge(context.Background(), w.ada, customer.MergeInput{
		WinnerID: winner, LoserID: loser, ExpectedWinner: w.file(winner).Version, ExpectedLoser: w.file(loser).Version,
	}, nil)
	if code := fault.CodeOf(err); code == fault.VersionConflict || code == fault.Conflict {
		return uuid.Nil, nil
	}
	return r.ID, err
}
