package auth

import (
	"context"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"dossier/internal/fault"
)

const (
	// directoryTTL is how long an answer of Directory is used, counted from before it was asked. Together with the
	// interval at which long-lived sockets call Recheck (2 s or less) it must stay under the promised 5 s.
	directoryTTL = 3 * time.Second
	// directoryTimeout bounds one lookup, so that joining one that started before a revocation stays within 5 s too.
	directoryTimeout = 2 * time.Second
	cacheSize        = 4096
)

// lookup caches one method of Directory: bounded, short-lived, one call at a time per key. Failures are not cached.
//
// Missing rows have a cache of their own, so that a flood of invented ids cannot push out the keys in use.
type lookup[K comparable, V any] struct {
	now  func() time.Time
	load func(ctx context.Context, key K) (V, error)

	found   *lru.Cache[K, cached[V]]
	missing *lru.Cache[K, cached[error]]

	mu    sync.Mutex
	calls map[K]*call[V]
}

type cached[V any] struct {
	value   V
	expires time.Time
}

type call[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func newLookup[K comparable, V any](now func() time.Time, load func(context.Context, K) (V, error)) *lookup[K, V] {
	return &lookup[K, V]{
		now: now, load: load,
		found: newLRU[K, cached[V]](cacheSize), missing: newLRU[K, cached[error]](cacheSize),
		calls: map[K]*call[V]{},
	}
}

// newLRU panics never: lru.New fails for a size below 1 only.
func newLRU[K comparable, V any](size int) *lru.Cache[K, V] {
	c, err := lru.New[K, V](size)
	if err != nil {
		panic("auth: cache size must be positive")
	}
	return c
}

// get gives the value or fault.NotFound or the failure of the load.
func (l *lookup[K, V]) get(ctx context.Context, key K) (V, error) {
	now := l.now()
	if c, ok := l.found.Get(key); ok && now.Before(c.expires) {
		return c.value, nil
	}
	if c, ok := l.missing.Get(key); ok && now.Before(c.expires) {
		var none V
		return none, c.value
	}
	l.mu.Lock()
	if c, ok := l.calls[key]; ok {
		l.mu.Unlock()
		select {
		case <-c.done:
			return c.value, c.err
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
	c := &call[V]{done: make(chan struct{}), err: fault.New(fault.Internal, "internal error")}
	l.calls[key] = c
	l.mu.Unlock()
	defer func() { // also when load panics, or everybody who joined would wait for ever
		l.mu.Lock()
		delete(l.calls, key)
		l.mu.Unlock()
		close(c.done)
	}()
	c.value, c.err = l.fill(ctx, key, now.Add(directoryTTL))
	return c.value, c.err
}

// fill loads without the caller's cancellation, because others may have joined.
func (l *lookup[K, V]) fill(ctx context.Context, key K, expires time.Time) (V, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), directoryTimeout)
	defer cancel()
	value, err := l.load(ctx, key)
	switch {
	case err == nil:
		l.missing.Remove(key)
		l.found.Add(key, cached[V]{value, expires})
	case fault.CodeOf(err) == fault.NotFound:
		l.found.Remove(key)
		l.missing.Add(key, cached[error]{err, expires})
	}
	return value, err
}

// forget makes the next get load.
func (l *lookup[K, V]) forget(key K) {
	l.found.Remove(key)
	l.missing.Remove(key)
}

// background runs the package's few goroutines: each is bounded in time, their number is bounded, and close waits.
type background struct {
	ctx    context.Context //nolint:containedctx // the owner's lifetime, not a request's
	cancel context.CancelFunc
	slots  chan struct{}

	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

const (
	// backgroundSlots bounds goroutines that may be dropped (key touches); key fetches are one per issuer.
	backgroundSlots   = 8
	backgroundTimeout = 5 * time.Second
)

func newBackground() *background {
	ctx, cancel := context.WithCancel(context.Background())
	return &background{ctx: ctx, cancel: cancel, slots: make(chan struct{}, backgroundSlots)}
}

// run starts f, or says false after close.
func (b *background) run(f func(ctx context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.wg.Go(func() {
		ctx, cancel := context.WithTimeout(b.ctx, backgroundTimeout)
		defer cancel()
		f(ctx)
	})
	return true
}

// try is run for work that may be dropped when there is much of it.
func (b *background) try(f func(ctx context.Context)) {
	select {
	case b.slots <- struct{}{}:
		if !b.run(func(ctx context.Context) { defer func() { <-b.slots }(); f(ctx) }) {
			<-b.slots
		}
	default:
	}
}

func (b *background) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	b.wg.Wait()
}
