package feed

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// NotifierConfig is what a Notifier needs.
type NotifierConfig struct {
	// Hub and Tailer are those of this node; either may be nil.
	Hub    *Hub
	Tailer *Tailer
	// Pool sends the notifications; at most one of its connections is used at a time.
	Pool *pgxpool.Pool
	// Interval is the least time between two notifications. Default 10 ms.
	Interval time.Duration
	// Logger gets failed notifications. Default slog.Default().
	Logger *slog.Logger
}

// Notifier tells this node and the others that something was committed.
//
// A NOTIFY inside the writing transaction takes a database-wide lock at commit, which cut the rate of commits to 0.3; one
// NOTIFY after the fact for everything that was committed within some milliseconds costs next to nothing.
type Notifier struct {
	cfg   NotifierConfig
	dirty chan struct{} // capacity 1: one notification covers all commits before it
}

// NewNotifier makes a notifier. Run makes it work.
func NewNotifier(cfg NotifierConfig) *Notifier {
	orDefault(&cfg.Interval, 10*time.Millisecond)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Notifier{cfg: cfg, dirty: make(chan struct{}, 1)}
}

// Dirty is called after a commit that appended to the log of the account. It never blocks.
func (n *Notifier) Dirty(account uuid.UUID) {
	if n.cfg.Hub != nil && n.cfg.Tailer != nil && n.cfg.Hub.Has(account) {
		n.cfg.Tailer.Poke()
	}
	n.mark()
}

// Committed is Dirty for a writer that knows the sequence number it has committed. It spares this node the question.
func (n *Notifier) Committed(account uuid.UUID, seq int64) {
	if n.cfg.Hub != nil {
		n.cfg.Hub.Advance(account, seq)
	}
	n.mark()
}

func (n *Notifier) mark() {
	select {
	case n.dirty <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends, and then what is still to be sent.
func (n *Notifier) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			n.last(ctx)
			return nil
		case <-n.dirty:
		}
		if err := n.notify(ctx); err != nil && ctx.Err() == nil {
			n.mark() // the others have their poll until it works again
			n.cfg.Logger.Warn("notifying the other nodes failed, trying again", "sqlstate", sqlState(err))
			wait(ctx, 1)
			continue
		}
		pause(ctx, n.cfg.Interval)
	}
}

func (n *Notifier) last(ctx context.Context) {
	select {
	case <-n.dirty:
		_ = n.notify(context.WithoutCancel(ctx)) // the others have their poll
	default:
	}
}

func (n *Notifier) notify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := n.cfg.Pool.Exec(ctx, "NOTIFY "+Channel)
	return err
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
