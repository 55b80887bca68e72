package account

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/text"
	"dossier/internal/typeid"
)

// MaxName is how many characters the name of an account or a key may have.
const MaxName = 200

// Draft is a new account. Issuer.AccountID is ignored; without Issuer.URL no staff can sign in, only servers.
type Draft struct {
	Name   string
	Issuer auth.Issuer
}

// KeyDraft is a new API key.
type KeyDraft struct {
	Name   string
	Scopes []string
	// ExpiresAt is nil for a key without end.
	ExpiresAt *time.Time
}

// Key is an API key as administrators see it.
type Key struct {
	ID                   uuid.UUID
	Name, Hint           string
	Scopes               []string
	CreatedAt            time.Time
	ExpiresAt, RevokedAt *time.Time
}

// Store keeps accounts and keys.
type Store interface {
	// AccountCreate stores a new account with its storage and the items that its lists begin with. An issuer that another account has is CONFLICT.
	AccountCreate(ctx context.Context, id uuid.UUID, draft Draft) error
	// AccountSetIssuer gives an account another issuer, or NOT_FOUND.
	AccountSetIssuer(ctx context.Context, id uuid.UUID, issuer auth.Issuer) error
	// KeyInsert stores a new key.
	KeyInsert(ctx context.Context, p auth.Principal, key auth.NewKey, draft KeyDraft) error
	// KeyRevoke revokes a key, once; revoking it again changes nothing.
	KeyRevoke(ctx context.Context, p auth.Principal, id uuid.UUID) error
	// KeyList gives the account's keys, newest first.
	KeyList(ctx context.Context, p auth.Principal) ([]Key, error)
	StaffStore
	StorageStore
}

// Service is the use cases of accounts.
type Service struct {
	Store  Store
	Pepper auth.Pepper
	Now    func() time.Time
	NewID  func() uuid.UUID
	// Revoked is told the id of each key that was revoked here, so that this node stops it at once.
	Revoked func(id uuid.UUID)
}

// NewService makes a Service on the system's clock and ids.
func NewService(store Store, pepper auth.Pepper) *Service {
	return &Service{Store: store, Pepper: pepper, Now: time.Now, NewID: typeid.New, Revoked: func(uuid.UUID) {}}
}

// Create makes an account. It is for the command line: no credential leads to it.
func (s *Service) Create(ctx context.Context, draft Draft) (uuid.UUID, error) {
	name, err := cleanName([]string{"name"}, draft.Name)
	if err != nil {
		return uuid.Nil, err
	}
	draft.Name = name
	id := s.NewID()
	return id, fault.Wrap("account.Create", s.Store.AccountCreate(ctx, id, draft))
}

// SetIssuer gives an account another issuer of staff tokens. It is for the command line.
func (s *Service) SetIssuer(ctx context.Context, id uuid.UUID, issuer auth.Issuer) error {
	return fault.Wrap("account.SetIssuer", s.Store.AccountSetIssuer(ctx, id, issuer))
}

// KeyCreate makes an API key and gives its secret, which is kept nowhere. Administrators may; nobody can give a key more
// than they have.
func (s *Service) KeyCreate(ctx context.Context, p auth.Principal, draft KeyDraft) (id uuid.UUID, secret string, err error) {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return uuid.Nil, "", err
	}
	var list fault.List
	draft.Name, err = cleanName([]string{"input", "name"}, draft.Name)
	list = append(list, fault.AsList(err)...)
	list = append(list, fault.AsList(auth.CheckScopes([]string{"input", "scopes"}, draft.Scopes))...)
	if draft.ExpiresAt != nil && !draft.ExpiresAt.After(s.Now()) {
		list = append(list, fault.At(fault.BadUserInput, []string{"input", "expiresAt"}, "The key would have expired already. Give a time to come."))
	}
	if err := list.Err(); err != nil {
		return uuid.Nil, "", err
	}
	if err := p.MayGrant(draft.Scopes); err != nil {
		return uuid.Nil, "", err
	}
	draft.Scopes = slices.Clone(draft.Scopes)
	key := auth.MintKey(s.Pepper)
	if err := s.Store.KeyInsert(ctx, p, key, draft); err != nil {
		return uuid.Nil, "", fault.Wrap("account.KeyCreate", err)
	}
	return key.ID, key.Printed, nil
}

// KeyRevoke revokes an API key. Administrators may. It holds on every node within 5 seconds, on this one at once.
func (s *Service) KeyRevoke(ctx context.Context, p auth.Principal, id uuid.UUID) error {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return err
	}
	if err := s.Store.KeyRevoke(ctx, p, id); err != nil {
		return fault.Wrap("account.KeyRevoke", err)
	}
	s.Revoked(id)
	return nil
}

// Keys lists the account's keys. Administrators may.
func (s *Service) Keys(ctx context.Context, p auth.Principal) ([]Key, error) {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return nil, err
	}
	keys, err := s.Store.KeyList(ctx, p)
	return keys, fault.Wrap("account.Keys", err)
}

func cleanName(path []string, name string) (string, error) {
	name, problem := text.Line(name, MaxName)
	switch {
	case problem != "":
		return "", fault.At(fault.BadUserInput, path, "%s", problem)
	case name == "":
		return "", fault.At(fault.Required, path, "Give it a name.")
	}
	return name, nil
}
