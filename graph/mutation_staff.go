package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/account"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func (r *Resolver) staffPayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "StaffUserPayload", map[string]any{"staffUser": read.Ref{Type: "StaffUser", ID: id}}, err)
}

func staffDraft(in model.StaffUserCreateInput) account.StaffDraft {
	return account.StaffDraft{DisplayName: in.DisplayName, Email: in.Email}
}

func staffPatch(in model.StaffUserUpdateInput) account.StaffPatch {
	return account.StaffPatch{DisplayName: field(in.DisplayName), Email: field(in.Email)}
}

// StaffUserCreate makes a colleague known.
func (r mutationResolver) StaffUserCreate(ctx context.Context, input model.StaffUserCreateInput, idempotencyKey *string) (*read.Object, error) {
	id, err := r.Accounts.StaffCreate(ctx, viewer(ctx), staffDraft(input), idempotencyKey)
	return r.staffPayload(ctx, id, err)
}

// StaffUserUpdate changes a colleague who has not signed in.
func (r mutationResolver) StaffUserUpdate(ctx context.Context, id string, expectedVersion int, input model.StaffUserUpdateInput) (*read.Object, error) {
	u, err := parseID(typeid.StaffUser, id, "id")
	if err == nil {
		err = r.Accounts.StaffUpdate(ctx, viewer(ctx), u, expectedVersion, staffPatch(input))
	}
	return r.staffPayload(ctx, u, err)
}

// StaffUserArchive archives a person.
func (r mutationResolver) StaffUserArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.StaffUser, id, "id")
	if err == nil {
		err = r.Accounts.StaffArchive(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.staffPayload(ctx, u, err)
}

// StaffUserRestore restores a person.
func (r mutationResolver) StaffUserRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.StaffUser, id, "id")
	if err == nil {
		err = r.Accounts.StaffRestore(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.staffPayload(ctx, u, err)
}
