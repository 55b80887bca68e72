package customer

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// Names of what a merge changes beside the fields of a file, in the spelling of the schema.
const (
	fieldMergedInto      = "mergedInto"
	fieldMergedCustomers = "mergedCustomers"
)

// Merge is what a merge, or undoing it, does to both files. Contacts and whatever else points at a customer are moved by
// the store, all of them; which contact is primary is decided here.
type Merge struct {
	Winner, Loser Change
	// Contact is the contact of the loser that is primary no more in a merge, and again when it is undone; nil without one.
	Contact *ContactChange
}

// MergeRecord is a merge as it was written down: the files as they were, and the winner as the merge left it. It is stored
// as JSON with the names of the fields in Go: a name that changes loses what is stored under the old one.
type MergeRecord struct {
	Winner, Loser File
	After         Customer
}

// picks are the fields that a merge can take from the loser, in the spelling of the SDL's MergePick.
var picks = map[string]func(to *Customer, from Customer){
	"KIND":                 func(to *Customer, from Customer) { to.Kind = from.Kind },
	"GIVEN_NAME":           func(to *Customer, from Customer) { to.GivenName = from.GivenName },
	"FAMILY_NAME":          func(to *Customer, from Customer) { to.FamilyName = from.FamilyName },
	"COMPANY_NAME":         func(to *Customer, from Customer) { to.CompanyName = from.CompanyName },
	"LANGUAGE_TAG":         func(to *Customer, from Customer) { to.LanguageTag = from.LanguageTag },
	"TIME_ZONE":            func(to *Customer, from Customer) { to.TimeZone = from.TimeZone },
	"EXTERNAL_ID":          func(to *Customer, from Customer) { to.ExternalID = from.ExternalID },
	"TYPE":                 func(to *Customer, from Customer) { to.TypeID = from.TypeID },
	"ORIGIN":               func(to *Customer, from Customer) { to.OriginID = from.OriginID },
	"SALESPERSON":          func(to *Customer, from Customer) { to.SalespersonID = from.SalespersonID },
	"REPRESENTATIVE":       func(to *Customer, from Customer) { to.RepresentativeID = from.RepresentativeID },
	"PREFERRED_OFFICE":     func(to *Customer, from Customer) { to.PreferredOfficeID = from.PreferredOfficeID },
	"PREFERRED_STAFF":      func(to *Customer, from Customer) { to.PreferredStaffID = from.PreferredStaffID },
	"PREFERRED_CHANNEL":    func(to *Customer, from Customer) { to.PreferredChannel = from.PreferredChannel },
	"DELIVERY_DISTANCE_KM": func(to *Customer, from Customer) { to.DeliveryDistanceKm = from.DeliveryDistanceKm },
	"WEBSITE_URL":          func(to *Customer, from Customer) { to.WebsiteURL = from.WebsiteURL },
	"BUSINESS_AREA":        func(to *Customer, from Customer) { to.BusinessArea = from.BusinessArea },
	"TAX_EXEMPT": func(to *Customer, from Customer) {
		to.TaxExempt, to.TaxExemptReason = from.TaxExempt, from.TaxExemptReason
	},
}

// Picks lists what a merge can take from the loser, sorted.
func Picks() []string { return slices.Sorted(maps.Keys(picks)) }

// mergeFiles makes the merge of the loser into the winner.
func mergeFiles(c *check, winner, loser File, taken []string) Merge {
	next, left := winner.Customer, loser.Customer
	fill(&next, loser.Customer)
	for _, name := range taken {
		if take, ok := picks[name]; ok {
			take(&next, loser.Customer)
		} else {
			c.bad([]string{"picks"}, "There is no field %s to pick.", name)
		}
	}
	c.customerName([]string{"picks"}, next, blank(&next.GivenName, &next.FamilyName), blank(&next.CompanyName))
	if next.ExternalID == winner.ExternalID {
		left.ExternalID = loser.ExternalID
	} else {
		left.ExternalID = winner.ExternalID // what the winner shows no more still finds it, by way of the loser
	}
	next.Points, left.Points = unite(c, winner.Points, loser.Points)
	if n := len(winner.Contacts) + len(loser.Contacts); n > MaxContacts {
		c.tooMany("contacts", n, MaxContacts)
	}
	next.Attributes = fillAttributes(winner.Attributes, loser.Attributes)
	left.Status, left.MergedInto, left.ArchivedAt = Merged, winner.ID, nil

	m := Merge{
		Winner: Change{Customer: next, Fields: with(diffCustomer(winner.Customer, next), fieldMergedCustomers)},
		Loser:  Change{Customer: left, Fields: with(diffCustomer(loser.Customer, left), "status", fieldMergedInto)},
	}
	if len(loser.Contacts) > 0 {
		m.Winner.Fields = with(m.Winner.Fields, fieldContacts)
		m.Loser.Fields = with(m.Loser.Fields, fieldContacts)
	}
	m.Winner.event(timeline.CustomerMerged, timeline.SubjectCustomer, winner.ID, shown(m.Winner.Fields))
	m.Winner.line(timeline.KindCustomerMerged, "Merged with "+loser.DisplayName(), timeline.SubjectCustomer, loser.ID)
	m.Loser.event(timeline.CustomerMerged, timeline.SubjectCustomer, loser.ID, shown(m.Loser.Fields))
	if i := slices.IndexFunc(loser.Contacts, func(con Contact) bool { return con.Primary }); i >= 0 && len(winner.Contacts) > 0 {
		m.Contact = m.Winner.primary(loser.Contacts[i], false)
	}
	return m
}

// fill gives the fields of the winner that are empty the values of the loser.
func fill(to *Customer, from Customer) {
	for _, f := range [][2]*string{{&to.GivenName, &from.GivenName}, {&to.FamilyName, &from.FamilyName}, {&to.CompanyName, &from.CompanyName}} {
		fillOne(f[0], *f[1])
	}
	for _, f := range profileTexts {
		if f.name != "taxExemptReason" || to.TaxExempt && from.TaxExempt {
			fillOne(f.stored(&to.Profile), *f.stored(&from.Profile))
		}
	}
	for _, f := range profileChoices {
		fillOne(f.stored(&to.Profile), *f.stored(&from.Profile))
	}
}

func fillOne[T comparable](to *T, from T) {
	var empty T
	if *to == empty {
		*to = from
	}
}

// fillAttributes gives the values of the winner, and those of the loser for what the winner has no value of. The loser
// keeps its own.
func fillAttributes(winner, loser []AttributeValue) []AttributeValue {
	list := slices.Clone(winner)
	for _, v := range loser {
		if !slices.ContainsFunc(winner, func(own AttributeValue) bool { return own.DefinitionID == v.DefinitionID }) {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b AttributeValue) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// undoAttribute gives one attribute the value that it had, or none.
func undoAttribute(now, was []AttributeValue, key string) []AttributeValue {
	list := slices.DeleteFunc(slices.Clone(now), func(v AttributeValue) bool { return v.Key == key })
	for _, v := range was {
		if v.Key == key {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b AttributeValue) int { return strings.Compare(a.Key, b.Key) })
	return list
}

// unite gives the contact points of both for the winner, and what stays with the loser because the winner has it already.
func unite(c *check, winner, loser Points) (united, left Points) {
	united, left = Points{Emails: slices.Clone(winner.Emails)}, Points{}
	taken := slices.ContainsFunc(united.Emails, func(e Email) bool { return slices.Contains(e.PurposeList(), statement) })
	for _, e := range loser.Emails {
		purposes := e.PurposeList()
		if taken {
			purposes = slices.DeleteFunc(purposes, func(p string) bool { return p == statement })
		}
		taken = taken || slices.Contains(purposes, statement)
		if i := slices.IndexFunc(united.Emails, func(own Email) bool { return own.Key == e.Key }); i >= 0 {
			united.Emails[i].Purposes = sortedPurposes(append(united.Emails[i].PurposeList(), purposes...))
			left.Emails = append(left.Emails, e)
			continue
		}
		e.Purposes = sortedPurposes(purposes)
		united.Emails = append(united.Emails, e)
	}
	united.Phones, left.Phones = uniteList(winner.Phones, loser.Phones, func(a, b Phone) bool {
		return a.E164 == b.E164 && a.Extension == b.Extension
	})
	united.Addresses, left.Addresses = uniteList(winner.Addresses, loser.Addresses, func(a, b Address) bool {
		a.ID, a.Type = b.ID, b.Type
		return a == b
	})
	for _, list := range []struct {
		noun string
		n    int
	}{{"e-mail addresses", len(united.Emails)}, {"telephone numbers", len(united.Phones)}, {"postal addresses", len(united.Addresses)}} {
		if list.n > MaxPoints {
			c.tooMany(list.noun, list.n, MaxPoints)
		}
	}
	return united, left
}

func uniteList[P any](winner, loser []P, same func(a, b P) bool) (united, left []P) {
	united = slices.Clone(winner)
	for _, p := range loser {
		if slices.ContainsFunc(united, func(own P) bool { return same(own, p) }) {
			left = append(left, p)
		} else {
			united = append(united, p)
		}
	}
	return united, left
}

func sortedPurposes(list []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(list))), ",")
}

func (c *check) tooMany(noun string, n, most int) {
	c.faults = append(c.faults, fault.At(fault.Conflict, []string{"loserId"},
		"The two have %d %s together; a customer can have %d. Remove some of one of them first.", n, noun, most))
}

// primary is the change that makes a contact primary or ordinary, with its event in ch.
func (ch *Change) primary(con Contact, primary bool) *ContactChange {
	con.Primary = primary
	change := &ContactChange{Contact: con, Fields: []string{"isPrimary"}}
	ch.event(timeline.ContactUpdated, timeline.SubjectContact, con.ID, change.Fields)
	return change
}

// with gives the names with some more, sorted and each once.
func with(names []string, more ...string) []string {
	return slices.Compact(slices.Sorted(slices.Values(append(slices.Clone(names), more...))))
}

// undoFiles makes the change that gives both customers back what they had before a merge. moved are the contacts that
// came from the loser. The names of what was changed since, and so stands in the way, come second.
func undoFiles(m MergeRecord, winner, loser File, moved []uuid.UUID) (Merge, []string) {
	next, conflicts := undoWinner(m, winner.Customer)
	back := m.Loser.Customer
	back.Version = loser.Version
	u := Merge{
		Winner: Change{Customer: next, Fields: with(diffCustomer(winner.Customer, next), fieldMergedCustomers)},
		Loser:  Change{Customer: back, Fields: with(diffCustomer(loser.Customer, back), "status", fieldMergedInto)},
	}
	var kept []Contact
	for _, con := range winner.Contacts {
		if !slices.Contains(moved, con.ID) {
			kept = append(kept, con)
		}
	}
	if len(m.Loser.Contacts) > 0 {
		u.Winner.Fields, u.Loser.Fields = with(u.Winner.Fields, fieldContacts), with(u.Loser.Fields, fieldContacts)
	}
	u.Winner.event(timeline.CustomerMergeUndone, timeline.SubjectCustomer, winner.ID, shown(u.Winner.Fields))
	u.Winner.line(timeline.KindCustomerMergeUndone, "No longer merged with "+back.DisplayName(), timeline.SubjectCustomer, loser.ID)
	u.Loser.event(timeline.CustomerMergeUndone, timeline.SubjectCustomer, loser.ID, shown(u.Loser.Fields))
	u.Loser.line(timeline.KindCustomerMergeUndone, "No longer merged with "+next.DisplayName(), timeline.SubjectCustomer, winner.ID)
	for _, was := range m.Loser.Contacts {
		if i := winner.contact(was.ID); i >= 0 && was.Primary && !winner.Contacts[i].Primary {
			u.Contact = u.Loser.primary(winner.Contacts[i], true)
		}
	}
	if len(kept) > 0 && !slices.ContainsFunc(kept, func(con Contact) bool { return con.Primary }) {
		// What was added since the merge stays, and one of it must be the one to talk to.
		u.Winner.Contacts = []ContactChange{*u.Winner.primary(kept[0], true)}
	}
	return u, conflicts
}

// undoWinner takes back what the merge wrote, and nothing else.
func undoWinner(m MergeRecord, now Customer) (next Customer, conflicts []string) {
	next = now
	written := diffCustomer(m.Winner.Customer, m.After)
	since := diffCustomer(m.After, now)
	conflict := func(name string) { conflicts = append(conflicts, name) }
	var ok bool
	if next.Emails, ok = undoList(m.Winner.Emails, m.After.Emails, now.Emails); !ok {
		conflict("emails")
	}
	if next.Phones, ok = undoList(m.Winner.Phones, m.After.Phones, now.Phones); !ok {
		conflict("phones")
	}
	if next.Addresses, ok = undoList(m.Winner.Addresses, m.After.Addresses, now.Addresses); !ok {
		conflict("addresses")
	}
	for _, name := range written {
		switch name {
		case "emails", "phones", "addresses", fieldAttributes:
			continue
		}
		if slices.Contains(since, name) {
			conflict(name)
		}
		if key, ok := strings.CutPrefix(name, fieldAttributes+"."); ok {
			next.Attributes = undoAttribute(next.Attributes, m.Winner.Attributes, key)
		}
		undoField(name, &next, m.Winner.Customer)
	}
	return next, conflicts
}

// undoField gives one field the value that it had.
func undoField(name string, to *Customer, was Customer) {
	switch name {
	case "kind":
		to.Kind = was.Kind
	case "givenName":
		to.GivenName = was.GivenName
	case "familyName":
		to.FamilyName = was.FamilyName
	case "companyName":
		to.CompanyName = was.CompanyName
	case "taxExempt":
		to.TaxExempt = was.TaxExempt
	}
	for _, f := range profileTexts {
		if f.name == name {
			*f.stored(&to.Profile) = *f.stored(&was.Profile)
		}
	}
	for _, f := range profileChoices {
		if f.name == name {
			*f.stored(&to.Profile) = *f.stored(&was.Profile)
		}
	}
}

// undoList takes out of a list what a merge added to it and changes back what it changed. ok is false when one of those
// was changed or removed since.
func undoList[P stored](was, after, now []P) (next []P, ok bool) {
	find := func(list []P, id uuid.UUID) int {
		return slices.IndexFunc(list, func(p P) bool { return p.id() == id })
	}
	next, ok = slices.Clone(now), true
	for _, p := range after {
		before, at := find(was, p.id()), find(next, p.id())
		switch {
		case before >= 0 && was[before] == p:
			continue // the merge left it alone
		case at < 0 || next[at] != p:
			ok = false
		case before >= 0:
			next[at] = was[before]
		default:
			next = slices.Delete(next, at, at+1)
		}
	}
	return next, ok
}
