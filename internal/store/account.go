package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/account"
	"dossier/ent/apikey"
	area "dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/catalog"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

var (
	_ area.Store     = (*Store)(nil)
	_ auth.Directory = (*Store)(nil)
)

// The actions of records about what is not in the log.
const (
	accountCreated = "ACCOUNT_CREATED"
	accountUpdated = "ACCOUNT_UPDATED"
	keyCreated     = "API_KEY_CREATED"
	keyRevoked     = "API_KEY_REVOKED"
)

// subjectKey is what records about API keys are about.
const subjectKey timeline.Subject = "ApiKey"

// AccountCreate implements account.Store.
func (s *Store) AccountCreate(ctx context.Context, id uuid.UUID, draft area.Draft) error {
	return s.inTx(ctx, "store.AccountCreate", auth.System(id), func(ctx context.Context, t *tx) error {
		create := t.accountCreate().SetName(draft.Name).SetCreatedAt(t.now)
		if draft.Issuer.URL != "" {
			create.SetOidcIssuer(draft.Issuer.URL)
		}
		if draft.Issuer.Audience != "" {
			create.SetOidcAudience(draft.Issuer.Audience)
		}
		if len(draft.Issuer.Algorithms) > 0 {
			create.SetOidcAlgorithms(draft.Issuer.Algorithms)
		}
		if draft.Issuer.RoleClaim != "" {
			create.SetRoleClaim(draft.Issuer.RoleClaim)
		}
		if err := create.Exec(ctx); err != nil {
			return err
		}
		if err := t.storageCreate().Exec(ctx); err != nil {
			return err
		}
		for _, d := range catalog.Defaults(t.newID) {
			if err := t.insertItem(ctx, listTables[d.List.Noun], d.Item); err != nil {
				return err
			}
		}
		t.record(record{action: accountCreated, subject: timeline.SubjectAccount, subjectID: id})
		return nil
	})
}

// AccountSetIssuer implements account.Store.
func (s *Store) AccountSetIssuer(ctx context.Context, id uuid.UUID, issuer auth.Issuer) error {
	algorithms, err := json.Marshal(issuer.Algorithms)
	if err != nil {
		return translate("store.AccountSetIssuer", err)
	}
	return s.inTx(ctx, "store.AccountSetIssuer", auth.System(id), func(ctx context.Context, t *tx) error {
		const update = `UPDATE account SET oidc_issuer = $2, oidc_audience = $3, oidc_algorithms = $4::jsonb WHERE id = $1`
		n, err := t.exec(ctx, update, issuer.URL, issuer.Audience, string(algorithms))
		if err == nil && n == 0 {
			err = fault.New(fault.NotFound, "The account does not exist.")
		}
		t.record(record{action: accountUpdated, subject: timeline.SubjectAccount, subjectID: id, fields: []string{"issuer"}})
		return err
	})
}

// KeyInsert implements account.Store.
func (s *Store) KeyInsert(ctx context.Context, p auth.Principal, key auth.NewKey, draft area.KeyDraft) error {
	return s.inTx(ctx, "store.KeyInsert", p, func(ctx context.Context, t *tx) error {
		kind, id := t.actor()
		t.record(record{action: keyCreated, subject: subjectKey, subjectID: key.ID})
		return t.keyCreate().SetID(key.ID).SetCreatedAt(t.now).SetName(draft.Name).SetHint(key.Hint).SetHash(key.Hash).
			SetScopes(draft.Scopes).SetNillableExpiresAt(draft.ExpiresAt).
			SetNillableCreatedByKind(kind).SetNillableCreatedByID(id).Exec(ctx)
	})
}

// KeyRevoke implements account.Store.
func (s *Store) KeyRevoke(ctx context.Context, p auth.Principal, id uuid.UUID) error {
	return s.inTx(ctx, "store.KeyRevoke", p, func(ctx context.Context, t *tx) error {
		known, err := t.keys().Where(apikey.ID(id)).Exist(ctx)
		if err != nil {
			return err
		}
		if !known {
			return fault.At(fault.NotFound, []string{"id"}, "The API key does not exist in this account.")
		}
		n, err := t.keyUpdate().Where(apikey.ID(id), apikey.RevokedAtIsNil()).SetRevokedAt(t.now).Save(ctx)
		if n > 0 {
			t.record(record{action: keyRevoked, subject: subjectKey, subjectID: id, fields: []string{"revokedAt"}})
		}
		return err
	})
}

// KeyList implements account.Store.
func (s *Store) KeyList(ctx context.Context, p auth.Principal) ([]area.Key, error) {
	rows, err := s.in(p.AccountID).keys().Order(ent.Desc(apikey.FieldCreatedAt, apikey.FieldID)).All(ctx)
	if err != nil {
		return nil, translate("store.KeyList", err)
	}
	keys := make([]area.Key, len(rows))
	for i, k := range rows {
		keys[i] = area.Key{
			ID: k.ID, Name: k.Name, Hint: k.Hint, Scopes: k.Scopes, CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, RevokedAt: k.RevokedAt,
		}
	}
	return keys, nil
}

// IssuerByURL implements auth.Directory.
func (s *Store) IssuerByURL(ctx context.Context, iss string) (auth.Issuer, error) {
	a, err := s.acrossAccounts().Account.Query().Where(account.OidcIssuer(iss)).Only(ctx)
	if err != nil {
		return auth.Issuer{}, translate("store.IssuerByURL", err)
	}
	return auth.Issuer{AccountID: a.ID, URL: iss, Audience: a.OidcAudience, Algorithms: a.OidcAlgorithms, RoleClaim: a.RoleClaim}, nil
}

// KeyByID implements auth.Directory.
func (s *Store) KeyByID(ctx context.Context, id uuid.UUID) (auth.KeyRecord, error) {
	k, err := s.acrossAccounts().ApiKey.Query().Where(apikey.ID(id)).Only(ctx)
	if err != nil {
		return auth.KeyRecord{}, translate("store.KeyByID", err)
	}
	r := auth.KeyRecord{ID: k.ID, AccountID: k.AccountID, Hash: k.Hash, Name: k.Name, Scopes: k.Scopes, Revoked: k.RevokedAt != nil}
	if k.ExpiresAt != nil {
		r.ExpiresAt = *k.ExpiresAt
	}
	return r, nil
}

// TouchKey implements auth.Directory. The time of the last use is not shown anywhere yet, so it is not kept.
func (s *Store) TouchKey(context.Context, uuid.UUID, time.Time) error { return nil }
