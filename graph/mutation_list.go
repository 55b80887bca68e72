package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/catalog"
	"dossier/internal/read"
)

// The mutations of the lists that an account edits. Each list has the same six, and the use cases are the same too.

func (r *Resolver) listCreate(ctx context.Context, l catalog.List, d catalog.Draft, idempotencyKey *string) (*read.Object, error) {
	id, err := r.Lists.Create(ctx, viewer(ctx), l, d, idempotencyKey)
	return r.listPayload(ctx, l, id, err)
}

// listChange runs a use case on one item.
func (r *Resolver) listChange(ctx context.Context, l catalog.List, id string, change func(id uuid.UUID) error) (*read.Object, error) {
	u, err := parseID(l.Prefix, id, "id")
	if err == nil {
		err = change(u)
	}
	return r.listPayload(ctx, l, u, err)
}

func (r *Resolver) listPayload(ctx context.Context, l catalog.List, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, l.Noun+"Payload", map[string]any{l.Field: read.Ref{Type: l.Noun, ID: id}}, err)
}

func (r *Resolver) listUpdate(ctx context.Context, l catalog.List, id string, expectedVersion int, p catalog.Patch) (*read.Object, error) {
	return r.listChange(ctx, l, id, func(u uuid.UUID) error { return r.Lists.Update(ctx, viewer(ctx), l, u, expectedVersion, p) })
}

func (r *Resolver) listMove(ctx context.Context, l catalog.List, id string, expectedVersion int, afterID *string) (*read.Object, error) {
	var after *uuid.UUID
	if afterID != nil {
		u, err := parseID(l.Prefix, *afterID, "afterId")
		if err != nil {
			return r.listPayload(ctx, l, uuid.Nil, err)
		}
		after = &u
	}
	return r.listChange(ctx, l, id, func(u uuid.UUID) error { return r.Lists.Move(ctx, viewer(ctx), l, u, expectedVersion, after) })
}

func (r *Resolver) listArchive(ctx context.Context, l catalog.List, id string, expectedVersion int) (*read.Object, error) {
	return r.listChange(ctx, l, id, func(u uuid.UUID) error { return r.Lists.Archive(ctx, viewer(ctx), l, u, expectedVersion) })
}

func (r *Resolver) listRestore(ctx context.Context, l catalog.List, id string, expectedVersion int) (*read.Object, error) {
	return r.listChange(ctx, l, id, func(u uuid.UUID) error { return r.Lists.Restore(ctx, viewer(ctx), l, u, expectedVersion) })
}

func (r *Resolver) listDelete(ctx context.Context, l catalog.List, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(l.Prefix, id, "id")
	if err == nil {
		err = r.Lists.Delete(ctx, viewer(ctx), l, u, expectedVersion)
	}
	return r.payload(ctx, l.Noun+"DeletePayload", map[string]any{"deletedId": id}, err)
}

// The inputs of the lists as those of their area. Nothing is checked here.

func typeDraft(in model.CustomerTypeCreateInput) catalog.Draft {
	return catalog.Draft{Key: in.Key.Value(), Label: in.Label}
}

func typePatch(in model.CustomerTypeUpdateInput) catalog.Patch {
	return catalog.Patch{Label: field(in.Label)}
}

func originDraft(in model.CustomerOriginCreateInput) catalog.Draft {
	return catalog.Draft{Key: in.Key.Value(), Label: in.Label}
}

func originPatch(in model.CustomerOriginUpdateInput) catalog.Patch {
	return catalog.Patch{Label: field(in.Label)}
}

func officeDraft(in model.OfficeCreateInput) catalog.Draft {
	return catalog.Draft{Key: in.Key.Value(), Label: in.Name, TimeZone: &in.TimeZone}
}

func officePatch(in model.OfficeUpdateInput) catalog.Patch {
	return catalog.Patch{Label: field(in.Name), TimeZone: field(in.TimeZone)}
}

func serviceDraft(in model.ServiceCreateInput) catalog.Draft {
	return catalog.Draft{Key: in.Key.Value(), Label: in.Name, DurationMinutes: in.DurationMinutes.Value()}
}

func servicePatch(in model.ServiceUpdateInput) catalog.Patch {
	return catalog.Patch{Label: field(in.Name), DurationMinutes: field(in.DurationMinutes)}
}

// CustomerTypeCreate adds a customer type.
func (r mutationResolver) CustomerTypeCreate(ctx context.Context, input model.CustomerTypeCreateInput, idempotencyKey *string) (*read.Object, error) {
	return r.listCreate(ctx, catalog.CustomerTypes, typeDraft(input), idempotencyKey)
}

// CustomerTypeUpdate changes a customer type.
func (r mutationResolver) CustomerTypeUpdate(ctx context.Context, id string, expectedVersion int, input model.CustomerTypeUpdateInput) (*read.Object, error) {
	return r.listUpdate(ctx, catalog.CustomerTypes, id, expectedVersion, typePatch(input))
}

// CustomerTypeMove gives a customer type another place.
func (r mutationResolver) CustomerTypeMove(ctx context.Context, id string, expectedVersion int, afterID *string) (*read.Object, error) {
	return r.listMove(ctx, catalog.CustomerTypes, id, expectedVersion, afterID)
}

// CustomerTypeArchive archives a customer type.
func (r mutationResolver) CustomerTypeArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listArchive(ctx, catalog.CustomerTypes, id, expectedVersion)
}

// CustomerTypeRestore restores a customer type.
func (r mutationResolver) CustomerTypeRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listRestore(ctx, catalog.CustomerTypes, id, expectedVersion)
}

// CustomerTypeDelete deletes a customer type.
func (r mutationResolver) CustomerTypeDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listDelete(ctx, catalog.CustomerTypes, id, expectedVersion)
}

// CustomerOriginCreate adds an origin.
func (r mutationResolver) CustomerOriginCreate(ctx context.Context, input model.CustomerOriginCreateInput, idempotencyKey *string) (*read.Object, error) {
	return r.listCreate(ctx, catalog.CustomerOrigins, originDraft(input), idempotencyKey)
}

// CustomerOriginUpdate changes an origin.
func (r mutationResolver) CustomerOriginUpdate(ctx context.Context, id string, expectedVersion int, input model.CustomerOriginUpdateInput) (*read.Object, error) {
	return r.listUpdate(ctx, catalog.CustomerOrigins, id, expectedVersion, originPatch(input))
}

// CustomerOriginMove gives an origin another place.
func (r mutationResolver) CustomerOriginMove(ctx context.Context, id string, expectedVersion int, afterID *string) (*read.Object, error) {
	return r.listMove(ctx, catalog.CustomerOrigins, id, expectedVersion, afterID)
}

// CustomerOriginArchive archives an origin.
func (r mutationResolver) CustomerOriginArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listArchive(ctx, catalog.CustomerOrigins, id, expectedVersion)
}

// CustomerOriginRestore restores an origin.
func (r mutationResolver) CustomerOriginRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listRestore(ctx, catalog.CustomerOrigins, id, expectedVersion)
}

// CustomerOriginDelete deletes an origin.
func (r mutationResolver) CustomerOriginDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listDelete(ctx, catalog.CustomerOrigins, id, expectedVersion)
}

// OfficeCreate adds an office.
func (r mutationResolver) OfficeCreate(ctx context.Context, input model.OfficeCreateInput, idempotencyKey *string) (*read.Object, error) {
	return r.listCreate(ctx, catalog.Offices, officeDraft(input), idempotencyKey)
}

// OfficeUpdate changes an office.
func (r mutationResolver) OfficeUpdate(ctx context.Context, id string, expectedVersion int, input model.OfficeUpdateInput) (*read.Object, error) {
	return r.listUpdate(ctx, catalog.Offices, id, expectedVersion, officePatch(input))
}

// OfficeMove gives an office another place.
func (r mutationResolver) OfficeMove(ctx context.Context, id string, expectedVersion int, afterID *string) (*read.Object, error) {
	return r.listMove(ctx, catalog.Offices, id, expectedVersion, afterID)
}

// OfficeArchive archives an office.
func (r mutationResolver) OfficeArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listArchive(ctx, catalog.Offices, id, expectedVersion)
}

// OfficeRestore restores an office.
func (r mutationResolver) OfficeRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listRestore(ctx, catalog.Offices, id, expectedVersion)
}

// OfficeDelete deletes an office.
func (r mutationResolver) OfficeDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listDelete(ctx, catalog.Offices, id, expectedVersion)
}

// ServiceCreate adds a service.
func (r mutationResolver) ServiceCreate(ctx context.Context, input model.ServiceCreateInput, idempotencyKey *string) (*read.Object, error) {
	return r.listCreate(ctx, catalog.Services, serviceDraft(input), idempotencyKey)
}

// ServiceUpdate changes a service.
func (r mutationResolver) ServiceUpdate(ctx context.Context, id string, expectedVersion int, input model.ServiceUpdateInput) (*read.Object, error) {
	return r.listUpdate(ctx, catalog.Services, id, expectedVersion, servicePatch(input))
}

// ServiceMove gives a service another place.
func (r mutationResolver) ServiceMove(ctx context.Context, id string, expectedVersion int, afterID *string) (*read.Object, error) {
	return r.listMove(ctx, catalog.Services, id, expectedVersion, afterID)
}

// ServiceArchive archives a service.
func (r mutationResolver) ServiceArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listArchive(ctx, catalog.Services, id, expectedVersion)
}

// ServiceRestore restores a service.
func (r mutationResolver) ServiceRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listRestore(ctx, catalog.Services, id, expectedVersion)
}

// ServiceDelete deletes a service.
func (r mutationResolver) ServiceDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	return r.listDelete(ctx, catalog.Services, id, expectedVersion)
}
