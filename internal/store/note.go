package store

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	entnote "dossier/ent/note"
	"dossier/ent/timelineentry"
	"dossier/internal/auth"
	"dossier/internal/idempotency"
	"dossier/internal/note"
	"dossier/internal/timeline"
)

var _ note.Store = (*Store)(nil)

// NoteCreate implements note.Store.
func (s *Store) NoteCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, n note.Note, path []string) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.NoteCreate", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) { return n.ID, t.insertNote(ctx, n, path) })
		return err
	})
	return id, err
}

func (t *tx) insertNote(ctx context.Context, n note.Note, path []string) error {
	if err := t.adds(ctx, n.CustomerID, path); err != nil {
		return err
	}
	kind, actorID := t.actor()
	err := t.noteCreate().SetID(n.ID).SetCreatedAt(t.now).SetUpdatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetCustomerID(n.CustomerID).SetBody(n.Body).SetPinned(n.Pinned).Exec(ctx)
	if err != nil {
		return err
	}
	if err := t.addLines(ctx, n.Line(t.now)); err != nil {
		return err
	}
	t.emit(n.EventOf(timeline.NoteCreated, nil))
	return t.revise(ctx, timeline.SubjectNote, n.ID, 1, nil)
}

// NoteChange implements note.Store.
func (s *Store) NoteChange(
	ctx context.Context, p auth.Principal, id uuid.UUID, path []string, decide func(note.Note, note.Conflict) (note.Change, error),
) error {
	return s.inTx(ctx, "store.NoteChange", p, func(ctx context.Context, t *tx) error {
		n, err := t.lockNote(ctx, id, path)
		if err != nil {
			return err
		}
		ch, err := decide(n, func(expected int, fields []string) error {
			return t.conflict(ctx, timeline.SubjectNote, id, n.Version, expected, fields)
		})
		switch {
		case err != nil:
			return err
		case ch.Remove:
			return t.deleteNote(ctx, n)
		case len(ch.Fields) > 0:
			return t.updateNote(ctx, n.Version+1, ch)
		default:
			return nil
		}
	})
}

func (t *tx) lockNote(ctx context.Context, id uuid.UUID, path []string) (note.Note, error) {
	q := t.notes().Where(entnote.ID(id))
	q.Modify(func(s *sql.Selector) { s.For(sql.LockNoKeyUpdate) })
	row, err := q.Only(ctx)
	if missing(err) {
		return note.Note{}, notFound(path, "note")
	}
	if err != nil {
		return note.Note{}, err
	}
	return note.Note{ID: row.ID, Version: int(row.Version), CustomerID: row.CustomerID, Body: row.Body, Pinned: row.Pinned}, nil
}

func (t *tx) updateNote(ctx context.Context, version int, ch note.Change) error {
	n := ch.Note
	u := t.noteUpdate().Where(entnote.ID(n.ID)).SetVersion(narrow(version)).SetUpdatedAt(t.now).SetBody(n.Body).SetPinned(n.Pinned)
	if ch.Edited {
		kind, actorID := t.actor()
		u.SetEditedAt(t.now).SetNillableEditedByKind(kind).SetNillableEditedByID(actorID)
		if kind == nil {
			u.ClearEditedByKind().ClearEditedByID()
		}
	}
	if err := t.one(u.Save(ctx)); err != nil {
		return err
	}
	t.emit(n.EventOf(timeline.NoteUpdated, ch.Fields))
	return t.revise(ctx, timeline.SubjectNote, n.ID, version, ch.Fields)
}

// deleteNote deletes the text and the line that leads to it. The event and the revision hold no text.
func (t *tx) deleteNote(ctx context.Context, n note.Note) error {
	if _, err := t.entryDelete().Where(timelineentry.SubjectID(n.ID), timelineentry.Kind(timeline.KindNote)).Exec(ctx); err != nil {
		return err
	}
	if err := t.one(t.noteDelete().Where(entnote.ID(n.ID)).Exec(ctx)); err != nil {
		return err
	}
	t.emit(n.EventOf(timeline.NoteDeleted, nil))
	return t.revise(ctx, timeline.SubjectNote, n.ID, n.Version+1, nil)
}
