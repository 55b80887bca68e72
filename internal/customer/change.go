package customer

import (
	"maps"
	"slices"

	"github.com/google/uuid"

	"dossier/internal/optional"
	"dossier/internal/timeline"
)

// Change is what a use case does to a file: what the store writes, all of it or nothing.
type Change struct {
	// Customer is the customer as it will be. Fields names what differs from the stored one, in the spelling of the
	// schema and sorted; with none the row stays as it is. A list of contact points is written when Fields names it.
	Customer Customer
	Fields   []string
	Contacts []ContactChange
	Events   []timeline.Event
	// Lines are what the change adds to the customer's timeline. Their time is that of the transaction.
	Lines []timeline.Line
}

// ContactChange is a contact that is new, changed or archived.
type ContactChange struct {
	Contact
	New     bool
	Archive bool
	// Fields is as in Change. It is empty for a new contact.
	Fields []string
}

// Nothing says whether the change changes nothing.
func (ch Change) Nothing() bool { return len(ch.Fields) == 0 && len(ch.Contacts) == 0 }

const fieldContacts = "contacts"

// create makes the customer that the draft asks for.
func create(c *check, d Draft, via Channel) Change {
	path := []string{"input"}
	cus := Customer{ID: c.newID(), Version: 1, Status: Active, Kind: c.kind(at(path, "kind"), d.Kind), CreatedVia: via}
	cus.GivenName = c.line(at(path, "givenName"), d.GivenName, MaxName)
	cus.FamilyName = c.line(at(path, "familyName"), d.FamilyName, MaxName)
	cus.CompanyName = c.line(at(path, "companyName"), d.CompanyName, MaxName)
	c.customerName(path, cus, blank(d.GivenName, d.FamilyName), blank(d.CompanyName))
	c.profile(path, &cus.Profile, d.ProfileInput)
	cus.Emails = c.emails(at(path, "emails"), nil, d.Emails)
	cus.Phones = c.phones(at(path, "phones"), nil, d.Phones)
	cus.Addresses = c.addresses(at(path, "addresses"), nil, d.Addresses)

	list := make([]ContactNested, len(d.Contacts))
	for i, contact := range d.Contacts {
		list[i] = ContactNested{ContactPatch: contact.patch()}
	}

	ch := Change{Customer: cus}
	ch.Contacts = c.contacts(at(path, fieldContacts), File{Customer: cus}, list)
	ch.event(timeline.CustomerCreated, timeline.SubjectCustomer, cus.ID, nil)
	ch.line(timeline.KindCustomerCreated, "Customer created", timeline.SubjectCustomer, cus.ID)
	ch.contactEvents()
	return ch
}

// update makes the change that the patch asks for.
func update(c *check, f File, p Patch) Change {
	path := []string{"input"}
	next := f.Customer
	if p.Kind.Given {
		if p.Kind.Value == nil {
			c.required(at(path, "kind"), "A customer is a PERSON or a COMPANY; the kind cannot be emptied.")
		} else {
			next.Kind = c.kind(at(path, "kind"), *p.Kind.Value)
		}
	}
	given, family, company := next.GivenName, next.FamilyName, next.CompanyName
	c.setLine(at(path, "givenName"), &next.GivenName, p.GivenName)
	c.setLine(at(path, "familyName"), &next.FamilyName, p.FamilyName)
	c.setLine(at(path, "companyName"), &next.CompanyName, p.CompanyName)
	c.customerName(path, next, blank(raw(p.GivenName, given), raw(p.FamilyName, family)), blank(raw(p.CompanyName, company)))
	c.profile(path, &next.Profile, p.ProfileInput)
	c.setPoints(path, &next.Points, p.Emails, p.Phones, p.Addresses)

	ch := Change{Customer: next, Fields: diffCustomer(f.Customer, next)}
	if len(ch.Fields) > 0 {
		ch.event(timeline.CustomerUpdated, timeline.SubjectCustomer, f.ID, ch.Fields)
	}
	if p.Contacts.Given {
		ch.Contacts = c.contacts(at(path, fieldContacts), f, p.Contacts.Value)
	}
	ch.finishContacts()
	return ch
}

// archive and restore move a customer out of and into the directory's default view.
func archive(f File) Change {
	if f.Status == Archived {
		return Change{Customer: f.Customer}
	}
	next := f.Customer
	next.Status = Archived
	ch := Change{Customer: next, Fields: []string{"status"}}
	ch.event(timeline.CustomerArchived, timeline.SubjectCustomer, f.ID, ch.Fields)
	ch.line(timeline.KindCustomerArchived, "Customer archived", timeline.SubjectCustomer, f.ID)
	return ch
}

func restore(f File) Change {
	if f.Status == Active {
		return Change{Customer: f.Customer}
	}
	next := f.Customer
	next.Status = Active
	ch := Change{Customer: next, Fields: []string{"status"}}
	ch.event(timeline.CustomerRestored, timeline.SubjectCustomer, f.ID, ch.Fields)
	ch.line(timeline.KindCustomerRestored, "Customer restored", timeline.SubjectCustomer, f.ID)
	return ch
}

func (c *check) kind(path []string, k Kind) Kind {
	switch k {
	case "":
		return Person
	case Person, Company:
	default:
		c.bad(path, "The kind is PERSON or COMPANY.")
	}
	return k
}

// customerName holds that a customer has a name. It says nothing about a name that was given and is wrong in itself:
// that was said already.
func (c *check) customerName(path []string, cus Customer, noPerson, noCompany bool) {
	switch {
	case cus.Kind == Company && noCompany:
		c.required(at(path, "companyName"), "A company needs a companyName.")
	case cus.Kind == Person && noPerson:
		c.required(at(path, "givenName"), "A person needs a givenName, a familyName or both.")
	}
}

// raw is the text that counts for the question whether there is one.
func raw(field optional.Field[*string], stored string) *string {
	if field.Given {
		return field.Value
	}
	return &stored
}

func (c *check) setLine(path []string, dst *string, field optional.Field[*string]) {
	if field.Given {
		*dst = c.line(path, field.Value, MaxName)
	}
}

func (c *check) setPoints(path []string, p *Points, emails optional.Field[[]EmailInput], phones optional.Field[[]PhoneInput], addresses optional.Field[[]AddressInput]) {
	if emails.Given {
		p.Emails = c.emails(at(path, "emails"), p.Emails, emails.Value)
	}
	if phones.Given {
		p.Phones = c.phones(at(path, "phones"), p.Phones, phones.Value)
	}
	if addresses.Given {
		p.Addresses = c.addresses(at(path, "addresses"), p.Addresses, addresses.Value)
	}
}

func diffCustomer(a, b Customer) []string {
	fields := diffPoints(a.Points, b.Points)
	fields["kind"] = a.Kind != b.Kind
	fields["givenName"] = a.GivenName != b.GivenName
	fields["familyName"] = a.FamilyName != b.FamilyName
	fields["companyName"] = a.CompanyName != b.CompanyName
	diffProfile(a.Profile, b.Profile, fields)
	return given(fields)
}

func diffContact(a, b Contact) []string {
	fields := diffPoints(a.Points, b.Points)
	fields["givenName"] = a.GivenName != b.GivenName
	fields["familyName"] = a.FamilyName != b.FamilyName
	fields["role"] = a.Role != b.Role
	fields["isPrimary"] = a.Primary != b.Primary
	return given(fields)
}

func diffPoints(a, b Points) map[string]bool {
	return map[string]bool{
		"emails":    !slices.Equal(a.Emails, b.Emails),
		"phones":    !slices.Equal(a.Phones, b.Phones),
		"addresses": !slices.Equal(a.Addresses, b.Addresses),
	}
}

func (ch *Change) event(eventType string, subject timeline.Subject, id uuid.UUID, fields []string) {
	customerID := ch.Customer.ID
	ch.Events = append(ch.Events, timeline.Event{Type: eventType, CustomerID: &customerID, Subject: subject, SubjectID: id, ChangedFields: fields})
}

func (ch *Change) line(kind, title string, subject timeline.Subject, id uuid.UUID) {
	ch.Lines = append(ch.Lines, timeline.Line{
		CustomerID: ch.Customer.ID, Kind: kind, Title: timeline.CutTitle(title), Subject: subject, SubjectID: &id,
	})
}

// contactEvents adds the events of the contacts.
func (ch *Change) contactEvents() {
	for _, contact := range ch.Contacts {
		switch {
		case contact.New:
			ch.event(timeline.ContactCreated, timeline.SubjectContact, contact.ID, nil)
		case contact.Archive:
			ch.event(timeline.ContactArchived, timeline.SubjectContact, contact.ID, contact.Fields)
		default:
			ch.event(timeline.ContactUpdated, timeline.SubjectContact, contact.ID, contact.Fields)
		}
	}
}

// contactLines adds the new contacts to the timeline. The contacts of a new customer get none: its creation tells.
func (ch *Change) contactLines() {
	for _, contact := range ch.Contacts {
		if contact.New {
			ch.line(timeline.KindContactAdded, "Contact added: "+contact.DisplayName(), timeline.SubjectContact, contact.ID)
		}
	}
}

// touchContacts makes a change of contacts one of the customer too.
func (ch *Change) touchContacts() {
	if len(ch.Contacts) > 0 {
		set := map[string]bool{fieldContacts: true}
		for _, name := range ch.Fields {
			set[name] = true
		}
		ch.Fields = slices.Sorted(maps.Keys(set))
	}
}
