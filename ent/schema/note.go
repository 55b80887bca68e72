package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Note is what staff write down about a customer, for each other.
type Note struct{ ent.Schema }

// Annotations of the table.
func (Note) Annotations() []schema.Annotation {
	return table("note", map[string]string{
		"note_created_by_kind": actorKinds,
		"note_edited_by_kind":  "edited_by_kind IN ('STAFF', 'API_KEY')",
	})
}

// Mixin of the table.
func (Note) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, authored{}} }

// Fields of the table. The edited columns are about the body alone, and null while it is as it was written.
func (Note) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		text("body"),
		field.Bool("pinned").Default(false),
		optionalInstant("edited_at"),
		optionalText("edited_by_kind"),
		optionalID("edited_by_id"),
	}
}

// Indexes of the table. Read backward, this one gives pinned notes first, then the newest: true is greater than false.
func (Note) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "customer_id", "pinned", "created_at", "id")}
}
