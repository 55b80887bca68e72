package store

import (
	"context"

	"dossier/ent"
	"dossier/internal/timeline"
)

// addLines writes lines on the timeline of a customer. A line without a time gets that of the transaction.
func (t *tx) addLines(ctx context.Context, lines ...timeline.Line) error {
	if len(lines) == 0 {
		return nil
	}
	kind, actorID := t.actor()
	rows := make([]*ent.TimelineEntryCreate, len(lines))
	for i, l := range lines {
		at := l.At
		if at.IsZero() {
			at = t.now
		}
		rows[i] = t.entryCreate().SetID(t.newID()).SetCreatedAt(t.now).SetUpdatedAt(t.now).
			SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
			SetCustomerID(l.CustomerID).SetAt(at).SetKind(l.Kind).SetTitle(l.Title)
		if l.Subject != "" {
			rows[i].SetSubjectType(string(l.Subject)).SetNillableSubjectID(l.SubjectID)
		}
	}
	return t.entryCreateBulk(rows...).Exec(ctx)
}
