package store

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"dossier/ent"
	entcustomer "dossier/ent/customer"
	"dossier/internal/customer"
	"dossier/internal/timeline"
)

// oneExternalID is the index that holds external ids apart.
const oneExternalID = "customer_one_external_id"

// violates says whether err is that of a unique index.
func violates(err error, index string) bool {
	pe := pgError(err)
	return pe != nil && pe.Code == uniqueViolation && pe.ConstraintName == index
}

func profileOf(r *ent.Customer) customer.Profile {
	return customer.Profile{
		LanguageTag: deref(r.LanguageTag), TimeZone: deref(r.TimeZone), ExternalID: deref(r.ExternalID), PreferredChannel: deref(r.PreferredChannel),
		DeliveryDistanceKm: trimDecimal(deref(r.DeliveryDistanceKm)), WebsiteURL: deref(r.WebsiteURL), BusinessArea: deref(r.BusinessArea),
		TaxExempt: r.TaxExempt, TaxExemptReason: deref(r.TaxExemptReason),
		TypeID: derefID(r.TypeID), OriginID: derefID(r.OriginID), PreferredOfficeID: derefID(r.PreferredOfficeID),
		SalespersonID: derefID(r.SalespersonID), RepresentativeID: derefID(r.RepresentativeID), PreferredStaffID: derefID(r.PreferredStaffID),
	}
}

// trimDecimal drops the zeros that PostgreSQL shows for the scale of a column.
func trimDecimal(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func derefID(id *uuid.UUID) uuid.UUID {
	if id == nil {
		return uuid.Nil
	}
	return *id
}

// setProfile writes all columns of a profile, of a new customer and of a changed one.
func setProfile(m *ent.CustomerMutation, p customer.Profile) {
	setNull(p.LanguageTag, m.SetLanguageTag, m.ClearLanguageTag)
	setNull(p.TimeZone, m.SetTimeZone, m.ClearTimeZone)
	setNull(p.ExternalID, m.SetExternalID, m.ClearExternalID)
	setNull(p.PreferredChannel, m.SetPreferredChannel, m.ClearPreferredChannel)
	setNull(p.DeliveryDistanceKm, m.SetDeliveryDistanceKm, m.ClearDeliveryDistanceKm)
	setNull(p.WebsiteURL, m.SetWebsiteURL, m.ClearWebsiteURL)
	setNull(p.BusinessArea, m.SetBusinessArea, m.ClearBusinessArea)
	m.SetTaxExempt(p.TaxExempt)
	setNull(p.TaxExemptReason, m.SetTaxExemptReason, m.ClearTaxExemptReason)
	setNull(p.TypeID, m.SetTypeID, m.ClearTypeID)
	setNull(p.OriginID, m.SetOriginID, m.ClearOriginID)
	setNull(p.PreferredOfficeID, m.SetPreferredOfficeID, m.ClearPreferredOfficeID)
	setNull(p.SalespersonID, m.SetSalespersonID, m.ClearSalespersonID)
	setNull(p.RepresentativeID, m.SetRepresentativeID, m.ClearRepresentativeID)
	setNull(p.PreferredStaffID, m.SetPreferredStaffID, m.ClearPreferredStaffID)
}

// setNull writes a column, or null for the zero value.
func setNull[T comparable](v T, set func(T), clearIt func()) {
	var zero T
	if v == zero {
		clearIt()
		return
	}
	set(v)
}

// reading is the stored data as a transaction sees it; subject, id and version say whose versions count.
type reading struct {
	ctx     context.Context //nolint:containedctx // it lives as long as the call that it is handed to
	tx      *tx
	subject timeline.Subject
	id      uuid.UUID
	version int
	// fresh says that the external id was just looked up in vain. Asking again could only find the customer of somebody
	// faster, and refuse what has to begin again with that customer: the index tells, when the new one is stored.
	fresh bool
}

func (t *tx) readingOf(ctx context.Context, f customer.File) reading {
	return reading{ctx: ctx, tx: t, subject: timeline.SubjectCustomer, id: f.ID, version: f.Version}
}

// Conflict implements customer.Reading.
func (r reading) Conflict(expected int, fields []string) error {
	return r.tx.conflict(r.ctx, r.subject, r.id, r.version, expected, fields)
}

// choiceTables are the statements that look items up. A row that is found is locked against being deleted, so that it is
// still there when the customer that points at it is stored.
const (
	chooseFrom = "SELECT id, archived_at IS NOT NULL FROM "
	chosenByID = " WHERE account_id = $1 AND id = ANY ($2) FOR KEY SHARE"
)

var choiceTables = map[customer.List]string{
	customer.Staff:   chooseFrom + "staff_user" + chosenByID,
	customer.Types:   chooseFrom + "customer_type" + chosenByID,
	customer.Origins: chooseFrom + "customer_origin" + chosenByID,
	customer.Offices: chooseFrom + "office" + chosenByID,
}

// Choices implements customer.Reading.
func (r reading) Choices(list []customer.Choice) ([]customer.ChoiceState, error) {
	ids := map[customer.List][]uuid.UUID{}
	for _, c := range list {
		ids[c.List] = append(ids[c.List], c.ID)
	}
	found := map[customer.Choice]customer.ChoiceState{}
	for name, wanted := range ids {
		statement, ok := choiceTables[name]
		if !ok {
			return nil, errors.New("store: no list " + string(name))
		}
		rows, err := r.tx.query(r.ctx, statement, wanted)
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			c, state := customer.Choice{List: name}, customer.ChoiceState{Exists: true}
			if err := rows.Scan(&c.ID, &state.Archived); err != nil {
				return nil, errors.Join(err, rows.Close())
			}
			found[c] = state
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
	}
	states := make([]customer.ChoiceState, len(list))
	for i, c := range list {
		states[i] = found[c]
	}
	return states, nil
}

// ExternalIDTaken implements customer.Reading. An id of a customer that was merged into this one is taken too: it is not
// this one's own, and an index holds that it is on one row.
func (r reading) ExternalIDTaken(externalID string, except uuid.UUID) (bool, error) {
	if r.fresh {
		return false, nil
	}
	return r.tx.customers().Where(entcustomer.ExternalID(externalID), entcustomer.IDNEQ(except)).Exist(r.ctx)
}

// customerByExternalID finds the customer with an external id, or the one that it was merged into.
func (t *tx) customerByExternalID(ctx context.Context, externalID string) (uuid.UUID, error) {
	row, err := t.customers().Where(entcustomer.ExternalID(externalID)).Select(entcustomer.FieldID, entcustomer.FieldMergedIntoID).Only(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	if row.MergedIntoID != nil {
		return *row.MergedIntoID, nil
	}
	return row.ID, nil
}
