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
		"document_kind":            oneOf("kind", "UPLOAD", "GENERATED", "FORM"),
		"document_status":          oneOf("status", "ACTIVE", "QUARANTINED", "ARCHIVED"),
		"document_source":          oneOf("source", "STAFF", "CUSTOMER", "SYSTEM", "IMPORT"),
		"document_purpose":         oneOf("purpose", "OPERATIONAL", "LEGAL", "ADMINISTRATIVE"),
		"document_visibility":      oneOf("visibility", "STAFF_ONLY", "CUSTOMER"),
		"document_created_by_kind": actorKinds,
	})
}

// Mixin of the table.
func (Document) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, versioned{}, authored{}} }

// Fields of the table. area_id is the definition of the attribute that the document is filed under, null for the general
// area. expiry_warned_at and retention_warned_at are when it was told that the date of the name nears; a change of the
// date clears them. search_key is what the filter by text looks in: title, description and file name, folded.
func (Document) Fields() []ent.Field {
	return []ent.Field{
		id("customer_id"),
		field.String("kind").SchemaType(textType).Default("UPLOAD"),
		field.String("status").SchemaType(textType).Default("ACTIVE"),
		field.String("source").SchemaType(textType).Default("STAFF"),
		text("title"),
		optionalText("description"),
		optionalID("area_id"),
		optionalText("purpose"),
		field.String("visibility").SchemaType(textType).Default("STAFF_ONLY"),
		field.Strings("tags").Default([]string{}).Annotations(entsql.DefaultExpr("'[]'")),
		optionalDate("expires_on"),
		optionalInstant("expiry_warned_at"),
		optionalDate("retention_until"),
		optionalInstant("retention_warned_at"),
		field.String("search_key").SchemaType(textType).Default(""),
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
		index.Fields("account_id", "area_id", "customer_id").Annotations(entsql.IndexWhere("area_id IS NOT NULL")),
		// The orders in which the documents of all customers are read. Those that were archived are passed over in the first.
		index.Fields("account_id", "created_at", "id").Annotations(entsql.IncludeColumns("status")),
		index.Fields("account_id", "expires_on", "id").Annotations(entsql.IndexWhere("expires_on IS NOT NULL")),
		index.Fields("account_id", "retention_until", "id").Annotations(entsql.IndexWhere("retention_until IS NOT NULL")),
		// Whom the two dates are still to be told of. Archived documents do not expire, but they are kept.
		index.Fields("expires_on").Annotations(
			entsql.IndexWhere("expiry_warned_at IS NULL AND expires_on IS NOT NULL AND status <> 'ARCHIVED'")),
		index.Fields("retention_until").Annotations(entsql.IndexWhere("retention_warned_at IS NULL AND retention_until IS NOT NULL")),
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
		"document_version_preview_state":   oneOf("preview_state", "NONE", "PENDING", "READY", "IMPOSSIBLE"),
		"document_version_scan_problem":    oneOf("scan_problem", "FILE_TOO_LARGE", "SCANNER_UNAVAILABLE", "SCANNER_FAILED", "CONTENT_UNREADABLE"),
	})
}

// Mixin of the table.
func (DocumentVersion) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table. The object is that of blob blob_id, which equal contents of an account share. check_at is when a
// content that is STORED, or whose preview is PENDING, is looked at next; it is the lease of who looks at it, too.
// scan_signature names what a scanner found, scan_problem why its last try came to nothing. width and height are of a
// picture, as it is shown.
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
		optionalID("blob_id"),
		field.String("state").SchemaType(textType).Default("STORED"),
		optionalInstant("scanned_at"),
		optionalText("scan_signature"),
		optionalText("scan_problem"),
		field.String("preview_state").SchemaType(textType).Default("NONE"),
		field.Int32("width").Optional().Nillable(),
		field.Int32("height").Optional().Nillable(),
		optionalInstant("check_at"),
		field.Int32("check_attempts").Default(0),
	}
}

// Indexes of the table.
func (DocumentVersion) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "document_id", "number").Unique(),
		index.Fields("object_key"),
		index.Fields("account_id", "blob_id").Annotations(entsql.IndexWhere("blob_id IS NOT NULL")),
		// Whether a content must not be shared: a blob can have thousands of versions.
		index.Fields("account_id", "blob_id").StorageKey("document_version_unshared").
			Annotations(entsql.IndexWhere("state = 'QUARANTINED' OR state = 'REJECTED'")),
		index.Fields("check_at").Annotations(entsql.IndexWhere("state = 'STORED' OR preview_state = 'PENDING'")),
	}
}

// Blob is an object that contents of documents have, once for all equal ones of the account: bytes are stored once, the
// documents stay apart. refs is how many versions have it; at 0 the row goes and the object becomes garbage. What an
// account has used counts each version, so that who uploads does not see what others have.
type Blob struct{ ent.Schema }

// Annotations of the table.
func (Blob) Annotations() []schema.Annotation {
	return table("blob", map[string]string{"blob_refs": "refs > 0", "blob_size": "size_bytes >= 0"}, sqlOnly)
}

// Mixin of the table.
func (Blob) Mixin() []ent.Mixin { return []ent.Mixin{owned{}} }

// Fields of the table.
func (Blob) Fields() []ent.Field {
	return []ent.Field{
		field.Bytes("sha256").SchemaType(binaryType),
		field.Int64("size_bytes"),
		field.Int64("crc32c"),
		text("object_key"),
		field.Int64("object_generation"),
		field.Int32("refs"),
	}
}

// Indexes of the table.
func (Blob) Indexes() []ent.Index {
	return []ent.Index{index.Fields("account_id", "sha256").Unique(), index.Fields("object_key").Unique()}
}

// DocumentRendition is a picture that was made of a content: its first page or itself, small. Its bytes are durable. It is
// not part of the used storage: it can be made again.
type DocumentRendition struct{ ent.Schema }

// Annotations of the table.
func (DocumentRendition) Annotations() []schema.Annotation {
	return table("document_rendition", map[string]string{
		"document_rendition_variant": oneOf("variant", "PREVIEW", "THUMBNAIL"),
		"document_rendition_size":    "size_bytes > 0 AND width > 0 AND height > 0",
	}, sqlOnly)
}

// Mixin of the table.
func (DocumentRendition) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table.
func (DocumentRendition) Fields() []ent.Field {
	return []ent.Field{
		id("version_id"),
		text("variant"),
		text("content_type"),
		field.Int64("size_bytes"),
		field.Int32("width"),
		field.Int32("height"),
		field.Int64("crc32c"),
		text("object_key"),
		field.Int64("object_generation"),
	}
}

// Indexes of the table.
func (DocumentRendition) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("account_id", "version_id", "variant").Unique(),
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
		"upload_mode":            oneOf("mode", "STREAM", "DIRECT", "IMPORT"),
		"upload_created_by_kind": actorKinds,
		"upload_method":          oneOf("method", "PUT", "RESUMABLE"),
	}, sqlOnly)
}

// Mixin of the table.
func (Upload) Mixin() []ent.Mixin { return []ent.Mixin{owned{}, authored{}} }

// Fields of the table. document_id is the document to get a new content, or the one that was made when it was done. Both
// it and customer_id are null for a file that becomes no document (mode IMPORT). area_id counts the file against the most
// files of its area while it is PENDING. draft is what a session straight to the object store remembers of the document to
// make, beside title and expires_on; method is how its bytes come, session_url where a resumable one is, and the declared
// checksums are what the client said beforehand of its bytes.
func (Upload) Fields() []ent.Field {
	return []ent.Field{
		optionalID("customer_id"),
		optionalID("document_id"),
		text("mode"),
		field.String("state").SchemaType(textType).Default("PENDING"),
		text("object_key"),
		text("file_name"),
		text("title"),
		optionalDate("expires_on"),
		optionalID("area_id"),
		field.Bytes("draft").SchemaType(jsonType).Optional().Nillable(),
		field.Int64("declared_bytes").Optional().Nillable(),
		field.Int64("declared_crc32c").Optional().Nillable(),
		field.Bytes("declared_sha256").SchemaType(binaryType).Optional().Nillable(),
		optionalText("method"),
		optionalText("session_url"),
		field.Int64("reserved_bytes"),
		field.Time("lease_until"),
		field.Time("updated_at").Default(time.Now),
	}
}

// Indexes of the table.
func (Upload) Indexes() []ent.Index {
	return []ent.Index{
		index.Fields("lease_until").Annotations(entsql.IndexWhere("state = 'PENDING'")),
		index.Fields("account_id", "customer_id").Annotations(entsql.IndexWhere("state = 'PENDING'")),
		index.Fields("object_key").Unique(),
	}
}

// Garbage is an object that must not stay: the sweeper deletes it until it is gone for good, because an upload whose
// lease ended may still finish after the first delete.
type Garbage struct{ ent.Schema }

// Annotations of the table.
func (Garbage) Annotations() []schema.Annotation { return table("garbage", nil, sqlOnly) }

// Mixin of the table.
func (Garbage) Mixin() []ent.Mixin { return []ent.Mixin{logged{}} }

// Fields of the table. session_url is that of a resumable upload which may still make the object: it is ended first.
func (Garbage) Fields() []ent.Field {
	return []ent.Field{text("object_key"), optionalText("session_url"), field.Time("until"), field.Time("next_at")}
}

// Indexes of the table.
func (Garbage) Indexes() []ent.Index {
	return []ent.Index{index.Fields("object_key").Unique(), index.Fields("next_at")}
}

// Idempotency is the stored answer to a key: same key and same input give it again. response is null while the first
// use is running, which is at most until lease_until.
type Idempotency struct{ ent.Schema }

// Annotations of the table.
func (Idempotency) Annotations() []schema.Annotation { return table("idempotency", nil, sqlOnly) }

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
