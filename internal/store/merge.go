package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/customermerge"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
)

// mergeRecord is the column record of a merge.
type mergeRecord struct {
	customer.MergeRecord
	// Moved are the rows that went from the loser to the winner, by table.
	Moved map[string][]movedRow
	// Flattened are the customers that had been merged into the loser before.
	Flattened []uuid.UUID
}

// errDryRun ends the transaction of a dry run.
var errDryRun = errors.New("a dry run is taken back")

// CustomerMerge implements customer.Store. A dry run does all that a merge does, so that what it shows is what would be,
// and is rolled back before the account's log is touched.
func (s *Store) CustomerMerge(
	ctx context.Context, p auth.Principal, key *idempotency.Key, in customer.MergeInput, decide func(customer.Pair) (customer.Merge, error),
) (result customer.MergeResult, err error) {
	err = s.inTx(ctx, "store.CustomerMerge", p, func(ctx context.Context, t *tx) error {
		result = customer.MergeResult{}
		id, err := t.idempotent(ctx, key, func() (uuid.UUID, error) {
			now, err := t.lockPair(ctx, in.WinnerID, in.LoserID, []string{"winnerId"}, []string{"loserId"})
			if err != nil {
				return uuid.Nil, err
			}
			m, err := decide(now)
			if err != nil {
				return uuid.Nil, err
			}
			id, moved, err := t.merge(ctx, now, m)
			result = customer.MergeResult{Winner: m.Winner.Customer, Fields: m.Winner.Fields, Moved: moved}
			return id, err
		})
		if err == nil && in.DryRun {
			err = errDryRun
		}
		result.ID = id
		return err
	})
	if in.DryRun && errors.Is(err, errDryRun) {
		result.ID, err = uuid.Nil, nil
	}
	return result, err
}

// lockPair locks two customers, the lower id first whichever is which, so that opposite merges wait for each other and do
// not stand in each other's way.
func (t *tx) lockPair(ctx context.Context, winner, loser uuid.UUID, winnerPath, loserPath []string) (now customer.Pair, err error) {
	var winnerErr, loserErr error
	lockWinner := func() { now.Winner, winnerErr = t.lockFile(ctx, winner, winnerPath) }
	lockLoser := func() { now.Loser, loserErr = t.lockFile(ctx, loser, loserPath) }
	first, second := lockWinner, lockLoser
	if bytes.Compare(loser[:], winner[:]) < 0 {
		first, second = lockLoser, lockWinner
	}
	first()
	second()
	if err := errors.Join(winnerErr, loserErr); err != nil {
		if faults := append(fault.AsList(winnerErr), fault.AsList(loserErr)...); len(faults) > 0 {
			return now, faults
		}
		return now, err
	}
	now.WinnerReading, now.LoserReading = t.readingOf(ctx, now.Winner), t.readingOf(ctx, now.Loser)
	return now, nil
}

// merge stores a merge of two customers that are locked.
func (t *tx) merge(ctx context.Context, now customer.Pair, m customer.Merge) (id uuid.UUID, moved customer.MergeCounts, err error) {
	winner, loser := now.Winner.ID, now.Loser.ID
	if m.Winner.Customer.ExternalID != now.Winner.ExternalID {
		// An index holds that an id is of one customer, so the loser gives it up before the winner gets it.
		if err := t.clearExternalID(ctx, loser); err != nil {
			return id, moved, err
		}
	}
	if err := t.takePoints(ctx, loser, winner, m.Winner.Customer.Points); err != nil {
		return id, moved, err
	}
	if err := t.updateCustomer(ctx, now.Winner, m.Winner); err != nil {
		return id, moved, err
	}
	if err := t.updateCustomer(ctx, now.Loser, m.Loser); err != nil {
		return id, moved, err
	}
	if m.Contact != nil {
		if err := t.updateContact(ctx, loser, *m.Contact); err != nil {
			return id, moved, err
		}
	}
	record := mergeRecord{
		MergeRecord: customer.MergeRecord{Winner: now.Winner, Loser: now.Loser, After: m.Winner.Customer},
		Moved:       map[string][]movedRow{},
	}
	for _, table := range movedTables {
		if record.Moved[table.key()], err = t.move(ctx, table, loser, winner); err != nil {
			return id, moved, err
		}
	}
	if err := t.pictures(ctx, winner, loser); err != nil {
		return id, moved, err
	}
	if record.Flattened, err = t.flatten(ctx, loser, winner); err != nil {
		return id, moved, err
	}
	moved = customer.MergeCounts{
		Emails: len(m.Winner.Customer.Emails) - len(now.Winner.Emails), Phones: len(m.Winner.Customer.Phones) - len(now.Winner.Phones),
		Addresses: len(m.Winner.Customer.Addresses) - len(now.Winner.Addresses), Contacts: len(record.Moved["contact"]),
		Documents: len(record.Moved["document"]), TimelineEntries: len(record.Moved["timeline_entry"]),
	}
	if id, err = t.insertMerge(ctx, record, moved); err != nil {
		return id, moved, err
	}
	if err := t.finishChange(ctx, m.Winner); err != nil {
		return id, moved, err
	}
	if err := t.finishChange(ctx, m.Loser); err != nil {
		return id, moved, err
	}
	return id, moved, t.indexAgain(ctx, winner, loser)
}

func (t *tx) clearExternalID(ctx context.Context, id uuid.UUID) error {
	n, err := t.exec(ctx, `UPDATE customer SET external_id = NULL WHERE account_id = $1 AND id = $2`, id)
	return t.one(int(n), err)
}

// flatten points the customers that were merged into the loser at the winner, so that no chain comes about.
func (t *tx) flatten(ctx context.Context, loser, winner uuid.UUID) ([]uuid.UUID, error) {
	rows, err := t.moveRows(ctx, `UPDATE customer SET merged_into_id = $3 WHERE account_id = $1 AND merged_into_id = $2 RETURNING id, version`, loser, winner)
	ids := make([]uuid.UUID, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	return ids, err
}

func (t *tx) insertMerge(ctx context.Context, record mergeRecord, moved customer.MergeCounts) (uuid.UUID, error) {
	data, err := json.Marshal(record)
	if err != nil {
		return uuid.Nil, err
	}
	kind, actorID := t.actor()
	id := t.newID()
	return id, t.mergeCreate().SetID(id).SetCreatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetWinnerID(record.Winner.ID).SetLoserID(record.Loser.ID).SetRecord(data).
		SetEmails(narrow(moved.Emails)).SetPhones(narrow(moved.Phones)).SetAddresses(narrow(moved.Addresses)).
		SetContacts(narrow(moved.Contacts)).SetDocuments(narrow(moved.Documents)).SetTimelineEntries(narrow(moved.TimelineEntries)).
		Exec(ctx)
}

// CustomerMergeUndo implements customer.Store.
func (s *Store) CustomerMergeUndo(
	ctx context.Context, p auth.Principal, id uuid.UUID,
	decide func(m customer.MergeRecord, now customer.Pair, moved []uuid.UUID) (customer.Merge, error),
) (winner uuid.UUID, err error) {
	err = s.inTx(ctx, "store.CustomerMergeUndo", p, func(ctx context.Context, t *tx) error {
		path := []string{"mergeId"}
		row, err := t.mergeByID(ctx, id)
		if err != nil {
			return err
		}
		winner = row.WinnerID
		now, err := t.lockPair(ctx, row.WinnerID, row.LoserID, path, path)
		if err != nil {
			return err
		}
		// Whoever undoes it holds the same locks, so what is read now stays so.
		if row, err = t.mergeByID(ctx, id); err != nil || row.UndoneAt != nil {
			return err
		}
		var record mergeRecord
		if err := json.Unmarshal(row.Record, &record); err != nil {
			return fmt.Errorf("store: the record of merge %s: %w", id, err)
		}
		u, err := decide(record.MergeRecord, now, record.ids("contact"))
		if err != nil {
			return err
		}
		return t.undoMerge(ctx, id, record, now, u)
	})
	return winner, err
}

func (t *tx) mergeByID(ctx context.Context, id uuid.UUID) (*ent.CustomerMerge, error) {
	row, err := t.merges().Where(customermerge.ID(id)).Only(ctx)
	if missing(err) {
		return nil, notFound([]string{"mergeId"}, "merge")
	}
	return row, err
}

// undoMerge stores that a merge of two customers, which are locked, does not hold any more.
func (t *tx) undoMerge(ctx context.Context, id uuid.UUID, record mergeRecord, now customer.Pair, u customer.Merge) error {
	winner, loser := now.Winner.ID, now.Loser.ID
	var changed []string
	for _, table := range movedTables {
		left, err := t.moveBack(ctx, table, record.Moved[table.key()], winner, loser)
		if err != nil {
			return err
		}
		changed = append(changed, left...)
	}
	if len(changed) > 0 {
		return customer.ErrChangedSince(some(changed))
	}
	if err := t.pictures(ctx, winner, loser); err != nil {
		return err
	}
	if u.Winner.Customer.ExternalID != now.Winner.ExternalID {
		if err := t.clearExternalID(ctx, winner); err != nil {
			return err
		}
	}
	if err := t.takePoints(ctx, winner, loser, u.Loser.Customer.Points); err != nil {
		return err
	}
	if err := t.updateCustomer(ctx, now.Loser, u.Loser); err != nil {
		return err
	}
	if u.Contact != nil {
		if err := t.updateContact(ctx, loser, *u.Contact); err != nil {
			return err
		}
	}
	if err := t.updateCustomer(ctx, now.Winner, u.Winner); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE customer SET merged_into_id = $2 WHERE account_id = $1 AND merged_into_id = $3 AND id = ANY ($4::uuid[])`,
		loser, winner, record.Flattened)
	if err != nil {
		return err
	}
	kind, actorID := t.actor()
	err = t.one(t.mergeUpdate().Where(customermerge.ID(id), customermerge.UndoneAtIsNil()).SetUndoneAt(t.now).
		SetNillableUndoneByKind(kind).SetNillableUndoneByID(actorID).Save(ctx))
	if err != nil {
		return err
	}
	if err := t.keepUndoable(ctx, now, u); err != nil {
		return err
	}
	if err := t.finishChange(ctx, u.Winner); err != nil {
		return err
	}
	if err := t.finishChange(ctx, u.Loser); err != nil {
		return err
	}
	return t.indexAgain(ctx, winner, loser)
}

// keepUndoable writes the versions of contacts that undoing a merge changed into the records of other merges, so that what
// Dossier did itself does not stand in the way of undoing those too.
func (t *tx) keepUndoable(ctx context.Context, now customer.Pair, u customer.Merge) error {
	for _, con := range u.Winner.Contacts {
		if err := t.seeVersion(ctx, now.Winner.ID, con, con.Version); err != nil {
			return err
		}
	}
	if u.Contact == nil {
		return nil
	}
	// The merge made it ordinary, this makes it primary again: two versions since an earlier merge into the loser.
	return t.seeVersion(ctx, now.Loser.ID, *u.Contact, u.Contact.Version-1)
}

// seeVersion replaces a version of a contact, in the records of the merges into a customer, by the one that the change
// makes.
func (t *tx) seeVersion(ctx context.Context, winner uuid.UUID, con customer.ContactChange, seen int) error {
	rows, err := t.merges().Where(customermerge.WinnerID(winner), customermerge.UndoneAtIsNil()).All(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		var record mergeRecord
		if err := json.Unmarshal(row.Record, &record); err != nil {
			return fmt.Errorf("store: the record of merge %s: %w", row.ID, err)
		}
		i := slices.Index(record.Moved["contact"], movedRow{con.ID, narrow(seen)})
		if i < 0 {
			continue
		}
		record.Moved["contact"][i].Version = narrow(con.Version + 1)
		data, err := json.Marshal(record)
		if err != nil {
			return err
		}
		if err := t.one(t.mergeUpdate().Where(customermerge.ID(row.ID)).SetRecord(data).Save(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func (r mergeRecord) ids(table string) []uuid.UUID {
	ids := make([]uuid.UUID, len(r.Moved[table]))
	for i, row := range r.Moved[table] {
		ids[i] = row.ID
	}
	return ids
}

// some names a few of a list.
func some(names []string) string {
	const most = 5
	slices.Sort(names)
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
