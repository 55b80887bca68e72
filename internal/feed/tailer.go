package feed

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"dossier/internal/fault"
	"dossier/internal/wall"
)

// Channel is the PostgreSQL notification channel. A notification has no payload: it only says "look".
const Channel = "dossier_events"

// Heads makes the Config.Heads of a hub: it reads the newest sequence number of each account, across accounts. A number tells
// nobody anything; the events are read as the account whose they are.
func Heads(pool *pgxpool.Pool) func(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]int64, error) {
	walled := wall.Raised(pool.Config().ConnConfig)
	return func(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]int64, error) {
		heads := make(map[uuid.UUID]int64, len(accounts))
		b := &pgx.Batch{}
		if walled {
			wall.System(b)
		}
		b.Queue(`SELECT id, event_seq FROM account WHERE id = ANY($1)`, accounts).Query(func(rows pgx.Rows) error {
			var id uuid.UUID
			var head int64
			_, err := pgx.ForEachRow(rows, []any{&id, &head}, func() error {
				heads[id] = head
				return nil
			})
			return err
		})
		if err := pool.SendBatch(ctx, b).Close(); err != nil {
			return nil, unavailable("feed.Heads", err)
		}
		return heads, nil
	}
}

// unavailable is the fault of a database that does not answer.
func unavailable(op string, err error) error {
	return &fault.Error{
		Code: fault.Unavailable, Op: op, Err: err,
		Message: "The event log cannot be read at the moment. Try again.",
	}
}

// TailerConfig is what a Tailer needs. The zero value of every duration means its default.
type TailerConfig struct {
	// Hub is told how far each account has come.
	Hub *Hub
	// Pool answers the questions for heads.
	Pool *pgxpool.Pool
	// Listen opens the connection that LISTENs. Nil connects with the pool's own settings.
	Listen func(ctx context.Context) (*pgx.Conn, error)
	// Poll is the safety net: how often the heads are read when nothing is heard. Default 1 s.
	Poll time.Duration
	// Gap is the least time between two readings, which makes one of a burst of notifications. Default 2 ms.
	Gap time.Duration
	// Probe is how often a silent LISTEN connection is tried, as a peer that vanished sends nothing. Default 30 s.
	Probe time.Duration
	// Logger gets the loss of the LISTEN connection. Default slog.Default().
	Logger *slog.Logger
}

// Tailer follows the logs of the accounts that have subscribers on this node. It holds one connection that LISTENs and asks
// for all heads at once; without that connection it polls.
type Tailer struct {
	cfg   TailerConfig
	heads func(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]int64, error)
	poke  chan struct{} // capacity 1: one reading answers all pokes before it
}

// NewTailer makes a tailer. Run makes it work.
func NewTailer(cfg TailerConfig) *Tailer {
	orDefault(&cfg.Poll, time.Second)
	orDefault(&cfg.Gap, 2*time.Millisecond)
	orDefault(&cfg.Probe, 30*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Listen == nil {
		cfg.Listen = func(ctx context.Context) (*pgx.Conn, error) {
			return pgx.ConnectConfig(ctx, cfg.Pool.Config().ConnConfig)
		}
	}
	return &Tailer{cfg: cfg, heads: Heads(cfg.Pool), poke: make(chan struct{}, 1)}
}

// Poke makes the tailer read the heads soon. It never blocks.
func (t *Tailer) Poke() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}

// Run works until ctx ends.
func (t *Tailer) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error {
		t.follow(ctx)
		return nil
	})
	g.Go(func() error {
		t.listen(ctx)
		return nil
	})
	return g.Wait()
}

// follow reads the heads after each poke, and every Poll without one.
func (t *Tailer) follow(ctx context.Context) {
	poll := time.NewTicker(t.cfg.Poll)
	defer poll.Stop()
	gap := time.NewTimer(0)
	defer gap.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-poll.C:
		case <-t.poke:
		}
		select {
		case <-ctx.Done():
			return
		case <-gap.C:
		}
		t.read(ctx)
		gap.Reset(t.cfg.Gap)
	}
}

func (t *Tailer) read(ctx context.Context) {
	accounts := t.cfg.Hub.Accounts()
	if len(accounts) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	heads, err := t.heads(ctx, accounts)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			t.cfg.Logger.Warn("reading the heads of the event logs failed, trying again", "code", fault.CodeOf(err))
		}
		return // the next poll reads them
	}
	for id, head := range heads {
		t.cfg.Hub.Advance(id, head)
	}
}

// listen keeps a LISTEN connection. While there is none, the poll does its work.
func (t *Tailer) listen(ctx context.Context) {
	var failures int
	for ctx.Err() == nil {
		heard, err := t.hear(ctx)
		if ctx.Err() != nil {
			return
		}
		if heard {
			failures = 0
		}
		failures++
		t.cfg.Logger.Warn("listening for events was interrupted, polling until it works again",
			"failures", failures, "sqlstate", sqlState(err))
		wait(ctx, failures)
	}
}

// hear listens on one connection until it breaks. It says whether the connection worked at all.
func (t *Tailer) hear(ctx context.Context) (bool, error) {
	connectCtx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, err := t.cfg.Listen(connectCtx)
	if err != nil {
		return false, err
	}
	defer closeConn(ctx, conn)
	if _, err := conn.Exec(connectCtx, "LISTEN "+Channel); err != nil {
		return false, err
	}
	t.Poke() // what was committed while nobody listened
	for {
		waitCtx, cancel := context.WithTimeout(ctx, t.cfg.Probe)
		_, err := conn.WaitForNotification(waitCtx)
		cancel()
		switch {
		case err == nil:
			t.Poke()
		case ctx.Err() != nil:
			return true, ctx.Err()
		case pgconn.Timeout(err):
			if err := probe(ctx, conn); err != nil {
				return true, err
			}
		default:
			return true, err
		}
	}
}

func probe(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return conn.Ping(ctx)
}

func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // a connection that cannot say goodbye is gone all the same
}

func sqlState(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}
