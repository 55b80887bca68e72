package store

import (
	"context"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"dossier/ent"
	entdocument "dossier/ent/document"
	"dossier/ent/documentversion"
	"dossier/ent/timelineentry"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/timeline"
)

// documents is the Store as package document sees it.
type documents struct{ *Store }

var _ document.Store = documents{}

// Documents gives the Store as package document sees it.
func (s *Store) Documents() document.Store { return documents{s} }

// ChangeDocument implements document.Store.
func (s documents) ChangeDocument(
	ctx context.Context, p auth.Principal, id uuid.UUID, decide func(document.Document, document.Conflict) (document.Change, error),
) error {
	return s.inTx(ctx, "store.ChangeDocument", p, func(ctx context.Context, t *tx) error {
		d, err := t.lockDocument(ctx, id)
		if err != nil {
			return err
		}
		ch, err := decide(d, func(expected int, fields []string) error {
			return t.conflict(ctx, timeline.SubjectDocument, id, d.Version, expected, fields)
		})
		if err != nil || len(ch.Fields) == 0 {
			return err
		}
		return t.changeDocument(ctx, d, ch)
	})
}

// lockDocument reads a document, locked against other changes until the end of the transaction.
func (t *tx) lockDocument(ctx context.Context, id uuid.UUID) (document.Document, error) {
	q := t.documents().Where(entdocument.ID(id))
	q.Modify(func(s *sql.Selector) { s.For(sql.LockNoKeyUpdate) })
	row, err := q.Only(ctx)
	if missing(err) {
		return document.Document{}, notFound([]string{"id"}, "document")
	}
	if err != nil {
		return document.Document{}, err
	}
	return documentOf(row), nil
}

func documentOf(r *ent.Document) document.Document {
	return document.Document{
		ID: r.ID, CustomerID: r.CustomerID, Version: int(r.Version), Status: r.Status, Title: r.Title, ExpiresOn: r.ExpiresOn,
	}
}

// changeDocument stores a change of a document that lockDocument locked.
func (t *tx) changeDocument(ctx context.Context, before document.Document, ch document.Change) error {
	d, version := ch.Document, before.Version+1
	u := t.documentUpdate().Where(entdocument.ID(d.ID), entdocument.Version(narrow(before.Version))).
		SetVersion(narrow(version)).SetUpdatedAt(t.now).SetStatus(d.Status).SetTitle(d.Title)
	if d.ExpiresOn != nil {
		u.SetExpiresOn(*d.ExpiresOn)
	} else {
		u.ClearExpiresOn()
	}
	switch {
	case d.Status == before.Status:
	case d.Status == document.StatusArchived:
		u.SetArchivedAt(t.now)
	default:
		u.ClearArchivedAt()
	}
	if err := t.one(u.Save(ctx)); err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectDocument, d.ID, version, ch.Fields); err != nil {
		return err
	}
	if err := t.moveExpiry(ctx, d); err != nil {
		return err
	}
	t.emit(d.EventOf(ch.Event, ch.Fields))
	return nil
}

// one holds that an update touched the one row that was locked for it.
func (t *tx) one(n int, err error) error {
	if err == nil && n != 1 {
		return errLostLock
	}
	return err
}

// moveExpiry makes the document's entry on the coming timeline what it must be.
func (t *tx) moveExpiry(ctx context.Context, d document.Document) error {
	line := d.ExpiryLine()
	if line == nil {
		_, err := t.entryDelete().Where(timelineentry.SubjectID(d.ID), timelineentry.Kind(timeline.KindDocumentExpires)).Exec(ctx)
		return err
	}
	n, err := t.entryUpdate().Where(timelineentry.SubjectID(d.ID), timelineentry.Kind(timeline.KindDocumentExpires)).
		SetAt(line.At).SetTitle(line.Title).AddVersion(1).SetUpdatedAt(t.now).Save(ctx)
	if err != nil || n > 0 {
		return err
	}
	return t.addLines(ctx, *line)
}

// insertDocument stores a new document with its first version, the revision and the lines on the timeline. The version's
// bytes are durable and their checks have passed, so it is AVAILABLE at once; see versionPassed.
const insertDocument = `
WITH made AS (
	INSERT INTO document (account_id, created_at, updated_at, created_by_kind, created_by_id,
		id, customer_id, status, source, title, expires_on, current_version_id)
	VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10::date, $11)
), content AS (
	INSERT INTO document_version (account_id, created_at, created_by_kind, created_by_id,
		id, document_id, number, file_name, content_type, size_bytes, sha256, crc32c, object_key, object_generation, state)
	VALUES ($1, $2, $3, $4, $11, $5, 1, $12, $13, $14, $15, $16, $17, $18, 'AVAILABLE')
), revised AS (
	INSERT INTO revision (account_id, created_at, created_by_kind, created_by_id, id, subject_type, subject_id, version, fields)
	VALUES ($1, $2, $3, $4, $19, 'Document', $5, 1, '[]')
)
INSERT INTO timeline_entry (account_id, created_at, updated_at, created_by_kind, created_by_id, customer_id, subject_type, subject_id,
	id, at, kind, title)
SELECT $1, $2, $2, $3, $4, $6, 'Document', $5, line.id, line.at, line.kind, line.title
FROM unnest($20::uuid[], $21::timestamptz[], $22::text[], $23::text[]) AS line(id, at, kind, title)`

// documentArgs gives the arguments of insertDocument and emits its event.
func (t *tx) documentArgs(d document.Document, a document.Attempt, c document.Content) []any {
	kind, actorID := t.actor()
	source := "STAFF"
	if t.by.Kind == auth.KindSystem {
		source = "SYSTEM"
	}
	lines := []timeline.Line{d.AddedLine()}
	lines[0].At = t.now
	if expiry := d.ExpiryLine(); expiry != nil {
		lines = append(lines, *expiry)
	}
	n := len(lines)
	ids, ats, kinds, titles := make([]pgtype.UUID, n), make([]time.Time, n), make([]string, n), make([]string, n)
	for i, l := range lines {
		ids[i], ats[i], kinds[i], titles[i] = idArg(t.newID()), l.At, l.Kind, l.Title
	}
	t.emit(d.EventOf(timeline.DocumentCreated, nil))
	return []any{
		t.now, kind, optionalID(actorID),
		idArg(d.ID), idArg(d.CustomerID), d.Status, source, d.Title, d.ExpiresOn, idArg(c.VersionID),
		a.FileName, c.ContentType, c.SizeBytes, c.SHA256[:], int64(c.CRC32C), a.ObjectKey, c.Generation,
		idArg(t.newID()), ids, ats, kinds, titles,
	}
}

// replaceContent gives a document a further version.
func (t *tx) replaceContent(ctx context.Context, a document.Attempt, c document.Content) error {
	d, err := t.lockDocument(ctx, a.DocumentID)
	if err != nil {
		return err
	}
	fields := []string{document.FieldCurrentVersion}
	if err := t.conflict(ctx, timeline.SubjectDocument, d.ID, d.Version, a.ExpectedVersion, fields); err != nil {
		return err
	}
	last, err := t.documentVersions().Where(documentversion.DocumentID(d.ID)).Aggregate(ent.Max(documentversion.FieldNumber)).Int(ctx)
	if err != nil {
		return err
	}
	if err := t.insertVersion(ctx, last+1, a, c); err != nil {
		return err
	}
	err = t.one(t.documentUpdate().Where(entdocument.ID(d.ID), entdocument.Version(narrow(d.Version))).
		SetVersion(narrow(d.Version + 1)).SetUpdatedAt(t.now).SetCurrentVersionID(c.VersionID).Save(ctx))
	if err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectDocument, d.ID, d.Version+1, fields); err != nil {
		return err
	}
	t.emit(d.EventOf(timeline.DocumentReplaced, fields))
	return t.addLines(ctx, d.ReplacedLine())
}

// insertVersion stores a content whose bytes are durable: STORED, and AVAILABLE as soon as its checks have passed.
func (t *tx) insertVersion(ctx context.Context, number int, a document.Attempt, c document.Content) error {
	kind, actorID := t.actor()
	err := t.documentVersionCreate().SetID(c.VersionID).SetCreatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetDocumentID(c.DocumentID).SetNumber(narrow(number)).SetFileName(a.FileName).SetContentType(c.ContentType).
		SetSizeBytes(c.SizeBytes).SetSha256(c.SHA256[:]).SetCrc32c(int64(c.CRC32C)).
		SetObjectKey(a.ObjectKey).SetObjectGeneration(c.Generation).SetState(document.StateStored).Exec(ctx)
	if err != nil {
		return err
	}
	return t.versionPassed(ctx, c.VersionID)
}

// versionPassed makes a STORED content AVAILABLE. There is no scanner yet, so nothing stands between the two; one that
// comes calls this in a transaction of its own.
func (t *tx) versionPassed(ctx context.Context, versionID uuid.UUID) error {
	return t.one(t.documentVersionUpdate().Where(documentversion.ID(versionID), documentversion.State(document.StateStored)).
		SetState(document.StateAvailable).Save(ctx))
}

// newDocument is the document that an upload makes.
func newDocument(a document.Attempt, c document.Content) document.Document {
	return document.Document{
		ID: c.DocumentID, CustomerID: a.CustomerID, Version: 1, Status: document.StatusActive, Title: a.Title, ExpiresOn: dateOf(a.ExpiresOn),
	}
}

// dateOf drops the time of day.
func dateOf(at *time.Time) *time.Time {
	if at == nil {
		return nil
	}
	y, m, d := at.Date()
	date := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return &date
}
