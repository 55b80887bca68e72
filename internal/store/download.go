package store

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/job"
	"dossier/internal/timeline"
)

// What is downloaded is found and recorded by one statement: nothing is handed out that is not on record, and nothing is on
// record that was not there. $2 is the id of what is downloaded.

// downloadRecord is the part of such a statement behind the query found, which gives customer_id and subject_id. The first
// record of a link and client has an id of its own making, so that a later part of the same download finds it there.
const downloadRecord = `, first AS (
	INSERT INTO audit_record (` + recordColumns + `, id, action, customer_id, subject_type, subject_id, changed_fields)
	SELECT $1, $3::timestamptz, $4::text, $5::uuid, $6::text, $7::text, 'DONE', $8::uuid, $9::text, customer_id, $10::text, subject_id, '[]'
	FROM found WHERE $11::boolean
	ON CONFLICT (id) DO NOTHING RETURNING id
), again AS (
	INSERT INTO audit_record (` + recordColumns + `, id, action, customer_id, subject_type, subject_id, changed_fields)
	SELECT $1, $3, $4, $5, $6, $7, 'DONE', $12::uuid, $9, customer_id, $10, subject_id, '[]'
	FROM found WHERE $11 AND $13::boolean AND NOT EXISTS (SELECT FROM first)
)`

// download runs a statement with downloadRecord in it.
func (s *Store) download(
	ctx context.Context, p auth.Principal, r document.Reading, action string, subject timeline.Subject, id uuid.UUID, statement string, dest ...any,
) error {
	t := &tx{by: p}
	kind, actorID := t.actor()
	o := auth.OriginOf(ctx)
	return s.readOne(ctx, p.AccountID, dest, statement, idArg(id), s.now(), kind, optionalID(actorID), null(o.RequestID), null(o.ClientAddress),
		idArg(r.ID), action, string(subject), !r.Unrecorded, idArg(s.cfg.NewID()), r.Anew)
}

const findDownload = `
WITH found AS (
	SELECT v.object_key, v.file_name, v.content_type, v.size_bytes, v.sha256, d.customer_id, v.id AS subject_id
	FROM document_version v JOIN document d ON d.account_id = v.account_id AND d.id = v.document_id
	WHERE v.account_id = $1 AND v.id = $2 AND v.state = 'AVAILABLE'
)` + downloadRecord + `
SELECT object_key, file_name, content_type, size_bytes, sha256 FROM found`

// Download implements document.Store.
func (s documents) Download(ctx context.Context, p auth.Principal, versionID uuid.UUID, r document.Reading) (document.Download, error) {
	var d document.Download
	err := s.download(ctx, p, r, document.ActionDocument, "DocumentVersion", versionID, findDownload,
		&d.ObjectKey, &d.FileName, &d.ContentType, &d.SizeBytes, &d.SHA256)
	if missing(err) {
		err = notFound(nil, "document")
	}
	return d, translate("store.Download", err)
}

const findResult = `
WITH found AS (
	SELECT result_key, file_name, result_type, result_bytes, NULL::uuid AS customer_id, id AS subject_id FROM job
	WHERE account_id = $1 AND id = $2 AND state = 'SUCCEEDED' AND result_key IS NOT NULL
)` + downloadRecord + `
SELECT result_key, file_name, result_type, result_bytes FROM found`

// JobResult implements job.Store.
func (s jobs) JobResult(ctx context.Context, p auth.Principal, id uuid.UUID, r document.Reading) (job.Result, error) {
	var d job.Result
	err := s.download(ctx, p, r, document.ActionExport, timeline.SubjectJob, id, findResult, &d.ObjectKey, &d.FileName, &d.ContentType, &d.SizeBytes)
	if missing(err) {
		err = notFound(nil, "file")
	}
	return d, translate("store.JobResult", err)
}

var findArchive = `
WITH n AS (
	SELECT count(*) AS documents FROM (SELECT FROM document WHERE account_id = $1 AND customer_id = $2 LIMIT ` + mostArchived + ` + 1) AS d
), found AS (
	SELECT c.display_name, c.id AS customer_id, c.id AS subject_id, n.documents FROM customer c, n
	WHERE c.account_id = $1 AND c.id = $2 AND n.documents <= ` + mostArchived + `
)` + downloadRecord + `
SELECT coalesce((SELECT display_name FROM found), ''), n.documents FROM n
WHERE EXISTS (SELECT FROM found) OR n.documents > ` + mostArchived

var mostArchived = strconv.Itoa(document.MaxArchived)

// Archive implements document.Store.
func (s documents) Archive(ctx context.Context, p auth.Principal, customerID uuid.UUID, r document.Reading) (document.Archived, error) {
	var a document.Archived
	err := s.download(ctx, p, r, document.ActionArchive, timeline.SubjectCustomer, customerID, findArchive, &a.CustomerName, &a.Documents)
	if missing(err) {
		err = notFound(nil, "customer")
	}
	if err == nil && a.Documents > document.MaxArchived {
		err = fault.New(fault.TooLarge, "The customer has more than %d documents, which is the most that a ZIP may have. Download them one by one.",
			document.MaxArchived)
	}
	return a, translate("store.Archive", err)
}

const archiveColumns = `
SELECT d.id, d.created_at, coalesce(a.label, ''), d.title, v.id, v.file_name, v.content_type, v.size_bytes, v.crc32c, v.object_key, v.created_at,
	v.state = 'AVAILABLE' AND d.status <> 'QUARANTINED'
FROM document d JOIN document_version v ON v.account_id = $1 AND v.id = d.current_version_id
	LEFT JOIN attribute_definition a ON a.account_id = $1 AND a.id = d.area_id
WHERE d.account_id = $1 AND v.state <> 'DELETED'`

const archivePage = archiveColumns + ` AND d.customer_id = $2 AND (d.created_at, d.id) > ($3, $4)
ORDER BY d.created_at, d.id LIMIT $5`

const archiveItem = archiveColumns + ` AND d.id = $2`

func archiveItemOf(row pgx.CollectableRow) (i document.ArchiveItem, err error) {
	var crc int64
	err = row.Scan(&i.DocumentID, &i.CreatedAt, &i.Area, &i.Title, &i.VersionID, &i.FileName, &i.ContentType, &i.SizeBytes, &crc, &i.ObjectKey,
		&i.ChangedAt, &i.Available)
	i.CRC32C = uint32(crc) //nolint:gosec // it was one
	return i, err
}

// ArchivePage implements document.Store.
func (s documents) ArchivePage(
	ctx context.Context, p auth.Principal, customerID uuid.UUID, after document.ArchivePlace, limit int,
) ([]document.ArchiveItem, error) {
	at := after.CreatedAt
	if at.IsZero() {
		at = time.Unix(0, 0).AddDate(-1000, 0, 0)
	}
	list, err := readAll(ctx, s.Store, p.AccountID, archiveItemOf, archivePage, idArg(customerID), at, idArg(after.DocumentID), limit)
	return list, translate("store.ArchivePage", err)
}

// ArchiveItem implements document.Store.
func (s documents) ArchiveItem(ctx context.Context, p auth.Principal, documentID uuid.UUID) (document.ArchiveItem, error) {
	list, err := readAll(ctx, s.Store, p.AccountID, archiveItemOf, archiveItem, idArg(documentID))
	if err == nil && len(list) == 0 {
		err = notFound(nil, "document")
	}
	if err != nil {
		return document.ArchiveItem{}, translate("store.ArchiveItem", err)
	}
	return list[0], nil
}
