package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/customer"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// FieldPolicy is the rules of a channel. They are no rows of a table: what holds for a field is found by the function that
// enforces it too.
func (r queryResolver) FieldPolicy(ctx context.Context, channel model.EntryChannel, typeID *string) (*read.Object, error) {
	if err := r.Engine.Check(ctx); err != nil {
		return nil, err
	}
	id, err := policyType(typeID)
	if err != nil {
		return nil, err
	}
	rules, err := r.Policies.Rules(ctx, viewer(ctx), customer.Channel(channel), id)
	if err != nil {
		return nil, err
	}
	return r.Engine.Render(ctx, fieldRules(rules))
}

// FieldPolicyUpdate replaces the rules of a policy.
func (r mutationResolver) FieldPolicyUpdate(
	ctx context.Context, channel model.EntryChannel, typeID *string, expectedVersion int, rules []*model.FieldRuleInput,
) (*read.Object, error) {
	return r.policyChange(ctx, channel, typeID, func(id uuid.UUID) error {
		return r.Policies.Update(ctx, viewer(ctx), customer.Channel(channel), id, expectedVersion, list(rules, fieldRule))
	})
}

// FieldPolicyReset replaces the rules of a policy by those of a preset.
func (r mutationResolver) FieldPolicyReset(
	ctx context.Context, channel model.EntryChannel, typeID *string, expectedVersion int, preset model.FieldPolicyPreset,
) (*read.Object, error) {
	return r.policyChange(ctx, channel, typeID, func(id uuid.UUID) error {
		return r.Policies.Reset(ctx, viewer(ctx), customer.Channel(channel), id, expectedVersion, customer.Preset(preset))
	})
}

func (r *Resolver) policyChange(
	ctx context.Context, channel model.EntryChannel, typeID *string, change func(typeID uuid.UUID) error,
) (*read.Object, error) {
	var rules []customer.ShownRule
	id, err := policyType(typeID)
	if err == nil {
		err = change(id)
	}
	if err == nil {
		rules, err = r.Policies.Rules(ctx, viewer(ctx), customer.Channel(channel), id)
	}
	return r.payload(ctx, "FieldPolicyPayload", map[string]any{"fieldPolicy": fieldRules(rules)}, err)
}

func fieldRule(in *model.FieldRuleInput) customer.Rule {
	return customer.Rule{Field: in.Field, Required: in.Required, Visible: in.Visible}
}

// policyType is uuid.Nil for the policy for all types.
func policyType(typeID *string) (uuid.UUID, error) {
	if typeID == nil {
		return uuid.Nil, nil
	}
	return parseID(typeid.CustomerType, *typeID, "typeId")
}

func fieldRules(rules []customer.ShownRule) []any {
	out := make([]any, len(rules))
	for i, r := range rules {
		out[i] = read.Obj{Type: "FieldRule", Fields: map[string]any{
			"field": r.Field, "required": r.Required, "visible": r.Visible, "inherited": r.Inherited, "policyVersion": r.PolicyVersion,
		}}
	}
	return out
}
