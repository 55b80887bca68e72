package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/attributevalue"
	"dossier/ent/attributevalueoption"
	"dossier/internal/attribute"
	"dossier/internal/customer"
)

// valueColumns are the columns of values v with their definitions d. The options come as one text, in the order of ids.
const valueColumns = `v.definition_id, d.key, v.type, v.text_value, v.integer_value, v.decimal_value::text, v.boolean_value, v.date_value, v.time_value,
	coalesce(v.option_id::text, (SELECT string_agg(o.option_id::text, ',' ORDER BY o.option_id)
		FROM attribute_value_option o WHERE o.account_id = $1 AND o.value_id = v.id))`

// valuesOfCustomer reads the values of one customer in the order of keys, those of archived attributes too: they are part
// of the file. valuesOfCustomers does so for many.
const (
	valuesOfCustomer = `SELECT ` + valueColumns + `
FROM attribute_value v JOIN attribute_definition d ON d.account_id = $1 AND d.id = v.definition_id
WHERE v.account_id = $1 AND v.customer_id = $2
ORDER BY d.key`
	valuesOfCustomers = `SELECT ` + valueColumns + `, v.customer_id
FROM attribute_value v JOIN attribute_definition d ON d.account_id = $1 AND d.id = v.definition_id
WHERE v.account_id = $1 AND v.customer_id = ANY ($2)
ORDER BY d.key`
)

func (t *tx) valuesOf(ctx context.Context, customerID uuid.UUID) ([]customer.AttributeValue, error) {
	rows, err := t.query(ctx, valuesOfCustomer, customerID)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []customer.AttributeValue
	for rows.Next() {
		v, err := scanValue(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// fileValues reads the values of many customers.
func (c scope) fileValues(ctx context.Context, ids []uuid.UUID, file func(id uuid.UUID) *customer.File) error {
	rows, err := c.query(ctx, valuesOfCustomers, ids)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id uuid.UUID
		v, err := scanValue(rows, &id)
		if err != nil {
			return err
		}
		f := file(id)
		f.Attributes = append(f.Attributes, v)
	}
	return rows.Err()
}

// scanValue reads the columns of a value, and more that follow.
func scanValue(rows *sql.Rows, more ...any) (v customer.AttributeValue, err error) {
	var text, decimal, options *string
	var integer *int64
	var boolean *bool
	var date, instant *time.Time
	into := []any{&v.DefinitionID, &v.Key, &v.Type, &text, &integer, &decimal, &boolean, &date, &instant, &options}
	if err := rows.Scan(append(into, more...)...); err != nil {
		return v, err
	}
	v.Text, v.Decimal = deref(text), deref(decimal)
	if integer != nil {
		v.Integer = *integer
	}
	if boolean != nil {
		v.Boolean = *boolean
	}
	for _, at := range []*time.Time{date, instant} {
		if at != nil {
			v.Time = at.UTC()
		}
	}
	if options != nil {
		for s := range strings.SplitSeq(*options, ",") {
			id, err := uuid.Parse(s)
			if err != nil {
				return v, err
			}
			v.Options = append(v.Options, id)
		}
	}
	return v, nil
}

// writeAttributes makes the stored values of a customer those of next: what differs is deleted and inserted anew, because a
// value has no identity but that of its customer and definition. Its options go with it.
func (t *tx) writeAttributes(ctx context.Context, customerID uuid.UUID, old, next []customer.AttributeValue) error {
	set, cleared := customer.AttributeChanges(old, next)
	if len(set) == 0 && len(cleared) == 0 {
		return nil
	}
	if len(old) > 0 {
		for _, v := range set {
			cleared = append(cleared, v.DefinitionID)
		}
		if err := t.deleteValues(ctx, customerID, cleared); err != nil {
			return err
		}
	}
	if len(set) == 0 {
		return nil
	}
	rows := make([]*ent.AttributeValueCreate, len(set))
	var chosen []*ent.AttributeValueOptionCreate
	for i, v := range set {
		id := t.newID()
		rows[i] = t.valueRow(id, customerID, v)
		if v.Type != attribute.MultiSelect {
			continue
		}
		for _, option := range v.Options {
			chosen = append(chosen, t.attributeValueOptionCreate().SetID(t.newID()).SetCreatedAt(t.now).SetValueID(id).
				SetCustomerID(customerID).SetDefinitionID(v.DefinitionID).SetOptionID(option))
		}
	}
	if err := t.attributeValueCreateBulk(rows...).Exec(ctx); err != nil || len(chosen) == 0 {
		return err
	}
	return t.attributeValueOptionCreateBulk(chosen...).Exec(ctx)
}

func (t *tx) deleteValues(ctx context.Context, customerID uuid.UUID, definitions []uuid.UUID) error {
	_, err := t.attributeValueOptionDelete().Where(
		attributevalueoption.CustomerID(customerID), attributevalueoption.DefinitionIDIn(definitions...)).Exec(ctx)
	if err != nil {
		return err
	}
	_, err = t.attributeValueDelete().Where(attributevalue.CustomerID(customerID), attributevalue.DefinitionIDIn(definitions...)).Exec(ctx)
	return err
}

func (t *tx) valueRow(id, customerID uuid.UUID, v customer.AttributeValue) *ent.AttributeValueCreate {
	row := t.attributeValueCreate().SetID(id).SetCreatedAt(t.now).SetCustomerID(customerID).SetDefinitionID(v.DefinitionID).SetType(string(v.Type))
	switch v.Type {
	case attribute.Integer:
		row.SetIntegerValue(v.Integer)
	case attribute.Decimal:
		row.SetDecimalValue(v.Decimal)
	case attribute.Boolean:
		row.SetBooleanValue(v.Boolean)
	case attribute.Date:
		row.SetDateValue(v.Time)
	case attribute.DateTime:
		row.SetTimeValue(v.Time)
	case attribute.Select:
		row.SetOptionID(v.Options[0])
	case attribute.MultiSelect, attribute.File:
	case attribute.Text, attribute.LongText, attribute.URL, attribute.Email, attribute.Phone:
		row.SetTextValue(v.Text).SetNillableTextKey(null(v.Lookup()))
	}
	return row
}
