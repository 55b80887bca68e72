package account

import (
	"context"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// The most that limits can be set to: sums of them stay far from what 64 bits hold, and no object store takes a larger
// file.
const (
	MaxStorageBytes = 1_000_000_000_000_000
	MaxFileBytes    = 5_000_000_000_000
)

// Storage is how much an account may store, and does.
type Storage struct {
	LimitBytes, UsedBytes, ReservedBytes int64
	// MaxFileBytes is the limit of one file.
	MaxFileBytes int64
}

// StorageLimits are limits to set; nil leaves one as it is.
type StorageLimits struct{ LimitBytes, MaxFileBytes *int64 }

// StorageStore keeps the limits of accounts.
type StorageStore interface {
	// StorageLimitSet sets limits, with the events that follow from it. Limits that hold already change nothing.
	StorageLimitSet(ctx context.Context, p auth.Principal, limits StorageLimits) error
	// Storage gives what an account may store, and does.
	Storage(ctx context.Context, p auth.Principal) (Storage, error)
}

// StorageLimitSet sets what the account has booked. A limit below what is used takes nothing away: uploads are refused
// until there is room. The operator may.
func (s *Service) StorageLimitSet(ctx context.Context, p auth.Principal, limits StorageLimits) error {
	if err := p.Require(auth.AccountOperate); err != nil {
		return err
	}
	if limits.LimitBytes == nil && limits.MaxFileBytes == nil {
		return fault.At(fault.Required, []string{"input"}, "There is no limit to set. Give limitBytes, maxFileBytes, or both.")
	}
	var list fault.List
	check := func(field string, value *int64, low, high int64) {
		if value != nil && (*value < low || *value > high) {
			list = append(list, fault.At(fault.BadUserInput, []string{"input", field}, "%s must be from %d to %d bytes.", field, low, high))
		}
	}
	check("limitBytes", limits.LimitBytes, 0, MaxStorageBytes)
	check("maxFileBytes", limits.MaxFileBytes, 1, MaxFileBytes)
	if err := list.Err(); err != nil {
		return err
	}
	return fault.Wrap("account.StorageLimitSet", s.Store.StorageLimitSet(ctx, p, limits))
}

// Storage gives what the account may store, and does. Everybody with the account's settings may.
func (s *Service) Storage(ctx context.Context, p auth.Principal) (Storage, error) {
	if err := p.Require(auth.AccountRead); err != nil {
		return Storage{}, err
	}
	storage, err := s.Store.Storage(ctx, p)
	return storage, fault.Wrap("account.Storage", err)
}
