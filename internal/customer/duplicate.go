package customer

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// Limits of what is said of duplicates, in customers and groups.
const (
	maxCandidates      = 10
	maxDuplicates      = 20
	defaultGroups      = 25
	maxGroups          = 100
	MaxGroupMembers    = 10
	duplicateCustomers = "These customers may be the one to create. Take one of them, or repeat with allowDuplicate: true."
)

// Reason is why two customers may be the same, in the spelling of the SDL's DuplicateReason.
type Reason string

// The reasons, the likeliest first.
const (
	SameEmail             Reason = "SAME_EMAIL"
	SamePhone             Reason = "SAME_PHONE"
	SameNameAndPostalCode Reason = "SAME_NAME_AND_POSTAL_CODE"
)

// Traits are what duplicates of a customer are found by. Who shares a key of an e-mail address or a telephone number has the
// same contact point, of its own or of a contact; who shares the name must share a postal code too.
type Traits struct {
	Emails      []string
	Phones      []PhoneTrait
	SortName    string
	PostalCodes []string
	// Except is the customer itself, zero for a new one.
	Except uuid.UUID
}

// PhoneTrait is a number with its extension: behind one number are many people of a company.
type PhoneTrait struct{ E164, Extension string }

// Candidate is a customer that may be the same as another one.
type Candidate struct {
	ID      uuid.UUID
	Reasons []Reason
}

// Group is customers that share a contact point.
type Group struct {
	GroupKey
	// Customers are the oldest of them, at most MaxGroupMembers.
	Customers []uuid.UUID
}

// GroupKey is what a group shares, and its place in the order of groups. Extension is of a telephone number.
type GroupKey struct {
	Reason           Reason
	Value, Extension string
}

// DuplicateStore finds customers that may be the same.
type DuplicateStore interface {
	// CustomerDuplicates gives who may be the same as a customer. One that was merged stands for the one it was merged into. A
	// customer of another account is NOT_FOUND at customerId.
	CustomerDuplicates(ctx context.Context, accountID, id uuid.UUID, limit int) ([]Candidate, error)
	// DuplicateGroups gives the groups behind a key, in the order of keys.
	DuplicateGroups(ctx context.Context, accountID uuid.UUID, after GroupKey, limit int) ([]Group, error)
}

// TraitsOf gives what a file is recognised by.
func TraitsOf(f File) Traits {
	t := Traits{Except: f.ID, SortName: f.SortName()}
	points := []Points{f.Points}
	for _, con := range f.Contacts {
		points = append(points, con.Points)
	}
	for _, p := range points {
		for _, e := range p.Emails {
			t.Emails = append(t.Emails, e.Key)
		}
		for _, n := range p.Phones {
			t.Phones = append(t.Phones, PhoneTrait{n.E164, n.Extension})
		}
	}
	for _, a := range f.Addresses {
		if code := postalKey(a.PostalCode); code != "" {
			t.PostalCodes = append(t.PostalCodes, code)
		}
	}
	slices.Sort(t.Emails)
	slices.SortFunc(t.Phones, func(a, b PhoneTrait) int { return strings.Compare(a.E164+a.Extension, b.E164+b.Extension) })
	t.Emails, t.Phones = slices.Compact(t.Emails), slices.Compact(t.Phones)
	return t
}

// None says that there is nothing to recognise the customer by.
func (t Traits) None() bool {
	return len(t.Emails) == 0 && len(t.Phones) == 0 && len(t.PostalCodes) == 0
}

func postalKey(s string) string { return strings.ToUpper(strings.ReplaceAll(s, " ", "")) }

// refuseDuplicate is nil when nobody may be the customer that is to be created.
func refuseDuplicate(r Reading, ch Change) error {
	f := File{Customer: ch.Customer}
	for _, con := range ch.Contacts {
		f.Contacts = append(f.Contacts, con.Contact)
	}
	traits := TraitsOf(f)
	if traits.None() {
		return nil
	}
	list, err := r.Duplicates(traits, maxCandidates)
	if err != nil || len(list) == 0 {
		return err
	}
	detail := fault.DuplicateDetail{}
	for _, c := range list {
		detail.NodeIDs = append(detail.NodeIDs, typeid.Format(typeid.Customer, c.ID))
	}
	return &fault.Error{Code: fault.Conflict, Path: []string{"input"}, Message: duplicateCustomers, Detail: detail}
}

// Duplicates gives who may be the same as a customer. It needs customers:read.
func (s *Service) Duplicates(ctx context.Context, p auth.Principal, id uuid.UUID) ([]Candidate, error) {
	if err := p.Require(auth.CustomersRead); err != nil {
		return nil, err
	}
	list, err := s.Store.CustomerDuplicates(ctx, p.AccountID, id, maxDuplicates)
	return list, fault.Wrap("customer.Duplicates", err)
}

// DuplicateGroups gives a page of what customers of the account share, and whether there is more. first is nil for the
// usual size, after is zero for the beginning. It needs customers:read.
func (s *Service) DuplicateGroups(ctx context.Context, p auth.Principal, first *int, after GroupKey) (groups []Group, more bool, err error) {
	if err := p.Require(auth.CustomersRead); err != nil {
		return nil, false, err
	}
	size := defaultGroups
	if first != nil {
		size = *first
	}
	if size < 0 || size > maxGroups {
		return nil, false, fault.At(fault.BadUserInput, []string{"first"}, "first must be from 0 to %d.", maxGroups)
	}
	groups, err = s.Store.DuplicateGroups(ctx, p.AccountID, after, size+1)
	if len(groups) > size {
		groups, more = groups[:size], true
	}
	return groups, more, fault.Wrap("customer.DuplicateGroups", err)
}
