package customer

import (
	"context"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// Store is what the use cases need to be kept. Every method is one transaction in the account of the principal.
type Store interface {
	// CustomerCreate stores what make gives: a new customer with its contacts. With a key it happens once; a later use
	// gets the id of the customer that the first one made.
	CustomerCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, create func(Settings) (Change, error)) (uuid.UUID, error)
	// CustomerChange locks the customer, hands its file to decide and stores the change, if it is any. A customer of
	// another account is NOT_FOUND at path.
	CustomerChange(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, decide func(File, Settings, Conflict) (Change, error)) error
	// ContactCreate is CustomerChange for a new contact, which decide gives the id of, at most once per key.
	ContactCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, customerID uuid.UUID, path []string,
		decide func(File) (uuid.UUID, Change, error)) (uuid.UUID, error)
	// ContactChange is CustomerChange for the customer of a contact. i is the contact's place in the file, -1 when it was archived.
	ContactChange(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, decide func(f File, i int, c Conflict) (Change, error)) error
	// CustomerExists says whether the account has the customer.
	CustomerExists(ctx context.Context, accountID, id uuid.UUID) (bool, error)
}

// Conflict makes the fault of an update whose expected version is not the stored one, naming which of the fields of the
// input were changed since. It reads the revisions only when the versions differ.
type Conflict func(expected int, fields []string) error

// Service is the use cases of the customer file.
type Service struct {
	Store Store
	Now   func() time.Time
	NewID func() uuid.UUID
}

// NewService makes a Service on the system's clock and ids.
func NewService(store Store) *Service {
	return &Service{Store: store, Now: time.Now, NewID: typeid.New}
}

func (s *Service) check() *check { return &check{newID: s.NewID} }

// checkFor is check for an input of p. Staff are held to what the account requires.
func (s *Service) checkFor(p auth.Principal) *check {
	c := s.check()
	c.enforceRequired = p.Kind == auth.KindStaff
	return c
}

// Exists is nil when the account has the customer, archived or not. Everybody of the account may ask: who has only
// documents:read or events:read names a customer to follow its log, and learns no more than what the log tells anyhow.
func (s *Service) Exists(ctx context.Context, p auth.Principal, id uuid.UUID) error {
	if err := p.Require(auth.Authenticated); err != nil {
		return err
	}
	ok, err := s.Store.CustomerExists(ctx, p.AccountID, id)
	if err == nil && !ok {
		err = fault.At(fault.NotFound, []string{"customerId"}, "The customer does not exist in this account.")
	}
	return fault.Wrap("customer.Exists", err)
}

// Create creates a customer with all that is nested in the draft. It needs customers:write.
func (s *Service) Create(ctx context.Context, p auth.Principal, d Draft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("customerCreate", idempotencyKey, d)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.CustomerCreate(ctx, p, key, func(settings Settings) (Change, error) {
		c := s.checkFor(p)
		if c.definitions, err = settings.AttributeDefinitions(ctx); err != nil {
			return Change{}, err
		}
		ch := create(c, d)
		return ch, c.faults.Err()
	})
	return id, fault.Wrap("customer.Create", err)
}

// Update changes a customer. It needs customers:write.
func (s *Service) Update(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch Patch) error {
	return s.change(ctx, "customer.Update", p, id, func(f File, settings Settings, conflict Conflict) (Change, error) {
		err := conflict(expectedVersion, patch.fields())
		if err != nil {
			return Change{}, err
		}
		c := s.checkFor(p)
		if patch.Attributes.Given {
			if c.definitions, err = settings.AttributeDefinitions(ctx); err != nil {
				return Change{}, err
			}
		}
		ch := update(c, f, patch)
		return ch, c.faults.Err()
	})
}

// Archive takes a customer out of the directory's default view. An archived customer stays as it is, whatever version is
// expected, so that a retry succeeds. It needs customers:write.
func (s *Service) Archive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "customer.Archive", p, id, func(f File, _ Settings, conflict Conflict) (Change, error) {
		return s.move(expectedVersion, conflict, archive(f))
	})
}

// Restore brings an archived customer back. It needs customers:write.
func (s *Service) Restore(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "customer.Restore", p, id, func(f File, _ Settings, conflict Conflict) (Change, error) {
		return s.move(expectedVersion, conflict, restore(f))
	})
}

func (s *Service) move(expectedVersion int, conflict Conflict, ch Change) (Change, error) {
	if ch.Nothing() {
		return ch, nil
	}
	if err := conflict(expectedVersion, []string{"status"}); err != nil {
		return Change{}, err
	}
	ch.Customer.ArchivedAt = nil
	if ch.Customer.Status == Archived {
		now := s.Now()
		ch.Customer.ArchivedAt = &now
	}
	return ch, nil
}

func (s *Service) change(ctx context.Context, op string, p auth.Principal, id uuid.UUID, decide func(File, Settings, Conflict) (Change, error)) error {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return err
	}
	return fault.Wrap(op, s.Store.CustomerChange(ctx, p, id, []string{"id"}, decide))
}

// ContactCreate adds a contact to a customer. It needs customers:write.
func (s *Service) ContactCreate(ctx context.Context, p auth.Principal, customerID uuid.UUID, d ContactDraft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("contactCreate", idempotencyKey, struct {
		CustomerID uuid.UUID    `json:"customerId"`
		Input      ContactDraft `json:"input"`
	}{customerID, d})
	if err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.ContactCreate(ctx, p, key, customerID, []string{"customerId"}, func(f File) (uuid.UUID, Change, error) {
		c := s.check()
		contact, ch := createContact(c, f, d)
		return contact.ID, ch, c.faults.Err()
	})
	return id, fault.Wrap("customer.ContactCreate", err)
}

// ContactUpdate changes a contact. It needs customers:write.
func (s *Service) ContactUpdate(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch ContactPatch) error {
	return s.changeContact(ctx, "customer.ContactUpdate", p, id, func(f File, i int, conflict Conflict) (Change, error) {
		if i < 0 {
			return Change{}, fault.At(fault.Conflict, []string{"id"}, "The contact was archived and cannot be changed.")
		}
		if err := conflict(expectedVersion, patch.fields()); err != nil {
			return Change{}, err
		}
		c := s.check()
		ch := updateContact(c, f, i, patch)
		return ch, c.faults.Err()
	})
}

// ContactArchive takes a contact out of its customer's contacts; an archived one stays as it is. It needs customers:write.
func (s *Service) ContactArchive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.changeContact(ctx, "customer.ContactArchive", p, id, func(f File, i int, conflict Conflict) (Change, error) {
		if i < 0 {
			return Change{Customer: f.Customer}, nil
		}
		if err := conflict(expectedVersion, nil); err != nil {
			return Change{}, err
		}
		return archiveContact(f, i), nil
	})
}

func (s *Service) changeContact(ctx context.Context, op string, p auth.Principal, id uuid.UUID, decide func(File, int, Conflict) (Change, error)) error {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return err
	}
	return fault.Wrap(op, s.Store.ContactChange(ctx, p, id, []string{"id"}, decide))
}
