package store

import (
	"context"

	"entgo.io/ent/dialect/sql"
	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/timelineentry"
	"dossier/internal/auth"
	"dossier/internal/idempotency"
	"dossier/internal/timeline"
)

// EntryCreate implements timeline.Store.
func (s *Store) EntryCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, e timeline.Entry, path []string) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.EntryCreate", p, func(ctx context.Context, t *tx) error {
		id, err = t.idempotent(ctx, key, func() (uuid.UUID, error) { return e.ID, t.insertEntry(ctx, e, path) })
		return err
	})
	return id, err
}

func (t *tx) insertEntry(ctx context.Context, e timeline.Entry, path []string) error {
	if err := t.adds(ctx, e.CustomerID, path); err != nil {
		return err
	}
	kind, actorID := t.actor()
	err := t.entryCreate().SetID(e.ID).SetCreatedAt(t.now).SetUpdatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetCustomerID(e.CustomerID).SetAt(e.At).SetKind(e.Kind).SetTitle(e.Title).Exec(ctx)
	if err != nil {
		return err
	}
	t.emit(entryEvent(timeline.EntryCreated, e, nil))
	return t.revise(ctx, timeline.SubjectEntry, e.ID, 1, nil)
}

// EntryChange implements timeline.Store.
func (s *Store) EntryChange(
	ctx context.Context, p auth.Principal, id uuid.UUID, path []string,
	decide func(timeline.Entry, timeline.Conflict) (timeline.Decision, error),
) error {
	return s.inTx(ctx, "store.EntryChange", p, func(ctx context.Context, t *tx) error {
		e, err := t.lockEntry(ctx, id, path)
		if err != nil {
			return err
		}
		d, err := decide(e, func(expected int, fields []string) error {
			return t.conflict(ctx, timeline.SubjectEntry, id, e.Version, expected, fields)
		})
		switch {
		case err != nil:
			return err
		case d.Remove:
			return t.deleteEntry(ctx, e)
		case len(d.Fields) > 0:
			return t.updateEntry(ctx, e.Version+1, d)
		default:
			return nil
		}
	})
}

func (t *tx) lockEntry(ctx context.Context, id uuid.UUID, path []string) (timeline.Entry, error) {
	q := t.entries().Where(timelineentry.ID(id))
	q.Modify(func(s *sql.Selector) { s.For(sql.LockNoKeyUpdate) })
	row, err := q.Only(ctx)
	if missing(err) {
		return timeline.Entry{}, notFound(path, "timeline entry")
	}
	if err != nil {
		return timeline.Entry{}, err
	}
	return entryOf(row), nil
}

func entryOf(r *ent.TimelineEntry) timeline.Entry {
	return timeline.Entry{ID: r.ID, Version: int(r.Version), CustomerID: r.CustomerID, At: r.At.UTC(), Kind: r.Kind, Title: r.Title}
}

func (t *tx) updateEntry(ctx context.Context, version int, d timeline.Decision) error {
	e := d.Entry
	err := t.entryUpdate().Where(timelineentry.ID(e.ID)).SetVersion(narrow(version)).SetUpdatedAt(t.now).
		SetAt(e.At).SetKind(e.Kind).SetTitle(e.Title).Exec(ctx)
	if err != nil {
		return err
	}
	t.emit(entryEvent(timeline.EntryUpdated, e, d.Fields))
	return t.revise(ctx, timeline.SubjectEntry, e.ID, version, d.Fields)
}

func (t *tx) deleteEntry(ctx context.Context, e timeline.Entry) error {
	if _, err := t.entryDelete().Where(timelineentry.ID(e.ID)).Exec(ctx); err != nil {
		return err
	}
	t.emit(entryEvent(timeline.EntryDeleted, e, nil))
	return t.revise(ctx, timeline.SubjectEntry, e.ID, e.Version+1, nil)
}

func entryEvent(eventType string, e timeline.Entry, fields []string) timeline.Event {
	return timeline.Event{Type: eventType, CustomerID: &e.CustomerID, Subject: timeline.SubjectEntry, SubjectID: e.ID, ChangedFields: fields}
}
