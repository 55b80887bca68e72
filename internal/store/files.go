package store

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/contact"
	entcustomer "dossier/ent/customer"
	"dossier/ent/emailaddress"
	"dossier/ent/phonenumber"
	"dossier/ent/postaladdress"
	"dossier/ent/predicate"
	"dossier/internal/customer"
)

// anyID is column = ANY (ids): one parameter, so that the statement is the same for any number of ids.
func anyID[P ~func(*sql.Selector)](column string, ids []uuid.UUID) P {
	return func(s *sql.Selector) {
		s.Where(sql.P().Append(func(b *sql.Builder) { b.WriteString(s.C(column)).WriteString(" = ANY (").Arg(ids).WriteString(")") }))
	}
}

// lockFiles is lockFile for many customers. They are locked in the order of their ids, so that two of these do not wait
// for each other. Ids that name nothing are left out.
func (t *tx) lockFiles(ctx context.Context, ids []uuid.UUID) ([]customer.File, error) {
	q := t.customers().Where(anyID[predicate.Customer](entcustomer.FieldID, ids)).Order(entcustomer.ByID())
	q.Modify(func(s *sql.Selector) { s.For(sql.LockNoKeyUpdate) })
	rows, err := q.All(ctx)
	if err != nil {
		return nil, err
	}
	return t.files(ctx, rows)
}

// files gives customers with all of their files, in the order of the rows: one query for each table.
func (c scope) files(ctx context.Context, rows []*ent.Customer) ([]customer.File, error) {
	ids := make([]uuid.UUID, len(rows))
	files := make([]customer.File, len(rows))
	byID := make(map[uuid.UUID]int, len(rows))
	for i, r := range rows {
		ids[i], files[i], byID[r.ID] = r.ID, customer.File{Customer: customerOf(r)}, i
	}
	contacts, err := c.contacts().Where(anyID[predicate.Contact](contact.FieldCustomerID, ids), contact.ArchivedAtIsNil()).
		Order(contact.ByCreatedAt(), contact.ByID()).All(ctx)
	if err != nil {
		return nil, err
	}
	places, contactIDs := make(map[uuid.UUID]int, len(contacts)), make([]uuid.UUID, len(contacts))
	for i, r := range contacts {
		contactIDs[i] = r.ID
		f := &files[byID[r.CustomerID]]
		places[r.ID] = len(f.Contacts)
		f.Contacts = append(f.Contacts, contactOf(r))
	}
	of := func(customerID uuid.UUID, contactID *uuid.UUID) *customer.Points {
		f := &files[byID[customerID]]
		if contactID == nil {
			return &f.Points
		}
		return &f.Contacts[places[*contactID]].Points
	}
	if err := c.fileValues(ctx, ids, func(id uuid.UUID) *customer.File { return &files[byID[id]] }); err != nil {
		return nil, err
	}
	return files, c.filePoints(ctx, ids, contactIDs, of)
}

// filePoints reads the contact points of customers and of contacts, each by the index that has only theirs.
func (c scope) filePoints(ctx context.Context, ids, contactIDs []uuid.UUID, of func(customerID uuid.UUID, contactID *uuid.UUID) *customer.Points) error {
	emails, err := c.emails().Where(emailaddress.Or(
		emailaddress.And(anyID[predicate.EmailAddress](emailaddress.FieldCustomerID, ids), emailaddress.ContactIDIsNil()),
		emailaddress.And(anyID[predicate.EmailAddress](emailaddress.FieldContactID, contactIDs), emailaddress.ContactIDNotNil()),
	)).Order(emailaddress.ByPosition(), emailaddress.ByID()).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range emails {
		p := of(r.CustomerID, r.ContactID)
		p.Emails = append(p.Emails, emailOf(r))
	}
	phones, err := c.phones().Where(phonenumber.Or(
		phonenumber.And(anyID[predicate.PhoneNumber](phonenumber.FieldCustomerID, ids), phonenumber.ContactIDIsNil()),
		phonenumber.And(anyID[predicate.PhoneNumber](phonenumber.FieldContactID, contactIDs), phonenumber.ContactIDNotNil()),
	)).Order(phonenumber.ByPosition(), phonenumber.ByID()).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range phones {
		p := of(r.CustomerID, r.ContactID)
		p.Phones = append(p.Phones, phoneOf(r))
	}
	addresses, err := c.addresses().Where(postaladdress.Or(
		postaladdress.And(anyID[predicate.PostalAddress](postaladdress.FieldCustomerID, ids), postaladdress.ContactIDIsNil()),
		postaladdress.And(anyID[predicate.PostalAddress](postaladdress.FieldContactID, contactIDs), postaladdress.ContactIDNotNil()),
	)).Order(postaladdress.ByPosition(), postaladdress.ByID()).All(ctx)
	if err != nil {
		return err
	}
	for _, r := range addresses {
		p := of(r.CustomerID, r.ContactID)
		p.Addresses = append(p.Addresses, addressOf(r))
	}
	return nil
}
