package system

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// logged is an event as the log or a subscriber shows it.
type logged struct {
	seq                int64
	id, kind, customer string
}

// filter is the arguments of a subscription.
type filter struct {
	types    []string
	customer string
}

func (f filter) variables(after string) map[string]any {
	v := map[string]any{}
	if after != "" {
		v["after"] = after
	}
	if f.types != nil {
		v["types"] = f.types
	}
	if f.customer != "" {
		v["customer"] = f.customer
	}
	return v
}

func (f filter) matches(e logged) bool {
	return (f.types == nil || slices.Contains(f.types, e.kind)) && (f.customer == "" || f.customer == e.customer)
}

// follower is a client that keeps what it got and its cursor, over any number of connections.
type follower struct {
	filter filter
	sse    bool

	cursor     string
	got        []logged
	byID       map[string]int64
	connects   int
	duplicates int
	codes      map[int]int
}

// follow reads until it has the event with this number, cutting the connection now and then.
func (f *follower) follow(ctx context.Context, a actor, last *atomic.Int64) error {
	f.byID, f.codes = map[string]int64{}, map[int]int{}
	for ctx.Err() == nil {
		done, err := f.connection(ctx, a, last)
		if done || err != nil {
			return err
		}
	}
	return fmt.Errorf("out of time with %d events, the last %d of %d", len(f.got), f.lastSeq(), last.Load())
}

func (f *follower) lastSeq() int64 {
	if len(f.got) == 0 {
		return 0
	}
	return f.got[len(f.got)-1].seq
}

func (f *follower) open(ctx context.Context, a actor) (stream, error) {
	if !f.sse {
		return dialWS(ctx, a, followEvents, f.filter.variables(f.cursor))
	}
	if rand.IntN(2) == 0 { // what an EventSource does: the old request again, and the cursor in the header
		return dialSSE(ctx, a, followEvents, f.filter.variables(""), f.cursor)
	}
	return dialSSE(ctx, a, followEvents, f.filter.variables(f.cursor), "")
}

// connection is one connection. What ends it is no failure, unless it is a refusal.
func (f *follower) connection(ctx context.Context, a actor, last *atomic.Int64) (done bool, err error) {
	s, err := f.open(ctx, a)
	if refused := new(liveError); errors.As(err, refused) && refused.code != "UNAVAILABLE" {
		return false, err
	}
	if err != nil {
		pause(ctx, 20*time.Millisecond) // the server is restarting
		return false, nil
	}
	defer s.cut()
	f.connects++
	lastHere := int64(-1)
	for left := 1 + rand.IntN(600); left > 0; left-- {
		m, err := s.next()
		if refused := new(liveError); errors.As(err, refused) {
			return false, err
		}
		if err != nil {
			f.codes[closeCode(err)]++
			return false, nil
		}
		if m.Event != nil {
			if err := f.take(m, lastHere); err != nil {
				return false, err
			}
			lastHere = m.Event.Seq
		}
		f.cursor = m.Cursor
		if end := last.Load(); end > 0 && f.lastSeq() >= end {
			return true, nil
		}
	}
	return false, nil
}

// take checks one event against what came before.
func (f *follower) take(m message, lastHere int64) error {
	e := logged{seq: m.Event.Seq, id: m.Event.ID, kind: m.Event.Type}
	if m.Event.Customer != nil {
		e.customer = m.Event.Customer.ID
	}
	if e.seq <= lastHere {
		return fmt.Errorf("within one connection event %d came after %d", e.seq, lastHere)
	}
	if seq, seen := f.byID[e.id]; seen || e.seq <= f.lastSeq() {
		if seq != e.seq {
			return fmt.Errorf("event %d came after %d with an id that was not seen under that number", e.seq, f.lastSeq())
		}
		f.duplicates++
		return nil
	}
	// What matched before must have been received; only the very first may point before the beginning.
	if len(f.got) > 0 && (m.PrevSeq == nil || *m.PrevSeq != f.lastSeq()) {
		return fmt.Errorf("event %d says that %v came before it, but %d did: a gap", e.seq, deref(m.PrevSeq), f.lastSeq())
	}
	f.byID[e.id] = e.seq
	f.got = append(f.got, e)
	return nil
}

func deref(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}

// writer makes events until ctx ends or the budget is used up: changes of the shared customers, entries, new customers.
func writer(ctx context.Context, a actor, shared []string, budget *atomic.Int64) error {
	for budget.Add(-1) >= 0 {
		for {
			err := write(ctx, a, shared)
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("out of time: %w", err)
			}
			pause(ctx, 20*time.Millisecond) // the server is restarting; the write may be in the log or not
		}
	}
	return nil
}

func write(ctx context.Context, a actor, shared []string) error {
	customer := shared[rand.IntN(len(shared))]
	var r apitest.Result
	var err error
	switch rand.IntN(3) {
	case 0:
		r, err = a.try(ctx, createCustomer, map[string]any{"input": map[string]any{"familyName": "Event"}})
	default:
		r, err = a.try(ctx, createEntry, map[string]any{"customer": customer, "input": map[string]any{
			"kind": "CALL", "at": time.Now().UTC().Format(time.RFC3339), "title": "Event",
		}})
	}
	if err == nil && len(codes(r)) > 0 {
		err = fmt.Errorf("refused: %v %v", r.Errors, userErrors(r))
	}
	return err
}

// replay pages through the log after a cursor.
func replay(t *testing.T, a actor, after string, f filter) []logged {
	t.Helper()
	var out []logged
	for {
		data := a.must(t, `query($after: EventCursor, $types: [EventType!], $customer: ID) {
			events(after: $after, types: $types, customerId: $customer, first: 100) {
				nodes { id seq type cursor customer { id } } pageInfo { hasNextPage endCursor } } }`, f.variables(after))
		for _, n := range list(data, "events.nodes") {
			out = append(out, logged{number(n, "seq"), text(n, "id"), text(n, "type"), text(n, "customer.id")})
		}
		if more, _ := at(data, "events.pageInfo.hasNextPage").(bool); !more {
			return out
		}
		after = text(data, "events.pageInfo.endCursor")
	}
}

// TestSubscribersMissNothing is row 10 of hardening.md: 32 writers, clients that come and go, a server that is killed and
// one that is restarted.
func TestSubscribersMissNothing(t *testing.T) {
	t.Parallel()
	system(t)
	total := full(10_000, 2_000)
	s := apitest.Start(t, 0, "--max-sockets=1000")
	a := staff(t, s, auth.Admin)
	shared := make([]string, 8)
	for i := range shared {
		shared[i] = a.customer(t, "Shared")
	}
	start := head(t, a)
	filters := []filter{
		{},
		{},
		{},
		{types: []string{"TIMELINE_ENTRY_CREATED"}},
		{types: []string{"CUSTOMER_CREATED", "TIMELINE_ENTRY_CREATED"}},
		{customer: shared[0]},
		{customer: shared[1], types: []string{"TIMELINE_ENTRY_CREATED"}},
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()

	var followers []*follower
	var last atomic.Int64
	var group sync.WaitGroup
	run := func(what string, work func() error) {
		group.Go(func() {
			if err := work(); err != nil {
				t.Errorf("%s: %v", what, err)
				cancel()
			}
		})
	}
	for i := range 2 * len(filters) {
		f := &follower{filter: filters[i/2], sse: i%2 == 1, cursor: start}
		followers = append(followers, f)
		run(fmt.Sprintf("subscriber %d (sse %v, %+v)", i, f.sse, f.filter), func() error { return f.follow(ctx, a, &last) })
	}
	began := time.Now()
	writeAll(ctx, t, a, shared, total, func(third int) {
		if third == 1 {
			s.Kill(t)
		} else if err := s.Terminate(t); err != nil {
			t.Errorf("the server ended with %v", err)
		}
		s.Restart(t)
	})
	wrote := time.Since(began)
	// The last events match every filter, so every subscriber can know that it is done.
	markers(t, a, shared)
	want := replay(t, a, start, filter{})
	last.Store(finalSeq(want, filters))
	markers(t, a, shared) // wakes those who have everything and wait
	group.Wait()
	checkFollowers(t, a, start, want, filters, followers)
	t.Logf("%d events in %s by 32 writers (%.0f/s)", len(want), wrote.Round(time.Millisecond), float64(len(want))/wrote.Seconds())
}

// writeAll runs 32 writers and calls interrupt after each third of the work.
func writeAll(ctx context.Context, t *testing.T, a actor, shared []string, total int, interrupt func(third int)) {
	t.Helper()
	var budget atomic.Int64
	budget.Store(int64(total))
	failed := make(chan error, 32)
	for range 32 {
		go func() { failed <- writer(ctx, a, shared, &budget) }()
	}
	for third := 1; third <= 2; third++ {
		eventually(t, 4*time.Minute, func() error {
			if left := budget.Load(); left > int64(total*(3-third)/3) {
				return fmt.Errorf("%d writes are left: %w", left, errNotYet)
			}
			return nil
		})
		interrupt(third)
	}
	for range 32 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// markers ends the log with one event for each filter.
func markers(t *testing.T, a actor, shared []string) {
	t.Helper()
	a.customer(t, "Marker")
	for _, customer := range []string{shared[0], shared[1]} {
		a.must(t, createEntry, map[string]any{"customer": customer, "input": map[string]any{
			"kind": "TASK", "at": "2030-01-01T00:00:00Z", "title": "Marker",
		}})
	}
}

// finalSeq is the smallest of the last numbers that the filters let through: each subscriber reaches it or more.
func finalSeq(want []logged, filters []filter) int64 {
	final := want[len(want)-1].seq
	for _, f := range filters {
		for i := len(want) - 1; i >= 0; i-- {
			if f.matches(want[i]) {
				final = min(final, want[i].seq)
				break
			}
		}
	}
	return final
}

// checkFollowers compares what each subscriber put together with the log.
func checkFollowers(t *testing.T, a actor, start string, want []logged, filters []filter, followers []*follower) {
	t.Helper()
	for i, e := range want {
		if e.seq != want[0].seq+int64(i) {
			t.Fatalf("the log has %d at place %d after %d: not dense", e.seq, i, want[0].seq)
		}
	}
	connects, duplicates, closes := 0, 0, map[int]int{}
	want = replay(t, a, start, filter{})
	for i, f := range followers {
		var matching []logged
		for _, e := range want {
			if f.filter.matches(e) && e.seq <= f.lastSeq() {
				matching = append(matching, e)
			}
		}
		if !slices.Equal(f.got, matching) {
			t.Errorf("subscriber %d (sse %v, %+v) got %d events, the log has %d", i, f.sse, f.filter, len(f.got), len(matching))
		}
		connects, duplicates = connects+f.connects, duplicates+f.duplicates
		for code, n := range f.codes {
			closes[code] += n
		}
	}
	for _, f := range filters {
		got := replay(t, a, start, f)
		var matching []logged
		for _, e := range want {
			if f.matches(e) {
				matching = append(matching, e)
			}
		}
		if !slices.Equal(got, matching) {
			t.Errorf("events(%+v) gives %d events, the log has %d that match", f, len(got), len(matching))
		}
	}
	t.Logf("%d subscribers: %d connections, %d duplicates, endings by the server %v", len(followers), connects, duplicates, closes)
}
