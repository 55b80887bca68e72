package feed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memLog is a dense log in memory: event number i+1 has kind kinds[i].
type memLog struct {
	mu      sync.Mutex
	kinds   []int
	pruned  int64 // events up to here are gone
	failing error // what runs return
	runs    int
	before  func(from, to int64) // called at the start of each run
}

func (l *memLog) append(kind int) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds = append(l.kinds, kind)
	return int64(len(l.kinds))
}

func (l *memLog) head() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.kinds))
}

func (l *memLog) heads(_ context.Context, ids []uuid.UUID) (map[uuid.UUID]int64, error) {
	return map[uuid.UUID]int64{ids[0]: l.head()}, nil
}

// expect lists the events of a kind in (from, to]. Kind 0 is all.
func (l *memLog) expect(kind int, from, to int64) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var want []int64
	for seq := from + 1; seq <= to; seq++ {
		if kind == 0 || l.kinds[seq-1] == kind {
			want = append(want, seq)
		}
	}
	return want
}

// runner replays the events of one kind, limit at a time (0: all), and fails at random when chaos is set.
func (l *memLog) runner(kind, limit int, chaos bool) feed.Runner {
	return feed.RunnerFunc(func(ctx context.Context, from, to int64, emit func(transport.Message) error) (int64, error) {
		l.mu.Lock()
		l.runs++
		failing, pruned, before := l.failing, l.pruned, l.before
		l.mu.Unlock()
		if before != nil {
			before(from, to)
		}
		if failing != nil {
			return from, failing
		}
		if from < pruned {
			return from, fault.New(fault.CursorExpired, "The events after this cursor are gone.")
		}
		for i, seq := range l.expect(kind, from, to) {
			if limit > 0 && i == limit {
				return seq - 1, nil
			}
			if chaos && rand.IntN(200) == 0 {
				return from, fault.New(fault.Unavailable, "chaos")
			}
			if err := emit(message(seq)); err != nil {
				return from, err
			}
		}
		return to, ctx.Err()
	})
}

func message(seq int64) transport.Message {
	return transport.Message{Seq: seq, Cursor: strconv.FormatInt(seq, 10), Payload: []byte(`{"data":` + strconv.FormatInt(seq, 10) + `}`)}
}

func heartbeat(seq int64) transport.Message {
	return transport.Message{Seq: seq, Cursor: strconv.FormatInt(seq, 10), Payload: []byte(`"heartbeat"`)}
}

func isHeartbeat(m transport.Message) bool { return m.Payload[0] == '"' }

func newHub(t testing.TB, l *memLog, cfg feed.Config) *feed.Hub {
	t.Helper()
	cfg.Heads = l.heads
	cfg.Logger = slog.New(slog.DiscardHandler)
	h := feed.NewHub(cfg)
	t.Cleanup(h.Close)
	return h
}

func subscribe(t testing.TB, h *feed.Hub, req feed.Request) transport.Poller {
	t.Helper()
	s, err := h.Subscribe(context.Background(), req)
	if err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	t.Cleanup(s.Close)
	return s.(transport.Poller) //nolint:forcetypeassert // a test
}

func next(t testing.TB, s transport.Stream) transport.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	m, err := s.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return m
}

func wantSeqs(t testing.TB, s transport.Stream, want ...int64) {
	t.Helper()
	for _, w := range want {
		if m := next(t, s); m.Seq != w || isHeartbeat(m) {
			t.Fatalf("got message %d (%s), want %d", m.Seq, m.Payload, w)
		}
	}
}

var account = uuid.MustParse("01910000-0000-7000-8000-000000000001")

// TestStreamsHaveNoGapNoReorderingAndNoDuplicate is the property that everything else rests on: writers append, subscribers
// join at random cursors, read at random speeds, leave and resume, runs fail; each subscriber has every event once.
func TestStreamsHaveNoGapNoReorderingAndNoDuplicate(t *testing.T) {
	t.Parallel()
	for seed := range 6 {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel()
			l := &memLog{}
			queue := []int{4, 16, 256}[seed%3]
			h := newHub(t, l, feed.Config{Queue: queue, Page: 8, Recent: 8, Heartbeat: 20 * time.Millisecond, PaceWait: 20 * time.Millisecond})
			const writers, events, readers = 8, 400, 40
			for range 100 {
				l.append(1 + rand.IntN(3))
			}
			var writing, reading sync.WaitGroup
			for range writers {
				writing.Go(func() {
					for range events {
						seq := l.append(1 + rand.IntN(3))
						if rand.IntN(3) > 0 {
							h.Advance(account, seq)
						}
						if rand.IntN(8) == 0 {
							waitFor(time.Duration(rand.IntN(500)) * time.Microsecond)
						}
					}
				})
			}
			const final = 100 + writers*events
			for range readers {
				reading.Go(func() { readAll(t, h, l, rand.IntN(4), final) })
			}
			writing.Wait()
			h.Advance(account, l.head())
			reading.Wait()
			if st := h.Stats(); st.Subscribers != 0 || st.Groups != 0 || st.Accounts != 0 {
				t.Errorf("got %+v after all have left, want nothing held", st)
			}
		})
	}
}

// readAll follows the events of one kind to the end, over as many streams as it takes, and compares with the log.
func readAll(t *testing.T, h *feed.Hub, l *memLog, kind int, final int64) {
	at := int64(feed.FromNow)
	if rand.IntN(3) > 0 {
		at = rand.Int64N(l.head())
	}
	start := at
	slow := rand.IntN(3) == 0
	var got []int64
	for at < final {
		s, err := h.Subscribe(t.Context(), feed.Request{
			Account: account, Key: strconv.Itoa(kind), From: at, Runner: l.runner(kind, rand.IntN(20), true), Heartbeat: heartbeat,
		})
		if err != nil {
			t.Errorf("Subscribe: %v", err)
			return
		}
		for left := rand.IntN(300) + 1; at < final && left > 0; left-- {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			m, err := s.Next(ctx)
			cancel()
			if errors.Is(err, transport.ErrSlow) {
				break
			}
			if err != nil {
				t.Errorf("kind %d at %d: Next: %v", kind, at, err)
				s.Close()
				return
			}
			if start == feed.FromNow {
				start, at = m.Seq, m.Seq // the greeting
			}
			if isHeartbeat(m) {
				if m.Seq < at {
					t.Errorf("kind %d: got a heartbeat of %d after %d, want it not older", kind, m.Seq, at)
				}
			} else if m.Seq <= at {
				t.Errorf("kind %d: got event %d after %d, want a newer one", kind, m.Seq, at)
			} else {
				got = append(got, m.Seq)
			}
			at = max(at, m.Seq)
			if slow && rand.IntN(4) == 0 {
				waitFor(time.Duration(rand.IntN(2000)) * time.Microsecond)
			}
		}
		s.Close()
	}
	want := l.expect(kind, start, final)
	if len(got) != len(want) {
		t.Errorf("kind %d from %d: got %d events, want %d", kind, start, len(got), len(want))
		return
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("kind %d from %d: got event %d at place %d, want %d", kind, start, got[i], i, want[i])
			return
		}
	}
}

func waitFor(d time.Duration) { <-time.NewTimer(d).C }

func TestEqualSubscriptionsRunOnce(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{})
	var streams []transport.Poller
	for range 50 {
		streams = append(streams, subscribe(t, h, feed.Request{Account: account, Key: "a", From: feed.FromNow, Runner: l.runner(0, 0, false)}))
	}
	h.Advance(account, l.append(1))
	var first transport.Message
	for i, s := range streams {
		m := next(t, s)
		if i == 0 {
			first = m
		}
		if &m.Payload[0] != &first.Payload[0] {
			t.Fatalf("got an own payload for subscriber %d, want the shared one", i)
		}
	}
	if st := h.Stats(); st.Runs != 1 || st.Groups != 1 || st.Subscribers != 50 || st.Delivered != 50 {
		t.Errorf("got %+v, want 1 run of 1 group for 50 subscribers", st)
	}
}

func TestDifferentKeysRunApart(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{})
	a := subscribe(t, h, feed.Request{Account: account, Key: "1", From: 0, Runner: l.runner(1, 0, false)})
	b := subscribe(t, h, feed.Request{Account: account, Key: "2", From: 0, Runner: l.runner(2, 0, false)})
	for _, kind := range []int{1, 2, 2, 1} {
		h.Advance(account, l.append(kind))
	}
	wantSeqs(t, a, 1, 4)
	wantSeqs(t, b, 2, 3)
}

func TestReturningSubscribersShareTheirCatchUp(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	for range 1000 {
		l.append(1)
	}
	h := newHub(t, l, feed.Config{Page: 64})
	var wg sync.WaitGroup
	for range 200 {
		s := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 300, Runner: l.runner(0, 0, false)})
		wg.Go(func() {
			for want := int64(301); want <= 1000; want++ {
				wantSeqs(t, s, want)
			}
		})
	}
	wg.Wait()
	// 700 events are 11 pages. Readers at different speeds may come to a page after it was forgotten.
	if st := h.Stats(); st.Runs+st.CatchUps > 200 {
		t.Errorf("got %d runs for 200 subscribers with the same cursor, want a few", st.Runs+st.CatchUps)
	}
}

func TestSlowSubscriberIsDroppedAndTheOthersAreNotHeldUp(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{Queue: 8, PaceWait: time.Hour})
	req := feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)}
	slow, a, b := subscribe(t, h, req), subscribe(t, h, req), subscribe(t, h, req)
	for seq := int64(1); seq <= 20; seq++ {
		h.Advance(account, l.append(1))
		wantSeqs(t, a, seq)
		wantSeqs(t, b, seq)
	}
	if _, err := slow.Next(t.Context()); !errors.Is(err, transport.ErrSlow) {
		t.Errorf("got %v, want ErrSlow", err)
	}
	if st := h.Stats(); st.Dropped != 1 {
		t.Errorf("got %d dropped, want 1", st.Dropped)
	}
}

func TestGroupGoesOnWhenMostMembersAreStuck(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{Queue: 8, PaceWait: 10 * time.Millisecond})
	req := feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)}
	stuck1, stuck2, reader := subscribe(t, h, req), subscribe(t, h, req), subscribe(t, h, req)
	for seq := int64(1); seq <= 50; seq++ {
		h.Advance(account, l.append(1))
		wantSeqs(t, reader, seq)
	}
	for _, s := range []transport.Stream{stuck1, stuck2} {
		if _, err := s.Next(t.Context()); !errors.Is(err, transport.ErrSlow) {
			t.Errorf("got %v, want ErrSlow", err)
		}
	}
}

func TestCatchingUpIsPacedByItsReader(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	for range 500 {
		l.append(1)
	}
	h := newHub(t, l, feed.Config{Queue: 16, Page: 8, Recent: 4})
	s := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)})
	for seq := int64(1); seq <= 500; seq++ {
		wantSeqs(t, s, seq)
	}
	if st := h.Stats(); st.Dropped != 0 {
		t.Errorf("got %d dropped, want none: catching up is no reason", st.Dropped)
	}
}

func TestExpiredCursorEndsTheStreamWithItsError(t *testing.T) {
	t.Parallel()
	l := &memLog{pruned: 90}
	for range 100 {
		l.append(1)
	}
	h := newHub(t, l, feed.Config{Recent: 4})
	live := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 100, Runner: l.runner(0, 0, false)})
	old := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 10, Runner: l.runner(0, 0, false)})
	if _, err := old.Next(t.Context()); fault.CodeOf(err) != fault.CursorExpired {
		t.Errorf("got %v, want CURSOR_EXPIRED", err)
	}
	h.Advance(account, l.append(1))
	wantSeqs(t, live, 101)
}

func TestGroupSurvivesAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &memLog{failing: fault.New(fault.Unavailable, "The database is away.")}
		h := newHub(t, l, feed.Config{})
		s := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)})
		h.Advance(account, l.append(1))
		time.AfterFunc(time.Minute, func() {
			l.mu.Lock()
			l.failing = nil
			l.mu.Unlock()
		})
		m, err := s.Next(t.Context())
		if err != nil || m.Seq != 1 {
			t.Errorf("got %v, %v, want event 1 after the outage", m.Seq, err)
		}
		s.Close()
		h.Close()
	})
}

func TestBugInARunnerEndsTheStreams(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &memLog{failing: errors.New("a bug")}
		h := newHub(t, l, feed.Config{})
		s := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)})
		h.Advance(account, l.append(1))
		if _, err := s.Next(t.Context()); fault.CodeOf(err) != fault.Internal {
			t.Errorf("got %v, want the bug", err)
		}
		s.Close()
		h.Close()
	})
}

func TestSilentGroupGetsHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &memLog{}
		for range 7 {
			l.append(1)
		}
		h := newHub(t, l, feed.Config{Heartbeat: 25 * time.Second})
		s := subscribe(t, h, feed.Request{Account: account, Key: "a", From: feed.FromNow, Runner: l.runner(2, 0, false), Heartbeat: heartbeat})
		if m, err := s.Next(t.Context()); err != nil || !isHeartbeat(m) || m.Seq != 7 {
			t.Fatalf("got %v, %v, want a greeting with position 7", m, err)
		}
		h.Advance(account, l.append(1)) // of no interest, but the cursor moves past it
		start := time.Now()
		m, err := s.Next(t.Context())
		if err != nil || !isHeartbeat(m) || m.Seq != 8 {
			t.Fatalf("got %v, %v, want a heartbeat with position 8", m, err)
		}
		if d := time.Since(start); d < 25*time.Second || d > 32*time.Second {
			t.Errorf("got the heartbeat after %v, want about 25s", d)
		}
		s.Close()
		h.Close()
	})
}

func TestCloseEndsStreamsWithRestart(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{})
	s := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)})
	h.Close()
	if _, err := s.Next(t.Context()); !errors.Is(err, transport.ErrRestart) {
		t.Errorf("got %v, want ErrRestart", err)
	}
	if _, err := h.Subscribe(t.Context(), feed.Request{Account: account}); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("Subscribe after Close: got %v, want UNAVAILABLE", err)
	}
}

func TestClosedStreamIsAtItsEnd(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{})
	s := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)})
	done := make(chan error)
	go func() {
		_, err := s.Next(context.Background())
		done <- err
	}()
	s.Close()
	s.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want io.EOF", err)
	}
	if st := h.Stats(); st.Subscribers != 0 || st.Groups != 0 || st.Accounts != 0 {
		t.Errorf("got %+v, want nothing held", st)
	}
}

func TestCursorFromTheFutureDoesNotHideEventsFromOthers(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{})
	future := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 3, Runner: l.runner(0, 0, false)})
	now := subscribe(t, h, feed.Request{Account: account, Key: "a", From: feed.FromNow, Runner: l.runner(0, 0, false)})
	for range 4 {
		h.Advance(account, l.append(1))
	}
	wantSeqs(t, now, 1, 2, 3, 4)
	wantSeqs(t, future, 4)
}

func TestUnknownAccountIsNotFound(t *testing.T) {
	t.Parallel()
	h := feed.NewHub(feed.Config{Heads: func(context.Context, []uuid.UUID) (map[uuid.UUID]int64, error) { return nil, nil }})
	defer h.Close()
	if _, err := h.Subscribe(t.Context(), feed.Request{Account: account}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("got %v, want NOT_FOUND", err)
	}
	if n := len(h.Accounts()); n != 0 {
		t.Errorf("got %d accounts held, want 0", n)
	}
}

func TestRevokedMemberDoesNotEndTheOthers(t *testing.T) {
	t.Parallel()
	l := &memLog{}
	h := newHub(t, l, feed.Config{})
	denied := feed.RunnerFunc(func(context.Context, int64, int64, func(transport.Message) error) (int64, error) {
		return 0, fault.New(fault.Unauthenticated, "The token was revoked.")
	})
	a := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 0, Runner: denied})
	b := subscribe(t, h, feed.Request{Account: account, Key: "a", From: 0, Runner: l.runner(0, 0, false)})
	h.Advance(account, l.append(1))
	wantSeqs(t, b, 1)
	if _, err := a.Next(t.Context()); fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("got %v, want UNAUTHENTICATED", err)
	}
}
