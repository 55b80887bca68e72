package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func (r *Resolver) notePayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "NotePayload", map[string]any{"note": read.Ref{Type: "Note", ID: id}}, err)
}

// NoteCreate writes a note.
func (r mutationResolver) NoteCreate(
	ctx context.Context, customerID string, input model.NoteCreateInput, idempotencyKey *string,
) (*read.Object, error) {
	u, err := parseID(typeid.Customer, customerID, "customerId")
	if err != nil {
		return r.notePayload(ctx, uuid.Nil, err)
	}
	id, err := r.Notes.Create(ctx, viewer(ctx), u, noteDraft(input), idempotencyKey)
	return r.notePayload(ctx, id, err)
}

// NoteUpdate changes a note.
func (r mutationResolver) NoteUpdate(ctx context.Context, id string, expectedVersion int, input model.NoteUpdateInput) (*read.Object, error) {
	u, err := parseID(typeid.Note, id, "id")
	if err == nil {
		err = r.Notes.Update(ctx, viewer(ctx), u, expectedVersion, notePatch(input))
	}
	return r.notePayload(ctx, u, err)
}

// NoteDelete deletes a note.
func (r mutationResolver) NoteDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Note, id, "id")
	if err == nil {
		err = r.Notes.Delete(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.payload(ctx, "NoteDeletePayload", map[string]any{"deletedId": id}, err)
}
