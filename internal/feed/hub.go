package feed

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/transport"
)

// Runner executes a subscription operation for a stretch of the log.
type Runner interface {
	// Run calls emit, in order, for each event in (from, to] that the operation is about. It may stop early, at a page
	// limit, and says up to which sequence number everything was emitted. When emit fails, Run stops and returns that error.
	Run(ctx context.Context, from, to int64, emit func(transport.Message) error) (reached int64, err error)
}

// RunnerFunc is a function as a Runner.
type RunnerFunc func(ctx context.Context, from, to int64, emit func(transport.Message) error) (int64, error)

// Run calls f.
func (f RunnerFunc) Run(ctx context.Context, from, to int64, emit func(transport.Message) error) (int64, error) {
	return f(ctx, from, to, emit)
}

// FromNow as Request.From means: events from now on.
const FromNow = -1

// Request is one subscription.
type Request struct {
	// Account is whose log is read.
	Account uuid.UUID
	// Key is everything that the results depend on: document, operation name, variables without the cursor, and the scope
	// of the principal's rights. Subscribers with the same Account and Key share their executions and results.
	Key string
	// From is the sequence number after which to start, or FromNow.
	From int64
	// Runner executes the operation. The runners of one group must be interchangeable.
	Runner Runner
	// Heartbeat makes the message that says "nothing is missing up to seq". Nil means no heartbeats. A subscriber FromNow
	// gets one at once, so that it has a cursor to resume from before the first event comes.
	Heartbeat func(seq int64) transport.Message
}

// Config is what a Hub needs. The zero value of every number means its default.
type Config struct {
	// Heads gives the newest sequence number of each account; an account that does not exist is left out.
	Heads func(ctx context.Context, accounts []uuid.UUID) (map[uuid.UUID]int64, error)
	// Queue is how many messages may wait for one subscriber. Over it the subscriber is dropped. Default 256.
	Queue int
	// Page is how many messages a subscriber that catches up gets at a time. At most half of Queue. Default 64.
	Page int
	// Recent is how many messages a group keeps for subscribers that join. At most half of Queue. Default 64.
	Recent int
	// CatchUps is how many catch-up runs may be under way in the whole hub. Default 8.
	CatchUps int
	// Heartbeat is how long a group may be silent. Default 25 s.
	Heartbeat time.Duration
	// RunTimeout bounds one run. Default 30 s.
	RunTimeout time.Duration
	// PaceWait bounds how long a group waits when more than half of its members are behind, which means that this
	// node may be the bottleneck and not they. Those that are behind after it are dropped. Default 3 s.
	PaceWait time.Duration
	// Logger gets failed runs. Default slog.Default().
	Logger *slog.Logger
}

// Hub groups equal subscriptions, runs each group once per wake and fans the results out.
type Hub struct {
	cfg    Config
	ctx    context.Context // of all runs; ends with Close
	cancel context.CancelFunc
	slots  chan struct{} // one token per catch-up run under way
	stats  counters

	mu       sync.Mutex
	accounts map[uuid.UUID]*account
	closed   bool
	running  sync.WaitGroup
}

// account is the part of the hub for one account with subscribers.
type account struct {
	head   int64 // -1 until it is known
	refs   int   // groups and subscribers on their way in
	groups map[string]*group
}

type counters struct {
	groups, subscribers, dropped, runs, catchUps, failures, delivered atomic.Int64
}

// Stats is what a hub has done and holds, for metrics.
type Stats struct {
	// Groups, Subscribers and Accounts are held now.
	Groups, Subscribers, Accounts int64
	// Dropped counts subscribers that were too slow.
	Dropped int64
	// Runs and CatchUps count executions, live ones and those for subscribers behind; Failures those that failed.
	Runs, CatchUps, Failures int64
	// Delivered counts messages put into queues.
	Delivered int64
}

// NewHub makes a hub. Close ends it.
func NewHub(cfg Config) *Hub {
	orDefault(&cfg.Queue, 256)
	orDefault(&cfg.Page, 64)
	orDefault(&cfg.Recent, 64)
	orDefault(&cfg.CatchUps, 8)
	orDefault(&cfg.Heartbeat, 25*time.Second)
	orDefault(&cfg.RunTimeout, 30*time.Second)
	orDefault(&cfg.PaceWait, 3*time.Second)
	cfg.Queue = max(cfg.Queue, 4)
	cfg.Page = min(cfg.Page, cfg.Queue/2)
	cfg.Recent = max(2, min(cfg.Recent, cfg.Queue/2))
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	h := &Hub{cfg: cfg, accounts: make(map[uuid.UUID]*account), slots: make(chan struct{}, cfg.CatchUps)}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.running.Go(h.beat)
	return h
}

func orDefault[T time.Duration | int](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Subscribe adds a subscriber. The stream belongs to the caller, who must Close it; ctx bounds only the call.
//
// A stream gives the messages after From in order, each once, with none left out. It ends with transport.ErrSlow when the
// subscriber was dropped, with transport.ErrRestart when the hub closes, or with the Runner's error.
func (h *Hub) Subscribe(ctx context.Context, req Request) (transport.Stream, error) {
	const op = "feed.Subscribe"
	head, err := h.hold(ctx, req.Account)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	defer h.release(req.Account)
	m := &member{runner: req.Runner, beat: req.Heartbeat, at: req.From}
	if req.From < 0 {
		m.at = head
	}
	for {
		g := h.group(req.Account, req.Key)
		if g == nil {
			return nil, fault.Wrap(op, errClosing())
		}
		if g.join(m, req.From < 0) {
			h.stats.subscribers.Add(1)
			return m, nil
		}
	}
}

func errClosing() error {
	return fault.New(fault.Unavailable, "The server is restarting. Subscribe again.")
}

// hold registers the account, so that the tailer looks after it, and gives its head. The account is registered before the
// head is asked for: an event committed in between is then seen by the one or by the other.
func (h *Hub) hold(ctx context.Context, id uuid.UUID) (int64, error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return 0, errClosing()
	}
	a := h.accounts[id]
	if a == nil {
		a = &account{head: -1, groups: make(map[string]*group)}
		h.accounts[id] = a
	}
	a.refs++
	head := a.head
	h.mu.Unlock()
	if head >= 0 {
		return head, nil
	}
	heads, err := h.cfg.Heads(ctx, []uuid.UUID{id})
	if err != nil {
		h.release(id)
		return 0, err
	}
	head, ok := heads[id]
	if !ok {
		h.release(id)
		return 0, fault.New(fault.NotFound, "This account does not exist.")
	}
	h.Advance(id, head)
	return head, nil
}

func (h *Hub) release(id uuid.UUID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.releaseLocked(id)
}

func (h *Hub) releaseLocked(id uuid.UUID) {
	a := h.accounts[id]
	if a.refs--; a.refs == 0 {
		delete(h.accounts, id)
	}
}

// group finds or makes the group. It is nil when the hub is closed.
func (h *Hub) group(id uuid.UUID, key string) *group {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	a := h.accounts[id] // held by the caller
	g := a.groups[key]
	if g == nil {
		g = &group{hub: h, account: id, key: key, head: a.head, pos: a.head, recentFrom: a.head, drained: make(chan struct{}, 1)}
		g.quiet = time.Now()
		g.ctx, g.cancel = context.WithCancel(h.ctx)
		a.groups[key] = g
		a.refs++
		h.stats.groups.Add(1)
	}
	return g
}

// drop forgets a group that its last member has left.
func (h *Hub) drop(g *group) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.accounts[g.account].groups, g.key)
	h.releaseLocked(g.account)
	h.stats.groups.Add(-1)
}

// Accounts lists the accounts that have subscribers.
func (h *Hub) Accounts() []uuid.UUID {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := make([]uuid.UUID, 0, len(h.accounts))
	for id := range h.accounts {
		ids = append(ids, id)
	}
	return ids
}

// Has says whether the account has subscribers here.
func (h *Hub) Has(id uuid.UUID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, ok := h.accounts[id]
	return ok
}

// Advance tells the hub that the log of the account has come to head. Every event up to head must be committed.
func (h *Hub) Advance(id uuid.UUID, head int64) {
	h.mu.Lock()
	a := h.accounts[id]
	if a == nil || head <= a.head || h.closed {
		h.mu.Unlock()
		return
	}
	a.head = head
	groups := make([]*group, 0, len(a.groups))
	for _, g := range a.groups {
		groups = append(groups, g)
	}
	h.mu.Unlock()
	for _, g := range groups {
		g.advance(head)
	}
}

// Stats reads the counters.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	accounts := int64(len(h.accounts))
	h.mu.Unlock()
	return Stats{
		Accounts: accounts, Groups: h.stats.groups.Load(), Subscribers: h.stats.subscribers.Load(),
		Dropped: h.stats.dropped.Load(), Runs: h.stats.runs.Load(), CatchUps: h.stats.catchUps.Load(),
		Failures: h.stats.failures.Load(), Delivered: h.stats.delivered.Load(),
	}
}

// Close ends every stream with transport.ErrRestart, after what its queue holds, and waits for all runs.
func (h *Hub) Close() {
	h.mu.Lock()
	h.closed = true
	groups := h.groupsLocked()
	h.mu.Unlock()
	h.cancel()
	for _, g := range groups {
		g.endAll(transport.ErrRestart)
	}
	h.running.Wait()
}

func (h *Hub) groupsLocked() []*group {
	var groups []*group
	for _, a := range h.accounts {
		for _, g := range a.groups {
			groups = append(groups, g)
		}
	}
	return groups
}

// beat sends the heartbeats of all groups from one timer.
func (h *Hub) beat() {
	tick := time.NewTicker(min(h.cfg.Heartbeat/5, pageLife) + time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-h.ctx.Done():
			return
		case now := <-tick.C:
			h.mu.Lock()
			groups := h.groupsLocked()
			h.mu.Unlock()
			for _, g := range groups {
				g.tick(now)
			}
		}
	}
}
