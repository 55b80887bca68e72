package customer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

func ptr[T any](v T) *T { return &v }

// numbered gives ids that a test can tell in advance.
func numbered() func() uuid.UUID {
	n := byte(0)
	return func() uuid.UUID {
		n++
		return uuid.UUID{15: n}
	}
}

func nth(n byte) uuid.UUID { return uuid.UUID{15: n} }

// wrong gives the faults as lines of code and path, sorted.
func wrong(c *check) []string {
	var list []string
	for _, f := range c.faults {
		list = append(list, string(f.Code)+" "+strings.Join(f.Path, "."))
	}
	slices.Sort(list)
	return list
}

func TestEverythingWrongIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	c := &check{newID: numbered()}
	create(c, Draft{
		Kind: Company, GivenName: ptr("a\x00"), FamilyName: ptr(strings.Repeat("ü", 201)),
		Emails:    []EmailInput{{Address: "ok@example.com", IsPrimary: ptr(true)}, {Address: "bad", IsPrimary: ptr(true), Type: "FAX"}},
		Phones:    []PhoneInput{{Number: "123", ID: ptr("phn_x")}},
		Addresses: []AddressInput{{AddressCountry: ptr("Germany"), PostalCode: ptr(strings.Repeat("1", 21))}, {StreetAddress: ptr(" ")}},
		Contacts: []ContactDraft{
			{GivenName: ptr("Ada")},
			{Role: ptr("Manager"), Emails: []EmailInput{{Address: "@"}}},
		},
	}, ByStaff)
	want := []string{
		"BAD_USER_INPUT input.addresses.0.addressCountry",
		"BAD_USER_INPUT input.addresses.0.postalCode",
		"BAD_USER_INPUT input.contacts.1.emails.0.address",
		"BAD_USER_INPUT input.emails.1.address",
		"BAD_USER_INPUT input.emails.1.isPrimary",
		"BAD_USER_INPUT input.emails.1.type",
		"BAD_USER_INPUT input.familyName",
		"BAD_USER_INPUT input.givenName",
		"BAD_USER_INPUT input.phones.0.number",
		"NOT_FOUND input.phones.0.id",
		"REQUIRED input.addresses.1.streetAddress",
		"REQUIRED input.companyName",
		"REQUIRED input.contacts.1.givenName",
	}
	if got := wrong(c); !slices.Equal(got, want) {
		t.Errorf("got\n %s\nwant\n %s", strings.Join(got, "\n "), strings.Join(want, "\n "))
	}
}

func TestLongListsAreRefused(t *testing.T) {
	t.Parallel()
	c := &check{newID: numbered()}
	create(c, Draft{
		GivenName: ptr("Ada"), Emails: make([]EmailInput, 21), Phones: make([]PhoneInput, 21), Addresses: make([]AddressInput, 21),
		Contacts: make([]ContactDraft, 51),
	}, ByStaff)
	want := []string{"BAD_USER_INPUT input.addresses", "BAD_USER_INPUT input.contacts", "BAD_USER_INPUT input.emails", "BAD_USER_INPUT input.phones"}
	if got := wrong(c); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v and nothing about the items", got, want)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		draft         Draft
		display, sort string
		want          string
	}{
		"a person has both names":              {Draft{GivenName: ptr(" Élodie "), FamilyName: ptr("Groß")}, "Élodie Groß", "elodie gross", ""},
		"or only one":                          {Draft{FamilyName: ptr("Cher")}, "Cher", "cher", ""},
		"a company shows its own name":         {Draft{Kind: Company, CompanyName: ptr("Müller AG"), GivenName: ptr("Ada")}, "Müller AG", "muller ag", ""},
		"a person needs a name":                {Draft{CompanyName: ptr("Müller AG")}, "", "", "REQUIRED input.givenName"},
		"white space is no name":               {Draft{GivenName: ptr("  ")}, "", "", "REQUIRED input.givenName"},
		"a company needs one of its own":       {Draft{Kind: Company, GivenName: ptr("Ada")}, "Ada", "ada", "REQUIRED input.companyName"},
		"a kind is one of two":                 {Draft{Kind: "ROBOT", GivenName: ptr("R2")}, "R2", "r2", "BAD_USER_INPUT input.kind"},
		"a wrong name is not also called none": {Draft{GivenName: ptr("\u202eadA")}, "", "", "BAD_USER_INPUT input.givenName"},
	} {
		chk := &check{newID: numbered()}
		cus := create(chk, c.draft, ByStaff).Customer
		if got := strings.Join(wrong(chk), ", "); got != c.want {
			t.Errorf("%s: faults %q, want %q", name, got, c.want)
		}
		if c.want == "" && (cus.DisplayName() != c.display || cus.SortName() != c.sort) {
			t.Errorf("%s: shown as %q, ordered by %q; want %q and %q", name, cus.DisplayName(), cus.SortName(), c.display, c.sort)
		}
	}
}

func emails(list ...string) []Email {
	out := make([]Email, len(list))
	for i, a := range list {
		out[i] = Email{ID: nth(byte(100 + i)), Type: "OTHER", Address: a, Key: a}
	}
	return out
}

func ref(prefix string, n byte) *string { return ptr(typeid.Format(prefix, nth(n))) }

func TestListsAreReplacedByID(t *testing.T) {
	t.Parallel()
	old := emails("a@x.de", "b@x.de", "c@x.de")
	for name, c := range map[string]struct {
		in   []EmailInput
		want string
	}{
		"the order of the list counts":       {[]EmailInput{{ID: ref("eml", 102), Address: "c@x.de"}, {ID: ref("eml", 100), Address: "a@x.de"}}, "102 c@x.de, 100 a@x.de"},
		"an entry with an id changes it":     {[]EmailInput{{ID: ref("eml", 100), Address: "z@x.de"}}, "100 z@x.de"},
		"an entry without adds one":          {[]EmailInput{{ID: ref("eml", 100), Address: "a@x.de"}, {Address: "n@x.de"}}, "100 a@x.de, 1 n@x.de"},
		"the primary one comes first":        {[]EmailInput{{Address: "n@x.de"}, {Address: "m@x.de"}, {Address: "o@x.de", IsPrimary: ptr(true)}}, "3 o@x.de, 1 n@x.de, 2 m@x.de"},
		"false makes nothing primary":        {[]EmailInput{{Address: "n@x.de", IsPrimary: ptr(false)}, {Address: "m@x.de"}}, "1 n@x.de, 2 m@x.de"},
		"an empty list empties":              {nil, ""},
		"an unknown id is not found":         {[]EmailInput{{ID: ref("eml", 7), Address: "a@x.de"}}, "NOT_FOUND p.0.id"},
		"an id of another type is not found": {[]EmailInput{{ID: ref("phn", 100), Address: "a@x.de"}}, "NOT_FOUND p.0.id"},
		"an id can be in the list once":      {[]EmailInput{{ID: ref("eml", 100), Address: "a@x.de"}, {ID: ref("eml", 100), Address: "b@x.de"}}, "BAD_USER_INPUT p.1.id"},
		"only one can be primary":            {[]EmailInput{{Address: "a@x.de", IsPrimary: ptr(true)}, {Address: "b@x.de", IsPrimary: ptr(true)}}, "BAD_USER_INPUT p.1.isPrimary"},
	} {
		chk := &check{newID: numbered()}
		var got []string
		for _, e := range chk.emails([]string{"p"}, old, c.in) {
			got = append(got, fmt.Sprint(e.ID[15], " ", e.Address))
		}
		if faults := wrong(chk); faults != nil {
			got = faults
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: got %v, want %s", name, got, c.want)
		}
	}
}

// office is a company with three contacts, 11 to 13, of which 11 is primary.
func office() File {
	f := File{Customer: Customer{ID: nth(10), Version: 3, Kind: Company, Status: Active, CompanyName: "Office"}}
	for i, name := range []string{"Ada", "Bob", "Cleo"} {
		f.Contacts = append(f.Contacts, Contact{ID: nth(byte(11 + i)), Version: 1, GivenName: name, Primary: i == 0})
	}
	return f
}

// told gives a change as a line: fields of the customer, contacts with what happens to them, events, lines.
func told(ch Change) string {
	var parts []string
	parts = append(parts, strings.Join(ch.Fields, "+"))
	for _, c := range ch.Contacts {
		what := strings.Join(c.Fields, "+")
		switch {
		case c.New:
			what = "new"
		case c.Archive:
			what = "archived"
		}
		if c.Primary {
			what += "!"
		}
		parts = append(parts, fmt.Sprint(c.ID[15], " ", what))
	}
	for _, e := range ch.Events {
		parts = append(parts, e.Type)
	}
	for _, l := range ch.Lines {
		parts = append(parts, "'"+l.Title+"'")
	}
	return strings.Join(parts, ", ")
}

func TestContactsOfAnUpdate(t *testing.T) {
	t.Parallel()
	keep := func(n byte) ContactNested { return ContactNested{ID: ref("con", n)} }
	primary := func(n byte) ContactNested {
		c := keep(n)
		c.IsPrimary = optional.Some(ptr(true))
		return c
	}
	added := ContactNested{ContactPatch: ContactPatch{GivenName: optional.Some(ptr("Dora"))}}
	demoted := keep(11)
	demoted.IsPrimary = optional.Some(ptr(false))
	renamed := keep(12)
	renamed.FamilyName = optional.Some(ptr("Babbage"))
	nameless := keep(12)
	nameless.GivenName = optional.Some[*string](nil)
	for name, c := range map[string]struct {
		in   []ContactNested
		want string
	}{
		"the same list changes nothing":         {[]ContactNested{keep(11), keep(12), keep(13)}, ""},
		"another order changes nothing":         {[]ContactNested{keep(13), keep(12), keep(11)}, ""},
		"who is not in the list is archived":    {[]ContactNested{keep(11), keep(12)}, "contacts, 13 archived, CONTACT_ARCHIVED"},
		"the first follows the primary one":     {[]ContactNested{keep(13), keep(12)}, "contacts, 13 isPrimary!, 11 archived, CONTACT_UPDATED, CONTACT_ARCHIVED"},
		"an entry without an id is new":         {[]ContactNested{keep(11), keep(12), keep(13), added}, "contacts, 1 new, CONTACT_CREATED, 'Contact added: Dora'"},
		"one can be made primary":               {[]ContactNested{keep(11), primary(12), keep(13)}, "contacts, 11 isPrimary, 12 isPrimary!, CONTACT_UPDATED, CONTACT_UPDATED"},
		"one can be changed":                    {[]ContactNested{keep(11), renamed, keep(13)}, "contacts, 12 familyName, CONTACT_UPDATED"},
		"an empty list archives all":            {nil, "contacts, 11 archived, 12 archived, 13 archived, CONTACT_ARCHIVED, CONTACT_ARCHIVED, CONTACT_ARCHIVED"},
		"two cannot be primary":                 {[]ContactNested{primary(11), primary(12)}, "BAD_USER_INPUT input.contacts.1.isPrimary"},
		"the primary one stays, without a heir": {[]ContactNested{demoted, keep(12)}, "BAD_USER_INPUT input.contacts.0.isPrimary"},
		"a name cannot be emptied":              {[]ContactNested{keep(11), nameless}, "REQUIRED input.contacts.1.givenName"},
		"an unknown id is not found":            {[]ContactNested{keep(99)}, "NOT_FOUND input.contacts.0.id"},
		"an id can be in the list once":         {[]ContactNested{keep(11), keep(11)}, "BAD_USER_INPUT input.contacts.1.id"},
	} {
		chk := &check{newID: numbered()}
		got := told(update(chk, office(), Patch{Contacts: optional.Some(c.in)}))
		if faults := wrong(chk); faults != nil {
			got = strings.Join(faults, ", ")
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestUpdateOfACustomer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   Patch
		want string
	}{
		"nothing given changes nothing":            {Patch{}, ""},
		"the same values change nothing":           {Patch{CompanyName: optional.Some(ptr(" Office ")), Kind: optional.Some(ptr(Company)), Emails: optional.Some[[]EmailInput](nil)}, ""},
		"a field is told by its name":              {Patch{CompanyName: optional.Some(ptr("Bureau"))}, "companyName, CUSTOMER_UPDATED"},
		"a list is one field":                      {Patch{Emails: optional.Some([]EmailInput{{Address: "a@x.de"}, {Address: "b@x.de"}}), GivenName: optional.Some(ptr("Ada"))}, "emails+givenName, CUSTOMER_UPDATED"},
		"a company cannot lose its name":           {Patch{CompanyName: optional.Some[*string](nil)}, "REQUIRED input.companyName"},
		"nor become a person without one":          {Patch{Kind: optional.Some(ptr(Person))}, "REQUIRED input.givenName"},
		"with one it can":                          {Patch{Kind: optional.Some(ptr(Person)), FamilyName: optional.Some(ptr("Ada"))}, "familyName+kind, CUSTOMER_UPDATED"},
		"the kind cannot be emptied":               {Patch{Kind: optional.Some[*Kind](nil)}, "REQUIRED input.kind"},
		"contacts alone do not change its fields":  {Patch{Contacts: optional.Some([]ContactNested{{ID: ref("con", 11)}, {ID: ref("con", 12)}})}, "contacts, 13 archived, CONTACT_ARCHIVED"},
		"its own events come before the contacts'": {Patch{CompanyName: optional.Some(ptr("B")), Contacts: optional.Some([]ContactNested{{ID: ref("con", 11)}, {ID: ref("con", 12)}})}, "companyName+contacts, 13 archived, CUSTOMER_UPDATED, CONTACT_ARCHIVED"},
	} {
		chk := &check{newID: numbered()}
		got := told(update(chk, office(), c.in))
		if faults := wrong(chk); faults != nil {
			got = strings.Join(faults, ", ")
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestContactsOneByOne(t *testing.T) {
	t.Parallel()
	empty := File{Customer: office().Customer}
	full := empty
	for i := range byte(MaxContacts) {
		full.Contacts = append(full.Contacts, Contact{ID: nth(100 + i), GivenName: "x", Primary: i == 0})
	}
	add := func(f File, d ContactDraft) func(*check) Change {
		return func(c *check) Change { _, ch := createContact(c, f, d); return ch }
	}
	change := func(i int, p ContactPatch) func(*check) Change {
		return func(c *check) Change { return updateContact(c, office(), i, p) }
	}
	for name, c := range map[string]struct {
		do   func(*check) Change
		want string
	}{
		"the first contact always is primary":      {add(empty, ContactDraft{GivenName: ptr("Ada"), IsPrimary: ptr(false)}), "contacts, 1 new!, CONTACT_CREATED, 'Contact added: Ada'"},
		"the next one is not":                      {add(office(), ContactDraft{GivenName: ptr("Dora")}), "contacts, 1 new, CONTACT_CREATED, 'Contact added: Dora'"},
		"unless it says so":                        {add(office(), ContactDraft{GivenName: ptr("Dora"), IsPrimary: ptr(true)}), "contacts, 1 new!, 11 isPrimary, CONTACT_CREATED, CONTACT_UPDATED, 'Contact added: Dora'"},
		"it needs a name":                          {add(office(), ContactDraft{Role: ptr("Boss")}), "REQUIRED input.givenName"},
		"there are 50 at most":                     {add(full, ContactDraft{GivenName: ptr("Dora")}), "CONFLICT customerId"},
		"a change is told by its field":            {change(1, ContactPatch{Role: optional.Some(ptr("Boss"))}), "contacts, 12 role, CONTACT_UPDATED"},
		"a change of nothing is none":              {change(1, ContactPatch{GivenName: optional.Some(ptr("Bob")), IsPrimary: optional.Some(ptr(false))}), ""},
		"becoming primary makes another one not":   {change(1, ContactPatch{IsPrimary: optional.Some(ptr(true))}), "contacts, 12 isPrimary!, 11 isPrimary, CONTACT_UPDATED, CONTACT_UPDATED"},
		"being primary already is nothing":         {change(0, ContactPatch{IsPrimary: optional.Some(ptr(true))}), ""},
		"the primary one cannot just stop":         {change(0, ContactPatch{IsPrimary: optional.Some(ptr(false))}), "BAD_USER_INPUT input.isPrimary"},
		"archiving the primary one has the oldest": {func(*check) Change { return archiveContact(office(), 0) }, "contacts, 11 archived, 12 isPrimary!, CONTACT_ARCHIVED, CONTACT_UPDATED"},
		"archiving another one has no heir":        {func(*check) Change { return archiveContact(office(), 2) }, "contacts, 13 archived, CONTACT_ARCHIVED"},
	} {
		chk := &check{newID: numbered()}
		got := told(c.do(chk))
		if faults := wrong(chk); faults != nil {
			got = strings.Join(faults, ", ")
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestMessagesAreForTheClient(t *testing.T) {
	t.Parallel()
	c := &check{newID: numbered()}
	create(c, Draft{Kind: Company, Emails: []EmailInput{{Address: "x"}}, Phones: []PhoneInput{{Number: "x"}}}, ByStaff)
	for _, f := range c.faults {
		if len(f.Message) < 10 || !strings.HasSuffix(f.Message, ".") || f.Code == fault.Internal {
			t.Errorf("%v: %q is no sentence", f.Path, f.Message)
		}
	}
	if len(c.faults) != 3 {
		t.Errorf("%d faults, want 3", len(c.faults))
	}
}
