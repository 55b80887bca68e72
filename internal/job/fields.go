package job

import (
	"strconv"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// scalar is a field of a customer that is one cell: how it gets into a new customer and into a change, and out of a
// stored one. A new field of customers is one line in the table below.
type scalar struct {
	name  string
	set   func(d *customer.Draft, v *string)
	patch func(p *customer.Patch, v *string)
	get   func(c *customer.Customer) string
}

// scalars are the fields, in the order in which an export has them.
var scalars = []scalar{
	{
		"kind",
		func(d *customer.Draft, v *string) { d.Kind = kindOf(*v) },
		func(p *customer.Patch, v *string) { k := kindOf(*v); p.Kind = optional.Some(&k) },
		func(c *customer.Customer) string { return string(c.Kind) },
	},
	{
		"givenName",
		func(d *customer.Draft, v *string) { d.GivenName = v },
		func(p *customer.Patch, v *string) { p.GivenName = optional.Some(v) },
		func(c *customer.Customer) string { return c.GivenName },
	},
	{
		"familyName",
		func(d *customer.Draft, v *string) { d.FamilyName = v },
		func(p *customer.Patch, v *string) { p.FamilyName = optional.Some(v) },
		func(c *customer.Customer) string { return c.FamilyName },
	},
	{
		"companyName",
		func(d *customer.Draft, v *string) { d.CompanyName = v },
		func(p *customer.Patch, v *string) { p.CompanyName = optional.Some(v) },
		func(c *customer.Customer) string { return c.CompanyName },
	},
	text(
		"externalId",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.ExternalID },
		func(c *customer.Customer) string { return c.ExternalID },
	),
	text(
		"languageTag",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.LanguageTag },
		func(c *customer.Customer) string { return c.LanguageTag },
	),
	text(
		"timeZone",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.TimeZone },
		func(c *customer.Customer) string { return c.TimeZone },
	),
	text(
		"preferredChannel",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.PreferredChannel },
		func(c *customer.Customer) string { return c.PreferredChannel },
	),
	text(
		"deliveryDistanceKm",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.DeliveryDistanceKm },
		func(c *customer.Customer) string { return c.DeliveryDistanceKm },
	),
	text(
		"websiteUrl",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.WebsiteURL },
		func(c *customer.Customer) string { return c.WebsiteURL },
	),
	text(
		"businessArea",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.BusinessArea },
		func(c *customer.Customer) string { return c.BusinessArea },
	),
	{
		fieldTaxExempt,
		func(d *customer.Draft, v *string) { d.TaxExempt = optional.Some(truth(*v)) },
		func(p *customer.Patch, v *string) { p.TaxExempt = optional.Some(truth(*v)) },
		func(c *customer.Customer) string { return strconv.FormatBool(c.TaxExempt) },
	},
	text(
		"taxExemptReason",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.TaxExemptReason },
		func(c *customer.Customer) string { return c.TaxExemptReason },
	),
	text(
		"typeId",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.TypeID },
		func(c *customer.Customer) string { return chosen(typeid.CustomerType, c.TypeID) },
	),
	text(
		"originId",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.OriginID },
		func(c *customer.Customer) string { return chosen(typeid.CustomerOrigin, c.OriginID) },
	),
	text(
		"salespersonId",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.SalespersonID },
		func(c *customer.Customer) string { return chosen(typeid.StaffUser, c.SalespersonID) },
	),
	text(
		"representativeId",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.RepresentativeID },
		func(c *customer.Customer) string { return chosen(typeid.StaffUser, c.RepresentativeID) },
	),
	text(
		"preferredOfficeId",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.PreferredOfficeID },
		func(c *customer.Customer) string { return chosen(typeid.Office, c.PreferredOfficeID) },
	),
	text(
		"preferredStaffId",
		func(in *customer.ProfileInput) *optional.Field[*string] { return &in.PreferredStaffID },
		func(c *customer.Customer) string { return chosen(typeid.StaffUser, c.PreferredStaffID) },
	),
}

// text is a field of the profile. A cell that is empty never gets here.
func text(name string, input func(*customer.ProfileInput) *optional.Field[*string], get func(*customer.Customer) string) scalar {
	return scalar{
		name,
		func(d *customer.Draft, v *string) { *input(&d.ProfileInput) = optional.Some(v) },
		func(p *customer.Patch, v *string) { *input(&p.ProfileInput) = optional.Some(v) },
		get,
	}
}

// chosen is an item of a list of the account as its id, "" for none.
func chosen(prefix string, id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return typeid.Format(prefix, id)
}

const fieldTaxExempt = "taxExempt"

// truths are what people write for yes and no, in small letters.
var truths = map[string]bool{"true": true, "yes": true, "1": true, "x": true, "false": false, "no": false, "0": false}

// truth reads yes or no; badTruth finds what is neither before this is asked.
func truth(s string) *bool {
	v := truths[strings.ToLower(strings.TrimSpace(s))]
	return &v
}

// badTruth says whether a cell of the field is neither yes nor no.
func badTruth(s string) bool {
	_, ok := truths[strings.ToLower(strings.TrimSpace(s))]
	return !ok
}

// kindOf reads an enumeration in any case.
func kindOf(s string) customer.Kind { return customer.Kind(upper(s)) }

func upper(s string) string { return strings.ToUpper(strings.TrimSpace(s)) }

// The lists of contact points and their parts, the names of the schema.
const (
	listEmails    = "emails"
	listPhones    = "phones"
	listAddresses = "addresses"
	listContacts  = "contacts"
)

var pointParts = map[string][]string{
	listEmails:    {"address", "type", "purposes"},
	listPhones:    {"number", "type"},
	listAddresses: {"streetAddress", "addressLocality", "addressRegion", "postalCode", "addressCountry", "type"},
}

var contactParts = []string{"givenName", "familyName", "role"}

// readOnly are columns of an export that an import passes over: Dossier itself says what stands there.
var readOnly = []string{"id", "version", "status", "displayName", "createdAt", "updatedAt", "archivedAt", "createdVia"}

// target is where a column goes.
type target struct {
	// scalar is the place in the table of fields, -1 for what is in a list.
	scalar int
	// contact is the number of the contact, from 1, 0 for the customer's own.
	contact int
	// list and index say which contact point, "" and 0 for a contact's own part.
	list  string
	index int
	part  string
	// attribute is the key of a custom attribute, "" for the fields that every customer has.
	attribute string
}

// parseTarget reads the name of a field, such as contacts.1.emails.2.address.
func parseTarget(name string) (target, bool) {
	for i := range scalars {
		if scalars[i].name == name {
			return target{scalar: i}, true
		}
	}
	t := target{scalar: -1, attribute: attributeKey(name)}
	if t.attribute != "" {
		return t, true // whether there is one of this key, newLayout says
	}
	parts := strings.Split(name, ".")
	if parts[0] == listContacts && len(parts) > 2 {
		n, ok := ordinal(parts[1], customer.MaxContacts)
		if !ok {
			return t, false
		}
		t.contact, parts = n, parts[2:]
		if len(parts) == 1 {
			t.part = parts[0]
			return t, contains(contactParts, t.part)
		}
	}
	if len(parts) != 3 {
		return t, false
	}
	n, ok := ordinal(parts[1], customer.MaxPoints)
	t.list, t.index, t.part = parts[0], n, parts[2]
	return t, ok && contains(pointParts[t.list], t.part)
}

func ordinal(s string, maximum int) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= maximum && strconv.Itoa(n) == s
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}

// usual are other names of columns that people's files have, folded by foldName.
var usual = map[string]string{
	"email": "emails.1.address", "mail": "emails.1.address", "emailaddress": "emails.1.address", "emails": "emails.1.address",
	"email1": "emails.1.address", "email2": "emails.2.address", "email3": "emails.3.address",
	"phone": "phones.1.number", "telephone": "phones.1.number", "tel": "phones.1.number", "phonenumber": "phones.1.number",
	"phone1": "phones.1.number", "phone2": "phones.2.number", "phone3": "phones.3.number",
	"firstname": "givenName", "forename": "givenName", "lastname": "familyName", "surname": "familyName",
	"company": "companyName", "organisation": "companyName", "organization": "companyName",
	"street": "addresses.1.streetAddress", "streetaddress": "addresses.1.streetAddress", "address": "addresses.1.streetAddress",
	"city": "addresses.1.addressLocality", "town": "addresses.1.addressLocality", "addresslocality": "addresses.1.addressLocality",
	"state": "addresses.1.addressRegion", "region": "addresses.1.addressRegion", "addressregion": "addresses.1.addressRegion",
	"zip": "addresses.1.postalCode", "zipcode": "addresses.1.postalCode", "postalcode": "addresses.1.postalCode", "postcode": "addresses.1.postalCode",
	"country": "addresses.1.addressCountry", "countrycode": "addresses.1.addressCountry", "addresscountry": "addresses.1.addressCountry",
	"contactfirstname": "contacts.1.givenName", "contactgivenname": "contacts.1.givenName",
	"contactlastname": "contacts.1.familyName", "contactfamilyname": "contacts.1.familyName", "contactrole": "contacts.1.role",
	"language": "languageTag", "timezone": "timeZone", "website": "websiteUrl", "url": "websiteUrl", "taxfree": fieldTaxExempt, "customernumber": "externalId",
	"contactemail": "contacts.1.emails.1.address", "contactphone": "contacts.1.phones.1.number",
}

// foldName makes the names of columns comparable: without case, spaces and hyphens.
func foldName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' || r == '_' || r == '\u00a0' {
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(s)))
}

// fieldOf is the field that a column goes to by its name; "" when it says nothing, false for a name that is known to be
// passed over.
func fieldOf(column string) (field string, wanted bool) {
	name := strings.TrimSpace(column)
	if _, ok := parseTarget(name); ok {
		return name, true
	}
	folded := foldName(name)
	for i := range scalars {
		if foldName(scalars[i].name) == folded {
			return scalars[i].name, true
		}
	}
	for _, r := range readOnly {
		if foldName(r) == folded {
			return "", false
		}
	}
	return usual[folded], true
}
