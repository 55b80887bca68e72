package read

import (
	"github.com/google/uuid"

	"dossier/internal/typeid"
)

func documentNoun() *noun {
	return &noun{name: "Document", table: "document", prefix: typeid.Document, id: "id", account: "account_id", fields: []field{
		id(),
		integer("version", "version"),
		one("customer", "Customer", "customer_id"),
		plain("kind", "kind"),
		plain("status", "status"),
		plain("source", "source"),
		text("title", "title"),
		date("expiresOn", "expires_on"),
		one("currentVersion", "DocumentVersion", "current_version_id"),
		page("versions", connection{
			noun: "DocumentVersion", foreignKey: "document_id",
			orders: func(arguments) order { return descending("NUMBER", intKey("number")) },
		}),
		actor("createdBy"),
		instant("createdAt", "created_at"),
		instant("updatedAt", "updated_at"),
		instant("archivedAt", "archived_at"),
	}}
}

func documentVersionNoun() *noun {
	return &noun{name: "DocumentVersion", table: "document_version", prefix: typeid.DocumentVersion, id: "id", account: "account_id", fields: []field{
		id(),
		one("document", "Document", "document_id"),
		integer("number", "number"),
		text("fileName", "file_name"),
		text("contentType", "content_type"),
		big("sizeBytes", "size_bytes"),
		hexadecimal("sha256", "sha256"),
		personal("downloadUrl", []string{"state", "id"}, downloadURL),
		actor("createdBy"),
		instant("createdAt", "created_at"),
	}}
}

// downloadURL is null until the content has passed its checks.
func downloadURL(e *environment, dst []byte, columns [][]byte) []byte {
	if string(columns[0]) != "AVAILABLE" || e.config.DownloadURL == nil || len(columns[1]) != 16 {
		return append(dst, "null"...)
	}
	return appendString(dst, e.config.DownloadURL(e.holder, e.account, uuid.UUID(columns[1])))
}

// documentsZipURL is the URL of all documents of a customer.
func documentsZipURL(e *environment, dst []byte, columns [][]byte) []byte {
	if e.config.DocumentsZipURL == nil || len(columns[0]) != 16 {
		return append(dst, "null"...)
	}
	return appendString(dst, e.config.DocumentsZipURL(e.holder, e.account, uuid.UUID(columns[0])))
}

func documentWhere(f *filter) error {
	where, ok := f.input("where")
	if !ok || !where.has("status") {
		f.add(raw("{t}.status IN ('ACTIVE', 'QUARANTINED')"))
	}
	if ok {
		f.add(where.all(
			where.anyOf("status", "status"),
			where.anyOf("source", "source"),
			where.contains("titleContains", "title"),
			where.between("createdAt", "created_at"),
		)...)
	}
	return f.err
}

func documentOrder(a arguments) order {
	o := order{name: "CREATED_AT", keys: []orderKey{instantKey("created_at"), idKey()}, desc: true}
	if by := a.in("orderBy"); by != nil {
		if by.text("field") == "TITLE" {
			o = order{name: "TITLE", keys: []orderKey{titleKey("title"), idKey()}}
		}
		o.desc = by.text("direction") != "ASC"
	}
	return o
}
