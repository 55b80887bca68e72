package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// piped runs a transaction of which all statements are known beforehand, in two round trips: the statements, in the order
// in which build adds them, and the commit. It is inTx for where many happen: with a dozen round trips through database/sql
// and ent, the transactions of a small file cost more than its bytes.
//
// As in inTx the events that build emits are numbered last, both may run several times, and the error is a fault.
//
// read gets the results in the order of the statements, before anything is committed. The statements after one that
// changed nothing were run all the same, so it is read that decides: its error rolls everything back.
func (s *Store) piped(
	ctx context.Context, op string, p auth.Principal, build func(t *tx, b *statements), read func(results pgx.BatchResults) error,
) error {
	if p.IsZero() {
		return fault.Wrap(op, fault.New(fault.Unauthenticated, "Sign in first."))
	}
	return translate(op, repeat(ctx, func() error { return s.tryPiped(ctx, p, build, read) }))
}

func (s *Store) tryPiped(ctx context.Context, p auth.Principal, build func(t *tx, b *statements), read func(results pgx.BatchResults) error) error {
	// See tryTx: what comes before the commit ends with the request, the commit does not.
	txCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), transactionTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &tx{scope: scope{account: p.AccountID}, by: p, now: s.now(), newID: s.cfg.NewID}
	b := &statements{account: p.AccountID}
	b.batch.Queue("begin")
	build(t, b)
	if len(t.events) > 0 {
		args, err := t.numbers()
		if err != nil {
			return err
		}
		b.add(numberEvents, args...)
	}
	conn, err := s.acquire(ctx)
	if err != nil {
		return err
	}
	// What is still in a transaction is closed by the pool and not handed on.
	defer conn.Release()
	xid, err := t.send(ctx, conn, b, read)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if !conn.Conn().IsClosed() {
			_, _ = conn.Exec(txCtx, "rollback") // the error of read is the one to tell
		}
		return err
	}
	return s.commit(txCtx, pipeCommit{txCtx, conn}, t, xid)
}

// send sends the statements and has their results read.
func (t *tx) send(ctx context.Context, conn *pgxpool.Conn, b *statements, read func(results pgx.BatchResults) error) (xid string, err error) {
	results := conn.SendBatch(ctx, &b.batch)
	_, err = results.Exec() // of begin
	if err == nil {
		err = read(results)
	}
	if err == nil && len(t.events) > 0 {
		err = results.QueryRow().Scan(&xid)
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return xid, err
}

// pipeCommit commits what was sent on a connection.
type pipeCommit struct {
	ctx  context.Context //nolint:containedctx // it lives for one call of commit, whose ctx this is
	conn *pgxpool.Conn
}

// Commit is committer's.
func (c pipeCommit) Commit() error {
	tag, err := c.conn.Exec(c.ctx, "commit")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	return err
}

// changedOne reads the result of the next statement, which must have changed one row; otherwise is the error if it has not.
func changedOne(results pgx.BatchResults, otherwise error) error {
	tag, err := results.Exec()
	if err == nil && tag.RowsAffected() != 1 {
		err = otherwise
	}
	return err
}
