package system

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/apitest"
)

var long = flag.Bool("system.long", false, "run the full forms of hardening.md, which take minutes")

func TestMain(m *testing.M) {
	flag.Parse()
	// Most of these tests wait (for leases, deadlines, slow clients) far longer than they compute, so more of them run at a
	// time than there are processors, unless -parallel says otherwise.
	chosen := false
	flag.Visit(func(f *flag.Flag) { chosen = chosen || f.Name == "test.parallel" })
	if f := flag.Lookup("test.parallel"); f != nil && !chosen {
		_ = f.Value.Set("6")
	}
	apitest.Main(m)
}

// full gives the number of the long form or of the short one.
func full(longForm, shortForm int) int {
	if *long {
		return longForm
	}
	return shortForm
}

// system says that a test needs the built program.
func system(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("runs the built program on PostgreSQL")
	}
}

// database opens a pool on the server's database.
func database(t testing.TB, s *apitest.Server) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), s.DSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(t testing.TB, db *pgxpool.Pool, statement string, args ...any) {
	t.Helper()
	if _, err := db.Exec(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

// scalar gives the one value of a query.
func scalar[T any](t testing.TB, db *pgxpool.Pool, query string, args ...any) T {
	t.Helper()
	var v T
	if err := db.QueryRow(context.WithoutCancel(t.Context()), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// eventually asks until there is no error any more, at most for limit; then the test fails with the last error.
func eventually(t testing.TB, limit time.Duration, ask func() error) {
	t.Helper()
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %v", limit, err)
		case <-tick.C:
		}
	}
}

// pause waits for so long or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

var errNotYet = errors.New("not yet")

// at takes a value out of decoded JSON: at(data, "customers.nodes.0.id"). It is nil where the way ends early.
func at(v any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			var i int
			if _, err := fmt.Sscan(step, &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func text(v any, path string) string {
	s, _ := at(v, path).(string)
	return s
}

func number(v any, path string) int64 {
	f, _ := at(v, path).(float64)
	return int64(f)
}

func list(v any, path string) []any {
	l, _ := at(v, path).([]any)
	return l
}
