package customer

import (
	"context"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
)

// MergeInput is which customers to merge, as they were seen, and what to take from the loser (MergePick of the SDL). The
// JSON names are part of the fingerprint of idempotency keys.
type MergeInput struct {
	WinnerID       uuid.UUID `json:"winnerId"`
	LoserID        uuid.UUID `json:"loserId"`
	ExpectedWinner int       `json:"expectedWinnerVersion"`
	ExpectedLoser  int       `json:"expectedLoserVersion"`
	Picks          []string  `json:"picks,omitempty"`
	DryRun         bool      `json:"dryRun,omitempty"`
}

// MergeCounts is how many of each kind a merge moves.
type MergeCounts struct {
	Emails, Phones, Addresses, Contacts, Documents, TimelineEntries int
}

// MergeResult is what became of a merge. ID is that of its record, zero in a dry run; the rest is set in a dry run only.
type MergeResult struct {
	ID     uuid.UUID
	Winner Customer
	Fields []string
	Moved  MergeCounts
}

// Pair is two customers of a merge with what the transaction sees of each.
type Pair struct {
	Winner, Loser               File
	WinnerReading, LoserReading Reading
}

// MergeStore keeps merges. Every method is one transaction in the account of the principal.
type MergeStore interface {
	// CustomerMerge locks both customers, always in the same order, hands them to decide, and stores the merge with all that
	// is moved; with the key once. In a dry run it does the same and takes it back. A customer of another account is NOT_FOUND
	// at winnerId or loserId.
	CustomerMerge(ctx context.Context, p auth.Principal, key *idempotency.Key, in MergeInput, decide func(Pair) (Merge, error)) (MergeResult, error)
	// CustomerMergeUndo locks both customers of a merge and hands them to decide with what was written down and the contacts
	// that were moved. A merge that was undone already is left alone. It gives the winner.
	CustomerMergeUndo(ctx context.Context, p auth.Principal, id uuid.UUID,
		decide func(m MergeRecord, now Pair, moved []uuid.UUID) (Merge, error)) (winner uuid.UUID, err error)
}

// Merge merges a customer into another one. It needs customers:write, and a dry run customers:read too: it shows the file.
func (s *Service) Merge(ctx context.Context, p auth.Principal, in MergeInput, idempotencyKey *string) (MergeResult, error) {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return MergeResult{}, err
	}
	if in.DryRun {
		if err := p.Require(auth.CustomersRead); err != nil {
			return MergeResult{}, err
		}
		idempotencyKey = nil
	}
	if in.WinnerID == in.LoserID {
		return MergeResult{}, fault.At(fault.Conflict, []string{"loserId"}, "A customer cannot be merged into itself. Name two customers.")
	}
	key, err := idempotency.New("customerMerge", idempotencyKey, in)
	if err != nil {
		return MergeResult{}, err
	}
	result, err := s.Store.CustomerMerge(ctx, p, key, in, func(now Pair) (Merge, error) {
		if err := mergeable(now, in); err != nil {
			return Merge{}, err
		}
		c := s.check()
		m := mergeFiles(c, now.Winner, now.Loser, in.Picks)
		rules, err := now.WinnerReading.Rules(ChannelOf(p), m.Winner.Customer.TypeID)
		if err != nil {
			return Merge{}, err
		}
		c.obey(rules, entry{
			before: &now.Winner, after: File{Customer: m.Winner.Customer, Contacts: slices.Concat(now.Winner.Contacts, now.Loser.Contacts)},
			given: func(string) bool { return false }, path: func(string) []string { return []string{"picks"} },
		})
		return m, c.faults.Err()
	})
	return result, fault.Wrap("customer.Merge", err)
}

// mergeable holds that both customers are as they were seen and that neither was merged: so no chain and no circle can
// come about.
func mergeable(now Pair, in MergeInput) error {
	var faults fault.List
	for _, side := range []struct {
		file     File
		reading  Reading
		expected int
		name     string
	}{
		{now.Winner, now.WinnerReading, in.ExpectedWinner, "Winner"},
		{now.Loser, now.LoserReading, in.ExpectedLoser, "Loser"},
	} {
		if side.file.Status == Merged {
			faults = append(faults, fault.At(fault.Conflict, []string{strings.ToLower(side.name) + "Id"},
				"This customer was merged into another one already. Name that one, or undo that merge first."))
			continue
		}
		err := side.reading.Conflict(side.expected, []string{"status"})
		if list := fault.AsList(err); list != nil {
			for _, f := range list {
				f.Path = []string{"expected" + side.name + "Version"}
				faults = append(faults, f)
			}
		} else if err != nil {
			return err
		}
	}
	return faults.Err()
}

// MergeUndo gives both customers of a merge back what they had. It gives the winner. It needs customers:write.
func (s *Service) MergeUndo(ctx context.Context, p auth.Principal, id uuid.UUID) (uuid.UUID, error) {
	if err := p.Require(auth.CustomersWrite); err != nil {
		return uuid.Nil, err
	}
	winner, err := s.Store.CustomerMergeUndo(ctx, p, id, func(m MergeRecord, now Pair, moved []uuid.UUID) (Merge, error) {
		if now.Winner.Status == Merged || now.Loser.MergedInto != now.Winner.ID {
			return Merge{}, fault.At(fault.Conflict, []string{"mergeId"},
				"The winner was merged into another customer itself. Undo that merge first.")
		}
		u, conflicts := undoFiles(m, now.Winner, now.Loser, moved)
		if len(conflicts) > 0 {
			return Merge{}, ErrChangedSince("the winner's " + strings.Join(conflicts, ", "))
		}
		return u, nil
	})
	return winner, fault.Wrap("customer.MergeUndo", err)
}

// ErrChangedSince is the fault of undoing a merge when what it moved or wrote was changed since.
func ErrChangedSince(what string) error {
	return fault.At(fault.Conflict, []string{"mergeId"},
		"This was changed or removed since the merge: %s. The merge cannot be undone; correct the customers by hand.", what)
}
