package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/wall"
)

// connector gives database/sql, and with it ent, the connections of the pool. It stands where pgx's own does because that one
// knows no batches: here whose rows a statement is about goes to the server together with the statement, and for a transaction
// together with its BEGIN, so that the wall costs no round trip.
type connector struct{ store *Store }

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	pooled, err := c.store.acquire(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{pooled: pooled, pgx: pooled.Conn(), walled: c.store.walled}, nil
}

// Driver implements driver.Connector. Nobody asks for it.
func (connector) Driver() driver.Driver { return nil }

// conn is a connection in use.
type conn struct {
	pooled *pgxpool.Conn
	pgx    *pgx.Conn
	walled bool
	// begun is true in a transaction, which has said whose it is at its beginning.
	begun bool
}

var (
	_ driver.ConnBeginTx       = (*conn)(nil)
	_ driver.ExecerContext     = (*conn)(nil)
	_ driver.QueryerContext    = (*conn)(nil)
	_ driver.NamedValueChecker = (*conn)(nil)
)

// whose says whose rows the statements of a context are about: one account's, or those of all of them.
type whose struct {
	account uuid.UUID
	all     bool
}

type whoseKey struct{}

func (w whose) with(ctx context.Context) context.Context {
	return context.WithValue(ctx, whoseKey{}, w)
}

// begin begins a batch.
func (w whose) begin(b *pgx.Batch) {
	if w.all {
		wall.System(b)
	} else {
		wall.Account(b, w.account)
	}
}

// errNobody is a mistake in the program, which would otherwise see no row and wonder.
var errNobody = errors.New("store: a statement that is neither of an account nor across accounts: see tenant.go")

// send sends a statement behind what says whose it is, and reads the answer to that.
func (c *conn) send(ctx context.Context, statement string, args []any) (pgx.BatchResults, error) {
	who, ok := ctx.Value(whoseKey{}).(whose)
	if !ok {
		return nil, errNobody
	}
	b := &pgx.Batch{}
	who.begin(b)
	b.Queue(statement, args...)
	res := c.pgx.SendBatch(ctx, b)
	if _, err := res.Exec(); err != nil {
		_ = res.Close() // which says the same
		return nil, err
	}
	return res, nil
}

// QueryContext implements driver.QueryerContext.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.pgx.IsClosed() {
		return nil, driver.ErrBadConn
	}
	if c.begun || !c.walled {
		list, err := c.pgx.Query(ctx, query, values(args)...)
		return newRows(c.pgx.TypeMap(), list, nil, err)
	}
	res, err := c.send(ctx, query, values(args))
	if err != nil {
		return nil, unsent(err)
	}
	list, err := res.Query()
	return newRows(c.pgx.TypeMap(), list, res, err)
}

// ExecContext implements driver.ExecerContext.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.pgx.IsClosed() {
		return nil, driver.ErrBadConn
	}
	if c.begun || !c.walled {
		tag, err := c.pgx.Exec(ctx, query, values(args)...)
		return driver.RowsAffected(tag.RowsAffected()), unsent(err)
	}
	res, err := c.send(ctx, query, values(args))
	if err != nil {
		return nil, unsent(err)
	}
	tag, err := res.Exec()
	// The statement is committed at the end of the batch, not before.
	if closeErr := res.Close(); err == nil {
		err = closeErr
	}
	return driver.RowsAffected(tag.RowsAffected()), unsent(err)
}

// unsent makes database/sql try another connection when this one had died before it could carry anything.
func unsent(err error) error {
	if err != nil && pgconn.SafeToRetry(err) {
		return driver.ErrBadConn
	}
	return err
}

// values gives the arguments as they are: pgx knows what to make of them.
func values(args []driver.NamedValue) []any {
	list := make([]any, len(args))
	for i, a := range args {
		list[i] = a.Value
	}
	return list
}

// CheckNamedValue implements driver.NamedValueChecker: see values.
func (*conn) CheckNamedValue(*driver.NamedValue) error { return nil }

// BeginTx implements driver.ConnBeginTx.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.pgx.IsClosed() {
		return nil, driver.ErrBadConn
	}
	var o pgx.TxOptions
	switch level := sql.IsolationLevel(opts.Isolation); level {
	case sql.LevelDefault:
	case sql.LevelRepeatableRead:
		o.IsoLevel = pgx.RepeatableRead
	default:
		return nil, fmt.Errorf("store: no transaction here is %s", level)
	}
	if opts.ReadOnly {
		o.AccessMode = pgx.ReadOnly
	}
	b := &pgx.Batch{}
	b.BeginTx(o)
	if c.walled {
		who, ok := ctx.Value(whoseKey{}).(whose)
		if !ok {
			return nil, errNobody
		}
		who.begin(b)
	}
	res := c.pgx.SendBatch(ctx, b)
	begun := res.Tx()
	if err := res.Close(); err != nil {
		_ = begun.Rollback(ctx)
		return nil, unsent(err)
	}
	c.begun = true
	return &connTx{conn: c, ctx: ctx, tx: begun}, nil
}

// connTx is a transaction. Its end has the context of its beginning, as database/sql has it.
type connTx struct {
	conn *conn
	ctx  context.Context //nolint:containedctx // driver.Tx has no other way to be told
	tx   pgx.Tx
}

// Commit implements driver.Tx.
func (t *connTx) Commit() error {
	t.conn.begun = false
	return t.tx.Commit(t.ctx)
}

// Rollback implements driver.Tx.
func (t *connTx) Rollback() error {
	t.conn.begun = false
	return t.tx.Rollback(t.ctx)
}

// Close gives the connection back.
func (c *conn) Close() error {
	c.pooled.Release()
	return nil
}

// Prepare implements driver.Conn. pgx prepares by itself.
func (*conn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }

// Begin implements driver.Conn, for who knows no BeginTx.
func (*conn) Begin() (driver.Tx, error) { return nil, errors.ErrUnsupported }
