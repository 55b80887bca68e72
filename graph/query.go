package graph

import (
	"context"

	"dossier/graph/model"
	"dossier/internal/read"
)

// The arguments of a query field are read by the engine, from the same selection set that it compiles: all root fields of
// an operation are one batch, so the first resolver runs them all and the others take their result.

// Viewer is who is asking.
func (r queryResolver) Viewer(ctx context.Context) (*read.Object, error) { return r.Engine.Field(ctx) }

// Account is the account of the credential.
func (r queryResolver) Account(ctx context.Context) (*read.Object, error) { return r.Engine.Field(ctx) }

// Node is the object with an id.
func (r queryResolver) Node(ctx context.Context, _ string) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Nodes are the objects with some ids.
func (r queryResolver) Nodes(ctx context.Context, _ []string) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Customer is the customer with an id.
func (r queryResolver) Customer(ctx context.Context, _ string) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// CustomerByExternalID is the customer that another system knows by an id.
func (r queryResolver) CustomerByExternalID(ctx context.Context, _ string) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// CustomerMerges are the merges of the account.
func (r queryResolver) CustomerMerges(
	ctx context.Context, _ *string, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Document is the document with an id.
func (r queryResolver) Document(ctx context.Context, _ string) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Customers is the directory.
func (r queryResolver) Customers(
	ctx context.Context, _ *model.CustomerWhere, _ *string, _ *model.CustomerOrder, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Events is the replay of the log.
func (r queryResolver) Events(
	ctx context.Context, _ *string, _ []model.EventType, _ *string, _ *int,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// CustomerStats is the report of customers.
func (r queryResolver) CustomerStats(
	ctx context.Context, _ []model.CustomerDimension, _ *model.DateRange, _ *model.TimeBucket, _ string, _ *model.CustomerWhere,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Storage is the account's use of storage.
func (r queryResolver) Storage(ctx context.Context) (*read.Object, error) { return r.Engine.Field(ctx) }

// CustomerTypes are the types of customers.
func (r queryResolver) CustomerTypes(
	ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// CustomerOrigins are the ways in which customers come.
func (r queryResolver) CustomerOrigins(
	ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Offices are where the business works.
func (r queryResolver) Offices(
	ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Services are what the business does.
func (r queryResolver) Services(
	ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// StaffUsers are the people of the business.
func (r queryResolver) StaffUsers(
	ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// AuditTrail is who did what in the account.
func (r queryResolver) AuditTrail(
	ctx context.Context, _ *model.AuditWhere, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}
