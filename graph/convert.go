package graph

import (
	"time"

	"github.com/99designs/gqlgen/graphql"

	"dossier/graph/model"
	"dossier/internal/account"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/note"
	"dossier/internal/optional"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// The inputs of the schema as those of the areas. Nothing is checked here.

func field[T any](v graphql.Omittable[T]) optional.Field[T] {
	return optional.Field[T]{Given: v.IsSet(), Value: v.Value()}
}

// fieldList converts a list that may not be given.
func fieldList[In, Out any](v graphql.Omittable[[]In], convert func(In) Out) optional.Field[[]Out] {
	return optional.Field[[]Out]{Given: v.IsSet(), Value: list(v.Value(), convert)}
}

func list[In, Out any](in []In, convert func(In) Out) []Out {
	if in == nil {
		return nil
	}
	out := make([]Out, len(in))
	for i, v := range in {
		out[i] = convert(v)
	}
	return out
}

func email(in *model.EmailAddressInput) customer.EmailInput {
	return customer.EmailInput{
		ID: in.ID.Value(), Address: in.Address, Type: string(in.Type), IsPrimary: in.IsPrimary.Value(),
		Purposes: list(in.Purposes.Value(), func(p model.ContactPurpose) string { return string(p) }),
	}
}

func phone(in *model.PhoneNumberInput) customer.PhoneInput {
	return customer.PhoneInput{ID: in.ID.Value(), Number: in.Number, Type: string(in.Type), IsPrimary: in.IsPrimary.Value()}
}

func address(in *model.PostalAddressInput) customer.AddressInput {
	return customer.AddressInput{
		ID: in.ID.Value(), Type: string(in.Type), IsPrimary: in.IsPrimary.Value(),
		StreetAddress: in.StreetAddress.Value(), AddressLocality: in.AddressLocality.Value(), AddressRegion: in.AddressRegion.Value(),
		PostalCode: in.PostalCode.Value(), AddressCountry: in.AddressCountry.Value(),
	}
}

func customerDraft(in model.CustomerCreateInput) customer.Draft {
	return customer.Draft{
		Kind: customer.Kind(in.Kind), GivenName: in.GivenName.Value(), FamilyName: in.FamilyName.Value(), CompanyName: in.CompanyName.Value(),
		ProfileInput: customerProfile(model.CustomerUpdateInput{
			LanguageTag: in.LanguageTag, TimeZone: in.TimeZone, ExternalID: in.ExternalID, PreferredChannel: in.PreferredChannel,
			DeliveryDistanceKm: in.DeliveryDistanceKm, WebsiteURL: in.WebsiteURL, BusinessArea: in.BusinessArea, TaxExempt: in.TaxExempt,
			TaxExemptReason: in.TaxExemptReason, TypeID: in.TypeID, OriginID: in.OriginID, PreferredOfficeID: in.PreferredOfficeID,
			SalespersonID: in.SalespersonID, RepresentativeID: in.RepresentativeID,
			PreferredStaffID: in.PreferredStaffID,
		}),
		Emails: list(in.Emails.Value(), email), Phones: list(in.Phones.Value(), phone), Addresses: list(in.Addresses.Value(), address),
		Contacts:   list(in.Contacts.Value(), func(c *model.ContactCreateInput) customer.ContactDraft { return contactDraft(*c) }),
		Attributes: list(in.Attributes.Value(), attributeValue),
	}
}

func customerProfile(in model.CustomerUpdateInput) customer.ProfileInput {
	return customer.ProfileInput{
		LanguageTag: field(in.LanguageTag), TimeZone: field(in.TimeZone), ExternalID: field(in.ExternalID),
		PreferredChannel: textField(in.PreferredChannel), DeliveryDistanceKm: field(in.DeliveryDistanceKm), WebsiteURL: field(in.WebsiteURL),
		BusinessArea: field(in.BusinessArea), TaxExempt: field(in.TaxExempt), TaxExemptReason: field(in.TaxExemptReason),
		TypeID: field(in.TypeID), OriginID: field(in.OriginID), PreferredOfficeID: field(in.PreferredOfficeID),
		SalespersonID: field(in.SalespersonID), RepresentativeID: field(in.RepresentativeID), PreferredStaffID: field(in.PreferredStaffID),
	}
}

// textField is a field of an enumeration, which the areas have as text.
func textField[E ~string](v graphql.Omittable[*E]) optional.Field[*string] {
	out := optional.Field[*string]{Given: v.IsSet()}
	if e := v.Value(); e != nil {
		s := string(*e)
		out.Value = &s
	}
	return out
}

func upsertPatch(in model.CustomerUpsertInput) customer.Patch {
	patch := customerPatch(model.CustomerUpdateInput{
		Kind: in.Kind, GivenName: in.GivenName, FamilyName: in.FamilyName, CompanyName: in.CompanyName,
		LanguageTag: in.LanguageTag, TimeZone: in.TimeZone, PreferredChannel: in.PreferredChannel,
		DeliveryDistanceKm: in.DeliveryDistanceKm, WebsiteURL: in.WebsiteURL, BusinessArea: in.BusinessArea, TaxExempt: in.TaxExempt,
		TaxExemptReason: in.TaxExemptReason, TypeID: in.TypeID, OriginID: in.OriginID, PreferredOfficeID: in.PreferredOfficeID,
		SalespersonID: in.SalespersonID, RepresentativeID: in.RepresentativeID,
		PreferredStaffID: in.PreferredStaffID, Emails: in.Emails, Phones: in.Phones, Addresses: in.Addresses,
	})
	patch.Contacts = fieldList(in.Contacts, func(c *model.ContactCreateInput) customer.ContactNested {
		return contactNested(&model.ContactNestedInput{
			GivenName: c.GivenName, FamilyName: c.FamilyName, Role: c.Role, IsPrimary: c.IsPrimary,
			Emails: c.Emails, Phones: c.Phones, Addresses: c.Addresses,
		})
	})
	return patch
}

func customerKey(in model.CustomerKey) customer.Key {
	return customer.Key{ExternalID: in.ExternalID.Value()}
}

func contactDraft(in model.ContactCreateInput) customer.ContactDraft {
	return customer.ContactDraft{
		GivenName: in.GivenName.Value(), FamilyName: in.FamilyName.Value(), Role: in.Role.Value(), IsPrimary: in.IsPrimary.Value(),
		Emails: list(in.Emails.Value(), email), Phones: list(in.Phones.Value(), phone), Addresses: list(in.Addresses.Value(), address),
	}
}

func customerPatch(in model.CustomerUpdateInput) customer.Patch {
	patch := customer.Patch{
		GivenName: field(in.GivenName), FamilyName: field(in.FamilyName), CompanyName: field(in.CompanyName),
		ProfileInput: customerProfile(in),
		Emails:       fieldList(in.Emails, email), Phones: fieldList(in.Phones, phone), Addresses: fieldList(in.Addresses, address),
		Contacts: fieldList(in.Contacts, contactNested), Attributes: fieldList(in.Attributes, attributeValue),
	}
	if in.Kind.IsSet() {
		patch.Kind.Given = true
		if kind := in.Kind.Value(); kind != nil {
			k := customer.Kind(*kind)
			patch.Kind.Value = &k
		}
	}
	return patch
}

func contactPatch(in model.ContactUpdateInput) customer.ContactPatch {
	return customer.ContactPatch{
		GivenName: field(in.GivenName), FamilyName: field(in.FamilyName), Role: field(in.Role), IsPrimary: field(in.IsPrimary),
		Emails: fieldList(in.Emails, email), Phones: fieldList(in.Phones, phone), Addresses: fieldList(in.Addresses, address),
	}
}

func contactNested(in *model.ContactNestedInput) customer.ContactNested {
	return customer.ContactNested{ID: in.ID.Value(), ContactPatch: contactPatch(model.ContactUpdateInput{
		GivenName: in.GivenName, FamilyName: in.FamilyName, Role: in.Role, IsPrimary: in.IsPrimary,
		Emails: in.Emails, Phones: in.Phones, Addresses: in.Addresses,
	})}
}

// uploadDraft and beginDraft hold the id of a customer, which is the one thing that can be wrong here.
func uploadDraft(in model.DocumentUploadInput) (document.UploadDraft, error) {
	id, err := parseID(typeid.Customer, in.CustomerID, "input", "customerId")
	return document.UploadDraft{
		CustomerID: id, Titles: in.Titles.Value(), ExpiresOn: in.ExpiresOn.Value(),
		DetailsDraft: documentDetails(in.AreaKey.Value(), in.Description.Value(), in.Purpose.Value(), in.Visibility, in.Tags.Value(), in.RetentionUntil.Value()),
	}, err
}

func documentDetails(
	areaKey, description *string, purpose *model.DocumentPurpose, visibility model.Visibility, tags []string, retentionUntil *time.Time,
) document.DetailsDraft {
	return document.DetailsDraft{
		AreaKey: areaKey, Description: description, Purpose: (*string)(purpose), Visibility: string(visibility), Tags: tags,
		RetentionUntil: retentionUntil,
	}
}

func beginDraft(in model.DocumentUploadBeginInput) (document.BeginDraft, error) {
	id, err := parseID(typeid.Customer, in.CustomerID, "input", "customerId")
	return document.BeginDraft{
		CustomerID: id, FileName: in.FileName, SizeBytes: in.SizeBytes, Title: in.Title.Value(), ExpiresOn: in.ExpiresOn.Value(),
		Method: string(in.Method), ContentType: in.ContentType.Value(), CRC32C: in.Crc32c.Value(), SHA256: in.Sha256.Value(),
		DetailsDraft: documentDetails(in.AreaKey.Value(), in.Description.Value(), in.Purpose.Value(), in.Visibility, in.Tags.Value(), in.RetentionUntil.Value()),
	}, err
}

func documentPatch(in model.DocumentUpdateInput) document.Patch {
	return document.Patch{
		Title: field(in.Title), Description: field(in.Description), Tags: field(in.Tags), Purpose: textField(in.Purpose),
		Visibility: textField(in.Visibility), ExpiresOn: field(in.ExpiresOn), RetentionUntil: field(in.RetentionUntil),
	}
}

func entryDraft(in model.TimelineEntryInput) timeline.Draft {
	return timeline.Draft{Kind: string(in.Kind), At: in.At, Title: in.Title}
}

func entryPatch(in model.TimelineEntryUpdateInput) timeline.Patch {
	patch := timeline.Patch{At: in.At.Value(), Title: in.Title.Value()}
	if kind := in.Kind.Value(); kind != nil {
		k := string(*kind)
		patch.Kind = &k
	}
	return patch
}

func noteDraft(in model.NoteCreateInput) note.Draft {
	return note.Draft{Body: in.Body, Pinned: in.Pinned}
}

func notePatch(in model.NoteUpdateInput) note.Patch {
	return note.Patch{Body: field(in.Body), Pinned: field(in.Pinned)}
}

func keyDraft(in model.APIKeyCreateInput) account.KeyDraft {
	return account.KeyDraft{Name: in.Name, Scopes: in.Scopes, ExpiresAt: in.ExpiresAt.Value()}
}

func storageLimits(in model.StorageLimitSetInput) account.StorageLimits {
	return account.StorageLimits{LimitBytes: in.LimitBytes.Value(), MaxFileBytes: in.MaxFileBytes.Value()}
}
