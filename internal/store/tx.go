package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"dossier/ent"
	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// maxAttempts is how often a closure runs when PostgreSQL gives it up for a deadlock or a serialisation failure.
const maxAttempts = 5

// tx is one transaction of one account on behalf of one principal.
type tx struct {
	scope
	by    auth.Principal
	now   time.Time
	newID func() uuid.UUID

	// origin is where the request came from that the transaction is for.
	origin auth.Origin

	events  []numbered
	records []record
	// counts is by how many the transaction changes the number of customers of each status.
	counts map[customer.Status]int64
}

type numbered struct {
	id uuid.UUID
	timeline.Event
}

// inTx runs fn in one short transaction of p's account, then numbers and stores the events that fn emitted, commits,
// and marks the account dirty.
//
// fn may run several times: it must not change anything but the database and variables that it sets anew. It must not
// wait for anything but the database. The error is a fault; when it Is ErrOutcomeUnknown the transaction may have been
// committed, and only reading tells.
func (s *Store) inTx(ctx context.Context, op string, p auth.Principal, fn func(ctx context.Context, t *tx) error) error {
	if p.IsZero() {
		return fault.Wrap(op, fault.New(fault.Unauthenticated, "Sign in first."))
	}
	var err error
	for attempt := 1; ; attempt++ {
		err = s.tryTx(ctx, p, fn)
		if err == nil || attempt == maxAttempts || !retryable(err) || !pause(ctx, attempt) {
			break
		}
	}
	return translate(op, err)
}

// pause lets the transaction go first that this one was given up for: a few milliseconds, more each time, and not the
// same as others. It is false when ctx ends.
func pause(ctx context.Context, attempt int) bool {
	timer := time.NewTimer(time.Duration(attempt) * rand.N(20*time.Millisecond)) //nolint:gosec // jitter is no secret
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (s *Store) tryTx(ctx context.Context, p auth.Principal, fn func(ctx context.Context, t *tx) error) error {
	// The transaction outlives the request's context on purpose: a client that goes away must not make the outcome of a
	// commit unknown. What runs before the commit still ends with the request.
	txCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	raw, err := s.begin(txCtx, p.AccountID, nil)
	if err != nil {
		return err
	}
	defer raw.Rollback() //nolint:errcheck // after the commit it does nothing, before it the error of fn is the one to tell
	t := &tx{
		scope: scope{raw: raw.Client(), account: p.AccountID}, by: p, now: s.now(), newID: s.cfg.NewID, origin: auth.OriginOf(ctx),
	}
	if err := fn(ctx, t); err != nil {
		return err
	}
	if err := t.writeRecords(ctx); err != nil {
		return err
	}
	xid, err := t.finish(ctx)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.commit(txCtx, raw, t, xid)
}

// emit adds an event to the transaction. The order of the calls is the order in the log.
func (t *tx) emit(e timeline.Event) { t.events = append(t.events, numbered{t.newID(), e}) }

// count notes that n more customers have the status; finish adds it to the account's counters, which stand in for counting
// the directory. Whatever inserts or deletes a customer or changes its status must call it, and emit an event.
func (t *tx) count(status customer.Status, n int64) {
	if t.counts == nil {
		t.counts = map[customer.Status]int64{}
	}
	t.counts[status] += n
}

// actor is who did it, as the columns created_by_kind and created_by_id have it: null for Dossier itself.
func (t *tx) actor() (kind *string, id *uuid.UUID) {
	if t.by.Kind == auth.KindSystem {
		return nil, nil
	}
	k, i := string(t.by.Kind), t.by.ID
	return &k, &i
}

// numberEvents takes the next numbers of the account and stores the events under them. The row of the account stays
// locked until the commit, which puts the numbers in commit order; that is why it must be the last statement: a lock
// taken earlier would make all writers of the account wait for the whole of this transaction, and any lock taken later
// could close a circle with a transaction that waits for the account. The counters ride along: another statement for them
// would cost as much as this one. So do the records of the audit trail, which are written before the account is locked.
const numberEvents = `
WITH audited AS (
	INSERT INTO audit_record (` + recordColumns + `, id, action, customer_id, subject_type, subject_id, changed_fields)
	SELECT $1, $3, $4, $5, $14, $15, 'DONE', e.id, e.type, e.customer_id, e.subject_type, e.subject_id, e.changed_fields::jsonb
	FROM unnest($6::uuid[], $7::text[], $8::uuid[], $9::text[], $10::uuid[], $11::text[])
		AS e(id, type, customer_id, subject_type, subject_id, changed_fields)
	WHERE e.type NOT IN ('` + timeline.JobProgress + `', '` + timeline.SettingsChanged + `')
	RETURNING 1
), head AS (
	UPDATE account SET event_seq = event_seq + $2,
		active_customers = active_customers + $12, archived_customers = archived_customers + $13
	WHERE id = $1 AND (SELECT count(*) FROM audited) >= 0 RETURNING event_seq
)
INSERT INTO event (account_id, created_at, created_by_kind, created_by_id, seq,
	id, type, customer_id, subject_type, subject_id, changed_fields)
SELECT $1, $3, $4, $5, head.event_seq - $2 + e.n,
	e.id, e.type, e.customer_id, e.subject_type, e.subject_id, e.changed_fields::jsonb
FROM head, unnest($6::uuid[], $7::text[], $8::uuid[], $9::text[], $10::uuid[], $11::text[]) WITH ORDINALITY
	AS e(id, type, customer_id, subject_type, subject_id, changed_fields, n)
RETURNING pg_current_xact_id()::text`

// errUncounted is a mistake in the program: customers changed their number without an event.
var errUncounted = errors.New("store: the number of customers changed without an event")

// finish numbers the events. It gives the id of the transaction, "" where nothing was emitted.
func (t *tx) finish(ctx context.Context) (xid string, err error) {
	if len(t.events) == 0 {
		if len(t.counts) > 0 {
			return "", errUncounted
		}
		return "", nil
	}
	args, err := t.numbers()
	if err != nil {
		return "", err
	}
	err = t.queryOne(ctx, []any{&xid}, numberEvents, args...)
	return xid, err
}

// numbers gives the arguments of numberEvents.
func (t *tx) numbers() ([]any, error) {
	n := len(t.events)
	ids, types, subjects := make([]pgtype.UUID, n), make([]string, n), make([]string, n)
	customers, subjectIDs, fields := make([]pgtype.UUID, n), make([]pgtype.UUID, n), make([]string, n)
	for i, e := range t.events {
		ids[i], types[i], customers[i] = idArg(e.id), e.Type, optionalID(e.CustomerID)
		subjects[i], subjectIDs[i] = string(e.Subject), idArg(e.SubjectID)
		var err error
		if fields[i], err = fieldList(e.ChangedFields); err != nil {
			return nil, err
		}
	}
	kind, actorID := t.actor()
	return []any{
		int64(n), t.now, kind, optionalID(actorID), ids, types, customers, subjects, subjectIDs, fields,
		t.counts[customer.Active], t.counts[customer.Archived], null(t.origin.RequestID), null(t.origin.ClientAddress),
	}, nil
}

// commit ends the transaction and finds out how it ended.
func (s *Store) commit(ctx context.Context, raw *ent.Tx, t *tx, xid string) error {
	err := raw.Commit()
	if err != nil && !refused(err) {
		err = s.outcome(ctx, t, xid, err)
	}
	if len(t.events) > 0 && (err == nil || isUnknown(err)) {
		s.cfg.Dirty(t.account)
	}
	return err
}

// outcomePause is between two attempts to find out the outcome of a commit.
const outcomePause = 50 * time.Millisecond

// outcome finds out, on another connection, whether a transaction was committed whose commit got no answer: nil when
// it was, else an error, which is unknown when the database cannot be asked in time or the transaction left no event
// to look for.
//
// The transaction id alone is no proof: after a crash PostgreSQL can give it out again. It only tells when the old
// backend is done; then the events, whose ids are random, are there or they never will be.
func (s *Store) outcome(ctx context.Context, t *tx, xid string, cause error) error {
	if xid == "" {
		return unknownOutcome(cause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.outcomeTimeout)
	defer cancel()
	for {
		var running, stored bool
		err := s.system.QueryRow(ctx, `SELECT coalesce(pg_xact_status($1::text::xid8) = 'in progress', false)`, xid).Scan(&running)
		if pe := pgError(err); pe != nil && pe.Code == invalidParameter {
			running, err = false, nil // an id of the future: the transaction was lost in a crash
		}
		if err == nil && !running {
			err = s.readOne(ctx, t.account, []any{&stored}, `SELECT EXISTS (SELECT FROM event WHERE account_id = $1 AND id = $2)`,
				idArg(t.events[0].id))
			switch {
			case err == nil && stored:
				return nil
			case err == nil:
				return lostCommit(cause)
			}
		}
		timer := time.NewTimer(outcomePause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return unknownOutcome(cause)
		case <-timer.C:
		}
	}
}
