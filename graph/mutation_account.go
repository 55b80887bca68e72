package graph

import (
	"context"

	"dossier/graph/model"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// APIKeyCreate makes an API key.
func (r mutationResolver) APIKeyCreate(ctx context.Context, input model.APIKeyCreateInput) (*read.Object, error) {
	id, secret, err := r.Accounts.KeyCreate(ctx, viewer(ctx), keyDraft(input))
	return r.payload(ctx, "ApiKeyCreatePayload", map[string]any{"apiKey": read.Ref{Type: "ApiKey", ID: id}, "secret": secret}, err)
}

// APIKeyRevoke revokes an API key.
func (r mutationResolver) APIKeyRevoke(ctx context.Context, id string) (*read.Object, error) {
	u, err := parseID(typeid.APIKey, id, "id")
	if err == nil {
		err = r.Accounts.KeyRevoke(ctx, viewer(ctx), u)
	}
	return r.payload(ctx, "ApiKeyPayload", map[string]any{"apiKey": read.Ref{Type: "ApiKey", ID: u}}, err)
}

// StorageLimitSet sets what the account has booked.
func (r mutationResolver) StorageLimitSet(ctx context.Context, input model.StorageLimitSetInput) (*read.Object, error) {
	p := viewer(ctx)
	err := r.Accounts.StorageLimitSet(ctx, p, storageLimits(input))
	return r.payload(ctx, "StorageLimitPayload", map[string]any{"storage": read.Ref{Type: "StorageUsage", ID: p.AccountID}}, err)
}
