package read

import (
	"strings"

	"github.com/google/uuid"

	"dossier/internal/fold"
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
		embed("area", "DocumentArea"),
		plain("purpose", "purpose"),
		plain("visibility", "visibility"),
		text("title", "title"),
		text("description", "description"),
		stringList("tags", "tags"),
		date("expiresOn", "expires_on"),
		date("retentionUntil", "retention_until"),
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
		compute("scanStatus", []string{"state", "scanned_at", "scan_problem"}, scanStatus),
		instant("scannedAt", "scanned_at"),
		text("scanSignature", "scan_signature"),
		plain("scanProblem", "scan_problem"),
		plain("previewState", "preview_state"),
		personal("previewUrl", []string{"state", "preview_state", "id"}, previewURL("PREVIEW")),
		personal("thumbnailUrl", []string{"state", "preview_state", "id"}, previewURL("THUMBNAIL")),
		integer("width", "width"),
		integer("height", "height"),
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

// scanStatus says by what a content has become what is known about malware in it.
func scanStatus(_ *environment, dst []byte, columns [][]byte) []byte {
	status := "NOT_SCANNED"
	switch state := string(columns[0]); {
	case state == "QUARANTINED":
		status = "INFECTED"
	case state == "STORED" && columns[2] != nil:
		status = "FAILED"
	case state == "STORED":
		status = "PENDING"
	case columns[1] != nil:
		status = "CLEAN"
	}
	return appendString(dst, status)
}

// previewURL is null until the content has passed its checks and the picture was made.
func previewURL(size string) func(*environment, []byte, [][]byte) []byte {
	return func(e *environment, dst []byte, columns [][]byte) []byte {
		if string(columns[0]) != "AVAILABLE" || string(columns[1]) != "READY" || e.config.PreviewURL == nil || len(columns[2]) != 16 {
			return append(dst, "null"...)
		}
		return appendString(dst, e.config.PreviewURL(size, e.holder, e.account, uuid.UUID(columns[2])))
	}
}

func documentWhere(f *filter) error {
	where := documentStatus(f)
	f.add(documentDates(where)...)
	f.add(documentConds(where)...)
	return f.err
}

// documentsWhere is documentWhere for the documents of all customers: what no index serves is looked at on the first of them only.
func documentsWhere(f *filter) error {
	where := documentStatus(f)
	f.add(documentDates(where)...)
	f.sifted = documentConds(where)
	return f.err
}

// documentStatus leaves out archived documents unless they are asked for, and those without the date that they are ordered by.
func documentStatus(f *filter) input {
	where, ok := f.input("where")
	if !ok || !where.has("status") {
		f.add(raw("{t}.status IN ('ACTIVE', 'QUARANTINED')"))
	}
	for _, k := range documentOrder(f.arguments).keys {
		if k.held {
			f.add(raw("{t}." + k.column + " IS NOT NULL"))
		}
	}
	return where
}

// documentDates are the conditions that an index serves.
func documentDates(where input) []cond {
	if where.f == nil {
		return nil
	}
	return where.all(where.days("expiresOn", "expires_on"), where.days("retentionUntil", "retention_until"), where.between("createdAt", "created_at"))
}

func documentConds(where input) []cond {
	if where.f == nil {
		return nil
	}
	return where.all(
		where.anyOf("status", "status"),
		where.anyOf("source", "source"),
		where.anyOf("kind", "kind"),
		where.areas("areaKey"),
		where.anyOf("purpose", "purpose"),
		where.anyOf("visibility", "visibility"),
		where.contentTypes("contentType"),
		where.anyTag("tags", "tags"),
		where.contains("titleContains", "title"),
		where.holds("text", "search_key", fold.Text),
		where.between("updatedAt", "updated_at"),
	)
}

// documentOrders are the orders of a customer's documents, and those of all customers' among them.
var documentOrders = map[string]orderKey{
	"CREATED_AT": instantKey("created_at"), "UPDATED_AT": instantKey("updated_at"), "TITLE": titleKey("title"),
	"EXPIRES_ON": dateKey("expires_on"), "RETENTION_UNTIL": dateKey("retention_until"),
}

func documentOrder(a arguments) order {
	by := a.in("orderBy")
	name := by.text("field")
	if name == "" {
		name = "CREATED_AT"
	}
	return order{name: name, keys: []orderKey{documentOrders[name], idKey()}, desc: by.text("direction") != "ASC"}
}

// documentsRoot is the documents of all customers.
func documentsRoot() connection {
	return connection{noun: "Document", arguments: []string{"where", "orderBy"}, filter: documentsWhere, orders: documentOrder}
}

// areas: the document is in an area with one of the keys.
func (in input) areas(name string) cond {
	keys, given := in.keysOf(name)
	if !given {
		return nil
	}
	return func(w *writer, t string) { w.inAreas(t, in.f.c.e.nouns["AttributeDefinition"], keys.slot, keys.one) }
}

// contentTypes: the content in force is of one of the media types or ranges.
func (in input) contentTypes(name string) cond {
	slot, given := in.textList(name, strings.ToLower)
	if !given {
		return nil
	}
	return func(w *writer, t string) { w.contentIs(t, in.f.c.e.nouns["DocumentVersion"], slot) }
}
