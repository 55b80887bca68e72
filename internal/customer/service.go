package customer

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// Store is what the use cases need to be kept. Every method is one transaction in the account of the principal.
type Store interface {
	// CustomerCreate stores what make gives: a new customer with its contacts. With a key it happens once; a later use
	// gets the id of the customer that the first one made.
	CustomerCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, create func(Reading) (Change, error)) (uuid.UUID, error)
	// CustomerUpsert finds the customer that another system knows by an id, locks it and hands its file to change; where
	// there is none it stores what create gives. It says which it was.
	CustomerUpsert(ctx context.Context, p auth.Principal, externalID string, create func(Reading) (Change, error),
		change func(File, Reading) (Change, error)) (id uuid.UUID, created bool, err error)
	// CustomerChange locks the customer, hands its file to decide and stores the change, if it is any. A customer of
	// another account is NOT_FOUND at path.
	CustomerChange(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, decide func(File, Reading) (Change, error)) error
	// ContactCreate is CustomerChange for a new contact, which decide gives the id of, at most once per key.
	ContactCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, customerID uuid.UUID, path []string,
		decide func(File, Reading) (uuid.UUID, Change, error)) (uuid.UUID, error)
	// ContactChange is CustomerChange for the customer of a contact. i is the contact's place in the file, -1 when it was archived.
	ContactChange(ctx context.Context, p auth.Principal, id uuid.UUID, path []string, decide func(f File, i int, r Reading) (Change, error)) error
	MergeStore
	DuplicateStore
	// CustomerExists says whether the account has the customer.
	CustomerExists(ctx context.Context, accountID, id uuid.UUID) (bool, error)
}

// Reading is the stored data as the transaction of a change sees it.
type Reading interface {
	// Conflict makes the fault of an update whose expected version is not the stored one, naming which of the fields of the
	// input were changed since. It reads the revisions only when the versions differ.
	Conflict(expected int, fields []string) error
	// Choices says of each choice whether there is such an item in the account. An item that is chosen stays until the end
	// of the transaction.
	Choices(list []Choice) ([]ChoiceState, error)
	// Rules gives the field policy of a channel for customers of a type, uuid.Nil for those without one.
	Rules(via Channel, typeID uuid.UUID) (Rules, error)
	// ExternalIDTaken says whether a customer other than this one has the external id.
	ExternalIDTaken(externalID string, except uuid.UUID) (bool, error)
	// Duplicates gives the customers that may be the one with these traits, the likeliest first. Until the end of the
	// transaction nobody else who asks so for one of the traits gets an answer.
	Duplicates(traits Traits, limit int) ([]Candidate, error)
	// AttributeDefinitions gives the custom attributes in use.
	AttributeDefinitions() ([]attribute.Definition, error)
}

// Choice is an item of a list of the account.
type Choice struct {
	List List
	ID   uuid.UUID
}

// ChoiceState is what has become of an item.
type ChoiceState struct{ Exists, Archived bool }

// OnConflict is what an update does when its expected version is not the stored one, in the spelling of the SDL.
type OnConflict string

// MergeDisjoint applies an update whose fields nobody changed since. Every other value refuses it.
const MergeDisjoint OnConflict = "MERGE_DISJOINT"

// settle is nil when an update may go on.
func (o OnConflict) settle(r Reading, expected int, fields []string) error {
	err := r.Conflict(expected, fields)
	var f *fault.Error
	if o != MergeDisjoint || !errors.As(err, &f) {
		return err
	}
	if d, ok := f.Detail.(fault.VersionConflictDetail); ok && expected > 0 && expected < d.CurrentVersion && len(d.ConflictingFields) == 0 {
		return nil
	}
	return err
}

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
	return s.createOnce(ctx, p, d, idempotencyKey, func(Reading, Change) error { return nil })
}

// CreateUnique is Create, unless there is a customer already that may be the same: then it names those.
func (s *Service) CreateUnique(ctx context.Context, p auth.Principal, d Draft, idempotencyKey *string) (uuid.UUID, error) {
	return s.createOnce(ctx, p, d, idempotencyKey, refuseDuplicate)
}

func (s *Service) createOnce(
	ctx context.Context, p auth.Principal, d Draft, idempotencyKey *string, accept func(Reading, Change) error,
) (uuid.UUID, error) {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("customerCreate", idempotencyKey, d)
	if err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.CustomerCreate(ctx, p, key, func(r Reading) (Change, error) {
		ch, err := s.create(r, d, ChannelOf(p))
		if err == nil {
			err = accept(r, ch)
		}
		return ch, err
	})
	return id, fault.Wrap("customer.Create", err)
}

func (s *Service) create(r Reading, d Draft, via Channel) (Change, error) {
	c := s.check()
	if err := c.readDefinitions(r, via); err != nil {
		return Change{}, err
	}
	ch := create(c, d, via)
	if err := c.obeyWhole(r, via, File{}, ch, everything); err != nil {
		return ch, err
	}
	return ch, c.ask(r, File{Customer: ch.Customer})
}

// ChannelOf is the way by which a principal enters something.
func ChannelOf(p auth.Principal) Channel {
	if p.Kind == auth.KindAPIKey {
		return ByAPI
	}
	return ByStaff
}

// Update changes a customer. It needs customers:write.
func (s *Service) Update(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch Patch, onConflict OnConflict) error {
	return s.change(ctx, "customer.Update", p, id, func(f File, r Reading) (Change, error) {
		if err := onConflict.settle(r, expectedVersion, patch.fields()); err != nil {
			return Change{}, err
		}
		return s.update(r, f, patch, ChannelOf(p))
	})
}

func (s *Service) update(r Reading, f File, patch Patch, via Channel) (Change, error) {
	if err := changeable(f); err != nil {
		return Change{}, err
	}
	c := s.check()
	if patch.Attributes.Given {
		if err := c.readDefinitions(r, via); err != nil {
			return Change{}, err
		}
	}
	ch := update(c, f, patch)
	if err := c.obeyWhole(r, via, f, ch, patch.given); err != nil {
		return Change{}, err
	}
	asked := File{}
	if patch.ExternalID.Given {
		asked.Customer = ch.Customer
	}
	return ch, c.ask(r, asked)
}

// changeable refuses a customer that was merged into another one.
func changeable(f File) error {
	if f.Status == Merged {
		return fault.At(fault.Conflict, []string{"id"}, "The customer was merged into another one. Change that one.")
	}
	return nil
}

// Archive takes a customer out of the directory's default view. An archived customer stays as it is, whatever version is
// expected, so that a retry succeeds. It needs customers:write.
func (s *Service) Archive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "customer.Archive", p, id, func(f File, r Reading) (Change, error) {
		return s.move(expectedVersion, r, f, archive(f))
	})
}

// Restore brings an archived customer back. It needs customers:write.
func (s *Service) Restore(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.change(ctx, "customer.Restore", p, id, func(f File, r Reading) (Change, error) {
		return s.move(expectedVersion, r, f, restore(f))
	})
}

func (s *Service) move(expectedVersion int, r Reading, f File, ch Change) (Change, error) {
	if ch.Nothing() {
		return ch, nil
	}
	if err := changeable(f); err != nil {
		return Change{}, err
	}
	if err := r.Conflict(expectedVersion, []string{"status"}); err != nil {
		return Change{}, err
	}
	ch.Customer.ArchivedAt = nil
	if ch.Customer.Status == Archived {
		now := s.Now()
		ch.Customer.ArchivedAt = &now
	}
	return ch, nil
}

func (s *Service) change(ctx context.Context, op string, p auth.Principal, id uuid.UUID, decide func(File, Reading) (Change, error)) error {
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
	id, err := s.Store.ContactCreate(ctx, p, key, customerID, []string{"customerId"}, func(f File, r Reading) (uuid.UUID, Change, error) {
		if err := changeable(f); err != nil {
			return uuid.Nil, Change{}, err
		}
		c := s.check()
		contact, ch := createContact(c, f, d)
		if err := c.obeyContact(r, ChannelOf(p), f, ch, func(string) []string { return []string{"input"} }); err != nil {
			return uuid.Nil, Change{}, err
		}
		return contact.ID, ch, c.faults.Err()
	})
	return id, fault.Wrap("customer.ContactCreate", err)
}

// ContactUpdate changes a contact. It needs customers:write.
func (s *Service) ContactUpdate(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch ContactPatch, onConflict OnConflict) error {
	return s.changeContact(ctx, "customer.ContactUpdate", p, id, func(f File, i int, r Reading) (Change, error) {
		if i < 0 {
			return Change{}, fault.At(fault.Conflict, []string{"id"}, "The contact was archived and cannot be changed.")
		}
		if err := onConflict.settle(r, expectedVersion, patch.fields()); err != nil {
			return Change{}, err
		}
		c := s.check()
		ch := updateContact(c, f, i, patch)
		if err := c.obeyContact(r, ChannelOf(p), f, ch, inInput); err != nil {
			return Change{}, err
		}
		return ch, c.faults.Err()
	})
}

// ContactArchive takes a contact out of its customer's contacts; an archived one stays as it is. It needs customers:write.
func (s *Service) ContactArchive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.changeContact(ctx, "customer.ContactArchive", p, id, func(f File, i int, r Reading) (Change, error) {
		if i < 0 {
			return Change{Customer: f.Customer}, nil
		}
		if err := r.Conflict(expectedVersion, nil); err != nil {
			return Change{}, err
		}
		c, ch := s.check(), archiveContact(f, i)
		if err := c.obeyContact(r, ChannelOf(p), f, ch, func(string) []string { return []string{"id"} }); err != nil {
			return Change{}, err
		}
		return ch, c.faults.Err()
	})
}

func (s *Service) changeContact(ctx context.Context, op string, p auth.Principal, id uuid.UUID, decide func(File, int, Reading) (Change, error)) error {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return err
	}
	return fault.Wrap(op, s.Store.ContactChange(ctx, p, id, []string{"id"}, decide))
}
