package customer

import (
	"regexp"
	"slices"

	"github.com/google/uuid"

	"dossier/internal/fault"
)

// Rule says for one field of a customer whether it must be given and whether it is there at all. Field is the name in the
// SDL's CustomerCreateInput, or attributes.<key>.
type Rule struct {
	Field             string
	Required, Visible bool
}

// Rules are the rules of one entry channel that the account decided: those for all customers and those for one customer
// type, which go before. A field that neither names is visible and not required.
type Rules struct{ All, OfType []Rule }

// policyField is a field that rules can be about.
type policyField struct {
	name string
	// of is the kind of customer that has the field; "" for both.
	of Kind
	// given says whether a file has a value; nil where that is not looked at here.
	given func(File) bool
	// optional is a field that cannot be required.
	optional bool
}

// policyFields are the fields in the order of a form.
var policyFields = func() []policyField {
	fields := []policyField{
		{name: "givenName", of: Person, given: func(f File) bool { return f.GivenName != "" }},
		{name: "familyName", of: Person, given: func(f File) bool { return f.FamilyName != "" }},
		{name: fieldCompanyName, of: Company, given: func(f File) bool { return f.CompanyName != "" }},
		{name: fieldPhones, given: anyPhone},
		{name: "emails", given: func(f File) bool { return len(f.Emails) > 0 }},
		{name: "addresses", given: func(f File) bool { return len(f.Addresses) > 0 }},
		{name: fieldContacts, given: func(f File) bool { return len(f.Contacts) > 0 }},
	}
	for _, choice := range profileChoices {
		given := func(f File) bool { return *choice.stored(&f.Profile) != uuid.Nil }
		if choice.name == "representativeId" { // without one the salesperson is both
			given = func(f File) bool { return f.RepresentativeID != uuid.Nil || f.SalespersonID != uuid.Nil }
		}
		fields = append(fields, policyField{name: choice.name, given: given})
	}
	for _, text := range profileTexts {
		given := func(f File) bool { return *text.stored(&f.Profile) != "" }
		if text.name == "taxExemptReason" { // of those who are exempt
			given = func(f File) bool { return f.TaxExemptReason != "" || !f.TaxExempt }
		}
		fields = append(fields, policyField{name: text.name, given: given})
	}
	return append(fields,
		policyField{name: "taxExempt", optional: true, given: func(f File) bool { return f.TaxExempt }},
		policyField{name: FieldImage, optional: true}, // not in the input of a customer: it has a mutation of its own
	)
}()

const (
	fieldCompanyName = "companyName"
	fieldPhones      = "phones"
	// FieldImage is the picture of a customer. What sets it has to ask Visible.
	FieldImage = "image"
)

var attributeField = regexp.MustCompile(`^attributes\.[a-z][a-z0-9_]{0,79}$`)

// anyPhone says whether the customer can be called, itself or by a contact.
func anyPhone(f File) bool {
	return len(f.Phones) > 0 || slices.ContainsFunc(f.Contacts, func(c Contact) bool { return len(c.Phones) > 0 })
}

// Rule gives the rule that holds for a field, and whether it is the type's own.
func (r Rules) Rule(field string) (rule Rule, own bool) {
	rule = Rule{Field: field, Visible: true}
	for i, list := range [][]Rule{r.OfType, r.All} {
		if k := slices.IndexFunc(list, func(rule Rule) bool { return rule.Field == field }); k >= 0 {
			rule, own = list[k], i == 0
			break
		}
	}
	if field == fieldCompanyName && rule.Visible {
		rule.Required = true // a company has a name, whatever the account thinks of it
	}
	return rule, own
}

// Visible says whether customers have the field.
func (r Rules) Visible(field string) bool {
	rule, _ := r.Rule(field)
	return rule.Visible
}

// entry is a change of a file as the policy sees it.
type entry struct {
	// before is nil where the whole file has to obey, else the file as it was: then only what the change took away counts,
	// so that a file from before the rules can be worked on.
	before *File
	after  File
	// given says whether the input has the field.
	given func(field string) bool
	// path is where in the arguments a field is.
	path func(field string) []string
}

// obey adds what the policy of the account refuses. It is the one place that enforces a policy: every mutation of a
// customer or its contacts, the upsert and the import come here with the file as it will be.
func (c *check) obey(r Rules, e entry) {
	for _, field := range policyFields {
		if field.given == nil {
			continue
		}
		rule, _ := r.Rule(field.name)
		path, has := e.path(field.name), field.given(e.after)
		switch {
		case !rule.Visible && has && e.given(field.name):
			c.bad(path, "Customers of this type have no %s here: the field policy of the account hides it. Leave it out.", field.name)
		case rule.Required && !has && (field.of == "" || field.of == e.after.Kind) && (e.before == nil || field.given(*e.before)) && !c.said(path):
			c.required(path, "%s", missingText(field.name))
		}
	}
}

func missingText(field string) string {
	if field == fieldPhones {
		return "The field policy of the account requires a telephone number, of the customer or of a contact."
	}
	return "The field policy of the account requires " + field + "."
}

// said says whether something is wrong already at a path or below it: a value that was given and cannot be read is not
// missing too.
func (c *check) said(path []string) bool {
	return slices.ContainsFunc(c.faults, func(f *fault.Error) bool {
		return len(f.Path) >= len(path) && slices.Equal(f.Path[:len(path)], path)
	})
}

// after is the file as it is when the change is made.
func (ch Change) after(f File) File {
	next := File{Customer: ch.Customer, Contacts: slices.Clone(f.Contacts)}
	for _, contact := range ch.Contacts {
		switch k := next.contact(contact.ID); {
		case contact.New:
			next.Contacts = append(next.Contacts, contact.Contact)
		case contact.Archive:
			next.Contacts = slices.Delete(next.Contacts, k, k+1)
		default:
			next.Contacts[k] = contact.Contact
		}
	}
	return next
}

// inInput is the path of a field of a customer's own input.
func inInput(field string) []string { return []string{"input", field} }

// obeyWhole holds the policy for a new customer, and for an update of one.
func (c *check) obeyWhole(stored Reading, via Channel, f File, ch Change, given func(field string) bool) error {
	after := ch.after(f)
	rules, err := stored.Rules(via, after.TypeID)
	if err == nil {
		c.obey(rules, entry{after: after, given: given, path: inInput})
	}
	return err
}

// obeyContact holds the policy for a change of one contact; path is where in the arguments a field of the contact is.
func (c *check) obeyContact(stored Reading, via Channel, f File, ch Change, path func(field string) []string) error {
	rules, err := stored.Rules(via, f.TypeID)
	if err == nil {
		added := slices.ContainsFunc(ch.Contacts, func(contact ContactChange) bool { return contact.New })
		given := func(field string) bool { return added && field == fieldContacts }
		c.obey(rules, entry{before: &f, after: ch.after(f), given: given, path: path})
	}
	return err
}

// everything is the input of a new customer: what the file has was given.
func everything(string) bool { return true }

func (p Patch) given(field string) bool { return slices.Contains(p.fields(), field) }

// knownField says whether rules can be about a field, and whether it can be required.
func knownField(name string) (known, requirable bool) {
	if i := slices.IndexFunc(policyFields, func(f policyField) bool { return f.name == name }); i >= 0 {
		return true, !policyFields[i].optional
	}
	known = attributeField.MatchString(name)
	return known, known
}
