package job

import (
	"slices"
	"strconv"

	"dossier/internal/customer"
	"dossier/internal/fold"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// patch makes what a row changes of a customer that is there. An empty cell says nothing, so nothing is ever emptied or
// removed: e-mail addresses and telephone numbers that the customer does not have are added behind those it has; a postal
// address replaces the one of its number; a person to talk to is found by an e-mail address or else by name.
func (l *layout) patch(row cellsOf, o origins, f customer.File) customer.Patch {
	var p customer.Patch
	for _, s := range l.scalars {
		if v := row.at(s.column); v != nil {
			scalars[s.scalar].patch(&p, v)
		}
		o.note(s.column, scalars[s.scalar].name)
	}
	p.Emails, p.Phones, p.Addresses = l.self.patch(row, o, f.Points, nil)
	if contacts := l.contactPatches(row, o, f); contacts != nil {
		p.Contacts = optional.Some(contacts)
	}
	return p
}

func (p *pointColumns) patch(row cellsOf, o origins, stored customer.Points, below []string) (
	emails optional.Field[[]customer.EmailInput], phones optional.Field[[]customer.PhoneInput], addresses optional.Field[[]customer.AddressInput],
) {
	if list, given := p.emailPatch(row, o, stored.Emails, below); given {
		emails = optional.Some(list)
	}
	if list, given := p.phonePatch(row, o, stored.Phones, below); given {
		phones = optional.Some(list)
	}
	if list, given := p.addressPatch(row, o, stored.Addresses, below); given {
		addresses = optional.Some(list)
	}
	return emails, phones, addresses
}

func (p *pointColumns) emailPatch(row cellsOf, o origins, stored []customer.Email, below []string) (list []customer.EmailInput, given bool) {
	for _, e := range stored {
		list = append(list, customer.EmailInput{ID: ref(typeid.EmailAddress, e.ID), Address: e.Address, Type: e.Type})
	}
	for _, c := range p.emails {
		if c == nil || row.at(c[0]) == nil {
			continue
		}
		given = true
		key := customer.EmailKey(row.text(c[0]))
		i := slices.IndexFunc(stored, func(e customer.Email) bool { return e.Key == key })
		if i < 0 {
			i, list = len(list), append(list, customer.EmailInput{Address: row.text(c[0])})
		}
		notePoint(o, c, pointParts[listEmails], listEmails, i, below)
		if names := purposes(row.at(c[2])); names != nil {
			list[i].Purposes = names
		}
		if t := row.at(c[1]); t != nil {
			list[i].Type = upper(*t)
		}
	}
	return list, given
}

func (p *pointColumns) phonePatch(row cellsOf, o origins, stored []customer.Phone, below []string) (list []customer.PhoneInput, given bool) {
	for _, n := range stored {
		list = append(list, customer.PhoneInput{ID: ref(typeid.PhoneNumber, n.ID), Number: dialled(n), Type: n.Type})
	}
	for _, c := range p.phones {
		if c == nil || row.at(c[0]) == nil {
			continue
		}
		given = true
		key := customer.PhoneKey(row.text(c[0]))
		i := slices.IndexFunc(stored, func(n customer.Phone) bool { return n.E164 == key })
		if i < 0 {
			i, list = len(list), append(list, customer.PhoneInput{})
		}
		list[i].Number = row.text(c[0])
		notePoint(o, c, pointParts[listPhones], listPhones, i, below)
		if t := row.at(c[1]); t != nil {
			list[i].Type = upper(*t)
		}
	}
	return list, given
}

// dialled is a number as it is written in an input and in a file.
func dialled(n customer.Phone) string {
	if n.Extension != "" {
		return n.E164 + ";ext=" + n.Extension
	}
	return n.E164
}

func (p *pointColumns) addressPatch(row cellsOf, o origins, stored []customer.Address, below []string) (list []customer.AddressInput, given bool) {
	for _, a := range stored {
		list = append(list, customer.AddressInput{
			ID: ref(typeid.PostalAddress, a.ID), Type: a.Type, StreetAddress: null(a.StreetAddress), AddressLocality: null(a.Locality),
			AddressRegion: null(a.Region), PostalCode: null(a.PostalCode), AddressCountry: null(a.Country),
		})
	}
	for i, c := range p.addresses {
		if c == nil || !row.any(c[:5]) {
			continue
		}
		given = true
		if i >= len(list) {
			i, list = len(list), append(list, customer.AddressInput{})
		}
		notePoint(o, c, pointParts[listAddresses], listAddresses, i, below)
		a := &list[i]
		// The parts belong together: an old region behind a new street would be a place that is nowhere.
		for k, part := range []**string{&a.StreetAddress, &a.AddressLocality, &a.AddressRegion, &a.PostalCode, &a.AddressCountry} {
			if c[k] >= 0 {
				*part = row.at(c[k])
			}
		}
		if t := row.at(c[5]); t != nil {
			a.Type = upper(*t)
		}
	}
	return list, given
}

// contactPatches gives the list of all contacts with what the row says of them, nil when it says nothing.
func (l *layout) contactPatches(row cellsOf, o origins, f customer.File) []customer.ContactNested {
	var list []customer.ContactNested
	for _, c := range l.contacts {
		if c == nil || !row.any(c.parts[:]) && !c.anyPoint(row) {
			continue
		}
		if list == nil {
			for _, stored := range f.Contacts {
				list = append(list, customer.ContactNested{ID: ref(typeid.Contact, stored.ID)})
			}
		}
		i := c.find(row, f.Contacts)
		var stored customer.Contact
		if i >= 0 {
			stored = f.Contacts[i]
		} else {
			i, list = len(list), append(list, customer.ContactNested{})
		}
		entry := &list[i]
		below := []string{listContacts, strconv.Itoa(i)}
		for k, part := range []*optional.Field[*string]{&entry.GivenName, &entry.FamilyName, &entry.Role} {
			if v := row.at(c.parts[k]); v != nil {
				*part = optional.Some(v)
			}
			o.note(c.parts[k], append(slices.Clip(below), contactParts[k])...)
		}
		entry.Emails, entry.Phones, entry.Addresses = c.patch(row, o, stored.Points, below)
	}
	return list
}

func (p *pointColumns) anyPoint(row cellsOf) bool {
	return slices.ContainsFunc(p.emails, func(c []int) bool { return c != nil && row.at(c[0]) != nil }) ||
		slices.ContainsFunc(p.phones, func(c []int) bool { return c != nil && row.at(c[0]) != nil }) ||
		slices.ContainsFunc(p.addresses, func(c []int) bool { return c != nil && row.any(c[:5]) })
}

// find gives the place of the contact that a row means, -1 for a new one.
func (c *contactColumns) find(row cellsOf, stored []customer.Contact) int {
	for _, columns := range c.emails {
		if columns == nil {
			continue
		}
		key := customer.EmailKey(row.text(columns[0]))
		for i, s := range stored {
			if key != "" && slices.ContainsFunc(s.Emails, func(e customer.Email) bool { return e.Key == key }) {
				return i
			}
		}
	}
	name := fold.Text(row.text(c.parts[0]) + " " + row.text(c.parts[1]))
	return slices.IndexFunc(stored, func(s customer.Contact) bool { return name != "" && s.SortName() == name })
}

func ref(prefix string, id [16]byte) *string {
	s := typeid.Format(prefix, id)
	return &s
}

func null(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
