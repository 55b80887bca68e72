package devdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"dossier/internal/fault"
)

// The reasons a caller may want to tell apart. They are the cause inside the fault that Start returns.
var (
	// ErrNotInstalled: no usable PostgreSQL was found on this machine.
	ErrNotInstalled = errors.New("postgresql is not installed")
	// ErrVersion: the data was created by another major version than any that is installed.
	ErrVersion = errors.New("postgresql version mismatch")
	// ErrUnreachable: the user PostgreSQL would run as may not enter the data directory.
	ErrUnreachable = errors.New("data directory is out of reach")
	// ErrStart: PostgreSQL was found but did not start or does not answer.
	ErrStart = errors.New("postgresql did not start")
)

const (
	superuser   = "postgres"
	maintenance = "postgres"
	port        = 5432

	// startTimeout bounds a Start whose context has no deadline. Recovery of a laptop's data takes seconds.
	startTimeout = time.Minute
	// pollEvery is how often files and processes are looked at while waiting for them.
	pollEvery = 10 * time.Millisecond
)

// Config says where the cluster is and how it runs.
type Config struct {
	// Dir is where the cluster lives. It is created when it is missing.
	Dir string
	// BinDir is the directory of initdb and postgres. Empty: they are searched for.
	BinDir string
	// Log gets a few lines about starting and stopping. Nil: none.
	Log *slog.Logger
	// Durable makes commits survive a power failure. False is for tests: fsync, synchronous_commit and full_page_writes
	// are off.
	Durable bool
	// Scratch is for a cluster that many test processes share and none owns. Nothing in it is worth keeping: it is
	// created anew after an unclean end or when its version is not installed. Start attaches whenever it runs; the
	// process that started it must call Release or Stop, and while it has done neither, its death stops the cluster.
	Scratch bool
	// Elsewhere is a directory in which the cluster may be kept instead when Start runs as root and no user it could
	// run PostgreSQL as may enter Dir (a clone in /root). Empty: Start then fails and says what to do.
	Elsewhere string
	// Params are PostgreSQL settings that override the defaults. Those about sockets cannot be overridden.
	Params map[string]string
}

// Cluster is a running PostgreSQL cluster.
type Cluster struct {
	home      home
	log       *slog.Logger
	socketDir string
	pid       int
	// visible says that an attached cluster's server is in our process table; one in another container is not.
	visible bool

	// The rest is set in the process that started the cluster only.
	child *child
	guard *guard
	lock  *fileLock
	// ownSocketDir is the short socket directory below the temp directory, which Stop removes; else empty.
	ownSocketDir string

	stopOnce sync.Once
	stopErr  error
}

// Start starts the cluster in cfg.Dir, creating it first when it is new, or attaches to it when it runs already.
// The context bounds the start only.
func Start(ctx context.Context, cfg Config) (*Cluster, error) {
	const op = "devdb.Start"
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	h, err := openHome(cfg)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	c, err := h.startOrAttach(ctx, cfg)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return c, nil
}

// startOrAttach loops because each of its questions can be overtaken: an owner may be starting, or stopping, just now.
func (h home) startOrAttach(ctx context.Context, cfg Config) (*Cluster, error) {
	for {
		if cfg.Scratch {
			if c, ok := h.attach(ctx, cfg.Log); ok {
				return c, nil
			}
		}
		lock, free, err := h.tryLock()
		if err != nil {
			return nil, err
		}
		if free {
			c, err := h.startLocked(ctx, cfg, lock)
			if err != nil {
				lock.release()
			}
			return c, err
		}
		if c, ok := h.attach(ctx, cfg.Log); ok {
			return c, nil
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return nil, problem(ErrStart, "Another Dossier process (%s) holds the database in %s, but its PostgreSQL does not answer. "+
				"Stop that process and try again.", h.lockHolder(), h.dir)
		}
	}
}

// attach gives the cluster when it runs and is ready. The process table is asked first: unlike a connection it answers
// on a machine under load and when all connections are taken. A server in another container is not in it.
func (h home) attach(ctx context.Context, log *slog.Logger) (*Cluster, bool) {
	pf, err := h.readPIDFile()
	if err != nil || !pf.ready {
		return nil, false
	}
	c := &Cluster{home: h, log: log, socketDir: pf.socketDir, pid: pf.pid}
	c.visible = runsOn(pf.pid, h.dataDir())
	if !c.visible && c.ping(ctx) != nil {
		return nil, false
	}
	log.Info("attached to the running PostgreSQL", "dir", h.dir, "pid", c.pid)
	return c, true
}

// startLocked starts the cluster while the lock is ours, so that nobody else can do the same.
func (h home) startLocked(ctx context.Context, cfg Config, lock *fileLock) (*Cluster, error) {
	if cfg.Scratch {
		if c, ok := h.attach(ctx, cfg.Log); ok {
			lock.release()
			return c, nil
		}
	}
	unclean, err := h.clearFormerServer(ctx, cfg.Log)
	if err != nil {
		return nil, err
	}
	inst, err := h.ensureData(ctx, cfg, unclean)
	if err != nil {
		return nil, err
	}
	c, err := h.launch(ctx, cfg, inst, unclean)
	if err != nil {
		return nil, err
	}
	c.lock = lock
	return c, nil
}

// DSN gives the connection string of a database as its superuser, for pgx, database/sql and psql.
func (c *Cluster) DSN(database string) string {
	q := url.Values{"host": {c.socketDir}, "port": {strconv.Itoa(port)}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User(superuser), Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}

// Dir gives the directory the cluster is really in, which differs from Config.Dir when it had to be kept Elsewhere.
func (c *Cluster) Dir() string { return c.home.dir }

// LogFile gives the path of PostgreSQL's own log.
func (c *Cluster) LogFile() string { return c.home.logFile() }

// PID gives the process id of PostgreSQL's main process.
func (c *Cluster) PID() int { return c.pid }

// Attached says whether the cluster was running already, so that Stop will leave it alone.
func (c *Cluster) Attached() bool { return c.child == nil }

// CreateDatabase creates a database, as a copy of template when that is not empty. A database that exists is left alone,
// so that two processes may both make sure of it.
func (c *Cluster) CreateDatabase(ctx context.Context, name, template string) error {
	const op = "devdb.CreateDatabase"
	conn, err := pgx.Connect(ctx, c.DSN(maintenance))
	if err != nil {
		return fault.Wrap(op, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	sql := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize()
	if template != "" {
		// Copying files is 3 to 5 times as fast as going through the write-ahead log for databases as small as these.
		sql += " TEMPLATE " + pgx.Identifier{template}.Sanitize() + " STRATEGY file_copy"
	}
	_, err = conn.Exec(ctx, sql)
	if isDuplicate(err) {
		return nil
	}
	return fault.Wrap(op, err)
}

// isDuplicate knows both answers PostgreSQL gives: the second one comes when two sessions create it at the same moment.
func isDuplicate(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) &&
		(pgErr.Code == "42P04" || (pgErr.Code == "23505" && pgErr.ConstraintName == "pg_database_datname_index"))
}

// Wait blocks until the cluster has ended, for whatever reason, and then returns an error that says so; or until ctx is
// done, and returns nil. A server runs it beside its other work, so that it does not outlive its database silently.
func (c *Cluster) Wait(ctx context.Context) error {
	for !c.ended() {
		if sleep(ctx, 500*time.Millisecond) != nil {
			return nil
		}
	}
	if c.Attached() {
		return problem(ErrStart, "The Dossier process that owned the database in %s has ended, and the database with it. Start again.", c.home.dir)
	}
	return problem(ErrStart, "PostgreSQL has ended. Its log is %s.", c.home.logFile())
}

// Release leaves a Scratch cluster running after the end of this process. Something else must stop it then.
func (c *Cluster) Release() error {
	if c.Attached() {
		return nil
	}
	err := c.guard.release()
	c.lock.release()
	return fault.Wrap("devdb.Release", err)
}

// Stop shuts the cluster down if this process started it; sessions are disconnected and running transactions rolled back.
// When ctx ends first, PostgreSQL is stopped at once and recovers at the next start. A second Stop does nothing.
func (c *Cluster) Stop(ctx context.Context) error {
	if c.Attached() {
		return nil
	}
	c.stopOnce.Do(func() { c.stopErr = c.stop(ctx) })
	return fault.Wrap("devdb.Stop", c.stopErr)
}

func (c *Cluster) ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.DSN(maintenance))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	return conn.Close(ctx)
}

// problem is a fault whose message is for the person who started the program.
func problem(cause error, format string, args ...any) error {
	f := fault.New(fault.Unavailable, format, args...)
	f.Err = cause
	return f
}

// sleep waits for d, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
