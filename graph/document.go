package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/document"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// Documents are the documents of all customers.
func (r queryResolver) Documents(
	ctx context.Context, _ *model.DocumentWhere, _ *model.DocumentListOrder, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// DocumentAreas are where documents can be filed.
func (r queryResolver) DocumentAreas(ctx context.Context, customerID, typeID *string) (*read.Object, error) {
	if err := r.Engine.Check(ctx); err != nil {
		return nil, err
	}
	customer, err := optionalRef(typeid.Customer, customerID, "customerId")
	if err != nil {
		return nil, err
	}
	customerType, err := optionalRef(typeid.CustomerType, typeID, "typeId")
	if err != nil {
		return nil, err
	}
	areas, err := r.Resolver.Documents.Areas(ctx, viewer(ctx), customer, customerType)
	if err != nil {
		return nil, err
	}
	return r.Engine.Render(ctx, list(areas, documentArea))
}

// optionalRef reads an id that may not be given.
func optionalRef(prefix string, id *string, path ...string) (uuid.UUID, error) {
	if id == nil {
		return uuid.Nil, nil
	}
	return parseID(prefix, *id, path...)
}

func documentArea(a document.Area) any {
	fields := map[string]any{
		"key": a.Key, "label": a.Label, "definition": ref("AttributeDefinition", a.ID), "accept": []string{}, "maxFiles": nil,
		"maxFileBytes": a.MaxFileBytes, "required": a.Required, "customerVisible": a.CustomerVisible, "archivedAt": nil,
	}
	if a.Accept != nil {
		fields["accept"] = a.Accept
	}
	if a.MaxFiles > 0 {
		fields["maxFiles"] = a.MaxFiles
	}
	if a.ArchivedAt != nil {
		fields["archivedAt"] = *a.ArchivedAt
	}
	return read.Obj{Type: "DocumentArea", Fields: fields}
}

// DocumentMove files a document elsewhere.
func (r mutationResolver) DocumentMove(ctx context.Context, id string, expectedVersion int, areaKey, customerID *string) (*read.Object, error) {
	u, err := parseID(typeid.Document, id, "id")
	to := document.Destination{AreaKey: areaKey}
	if err == nil && customerID != nil {
		var c uuid.UUID
		c, err = parseID(typeid.Customer, *customerID, "customerId")
		to.CustomerID = &c
	}
	if err == nil {
		err = r.Documents.Move(ctx, viewer(ctx), u, expectedVersion, to)
	}
	return r.documentPayload(ctx, u, err)
}

// DocumentDelete deletes a document for good.
func (r mutationResolver) DocumentDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.Document, id, "id")
	if err == nil {
		err = r.Documents.Delete(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.payload(ctx, "DocumentDeletePayload", map[string]any{"deletedId": id}, err)
}
