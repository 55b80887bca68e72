package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// AuditRecord is who did what to what, or was not allowed to: one row for each change, in its transaction, for each
// download and for each denial. Rows are never changed or deleted; the application's role cannot.
type AuditRecord struct{ ent.Schema }

// Annotations of the table.
func (AuditRecord) Annotations() []schema.Annotation {
	return table("audit_record", map[string]string{
		"audit_record_outcome":         oneOf("outcome", "DONE", "DENIED"),
		"audit_record_created_by_kind": actorKinds,
		"audit_record_times":           "times > 0",
	}, sqlOnly)
}

// Mixin of the table.
func (AuditRecord) Mixin() []ent.Mixin { return []ent.Mixin{logged{}, authored{}} }

// Fields of the table. action is the type of the event of a change, a name like those for what has no event of its own
// (API_KEY_CREATED, OFFICE_UPDATED) or changes nothing (DOCUMENT_DOWNLOADED), or for a denial the root field that was
// refused. The id of a change's record is that of its event. The subject is null where there is none, or none was found.
// times is how often it happened: 1, but for denials that followed one another.
func (AuditRecord) Fields() []ent.Field {
	return []ent.Field{
		text("action"),
		text("outcome"),
		optionalID("customer_id"),
		optionalText("subject_type"),
		optionalID("subject_id"),
		field.Strings("changed_fields"),
		optionalText("request_id"),
		optionalText("client_address"),
		field.Int32("times").Default(1),
	}
}

// Indexes of the table: the trail of the account and that of one customer.
func (AuditRecord) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "created_at", "id"),
		index.Fields("account_id", "customer_id", "created_at", "id").Annotations(entsql.IndexWhere("customer_id IS NOT NULL")),
	}
}
