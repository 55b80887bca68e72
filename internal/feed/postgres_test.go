package feed_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/pgtest"
	"dossier/internal/transport"
)

const accountTable = `CREATE TABLE account (id uuid PRIMARY KEY, event_seq bigint NOT NULL DEFAULT 0)`

func newDatabase(t *testing.T) *pgtest.DB {
	t.Helper()
	return pgtest.New(t, pgtest.Template{Name: "feed-v1", Prepare: func(ctx context.Context, dsn string) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, accountTable)
		return err
	}})
}

// node is a server process as far as live delivery goes.
type node struct {
	pool     *pgxpool.Pool
	hub      *feed.Hub
	tailer   *feed.Tailer
	notifier *feed.Notifier
}

func startNode(t *testing.T, db *pgtest.DB, cfg feed.TailerConfig) *node {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	n := &node{pool: db.Pool(t)}
	n.hub = feed.NewHub(feed.Config{Heads: feed.Heads(n.pool), Logger: quiet})
	cfg.Hub, cfg.Pool, cfg.Logger = n.hub, n.pool, quiet
	n.tailer = feed.NewTailer(cfg)
	n.notifier = feed.NewNotifier(feed.NotifierConfig{Hub: n.hub, Tailer: n.tailer, Pool: n.pool, Logger: quiet})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = n.tailer.Run(ctx) })
	running.Go(func() { _ = n.notifier.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
		n.hub.Close()
	})
	return n
}

func (n *node) addAccount(t *testing.T) uuid.UUID {
	t.Helper()
	id := uuid.New()
	if _, err := n.pool.Exec(t.Context(), `INSERT INTO account (id) VALUES ($1)`, id); err != nil {
		t.Fatal(err)
	}
	return id
}

// commit appends an event.
func (n *node) commit(t *testing.T, id uuid.UUID) int64 {
	t.Helper()
	var seq int64
	err := n.pool.QueryRow(t.Context(), `UPDATE account SET event_seq = event_seq + 1 WHERE id = $1 RETURNING event_seq`, id).Scan(&seq)
	if err != nil {
		t.Fatal(err)
	}
	return seq
}

func (n *node) subscribe(t *testing.T, id uuid.UUID) transport.Poller {
	t.Helper()
	all := feed.RunnerFunc(func(_ context.Context, from, to int64, emit func(transport.Message) error) (int64, error) {
		for seq := from + 1; seq <= to; seq++ {
			if err := emit(message(seq)); err != nil {
				return from, err
			}
		}
		return to, nil
	})
	return subscribe(t, n.hub, feed.Request{Account: id, Key: "all", From: 0, Runner: all})
}

// listeners waits until n connections LISTEN, and gives the process id of one.
func (n *node) listeners(t *testing.T, want int) int32 {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		var count int
		var pid int32
		err := n.pool.QueryRow(t.Context(), `SELECT count(*), coalesce(max(pid), 0) FROM pg_stat_activity
			WHERE datname = current_database() AND query ILIKE 'LISTEN%'`).Scan(&count, &pid)
		if err != nil {
			t.Fatal(err)
		}
		if count == want {
			return pid
		}
		waitFor(10 * time.Millisecond)
	}
	t.Fatalf("waited 10s for %d listening connections", want)
	return 0
}

func TestTwoNodesDeliverEachOthersEvents(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	never := feed.TailerConfig{Poll: time.Hour} // so that only notifications can deliver
	a, b := startNode(t, db, never), startNode(t, db, never)
	id := a.addAccount(t)
	onA, onB := a.subscribe(t, id), b.subscribe(t, id)
	a.listeners(t, 2)
	for i := range int64(20) {
		writer := a
		if i%2 == 1 {
			writer = b
		}
		seq := writer.commit(t, id)
		if i%4 < 2 {
			writer.notifier.Dirty(id)
		} else {
			writer.notifier.Committed(id, seq)
		}
		wantSeqs(t, onA, seq)
		wantSeqs(t, onB, seq)
	}
}

func TestManyCommitsAreFewNotifications(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	n := startNode(t, db, feed.TailerConfig{Poll: time.Hour})
	id := n.addAccount(t)
	conn, err := pgx.Connect(t.Context(), db.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	if _, err := conn.Exec(t.Context(), "LISTEN "+feed.Channel); err != nil {
		t.Fatal(err)
	}
	const commits = 2000
	for range commits {
		n.notifier.Dirty(id)
	}
	heard := 0
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := conn.WaitForNotification(ctx)
		cancel()
		if err != nil {
			break
		}
		heard++
	}
	if heard == 0 || heard > commits/20 {
		t.Errorf("got %d notifications for %d commits, want a few", heard, commits)
	}
}

func TestPollDeliversWithoutListen(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	deaf := feed.TailerConfig{
		Poll:   20 * time.Millisecond,
		Listen: func(context.Context) (*pgx.Conn, error) { return nil, fault.New(fault.Unavailable, "no") },
	}
	a, b := startNode(t, db, feed.TailerConfig{}), startNode(t, db, deaf)
	id := a.addAccount(t)
	onB := b.subscribe(t, id)
	for range 5 {
		wantSeqs(t, onB, a.commit(t, id))
	}
}

func TestKilledListenConnectionComesBack(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	a := startNode(t, db, feed.TailerConfig{Poll: time.Hour})
	id := a.addAccount(t)
	onA := a.subscribe(t, id)
	writer := db.Pool(t)
	commit := func() int64 {
		var seq int64
		err := writer.QueryRow(t.Context(), `WITH u AS (UPDATE account SET event_seq = event_seq + 1 RETURNING event_seq)
			SELECT event_seq FROM u, LATERAL (SELECT pg_notify($1, '')) n`, feed.Channel).Scan(&seq)
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	for range 3 {
		pid := a.listeners(t, 1)
		wantSeqs(t, onA, commit())
		if _, err := writer.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, pid); err != nil {
			t.Fatal(err)
		}
		wantSeqs(t, onA, commit()) // seen at the latest when the new connection listens
	}
}

func TestSilentListenConnectionIsProbed(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	a := startNode(t, db, feed.TailerConfig{Poll: time.Hour, Probe: 10 * time.Millisecond})
	id := a.addAccount(t)
	onA := a.subscribe(t, id)
	waitFor(100 * time.Millisecond) // several probes
	seq := a.commit(t, id)
	if _, err := a.pool.Exec(t.Context(), "NOTIFY "+feed.Channel); err != nil {
		t.Fatal(err)
	}
	wantSeqs(t, onA, seq)
}

func TestAccountThatDoesNotExistHasNoHead(t *testing.T) {
	t.Parallel()
	n := startNode(t, newDatabase(t), feed.TailerConfig{})
	_, err := n.hub.Subscribe(t.Context(), feed.Request{Account: uuid.New(), Key: "x"})
	if fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v, want NOT_FOUND", err)
	}
}
