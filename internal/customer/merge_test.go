package customer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/timeline"
)

func email(id byte, address, purposes string) Email {
	return Email{ID: uuid.UUID{id}, Type: "OTHER", Address: address, Key: strings.ToLower(address), Purposes: purposes}
}

func addresses(list []Email) (out []string) {
	for _, e := range list {
		out = append(out, strings.TrimSpace(e.Address+" "+e.Purposes))
	}
	return out
}

func TestTheWinnersFieldsStayAndEmptyOnesAreFilled(t *testing.T) {
	t.Parallel()
	typ, origin := uuid.UUID{1}, uuid.UUID{2}
	winner := File{Customer: Customer{ID: uuid.UUID{9}, Kind: Person, GivenName: "Ada", Profile: Profile{BusinessArea: "Looms", OriginID: origin}}}
	loser := File{Customer: Customer{ID: uuid.UUID{8}, Kind: Company, CompanyName: "Engines", GivenName: "A.", FamilyName: "Lovelace", Profile: Profile{
		BusinessArea: "Engines", TypeID: typ, OriginID: uuid.UUID{3}, LanguageTag: "en", TaxExempt: true, TaxExemptReason: "R", ExternalID: "B",
	}}}
	for _, x := range []struct {
		picks []string
		want  string
	}{
		{nil, "Ada Lovelace PERSON Looms en exempt=false:"},
		{[]string{"BUSINESS_AREA", "GIVEN_NAME", "TAX_EXEMPT"}, "A. Lovelace PERSON Engines en exempt=true:R"},
		{[]string{"KIND"}, "Engines COMPANY Looms en exempt=false:"},
	} {
		c := &check{}
		m := mergeFiles(c, winner, loser, x.picks)
		n := m.Winner.Customer
		got := fmt.Sprintf("%s %s %s %s exempt=%v:%s", n.DisplayName(), n.Kind, n.BusinessArea, n.LanguageTag, n.TaxExempt, n.TaxExemptReason)
		if got != x.want || len(c.faults) > 0 {
			t.Errorf("picks %v give %q (%v), want %q", x.picks, got, c.faults, x.want)
		}
		if n.TypeID != typ || n.OriginID != origin || n.ExternalID != "B" {
			t.Errorf("type %v, origin %v, external id %q: want the empty ones filled", n.TypeID, n.OriginID, n.ExternalID)
		}
		if l := m.Loser.Customer; l.ExternalID != "" || l.Status != Merged || l.MergedInto != winner.ID {
			t.Errorf("the loser is %+v", l)
		}
	}
	c := &check{}
	mergeFiles(c, winner, File{Customer: Customer{Kind: Person, FamilyName: "L"}}, []string{"GIVEN_NAME"})
	if len(c.faults) != 0 {
		t.Errorf("a picked empty name beside a filled one: %v", c.faults)
	}
	mergeFiles(c, winner, File{Customer: Customer{Kind: Company}}, []string{"KIND"})
	if len(c.faults) != 1 || c.faults[0].Code != fault.Required {
		t.Errorf("a company without a name: %v, want REQUIRED", c.faults)
	}
}

func TestEveryFieldOfAProfileCanBePicked(t *testing.T) {
	t.Parallel()
	set := map[string]bool{}
	diffProfile(Profile{}, Profile{}, set)
	var names []string
	for name := range set {
		if name == "taxExemptReason" { // goes with taxExempt
			continue
		}
		name = strings.TrimSuffix(name, "Id")
		if name == "external" {
			name = "externalId"
		}
		var b strings.Builder
		for _, r := range name {
			if r >= 'A' && r <= 'Z' {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		}
		names = append(names, strings.ToUpper(b.String()))
	}
	names = append(names, "KIND", "GIVEN_NAME", "FAMILY_NAME", "COMPANY_NAME")
	slices.Sort(names)
	if !slices.Equal(names, Picks()) {
		t.Errorf("the fields are %v, the picks %v", names, Picks())
	}
}

func TestContactPointsAreUnitedEqualOnesOnce(t *testing.T) {
	t.Parallel()
	winner := Points{
		Emails: []Email{email(1, "A@x.org", "GENERAL"), email(2, "b@x.org", "")}, Phones: []Phone{{ID: uuid.UUID{1}, E164: "+1"}},
		Addresses: []Address{{ID: uuid.UUID{1}, Type: "HOME", Locality: "Bern"}},
	}
	loser := Points{
		Emails:    []Email{email(3, "a@x.org", "INVOICE,STATEMENT"), email(4, "c@x.org", "STATEMENT")},
		Phones:    []Phone{{ID: uuid.UUID{2}, E164: "+1", Extension: "7"}, {ID: uuid.UUID{3}, E164: "+1"}},
		Addresses: []Address{{ID: uuid.UUID{2}, Type: "WORK", Locality: "Bern"}, {ID: uuid.UUID{3}, Locality: "Rom"}},
	}
	c := &check{}
	united, left := unite(c, winner, loser)
	if got, want := addresses(united.Emails), []string{"A@x.org GENERAL,INVOICE,STATEMENT", "b@x.org", "c@x.org"}; !slices.Equal(got, want) {
		t.Errorf("the addresses are %q, want %q: equal ones once, one STATEMENT", got, want)
	}
	if got, want := addresses(left.Emails), []string{"a@x.org INVOICE,STATEMENT"}; !slices.Equal(got, want) {
		t.Errorf("with the loser stays %q, want %q", got, want)
	}
	if len(united.Phones) != 2 || len(left.Phones) != 1 || len(united.Addresses) != 2 || len(left.Addresses) != 1 {
		t.Errorf("united %+v, left %+v", united, left)
	}
	if addresses(winner.Emails)[0] != "A@x.org GENERAL" {
		t.Error("the winner's own list was written to")
	}
	for i := range 19 {
		winner.Phones = append(winner.Phones, Phone{ID: uuid.UUID{9, byte(i)}, E164: fmt.Sprint("+2", i)})
	}
	if unite(c, winner, loser); len(c.faults) != 1 || c.faults[0].Code != fault.Conflict || !strings.Contains(c.faults[0].Message, "21 telephone numbers") {
		t.Errorf("21 numbers: %v", c.faults)
	}
}

func TestOneContactStaysPrimary(t *testing.T) {
	t.Parallel()
	own := Contact{ID: uuid.UUID{1}, Primary: true, GivenName: "Own"}
	came := Contact{ID: uuid.UUID{2}, Version: 4, Primary: true, GivenName: "Came"}
	merge := func(winner ...Contact) Merge {
		return mergeFiles(&check{}, File{Customer: Customer{Kind: Person, GivenName: "W"}, Contacts: winner}, File{Contacts: []Contact{came}}, nil)
	}
	if m := merge(own); m.Contact == nil || m.Contact.ID != came.ID || m.Contact.Primary || m.Winner.Events[len(m.Winner.Events)-1].Type != timeline.ContactUpdated {
		t.Errorf("%+v: want the one that came made ordinary, with an event", m.Contact)
	}
	if m := merge(); m.Contact != nil {
		t.Errorf("%+v: want the one that came left as it is", m.Contact)
	}
	many := make([]Contact, MaxContacts)
	c := &check{}
	mergeFiles(c, File{Customer: Customer{Kind: Person, GivenName: "W"}, Contacts: many}, File{Contacts: []Contact{came}}, nil)
	if len(c.faults) != 1 || c.faults[0].Code != fault.Conflict {
		t.Errorf("51 contacts: %v", c.faults)
	}
}

func TestUndoKeepsWhatWasAddedAndNamesWhatWasChanged(t *testing.T) {
	t.Parallel()
	winner := File{Customer: Customer{ID: uuid.UUID{9}, Kind: Person, GivenName: "Ada", Points: Points{Emails: []Email{email(1, "a@x.org", "")}}}}
	loser := File{Customer: Customer{ID: uuid.UUID{8}, Kind: Person, GivenName: "A.", FamilyName: "L", Points: Points{
		Emails: []Email{email(2, "a@x.org", "INVOICE"), email(3, "c@x.org", "")},
	}}}
	m := mergeFiles(&check{}, winner, loser, nil)
	record := MergeRecord{Winner: winner, Loser: loser, After: m.Winner.Customer}
	for name, x := range map[string]struct {
		change    func(c *Customer)
		want      []string
		conflicts string
	}{
		"nothing":              {func(*Customer) {}, []string{"a@x.org"}, ""},
		"an added address":     {func(c *Customer) { c.Emails = append([]Email{email(7, "n@x.org", "")}, c.Emails...) }, []string{"n@x.org", "a@x.org"}, ""},
		"another field":        {func(c *Customer) { c.BusinessArea = "x" }, []string{"a@x.org"}, ""},
		"a filled field":       {func(c *Customer) { c.FamilyName = "x" }, nil, "familyName"},
		"an address that came": {func(c *Customer) { c.Emails[1].Type = "HOME" }, nil, "emails"},
		"a united address":     {func(c *Customer) { c.Emails[0].Purposes = "" }, nil, "emails"},
		"all addresses":        {func(c *Customer) { c.Emails = nil }, nil, "emails"},
	} {
		now := m.Winner.Customer
		now.Emails = slices.Clone(now.Emails)
		x.change(&now)
		u, conflicts := undoFiles(record, File{Customer: now}, File{Customer: m.Loser.Customer}, nil)
		if got := strings.Join(conflicts, " "); got != x.conflicts {
			t.Errorf("%s: conflicts %q, want %q", name, got, x.conflicts)
		}
		if x.conflicts != "" {
			continue
		}
		if got := addresses(u.Winner.Customer.Emails); !slices.Equal(got, x.want) || u.Winner.Customer.FamilyName != "" || u.Winner.Customer.BusinessArea != now.BusinessArea {
			t.Errorf("%s: the winner gets %q and %+v, want %q", name, got, u.Winner.Customer, x.want)
		}
		if l := u.Loser.Customer; l.Status != loser.Status || l.MergedInto != uuid.Nil || len(diffCustomer(l, loser.Customer)) > 0 {
			t.Errorf("%s: the loser gets %+v", name, l)
		}
	}
}

func TestWhatDuplicatesAreFoundBy(t *testing.T) {
	t.Parallel()
	f := File{Customer: Customer{ID: uuid.UUID{1}, Kind: Person, GivenName: "Élodie", FamilyName: "Groß", Points: Points{
		Emails: []Email{email(1, "b@x.org", "")}, Addresses: []Address{{PostalCode: "sw1a 1aa"}, {Locality: "Rom"}},
	}}, Contacts: []Contact{{Points: Points{
		Emails: []Email{email(2, "a@x.org", ""), email(3, "B@x.org", "")}, Phones: []Phone{{E164: "+1", Extension: "7"}},
		Addresses: []Address{{PostalCode: "1"}},
	}}}}
	got := fmt.Sprintf("%+v", TraitsOf(f))
	want := "{Emails:[a@x.org b@x.org] Phones:[{E164:+1 Extension:7}] SortName:elodie gross PostalCodes:[SW1A1AA] Except:01000000-0000-0000-0000-000000000000}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !TraitsOf(File{Customer: Customer{Kind: Person, GivenName: "Ada"}}).None() {
		t.Error("a name alone is nothing to recognise a customer by")
	}
}

func TestAttributesThatTheWinnerLacksAreFilledAndTakenAway(t *testing.T) {
	t.Parallel()
	value := func(id byte, key, text string) AttributeValue {
		return AttributeValue{DefinitionID: uuid.UUID{id}, Key: key, Type: "TEXT", Text: text}
	}
	winner := File{Customer: Customer{ID: uuid.UUID{9}, Kind: Person, GivenName: "Ada", Attributes: []AttributeValue{value(2, "b", "own")}}}
	loser := File{Customer: Customer{ID: uuid.UUID{8}, Kind: Person, GivenName: "A", Attributes: []AttributeValue{value(1, "a", "came"), value(2, "b", "other")}}}
	m := mergeFiles(&check{}, winner, loser, nil)
	if got := fmt.Sprint(m.Winner.Customer.Attributes[0].Text, m.Winner.Customer.Attributes[1].Text, len(m.Loser.Customer.Attributes)); got != "cameown2" {
		t.Errorf("the winner has %+v, the loser %+v", m.Winner.Customer.Attributes, m.Loser.Customer.Attributes)
	}
	record := MergeRecord{Winner: winner, Loser: loser, After: m.Winner.Customer}
	now := m.Winner.Customer
	now.Attributes = append(slices.Clone(now.Attributes), value(3, "c", "added"))
	if u, conflicts := undoFiles(record, File{Customer: now}, File{Customer: m.Loser.Customer}, nil); len(conflicts) > 0 ||
		len(u.Winner.Customer.Attributes) != 2 || u.Winner.Customer.Attributes[0].Text != "own" || u.Winner.Customer.Attributes[1].Text != "added" {
		t.Errorf("undone: %+v, %v", u.Winner.Customer.Attributes, conflicts)
	}
	now.Attributes[0].Text = "changed"
	if _, conflicts := undoFiles(record, File{Customer: now}, File{Customer: m.Loser.Customer}, nil); !slices.Equal(conflicts, []string{"attributes.a"}) {
		t.Errorf("after a change the conflicts are %v", conflicts)
	}
}
