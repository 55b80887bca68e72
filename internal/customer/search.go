package customer

import (
	"slices"

	"dossier/internal/fold"
	"dossier/internal/search"
)

// FamilySortName is the form by which customers are ordered by family name: it first, then the given name. A company, and a
// person without a family name, has its display name there.
func (c Customer) FamilySortName() string {
	if c.Kind == Company || c.FamilyName == "" {
		return c.SortName()
	}
	return fold.Text(join(c.FamilyName, c.GivenName))
}

// LocalityKey is the town in the form in which it is looked up.
func (a Address) LocalityKey() string { return fold.Text(a.Locality) }

// PostalKey is the postal code without spaces: some write them and some do not.
func (a Address) PostalKey() string { return fold.PostalCode(a.PostalCode) }

// After is the file as it is once the change is made. Contacts that the change archives are not in it.
func (f File) After(ch Change) File {
	next := File{Customer: ch.Customer, Contacts: slices.Clone(f.Contacts)}
	for _, c := range ch.Contacts {
		switch i := next.contact(c.ID); {
		case c.Archive:
			next.Contacts = slices.DeleteFunc(next.Contacts, func(old Contact) bool { return old.ID == c.ID })
		case i >= 0:
			next.Contacts[i] = c.Contact
		default:
			next.Contacts = append(next.Contacts, c.Contact)
		}
	}
	return next
}

// Search is what the file can be found by in the directory: the names, e-mail addresses and telephone numbers of the customer and
// of its contacts that are not archived. Whatever writes a file stores it in the same transaction.
func (f File) Search() search.Document {
	d := search.Document{SortName: f.SortName(), FamilySortName: f.FamilySortName(), Kind: string(f.Kind)}
	add := func(p Points, names ...string) {
		for _, name := range names {
			if name != "" {
				d.Names = append(d.Names, name)
			}
		}
		for _, e := range p.Emails {
			d.Emails = append(d.Emails, e.Address)
		}
		for _, n := range p.Phones {
			d.Phones = append(d.Phones, n.E164)
		}
	}
	add(f.Points, f.GivenName, f.FamilyName, f.CompanyName)
	for _, c := range f.Contacts {
		add(c.Points, c.GivenName, c.FamilyName)
	}
	return d
}
