package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	entdocument "dossier/ent/document"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/timeline"
)

// areaColumns are the columns of an area d in account a, and whether it is for customers whose type is the expression.
func areaColumns(customerType string) string {
	const pairs = `EXISTS (SELECT FROM attribute_definition_type q WHERE q.account_id = d.account_id AND q.definition_id = d.id`
	return `a.max_file_bytes, d.id, d.key, d.label, d.accept, d.max_files, d.max_file_bytes, d.required, d.customer_visible, d.archived_at,
	NOT ` + pairs + `) OR ` + pairs + ` AND q.type_id = ` + customerType + `)`
}

// areaRow is a row of areaColumns; that of the general area has nulls.
type areaRow struct {
	accountBytes      int64
	id                *uuid.UUID
	key, label        *string
	accept            []byte
	maxFiles          *int32
	maxBytes          *int64
	required, visible *bool
	archivedAt        *time.Time
	fits              *bool
}

func (r *areaRow) dest() []any {
	return []any{
		&r.accountBytes, &r.id, &r.key, &r.label, &r.accept, &r.maxFiles, &r.maxBytes, &r.required, &r.visible, &r.archivedAt, &r.fits,
	}
}

func (r *areaRow) area() (document.Area, error) {
	a := document.GeneralArea(r.accountBytes)
	if r.id == nil {
		return a, nil
	}
	a = document.Area{
		ID: *r.id, Key: *r.key, Label: *r.label, MaxFileBytes: r.accountBytes, Required: *r.required, CustomerVisible: *r.visible,
		ArchivedAt: r.archivedAt, Fits: *r.fits,
	}
	if r.maxFiles != nil {
		a.MaxFiles = int(*r.maxFiles)
	}
	if r.maxBytes != nil {
		a.MaxFileBytes = min(a.MaxFileBytes, *r.maxBytes)
	}
	return a, readAccept(r.accept, &a.Accept)
}

func readAccept(accept []byte, list *[]string) error {
	if accept == nil {
		return nil
	}
	if err := json.Unmarshal(accept, list); err != nil {
		return fmt.Errorf("store: what an area accepts: %w", err)
	}
	return nil
}

// areaName names an area by its key, or else by its id, uuid.Nil for the general one.
type areaName struct {
	key *string
	id  uuid.UUID
}

// at gives the area that was asked for, with no key where there is none.
func (r *areaRow) at(p areaName) (document.Area, error) {
	a, err := r.area()
	if a.General() && (p.key == nil && p.id != uuid.Nil || p.key != nil && *p.key != a.Key) {
		return document.Area{}, err
	}
	return a, err
}

// findTarget finds an area by its key or its id.
var findTarget = `
SELECT coalesce(u.limit_bytes, 0), coalesce(u.used_bytes + u.reserved_bytes, 0), coalesce(c.status, ''), ` + areaColumns("c.type_id") + `
FROM account a LEFT JOIN storage_usage u ON u.account_id = a.id LEFT JOIN customer c ON c.account_id = a.id AND c.id = $2
	LEFT JOIN attribute_definition d ON d.account_id = a.id AND d.type = 'FILE' AND (d.key = $3 OR d.id = $4)
WHERE a.id = $1`

// UploadTarget implements document.Store.
func (s documents) UploadTarget(ctx context.Context, p auth.Principal, customerID uuid.UUID, areaKey string) (document.Target, error) {
	t, err := s.target(ctx, p, customerID, areaName{key: &areaKey})
	return t, translate("store.UploadTarget", err)
}

func (s documents) target(ctx context.Context, p auth.Principal, customerID uuid.UUID, at areaName) (document.Target, error) {
	t := document.Target{CustomerID: customerID}
	var status string
	var row areaRow
	err := s.readOne(patiently(ctx), p.AccountID, append([]any{&t.Quota.LimitBytes, &t.Quota.UsedBytes, &status}, row.dest()...),
		findTarget, idArg(customerID), at.key, optionalID(nullID(at.id)))
	switch {
	case err != nil:
		return t, err
	case status == "":
		return t, notFound(nil, "customer")
	case status == string(customer.Merged):
		return t, mergedCustomer(nil)
	}
	t.Area, err = row.at(at)
	t.MaxFileBytes = t.Area.MaxFileBytes
	return t, err
}

// ReplaceTarget implements document.Store.
func (s documents) ReplaceTarget(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) (document.Target, error) {
	t := &tx{scope: s.in(p.AccountID), by: p}
	row, err := t.documents().Where(entdocument.ID(id)).Only(ctx)
	if missing(err) {
		err = notFound([]string{"id"}, "document")
	}
	if err != nil {
		return document.Target{}, translate("store.ReplaceTarget", err)
	}
	d := documentOf(row)
	if err := t.conflict(ctx, timeline.SubjectDocument, id, d.Version, expectedVersion, []string{document.FieldCurrentVersion}); err != nil {
		return document.Target{}, translate("store.ReplaceTarget", err)
	}
	target, err := s.target(ctx, p, d.CustomerID, areaName{id: d.AreaID})
	target.Title, target.ExpiresOn = d.Title, d.ExpiresOn
	return target, translate("store.ReplaceTarget", err)
}

const (
	lockPlace = `SELECT pg_advisory_xact_lock(hashtextextended('area ' || $1::text || ' ' || $2::text || ' ' || $3::text, 0))`

	// countFiled counts what takes a place of a customer in an area: documents but one, and uploads that will be documents.
	countFiled = `SELECT
	(SELECT count(*) FROM document WHERE account_id = $1 AND customer_id = $2 AND area_id = $3 AND status <> 'ARCHIVED' AND id IS DISTINCT FROM $4)
	+ (SELECT count(*) FROM upload WHERE account_id = $1 AND customer_id = $2 AND area_id = $3 AND state = 'PENDING' AND document_id IS NULL
		AND lease_until > clock_timestamp())`
)

// filed counts what takes a place of a customer in an area. Until the end of the transaction nobody else takes one there: whoever
// may takes the same lock first. It comes behind those of customers and before those of documents and of the storage. The count
// is a statement of its own, so that it sees what was committed while the lock was waited for.
func (t *tx) filed(ctx context.Context, customerID, areaID, but uuid.UUID) (n int, err error) {
	if _, err := t.exec(ctx, lockPlace, customerID, areaID); err != nil {
		return 0, err
	}
	err = t.queryOne(ctx, []any{&n}, countFiled, customerID, areaID, nullID(but))
	return n, err
}

// limited says whether an upload takes one of a limited number of places.
func limited(a document.Attempt) bool { return a.MaxFiles > 0 && a.DocumentID == uuid.Nil }

// holdPlace refuses an upload for which its area has no place. The row of the upload holds the place then.
func (t *tx) holdPlace(ctx context.Context, a document.Attempt) error {
	if !limited(a) {
		return nil
	}
	n, err := t.filed(ctx, a.CustomerID, a.Details.AreaID, uuid.Nil)
	if err == nil && n >= a.MaxFiles {
		err = document.ErrAreaFull(a.MaxFiles, nil)
	}
	return err
}

// draftOf is what a session straight to the object store remembers of the document to make, nil for other uploads: those are
// remembered by who runs them.
func draftOf(a document.Attempt) (any, error) {
	if a.Mode != document.ModeDirect {
		return nil, nil //nolint:nilnil // null is a value of the column
	}
	b, err := json.Marshal(a.Details)
	return string(b), err
}

// readDraft gives an upload what draftOf stored, and what its area accepts now.
func readDraft(a *document.Attempt, area *uuid.UUID, draft, accept []byte) error {
	if draft != nil {
		if err := json.Unmarshal(draft, &a.Details); err != nil {
			return fmt.Errorf("store: the draft of upload %s: %w", a.ID, err)
		}
	}
	a.Details.AreaID = derefID(area)
	return readAccept(accept, &a.Accept)
}

// detailsOf is the details of the document that an upload makes.
func detailsOf(a document.Attempt) document.Details {
	d := a.Details
	if d.Visibility == "" { // a session that an older version began
		d.Visibility = document.VisibleToStaff
	}
	d.RetentionUntil = dateOf(d.RetentionUntil)
	return d
}

// tagList is tags as the column has them.
func tagList(tags []string) string {
	if len(tags) == 0 {
		return "[]"
	}
	b, _ := json.Marshal(tags) // texts always can be
	return string(b)
}

// Areas implements document.Store.
func (s documents) Areas(ctx context.Context, p auth.Principal, customerID, typeID uuid.UUID) (list []document.Area, err error) {
	c := s.in(p.AccountID)
	if customerID != uuid.Nil { // of a merged one, those of the customer that stands for it
		var its *uuid.UUID
		err = c.queryOne(ctx, []any{&customerID, &its}, customerInForce, customerID)
		if missing(err) {
			err = notFound([]string{"customerId"}, "customer")
		}
		typeID = derefID(its)
	} else if typeID != uuid.Nil {
		var one int
		err = c.queryOne(ctx, []any{&one}, `SELECT 1 FROM customer_type WHERE account_id = $1 AND id = $2`, typeID)
		if missing(err) {
			err = notFound([]string{"typeId"}, "customer type")
		}
	}
	if err != nil {
		return nil, translate("store.Areas", err)
	}
	list, err = c.areas(ctx, customerID, typeID)
	return list, translate("store.Areas", err)
}

const customerInForce = `
SELECT w.id, w.type_id FROM customer c JOIN customer w ON w.account_id = $1 AND w.id = coalesce(c.merged_into_id, c.id)
WHERE c.account_id = $1 AND c.id = $2`

// listAreas gives the areas in order, and for each whether customer $2 has documents in it.
var listAreas = `
SELECT ` + areaColumns("$3::uuid") + `,
	EXISTS (SELECT FROM document x WHERE x.account_id = $1 AND x.area_id = d.id AND x.customer_id = $2::uuid AND x.status <> 'ARCHIVED')
FROM account a LEFT JOIN attribute_definition d ON d.account_id = a.id AND d.type = 'FILE'
WHERE a.id = $1 ORDER BY d.position, d.id`

func (c scope) areas(ctx context.Context, customerID, typeID uuid.UUID) ([]document.Area, error) {
	rows, err := c.query(ctx, listAreas, nullID(customerID), nullID(typeID))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []document.Area
	for rows.Next() {
		var row areaRow
		var used bool
		if err := rows.Scan(append(row.dest(), &used)...); err != nil {
			return nil, err
		}
		if list == nil {
			list = append(list, document.GeneralArea(row.accountBytes))
		}
		area, err := row.area()
		if err != nil {
			return nil, err
		}
		anybody := customerID == uuid.Nil && typeID == uuid.Nil
		if !area.General() && (used || area.ArchivedAt == nil && (area.Fits || anybody)) {
			list = append(list, area)
		}
	}
	return list, rows.Err()
}

const areaInUse = `SELECT EXISTS (SELECT FROM document WHERE account_id = $1 AND area_id = $2)
	OR EXISTS (SELECT FROM upload WHERE account_id = $1 AND area_id = $2 AND state = 'PENDING')`

// areaInUse says whether an area has documents, archived ones too, or will have.
func (t *tx) areaInUse(ctx context.Context, id uuid.UUID) (used bool, err error) {
	err = t.queryOne(ctx, []any{&used}, areaInUse, id)
	return used, err
}

// leaveArea takes an area that is not in use out of uploads that have ended, so that its definition can be deleted.
func (t *tx) leaveArea(ctx context.Context, id uuid.UUID) error {
	_, err := t.exec(ctx, `UPDATE upload SET area_id = NULL WHERE account_id = $1 AND area_id = $2 AND state <> 'PENDING'`, id)
	return err
}
