package account

import (
	"context"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/fold"
	"dossier/internal/idempotency"
	"dossier/internal/optional"
	"dossier/internal/text"
)

// MaxAwaited is how many people may be waiting for their first token.
const MaxAwaited = 200

// Staff is a person of the staff.
type Staff struct {
	ID                 uuid.UUID
	Version            int
	DisplayName, Email string
	// SignedIn says that a token has arrived: from then on the issuer says what the person is called.
	SignedIn bool
	// ArchivedAt is nil for somebody who can be chosen.
	ArchivedAt *time.Time
}

// EmailKey is the address in the form by which people are recognised.
func (s Staff) EmailKey() string { return fold.Email(s.Email) }

// StaffDraft is the input of a colleague who has not signed in. The JSON names are part of the fingerprint of
// idempotency keys.
type StaffDraft struct {
	DisplayName string `json:"displayName"`
	Email       string `json:"email"`
}

// StaffPatch is what to change of such a colleague.
type StaffPatch struct {
	DisplayName, Email optional.Field[*string]
}

// StaffStore keeps the staff.
type StaffStore interface {
	// StaffCreate stores somebody who has not signed in, at most once per key; a later use gets the id of the first.
	// Somebody who has the address already, or too many of those who have not signed in, is CONFLICT below input.
	StaffCreate(ctx context.Context, p auth.Principal, key *idempotency.Key, person Staff) (uuid.UUID, error)
	// StaffChange locks the person, hands them to decide and stores what it gives, if fields names anything. Another
	// person with the address is CONFLICT at input.email, or at id where it is not the address that changes.
	StaffChange(ctx context.Context, p auth.Principal, id uuid.UUID,
		decide func(person Staff, conflict StaffConflict) (next Staff, fields []string, err error)) error
}

// StaffConflict makes the fault of a change whose expected version is not the stored one.
type StaffConflict func(expected int, fields []string) error

// StaffCreate makes a colleague known who has not signed in, so that customers can be given to them. Administrators may.
func (s *Service) StaffCreate(ctx context.Context, p auth.Principal, d StaffDraft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("staffUserCreate", idempotencyKey, d)
	if err != nil {
		return uuid.Nil, err
	}
	var faults fault.List
	person := Staff{ID: s.NewID(), Version: 1}
	person.DisplayName = staffName(&faults, d.DisplayName)
	person.Email = staffEmail(&faults, d.Email)
	if err := faults.Err(); err != nil {
		return uuid.Nil, err
	}
	id, err := s.Store.StaffCreate(ctx, p, key, person)
	return id, fault.Wrap("account.StaffCreate", err)
}

// StaffUpdate changes a colleague who has not signed in. Administrators may.
func (s *Service) StaffUpdate(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int, patch StaffPatch) error {
	return s.changeStaff(ctx, "account.StaffUpdate", p, id, func(person Staff, conflict StaffConflict) (Staff, []string, error) {
		if person.SignedIn {
			return person, nil, fault.At(fault.Conflict, []string{"id"},
				"This person has signed in, and name and e-mail address come with each token since. Change them at the issuer of the tokens.")
		}
		if err := conflict(expectedVersion, patch.fields()); err != nil {
			return person, nil, err
		}
		return patch.apply(person)
	})
}

// StaffArchive takes a person out of those who can be chosen; where they were chosen they stay. It does not lock them
// out: who may sign in is the issuer's affair. Administrators may. An archived person stays as they are.
func (s *Service) StaffArchive(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	now := s.Now()
	return s.setArchived(ctx, "account.StaffArchive", p, id, expectedVersion, &now)
}

// StaffRestore lets a person be chosen again. Administrators may.
func (s *Service) StaffRestore(ctx context.Context, p auth.Principal, id uuid.UUID, expectedVersion int) error {
	return s.setArchived(ctx, "account.StaffRestore", p, id, expectedVersion, nil)
}

func (s *Service) setArchived(ctx context.Context, op string, p auth.Principal, id uuid.UUID, expectedVersion int, at *time.Time) error {
	return s.changeStaff(ctx, op, p, id, func(person Staff, conflict StaffConflict) (Staff, []string, error) {
		if (person.ArchivedAt == nil) == (at == nil) {
			return person, nil, nil
		}
		person.ArchivedAt = at
		fields := []string{"archivedAt"}
		return person, fields, conflict(expectedVersion, fields)
	})
}

func (s *Service) changeStaff(
	ctx context.Context, op string, p auth.Principal, id uuid.UUID, decide func(Staff, StaffConflict) (Staff, []string, error),
) error {
	if err := p.Require(auth.AccountAdmin); err != nil {
		return err
	}
	return fault.Wrap(op, s.Store.StaffChange(ctx, p, id, decide))
}

func (p StaffPatch) fields() []string {
	var names []string
	if p.DisplayName.Given {
		names = append(names, "displayName")
	}
	if p.Email.Given {
		names = append(names, "email")
	}
	return names
}

func (p StaffPatch) apply(person Staff) (Staff, []string, error) {
	var faults fault.List
	next := person
	if p.DisplayName.Given {
		next.DisplayName = staffName(&faults, given(p.DisplayName))
	}
	if p.Email.Given {
		next.Email = staffEmail(&faults, given(p.Email))
	}
	var fields []string
	if next.DisplayName != person.DisplayName {
		fields = append(fields, "displayName")
	}
	if next.Email != person.Email {
		fields = append(fields, "email")
	}
	return next, fields, faults.Err()
}

func given(f optional.Field[*string]) string {
	if f.Value == nil {
		return ""
	}
	return *f.Value
}

func staffName(faults *fault.List, s string) string {
	name, err := cleanName([]string{"input", "displayName"}, s)
	*faults = append(*faults, fault.AsList(err)...)
	return name
}

func staffEmail(faults *fault.List, s string) string {
	email, problem := text.Email(s)
	if problem != "" {
		*faults = append(*faults, fault.At(fault.BadUserInput, []string{"input", "email"}, "%s", problem))
	}
	return email
}
