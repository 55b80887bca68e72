package note

import (
	"context"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// Store is what the use cases need to be kept.
type Store interface {
	// NoteCreate stores a new note, at most once per key; a later use gets the id of the one that the first made. A
	// customer of another account is NOT_FOUND at path.
	NoteCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, n Note, path []string) (uuid.UUID, error)
	// NoteChange locks the note, hands it to decide and stores what it gives. A note of another account is NOT_FOUND at
	// path.
	NoteChange(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, decide func(Note, Conflict) (Change, error)) error
}

// Conflict makes the fault of a change whose expected version is not the stored one.
type Conflict func(expected int, fields []string) error

// Service is the use cases of notes.
type Service struct {
	Store Store
	NewID func() uuid.UUID
}

// NewService makes a Service with the system's ids.
func NewService(store Store) *Service { return &Service{Store: store, NewID: typeid.New} }

// Create writes a note about a customer. Who may: NotesWrite.
func (s *Service) Create(ctx context.Context, p auth.Principal, customerID uuid.UUID, d Draft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.NotesWrite); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("noteCreate", idempotencyKey, struct {
		CustomerID uuid.UUID `json:"customerId"`
		Input      Draft     `json:"input"`
	}{customerID, d})
	if err != nil {
		return uuid.Nil, err
	}
	n, err := create(s.NewID(), customerID, d)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.NoteCreate(ctx, p, key, n, []string{"customerId"})
	return id, fault.Wrap("note.Create", err)
}

// Update changes what the patch gives. Who may: NotesWrite, whoever wrote the note: it belongs to the customer's file and
// not to a person.
func (s *Service) Update(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch Patch) error {
	if err := p.Require(auth.NotesWrite); err != nil {
		return err
	}
	if err := patch.clean(); err != nil {
		return err
	}
	err := s.Store.NoteChange(ctx, p, id, []string{"id"}, func(n Note, conflict Conflict) (Change, error) {
		if err := conflict(expectedVersion, patch.fields()); err != nil {
			return Change{}, err
		}
		return patch.apply(n), nil
	})
	return fault.Wrap("note.Update", err)
}

// Delete deletes a note for good. Who may: NotesWrite.
func (s *Service) Delete(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	if err := p.Require(auth.NotesWrite); err != nil {
		return err
	}
	err := s.Store.NoteChange(ctx, p, id, []string{"id"}, func(n Note, conflict Conflict) (Change, error) {
		if err := conflict(expectedVersion, nil); err != nil {
			return Change{}, err
		}
		return Change{Note: n, Remove: true}, nil
	})
	return fault.Wrap("note.Delete", err)
}
