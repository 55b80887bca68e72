package customer

import (
	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// contacts makes the changes that turn the contacts of f into the list: an entry with an id changes that contact, one
// without is new, and those that are not in the list are archived.
func (c *check) contacts(path []string, f File, list []ContactNested) []ContactChange {
	if len(list) > MaxContacts {
		c.bad(path, "This list has %d contacts; at most %d are accepted.", len(list), MaxContacts)
		return nil
	}
	next := make([]Contact, len(list))
	seen := make(map[uuid.UUID]bool, len(list))
	for i, entry := range list {
		here := item(path, i)
		id := c.pointID(at(here, "id"), typeid.Contact, "contact", entry.ID, func(id uuid.UUID) bool { return f.contact(id) >= 0 })
		if seen[id] {
			c.bad(at(here, "id"), "This id is in the list twice. Remove one.")
		}
		seen[id] = true
		switch k := f.contact(id); {
		case k >= 0:
			next[i] = c.contact(here, f.Contacts[k], entry.ContactPatch)
		case entry.ID == nil:
			next[i] = c.contact(here, Contact{ID: id}, entry.ContactPatch)
		}
	}
	primary := c.primaryContact(path, list, next)
	var changes []ContactChange
	for i := range next {
		next[i].Primary = i == primary
		changes = appendChange(changes, f, next[i])
	}
	for _, old := range f.Contacts {
		if !seen[old.ID] {
			changes = append(changes, archived(old))
		}
	}
	return changes
}

// primaryContact gives the place of the one that is to be primary: the one that says so, else the one that is, else the
// first.
func (c *check) primaryContact(path []string, list []ContactNested, next []Contact) int {
	chosen, now := -1, -1
	for i, entry := range list {
		wants := entry.IsPrimary.Value
		switch {
		case wants != nil && *wants && chosen >= 0:
			c.bad(at(item(path, i), "isPrimary"), "Only one contact can be primary.")
		case wants != nil && *wants:
			chosen = i
		}
		if next[i].Primary {
			now = i
		}
	}
	if chosen < 0 && now >= 0 {
		c.keepsPrimary(item(path, now), list[now].IsPrimary)
	}
	if chosen >= 0 {
		return chosen
	}
	return max(now, 0)
}

// contact applies a patch to a contact, all but isPrimary.
func (c *check) contact(path []string, old Contact, p ContactPatch) Contact {
	next := old
	c.setLine(at(path, "givenName"), &next.GivenName, p.GivenName)
	c.setLine(at(path, "familyName"), &next.FamilyName, p.FamilyName)
	c.setLine(at(path, "role"), &next.Role, p.Role)
	if blank(raw(p.GivenName, old.GivenName), raw(p.FamilyName, old.FamilyName)) {
		c.required(at(path, "givenName"), "A contact needs a givenName, a familyName or both.")
	}
	c.setPoints(path, &next.Points, p.Emails, p.Phones, p.Addresses)
	return next
}

// keepsPrimary refuses to make the primary contact an ordinary one without saying who follows.
func (c *check) keepsPrimary(path []string, wants optional.Field[*bool]) {
	if wants.Value != nil && !*wants.Value {
		c.bad(at(path, "isPrimary"), "One contact is always primary. Make another one primary instead.")
	}
}

// appendChange adds what became of a contact, if anything.
func appendChange(changes []ContactChange, f File, next Contact) []ContactChange {
	k := f.contact(next.ID)
	if k < 0 {
		next.Version = 1
		return append(changes, ContactChange{Contact: next, New: true})
	}
	if fields := diffContact(f.Contacts[k], next); len(fields) > 0 {
		return append(changes, ContactChange{Contact: next, Fields: fields})
	}
	return changes
}

func archived(old Contact) ContactChange {
	ch := ContactChange{Contact: old, Archive: true}
	if old.Primary {
		ch.Primary, ch.Fields = false, []string{"isPrimary"}
	}
	return ch
}

// createContact makes the change that adds a contact to a file.
func createContact(c *check, f File, d ContactDraft) (Contact, Change) {
	path := []string{"input"}
	if len(f.Contacts) >= MaxContacts {
		c.faults = append(c.faults, fault.At(fault.Conflict, []string{"customerId"},
			"The customer has %d contacts, which is the most it can have. Archive one first.", len(f.Contacts)))
	}
	next := c.contact(path, Contact{ID: c.newID()}, d.patch())
	next.Primary = len(f.Contacts) == 0 || d.IsPrimary != nil && *d.IsPrimary
	ch := changeOf(f, next)
	return next, ch
}

// updateContact makes the change that the patch asks for.
func updateContact(c *check, f File, i int, p ContactPatch) Change {
	path := []string{"input"}
	next := c.contact(path, f.Contacts[i], p)
	if next.Primary {
		c.keepsPrimary(path, p.IsPrimary)
	} else if wants := p.IsPrimary.Value; wants != nil && *wants {
		next.Primary = true
	}
	return changeOf(f, next)
}

// archiveContact takes a contact out of the file. The oldest of the others becomes primary when it was.
func archiveContact(f File, i int) Change {
	ch := Change{Customer: f.Customer, Contacts: []ContactChange{archived(f.Contacts[i])}}
	if f.Contacts[i].Primary {
		for k, other := range f.Contacts {
			if k != i {
				other.Primary = true
				ch.Contacts = appendChange(ch.Contacts, f, other)
				break
			}
		}
	}
	ch.finishContacts()
	return ch
}

// changeOf is the change that puts one contact into the file, new or changed, and makes the others ordinary when it is
// primary.
func changeOf(f File, next Contact) Change {
	ch := Change{Customer: f.Customer}
	ch.Contacts = appendChange(nil, f, next)
	if next.Primary {
		for _, other := range f.Contacts {
			if other.ID != next.ID && other.Primary {
				other.Primary = false
				ch.Contacts = appendChange(ch.Contacts, f, other)
			}
		}
	}
	ch.finishContacts()
	return ch
}

func (ch *Change) finishContacts() {
	ch.contactLines()
	ch.contactEvents()
	ch.touchContacts()
}
