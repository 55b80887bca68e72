package read_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/pgtest"
	"dossier/internal/store"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// bothCounts asks for the same number twice in one snapshot: from the counter, and by counting, because the condition names
// the status itself.
const bothCounts = `{ counter: customers(first: 0) { totalCount } counted: customers(first: 0, where: {status: [ACTIVE]}) { totalCount } }`

type counts struct {
	Counter, Counted struct{ TotalCount int }
}

func (e *env) counts(p auth.Principal) (c counts) {
	e.t.Helper()
	if err := json.Unmarshal([]byte(e.data(p, bothCounts, nil)), &c); err != nil {
		e.t.Fatal(err)
	}
	return c
}

// writer is the write side on the same database.
func (e *env) writer(dsn string) (*customer.Service, auth.Principal) {
	e.t.Helper()
	s, err := store.Open(e.t.Context(), store.Config{DSN: wall.AsApp(dsn), MaxConns: 16})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(s.Close)
	id := typeid.New()
	if _, err := e.pool.Exec(e.t.Context(), `INSERT INTO account (id, name, oidc_algorithms, created_at) VALUES ($1, 'Counted', '[]', now())`, id); err != nil {
		e.t.Fatal(err)
	}
	return customer.NewService(s), auth.Principal{AccountID: id, Kind: auth.KindStaff, ID: typeid.New(), Role: auth.Admin}
}

// TestACounterSaysWhatCountingSays has writers create, change, archive and restore customers, in part those of each other,
// while readers compare the counter with counting in every snapshot.
func TestACounterSaysWhatCountingSays(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t, template)
	e := attach(t, db.DSN(), db.Pool(t))
	svc, p := e.writer(db.DSN())
	shared, err := svc.Create(t.Context(), p, person("Shared"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var writers, readers errgroup.Group
	for n := range 8 {
		writers.Go(func() error { return write(t.Context(), svc, p, shared, uint64(n)) })
	}
	done := make(chan struct{})
	seen := map[int]bool{}
	readers.Go(func() error {
		for {
			c := e.counts(p)
			if c.Counter != c.Counted {
				return fmt.Errorf("the counter says %d, counting %d", c.Counter.TotalCount, c.Counted.TotalCount)
			}
			seen[c.Counter.TotalCount] = true
			select {
			case <-done:
				return nil
			default:
			}
		}
	})
	err = writers.Wait()
	close(done)
	if readErr := readers.Wait(); err != nil || readErr != nil {
		t.Fatal(err, readErr)
	}
	if len(seen) < 10 {
		t.Errorf("the readers saw %d different numbers only, so they were not there while it was written", len(seen))
	}
	var archived, counted int
	if err := e.pool.QueryRow(t.Context(), `SELECT archived_customers, (SELECT count(*) FROM customer WHERE account_id = a.id AND status = 'ARCHIVED')
		FROM account AS a WHERE id = $1`, p.AccountID).Scan(&archived, &counted); err != nil || archived != counted || archived == 0 {
		t.Errorf("the counter of archived customers says %d, counting %d (%v)", archived, counted, err)
	}
}

func person(name string) customer.Draft {
	return customer.Draft{Kind: customer.Person, GivenName: &name}
}

// write makes customers, archives and restores them, and quarrels with the others about the shared one.
func write(ctx context.Context, svc *customer.Service, p auth.Principal, shared uuid.UUID, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 1))
	for range 25 {
		id, err := svc.Create(ctx, p, person("Writer"), nil)
		if err != nil {
			return err
		}
		if random.IntN(2) == 0 {
			if err := svc.Archive(ctx, p, id, 1); err != nil {
				return err
			}
			if err := svc.Archive(ctx, p, id, 2); err != nil { // which changes nothing
				return err
			}
			if random.IntN(2) == 0 {
				if err := svc.Restore(ctx, p, id, 2); err != nil {
					return err
				}
			}
		}
		change := svc.Archive
		if random.IntN(2) == 0 {
			change = svc.Restore
		}
		if err := change(ctx, p, shared, random.IntN(30)); err != nil && fault.CodeOf(err) != fault.VersionConflict {
			return err
		}
	}
	return nil
}

// TestOnlyTheWholeDirectoryIsReadFromTheCounter holds which conditions the counter may stand in for.
func TestOnlyTheWholeDirectoryIsReadFromTheCounter(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	w := newWorld(3, 40)
	w.insert(t, e.pool)
	const query = `query($where: CustomerWhere) { customers(first: 0, where: $where) { totalCount } }`
	for _, c := range []struct {
		where   any
		counter bool
	}{
		{nil, true},
		{map[string]any{}, true},
		{map[string]any{"status": nil, "email": nil}, true},
		{map[string]any{"status": []any{"ACTIVE"}}, false},
		{map[string]any{"status": []any{"ARCHIVED"}}, false},
		{map[string]any{"kind": []any{"PERSON"}}, false},
		{map[string]any{"displayNameStartsWith": ""}, false},
		{map[string]any{"or": []any{}}, false},
		{map[string]any{"and": []any{map[string]any{"kind": []any{"COMPANY"}}}}, false},
	} {
		e.trace.texts = nil
		e.data(admin(w.accounts[0]), query, map[string]any{"where": c.where})
		for sql := range e.trace.texts {
			if got := strings.Contains(sql, "active_customers"); got != c.counter {
				t.Errorf("where %v: the counter is read: %v, want %v", c.where, got, c.counter)
			}
		}
	}
	if c := e.counts(admin(w.accounts[0])); c.Counter != c.Counted || c.Counter.TotalCount == 0 {
		t.Errorf("the counter says %d, counting %d", c.Counter.TotalCount, c.Counted.TotalCount)
	}
}

// TestACounterIsCutLikeACount holds the bound of totalCount.
func TestACounterIsCutLikeACount(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	w := newWorld(3, 1)
	w.byID[w.accounts[0]]["active_customers"] = int64(2_000_000)
	w.insert(t, e.pool)
	if c := e.counts(admin(w.accounts[0])); c.Counter.TotalCount != 10_001 {
		t.Errorf("totalCount is %d, want it cut at 10001", c.Counter.TotalCount)
	}
}
