package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/attribute"
	"dossier/internal/customer"
	"dossier/internal/optional"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func (r *Resolver) attributePayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "AttributeDefinitionPayload", map[string]any{"attributeDefinition": read.Ref{Type: "AttributeDefinition", ID: id}}, err)
}

// AttributeDefinitionCreate defines a custom attribute.
func (r mutationResolver) AttributeDefinitionCreate(
	ctx context.Context, input model.AttributeDefinitionCreateInput, idempotencyKey *string,
) (*read.Object, error) {
	id, err := r.Attributes.Create(ctx, viewer(ctx), attributeDraft(input), idempotencyKey)
	return r.attributePayload(ctx, id, err)
}

// AttributeDefinitionUpdate changes a custom attribute.
func (r mutationResolver) AttributeDefinitionUpdate(
	ctx context.Context, id string, expectedVersion int, input model.AttributeDefinitionUpdateInput,
) (*read.Object, error) {
	u, err := parseID(typeid.AttributeDefinition, id, "id")
	if err == nil {
		err = r.Attributes.Update(ctx, viewer(ctx), u, expectedVersion, attributePatch(input))
	}
	return r.attributePayload(ctx, u, err)
}

// AttributeDefinitionMove puts a custom attribute at another place in the order.
func (r mutationResolver) AttributeDefinitionMove(ctx context.Context, id string, expectedVersion int, afterID *string) (*read.Object, error) {
	u, err := parseID(typeid.AttributeDefinition, id, "id")
	var behind *uuid.UUID
	if err == nil && afterID != nil {
		var a uuid.UUID
		a, err = parseID(typeid.AttributeDefinition, *afterID, "afterId")
		behind = &a
	}
	if err == nil {
		err = r.Attributes.Move(ctx, viewer(ctx), u, expectedVersion, behind)
	}
	return r.attributePayload(ctx, u, err)
}

// AttributeDefinitionArchive archives a custom attribute.
func (r mutationResolver) AttributeDefinitionArchive(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.AttributeDefinition, id, "id")
	if err == nil {
		err = r.Attributes.Archive(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.attributePayload(ctx, u, err)
}

// AttributeDefinitionRestore restores a custom attribute.
func (r mutationResolver) AttributeDefinitionRestore(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.AttributeDefinition, id, "id")
	if err == nil {
		err = r.Attributes.Restore(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.attributePayload(ctx, u, err)
}

// AttributeDefinitionDelete deletes a custom attribute that nobody uses.
func (r mutationResolver) AttributeDefinitionDelete(ctx context.Context, id string, expectedVersion int) (*read.Object, error) {
	u, err := parseID(typeid.AttributeDefinition, id, "id")
	if err == nil {
		err = r.Attributes.Delete(ctx, viewer(ctx), u, expectedVersion)
	}
	return r.payload(ctx, "AttributeDefinitionDeletePayload", map[string]any{"deletedId": id}, err)
}

// AttributeDefinitions are the custom attributes of the account.
func (r queryResolver) AttributeDefinitions(
	ctx context.Context, _ *model.AttributeDefinitionWhere, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

func attributeDraft(in model.AttributeDefinitionCreateInput) attribute.Draft {
	return attribute.Draft{
		Key: in.Key.Value(), Label: in.Label, Description: in.Description.Value(), Type: attribute.Type(in.Type), Required: in.Required,
		CustomerVisible: in.CustomerVisible, Options: list(in.Options.Value(), attributeOption), CustomerTypeIDs: in.CustomerTypeIds.Value(), Validation: attributeRules(in.Validation.Value()),
		Accept: in.Accept.Value(), MaxFiles: in.MaxFiles.Value(), MaxFileBytes: in.MaxFileBytes.Value(),
	}
}

func attributePatch(in model.AttributeDefinitionUpdateInput) attribute.Patch {
	patch := attribute.Patch{
		Label: field(in.Label), Description: field(in.Description), Required: field(in.Required), CustomerVisible: field(in.CustomerVisible),
		Options: fieldList(in.Options, attributeOption), CustomerTypeIDs: field(in.CustomerTypeIds), Accept: field(in.Accept), MaxFiles: field(in.MaxFiles),
		MaxFileBytes: field(in.MaxFileBytes),
		Validation:   optional.Field[*attribute.ValidationInput]{Given: in.Validation.IsSet(), Value: attributeRules(in.Validation.Value())},
	}
	if in.Type.IsSet() {
		patch.Type.Given = true
		if t := in.Type.Value(); t != nil {
			typed := attribute.Type(*t)
			patch.Type.Value = &typed
		}
	}
	return patch
}

func attributeOption(in *model.AttributeOptionInput) attribute.OptionInput {
	return attribute.OptionInput{ID: in.ID.Value(), Key: in.Key.Value(), Label: in.Label, Archived: in.Archived.Value()}
}

func attributeRules(in *model.AttributeValidationInput) *attribute.ValidationInput {
	if in == nil {
		return nil
	}
	return &attribute.ValidationInput{
		MinLength: in.MinLength.Value(), MaxLength: in.MaxLength.Value(), Pattern: in.Pattern.Value(), Minimum: in.Minimum.Value(),
		Maximum: in.Maximum.Value(), EarliestDate: in.EarliestDate.Value(), LatestDate: in.LatestDate.Value(),
		EarliestTime: in.EarliestTime.Value(), LatestTime: in.LatestTime.Value(),
	}
}

// attributeValue is the value of a custom attribute in the input of a customer.
func attributeValue(in *model.AttributeValueInput) customer.AttributeInput {
	return customer.AttributeInput{
		Key: in.Key, Text: field(in.Text), Integer: field(in.Integer), Decimal: field(in.Decimal), Boolean: field(in.Boolean),
		Date: field(in.Date), DateTime: field(in.DateTime), Option: field(in.Option), Options: field(in.Options), URL: field(in.URL),
		Email: field(in.Email), Phone: field(in.Phone),
	}
}
