package store

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	entdocument "dossier/ent/document"
	"dossier/ent/documentversion"
	"dossier/ent/revision"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/timeline"
)

// DeleteDocument implements document.Store.
func (s documents) DeleteDocument(
	ctx context.Context, p auth.Principal, id uuid.UUID, decide func(document.Document, document.Conflict) error,
) error {
	return s.inTx(ctx, "store.DeleteDocument", p, func(ctx context.Context, t *tx) error {
		// Whoever completes an upload of a new content locks its row before the document, so this does.
		if _, err := t.exec(ctx, lockContents, id); err != nil {
			return err
		}
		q := t.documents().Where(entdocument.ID(id))
		q.Modify(func(s *sql.Selector) { s.ForUpdate() }) // no upload of a new content begins any more
		row, err := q.Only(ctx)
		if missing(err) {
			return t.wasDocument(ctx, id)
		}
		if err != nil {
			return err
		}
		d := documentOf(row)
		err = decide(d, func(expected int, fields []string) error {
			return t.conflict(ctx, timeline.SubjectDocument, id, d.Version, expected, fields)
		})
		if err != nil {
			return err
		}
		return t.deleteDocument(ctx, d)
	})
}

// wasDocument is nil for the id of a document that was deleted: its revisions stay.
func (t *tx) wasDocument(ctx context.Context, id uuid.UUID) error {
	was, err := t.revisions().Where(revision.SubjectType(string(timeline.SubjectDocument)), revision.SubjectID(id)).Exist(ctx)
	if err == nil && !was {
		err = notFound([]string{"id"}, "document")
	}
	return err
}

// deleteDocument deletes a document that is locked for it. Its lines on the past timeline stay, and lead nowhere.
func (t *tx) deleteDocument(ctx context.Context, d document.Document) error {
	for _, kind := range []string{timeline.KindDocumentExpires, timeline.KindDocumentRetentionEnds} {
		if err := t.placeDate(ctx, d.ID, kind, nil); err != nil {
			return err
		}
	}
	reserved, err := t.failContents(ctx, d.ID)
	if err != nil {
		return err
	}
	used, err := t.releaseContents(ctx, d.ID)
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, `DELETE FROM document WHERE account_id = $1 AND id = $2`, d.ID)
	if err := t.one(int(n), err); err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectDocument, d.ID, d.Version+1, nil); err != nil {
		return err
	}
	if err := t.addLines(ctx, d.DeletedLine()); err != nil {
		return err
	}
	t.emit(d.EventOf(timeline.DocumentDeleted, nil))
	return t.settle(ctx, reserved, -used)
}

const (
	lockContents = `SELECT FROM upload WHERE account_id = $1 AND document_id = $2 AND state = 'PENDING' ORDER BY id FOR UPDATE`

	// failContents ends the uploads of new contents: what is left of them is garbage.
	failContents = `
WITH held AS MATERIALIZED (
	SELECT id, object_key, reserved_bytes FROM upload WHERE account_id = $1 AND document_id = $2 AND state = 'PENDING' FOR UPDATE
), failed AS (
	UPDATE upload u SET state = 'FAILED', reserved_bytes = 0, updated_at = now() FROM held WHERE u.account_id = $1 AND u.id = held.id
), thrown AS (
	INSERT INTO garbage (account_id, id, created_at, object_key, until, next_at)
	SELECT $1, gen_random_uuid(), now(), object_key, now() + $3 * interval '1 microsecond', now() FROM held
	ON CONFLICT (object_key) DO NOTHING
)
SELECT coalesce(sum(reserved_bytes), 0)::bigint FROM held`

	forgetContents = `UPDATE upload SET document_id = NULL WHERE account_id = $1 AND document_id = $2`
)

// failContents ends what is on its way into a document, and makes uploads that have ended forget it. It gives what was reserved.
func (t *tx) failContents(ctx context.Context, documentID uuid.UUID) (reserved int64, err error) {
	if err := t.queryOne(ctx, []any{&reserved}, failContents, documentID, garbageTime.Microseconds()); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, forgetContents, documentID)
	return reserved, err
}

// releaseContents deletes all contents of a document; their objects are put away. It gives how many bytes they had used.
func (t *tx) releaseContents(ctx context.Context, documentID uuid.UUID) (used int64, err error) {
	ids, err := t.documentVersions().Where(documentversion.DocumentID(documentID)).IDs(ctx)
	if err != nil {
		return 0, err
	}
	if used, err = t.releaseVersions(ctx, ids...); err != nil {
		return 0, err
	}
	_, err = t.exec(ctx, `DELETE FROM document_version WHERE account_id = $1 AND document_id = $2`, documentID)
	return used, err
}
