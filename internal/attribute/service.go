package attribute

import (
	"context"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// Store is what the use cases need to be kept. Every method is one transaction in the account of the principal, in which
// no other one changes the account's definitions.
type Store interface {
	// AttributeCreate hands all definitions of the account to decide, in order, and its customer types, and stores the new one that it gives. With
	// a key it happens once; a later use gets the id of the definition that the first one made.
	AttributeCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, decide func(all []Definition, customerTypes []uuid.UUID) (Change, error)) (uuid.UUID, error)
	// AttributeChange hands all definitions of the account to decide, the place of one of them, and how customers use it,
	// and stores the change, if it is any. A definition of another account is NOT_FOUND at path.
	AttributeChange(ctx context.Context, p auth.Principal, id uuid.UUID, path []string,
		decide func(all []Definition, i int, use Use, conflict Conflict) (Change, error)) error
}

// Conflict makes the fault of an update whose expected version is not the stored one, naming which of the fields of the
// input were changed since.
type Conflict func(expected int, fields []string) error

// Service is the use cases of custom attributes.
type Service struct {
	Store Store
	Now   func() time.Time
	NewID func() uuid.UUID
}

// NewService makes a Service on the system's clock and ids.
func NewService(store Store) *Service {
	return &Service{Store: store, Now: time.Now, NewID: typeid.New}
}

// Create defines a custom attribute. Administrators may.
func (s *Service) Create(ctx context.Context, p auth.Principal, d Draft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("attributeDefinitionCreate", idempotencyKey, d)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.AttributeCreate(ctx, p, key, func(all []Definition, customerTypes []uuid.UUID) (Change, error) {
		c := &check{newID: s.NewID, types: customerTypes}
		ch := create(c, all, d)
		return ch, c.faults.Err()
	})
	return id, fault.Wrap("attribute.Create", err)
}

// Update changes a definition. Administrators may.
func (s *Service) Update(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch Patch) error {
	return s.change(ctx, "attribute.Update", p, id, func(all []Definition, i int, use Use, conflict Conflict) (Change, error) {
		if err := conflict(expectedVersion, patch.fields()); err != nil {
			return Change{}, err
		}
		c := &check{newID: s.NewID, types: use.CustomerTypes}
		ch := update(c, all[i], patch, use)
		return ch, c.faults.Err()
	})
}

// Move puts a definition behind another one, or first when after is nil. Administrators may.
func (s *Service) Move(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, after *uuid.UUID) error {
	return s.change(ctx, "attribute.Move", p, id, func(all []Definition, i int, _ Use, conflict Conflict) (Change, error) {
		if err := conflict(expectedVersion, []string{"position"}); err != nil {
			return Change{}, err
		}
		return move(all, i, after)
	})
}

// Archive takes a definition out of use, with its values. An archived one stays as it is, whatever version is expected, so
// that a retry succeeds. Administrators may.
func (s *Service) Archive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.shelve(ctx, "attribute.Archive", p, id, expectedVersion, true)
}

// Restore brings an archived definition back. Administrators may.
func (s *Service) Restore(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.shelve(ctx, "attribute.Restore", p, id, expectedVersion, false)
}

func (s *Service) shelve(ctx context.Context, op string, p auth.Principal, id uuid.UUID, expectedVersion int, archived bool) error {
	return s.change(ctx, op, p, id, func(all []Definition, i int, _ Use, conflict Conflict) (Change, error) {
		ch := Change{Definition: all[i]}
		if all[i].Archived() == archived {
			return ch, nil
		}
		if err := conflict(expectedVersion, []string{"archivedAt"}); err != nil {
			return Change{}, err
		}
		ch.Fields = []string{"archivedAt"}
		ch.Definition.ArchivedAt, ch.Event = nil, eventOf(archived)
		if archived {
			now := s.Now()
			ch.Definition.ArchivedAt = &now
		}
		return ch, nil
	})
}

// Delete deletes a definition that no customer has a value of. Administrators may.
func (s *Service) Delete(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "attribute.Delete", p, id, func(all []Definition, i int, use Use, conflict Conflict) (Change, error) {
		if err := conflict(expectedVersion, nil); err != nil {
			return Change{}, err
		}
		return remove(all, i, use)
	})
}

func (s *Service) change(
	ctx context.Context, op string, p auth.Principal, id uuid.UUID, decide func(all []Definition, i int, use Use, conflict Conflict) (Change, error),
) error {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return err
	}
	return fault.Wrap(op, s.Store.AttributeChange(ctx, p, id, []string{"id"}, decide))
}
