package transport

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// SSEConfig is what SSE needs. The zero value of every duration and limit means its default.
type SSEConfig struct {
	// Live opens subscriptions. Without it a subscription is executed like a query.
	Live Live
	// Recheck says whether the principal in ctx may go on; see WSConfig. The stream of one that may not ends with an
	// UNAUTHENTICATED error.
	Recheck func(ctx context.Context) error
	// Limits gives the limits of the principal in ctx. Nil means no limit on connections.
	Limits func(ctx context.Context) Limits
	// Slots counts connections per principal. It is shared with WS.
	Slots *Slots
	// HeartbeatInterval is how often a comment is sent on a silent stream, so that proxies keep it open. Default 15 s.
	HeartbeatInterval time.Duration
	// WriteTimeout is the deadline of each write. Default 10 s.
	WriteTimeout time.Duration
	// RecheckInterval is how often Recheck is asked. Default 2 s.
	RecheckInterval time.Duration
	// MaxBodyBytes is the largest body of a POST. Default DefaultMaxBodyBytes.
	MaxBodyBytes int64
}

// SSE is GraphQL over Server-Sent Events in distinct connections mode: each request with "Accept: text/event-stream" is
// one operation, answered with `next` events and one `complete`.
//
// The id of each event is its cursor. A stream that ends without `complete` was cut by the server (a restart, or a
// reader that was too slow): the client connects again with Last-Event-ID and misses nothing.
type SSE struct {
	cfg SSEConfig

	stopping context.Context // ends with Shutdown
	stop     context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// NewSSE makes the transport. Shutdown ends it.
func NewSSE(cfg SSEConfig) *SSE {
	orDefault(&cfg.HeartbeatInterval, 15*time.Second)
	orDefault(&cfg.WriteTimeout, 10*time.Second)
	orDefault(&cfg.RecheckInterval, 2*time.Second)
	s := &SSE{cfg: cfg}
	s.stopping, s.stop = context.WithCancel(context.Background())
	return s
}

// Supports is graphql.Transport's. SSE must be added before the POST and GET transports.
func (s *SSE) Supports(r *http.Request) bool {
	return (r.Method == http.MethodPost || r.Method == http.MethodGet) && r.Header.Get("Upgrade") == "" && wantsEventStream(r)
}

// Shutdown ends all streams, without `complete`, so that their clients come back, and waits for their handlers. Call it
// before http.Server.Shutdown, which would wait for them until its deadline.
func (s *SSE) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Do runs one operation.
func (s *SSE) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	refuse := func(bad *refusal) { reply{w: w, exec: exec, media: mediaJSON}.refuse(r.Context(), bad) }
	if !s.enter() {
		w.Header().Set("Retry-After", "1")
		refuse(refused(http.StatusServiceUnavailable, fault.Unavailable, "The server is restarting. Connect again."))
		return
	}
	defer s.running.Done()

	params, bad := s.sseParams(w, r)
	if bad != nil {
		refuse(bad)
		return
	}
	var limits Limits
	if s.cfg.Limits != nil {
		limits = s.cfg.Limits(r.Context())
	}
	if !s.cfg.Slots.acquire(limits) {
		w.Header().Set("Retry-After", "10")
		refuse(refused(http.StatusTooManyRequests, fault.RateLimited,
			"Too many live connections. Close one, or use one WebSocket for all subscriptions."))
		return
	}
	defer s.cfg.Slots.release(limits)

	ctx, cancel := context.WithCancelCause(withLastEventID(r.Context(), lastEventID(r)))
	defer cancel(nil)
	defer context.AfterFunc(s.stopping, func() { cancel(ErrRestart) })()
	out := newSSEWriter(w, s.cfg.WriteTimeout)
	s.run(ctx, out, r, exec, params)
}

// enter counts the request, so that Shutdown waits for it. It says false after Shutdown.
func (s *SSE) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// run executes the operation and writes its results.
func (s *SSE) run(ctx context.Context, out *sseWriter, r *http.Request, exec graphql.GraphExecutor, params *graphql.RawParams) {
	now := graphql.Now()
	params.ReadTime = graphql.TraceTiming{Start: now, End: now}
	params.Headers = r.Header
	oc, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		out.result(presentError(ctx, exec, oc, errs))
		return
	}
	if r.Method == http.MethodGet && oc.Operation.Operation == ast.Mutation {
		// SECURITY: a GET can be sent by any page without a preflight, so it must not change anything.
		err := fault.New(fault.BadUserInput, "A mutation cannot be sent with GET. Send it with POST.")
		out.result(presentError(ctx, exec, oc, err))
		return
	}
	ctx = graphql.WithOperationContext(ctx, oc)
	if oc.Operation.Operation != ast.Subscription || s.cfg.Live == nil {
		responses, ctx := exec.DispatchOperation(ctx, oc)
		if resp := responses(ctx); resp != nil {
			out.result(resp)
		}
		return
	}
	stream, err := s.cfg.Live.Open(ctx, exec, oc)
	if err != nil {
		if s.stopping.Err() != nil {
			_ = out.begin() // An empty stream: the client comes back. An error would be the end of the subscription for it.
			return
		}
		out.result(presentError(ctx, exec, oc, err))
		return
	}
	defer stream.Close()
	if err := out.begin(); err != nil {
		return
	}
	switch err := s.follow(ctx, out, stream); {
	case errors.Is(err, io.EOF):
		out.complete()
	case ctx.Err() != nil, errors.Is(err, errGone), errors.Is(err, ErrSlow), errors.Is(err, ErrRestart):
		// No complete: the client comes back with Last-Event-ID.
	default:
		out.result(presentError(ctx, exec, oc, err))
	}
}

// follow writes the messages of the stream until it ends. The error says how it ended; errGone means that the client left.
func (s *SSE) follow(ctx context.Context, out *sseWriter, stream Stream) error {
	now := time.Now()
	beat, recheck := now.Add(s.cfg.HeartbeatInterval), now.Add(s.cfg.RecheckInterval)
	for {
		due := beat
		if s.cfg.Recheck != nil && recheck.Before(due) {
			due = recheck
		}
		m, err := nextBefore(ctx, stream, due)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		now = time.Now()
		switch {
		case err == nil:
			if err := out.messages(m, stream); err != nil {
				return err
			}
			beat = now.Add(s.cfg.HeartbeatInterval)
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		if !now.Before(beat) {
			if err := out.comment(); err != nil {
				return err
			}
			beat = now.Add(s.cfg.HeartbeatInterval)
		}
		if s.cfg.Recheck != nil && !now.Before(recheck) {
			if revoked(s.cfg.Recheck(ctx)) {
				return fault.New(fault.Unauthenticated, "The credential has expired or was revoked. Connect again with a new one.")
			}
			recheck = now.Add(s.cfg.RecheckInterval)
		}
	}
}

// nextBefore is Next with a time to stop waiting at, so that one goroutine reads the stream and does the chores.
func nextBefore(ctx context.Context, stream Stream, due time.Time) (Message, error) {
	ctx, cancel := context.WithDeadline(ctx, due)
	defer cancel()
	return stream.Next(ctx)
}
