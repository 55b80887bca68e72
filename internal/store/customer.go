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
	id, err := t.customerByExternalID(ctx, externalID)
	if missing(err) {
		ch, err := create(reading{ctx: ctx, tx: t})
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
	ch, err := change(f, t.readingOf(ctx, f))
	if err != nil {
		return uuid.Nil, false, err
	}
	return id, false, t.applyChange(ctx, f, ch)
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
		row, err := t.contacts().Where(contact.ID(id)).Select(contact.FieldCustomerID).Only(ctx)
		if missing(err) {
			return notFound(path, "contact")
		}
		if err != nil {
			return err
		}
		// The customer is locked before any of its contacts is looked at: all changes of a file wait in one place.
		f, err := t.lockFile(ctx, row.CustomerID, path)
		if err != nil {
			return err
		}
		place := -1
		for i := range f.Contacts {
			if f.Contacts[i].ID == id {
				place = i
			}
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

// CustomerExists implements customer.Store.
func (s *Store) CustomerExists(ctx context.Context, accountID, id uuid.UUID) (bool, error) {
	ok, err := s.in(accountID).customers().Where(entcustomer.ID(id)).Exist(ctx)
	return ok, translate("store.CustomerExists", err)
}

// lockFile reads a customer with all of its file, locked against other changes until the end of the transaction. The
// lock lets rows that point at the customer be inserted meanwhile.
func (t *tx) lockFile(ctx context.Context, id uuid.UUID, path []string) (customer.File, error) {
	q := t.customers().Where(entcustomer.ID(id))
	q.Modify(func(s *sql.Selector) { s.For(sql.LockNoKeyUpdate) })
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
	return f, t.loadPoints(ctx, &f)
}

func customerOf(r *ent.Customer) customer.Customer {
	return customer.Customer{
		ID: r.ID, Version: int(r.Version), Kind: customer.Kind(r.Kind), Status: customer.Status(r.Status),
		GivenName: deref(r.GivenName), FamilyName: deref(r.FamilyName), CompanyName: deref(r.CompanyName), ArchivedAt: r.ArchivedAt,
		CreatedVia: customer.Channel(r.CreatedVia), Profile: profileOf(r),
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
	return t.finishChange(ctx, customer.File{}, ch)
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
	return t.finishChange(ctx, f, ch)
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
	return t.writePoints(ctx, owner{customer: c.ID}, c.Points, lists(ch.Fields))
}

// finishChange stores what a new and a changed customer have in common; f is the file before, of a new one an empty one.
func (t *tx) finishChange(ctx context.Context, f customer.File, ch customer.Change) error {
	if err := t.writeContacts(ctx, ch.Customer.ID, ch.Contacts); err != nil {
		return err
	}
	if err := t.indexChange(ctx, f, f.After(ch)); err != nil {
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
