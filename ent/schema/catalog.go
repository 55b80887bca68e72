package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
	"entgo.io/ent/schema/mixin"
)

// listed is what the items of every list have that an account edits: a key that never changes, a label that can be
// changed, a place in the list, and whether the item may still be chosen. label_key is the label folded.
type listed struct{ mixin.Schema }

// Fields of the mixin.
func (listed) Fields() []ent.Field {
	return []ent.Field{
		field.String("key").SchemaType(textType).Annotations(entsql.Annotation{Collation: "C"}).Immutable(),
		text("label"),
		foldedText("label_key"),
		field.Int32("position"),
		optionalInstant("archived_at"),
	}
}

// Indexes of the mixin: the list in its order, a key for each item, and a label that no two items have that can be
// chosen.
func (listed) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "position", "id"),
		index.Fields("account_id", "key").Unique(),
		index.Fields("account_id", "label_key").Unique().Annotations(entsql.IndexWhere("archived_at IS NULL")),
	}
}

// list names the table of a list and its checks, with those that all lists have. Lists are written by one set of SQL for all.
func list(name string, more map[string]string) []schema.Annotation {
	checks := map[string]string{
		name + "_key":      "key ~ '^[a-z0-9]+(_[a-z0-9]+)*$' AND char_length(key) <= 60",
		name + "_label":    "char_length(label) BETWEEN 1 AND 200",
		name + "_position": "position >= 0",
	}
	for check, condition := range more {
		checks[check] = condition
	}
	return table(name, checks, sqlOnly)
}

// CustomerType is what sort of customer somebody is, for example a builder.
type CustomerType struct{ ent.Schema }

// Annotations of the table.
func (CustomerType) Annotations() []schema.Annotation { return list("customer_type", nil) }

// Mixin of the table.
func (CustomerType) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, listed{}} }

// CustomerOrigin is how a customer came to the business.
type CustomerOrigin struct{ ent.Schema }

// Annotations of the table.
func (CustomerOrigin) Annotations() []schema.Annotation { return list("customer_origin", nil) }

// Mixin of the table.
func (CustomerOrigin) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, listed{}} }

// Office is a place where the business works.
type Office struct{ ent.Schema }

// Annotations of the table.
func (Office) Annotations() []schema.Annotation { return list("office", nil) }

// Mixin of the table.
func (Office) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, listed{}} }

// Fields of the table.
func (Office) Fields() []ent.Field { return []ent.Field{text("time_zone")} }

// Service is what the business does for its customers.
type Service struct{ ent.Schema }

// Annotations of the table.
func (Service) Annotations() []schema.Annotation {
	return list("service", map[string]string{"service_duration": "duration_minutes BETWEEN 1 AND 525600"})
}

// Mixin of the table.
func (Service) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, listed{}} }

// Fields of the table.
func (Service) Fields() []ent.Field {
	return []ent.Field{field.Int32("duration_minutes").Optional().Nillable()}
}

// FieldPolicy holds the version of the rules of one entry channel, or of one customer type in it. Where there is no row
// nothing was ever decided.
type FieldPolicy struct{ ent.Schema }

// Annotations of the table.
func (FieldPolicy) Annotations() []schema.Annotation {
	return table("field_policy", map[string]string{
		"field_policy_channel": oneOf("channel", "STAFF", "BOOKING", "IMPORT", "API", "SECURE_LINK"),
	}, sqlOnly)
}

// Mixin of the table.
func (FieldPolicy) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}} }

// Fields of the table. type_id is null in the policy for all types.
func (FieldPolicy) Fields() []ent.Field {
	return []ent.Field{text("channel"), optionalID("type_id")}
}

// Indexes of the table. Two, because NULLs are distinct in one.
func (FieldPolicy) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "channel").Unique().StorageKey("field_policy_all_types").
			Annotations(entsql.IndexWhere("type_id IS NULL")),
		index.Fields("account_id", "channel", "type_id").Unique().StorageKey("field_policy_one_type").
			Annotations(entsql.IndexWhere("type_id IS NOT NULL")),
		index.Fields("account_id", "type_id"),
	}
}

// FieldRule says for one field whether it must be given and whether it is there at all.
type FieldRule struct{ ent.Schema }

// Annotations of the table.
func (FieldRule) Annotations() []schema.Annotation {
	return table("field_rule", map[string]string{
		"field_rule_field": "char_length(field) BETWEEN 1 AND 100",
		"field_rule_sense": "visible OR NOT required",
	}, sqlOnly)
}

// Mixin of the table.
func (FieldRule) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table. field is the name in CustomerCreateInput, or attributes.<key>.
func (FieldRule) Fields() []ent.Field {
	return []ent.Field{id("policy_id"), foldedText("field"), field.Bool("required"), field.Bool("visible")}
}

// Indexes of the table.
func (FieldRule) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "policy_id", "field").Unique()}
}
