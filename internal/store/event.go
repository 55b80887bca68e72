package store

import (
	"context"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// acquire takes a connection for what does not go through ent. It waits no longer than the pool's patience.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	timed, cancel := context.WithTimeout(ctx, patienceOf(ctx))
	defer cancel()
	c, err := s.conns.Acquire(timed)
	if err != nil && ctx.Err() == nil && timed.Err() != nil {
		return nil, errPoolBusy
	}
	return c, err
}

// Head implements timeline.Store.
func (s *Store) Head(ctx context.Context, accountID uuid.UUID) (seq, floor int64, err error) {
	row, err := s.in(accountID).accounts().Only(ctx)
	if missing(err) {
		return 0, 0, notFound(nil, "account")
	}
	if err != nil {
		return 0, 0, translate("store.Head", err)
	}
	return row.EventSeq, row.EventFloor, nil
}

// Heads gives the number of the newest event of each account; an account that does not exist is left out.
func (s *Store) Heads(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]int64, error) {
	rows, err := s.system.Query(ctx, `SELECT id, event_seq FROM account WHERE id = ANY ($1)`, accounts)
	if err != nil {
		return nil, translate("store.Heads", err)
	}
	heads := make(map[uuid.UUID]int64, len(accounts))
	var id uuid.UUID
	var seq int64
	_, err = pgx.ForEachRow(rows, []any{&id, &seq}, func() error {
		heads[id] = seq
		return nil
	})
	return heads, translate("store.Heads", err)
}

// eventQuery is a statement with its arguments; the first is the account.
type eventQuery struct{ args []any }

func (q *eventQuery) arg(v any) string {
	q.args = append(q.args, v)
	return "$" + strconv.Itoa(len(q.args))
}

// source is the part of a statement that gives the events of a filter, from one of three indexes: the log, the log of
// one customer, or the log of each type. window is the condition on seq with an order and a limit; it stands in every
// branch, so that each stops early: a reader far behind must not scan all that does not concern it.
func (q *eventQuery) source(f timeline.Filter, window string) string {
	const from = "SELECT id, seq FROM event WHERE account_id = $1 AND "
	switch {
	case f.CustomerID != nil && f.Types != nil:
		return from + "customer_id = " + q.arg(*f.CustomerID) + " AND type = ANY (" + q.arg(f.Types) + "::text[]) AND " + window
	case f.CustomerID != nil:
		return from + "customer_id = " + q.arg(*f.CustomerID) + " AND " + window
	case f.Types != nil:
		return "SELECT e.id, e.seq FROM (SELECT DISTINCT unnest(" + q.arg(f.Types) + "::text[]) AS type) AS t CROSS JOIN LATERAL (" +
			from + "type = t.type AND " + window + ") AS e"
	default:
		return from + window
	}
}

// Events implements timeline.Store: one round trip of three statements, each of which sees what was committed before it
// began. The head is read first, so that everything up to it is seen by the second. The floor is read last, so that
// events that are pruned in between are noticed, and not taken for nothing.
func (s *Store) Events(
	ctx context.Context, accountID uuid.UUID, from, to int64, filter timeline.Filter, limit int,
) (events []timeline.EventRef, reached int64, err error) {
	c, err := s.acquire(ctx)
	if err != nil {
		return nil, from, translate("store.Events", err)
	}
	defer c.Release()
	after, before := eventQuery{args: []any{accountID}}, eventQuery{args: []any{accountID}}
	most := after.arg(limit)
	afterSource := after.source(filter, "seq > "+after.arg(from)+" AND seq <= "+after.arg(to)+" ORDER BY seq LIMIT "+most)
	beforeSource := before.source(filter, "seq <= "+before.arg(from)+" ORDER BY seq DESC LIMIT 1")

	b := &pgx.Batch{}
	s.behindWall(b, accountID)
	behind := b.Len()
	b.Queue("SELECT event_seq FROM account WHERE id = $1", accountID)
	b.Queue("SELECT id, seq FROM ("+afterSource+") AS e ORDER BY seq LIMIT "+most, after.args...)
	b.Queue("SELECT event_floor, (SELECT max(seq) FROM ("+beforeSource+") AS e) FROM account WHERE id = $1", before.args...)
	res := c.SendBatch(ctx, b)
	for range behind {
		_, err = res.Exec()
	}
	if err == nil {
		events, reached, err = readEvents(res, from, to, filter, limit)
	}
	if closeErr := res.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, from, translate("store.Events", err)
	}
	return events, reached, nil
}

func readEvents(res pgx.BatchResults, from, to int64, filter timeline.Filter, limit int) ([]timeline.EventRef, int64, error) {
	var head, floor int64
	var prev *int64
	if err := res.QueryRow().Scan(&head); err != nil {
		return nil, 0, err
	}
	rows, err := res.Query()
	if err != nil {
		return nil, 0, err
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e timeline.EventRef, err error) {
		return e, row.Scan(&e.ID, &e.Seq)
	})
	if err != nil {
		return nil, 0, err
	}
	if err := res.QueryRow().Scan(&floor, &prev); err != nil {
		return nil, 0, err
	}
	if from < floor {
		return nil, 0, fault.At(fault.CursorExpired, []string{"after"}, "The events after this cursor are no longer kept. Reload, then go on without it.")
	}
	if filter.CustomerID == nil && filter.Types == nil && from > 0 {
		prev = &from // the log is dense, also where it was pruned
	}
	for i := range events {
		events[i].PrevSeq = prev
		prev = &events[i].Seq
	}
	reached := max(from, min(to, head))
	if n := len(events); n == limit {
		reached = events[n-1].Seq
	} else if n > 0 {
		reached = max(reached, events[n-1].Seq) // committed since the head was read, and so was all before it
	}
	return events, reached, nil
}

// prunePiece is how many events one transaction of PruneEvents deletes at most: few enough that the account's writers,
// who wait for its last statement, do not notice.
const prunePiece = 1000

// PruneEvents deletes the events that are older than keep, of every account, and raises the accounts' floors, so that a
// cursor that points before it is answered with CURSOR_EXPIRED. It gives how many it deleted.
func (s *Store) PruneEvents(ctx context.Context, keep time.Duration) (int64, error) {
	before := s.now().Add(-keep)
	list, err := s.system.Query(ctx, `SELECT id FROM account`)
	if err != nil {
		return 0, translate("store.PruneEvents", err)
	}
	ids, err := pgx.CollectRows(list, pgx.RowTo[uuid.UUID])
	if err != nil {
		return 0, translate("store.PruneEvents", err)
	}
	var total int64
	for _, id := range ids {
		for {
			n, err := s.prunePiece(ctx, id, before)
			total += n
			if err != nil {
				return total, err
			}
			if n < prunePiece {
				break
			}
		}
	}
	return total, nil
}

// prunePieceOf deletes the oldest events of an account that are all older than a time. The program's own role cannot.
const prunePieceOf = `
WITH cut AS (
	SELECT coalesce(min(seq) FILTER (WHERE created_at >= $2) - 1, max(seq), 0) AS seq
	FROM (SELECT seq, created_at FROM event WHERE account_id = $1 ORDER BY seq LIMIT $3) AS oldest
), gone AS (
	DELETE FROM event e USING cut WHERE e.account_id = $1 AND e.seq <= cut.seq RETURNING e.seq
), floor AS (
	UPDATE account a SET event_floor = greatest(a.event_floor, g.seq) FROM (SELECT max(seq) AS seq FROM gone) g WHERE a.id = $1 AND g.seq IS NOT NULL
)
SELECT count(*) FROM gone`

func (s *Store) prunePiece(ctx context.Context, accountID uuid.UUID, before time.Time) (n int64, err error) {
	err = s.system.QueryRow(ctx, prunePieceOf, accountID, before, prunePiece).Scan(&n)
	return n, translate("store.PruneEvents", err)
}
