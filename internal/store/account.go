package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/account"
	"dossier/ent/apikey"
	"dossier/ent/staffuser"
	area "dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/fold"
)

var (
	_ area.Store     = (*Store)(nil)
	_ auth.Directory = (*Store)(nil)
)

// AccountCreate implements account.Store.
func (s *Store) AccountCreate(ctx context.Context, id uuid.UUID, draft area.Draft) error {
	const op = "store.AccountCreate"
	raw, err := s.acrossAccounts().Tx(ctx)
	if err != nil {
		return translate(op, err)
	}
	defer raw.Rollback() //nolint:errcheck // after the commit it does nothing, before it the other error is the one to tell
	create := raw.Account.Create().SetID(id).SetName(draft.Name).SetCreatedAt(s.now())
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
		return translate(op, err)
	}
	if err := raw.StorageUsage.Create().SetID(id).Exec(ctx); err != nil {
		return translate(op, err)
	}
	return translate(op, raw.Commit())
}

// AccountSetIssuer implements account.Store.
func (s *Store) AccountSetIssuer(ctx context.Context, id uuid.UUID, issuer auth.Issuer) error {
	const op = "store.AccountSetIssuer"
	algorithms, err := json.Marshal(issuer.Algorithms)
	if err != nil {
		return translate(op, err)
	}
	n, err := s.in(id).exec(ctx, `UPDATE account SET oidc_issuer = $2, oidc_audience = $3, oidc_algorithms = $4::jsonb WHERE id = $1`,
		issuer.URL, issuer.Audience, string(algorithms))
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "The account does not exist.")
	}
	return translate(op, err)
}

// KeyInsert implements account.Store.
func (s *Store) KeyInsert(ctx context.Context, p auth.Principal, key auth.NewKey, draft area.KeyDraft) error {
	return s.inTx(ctx, "store.KeyInsert", p, func(ctx context.Context, t *tx) error {
		kind, id := t.actor()
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
		return t.keyUpdate().Where(apikey.ID(id), apikey.RevokedAtIsNil()).SetRevokedAt(t.now).Exec(ctx)
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

// EnsureStaff implements auth.Directory. The one statement writes only when something changed, so that a person who
// works all day does not leave a dead row behind every few seconds.
func (s *Store) EnsureStaff(ctx context.Context, accountID uuid.UUID, c auth.StaffClaims) (auth.StaffRecord, error) {
	name := c.Name
	if name == "" {
		name = c.Email
	}
	if name == "" {
		name = c.Subject
	}
	var email *string
	if c.Email != "" {
		email = &c.Email
	}
	const upsert = `
INSERT INTO staff_user AS u (account_id, id, created_at, updated_at, subject, display_name, sort_name, email, role)
VALUES ($1, $2, $3, $3, $4, $5, $6, $7, $8)
ON CONFLICT (account_id, subject) DO UPDATE
SET updated_at = excluded.updated_at, display_name = excluded.display_name, sort_name = excluded.sort_name,
	email = excluded.email, role = excluded.role
WHERE (u.display_name, u.email, u.role) IS DISTINCT FROM (excluded.display_name, excluded.email, excluded.role)`
	in := s.in(accountID)
	_, err := in.exec(ctx, upsert, s.cfg.NewID(), s.now(), c.Subject, name, fold.Text(name), email, string(c.Role))
	if err != nil {
		return auth.StaffRecord{}, translate("store.EnsureStaff", err)
	}
	u, err := in.staff().Where(staffuser.Subject(c.Subject)).Only(ctx)
	if err != nil {
		return auth.StaffRecord{}, translate("store.EnsureStaff", err)
	}
	return staffRecord(u), nil
}

// StaffByID implements auth.Directory.
func (s *Store) StaffByID(ctx context.Context, accountID, id uuid.UUID) (auth.StaffRecord, error) {
	u, err := s.in(accountID).staff().Where(staffuser.ID(id)).Only(ctx)
	if err != nil {
		return auth.StaffRecord{}, translate("store.StaffByID", err)
	}
	return staffRecord(u), nil
}

func staffRecord(u *ent.StaffUser) auth.StaffRecord {
	return auth.StaffRecord{ID: u.ID, DisplayName: u.DisplayName, Active: u.DisabledAt == nil}
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
