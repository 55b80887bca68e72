package schema

import (
	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// AuditRecord is who did what to what, or was not allowed to: one row for each change, in its transaction, for each
// download and for each denial. Rows are never changed; the application's role cannot.
type AuditRecord struct{ ent.Schema }

// Annotations of the table.
func (AuditRecord) Annotations() []schema.Annotation {
	return table("audit_record", map[string]string{
		"audit_record_outcome":         oneOf("outcome", "DONE", "DENIED"),
		"audit_record_created_by_kind": actorKinds,
	})
}

// Mixin of the table.
func (AuditRecord) Mixin() []ent.Mixin { return []ent.Mixin{logged{}, authored{}} }

// Fields of the table. action is the type of the event of a change, DOCUMENT_DOWNLOADED and the like for what changes
// nothing, or for a denial the root field that was refused. The subject is null where there is none, or none was found.
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
	}
}

// Indexes of the table: the trail of the account and that of one customer.
func (AuditRecord) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "created_at", "id"),
		index.Fields("account_id", "customer_id", "created_at", "id").Annotations(entsql.IndexWhere("customer_id IS NOT NULL")),
	}
}
