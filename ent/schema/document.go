package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
	"entgo.io/ent/schema/index"
)

// Document is a file in a customer's file. Its content is document_version.
type Document struct{ ent.Schema }

// Annotations of the table.
func (Document) Annotations() []schema.Annotation {
	return table("document", map[string]string{
		"document_kind":            oneOf("kind", "UPLOAD"),
		"document_status":          oneOf("status", "ACTIVE", "QUARANTINED", "ARCHIVED"),
		"document_source":          oneOf("source", "STAFF", "CUSTOMER", "SYSTEM", "IMPORT"),
		"document_created_by_kind": actorKinds,
	})
}

// Mixin of the table.
func (Document) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, authored{}} }

// Fields of the table.
func (Document) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		field.String("kind").SchemaType(textType).Default("UPLOAD"),
		field.String("status").SchemaType(textType).Default("ACTIVE"),
		field.String("source").SchemaType(textType).Default("STAFF"),
		text("title"),
		field.Time("expires_on").SchemaType(dateType).Optional().Nillable(),
		field.UUID("current_version_id", uuidZero),
		optionalInstant("archived_at"),
	}
}

// Indexes of the table.
func (Document) Indexes() []ent.Index {
	return []ent.Index{
		// A line to show is in the index itself: the documents of one customer lie far apart in the table.
		index.Fields("account_id", "customer_id", "created_at", "id").
			Annotations(entsql.IncludeColumns("status", "kind", "source", "title", "current_version_id")),
	}
}

// DocumentVersion is one content of a document. A row exists only for bytes that are durable in the object store.
type DocumentVersion struct{ ent.Schema }

// Annotations of the table.
func (DocumentVersion) Annotations() []schema.Annotation {
	return table("document_version", map[string]string{
		"document_version_state":           oneOf("state", "STORED", "AVAILABLE", "QUARANTINED", "REJECTED", "DELETED"),
		"document_version_created_by_kind": actorKinds,
		"document_version_size":            "size_bytes >= 0",
	})
}

// Mixin of the table.
func (DocumentVersion) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table.
func (DocumentVersion) Fields() []ent.Field {
	return []ent.Field{
		id("document_id"),
		field.Int32("number"),
		text("file_name"),
		text("content_type"),
		field.Int64("size_bytes"),
		field.Bytes("sha256").SchemaType(binaryType),
		field.Int64("crc32c"),
		text("object_key"),
		field.Int64("object_generation"),
		field.String("state").SchemaType(textType).Default("STORED"),
	}
}

// Indexes of the table.
func (DocumentVersion) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "document_id", "number").Unique(),
		index.Fields("object_key").Unique(),
	}
}

// Upload is an attempt to store one content: pending while the bytes pass, under a lease of database time, with its
// bytes reserved; then done or failed. It is also the session of an upload straight to the object store. The pending
// state lives here and not in document, so that no read ever has to filter what is not there yet.
type Upload struct{ ent.Schema }

// Annotations of the table.
func (Upload) Annotations() []schema.Annotation {
	return table("upload", map[string]string{
		"upload_state":           oneOf("state", "PENDING", "DONE", "FAILED"),
		"upload_mode":            oneOf("mode", "STREAM", "DIRECT"),
		"upload_created_by_kind": actorKinds,
	})
}

// Mixin of the table.
func (Upload) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table. document_id is the document to get a new content, or the one that was made when it was done.
func (Upload) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		optionalID("document_id"),
		text("mode"),
		field.String("state").SchemaType(textType).Default("PENDING"),
		text("object_key"),
		text("file_name"),
		text("title"),
		field.Time("expires_on").SchemaType(dateType).Optional().Nillable(),
		field.Int64("declared_bytes").Optional().Nillable(),
		field.Int64("reserved_bytes"),
		field.Time("lease_until"),
		field.Time("updated_at").Default(time.Now),
	}
}

// Indexes of the table.
func (Upload) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("lease_until").Annotations(entsql.IndexWhere("state = 'PENDING'")),
		index.Fields("object_key").Unique(),
	}
}

// Garbage is an object that must not stay: the sweeper deletes it until it is gone for good, because an upload whose
// lease ended may still finish after the first delete.
type Garbage struct{ ent.Schema }

// Annotations of the table.
func (Garbage) Annotations() []schema.Annotation { return table("garbage", nil) }

// Mixin of the table.
func (Garbage) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table.
func (Garbage) Fields() []ent.Field {
	return []ent.Field{text("object_key"), field.Time("until"), field.Time("next_at")}
}

// Indexes of the table.
func (Garbage) Indexes() []ent.Index {
	return []ent.Index{index.Fields("object_key").Unique(), index.Fields("next_at")}
}

// Idempotency is the stored answer to a key: same key and same input give it again. response is null while the first
// use is running, which is at most until lease_until.
type Idempotency struct{ ent.Schema }

// Annotations of the table.
func (Idempotency) Annotations() []schema.Annotation { return table("idempotency", nil) }

// Mixin of the table.
func (Idempotency) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table.
func (Idempotency) Fields() []ent.Field {
	return []ent.Field{
		id("principal_id"),
		text("field"),
		text("key"),
		field.Bytes("fingerprint").SchemaType(binaryType),
		field.Bytes("response").SchemaType(binaryType).Optional(),
		field.Time("lease_until"),
	}
}

// Indexes of the table.
func (Idempotency) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "principal_id", "field", "key").Unique(),
		index.Fields("created_at"),
	}
}
