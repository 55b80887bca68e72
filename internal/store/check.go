package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	entdocument "dossier/ent/document"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// checker is the Store as the checker of contents sees it.
type checker struct{ *Store }

var _ document.CheckStore = checker{}

// Checks gives the Store as the checker of contents sees it.
func (s *Store) Checks() document.CheckStore { return checker{s} }

// claimCheck takes the row that is due for longest and not locked by another claim. Contents that are held back are left
// alone unless $1. check_attempts is the claim's number: whoever has an older one has lost the content.
const claimCheck = `
WITH due AS MATERIALIZED (
	SELECT account_id, id FROM document_version
	WHERE check_at <= now() AND (state = 'STORED' OR preview_state = 'PENDING') AND (state = 'AVAILABLE' OR state = 'STORED' AND $1)
	ORDER BY check_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE document_version v SET check_at = now() + $2 * interval '1 microsecond', check_attempts = v.check_attempts + 1
FROM due WHERE v.account_id = due.account_id AND v.id = due.id
RETURNING v.account_id, v.document_id, v.id, v.check_attempts, v.state = 'STORED', v.content_type, v.object_key, v.size_bytes, v.crc32c`

// ClaimCheck implements document.CheckStore.
//
// SECURITY: which content is due is asked across accounts, by time and state only. All else is done as its account.
func (s checker) ClaimCheck(ctx context.Context, scan bool, lease time.Duration) (c document.Check, ok bool, err error) {
	var crc int64
	err = s.system.QueryRow(ctx, claimCheck, scan, lease.Microseconds()).Scan(
		&c.AccountID, &c.DocumentID, &c.VersionID, &c.Attempt, &c.Scan, &c.ContentType, &c.ObjectKey, &c.SizeBytes, &crc)
	c.CRC32C = uint32(crc)
	if missing(err) {
		return document.Check{}, false, nil
	}
	return c, err == nil, translate("store.ClaimCheck", err)
}

const extendCheck = `
UPDATE document_version SET check_at = now() + $4 * interval '1 microsecond'
WHERE account_id = $1 AND id = $2 AND check_attempts = $3 AND (state = 'STORED' OR preview_state = 'PENDING')`

// ExtendCheck implements document.CheckStore.
func (s checker) ExtendCheck(ctx context.Context, c document.Check, lease time.Duration) error {
	n, err := s.in(c.AccountID).exec(ctx, extendCheck, c.VersionID, c.Attempt, lease.Microseconds())
	if err == nil && n == 0 {
		err = document.ErrCheckLost
	}
	return translate("store.ExtendCheck", err)
}

// finishScan does not ask for the claim: a content never changes, so that every verdict on it is as good as the last one.
const finishScan = `
UPDATE document_version SET state = $3, scanned_at = $4, scan_signature = $5, scan_problem = NULL, check_attempts = 0,
	preview_state = CASE WHEN $3 = 'AVAILABLE' THEN preview_state ELSE 'NONE' END,
	check_at = CASE WHEN $3 = 'AVAILABLE' AND preview_state = 'PENDING' THEN now() END
WHERE account_id = $1 AND id = $2 AND state = 'STORED'`

// FinishScan implements document.CheckStore.
func (s checker) FinishScan(ctx context.Context, c document.Check, v document.Verdict) error {
	return s.inTx(ctx, "store.FinishScan", auth.System(c.AccountID), func(ctx context.Context, t *tx) error {
		d, current, err := t.lockChecked(ctx, c)
		if err != nil {
			return err
		}
		state := document.StateQuarantined
		if v.Clean {
			state = document.StateAvailable
		}
		n, err := t.exec(ctx, finishScan, c.VersionID, state, t.now, null(v.Signature))
		switch {
		case err != nil || n == 0:
			return err
		case !current:
			t.emit(d.EventOf(timeline.DocumentUpdated, []string{document.FieldVersions}))
			return nil
		case v.Clean:
			return t.releaseDocument(ctx, d)
		default:
			return t.quarantineDocument(ctx, d)
		}
	})
}

// lockChecked locks the document of a content that is checked, and says whether the content is the one in force.
func (t *tx) lockChecked(ctx context.Context, c document.Check) (d document.Document, current bool, err error) {
	if d, err = t.lockDocument(ctx, c.DocumentID); err != nil {
		return d, false, goneCheck(err)
	}
	err = t.queryOne(ctx, []any{&current}, `SELECT current_version_id = $3 FROM document WHERE account_id = $1 AND id = $2`, d.ID, c.VersionID)
	return d, current, err
}

// goneCheck: who checks a document that was deleted meanwhile has nothing left to do.
func goneCheck(err error) error {
	if fault.CodeOf(err) == fault.NotFound {
		return document.ErrCheckLost
	}
	return err
}

// quarantineDocument holds a document back for what was found in its content. That it was archived is kept in archived_at.
func (t *tx) quarantineDocument(ctx context.Context, d document.Document) error {
	return t.moveDocument(ctx, d, document.StatusQuarantined, timeline.DocumentQuarantined)
}

// releaseDocument is for a document whose content in force is good. One that was held back for an earlier content becomes
// again what it was.
func (t *tx) releaseDocument(ctx context.Context, d document.Document) error {
	status := d.Status
	if status == document.StatusQuarantined {
		var archived bool
		err := t.queryOne(ctx, []any{&archived}, `SELECT archived_at IS NOT NULL FROM document WHERE account_id = $1 AND id = $2`, d.ID)
		if err != nil {
			return err
		}
		status = document.StatusActive
		if archived {
			status = document.StatusArchived
		}
	}
	return t.moveDocument(ctx, d, status, timeline.DocumentAvailable)
}

// moveDocument gives a document the status that its content in force makes, and tells of the content. Only a new status is
// a change of the document: whoever has just uploaded it goes on with the version that they were given.
func (t *tx) moveDocument(ctx context.Context, d document.Document, status, event string) error {
	fields := []string{document.FieldCurrentVersion}
	if status == d.Status {
		t.emit(d.EventOf(event, fields))
		return nil
	}
	fields = append(fields, document.FieldStatus)
	err := t.one(t.documentUpdate().Where(entdocument.ID(d.ID), entdocument.Version(narrow(d.Version))).
		SetVersion(narrow(d.Version + 1)).SetUpdatedAt(t.now).SetStatus(status).Save(ctx))
	if err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectDocument, d.ID, d.Version+1, []string{document.FieldStatus}); err != nil {
		return err
	}
	t.emit(d.EventOf(event, fields))
	before := d
	d.Status = status
	return t.placeDates(ctx, before, d)
}

// postponeCheck gives the problem before and after it.
const postponeCheck = `
WITH was AS (
	SELECT id, scan_problem FROM document_version WHERE account_id = $1 AND id = $2 FOR NO KEY UPDATE
)
UPDATE document_version v SET check_at = now() + $4 * interval '1 microsecond', scan_problem = coalesce($5, v.scan_problem)
FROM was WHERE v.account_id = $1 AND v.id = was.id AND v.check_attempts = $3 AND (v.state = 'STORED' OR v.preview_state = 'PENDING')
RETURNING v.scan_problem IS DISTINCT FROM was.scan_problem`

// PostponeCheck implements document.CheckStore.
func (s checker) PostponeCheck(ctx context.Context, c document.Check, pause time.Duration, problem document.ScanProblem) error {
	return s.inTx(ctx, "store.PostponeCheck", auth.System(c.AccountID), func(ctx context.Context, t *tx) error {
		d, current, err := t.lockChecked(ctx, c)
		if err != nil {
			return err
		}
		var news bool
		err = t.queryOne(ctx, []any{&news}, postponeCheck, c.VersionID, c.Attempt, pause.Microseconds(), null(string(problem)))
		if missing(err) {
			return document.ErrCheckLost
		}
		if err == nil && news {
			t.emit(d.EventOf(timeline.DocumentUpdated, []string{contentField(current)}))
		}
		return err
	})
}

// contentField is the field of a document that a change of one of its contents shows in.
func contentField(current bool) string {
	if current {
		return document.FieldCurrentVersion
	}
	return document.FieldVersions
}

const beginRenditions = `
INSERT INTO garbage (account_id, id, created_at, object_key, until, next_at)
SELECT $1, gen_random_uuid(), now(), key, now() + $3 * interval '1 microsecond', now() + $4 * interval '1 microsecond' FROM unnest($2::text[]) AS key`

// BeginRenditions implements document.CheckStore.
func (s checker) BeginRenditions(ctx context.Context, c document.Check, keys []string, keep time.Duration) error {
	_, err := s.in(c.AccountID).exec(ctx, beginRenditions, keys, garbageTime.Microseconds(), keep.Microseconds())
	return translate("store.BeginRenditions", err)
}

const finishPreview = `
UPDATE document_version SET preview_state = $3, width = $4, height = $5, check_at = NULL, check_attempts = 0
WHERE account_id = $1 AND id = $2 AND state = 'AVAILABLE' AND preview_state = 'PENDING'`

// takeRenditions makes garbage what it was not to be. The sweeper must not be on its way to it: this transaction ends before
// the time that is left here.
const takeRenditions = `
DELETE FROM garbage WHERE account_id = $1 AND object_key = ANY ($2::text[]) AND next_at > clock_timestamp() + interval '30 seconds'`

const insertRendition = `
INSERT INTO document_rendition (account_id, id, created_at, version_id, variant, content_type, size_bytes, width, height, crc32c, object_key, object_generation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`

// FinishPreview implements document.CheckStore.
func (s checker) FinishPreview(ctx context.Context, c document.Check, p document.Preview) error {
	return s.inTx(ctx, "store.FinishPreview", auth.System(c.AccountID), func(ctx context.Context, t *tx) error {
		d, current, err := t.lockChecked(ctx, c)
		if err != nil {
			return err
		}
		if len(p.Renditions) == 0 {
			_, err := t.exec(ctx, finishPreview, c.VersionID, "IMPOSSIBLE", nil, nil)
			return err
		}
		n, err := t.exec(ctx, finishPreview, c.VersionID, "READY", nullSide(p.Width), nullSide(p.Height))
		if err != nil || n == 0 {
			return err
		}
		t.emit(d.EventOf(timeline.DocumentPreviewReady, []string{contentField(current)}))
		return t.insertRenditions(ctx, c.VersionID, p.Renditions)
	})
}

// nullSide is the side of a picture, null for what is none.
func nullSide(pixels int) *int32 {
	if pixels == 0 {
		return nil
	}
	return narrowed(&pixels)
}

func (t *tx) insertRenditions(ctx context.Context, versionID uuid.UUID, list []document.Rendition) error {
	keys := make([]string, len(list))
	for i, r := range list {
		keys[i] = r.ObjectKey
		_, err := t.exec(ctx, insertRendition, t.newID(), t.now, versionID, r.Variant, r.ContentType, r.SizeBytes,
			narrow(r.Width), narrow(r.Height), int64(r.CRC32C), r.ObjectKey, r.Generation)
		if err != nil {
			return err
		}
	}
	n, err := t.exec(ctx, takeRenditions, keys)
	if err == nil && int(n) != len(keys) {
		err = document.ErrCheckLost // it took so long that the sweeper comes: the next try writes other objects
	}
	return err
}

const findRendition = `
SELECT r.object_key, v.file_name, r.content_type, r.size_bytes
FROM document_rendition r JOIN document_version v ON v.account_id = r.account_id AND v.id = r.version_id
WHERE r.account_id = $1 AND r.version_id = $2 AND r.variant = $3 AND v.state = 'AVAILABLE'`

// Rendition implements document.Store.
func (s documents) Rendition(ctx context.Context, accountID, versionID uuid.UUID, variant string) (document.Download, error) {
	var d document.Download
	err := s.in(accountID).queryOne(ctx, []any{&d.ObjectKey, &d.FileName, &d.ContentType, &d.SizeBytes}, findRendition, versionID, variant)
	if missing(err) {
		err = notFound(nil, "preview")
	}
	return d, translate("store.Rendition", err)
}
