package store

import (
	"context"
	"errors"
	"flag"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/auth"
	"dossier/internal/timeline"
	"dossier/internal/wall"
)

var alternations = flag.Int("store.alternations", 1000, "how often TestOneConnectionServesTwoAccounts changes between them; 10000 in its long form")

// ownersOf is a query that somebody has forgotten the account in.
const ownersOf = `SELECT DISTINCT account_id FROM customer WHERE $1::uuid IS NOT NULL`

// TestOneConnectionServesTwoAccounts lets two accounts take turns on a single connection, in all ways there are, with queries
// that do not name the account: no row of the other one may ever be seen, whatever became of the transaction before.
func TestOneConnectionServesTwoAccounts(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.MaxConns = 1 })
	accounts := []auth.Principal{e.ada, e.bob}
	for _, p := range accounts {
		e.person(p, p.DisplayName)
	}
	errBroken := errors.New("broken off")
	ways := []struct {
		name string
		do   func(ctx context.Context, p auth.Principal, see func(uuid.UUID)) error
	}{
		{"a query", func(ctx context.Context, p auth.Principal, see func(uuid.UUID)) error {
			var id uuid.UUID
			err := e.store.in(p.AccountID).queryOne(ctx, []any{&id}, ownersOf)
			see(id)
			return err
		}},
		{"a query of ent", func(ctx context.Context, p auth.Principal, see func(uuid.UUID)) error {
			rows, err := e.store.in(p.AccountID).raw.Customer.Query().All(ctx)
			for _, r := range rows {
				see(r.AccountID)
			}
			return err
		}},
		{"a query without database/sql", func(ctx context.Context, p auth.Principal, see func(uuid.UUID)) error {
			var id uuid.UUID
			err := e.store.readOne(ctx, p.AccountID, []any{&id}, ownersOf)
			see(id)
			return err
		}},
		{"a transaction", func(ctx context.Context, p auth.Principal, see func(uuid.UUID)) error {
			return e.store.inTx(ctx, "test", p, func(ctx context.Context, t *tx) error {
				var id uuid.UUID
				err := t.queryOne(ctx, []any{&id}, ownersOf)
				see(id)
				t.emit(timeline.Event{Type: "CUSTOMER_UPDATED", Subject: timeline.SubjectCustomer, SubjectID: t.newID()})
				return err
			})
		}},
		{"a transaction that is given up", func(ctx context.Context, p auth.Principal, _ func(uuid.UUID)) error {
			err := e.store.inTx(ctx, "test", p, func(context.Context, *tx) error { return errBroken })
			if errors.Is(err, errBroken) {
				return nil
			}
			return errors.Join(errBroken, err)
		}},
		{"a transaction that PostgreSQL gives up", func(ctx context.Context, p auth.Principal, _ func(uuid.UUID)) error {
			err := e.store.inTx(ctx, "test", p, func(ctx context.Context, t *tx) error {
				_, err := t.exec(ctx, `SELECT 1 / 0 WHERE $1::uuid IS NOT NULL`)
				return err
			})
			if pe := pgError(err); pe != nil && pe.Code == "22012" {
				return nil
			}
			return errors.Join(errBroken, err)
		}},
		{"a snapshot", func(ctx context.Context, p auth.Principal, see func(uuid.UUID)) error {
			return e.store.snapshot(ctx, p.AccountID, func(c scope) error {
				var id uuid.UUID
				err := c.queryOne(ctx, []any{&id}, ownersOf)
				see(id)
				return err
			})
		}},
		{"a batch", func(ctx context.Context, p auth.Principal, _ func(uuid.UUID)) error {
			_, err := e.store.atOnce(ctx, p, func(_ *tx, b *statements) {
				// It fails when it sees more than its own.
				b.add(`SELECT 1 / (count(*) FILTER (WHERE account_id = $1) - count(*) + 1) FROM customer`)
			})
			return err
		}},
		{"a statement across accounts", func(ctx context.Context, _ auth.Principal, _ func(uuid.UUID)) error {
			var n int
			if err := e.store.system.QueryRow(ctx, `SELECT count(*) FROM account`).Scan(&n); err != nil || n != 2 {
				return errors.Join(errBroken, err)
			}
			return nil
		}},
		{"a statement across accounts that fails", func(ctx context.Context, _ auth.Principal, _ func(uuid.UUID)) error {
			if _, err := e.store.system.Exec(ctx, `SELECT 1 / 0`); pgError(err) == nil {
				return errors.Join(errBroken, err)
			}
			return nil
		}},
		{"nobody's transaction", func(ctx context.Context, _ auth.Principal, see func(uuid.UUID)) error {
			rows, err := e.store.conns.Query(ctx, ownersOf, uuid.Nil)
			if err != nil {
				return err
			}
			list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			for range list {
				see(uuid.Nil)
			}
			return err
		}},
	}
	for n := range *alternations {
		p, way := accounts[n%2], ways[n*7%len(ways)]
		err := way.do(t.Context(), p, func(id uuid.UUID) {
			if id != p.AccountID {
				t.Errorf("%s as %s sees a row of %s", way.name, p.AccountID, id)
			}
		})
		if err != nil {
			t.Fatalf("%s: %v", way.name, err)
		}
	}
	var left string
	err := e.store.conns.QueryRow(t.Context(), `SELECT current_user || ' ' || coalesce(current_setting('app.account', true), '') || coalesce(current_setting('app.system', true), '')`).Scan(&left)
	if err != nil || left != wall.AppRole+" " {
		t.Errorf("the connection is left as %q (%v)", left, err)
	}
}

// TestAStatementOfNobodyIsRefused holds that a statement which says nothing is a mistake that is seen, and no empty answer.
func TestAStatementOfNobodyIsRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	if _, err := e.store.db.QueryContext(t.Context(), `SELECT 1`); !errors.Is(err, errNobody) {
		t.Errorf("a query: %v", err)
	}
	if _, err := e.store.db.ExecContext(t.Context(), `SELECT 1`); !errors.Is(err, errNobody) {
		t.Errorf("a statement: %v", err)
	}
	if _, err := e.store.db.BeginTx(t.Context(), nil); !errors.Is(err, errNobody) {
		t.Errorf("a transaction: %v", err)
	}
}
