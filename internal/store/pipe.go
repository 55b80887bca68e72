package store

import (
	"context"

	"dossier/internal/auth"
)

// atOnce runs a whole transaction in one round trip: the statements that build adds, then the numbering of the events that
// it emits, and the commit, which PostgreSQL makes of the end of a pipeline. It is for what happens often: with a dozen
// round trips through database/sql and ent the transactions of a small file cost more than its bytes, and the account's
// row is locked for as long as the last of them take.
//
// Nothing can be decided in between, so a statement whose result matters must fail when it is not as it has to be: see
// must. Any error rolls everything back.
//
// sent says that the statements may have got to the database. With it an error that is not refused leaves the outcome
// unknown.
func (s *Store) atOnce(ctx context.Context, p auth.Principal, build func(t *tx, b *statements)) (sent bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	t := &tx{scope: scope{account: p.AccountID}, by: p, now: s.now(), newID: s.cfg.NewID, origin: auth.OriginOf(ctx)}
	b := &statements{account: p.AccountID}
	s.behindWall(&b.batch, p.AccountID)
	build(t, b)
	if len(t.records) > 0 {
		args, err := t.recordArgs()
		if err != nil {
			return false, err
		}
		b.add(insertRecords, args...)
	}
	if len(t.events) > 0 {
		args, err := t.numbers()
		if err != nil {
			return false, err
		}
		b.add(numberEvents, args...)
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Release()
	// See tryTx: a client that goes away must not make the outcome unknown.
	txCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	err = conn.SendBatch(txCtx, &b.batch).Close()
	if len(t.events) > 0 && !refused(err) {
		s.cfg.Dirty(t.account)
	}
	return true, err
}

// must is a statement that changes one row, as one that fails when it changes none.
func must(statement string) string {
	return "WITH done AS (" + statement + " RETURNING 1) SELECT 1 / count(*) FROM done"
}
