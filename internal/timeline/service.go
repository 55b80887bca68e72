package timeline

import (
	"context"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// Store is what the use cases need to be kept and read.
type Store interface {
	// EntryCreate stores a new entry, at most once per key; a later use gets the id of the one that the first made. A
	// customer of another account is NOT_FOUND at path.
	EntryCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, e Entry, path []string) (uuid.UUID, error)
	// EntryChange locks the entry, hands it to decide and stores what it gives. Without fields nothing is stored; with
	// remove the entry is deleted. An entry of another account is NOT_FOUND at path.
	EntryChange(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, decide func(Entry, Conflict) (Decision, error)) error
	// Head gives the number of the newest event, and that of the newest one that is no longer kept.
	Head(ctx context.Context, accountID uuid.UUID) (seq, floor int64, err error)
	// Events gives the events in (from, to] that match, in order and at most limit of them, and up to which number that
	// is all. It is CURSOR_EXPIRED when events after from are no longer kept.
	Events(ctx context.Context, accountID uuid.UUID, from, to int64, filter Filter, limit int) (events []EventRef, reached int64, err error)
}

// Conflict makes the fault of a change whose expected version is not the stored one.
type Conflict func(expected int, fields []string) error

// Decision is what becomes of an entry.
type Decision struct {
	Entry  Entry
	Fields []string
	Remove bool
}

// Service is the use cases of timelines and of the event log.
type Service struct {
	Store Store
	NewID func() uuid.UUID
}

// NewService makes a Service with the system's ids.
func NewService(store Store) *Service { return &Service{Store: store, NewID: typeid.New} }

// EntryCreate plans or logs something on a customer's timeline. It needs timeline:write.
func (s *Service) EntryCreate(ctx context.Context, p auth.Principal, customerID uuid.UUID, d Draft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.TimelineWrite); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("timelineEntryCreate", idempotencyKey, struct {
		CustomerID uuid.UUID `json:"customerId"`
		Input      Draft     `json:"input"`
	}{customerID, d})
	if err != nil {
		return uuid.Nil, err
	}
	e, err := create(s.NewID(), customerID, d)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.EntryCreate(ctx, p, key, e, []string{"customerId"})
	return id, fault.Wrap("timeline.EntryCreate", err)
}

// EntryUpdate changes an entry that staff made. It needs timeline:write.
func (s *Service) EntryUpdate(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch Patch) error {
	if err := p.Require(auth.TimelineWrite); err != nil {
		return err
	}
	err := s.Store.EntryChange(ctx, p, id, []string{"id"}, func(e Entry, conflict Conflict) (Decision, error) {
		if err := conflict(expectedVersion, patch.fields()); err != nil {
			return Decision{}, err
		}
		next, fields, err := update(e, patch)
		return Decision{Entry: next, Fields: fields}, err
	})
	return fault.Wrap("timeline.EntryUpdate", err)
}

// EntryDelete deletes an entry that staff made. It needs timeline:write.
func (s *Service) EntryDelete(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	if err := p.Require(auth.TimelineWrite); err != nil {
		return err
	}
	err := s.Store.EntryChange(ctx, p, id, []string{"id"}, func(e Entry, conflict Conflict) (Decision, error) {
		if err := conflict(expectedVersion, nil); err != nil {
			return Decision{}, err
		}
		_, _, err := update(e, Patch{})
		return Decision{Entry: e, Remove: true}, err
	})
	return fault.Wrap("timeline.EntryDelete", err)
}

// MaxEvents is how many events one reading gives at most.
const MaxEvents = 500

// Head gives the numbers of the newest event and of the newest one that is no longer kept. It needs events:read.
func (s *Service) Head(ctx context.Context, p auth.Principal) (seq, floor int64, err error) {
	if err := p.Require(auth.EventsRead); err != nil {
		return 0, 0, err
	}
	seq, floor, err = s.Store.Head(ctx, p.AccountID)
	return seq, floor, fault.Wrap("timeline.Head", err)
}

// Events gives the events with numbers in (from, to] that match the filter, in order, each with the number of the one
// before it, and the number up to which these are all: to, or less when the limit cut the reading short. It needs
// events:read.
func (s *Service) Events(ctx context.Context, p auth.Principal, from, to int64, filter Filter, limit int) ([]EventRef, int64, error) {
	if err := p.Require(auth.EventsRead); err != nil {
		return nil, from, err
	}
	if to <= from || filter.Types != nil && len(filter.Types) == 0 {
		return nil, max(from, to), nil
	}
	events, reached, err := s.Store.Events(ctx, p.AccountID, from, to, filter, min(max(limit, 1), MaxEvents))
	if err != nil {
		return nil, from, fault.Wrap("timeline.Events", err)
	}
	return events, reached, nil
}
