package store

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/emailaddress"
	"dossier/ent/phonenumber"
	"dossier/ent/postaladdress"
	"dossier/internal/customer"
)

// owner is whose contact points they are: a customer's own, or those of one of its contacts.
type owner struct {
	customer uuid.UUID
	contact  *uuid.UUID
}

// pointLists says which lists of contact points are to be written.
type pointLists struct {
	emails, phones, addresses bool
	// fresh says that the owner is new, so there is nothing to delete.
	fresh bool
}

var freshLists = pointLists{emails: true, phones: true, addresses: true, fresh: true}

func lists(fields []string) pointLists {
	return pointLists{
		emails: slices.Contains(fields, "emails"), phones: slices.Contains(fields, "phones"), addresses: slices.Contains(fields, "addresses"),
	}
}

// loadPoints reads the contact points of a file: of the customer and of all contacts, one query for each kind.
func (t *tx) loadPoints(ctx context.Context, f *customer.File) error {
	ids := make([]uuid.UUID, len(f.Contacts))
	points := map[uuid.UUID]*customer.Points{uuid.Nil: &f.Points}
	for i := range f.Contacts {
		ids[i] = f.Contacts[i].ID
		points[ids[i]] = &f.Contacts[i].Points
	}
	of := func(contactID *uuid.UUID) *customer.Points {
		if contactID == nil {
			return points[uuid.Nil]
		}
		return points[*contactID]
	}
	emails, err := t.emails().Where(emailaddress.Or(
		emailaddress.And(emailaddress.CustomerID(f.ID), emailaddress.ContactIDIsNil()), emailaddress.ContactIDIn(ids...),
	)).Order(emailaddress.ByPosition(), emailaddress.ByID()).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range emails {
		p := of(r.ContactID)
		p.Emails = append(p.Emails, emailOf(r))
	}
	phones, err := t.phones().Where(phonenumber.Or(
		phonenumber.And(phonenumber.CustomerID(f.ID), phonenumber.ContactIDIsNil()), phonenumber.ContactIDIn(ids...),
	)).Order(phonenumber.ByPosition(), phonenumber.ByID()).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range phones {
		p := of(r.ContactID)
		p.Phones = append(p.Phones, phoneOf(r))
	}
	addresses, err := t.addresses().Where(postaladdress.Or(
		postaladdress.And(postaladdress.CustomerID(f.ID), postaladdress.ContactIDIsNil()), postaladdress.ContactIDIn(ids...),
	)).Order(postaladdress.ByPosition(), postaladdress.ByID()).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range addresses {
		p := of(r.ContactID)
		p.Addresses = append(p.Addresses, addressOf(r))
	}
	return nil
}

func emailOf(r *ent.EmailAddress) customer.Email {
	return customer.Email{ID: r.ID, Type: r.Type, Address: r.Address, Key: r.AddressKey, Purposes: strings.Join(r.Purposes, ",")}
}

func phoneOf(r *ent.PhoneNumber) customer.Phone {
	return customer.Phone{ID: r.ID, Type: r.Type, E164: r.E164, Extension: deref(r.Extension)}
}

func addressOf(r *ent.PostalAddress) customer.Address {
	return customer.Address{
		ID: r.ID, Type: r.Type, StreetAddress: deref(r.StreetAddress), Locality: deref(r.AddressLocality), Region: deref(r.AddressRegion),
		PostalCode: deref(r.PostalCode), Country: deref(r.AddressCountry),
	}
}

// writePoints makes the stored lists those of p: what is not in them is deleted, the rest inserted or overwritten in
// place, by ids that were read in this transaction or are new.
func (t *tx) writePoints(ctx context.Context, o owner, p customer.Points, which pointLists) error {
	if which.emails && (len(p.Emails) > 0 || !which.fresh) {
		if err := t.writeEmails(ctx, o, p.Emails, which.fresh); err != nil {
			return err
		}
	}
	if which.phones && (len(p.Phones) > 0 || !which.fresh) {
		if err := t.writePhones(ctx, o, p.Phones, which.fresh); err != nil {
			return err
		}
	}
	if which.addresses && (len(p.Addresses) > 0 || !which.fresh) {
		return t.writeAddresses(ctx, o, p.Addresses, which.fresh)
	}
	return nil
}

func (t *tx) writeEmails(ctx context.Context, o owner, list []customer.Email, fresh bool) error {
	keep := make([]uuid.UUID, len(list))
	rows := make([]*ent.EmailAddressCreate, len(list))
	for i, e := range list {
		keep[i] = e.ID
		rows[i] = t.emailCreate().SetID(e.ID).SetCreatedAt(t.now).SetCustomerID(o.customer).SetNillableContactID(o.contact).
			SetPosition(place(i)).SetType(e.Type).SetAddress(e.Address).SetAddressKey(e.Key).SetPurposes(e.PurposeList())
	}
	// The one that gets the statement of account is written last: an index holds that there is one, row by row.
	for i, e := range list {
		if slices.Contains(e.PurposeList(), "STATEMENT") {
			last := rows[i]
			rows = append(slices.Delete(rows, i, i+1), last)
			break
		}
	}
	if !fresh {
		mine := emailaddress.ContactIDIsNil()
		if o.contact != nil {
			mine = emailaddress.ContactID(*o.contact)
		}
		if _, err := t.emailDelete().Where(emailaddress.CustomerID(o.customer), mine, emailaddress.IDNotIn(keep...)).Exec(ctx); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return t.emailCreateBulk(rows...).OnConflictColumns(emailaddress.FieldID).UpdateNewValues().Exec(ctx)
}

func (t *tx) writePhones(ctx context.Context, o owner, list []customer.Phone, fresh bool) error {
	keep := make([]uuid.UUID, len(list))
	rows := make([]*ent.PhoneNumberCreate, len(list))
	for i, p := range list {
		keep[i] = p.ID
		rows[i] = t.phoneCreate().SetID(p.ID).SetCreatedAt(t.now).SetCustomerID(o.customer).SetNillableContactID(o.contact).
			SetPosition(place(i)).SetType(p.Type).SetE164(p.E164).SetNillableExtension(null(p.Extension))
	}
	if !fresh {
		mine := phonenumber.ContactIDIsNil()
		if o.contact != nil {
			mine = phonenumber.ContactID(*o.contact)
		}
		if _, err := t.phoneDelete().Where(phonenumber.CustomerID(o.customer), mine, phonenumber.IDNotIn(keep...)).Exec(ctx); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return t.phoneCreateBulk(rows...).OnConflictColumns(phonenumber.FieldID).UpdateNewValues().Exec(ctx)
}

func (t *tx) writeAddresses(ctx context.Context, o owner, list []customer.Address, fresh bool) error {
	keep := make([]uuid.UUID, len(list))
	rows := make([]*ent.PostalAddressCreate, len(list))
	for i, a := range list {
		keep[i] = a.ID
		rows[i] = t.addressCreate().SetID(a.ID).SetCreatedAt(t.now).SetCustomerID(o.customer).SetNillableContactID(o.contact).
			SetPosition(place(i)).SetType(a.Type).
			SetNillableStreetAddress(null(a.StreetAddress)).SetNillableAddressLocality(null(a.Locality)).
			SetNillableAddressRegion(null(a.Region)).SetNillablePostalCode(null(a.PostalCode)).SetNillableAddressCountry(null(a.Country)).
			SetLocalityKey(a.LocalityKey()).SetPostalKey(a.PostalKey())
	}
	if !fresh {
		mine := postaladdress.ContactIDIsNil()
		if o.contact != nil {
			mine = postaladdress.ContactID(*o.contact)
		}
		if _, err := t.addressDelete().Where(postaladdress.CustomerID(o.customer), mine, postaladdress.IDNotIn(keep...)).Exec(ctx); err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return t.addressCreateBulk(rows...).OnConflictColumns(postaladdress.FieldID).UpdateNewValues().Exec(ctx)
}

// deref and null turn a column that may be null into text and back; the areas have "" for null.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func null(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// setText sets a column of an update, or clears it.
func setText[U any](s string, set func(string) U, clearIt func() U) {
	if s == "" {
		clearIt()
		return
	}
	set(s)
}

// place is an index as the column position holds it.
func place(i int) int16 { return int16(i) } //nolint:gosec // lists have at most 20 items
