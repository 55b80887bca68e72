package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/ent"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// Time limits of the write side. They keep one stuck client, lock or statement from taking the whole pool with it.
const (
	acquireTimeout = 2 * time.Second
	// uploadAcquireTimeout is acquireTimeout for uploads, see patiently.
	uploadAcquireTimeout = 10 * time.Second
	statementTimeout     = 5 * time.Second
	lockTimeout          = 2 * time.Second
	idleInTransaction    = 10 * time.Second
	transactionTimeout   = 15 * time.Second
	// outcomeTimeout bounds the search for the outcome of a commit that got no answer.
	outcomeTimeout = 5 * time.Second
)

const defaultMaxConns = 8

// Config is what a Store needs. Only DSN is required.
type Config struct {
	// DSN is a PostgreSQL connection string or URL, as wall.Enter gives it: with the role of the program in it each statement
	// says whose rows it is about. Without it row-level security must be off, or not hold for the login.
	DSN string
	// MaxConns bounds the connections of the pool; 0 means 8.
	MaxConns int
	// Log gets what no caller can be told.
	Log *slog.Logger
	// Now is the clock of created_at and updated_at. Leases use the clock of the database instead.
	Now func() time.Time
	// NewID makes the ids of rows that have none from their area.
	NewID func() uuid.UUID
	// Dirty is told the account after each commit that may have appended events. It must return at once: it is called
	// on the path of the request. Also called when the outcome of a commit is unknown.
	Dirty func(account uuid.UUID)
	// Tracer sees each statement.
	Tracer pgx.QueryTracer

	// dial replaces the dialer, so that a test can cut a connection at a chosen point; the others the constants.
	dial                        func(ctx context.Context, network, addr string) (net.Conn, error)
	outcomeTimeout, lockTimeout time.Duration
}

// ErrBadDSN stands for the error of the parser of connection strings.
//
// SECURITY: the parser's message can hold the password, so it goes no further.
var ErrBadDSN = errors.New("store: the database URL cannot be parsed; it looks like postgres://user:password@host:5432/name")

// Store is the PostgreSQL side of the areas. It is safe for concurrent use.
type Store struct {
	// conns is used where a statement says whose rows it is about, which a test holds; system runs those across accounts.
	conns  *pgxpool.Pool
	system system
	db     *sql.DB
	driver *entsql.Driver
	// clients are of the accounts that were served last.
	clients *lru.Cache[whose, *ent.Client]
	// walled says that the connections stand behind the wall, see Config.DSN.
	walled bool
	cfg    Config
}

// Open connects to the database. The tables must be there already: see Migrate.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	cfg = cfg.withDefaults()
	pc, err := poolConfig(cfg)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("store: open pool: %w", err)
	}
	s := &Store{conns: pool, walled: wall.Raised(pc.ConnConfig), cfg: cfg}
	s.system = system{s}
	s.db = sql.OpenDB(connector{s})
	s.db.SetMaxIdleConns(0) // idle connections belong to the pgx pool
	s.driver = entsql.OpenDB(dialect.Postgres, s.db)
	s.clients, _ = lru.New[whose, *ent.Client](clients) // it fails for a size of 0 only
	if err := s.Ping(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.MaxConns <= 0 {
		c.MaxConns = defaultMaxConns
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.NewID == nil {
		c.NewID = typeid.New
	}
	if c.outcomeTimeout == 0 {
		c.outcomeTimeout = outcomeTimeout
	}
	if c.lockTimeout == 0 {
		c.lockTimeout = lockTimeout
	}
	if c.Dirty == nil {
		c.Dirty = func(uuid.UUID) {}
	}
	return c
}

func poolConfig(cfg Config) (*pgxpool.Config, error) {
	pc, err := pgxpool.ParseConfig(cfg.DSN)
	if err != nil {
		return nil, ErrBadDSN
	}
	pc.MaxConns = int32(min(cfg.MaxConns, 1000)) //nolint:gosec // bounded in the same expression
	pc.ConnConfig.Tracer = cfg.Tracer
	if cfg.dial != nil {
		pc.ConnConfig.DialFunc = cfg.dial
	}
	params := pc.ConnConfig.RuntimeParams
	params["statement_timeout"] = milliseconds(max(statementTimeout, cfg.lockTimeout+time.Second))
	params["lock_timeout"] = milliseconds(cfg.lockTimeout)
	params["idle_in_transaction_session_timeout"] = milliseconds(idleInTransaction)
	params["timezone"] = "UTC"
	if params["application_name"] == "" {
		params["application_name"] = "dossier"
	}
	return pc, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprint(d.Milliseconds()) }

// patience marks the context of what may wait longer for a connection.
type patience struct{}

// patiently is for uploads: behind them are many bytes that would have to be sent again, and before
// them a client that will be sending for a while anyhow.
func patiently(ctx context.Context) context.Context { return context.WithValue(ctx, patience{}, true) }

func patienceOf(ctx context.Context) time.Duration {
	if ctx.Value(patience{}) != nil {
		return uploadAcquireTimeout
	}
	return acquireTimeout
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, acquireTimeout)
	defer cancel()
	return translate("store.Ping", s.conns.Ping(ctx))
}

// Stats gives the connections of the pool: all of them and those in use.
func (s *Store) Stats() (total, acquired int) {
	st := s.conns.Stat()
	return int(st.TotalConns()), int(st.AcquiredConns())
}

// Close waits for the connections in use and closes the pool.
func (s *Store) Close() {
	_ = s.db.Close()
	s.conns.Close()
}

func (s *Store) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// pgError gives the server's error in err, nil when there is none.
func pgError(err error) *pgconn.PgError {
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		return pe
	}
	return nil
}
