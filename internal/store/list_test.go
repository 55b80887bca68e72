package store

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"golang.org/x/sync/errgroup"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/catalog"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/pgtest"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// labels gives a list in its order, as the read side has it: the items that can be chosen.
func (e *env) labels(table string, accountID uuid.UUID) []string {
	e.t.Helper()
	rows, err := e.admin.Query(e.t.Context(), `SELECT key || ' ' || label FROM `+table+` WHERE account_id = $1 AND archived_at IS NULL ORDER BY position, id`, accountID)
	if err != nil {
		e.t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		e.t.Fatal(err)
	}
	return list
}

// TestNewAndOldAccountsHaveTheSameLists migrates a database of the first release and compares its account with a new one.
func TestNewAndOldAccountsHaveTheSameLists(t *testing.T) {
	t.Parallel()
	e := &env{t: t, db: pgtest.New(t)}
	e.admin = e.db.Pool(t)
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	cc, err := pgx.ParseConfig(e.db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*cc)
	defer db.Close()
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		t.Fatal(err)
	}
	const firstRelease = 20261123150853
	if _, err := p.UpTo(t.Context(), firstRelease); err != nil {
		t.Fatal(err)
	}
	old := typeid.New()
	if _, err := db.ExecContext(t.Context(), `WITH a AS (INSERT INTO account (id, name, oidc_algorithms, created_at) VALUES ($1, 'Old', '[]', now()) RETURNING id)
		INSERT INTO staff_user (id, account_id, created_at, updated_at, subject, display_name, sort_name, email, role)
		SELECT $2, id, now(), now(), 'ada', 'Ada', 'ada', 'Ada@Example.com', 'ADMIN' FROM a`, old, typeid.New()); err != nil {
		t.Fatal(err)
	}
	if _, err := Migrate(t.Context(), e.db.DSN(), nil); err != nil {
		t.Fatal(err)
	}
	if e.store, err = Open(t.Context(), Config{DSN: wall.AsApp(e.db.DSN())}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.store.Close)
	fresh, err := account.NewService(e.store, auth.Pepper{}).Create(t.Context(), account.Draft{Name: "New"})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range listTables {
		was, is := e.labels(table.name, old), e.labels(table.name, fresh)
		if !slices.Equal(was, is) || len(is) == 0 && table.name != "service" {
			t.Errorf("%s: an account that existed has %q, a new one %q", table.name, was, is)
		}
	}
	if n := e.count(`SELECT count(*) FROM customer_origin WHERE substring(id::text, 15, 1) = '7'`); n != 10 {
		t.Errorf("%d of 10 origins have a UUID of version 7", n)
	}
	if n := e.count(`SELECT count(*) FROM staff_user WHERE email_key = 'ada@example.com' AND signed_in_at = created_at`); n != 1 {
		t.Error("a person who had signed in is taken for one who has not")
	}
}

// TestConcurrentChangesKeepAListInOrder lets many administrators create, move, archive and delete at once. Whatever came
// of it, no two items have one place and none was lost.
func TestConcurrentChangesKeepAListInOrder(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lists, ctx := catalog.NewService(e.store), t.Context()
	var g errgroup.Group
	g.SetLimit(8)
	const writers, steps = 8, 12
	for w := range writers {
		g.Go(func() error {
			rnd := rand.New(rand.NewPCG(7, uint64(w)))
			for s := range steps {
				id, err := lists.Create(ctx, e.ada, catalog.Services, catalog.Draft{Label: fmt.Sprintf("Service %d %d", w, s)}, nil)
				if err != nil {
					return err
				}
				var all []uuid.UUID
				rows, err := e.admin.Query(ctx, `SELECT id FROM service WHERE account_id = $1`, e.ada.AccountID)
				if err == nil {
					all, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
				}
				if err != nil {
					return err
				}
				after := all[rnd.IntN(len(all))]
				switch err := lists.Move(ctx, e.ada, catalog.Services, id, 1, &after); fault.CodeOf(err) {
				case "", fault.BadUserInput, fault.NotFound: // behind itself, or behind one that was deleted meanwhile
				default:
					return err
				}
				if s%4 == 3 {
					version := e.count(`SELECT version FROM service WHERE id = $1`, id)
					if err := lists.Delete(ctx, e.ada, catalog.Services, id, version); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := e.count(`SELECT count(*) FROM service`); n != writers*steps*3/4 {
		t.Errorf("%d services are left, want %d", n, writers*steps*3/4)
	}
	if n := e.count(`SELECT count(*) - count(DISTINCT position) FROM service`); n != 0 {
		t.Errorf("%d services share a place with another", n)
	}
	// Each change is an event and a revision.
	if events, revisions := e.count(`SELECT count(*) FROM event WHERE type = 'ACCOUNT_SETTINGS_CHANGED' AND subject_id = account_id`),
		e.count(`SELECT count(*) FROM revision WHERE subject_type = 'Service'`); events != revisions || events < writers*steps*5/4 {
		t.Errorf("%d events and %d revisions", events, revisions)
	}
}

func TestOneLabelIsMadeOnceAtTheSameTime(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lists := catalog.NewService(e.store)
	const tries = 8
	errs := make([]error, tries)
	var g errgroup.Group
	for i := range tries {
		g.Go(func() error {
			_, errs[i] = lists.Create(t.Context(), e.ada, catalog.Offices, catalog.Draft{Label: strings.Repeat(" ", i) + "Köln", TimeZone: ptr("Europe/Berlin")}, nil)
			return nil
		})
	}
	_ = g.Wait()
	made := 0
	for _, err := range errs {
		switch fault.CodeOf(err) {
		case "":
			made++
		case fault.Conflict:
		default:
			t.Errorf("got %v, want CONFLICT", err)
		}
	}
	if made != 1 {
		t.Errorf("made %d offices, want 1", made)
	}
}

func TestListsKeepWhatTheyWereGiven(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	lists, ctx := catalog.NewService(e.store), t.Context()
	minutes, other, zone, key := 45, 60, "Asia/Tokyo", "same"
	id, err := lists.Create(ctx, e.ada, catalog.Services, catalog.Draft{Label: "Cut", DurationMinutes: &minutes}, &key)
	if err != nil {
		t.Fatal(err)
	}
	again, err := lists.Create(ctx, e.ada, catalog.Services, catalog.Draft{Label: "Cut", DurationMinutes: &minutes}, &key)
	if err != nil || again != id {
		t.Errorf("the same key gave %v, %v; want %v", again, err, id)
	}
	office, err := lists.Create(ctx, e.ada, catalog.Offices, catalog.Draft{Label: "Main", TimeZone: ptr("UTC")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		lists.Update(ctx, e.ada, catalog.Services, id, 1, catalog.Patch{DurationMinutes: optional.Some(&other)}),
		lists.Update(ctx, e.ada, catalog.Offices, office, 1, catalog.Patch{TimeZone: optional.Some(&zone)}),
		lists.Archive(ctx, e.ada, catalog.Offices, office, 2), lists.Archive(ctx, e.ada, catalog.Offices, office, 1),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := e.count(`SELECT count(*) FROM service WHERE duration_minutes = 60 AND label_key = 'cut' AND version = 2`); n != 1 {
		t.Error("the service is not what it was changed to")
	}
	if n := e.count(`SELECT count(*) FROM office WHERE time_zone = 'Asia/Tokyo' AND archived_at IS NOT NULL AND version = 3`); n != 1 {
		t.Error("the office is not what it was changed to")
	}
	err = lists.Update(ctx, e.ada, catalog.Services, id, 1, catalog.Patch{Label: optional.Some(ptr("x")), DurationMinutes: optional.Some(&other)})
	list := fault.AsList(err)
	if len(list) != 1 || list[0].Code != fault.VersionConflict {
		t.Fatalf("a stale update got %v", err)
	}
	want := fault.VersionConflictDetail{CurrentVersion: 2, ConflictingFields: []string{"durationMinutes"}, NodeID: typeid.Format(typeid.Service, id)}
	if got, ok := list[0].Detail.(fault.VersionConflictDetail); !ok || got.CurrentVersion != want.CurrentVersion || got.NodeID != want.NodeID ||
		!slices.Equal(got.ConflictingFields, want.ConflictingFields) {
		t.Errorf("a stale update got %+v, want %+v", list[0].Detail, want)
	}
}
