package store

import (
	"context"
	"encoding/json"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"dossier/internal/audit"
	"dossier/internal/timeline"
)

// The audit trail has a record for each change, in its transaction. A change that appends to the log has it with its
// event, under the same id: numberEvents writes both from the same arrays, so a change cannot have one without the other.
// What has no event of its own adds a record by tx.record. A test goes through the mutations and counts.
//
// Two sorts of events have no record. JOB_PROGRESS says how far a job is, several times a minute, and changes nothing:
// what an import writes has its own records, and the job has those of its beginning and its end. And
// ACCOUNT_SETTINGS_CHANGED says which list to read again; the record beside it names the item and its fields.
//
// What else is written without a record is no change that anybody made: uploads that are not complete, leases and
// checkpoints, the search documents and counters that follow from the rows, and what the sweeper and the pruning do by
// time and state alone.
//
// SECURITY: this file only inserts. No statement of the program changes or deletes a record (a test of the sources holds
// that), so that the role which it has in PostgreSQL needs no right to. Records are kept for ever.

// recordColumns are the columns of a record that are the same for all of a transaction.
const recordColumns = `account_id, created_at, created_by_kind, created_by_id, request_id, client_address, outcome`

// A record is a line of the audit trail that no event stands for.
type record struct {
	action    string
	subject   timeline.Subject
	subjectID uuid.UUID
	fields    []string
}

// record adds a record to the transaction.
func (t *tx) record(r record) { t.records = append(t.records, r) }

const insertRecords = `
INSERT INTO audit_record (` + recordColumns + `, id, action, subject_type, subject_id, changed_fields)
SELECT $1, $2, $3, $4, $5, $6, 'DONE', r.id, r.action, r.subject_type, r.subject_id, r.changed_fields::jsonb
FROM unnest($7::uuid[], $8::text[], $9::text[], $10::uuid[], $11::text[]) AS r(id, action, subject_type, subject_id, changed_fields)`

// recordArgs gives the arguments of insertRecords.
func (t *tx) recordArgs() ([]any, error) {
	n := len(t.records)
	ids, actions, subjects := make([]pgtype.UUID, n), make([]string, n), make([]string, n)
	subjectIDs, fields := make([]pgtype.UUID, n), make([]string, n)
	for i, r := range t.records {
		ids[i], actions[i], subjects[i], subjectIDs[i] = idArg(t.newID()), r.action, string(r.subject), idArg(r.subjectID)
		var err error
		if fields[i], err = fieldList(r.fields); err != nil {
			return nil, err
		}
	}
	kind, actorID := t.actor()
	return []any{
		t.now, kind, optionalID(actorID), null(t.origin.RequestID), null(t.origin.ClientAddress), ids, actions, subjects, subjectIDs, fields,
	}, nil
}

// fieldList is the JSON of a list of names.
func fieldList(names []string) (string, error) {
	if len(names) == 0 {
		return "[]", nil
	}
	b, err := json.Marshal(names)
	return string(b), err
}

// writeRecords writes the records that fn added. It comes before the numbering of the events, which locks the account.
func (t *tx) writeRecords(ctx context.Context) error {
	if len(t.records) == 0 {
		return nil
	}
	args, err := t.recordArgs()
	if err == nil {
		_, err = t.exec(ctx, insertRecords, args...)
	}
	return err
}

var _ audit.Store = (*Store)(nil)

const insertDenial = `
INSERT INTO audit_record (` + recordColumns + `, id, action, changed_fields, times)
VALUES ($1, $2, $3, $4, $5, $6, 'DENIED', $7, $8, '[]', $9)`

// DenialInsert implements audit.Store.
func (s *Store) DenialInsert(ctx context.Context, d audit.Denial) error {
	t := &tx{scope: s.in(d.Principal.AccountID), by: d.Principal}
	kind, actorID := t.actor()
	_, err := t.exec(ctx, insertDenial, d.At.UTC(), kind, optionalID(actorID), null(d.Origin.RequestID), null(d.Origin.ClientAddress),
		s.cfg.NewID(), d.Action, d.Times)
	return translate("store.DenialInsert", err)
}
