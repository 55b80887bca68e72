package catalog

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// Store keeps the lists.
type Store interface {
	// ListChange locks a list of the account of the principal, hands its items in order, archived ones included, to
	// decide and stores the change, if it is any, in one transaction. With a key it happens once; a later use gets the
	// id of the item that the first one made. An item that something uses cannot be removed, which is CONFLICT at id.
	ListChange(ctx context.Context, p auth.Principal, l List, key *idempotency.Key,
		decide func(items []Item, conflict Conflict) (Change, error)) (uuid.UUID, error)
	// ListItems gives the items of a list in order, archived ones included.
	ListItems(ctx context.Context, accountID uuid.UUID, l List) ([]Item, error)
}

// Conflict makes the fault of a change whose expected version is not that of the item.
type Conflict func(item Item, expected int, fields []string) error

// Service is the use cases of the lists. All changes are for administrators.
type Service struct {
	Store Store
	Now   func() time.Time
	NewID func() uuid.UUID
}

// NewService makes a Service on the system's clock and ids.
func NewService(store Store) *Service {
	return &Service{Store: store, Now: time.Now, NewID: typeid.New}
}

// Choosable gives the items of a list that can be chosen, in order. It is for Dossier itself; apps read lists by the API.
// It needs account:read.
func (s *Service) Choosable(ctx context.Context, p auth.Principal, l List) ([]Item, error) {
	if err := p.Require(auth.AccountRead); err != nil {
		return nil, err
	}
	items, err := s.Store.ListItems(ctx, p.AccountID, l)
	items = slices.DeleteFunc(items, func(i Item) bool { return i.ArchivedAt != nil })
	return items, fault.Wrap("catalog.Choosable", err)
}

// Create adds an item to the end of a list.
func (s *Service) Create(ctx context.Context, p auth.Principal, l List, d Draft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New(l.Field+"Create", idempotencyKey, d)
	if err != nil {
		return uuid.Nil, err
	}
	c := check{list: l}
	item := c.item(s.NewID(), d)
	if err := c.faults.Err(); err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.ListChange(ctx, p, l, key, func(items []Item, _ Conflict) (Change, error) {
		c := check{list: l}
		ch := create(&c, items, item)
		return ch, c.faults.Err()
	})
	return id, fault.Wrap("catalog.Create", err)
}

// Update changes an item; its key stays.
func (s *Service) Update(ctx context.Context, p auth.Principal, l List, id uuid.UUID, expectedVersion int, patch Patch) error {
	return s.change(ctx, "catalog.Update", p, l, id, func(items []Item, i int, conflict Conflict) (Change, error) {
		if err := conflict(items[i], expectedVersion, patch.fields(l)); err != nil {
			return Change{}, err
		}
		c := check{list: l}
		ch := update(&c, items, items[i], patch)
		return ch, c.faults.Err()
	})
}

// Move puts an item behind another one, or first when after is nil.
func (s *Service) Move(ctx context.Context, p auth.Principal, l List, id uuid.UUID, expectedVersion int, after *uuid.UUID) error {
	return s.change(ctx, "catalog.Move", p, l, id, func(items []Item, i int, conflict Conflict) (Change, error) {
		if err := conflict(items[i], expectedVersion, []string{"position"}); err != nil {
			return Change{}, err
		}
		return move(items, i, after)
	})
}

// Archive takes an item out of what can be chosen; where it was chosen it stays. An archived item stays as it is, whatever
// version is expected, so that a retry succeeds.
func (s *Service) Archive(ctx context.Context, p auth.Principal, l List, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "catalog.Archive", p, l, id, func(items []Item, i int, conflict Conflict) (Change, error) {
		return expecting(expectedVersion, items[i], archive(items[i], s.Now()), conflict)
	})
}

// Restore lets an archived item be chosen again.
func (s *Service) Restore(ctx context.Context, p auth.Principal, l List, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "catalog.Restore", p, l, id, func(items []Item, i int, conflict Conflict) (Change, error) {
		c := check{list: l}
		ch, err := expecting(expectedVersion, items[i], restore(&c, items, items[i]), conflict)
		if err != nil {
			return Change{}, err
		}
		return ch, c.faults.Err()
	})
}

func expecting(version int, item Item, ch Change, conflict Conflict) (Change, error) {
	if ch.Nothing() {
		return ch, nil
	}
	return ch, conflict(item, version, ch.Fields)
}

// Delete removes an item that nothing uses.
func (s *Service) Delete(ctx context.Context, p auth.Principal, l List, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "catalog.Delete", p, l, id, func(items []Item, i int, conflict Conflict) (Change, error) {
		return Change{Item: items[i], Remove: true}, conflict(items[i], expectedVersion, nil)
	})
}

// change finds the item, i being its place in the list.
func (s *Service) change(
	ctx context.Context, op string, p auth.Principal, l List, id uuid.UUID, decide func(items []Item, i int, conflict Conflict) (Change, error),
) error {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return err
	}
	_, err := s.Store.ListChange(ctx, p, l, nil, func(items []Item, conflict Conflict) (Change, error) {
		i := slices.IndexFunc(items, func(item Item) bool { return item.ID == id })
		if i < 0 {
			// SECURITY: the same for an item of another account, so that its ids cannot be probed.
			return Change{}, fault.At(fault.NotFound, []string{"id"}, "The %s does not exist in this account.", l.Word)
		}
		return decide(items, i, conflict)
	})
	return fault.Wrap(op, err)
}
