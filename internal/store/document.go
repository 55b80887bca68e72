package store

import (
	"context"
	"slices"
	"time"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"dossier/ent"
	entdocument "dossier/ent/document"
	"dossier/ent/documentversion"
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
		Details: document.Details{
			AreaID: derefID(r.AreaID), Description: deref(r.Description), Purpose: deref(r.Purpose), Visibility: r.Visibility, Tags: r.Tags,
			RetentionUntil: r.RetentionUntil,
		},
	}
}

// changeDocument stores a change of a document that lockDocument locked.
func (t *tx) changeDocument(ctx context.Context, before document.Document, ch document.Change) error {
	d, version := ch.Document, before.Version+1
	u := t.documentUpdate().Where(entdocument.ID(d.ID), entdocument.Version(narrow(before.Version))).
		SetVersion(narrow(version)).SetUpdatedAt(t.now)
	if err := t.fillDocument(ctx, u.Mutation(), before, ch); err != nil {
		return err
	}
	if err := t.one(u.Save(ctx)); err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectDocument, d.ID, version, ch.Fields); err != nil {
		return err
	}
	if err := t.placeDates(ctx, before, d); err != nil {
		return err
	}
	if ch.From != uuid.Nil {
		if err := t.giveDocument(ctx, d, ch); err != nil {
			return err
		}
	}
	t.emit(d.EventOf(ch.Event, ch.Fields))
	return nil
}

// giveDocument gives a document to another customer. Who follows the former one is told too, and first: there it is gone.
func (t *tx) giveDocument(ctx context.Context, d document.Document, ch document.Change) error {
	n, err := t.exec(ctx, `UPDATE document SET customer_id = $3 WHERE account_id = $1 AND id = $2`, d.ID, d.CustomerID)
	if err := t.one(int(n), err); err != nil {
		return err
	}
	gone := d
	gone.CustomerID = ch.From
	t.emit(gone.EventOf(ch.Event, ch.Fields))
	return t.addLines(ctx, d.MovedLines(ch.From)...)
}

// one holds that an update touched the one row that was locked for it.
func (t *tx) one(n int, err error) error {
	if err == nil && n != 1 {
		return errLostLock
	}
	return err
}

// insertDocument stores a new document with its first version, the revision and the lines on the timeline. The version's
// bytes are durable: it is AVAILABLE at once, or STORED until a scanner has passed it; see contentState. Its object is that of
// a blob where equal bytes are there already.
var insertDocument = sharing(placeholders{now: "$2", id: "$34", sha256: "$15", size: "$14", crc32c: "$16", key: "$17", generation: "$18"}) + `, made AS (
	INSERT INTO document (account_id, created_at, updated_at, created_by_kind, created_by_id,
		id, customer_id, status, source, title, expires_on, current_version_id,
		area_id, description, purpose, visibility, tags, retention_until, search_key)
	VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, $10::date, $11, $24, $25, $26, $27, $28::jsonb, $29::date, $30)
), content AS (
	INSERT INTO document_version (account_id, created_at, created_by_kind, created_by_id,
		id, document_id, number, file_name, content_type, size_bytes, sha256, crc32c, object_key, object_generation, blob_id,
		state, preview_state, check_at)
	SELECT $1, $2, $3, $4, $11, $5, 1, $12, $13, $14, $15, $16,
		coalesce(shared.object_key, $17), coalesce(shared.object_generation, $18), shared.id, $31, $32, CASE WHEN $33 THEN now() END
	FROM (VALUES (1)) AS one LEFT JOIN shared ON true
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
	for _, date := range []*timeline.Line{d.ExpiryLine(), d.RetentionLine()} {
		if date != nil {
			lines = append(lines, *date)
		}
	}
	n := len(lines)
	ids, ats, kinds, titles := make([]pgtype.UUID, n), make([]time.Time, n), make([]string, n), make([]string, n)
	for i, l := range lines {
		ids[i], ats[i], kinds[i], titles[i] = idArg(t.newID()), l.At, l.Kind, l.Title
	}
	t.emit(d.EventOf(timeline.DocumentCreated, nil))
	state, preview, due := contentState(c)
	return []any{
		t.now, kind, optionalID(actorID),
		idArg(d.ID), idArg(d.CustomerID), d.Status, source, d.Title, d.ExpiresOn, idArg(c.VersionID),
		a.FileName, c.ContentType, c.SizeBytes, c.SHA256[:], int64(c.CRC32C), a.ObjectKey, c.Generation,
		idArg(t.newID()), ids, ats, kinds, titles,
		optionalID(nullID(d.AreaID)), null(d.Description), null(d.Purpose), d.Visibility, tagList(d.Tags), d.RetentionUntil,
		document.SearchKey(d.Title, d.Description, a.FileName), state, preview, due, idArg(t.newID()),
	}
}

// replaceContent gives a document a further version.
func (t *tx) replaceContent(ctx context.Context, a document.Attempt, c document.Content) error {
	d, err := t.lockDocument(ctx, a.DocumentID)
	if err != nil {
		return err
	}
	fields := append(a.Patch.Fields(), document.FieldCurrentVersion)
	if err := t.conflict(ctx, timeline.SubjectDocument, d.ID, d.Version, a.ExpectedVersion, fields); err != nil {
		return err
	}
	ch := a.Patch.Apply(d)
	ch.Fields = append(ch.Fields, document.FieldCurrentVersion)
	slices.Sort(ch.Fields)
	next := ch.Document
	last, err := t.documentVersions().Where(documentversion.DocumentID(d.ID)).Aggregate(ent.Max(documentversion.FieldNumber)).Int(ctx)
	if err != nil {
		return err
	}
	if err := t.insertVersion(ctx, last+1, a, c); err != nil {
		return err
	}
	u := t.documentUpdate().Where(entdocument.ID(d.ID), entdocument.Version(narrow(d.Version))).
		SetVersion(narrow(d.Version + 1)).SetUpdatedAt(t.now).SetCurrentVersionID(c.VersionID)
	setDetails(u.Mutation(), d, next)
	u.SetSearchKey(document.SearchKey(next.Title, next.Description, a.FileName))
	if err := t.one(u.Save(ctx)); err != nil {
		return err
	}
	if err := t.revise(ctx, timeline.SubjectDocument, d.ID, d.Version+1, ch.Fields); err != nil {
		return err
	}
	if err := t.placeDates(ctx, d, next); err != nil {
		return err
	}
	t.emit(next.EventOf(timeline.DocumentReplaced, ch.Fields))
	if d.Status == document.StatusQuarantined && !c.Hold {
		healed := next
		healed.Version = d.Version + 1
		if err := t.releaseDocument(ctx, healed); err != nil {
			return err
		}
	}
	return t.addLines(ctx, next.ReplacedLine())
}

// insertVersion stores a content whose bytes are durable.
func (t *tx) insertVersion(ctx context.Context, number int, a document.Attempt, c document.Content) error {
	o, err := t.share(ctx, a, c)
	if err != nil {
		return err
	}
	kind, actorID := t.actor()
	state, preview, due := contentState(c)
	create := t.documentVersionCreate().SetID(c.VersionID).SetCreatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetDocumentID(c.DocumentID).SetNumber(narrow(number)).SetFileName(a.FileName).SetContentType(c.ContentType).
		SetSizeBytes(c.SizeBytes).SetSha256(c.SHA256[:]).SetCrc32c(int64(c.CRC32C)).
		SetObjectKey(o.key).SetObjectGeneration(o.generation).SetNillableBlobID(o.blob).SetState(state).SetPreviewState(preview)
	if due {
		create.SetCheckAt(t.now)
	}
	return create.Exec(ctx)
}

// contentState is what a new content begins as, and whether something is to be done with it: see store/check.go.
func contentState(c document.Content) (state, preview string, due bool) {
	state, preview = document.StateAvailable, "NONE"
	if c.Hold {
		state = document.StateStored
	}
	if c.Preview {
		preview = "PENDING"
	}
	return state, preview, c.Hold || c.Preview
}

// newDocument is the document that an upload makes.
func newDocument(a document.Attempt, c document.Content) document.Document {
	return document.Document{
		ID: c.DocumentID, CustomerID: a.CustomerID, Version: 1, Status: document.StatusActive, Title: a.Title, ExpiresOn: dateOf(a.ExpiresOn),
		Details: detailsOf(a),
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
