package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// numberType holds decimal fractions of any size exactly; in Go they are texts such as 12.5.
var numberType = map[string]string{dialect.Postgres: "numeric"}

func optionalNumber(name string) ent.Field {
	return field.String(name).SchemaType(numberType).Optional().Nillable()
}

func optionalDate(name string) ent.Field {
	return field.Time(name).SchemaType(dateType).Optional().Nillable()
}

// attributeTypes are what an attribute can hold, in the spelling of the SDL.
var attributeTypes = []string{
	"TEXT", "LONG_TEXT", "INTEGER", "DECIMAL", "BOOLEAN", "DATE", "DATE_TIME", "SELECT", "MULTI_SELECT", "URL", "EMAIL", "PHONE", "FILE",
}

// AttributeDefinition is a field that an account has given its customers.
type AttributeDefinition struct{ ent.Schema }

// Annotations of the table.
func (AttributeDefinition) Annotations() []schema.Annotation {
	return table("attribute_definition", map[string]string{
		"attribute_definition_type":            oneOf("type", attributeTypes...),
		"attribute_definition_general":         "type <> 'FILE' OR key <> 'general'",
		"attribute_definition_created_by_kind": actorKinds,
	})
}

// Mixin of the table.
func (AttributeDefinition) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, authored{}} }

// Fields of the table. accept, max_files and max_file_bytes are of FILE only, which is an area for documents. The general
// area has the key general and no row.
func (AttributeDefinition) Fields() []ent.Field {
	return []ent.Field{
		foldedText("key"),
		text("label"),
		optionalText("description"),
		text("type"),
		field.Bool("required"),
		field.Bool("customer_visible"),
		field.Int32("position"),
		field.Int32("min_length").Optional().Nillable(),
		field.Int32("max_length").Optional().Nillable(),
		optionalText("pattern"),
		optionalNumber("minimum"),
		optionalNumber("maximum"),
		optionalDate("earliest_date"),
		optionalDate("latest_date"),
		optionalInstant("earliest_time"),
		optionalInstant("latest_time"),
		field.Strings("accept"),
		field.Int32("max_files").Optional().Nillable(),
		field.Int64("max_file_bytes").Optional().Nillable(),
		optionalInstant("archived_at"),
	}
}

// Indexes of the table. The last is the target of the keys of values: it keeps a definition's type while it has any.
func (AttributeDefinition) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "key").Unique(),
		index.Fields("account_id", "position", "id"),
		index.Fields("account_id", "id", "type").Unique(),
	}
}

// AttributeDefinitionType is one of the customer types that a definition is for; one that is for all has none.
type AttributeDefinitionType struct{ ent.Schema }

// Annotations of the table.
func (AttributeDefinitionType) Annotations() []schema.Annotation {
	return table("attribute_definition_type", nil, sqlOnly)
}

// Mixin of the table.
func (AttributeDefinitionType) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table.
func (AttributeDefinitionType) Fields() []ent.Field {
	return []ent.Field{id("definition_id"), id("type_id")}
}

// Indexes of the table. The second serves the key to the customer type.
func (AttributeDefinitionType) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "definition_id", "type_id").Unique(),
		index.Fields("account_id", "type_id", "definition_id"),
	}
}

// AttributeOption is what a customer can have of an attribute that is chosen from a list.
type AttributeOption struct{ ent.Schema }

// Annotations of the table.
func (AttributeOption) Annotations() []schema.Annotation {
	return table("attribute_option", nil, upserted)
}

// Mixin of the table.
func (AttributeOption) Mixin() []ent.Mixin { return []ent.Mixin{owned{}} }

// Fields of the table.
func (AttributeOption) Fields() []ent.Field {
	return []ent.Field{
		id("definition_id"),
		foldedText("key"),
		text("label"),
		field.Int32("position"),
		field.Bool("archived").Default(false),
	}
}

// Indexes of the table. The last is the target of the keys of values: an option is of the value's definition.
func (AttributeOption) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "definition_id", "key").Unique(),
		index.Fields("account_id", "definition_id", "position", "id"),
		index.Fields("account_id", "definition_id", "id").Unique(),
	}
}

// AttributeValue is what one customer has of one attribute: one row, whose type says which column holds it. The options of
// a MULTI_SELECT are in attribute_value_option. text_key is the text folded and cut, for look-ups.
type AttributeValue struct{ ent.Schema }

// Annotations of the table.
func (AttributeValue) Annotations() []schema.Annotation {
	return table("attribute_value", map[string]string{
		"attribute_value_typed": `CASE type
			WHEN 'INTEGER' THEN integer_value IS NOT NULL
			WHEN 'DECIMAL' THEN decimal_value IS NOT NULL
			WHEN 'BOOLEAN' THEN boolean_value IS NOT NULL
			WHEN 'DATE' THEN date_value IS NOT NULL
			WHEN 'DATE_TIME' THEN time_value IS NOT NULL
			WHEN 'SELECT' THEN option_id IS NOT NULL
			WHEN 'MULTI_SELECT' THEN true
			WHEN 'FILE' THEN false
			ELSE text_value IS NOT NULL END`,
	})
}

// Mixin of the table.
func (AttributeValue) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table.
func (AttributeValue) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		id("definition_id"),
		text("type"),
		optionalText("text_value"),
		field.String("text_key").SchemaType(textType).Optional().Nillable().Annotations(entsql.Annotation{Collation: "C"}),
		field.Int64("integer_value").Optional().Nillable(),
		optionalNumber("decimal_value"),
		field.Bool("boolean_value").Optional().Nillable(),
		optionalDate("date_value"),
		optionalInstant("time_value"),
		optionalID("option_id"),
	}
}

// Indexes of the table: the values of a customer, who has a value at all, and for each kind of value who has which. A row
// is in one of the partial ones only.
func (AttributeValue) Indexes() []ent.Index {
	indexes := []ent.Index{
		index.Fields("account_id", "customer_id", "definition_id").Unique(),
		index.Fields("account_id", "customer_id", "id").Unique(),
		index.Fields("account_id", "definition_id", "customer_id"),
	}
	for _, column := range []string{"text_key", "integer_value", "decimal_value", "boolean_value", "date_value", "time_value", "option_id"} {
		indexes = append(indexes, index.Fields("account_id", "definition_id", column, "customer_id").
			Annotations(entsql.IndexWhere(column+" IS NOT NULL")))
	}
	return indexes
}

// AttributeValueOption is one option of a MULTI_SELECT value.
type AttributeValueOption struct{ ent.Schema }

// Annotations of the table.
func (AttributeValueOption) Annotations() []schema.Annotation {
	return table("attribute_value_option", nil)
}

// Mixin of the table.
func (AttributeValueOption) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table. customer_id is the value's, so that who has an option is found in one index.
func (AttributeValueOption) Fields() []ent.Field {
	return []ent.Field{id("value_id"), id("customer_id"), id("definition_id"), id("option_id")}
}

// Indexes of the table: the options of a value, who has an option, and whether a customer has it.
func (AttributeValueOption) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "value_id", "option_id").Unique(),
		index.Fields("account_id", "definition_id", "option_id", "customer_id"),
		index.Fields("account_id", "customer_id", "definition_id", "option_id"),
	}
}
