package demo

import (
	"context"
	"math/rand/v2"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/idempotency"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// unruly is an account without a field policy.
type unruly struct{ customer.Reading }

func (unruly) Rules(customer.Channel, uuid.UUID) (customer.Rules, error) {
	return customer.Rules{}, nil
}

func (unruly) Choices(list []customer.Choice) ([]customer.ChoiceState, error) {
	states := make([]customer.ChoiceState, len(list))
	for i := range states {
		states[i].Exists = true
	}
	return states, nil
}

// accepts is a store that takes what the rules let through.
type accepts struct {
	customer.Store
	customers *int
}

func (a accepts) CustomerCreate(
	_ context.Context, _ auth.Principal, _ *idempotency.Key, create func(customer.Reading) (customer.Change, error),
) (uuid.UUID, error) {
	_, err := create(unruly{})
	*a.customers++
	return uuid.New(), err
}

// A sample that breaks a rule would fail `dossier dev` on its first start, on somebody's machine.
func TestEverySampleObeysTheRules(t *testing.T) {
	t.Parallel()
	made, kinds, documents, past, upcoming, contacts := 0, map[customer.Kind]int{}, 0, 0, 0, 0
	customers := customer.NewService(accepts{customers: &made})
	p := auth.System(uuid.New())
	const samples = 1000
	some := lists{
		types:   []string{typeid.Format(typeid.CustomerType, uuid.New())},
		origins: []string{typeid.Format(typeid.CustomerOrigin, uuid.New())}, offices: []string{typeid.Format(typeid.Office, uuid.New())},
	}
	for i := range samples {
		s := newPerson(rand.New(rand.NewPCG(2026, uint64(i))), i)
		some.choose(rand.New(rand.NewPCG(2027, uint64(i))), &s.draft)
		if _, err := customers.Create(t.Context(), p, s.draft, nil); err != nil {
			t.Errorf("sample %d: %v", i, err)
		}
		kinds[s.draft.Kind]++
		documents, past, upcoming, contacts = documents+s.documents, past+s.past, upcoming+s.upcoming, contacts+len(s.draft.Contacts)
	}
	if made != samples || kinds[customer.Person] < samples/3 || kinds[customer.Company] < samples/3 {
		t.Errorf("%d samples of the kinds %v, want %d and a third of each kind at least", made, kinds, samples)
	}
	if documents < samples || past < samples || upcoming < samples/2 || contacts < samples/2 {
		t.Errorf("%d documents, %d past and %d coming entries, %d contacts: the samples are too empty to show anything", documents, past, upcoming, contacts)
	}
}

func TestTheSameSeedGivesTheSameSamples(t *testing.T) {
	t.Parallel()
	for i := range 50 {
		a := newPerson(rand.New(rand.NewPCG(2026, uint64(i))), i)
		b := newPerson(rand.New(rand.NewPCG(2026, uint64(i))), i)
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("sample %d is %+v, then %+v", i, a, b)
		}
	}
}

func TestDocumentsHaveNamesOfTheirKind(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	types := map[string]int{}
	for range 100 {
		f, err := newDocument(rnd)
		if err != nil {
			t.Fatal(err)
		}
		types[f.DeclaredType()]++
		if f.Name() == "" || !utf8.ValidString(f.Name()) || f.SizeBound() < 100 {
			t.Errorf("a document is called %q and has %d bytes", f.Name(), f.SizeBound())
		}
	}
	if len(types) != 3 {
		t.Errorf("the documents are of %v, want three types", types)
	}
}

// entries is a timeline.Store that counts.
type entries struct {
	timeline.Store
	n *int
}

func (e entries) EntryCreate(context.Context, auth.Principal, *idempotency.Key, timeline.Entry, []string) (uuid.UUID, error) {
	*e.n++
	return uuid.New(), nil
}

func TestEntriesObeyTheRules(t *testing.T) {
	t.Parallel()
	n := 0
	s := Services{Timeline: timeline.NewService(entries{n: &n})}
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 200 {
		if err := s.entry(t.Context(), auth.System(uuid.New()), uuid.New(), rnd, i%2 == 0); err != nil {
			t.Errorf("entry %d: %v", i, err)
		}
	}
	if n != 200 {
		t.Errorf("%d entries, want 200", n)
	}
}
