package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"dossier/internal/customer"
	"dossier/internal/job"
	"dossier/internal/timeline"
)

// What insertCustomer and applyChange do for one customer, writeMany does for many. A test holds that both leave the same
// rows, so a new column that is missing in one of the tables below is found.

type bulkCustomer struct {
	customer.Customer
	version int
}

func (t *tx) customerColumns() []bulkColumn[bulkCustomer] {
	kind, actorID := t.actor()
	return []bulkColumn[bulkCustomer]{
		idColumn("id", func(c *bulkCustomer) uuid.UUID { return c.ID }),
		intColumn("version", func(c *bulkCustomer) int32 { return narrow(c.version) }),
		once(fixedColumn[bulkCustomer]("created_at", "timestamptz", t.now)),
		fixedColumn[bulkCustomer]("updated_at", "timestamptz", t.now),
		once(fixedColumn[bulkCustomer]("created_by_kind", "text", kind)),
		once(fixedColumn[bulkCustomer]("created_by_id", "uuid", actorID)),
		textColumn("kind", func(c *bulkCustomer) string { return string(c.Kind) }),
		textColumn("status", func(c *bulkCustomer) string { return string(c.Status) }),
		textColumn("display_name", func(c *bulkCustomer) string { return c.DisplayName() }),
		textColumn("sort_name", func(c *bulkCustomer) string { return c.SortName() }),
		textColumn("family_sort_name", func(c *bulkCustomer) string { return c.FamilySortName() }),
		textColumn("external_key", func(c *bulkCustomer) string { return c.ExternalID }),
		nullTextColumn("given_name", func(c *bulkCustomer) string { return c.GivenName }),
		nullTextColumn("family_name", func(c *bulkCustomer) string { return c.FamilyName }),
		nullTextColumn("company_name", func(c *bulkCustomer) string { return c.CompanyName }),
		nullTimeColumn("archived_at", func(c *bulkCustomer) *time.Time { return c.ArchivedAt }),
		nullTextColumn("language_tag", func(c *bulkCustomer) string { return c.LanguageTag }),
		nullTextColumn("time_zone", func(c *bulkCustomer) string { return c.TimeZone }),
		nullTextColumn("external_id", func(c *bulkCustomer) string { return c.ExternalID }),
		nullTextColumn("preferred_channel", func(c *bulkCustomer) string { return c.PreferredChannel }),
		nullTextColumn("website_url", func(c *bulkCustomer) string { return c.WebsiteURL }),
		nullTextColumn("business_area", func(c *bulkCustomer) string { return c.BusinessArea }),
		nullTextColumn("tax_exempt_reason", func(c *bulkCustomer) string { return c.TaxExemptReason }),
		cast("numeric", nullTextColumn("delivery_distance_km", func(c *bulkCustomer) string { return c.DeliveryDistanceKm })),
		boolColumn("tax_exempt", func(c *bulkCustomer) bool { return c.TaxExempt }),
		chosenColumn("type_id", func(c *bulkCustomer) uuid.UUID { return c.TypeID }),
		chosenColumn("origin_id", func(c *bulkCustomer) uuid.UUID { return c.OriginID }),
		chosenColumn("preferred_office_id", func(c *bulkCustomer) uuid.UUID { return c.PreferredOfficeID }),
		chosenColumn("salesperson_id", func(c *bulkCustomer) uuid.UUID { return c.SalespersonID }),
		chosenColumn("representative_id", func(c *bulkCustomer) uuid.UUID { return c.RepresentativeID }),
		chosenColumn("preferred_staff_id", func(c *bulkCustomer) uuid.UUID { return c.PreferredStaffID }),
		once(textColumn("created_via", func(c *bulkCustomer) string { return string(c.CreatedVia) })),
	}
}

type bulkContact struct {
	customer.ContactChange
	customer uuid.UUID
	version  int
}

func (t *tx) contactColumns() []bulkColumn[bulkContact] {
	return []bulkColumn[bulkContact]{
		idColumn("id", func(c *bulkContact) uuid.UUID { return c.ID }),
		intColumn("version", func(c *bulkContact) int32 { return narrow(c.version) }),
		once(fixedColumn[bulkContact]("created_at", "timestamptz", t.now)),
		fixedColumn[bulkContact]("updated_at", "timestamptz", t.now),
		idColumn("customer_id", func(c *bulkContact) uuid.UUID { return c.customer }),
		textColumn("display_name", func(c *bulkContact) string { return c.DisplayName() }),
		textColumn("sort_name", func(c *bulkContact) string { return c.SortName() }),
		nullTextColumn("given_name", func(c *bulkContact) string { return c.GivenName }),
		nullTextColumn("family_name", func(c *bulkContact) string { return c.FamilyName }),
		nullTextColumn("role", func(c *bulkContact) string { return c.Role }),
		boolColumn("secondary", func(c *bulkContact) bool { return !c.Primary }),
		nullTimeColumn("archived_at", func(c *bulkContact) *time.Time {
			if c.Archive {
				return &t.now
			}
			return nil
		}),
	}
}

// bulkPoint is a contact point with its owner and its place in the list.
type bulkPoint[P any] struct {
	owner
	place int32
	point P
}

func pointColumns[P any](t *tx, id func(*P) uuid.UUID, kind func(*P) string, more ...bulkColumn[bulkPoint[P]]) []bulkColumn[bulkPoint[P]] {
	return append([]bulkColumn[bulkPoint[P]]{
		idColumn("id", func(r *bulkPoint[P]) uuid.UUID { return id(&r.point) }),
		once(fixedColumn[bulkPoint[P]]("created_at", "timestamptz", t.now)),
		idColumn("customer_id", func(r *bulkPoint[P]) uuid.UUID { return r.customer }),
		nullIDColumn("contact_id", func(r *bulkPoint[P]) *uuid.UUID { return r.contact }),
		intColumn("position", func(r *bulkPoint[P]) int32 { return r.place }),
		textColumn("type", func(r *bulkPoint[P]) string { return kind(&r.point) }),
	}, more...)
}

func (t *tx) emailColumns() []bulkColumn[bulkPoint[customer.Email]] {
	return pointColumns(t, func(e *customer.Email) uuid.UUID { return e.ID }, func(e *customer.Email) string { return e.Type },
		textColumn("address", func(r *bulkPoint[customer.Email]) string { return r.point.Address }),
		textColumn("address_key", func(r *bulkPoint[customer.Email]) string { return r.point.Key }),
		jsonColumn("purposes", func(r *bulkPoint[customer.Email]) string {
			text, _ := json.Marshal(r.point.PurposeList()) // a list of texts never fails
			return string(text)
		}))
}

func (t *tx) phoneColumns() []bulkColumn[bulkPoint[customer.Phone]] {
	return pointColumns(t, func(p *customer.Phone) uuid.UUID { return p.ID }, func(p *customer.Phone) string { return p.Type },
		textColumn("e164", func(r *bulkPoint[customer.Phone]) string { return r.point.E164 }),
		nullTextColumn("extension", func(r *bulkPoint[customer.Phone]) string { return r.point.Extension }))
}

func (t *tx) addressColumns() []bulkColumn[bulkPoint[customer.Address]] {
	return pointColumns(t, func(a *customer.Address) uuid.UUID { return a.ID }, func(a *customer.Address) string { return a.Type },
		nullTextColumn("street_address", func(r *bulkPoint[customer.Address]) string { return r.point.StreetAddress }),
		nullTextColumn("address_locality", func(r *bulkPoint[customer.Address]) string { return r.point.Locality }),
		nullTextColumn("address_region", func(r *bulkPoint[customer.Address]) string { return r.point.Region }),
		nullTextColumn("postal_code", func(r *bulkPoint[customer.Address]) string { return r.point.PostalCode }),
		nullTextColumn("address_country", func(r *bulkPoint[customer.Address]) string { return r.point.Country }),
		textColumn("locality_key", func(r *bulkPoint[customer.Address]) string { return r.point.LocalityKey() }),
		textColumn("postal_key", func(r *bulkPoint[customer.Address]) string { return r.point.PostalKey() }))
}

type bulkRevision struct {
	id, subject uuid.UUID
	kind        timeline.Subject
	version     int
	fields      string
}

func (t *tx) revisionColumns() []bulkColumn[bulkRevision] {
	kind, actorID := t.actor()
	return []bulkColumn[bulkRevision]{
		idColumn("id", func(r *bulkRevision) uuid.UUID { return r.id }),
		fixedColumn[bulkRevision]("created_at", "timestamptz", t.now),
		fixedColumn[bulkRevision]("created_by_kind", "text", kind),
		fixedColumn[bulkRevision]("created_by_id", "uuid", actorID),
		textColumn("subject_type", func(r *bulkRevision) string { return string(r.kind) }),
		idColumn("subject_id", func(r *bulkRevision) uuid.UUID { return r.subject }),
		intColumn("version", func(r *bulkRevision) int32 { return narrow(r.version) }),
		jsonColumn("fields", func(r *bulkRevision) string { return r.fields }),
	}
}

type bulkLine struct {
	timeline.Line
	id uuid.UUID
}

func (t *tx) lineColumns() []bulkColumn[bulkLine] {
	kind, actorID := t.actor()
	return []bulkColumn[bulkLine]{
		idColumn("id", func(l *bulkLine) uuid.UUID { return l.id }),
		fixedColumn[bulkLine]("created_at", "timestamptz", t.now),
		fixedColumn[bulkLine]("updated_at", "timestamptz", t.now),
		fixedColumn[bulkLine]("created_by_kind", "text", kind),
		fixedColumn[bulkLine]("created_by_id", "uuid", actorID),
		idColumn("customer_id", func(l *bulkLine) uuid.UUID { return l.CustomerID }),
		timeColumn("at", func(l *bulkLine) time.Time {
			if l.At.IsZero() {
				return t.now
			}
			return l.At
		}),
		textColumn("kind", func(l *bulkLine) string { return l.Kind }),
		textColumn("title", func(l *bulkLine) string { return l.Title }),
		nullTextColumn("subject_type", func(l *bulkLine) string { return string(l.Subject) }),
		nullIDColumn("subject_id", func(l *bulkLine) *uuid.UUID { return l.SubjectID }),
	}
}

// bulk is what many changes write, table by table.
type bulk struct {
	t                                     *tx
	newCustomers, customers               []bulkCustomer
	newContacts, ordinary, primary        []bulkContact
	emails                                []bulkPoint[customer.Email]
	phones                                []bulkPoint[customer.Phone]
	addresses                             []bulkPoint[customer.Address]
	goneEmails, gonePhones, goneAddresses []uuid.UUID
	// purposes are the e-mail addresses that have any and are written again.
	purposes  []uuid.UUID
	values    bulkValues
	revisions []bulkRevision
	lines     []bulkLine
	// found are the files as they are after the changes.
	found []customer.File
}

// writeMany stores changes of different customers that are new or were locked by lockFiles.
func (t *tx) writeMany(ctx context.Context, changes []job.Write) error {
	b := bulk{t: t}
	for _, w := range changes {
		if err := b.add(w); err != nil {
			return err
		}
	}
	return b.write(ctx)
}

func (b *bulk) add(w job.Write) error {
	ch := w.Change
	switch {
	case w.New:
		b.newCustomers = append(b.newCustomers, bulkCustomer{ch.Customer, 1})
		b.t.count(ch.Customer.Status, 1)
		b.points(owner{customer: ch.Customer.ID}, customer.Points{}, ch.Customer.Points, freshLists)
		b.values.add(b.t, ch.Customer.ID, nil, ch.Customer.Attributes)
		if err := b.revise(timeline.SubjectCustomer, ch.Customer.ID, 1, nil); err != nil {
			return err
		}
	case ch.Nothing():
		return nil
	case len(ch.Fields) > 0:
		b.customers = append(b.customers, bulkCustomer{ch.Customer, w.File.Version + 1})
		if ch.Customer.Status != w.File.Status {
			b.t.count(w.File.Status, -1)
			b.t.count(ch.Customer.Status, 1)
		}
		b.points(owner{customer: ch.Customer.ID}, w.File.Points, ch.Customer.Points, lists(ch.Fields))
		b.values.add(b.t, ch.Customer.ID, w.File.Attributes, ch.Customer.Attributes)
		if err := b.revise(timeline.SubjectCustomer, ch.Customer.ID, w.File.Version+1, ch.Fields); err != nil {
			return err
		}
	}
	b.found = append(b.found, w.File.After(ch))
	for _, c := range ch.Contacts {
		if err := b.contact(w.File, ch.Customer.ID, c); err != nil {
			return err
		}
	}
	for _, l := range ch.Lines {
		b.lines = append(b.lines, bulkLine{l, b.t.newID()})
	}
	for _, e := range ch.Events {
		b.t.emit(e)
	}
	return nil
}

func (b *bulk) contact(f customer.File, customerID uuid.UUID, c customer.ContactChange) error {
	row := bulkContact{ContactChange: c, customer: customerID, version: c.Version + 1}
	o := owner{customerID, &c.ID}
	if c.New {
		row.version = 1
		b.newContacts = append(b.newContacts, row)
		b.points(o, customer.Points{}, c.Points, freshLists)
		return b.revise(timeline.SubjectContact, c.ID, 1, nil)
	}
	if c.Primary {
		b.primary = append(b.primary, row)
	} else {
		b.ordinary = append(b.ordinary, row)
	}
	i := slices.IndexFunc(f.Contacts, func(old customer.Contact) bool { return old.ID == c.ID })
	if i < 0 {
		return errLostLock
	}
	b.points(o, f.Contacts[i].Points, c.Points, lists(c.Fields))
	return b.revise(timeline.SubjectContact, c.ID, row.version, c.Fields)
}

func (b *bulk) points(o owner, old, now customer.Points, which pointLists) {
	if which.emails {
		for _, e := range old.Emails {
			if e.Purposes != "" {
				b.purposes = append(b.purposes, e.ID)
			}
		}
		b.emails, b.goneEmails = spread(b.emails, b.goneEmails, o, old.Emails, now.Emails, func(e customer.Email) uuid.UUID { return e.ID })
	}
	if which.phones {
		b.phones, b.gonePhones = spread(b.phones, b.gonePhones, o, old.Phones, now.Phones, func(p customer.Phone) uuid.UUID { return p.ID })
	}
	if which.addresses {
		b.addresses, b.goneAddresses = spread(b.addresses, b.goneAddresses, o, old.Addresses, now.Addresses, func(a customer.Address) uuid.UUID { return a.ID })
	}
}

func spread[P any](rows []bulkPoint[P], gone []uuid.UUID, o owner, old, now []P, id func(P) uuid.UUID) ([]bulkPoint[P], []uuid.UUID) {
	for i, p := range now {
		rows = append(rows, bulkPoint[P]{o, int32(place(i)), p})
	}
	for _, p := range old {
		if !slices.ContainsFunc(now, func(q P) bool { return id(q) == id(p) }) {
			gone = append(gone, id(p))
		}
	}
	return rows, gone
}

func (b *bulk) revise(subject timeline.Subject, id uuid.UUID, version int, fields []string) error {
	if fields == nil {
		fields = []string{}
	}
	text, err := json.Marshal(fields)
	b.revisions = append(b.revisions, bulkRevision{b.t.newID(), id, subject, version, string(text)})
	return err
}

// write sends the statements. Contacts that become ordinary come before those that become primary, see writeContacts.
func (b *bulk) write(ctx context.Context) error {
	t := b.t
	customers, contacts := t.customerColumns(), t.contactColumns()
	for _, step := range []func() error{
		func() error { return bulkInsert(ctx, t, "customer", customers, b.newCustomers, false) },
		func() error { return bulkUpdate(ctx, t, "customer", customers, b.customers) },
		func() error { return bulkUpdate(ctx, t, "contact", contacts, b.ordinary) },
		func() error { return bulkUpdate(ctx, t, "contact", contacts, b.primary) },
		func() error { return bulkInsert(ctx, t, "contact", contacts, b.newContacts, false) },
		func() error { return t.deleteMany(ctx, "email_address", b.goneEmails) },
		func() error { return t.deleteMany(ctx, "phone_number", b.gonePhones) },
		func() error { return t.deleteMany(ctx, "postal_address", b.goneAddresses) },
		func() error { return t.forgetPurposes(ctx, b.purposes) },
		func() error { return bulkInsert(ctx, t, "email_address", t.emailColumns(), b.emails, true) },
		func() error { return bulkInsert(ctx, t, "phone_number", t.phoneColumns(), b.phones, true) },
		func() error { return bulkInsert(ctx, t, "postal_address", t.addressColumns(), b.addresses, true) },
		func() error { return b.values.write(ctx, t) },
		func() error { return t.indexMany(ctx, b.found) },
		func() error { return bulkInsert(ctx, t, "revision", t.revisionColumns(), b.revisions, false) },
		func() error { return bulkInsert(ctx, t, "timeline_entry", t.lineColumns(), b.lines, false) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) deleteMany(ctx context.Context, table string, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec(ctx, "DELETE FROM "+table+" WHERE account_id = $1 AND id = ANY ($2)", ids)
	return err
}

// forgetPurposes makes room for a purpose that moves from one address to another: an index holds that only one has it.
func (t *tx) forgetPurposes(ctx context.Context, ids []uuid.UUID) error {
	if len(ids) == 0 {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE email_address SET purposes = '[]' WHERE account_id = $1 AND id = ANY ($2)`, ids)
	return err
}
