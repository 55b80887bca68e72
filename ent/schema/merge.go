package schema

import (
	"encoding/json"

	"entgo.io/ent"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// CustomerMerge is one merge of two customers, with all that undoing it needs. record holds both files as they were, the
// winner's as the merge left it, and which rows were moved; its form belongs to the store.
type CustomerMerge struct{ ent.Schema }

// Annotations of the table.
func (CustomerMerge) Annotations() []schema.Annotation {
	return table("customer_merge", map[string]string{
		"customer_merge_created_by_kind": actorKinds,
		"customer_merge_undone_by_kind":  oneOf("undone_by_kind", "STAFF", "API_KEY"),
	})
}

// Mixin of the table.
func (CustomerMerge) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table. The numbers are how many of each kind were moved from the loser to the winner.
func (CustomerMerge) Fields() []ent.Field {
	return []ent.Field{
		id("winner_id"),
		id("loser_id"),
		field.JSON("record", json.RawMessage{}),
		field.Int32("emails"),
		field.Int32("phones"),
		field.Int32("addresses"),
		field.Int32("contacts"),
		field.Int32("documents"),
		field.Int32("timeline_entries"),
		optionalInstant("undone_at"),
		optionalText("undone_by_kind"),
		optionalID("undone_by_id"),
	}
}

// Indexes of the table: the merges of the account, and those of one customer as either of the two.
func (CustomerMerge) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "created_at", "id"),
		index.Fields("account_id", "winner_id"),
		index.Fields("account_id", "loser_id"),
	}
}
