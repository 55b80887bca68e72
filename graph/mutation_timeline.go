package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func (r *Resolver) entryPayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "TimelineEntryPayload", map[string]any{"timelineEntry": read.Ref{Type: "TimelineEntry", ID: id}}, err)
}

// TimelineEntryCreate plans or logs something.
func (r mutationResolver) TimelineEntryCreate(
	ctx context.Context, customerID string, input model.TimelineEntryInput, idempotencyKey *string,
) (*read.Object, error) {
	u, err := parseID(typeid.Customer, customerID, "customerId")
	if err != nil {
		return r.entryPayload(ctx, uuid.Nil, err)
	}
	id, err := r.Timeline.EntryCreate(ctx, viewer(ctx), u, entryDraft(input), idempotencyKey)
	return r.entryPayload(ctx, id, err)
}

// TimelineEntryUpdate changes an entry of staff.
func (r mutationResolver) TimelineEntryUpdate(
	ctx context.Context, id string, expectedVersion int, input model.TimelineEntryUpdateInput,
) (*read.Object, error) {
	u, err := parseID(typeid.TimelineEntry, id, "id")
	if err == nil {
		err = r.Timeline.EntryUpdate(ctx, viewer(ctx), u, expectedVersion, entryPatch(input))
	}
	return r.entryPayload(ctx, u, err)
}

// TimelineEntryDelete deletes an entry of staff.
func (r mutationResolver) TimelineEntryDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.TimelineEntry, id, "id")
	if err == nil {
		err = r.Timeline.EntryDelete(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.payload(ctx, "TimelineEntryDeletePayload", map[string]any{"deletedId": id}, err)
}
