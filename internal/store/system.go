package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/wall"
)

// system runs single statements across accounts, each in a transaction of its own.
//
// SECURITY: see acrossAccounts, which is the same for ent. The statements have the rights of the role dossier_system, which are
// listed in package wall.
type system struct{ store *Store }

// Exec runs a statement.
func (y system) Exec(ctx context.Context, statement string, args ...any) (pgconn.CommandTag, error) {
	list, err := y.Query(ctx, statement, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	list.Close()
	return list.CommandTag(), list.Err()
}

// Query runs a query. Closing the rows gives the connection back, and ends the transaction.
func (y system) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	conn, err := y.store.acquire(ctx)
	if err != nil {
		return nil, err
	}
	b := &pgx.Batch{}
	if y.store.walled {
		wall.System(b)
	}
	before := b.Len()
	b.Queue(query, args...)
	r := &systemRows{conn: conn, batch: conn.SendBatch(ctx, b)}
	for range before {
		_, err = r.batch.Exec()
	}
	if err == nil {
		r.Rows, err = r.batch.Query()
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// QueryRow runs a query for one row.
func (y system) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	list, err := y.Query(ctx, query, args...)
	return systemRow{list, err}
}

// systemRows are rows that hold a connection.
type systemRows struct {
	pgx.Rows
	conn  *pgxpool.Conn
	batch pgx.BatchResults
	err   error
}

// Close implements pgx.Rows.
func (r *systemRows) Close() {
	if r.conn == nil {
		return
	}
	if r.Rows != nil {
		r.Rows.Close()
	}
	r.err = r.batch.Close()
	r.conn.Release()
	r.conn = nil
}

// Err implements pgx.Rows. After Close it includes the error of the commit.
func (r *systemRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}

// systemRow is the row of QueryRow.
type systemRow struct {
	list pgx.Rows
	err  error
}

// Scan implements pgx.Row.
func (r systemRow) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.list.Close()
	if !r.list.Next() {
		r.list.Close()
		if err := r.list.Err(); err != nil {
			return err
		}
		return pgx.ErrNoRows
	}
	if err := r.list.Scan(dest...); err != nil {
		return err
	}
	r.list.Close()
	return r.list.Err()
}
