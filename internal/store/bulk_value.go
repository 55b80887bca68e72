package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/customer"
)

// What writeAttributes does for one customer, bulkValues does for many.

type bulkValue struct {
	customer.AttributeValue
	id, customer uuid.UUID
}

type bulkOption struct{ id, value, customer, definition, option uuid.UUID }

type bulkValues struct {
	values  []bulkValue
	options []bulkOption
	// goneOf and gone are the customer and the definition of each value that goes, or makes room for another one.
	goneOf, gone []uuid.UUID
}

func (b *bulkValues) add(t *tx, customerID uuid.UUID, old, next []customer.AttributeValue) {
	set, cleared := customer.AttributeChanges(old, next)
	for _, v := range set {
		id := t.newID()
		b.values = append(b.values, bulkValue{v, id, customerID})
		if len(old) > 0 {
			cleared = append(cleared, v.DefinitionID)
		}
		if v.Type != attribute.MultiSelect {
			continue
		}
		for _, option := range v.Options {
			b.options = append(b.options, bulkOption{t.newID(), id, customerID, v.DefinitionID, option})
		}
	}
	for _, definition := range cleared {
		b.goneOf, b.gone = append(b.goneOf, customerID), append(b.gone, definition)
	}
}

func (b *bulkValues) write(ctx context.Context, t *tx) error {
	if len(b.gone) > 0 {
		for _, table := range []string{"attribute_value_option", "attribute_value"} {
			_, err := t.exec(ctx, "DELETE FROM "+table+` WHERE account_id = $1
				AND (customer_id, definition_id) IN (SELECT * FROM unnest($2::uuid[], $3::uuid[]))`, b.goneOf, b.gone)
			if err != nil {
				return err
			}
		}
	}
	if err := bulkInsert(ctx, t, "attribute_value", t.valueColumns(), b.values, false); err != nil {
		return err
	}
	return bulkInsert(ctx, t, "attribute_value_option", []bulkColumn[bulkOption]{
		idColumn("id", func(o *bulkOption) uuid.UUID { return o.id }),
		fixedColumn[bulkOption]("created_at", "timestamptz", t.now),
		idColumn("value_id", func(o *bulkOption) uuid.UUID { return o.value }),
		idColumn("customer_id", func(o *bulkOption) uuid.UUID { return o.customer }),
		idColumn("definition_id", func(o *bulkOption) uuid.UUID { return o.definition }),
		idColumn("option_id", func(o *bulkOption) uuid.UUID { return o.option }),
	}, b.options, false)
}

// typedColumn is a column that values of one type have.
func typedColumn[V any](name, sqlType string, of attribute.Type, value func(*bulkValue) V) bulkColumn[bulkValue] {
	return bulkColumn[bulkValue]{name: name, sqlType: sqlType, collect: func(rows []bulkValue) any {
		return collect(rows, func(r *bulkValue) *V {
			if r.Type != of {
				return nil
			}
			v := value(r)
			return &v
		})
	}}
}

func (t *tx) valueColumns() []bulkColumn[bulkValue] {
	return []bulkColumn[bulkValue]{
		idColumn("id", func(v *bulkValue) uuid.UUID { return v.id }),
		fixedColumn[bulkValue]("created_at", "timestamptz", t.now),
		idColumn("customer_id", func(v *bulkValue) uuid.UUID { return v.customer }),
		idColumn("definition_id", func(v *bulkValue) uuid.UUID { return v.DefinitionID }),
		textColumn("type", func(v *bulkValue) string { return string(v.Type) }),
		nullTextColumn("text_value", func(v *bulkValue) string { return v.Text }),
		nullTextColumn("text_key", func(v *bulkValue) string { return v.Lookup() }),
		typedColumn("integer_value", "bigint", attribute.Integer, func(v *bulkValue) int64 { return v.Integer }),
		cast("numeric", typedColumn("decimal_value", "text", attribute.Decimal, func(v *bulkValue) string { return v.Decimal })),
		typedColumn("boolean_value", "boolean", attribute.Boolean, func(v *bulkValue) bool { return v.Boolean }),
		cast("date", typedColumn("date_value", "text", attribute.Date, func(v *bulkValue) string { return v.Time.Format(time.DateOnly) })),
		typedColumn("time_value", "timestamptz", attribute.DateTime, func(v *bulkValue) time.Time { return v.Time }),
		typedColumn("option_id", "uuid", attribute.Select, func(v *bulkValue) uuid.UUID { return v.Options[0] }),
	}
}
