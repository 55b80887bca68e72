package store

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/contact"
	entcustomer "dossier/ent/customer"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/idempotency"
	"dossier/internal/timeline"
)

// CustomerCreate implements customer.Store.
func (s *Store) CustomerCreate(
	ctx context.Context, p auth.Principal, key *idempotency.Key, create func(customer.Reading) (customer.Change, error),
) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.CustomerCreate", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) {
			ch, err := create(reading{ctx: ctx, tx: t})
			if err != nil {
				return uuid.Nil, err
			}
			return ch.Customer.ID, t.insertCustomer(ctx, ch)
		})
		return err
	})
	return id, err
}

// CustomerChange implements customer.Store.
func (s *Store) CustomerChange(
	ctx context.Context, p auth.Principal, id uuid.UUID, path []string,
	decide func(customer.File, customer.Reading) (customer.Change, error),
) error {
	return s.inTx(ctx, "store.CustomerChange", p, func(ctx context.Context, t *tx) error {
		f, err := t.lockFile(ctx, id, path)
		if err != nil {
			return err
		}
		ch, err := decide(f, t.readingOf(ctx, f))
		if err != nil {
			return err
		}
		return t.applyChange(ctx, f, ch)
	})
}

// CustomerUpsert implements customer.Store. Two that make the same customer at once meet at the index of external ids: the
// later one begins again and finds the customer of the other.
func (s *Store) CustomerUpsert(
	ctx context.Context, p auth.Principal, externalID string, create func(customer.Reading) (customer.Change, error),
	change func(customer.File, customer.Reading) (customer.Change, error),
) (id uuid.UUID, created bool, err error) {
	for range maxAttempts {
		err = s.inTx(ctx, "store.CustomerUpsert", p, func(ctx context.Context, t *tx) error {
			id, created, err = t.upsertCustomer(ctx, externalID, create, change)
			return err
		})
		if !violates(err, oneExternalID) {
			break
		}
	}
	return id, created, err
}

func (t *tx) upsertCustomer(
	ctx context.Context, externalID string, create func(customer.Reading) (customer.Change, error),
	change func(customer.File, customer.Reading) (customer.Change, error),
) (uuid.UUID, bool, error) {
	for range maxAttempts {
		id, err := t.customerByExternalID(ctx, externalID)
		if missing(err) {
			ch, err := create(reading{ctx: ctx, tx: t, fresh: true})
			if err != nil {
				return uuid.Nil, false, err
			}
			return ch.Customer.ID, true, t.insertCustomer(ctx, ch)
		}
		if err != nil {
			return uuid.Nil, false, err
		}
		f, err := t.lockFile(ctx, id, []string{"by", "externalId"})
		if err != nil {
			return uuid.Nil, false, err
		}
		if moved, err := t.movedSince(ctx, f, externalID); err != nil {
			return uuid.Nil, false, err
		} else if moved {
			continue
		}
		ch, err := change(f, t.readingOf(ctx, f))
		if err != nil {
			return uuid.Nil, false, err
		}
		return id, false, t.applyChange(ctx, f, ch)
	}
	return uuid.Nil, false, errLostLock
}

// movedSince says whether an external id does not lead to a file any more, now that the file is locked: a merge, or the
// end of one, may have come before the lock, and none can with it.
func (t *tx) movedSince(ctx context.Context, f customer.File, externalID string) (bool, error) {
	if f.Status == customer.Merged || f.ExternalID == externalID {
		return f.Status == customer.Merged, nil
	}
	id, err := t.customerByExternalID(ctx, externalID)
	if missing(err) {
		return true, nil
	}
	return id != f.ID, err
}

// ContactCreate implements customer.Store.
func (s *Store) ContactCreate(
	ctx context.Context, p auth.Principal, key *idempotency.Key, customerID uuid.UUID, path []string,
	decide func(customer.File, customer.Reading) (uuid.UUID, customer.Change, error),
) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.ContactCreate", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) {
			f, err := t.lockFile(ctx, customerID, path)
			if err != nil {
				return uuid.Nil, err
			}
			id, ch, err := decide(f, t.readingOf(ctx, f))
			if err != nil {
				return uuid.Nil, err
			}
			return id, t.applyChange(ctx, f, ch)
		})
		return err
	})
	return id, err
}

// ContactChange implements customer.Store.
func (s *Store) ContactChange(
	ctx context.Context, p auth.Principal, id uuid.UUID, path []string,
	decide func(f customer.File, i int, r customer.Reading) (customer.Change, error),
) error {
	return s.inTx(ctx, "store.ContactChange", p, func(ctx context.Context, t *tx) error {
		f, place, err := t.lockFileOf(ctx, id, path)
		if err != nil {
			return err
		}
		r := t.readingOf(ctx, f)
		if place >= 0 {
			r.subject, r.id, r.version = timeline.SubjectContact, id, f.Contacts[place].Version
		}
		ch, err := decide(f, place, r)
		if err != nil {
			return err
		}
		return t.applyChange(ctx, f, ch)
	})
}

// lockFileOf locks the file that a contact is in, and gives the contact's place in it, -1 for an archived one. The customer
// is locked before any of its contacts is looked at: all changes of a file wait in one place. When the contact went to
// another customer before the lock was there, with a merge or the end of one, it is followed.
func (t *tx) lockFileOf(ctx context.Context, contactID uuid.UUID, path []string) (customer.File, int, error) {
	for range maxAttempts {
		row, err := t.contacts().Where(contact.ID(contactID)).Select(contact.FieldCustomerID).Only(ctx)
		if missing(err) {
			return customer.File{}, -1, notFound(path, "contact")
		}
		if err != nil {
			return customer.File{}, -1, err
		}
		f, err := t.lockFile(ctx, row.CustomerID, path)
		if err != nil {
			return customer.File{}, -1, err
		}
		for i := range f.Contacts {
			if f.Contacts[i].ID == contactID {
				return f, i, nil
			}
		}
		if still, err := t.contacts().Where(contact.ID(contactID), contact.CustomerID(f.ID)).Exist(ctx); err != nil || still {
			return f, -1, err
		}
	}
	return customer.File{}, -1, errLostLock
}

// CustomerExists implements customer.Store.
func (s *Store) CustomerExists(ctx context.Context, accountID, id uuid.UUID) (bool, error) {
	ok, err := s.in(accountID).customers().Where(entcustomer.ID(id)).Exist(ctx)
	return ok, translate("store.CustomerExists", err)
}

// lockFile reads a customer with all of its file, locked against other changes until the end of the transaction. The
// lock lets rows that point at the customer be inserted meanwhile.
func (t *tx) lockFile(ctx context.Context, id uuid.UUID, path []string) (customer.File, error) {
	return t.readFile(ctx, id, path, func(s *sql.Selector) { s.For(sql.LockNoKeyUpdate) })
}

// readFile is lockFile with another lock, or without one.
func (t *tx) readFile(ctx context.Context, id uuid.UUID, path []string, lock func(*sql.Selector)) (customer.File, error) {
	q := t.customers().Where(entcustomer.ID(id))
	if lock != nil {
		q.Modify(lock)
	}
	row, err := q.Only(ctx)
	if missing(err) {
		return customer.File{}, notFound(path, "customer")
	}
	if err != nil {
		return customer.File{}, err
	}
	f := customer.File{Customer: customerOf(row)}
	contacts, err := t.contacts().Where(contact.CustomerID(id), contact.ArchivedAtIsNil()).
		Order(contact.ByCreatedAt(), contact.ByID()).All(ctx)
	if err != nil {
		return customer.File{}, err
	}
	for _, c := range contacts {
		f.Contacts = append(f.Contacts, contactOf(c))
	}
	if f.Attributes, err = t.valuesOf(ctx, id); err != nil {
		return customer.File{}, err
	}
	return f, t.loadPoints(ctx, &f)
}

// adds holds that something can be added to a customer, until the end of the transaction: it exists, and it is not merged
// into another one meanwhile, which would leave behind what is added. Whatever inserts a row for a customer without
// locking its file must call it.
func (t *tx) adds(ctx context.Context, customerID uuid.UUID, path []string) error {
	q := t.customers().Where(entcustomer.ID(customerID))
	q.Modify(func(s *sql.Selector) { s.For(sql.LockShare) })
	status, err := q.Select(entcustomer.FieldStatus).String(ctx)
	switch {
	case missing(err):
		return notFound(path, "customer")
	case err != nil:
		return err
	case status == string(customer.Merged):
		return mergedCustomer(path)
	}
	return nil
}

func customerOf(r *ent.Customer) customer.Customer {
	return customer.Customer{
		ID: r.ID, Version: int(r.Version), Kind: customer.Kind(r.Kind), Status: customer.Status(r.Status),
		GivenName: deref(r.GivenName), FamilyName: deref(r.FamilyName), CompanyName: deref(r.CompanyName), ArchivedAt: r.ArchivedAt,
		CreatedVia: customer.Channel(r.CreatedVia), MergedInto: derefID(r.MergedIntoID), Profile: profileOf(r),
	}
}

func contactOf(r *ent.Contact) customer.Contact {
	return customer.Contact{
		ID: r.ID, Version: int(r.Version), GivenName: deref(r.GivenName), FamilyName: deref(r.FamilyName), Role: deref(r.Role),
		Primary: !r.Secondary,
	}
}

// insertCustomer stores a new customer with all in it.
func (t *tx) insertCustomer(ctx context.Context, ch customer.Change) error {
	c := ch.Customer
	kind, actorID := t.actor()
	row := t.customerCreate().SetID(c.ID).SetCreatedAt(t.now).SetUpdatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetKind(string(c.Kind)).SetStatus(string(c.Status)).SetDisplayName(c.DisplayName()).SetSortName(c.SortName()).
		SetFamilySortName(c.FamilySortName()).SetExternalKey(c.ExternalID).
		SetNillableGivenName(null(c.GivenName)).SetNillableFamilyName(null(c.FamilyName)).SetNillableCompanyName(null(c.CompanyName)).
		SetCreatedVia(string(c.CreatedVia))
	setProfile(row.Mutation(), c.Profile)
	if err := row.Exec(ctx); err != nil {
		return err
	}
	t.count(c.Status, 1)
	if err := t.revise(ctx, timeline.SubjectCustomer, c.ID, 1, nil); err != nil {
		return err
	}
	if err := t.writePoints(ctx, owner{customer: c.ID}, c.Points, freshLists); err != nil {
		return err
	}
	if err := t.writeAttributes(ctx, c.ID, nil, c.Attributes); err != nil {
		return err
	}
	if err := t.finishChange(ctx, ch); err != nil {
		return err
	}
	return t.indexChange(ctx, customer.File{}, customer.File{}.After(ch))
}

// applyChange stores a change of a customer that lockFile locked.
func (t *tx) applyChange(ctx context.Context, f customer.File, ch customer.Change) error {
	if ch.Nothing() {
		return nil
	}
	if len(ch.Fields) > 0 {
		if err := t.updateCustomer(ctx, f, ch); err != nil {
			return err
		}
	}
	if err := t.finishChange(ctx, ch); err != nil {
		return err
	}
	return t.indexChange(ctx, f, f.After(ch))
}

func (t *tx) updateCustomer(ctx context.Context, f customer.File, ch customer.Change) error {
	c, version := ch.Customer, f.Version+1
	u := t.customerUpdate().Where(entcustomer.ID(c.ID), entcustomer.Version(narrow(f.Version))).
		SetVersion(narrow(version)).SetUpdatedAt(t.now).
		SetKind(string(c.Kind)).SetStatus(string(c.Status)).SetDisplayName(c.DisplayName()).SetSortName(c.SortName()).
		SetFamilySortName(c.FamilySortName()).SetExternalKey(c.ExternalID)
	setText(c.GivenName, u.SetGivenName, u.ClearGivenName)
	setText(c.FamilyName, u.SetFamilyName, u.ClearFamilyName)
	setText(c.CompanyName, u.SetCompanyName, u.ClearCompanyName)
	setProfile(u.Mutation(), c.Profile)
	setNull(c.MergedInto, u.Mutation().SetMergedIntoID, u.Mutation().ClearMergedIntoID)
	if c.ArchivedAt != nil {
		u.SetArchivedAt(*c.ArchivedAt)
	} else {
		u.ClearArchivedAt()
	}
	n, err := u.Save(ctx)
	if err == nil && n != 1 {
		err = errLostLock
	}
	if err != nil {
		return err
	}
	if c.Status != f.Status {
		t.count(f.Status, -1)
		t.count(c.Status, 1)
	}
	if err := t.revise(ctx, timeline.SubjectCustomer, c.ID, version, ch.Fields); err != nil {
		return err
	}
	if err := t.writeAttributes(ctx, c.ID, f.Attributes, c.Attributes); err != nil {
		return err
	}
	return t.writePoints(ctx, owner{customer: c.ID}, c.Points, lists(ch.Fields))
}

// finishChange stores what a new and a changed customer have in common.
func (t *tx) finishChange(ctx context.Context, ch customer.Change) error {
	if err := t.writeContacts(ctx, ch.Customer.ID, ch.Contacts); err != nil {
		return err
	}
	if err := t.addLines(ctx, ch.Lines...); err != nil {
		return err
	}
	for _, e := range ch.Events {
		t.emit(e)
	}
	return nil
}

// writeContacts stores contacts. Those that are not primary come first: at no time has a customer two primary contacts,
// which an index holds.
func (t *tx) writeContacts(ctx context.Context, customerID uuid.UUID, changes []customer.ContactChange) error {
	for _, primary := range []bool{false, true} {
		for _, c := range changes {
			if c.Primary != primary {
				continue
			}
			write := t.updateContact
			if c.New {
				write = t.insertContact
			}
			if err := write(ctx, customerID, c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) insertContact(ctx context.Context, customerID uuid.UUID, c customer.ContactChange) error {
	err := t.contactCreate().SetID(c.ID).SetCreatedAt(t.now).SetUpdatedAt(t.now).SetCustomerID(customerID).SetSecondary(!c.Primary).
		SetDisplayName(c.DisplayName()).SetSortName(c.SortName()).
		SetNillableGivenName(null(c.GivenName)).SetNillableFamilyName(null(c.FamilyName)).SetNillableRole(null(c.Role)).Exec(ctx)
	if err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectContact, c.ID, 1, nil); err != nil {
		return err
	}
	return t.writePoints(ctx, owner{customerID, &c.ID}, c.Points, freshLists)
}

func (t *tx) updateContact(ctx context.Context, customerID uuid.UUID, c customer.ContactChange) error {
	version := c.Version + 1
	u := t.contactUpdate().Where(contact.ID(c.ID), contact.CustomerID(customerID), contact.Version(narrow(c.Version))).
		SetVersion(narrow(version)).SetUpdatedAt(t.now).SetSecondary(!c.Primary).
		SetDisplayName(c.DisplayName()).SetSortName(c.SortName())
	setText(c.GivenName, u.SetGivenName, u.ClearGivenName)
	setText(c.FamilyName, u.SetFamilyName, u.ClearFamilyName)
	setText(c.Role, u.SetRole, u.ClearRole)
	if c.Archive {
		u.SetArchivedAt(t.now)
	}
	n, err := u.Save(ctx)
	if err == nil && n != 1 {
		err = errLostLock
	}
	if err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectContact, c.ID, version, c.Fields); err != nil {
		return err
	}
	return t.writePoints(ctx, owner{customerID, &c.ID}, c.Points, lists(c.Fields))
}
