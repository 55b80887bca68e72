package customer

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/optional"
	"dossier/internal/text"
	"dossier/internal/typeid"
)

// Key tells a customer by something else than its id.
type Key struct{ ExternalID *string }

// Upsert makes the customer that another system knows by an id what the patch says: a new one, or changes of the one
// there is. It asks for no version, because the other system is the source. It needs customers:write.
func (s *Service) Upsert(ctx context.Context, p auth.Principal, by Key, patch Patch) (id uuid.UUID, created bool, err error) {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return uuid.Nil, false, err
	}
	path := []string{"by", "externalId"}
	if blank(by.ExternalID) {
		return uuid.Nil, false, fault.At(fault.Required, path, "Give the externalId that tells which customer it is.")
	}
	key, problem := text.Line(*by.ExternalID, MaxExternalID)
	if problem != "" {
		return uuid.Nil, false, fault.At(fault.BadUserInput, path, "%s", problem)
	}
	patch.ExternalID = optional.Some(&key)
	id, created, err = s.Store.CustomerUpsert(ctx, p, key,
		func(r Reading) (Change, error) { return s.create(r, patch.draft(), ChannelOf(p)) },
		func(f File, r Reading) (Change, error) {
			patch := natural(f, patch)
			if f.ExternalID != key {
				patch.ExternalID = optional.Field[*string]{} // the id of one that was merged into this one, which keeps its own
			}
			return s.update(r, f, patch, ChannelOf(p))
		},
	)
	return id, created, fault.Wrap("customer.Upsert", err)
}

// draft is the patch as the input of a new customer.
func (p Patch) draft() Draft {
	d := Draft{
		GivenName: p.GivenName.Value, FamilyName: p.FamilyName.Value, CompanyName: p.CompanyName.Value, ProfileInput: p.ProfileInput,
		Emails: p.Emails.Value, Phones: p.Phones.Value, Addresses: p.Addresses.Value, Attributes: p.Attributes.Value,
	}
	if p.Kind.Value != nil {
		d.Kind = *p.Kind.Value
	}
	for _, c := range p.Contacts.Value {
		d.Contacts = append(d.Contacts, ContactDraft{
			GivenName: c.GivenName.Value, FamilyName: c.FamilyName.Value, Role: c.Role.Value, IsPrimary: c.IsPrimary.Value,
			Emails: c.Emails.Value, Phones: c.Phones.Value, Addresses: c.Addresses.Value,
		})
	}
	return d
}

// natural names in a patch the stored entries that its entries without an id stand for: an e-mail address or number that is
// there, a postal address with the same lines, a contact with the same name. Entries that cannot be read stay as they are
// and are refused later.
func natural(f File, p Patch) Patch {
	naturalPoints(f.Points, &p.Emails, &p.Phones, &p.Addresses)
	contacts := slices.Clone(p.Contacts.Value)
	used := map[uuid.UUID]bool{}
	for i := range contacts {
		if contacts[i].ID != nil {
			continue
		}
		name := fold.Text(join(deref(contacts[i].GivenName.Value), deref(contacts[i].FamilyName.Value)))
		for _, old := range f.Contacts {
			if old.SortName() == name && !used[old.ID] {
				used[old.ID] = true
				id := typeid.Format(typeid.Contact, old.ID)
				contacts[i].ID = &id
				naturalPoints(old.Points, &contacts[i].Emails, &contacts[i].Phones, &contacts[i].Addresses)
				break
			}
		}
	}
	p.Contacts.Value = contacts
	return p
}

func naturalPoints(old Points, emails *optional.Field[[]EmailInput], phones *optional.Field[[]PhoneInput], addresses *optional.Field[[]AddressInput]) {
	emails.Value = named(emails.Value, old.Emails, typeid.EmailAddress,
		func(in *EmailInput) **string { return &in.ID },
		func(in EmailInput, e Email) bool {
			address, problem := text.Email(in.Address)
			return problem == "" && fold.Email(address) == e.Key
		})
	phones.Value = named(phones.Value, old.Phones, typeid.PhoneNumber,
		func(in *PhoneInput) **string { return &in.ID },
		func(in PhoneInput, p Phone) bool {
			number, extension, problem := cleanPhone(in.Number)
			return problem == "" && number == p.E164 && extension == p.Extension
		})
	addresses.Value = named(addresses.Value, old.Addresses, typeid.PostalAddress,
		func(in *AddressInput) **string { return &in.ID },
		func(in AddressInput, a Address) bool {
			c := &check{newID: func() uuid.UUID { return a.ID }}
			next := c.addresses(nil, nil, []AddressInput{in})
			if len(c.faults) > 0 {
				return false
			}
			next[0].Type = a.Type
			return next[0] == a
		})
}

// named gives a list whose entries without an id have that of the stored entry they are the same as.
func named[I any, P stored](in []I, old []P, prefix string, id func(*I) **string, same func(I, P) bool) []I {
	out := slices.Clone(in)
	used := map[uuid.UUID]bool{}
	for i := range out {
		ref := id(&out[i])
		if *ref != nil {
			continue
		}
		for _, p := range old {
			if !used[p.id()] && same(out[i], p) {
				used[p.id()] = true
				s := typeid.Format(prefix, p.id())
				*ref = &s
				break
			}
		}
	}
	return out
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
