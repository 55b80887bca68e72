package customer

import "dossier/internal/optional"

// Draft is the input of a new customer. The JSON names are part of the fingerprint of idempotency keys.
type Draft struct {
	Kind        Kind    `json:"kind,omitempty"`
	GivenName   *string `json:"givenName,omitempty"`
	FamilyName  *string `json:"familyName,omitempty"`
	CompanyName *string `json:"companyName,omitempty"`
	ProfileInput
	Emails    []EmailInput   `json:"emails,omitempty"`
	Phones    []PhoneInput   `json:"phones,omitempty"`
	Addresses []AddressInput `json:"addresses,omitempty"`
	Contacts  []ContactDraft `json:"contacts,omitempty"`
}

// ContactDraft is the input of a new contact.
type ContactDraft struct {
	GivenName  *string        `json:"givenName,omitempty"`
	FamilyName *string        `json:"familyName,omitempty"`
	Role       *string        `json:"role,omitempty"`
	IsPrimary  *bool          `json:"isPrimary,omitempty"`
	Emails     []EmailInput   `json:"emails,omitempty"`
	Phones     []PhoneInput   `json:"phones,omitempty"`
	Addresses  []AddressInput `json:"addresses,omitempty"`
}

// EmailInput is an e-mail address of an input. ID is the TypeID of the address to change, nil for a new one.
type EmailInput struct {
	ID        *string `json:"id,omitempty"`
	Address   string  `json:"address"`
	Type      string  `json:"type,omitempty"`
	IsPrimary *bool   `json:"isPrimary,omitempty"`
	// Purposes is nil when they are not given.
	Purposes []string `json:"purposes,omitempty"`
}

// PhoneInput is a telephone number of an input.
type PhoneInput struct {
	ID        *string `json:"id,omitempty"`
	Number    string  `json:"number"`
	Type      string  `json:"type,omitempty"`
	IsPrimary *bool   `json:"isPrimary,omitempty"`
}

// AddressInput is a postal address of an input.
type AddressInput struct {
	ID              *string `json:"id,omitempty"`
	Type            string  `json:"type,omitempty"`
	StreetAddress   *string `json:"streetAddress,omitempty"`
	AddressLocality *string `json:"addressLocality,omitempty"`
	AddressRegion   *string `json:"addressRegion,omitempty"`
	PostalCode      *string `json:"postalCode,omitempty"`
	AddressCountry  *string `json:"addressCountry,omitempty"`
	IsPrimary       *bool   `json:"isPrimary,omitempty"`
}

func (e EmailInput) ref() *string    { return e.ID }
func (e EmailInput) primary() bool   { return e.IsPrimary != nil && *e.IsPrimary }
func (p PhoneInput) ref() *string    { return p.ID }
func (p PhoneInput) primary() bool   { return p.IsPrimary != nil && *p.IsPrimary }
func (a AddressInput) ref() *string  { return a.ID }
func (a AddressInput) primary() bool { return a.IsPrimary != nil && *a.IsPrimary }

// Patch is what to change of a customer. A list that is given replaces the stored one.
type Patch struct {
	Kind        optional.Field[*Kind]
	GivenName   optional.Field[*string]
	FamilyName  optional.Field[*string]
	CompanyName optional.Field[*string]
	ProfileInput
	Emails    optional.Field[[]EmailInput]
	Phones    optional.Field[[]PhoneInput]
	Addresses optional.Field[[]AddressInput]
	Contacts  optional.Field[[]ContactNested]
}

// ContactPatch is what to change of a contact.
type ContactPatch struct {
	GivenName  optional.Field[*string]
	FamilyName optional.Field[*string]
	Role       optional.Field[*string]
	IsPrimary  optional.Field[*bool]
	Emails     optional.Field[[]EmailInput]
	Phones     optional.Field[[]PhoneInput]
	Addresses  optional.Field[[]AddressInput]
}

// ContactNested is a contact in the update of its customer: the one with the TypeID ID, or a new one.
type ContactNested struct {
	ID *string
	ContactPatch
}

// fields names what the input gives, in the spelling of the schema.
func (p Patch) fields() []string {
	fields := map[string]bool{
		"kind": p.Kind.Given, "givenName": p.GivenName.Given, "familyName": p.FamilyName.Given, "companyName": p.CompanyName.Given,
		"emails": p.Emails.Given, "phones": p.Phones.Given, "addresses": p.Addresses.Given, "contacts": p.Contacts.Given,
	}
	p.ProfileInput.fields(fields)
	return given(fields)
}

func (p ContactPatch) fields() []string {
	return given(map[string]bool{
		"givenName": p.GivenName.Given, "familyName": p.FamilyName.Given, "role": p.Role.Given, "isPrimary": p.IsPrimary.Given,
		"emails": p.Emails.Given, "phones": p.Phones.Given, "addresses": p.Addresses.Given,
	})
}

// patch is the draft as a patch of nothing.
func (d ContactDraft) patch() ContactPatch {
	return ContactPatch{
		GivenName: optional.Some(d.GivenName), FamilyName: optional.Some(d.FamilyName), Role: optional.Some(d.Role), IsPrimary: optional.Some(d.IsPrimary),
		Emails: optional.Some(d.Emails), Phones: optional.Some(d.Phones), Addresses: optional.Some(d.Addresses),
	}
}
