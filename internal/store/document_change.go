package store

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"dossier/ent"
	entdocument "dossier/ent/document"
	"dossier/ent/timelineentry"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// PlaceDocument implements document.Store.
func (s documents) PlaceDocument(
	ctx context.Context, p auth.Principal, id uuid.UUID, to document.Destination,
	decide func(document.Document, document.Place, document.Conflict) (document.Change, error),
) error {
	return s.inTx(ctx, "store.PlaceDocument", p, func(ctx context.Context, t *tx) error {
		for range maxAttempts {
			d, at, ok, err := t.lockPlaced(ctx, id, to)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			ch, err := decide(d, at, func(expected int, fields []string) error {
				return t.conflict(ctx, timeline.SubjectDocument, id, d.Version, expected, fields)
			})
			if err != nil || len(ch.Fields) == 0 {
				return err
			}
			return t.changeDocument(ctx, d, ch)
		}
		return errLostLock
	})
}

// lockPlaced locks the customers of a move, then the place in the area, then the document: in the order in which uploads do. It is
// false when the document was moved before the locks were there.
func (t *tx) lockPlaced(ctx context.Context, id uuid.UUID, to document.Destination) (d document.Document, at document.Place, ok bool, err error) {
	row, err := t.documents().Where(entdocument.ID(id)).Only(ctx)
	if missing(err) {
		return d, at, false, notFound([]string{"id"}, "document")
	}
	if err != nil {
		return d, at, false, err
	}
	seen := documentOf(row)
	at.CustomerID = seen.CustomerID
	if to.CustomerID != nil {
		at.CustomerID = *to.CustomerID
	}
	if ok, err := t.addsTo(ctx, seen.CustomerID, at.CustomerID); err != nil || !ok {
		return d, at, false, err
	}
	if at.Area, err = t.placeOf(ctx, seen, at.CustomerID, to); err != nil {
		return d, at, false, err
	}
	if at.Area.MaxFiles > 0 {
		if at.Filed, err = t.filed(ctx, at.CustomerID, at.Area.ID, id); err != nil {
			return d, at, false, err
		}
	}
	if d, err = t.lockDocument(ctx, id); err != nil {
		return d, at, false, err
	}
	if d.CustomerID != seen.CustomerID || d.AreaID != seen.AreaID {
		return d, at, false, nil
	}
	err = t.queryOne(ctx, []any{&at.ContentType, &at.SizeBytes}, contentInForce, id)
	return d, at, true, err
}

// addsTo is adds for the customer that a document is of and the one that it goes to, the lower id first: a merge of the two locks
// them in the same order. It is false when the former one was merged meanwhile, and the document went with it.
func (t *tx) addsTo(ctx context.Context, from, to uuid.UUID) (bool, error) {
	customers := []uuid.UUID{from, to}
	slices.SortFunc(customers, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	for _, c := range slices.Compact(customers) {
		err := t.adds(ctx, c, []string{"customerId"})
		if c == from && fault.CodeOf(err) == fault.Conflict {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// findPlace finds an area by its key or its id, for a customer.
var findPlace = `
SELECT ` + areaColumns("c.type_id") + `
FROM account a JOIN customer c ON c.account_id = a.id AND c.id = $2
	LEFT JOIN attribute_definition d ON d.account_id = a.id AND d.type = 'FILE' AND (d.key = $3 OR d.id = $4)
WHERE a.id = $1`

func (t *tx) placeOf(ctx context.Context, d document.Document, customerID uuid.UUID, to document.Destination) (document.Area, error) {
	at := areaName{key: to.AreaKey, id: d.AreaID}
	if at.key != nil {
		at.id = uuid.Nil
	}
	var row areaRow
	if err := t.queryOne(ctx, row.dest(), findPlace, customerID, at.key, nullID(at.id)); err != nil {
		return document.Area{}, err
	}
	return row.at(at)
}

const contentInForce = `
SELECT v.content_type, v.size_bytes FROM document d
JOIN document_version v ON v.account_id = d.account_id AND v.id = d.current_version_id
WHERE d.account_id = $1 AND d.id = $2`

// fillDocument sets what differs from the document that was locked.
func (t *tx) fillDocument(ctx context.Context, m *ent.DocumentMutation, before document.Document, ch document.Change) error {
	d := ch.Document
	m.SetStatus(d.Status)
	setDetails(m, before, d)
	switch {
	case d.Status == before.Status:
	case d.Status == document.StatusArchived:
		m.SetArchivedAt(t.now)
	default:
		m.ClearArchivedAt()
	}
	if d.Title == before.Title && d.Description == before.Description {
		return nil
	}
	var fileName string
	if err := t.queryOne(ctx, []any{&fileName}, fileInForce, d.ID); err != nil {
		return err
	}
	m.SetSearchKey(document.SearchKey(d.Title, d.Description, fileName))
	return nil
}

const fileInForce = `
SELECT v.file_name FROM document d
JOIN document_version v ON v.account_id = d.account_id AND v.id = d.current_version_id
WHERE d.account_id = $1 AND d.id = $2`

// setDetails sets what is said about a document. A date that changed has not been told of.
func setDetails(m *ent.DocumentMutation, before, d document.Document) {
	m.SetTitle(d.Title)
	m.SetVisibility(d.Visibility)
	m.SetTags(d.Tags)
	if d.Tags == nil {
		m.SetTags([]string{})
	}
	setNull(d.AreaID, m.SetAreaID, m.ClearAreaID)
	setNull(d.Description, m.SetDescription, m.ClearDescription)
	setNull(d.Purpose, m.SetPurpose, m.ClearPurpose)
	setOrClear(dateOf(d.ExpiresOn), m.SetExpiresOn, m.ClearExpiresOn)
	setOrClear(dateOf(d.RetentionUntil), m.SetRetentionUntil, m.ClearRetentionUntil)
	if !sameDay(before.ExpiresOn, d.ExpiresOn) {
		m.ClearExpiryWarnedAt()
	}
	if !sameDay(before.RetentionUntil, d.RetentionUntil) {
		m.ClearRetentionWarnedAt()
	}
}

func sameDay(a, b *time.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Format(time.DateOnly) == b.Format(time.DateOnly)
}

// placeDates makes the document's entries on the coming timeline what they must be.
func (t *tx) placeDates(ctx context.Context, before, d document.Document) error {
	for _, date := range []struct {
		kind     string
		was, now *timeline.Line
	}{
		{timeline.KindDocumentExpires, before.ExpiryLine(), d.ExpiryLine()},
		{timeline.KindDocumentRetentionEnds, before.RetentionLine(), d.RetentionLine()},
	} {
		if date.was == nil && date.now == nil {
			continue
		}
		if err := t.placeDate(ctx, d.ID, date.kind, date.now); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) placeDate(ctx context.Context, documentID uuid.UUID, kind string, line *timeline.Line) error {
	if line == nil {
		_, err := t.entryDelete().Where(timelineentry.SubjectID(documentID), timelineentry.Kind(kind)).Exec(ctx)
		return err
	}
	n, err := t.exec(ctx, moveDate, documentID, kind, line.CustomerID, line.At, line.Title, t.now)
	if err != nil || n > 0 {
		return err
	}
	return t.addLines(ctx, *line)
}

// moveDate is no update of ent's, for which a line stays with its customer.
const moveDate = `UPDATE timeline_entry SET customer_id = $4, at = $5, title = $6, version = version + 1, updated_at = $7
WHERE account_id = $1 AND subject_id = $2 AND kind = $3`
