package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/customer"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func (r *Resolver) customerPayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "CustomerPayload", map[string]any{"customer": read.Ref{Type: "Customer", ID: id}}, err)
}

func (r *Resolver) contactPayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "ContactPayload", map[string]any{"contact": read.Ref{Type: "Contact", ID: id}}, err)
}

// CustomerCreate creates a customer.
func (r mutationResolver) CustomerCreate(
	ctx context.Context, input model.CustomerCreateInput, idempotencyKey *string,
) (*read.Object, error) {
	id, err := r.Customers.Create(ctx, viewer(ctx), customerDraft(input), idempotencyKey)
	return r.customerPayload(ctx, id, err)
}

// CustomerUpdate changes a customer.
func (r mutationResolver) CustomerUpdate(
	ctx context.Context, id string, expectedVersion int, input model.CustomerUpdateInput, onConflict model.OnConflict,
) (*read.Object, error) {
	u, err := parseID(typeid.Customer, id, "id")
	if err == nil {
		err = r.Customers.Update(ctx, viewer(ctx), u, expectedVersion, customerPatch(input), customer.OnConflict(onConflict))
	}
	return r.customerPayload(ctx, u, err)
}

// CustomerUpsert creates or changes the customer with a key.
func (r mutationResolver) CustomerUpsert(
	ctx context.Context, by model.CustomerKey, input model.CustomerUpsertInput,
) (*read.Object, error) {
	id, created, err := r.Customers.Upsert(ctx, viewer(ctx), customerKey(by), upsertPatch(input))
	return r.payload(ctx, "CustomerUpsertPayload", map[string]any{
		"customer": read.Ref{Type: "Customer", ID: id}, "created": created,
	}, err)
}

// CustomerArchive archives a customer.
func (r mutationResolver) CustomerArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Customer, id, "id")
	if err == nil {
		err = r.Customers.Archive(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.customerPayload(ctx, u, err)
}

// CustomerRestore restores a customer.
func (r mutationResolver) CustomerRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Customer, id, "id")
	if err == nil {
		err = r.Customers.Restore(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.customerPayload(ctx, u, err)
}

// ContactCreate adds a contact.
func (r mutationResolver) ContactCreate(
	ctx context.Context, customerID string, input model.ContactCreateInput, idempotencyKey *string,
) (*read.Object, error) {
	u, err := parseID(typeid.Customer, customerID, "customerId")
	if err != nil {
		return r.contactPayload(ctx, uuid.Nil, err)
	}
	id, err := r.Customers.ContactCreate(ctx, viewer(ctx), u, contactDraft(input), idempotencyKey)
	return r.contactPayload(ctx, id, err)
}

// ContactUpdate changes a contact.
func (r mutationResolver) ContactUpdate(
	ctx context.Context, id string, expectedVersion int, input model.ContactUpdateInput, onConflict model.OnConflict,
) (*read.Object, error) {
	u, err := parseID(typeid.Contact, id, "id")
	if err == nil {
		err = r.Customers.ContactUpdate(ctx, viewer(ctx), u, expectedVersion, contactPatch(input), customer.OnConflict(onConflict))
	}
	return r.contactPayload(ctx, u, err)
}

// ContactArchive archives a contact.
func (r mutationResolver) ContactArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Contact, id, "id")
	if err == nil {
		err = r.Customers.ContactArchive(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.contactPayload(ctx, u, err)
}
