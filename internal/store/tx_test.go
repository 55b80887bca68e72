package store

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

func TestEventNumbersAreDenseAndNeverMissedByAReader(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.MaxConns = 40 })
	const writers, each = 32, 15
	ids := make([]uuid.UUID, writers)
	for i := range ids {
		ids[i] = e.person(e.ada, fmt.Sprint("Writer ", i))
	}
	start, _, err := e.store.Head(t.Context(), e.ada.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	const end = writers + writers*each // one event for each customer made, then one for each change
	var g, readers errgroup.Group
	for range 3 {
		readers.Go(func() error { return e.follow(start, end) })
	}
	for _, id := range ids {
		g.Go(func() error {
			for n := range each {
				if err := e.rename(e.ada, id, n+1, fmt.Sprint("Name ", n)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := readers.Wait(); err != nil {
		t.Error(err)
	}
	if head, _, err := e.store.Head(t.Context(), e.ada.AccountID); err != nil || head != end {
		t.Errorf("head is %d (%v), want %d", head, err, end)
	}
	if got := e.dirty.Load(); got != end {
		t.Errorf("the account was marked dirty %d times, want %d", got, end)
	}
}

// follow pages through the log as a subscriber does, while it is written, and fails when a number is skipped.
func (e *env) follow(from, end int64) error {
	ctx, cancel := context.WithTimeout(e.t.Context(), 30*time.Second)
	defer cancel()
	for from < end {
		events, reached, err := e.store.Events(ctx, e.ada.AccountID, from, from+1000, timeline.Filter{}, 7)
		if err != nil {
			return err
		}
		for _, ev := range events {
			if ev.Seq != from+1 || ev.PrevSeq == nil || *ev.PrevSeq != from {
				return fmt.Errorf("after event %d came %d, which says that %v was before it", from, ev.Seq, ev.PrevSeq)
			}
			from = ev.Seq
		}
		if reached != from {
			return fmt.Errorf("the last event is %d, but everything up to %d is said to be read", from, reached)
		}
	}
	return nil
}

func TestRolledBackChangeLeavesNoGap(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	before, _, err := e.store.Head(t.Context(), e.ada.AccountID)
	if err != nil {
		t.Fatal(err)
	}
	boom := errors.New("boom")
	err = e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, tr *tx) error {
		tr.emit(timeline.Event{Type: timeline.CustomerUpdated, Subject: timeline.SubjectCustomer, SubjectID: typeid.New()})
		if _, err := tr.finish(ctx); err != nil {
			return err
		}
		return boom
	})
	if !errors.Is(err, boom) || fault.CodeOf(err) != fault.Internal {
		t.Errorf("got %v, want the closure's error as INTERNAL", err)
	}
	if after, _, _ := e.store.Head(t.Context(), e.ada.AccountID); after != before {
		t.Errorf("head went from %d to %d, want no number used", before, after)
	}
	if e.dirty.Load() != 0 {
		t.Errorf("the account was marked dirty although nothing was committed")
	}
}

func TestOneOfManyUpdatesOfAVersionWins(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.MaxConns = 40 })
	id := e.person(e.ada, "Ada")
	const racers = 32
	var won, lost atomic.Int64
	var g errgroup.Group
	for i := range racers {
		g.Go(func() error {
			err := e.rename(e.ada, id, 1, fmt.Sprint("Racer ", i))
			var f *fault.Error
			switch {
			case err == nil:
				won.Add(1)
			case errors.As(err, &f) && f.Code == fault.VersionConflict:
				lost.Add(1)
				d, ok := f.Detail.(fault.VersionConflictDetail)
				if !ok || d.CurrentVersion != 2 || len(d.ConflictingFields) != 1 || d.ConflictingFields[0] != "givenName" ||
					d.NodeID != typeid.Format(typeid.Customer, id) {
					return fmt.Errorf("detail of the conflict is %+v", f.Detail)
				}
			default:
				return err
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if won.Load() != 1 || lost.Load() != racers-1 {
		t.Errorf("%d won and %d got VERSION_CONFLICT, want 1 and %d", won.Load(), lost.Load(), racers-1)
	}
}

func TestConflictNamesOnlyWhatBothChanged(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.person(e.ada, "Ada")
	family := "Lovelace"
	svc := customer.NewService(e.store)
	if err := svc.Update(t.Context(), e.ada, id, 1, customer.Patch{FamilyName: optional.Some(&family)}, ""); err != nil {
		t.Fatal(err)
	}
	err := e.rename(e.ada, id, 1, "Augusta")
	var f *fault.Error
	if !errors.As(err, &f) || f.Code != fault.VersionConflict {
		t.Fatalf("got %v, want VERSION_CONFLICT", err)
	}
	if d := f.Detail.(fault.VersionConflictDetail); len(d.ConflictingFields) != 0 { //nolint:forcetypeassert // the code says so
		t.Errorf("conflicting fields are %v, want none: the other changed familyName", d.ConflictingFields)
	}
}

func TestDeadlockIsRetried(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	a, b := e.person(e.ada, "A"), e.person(e.ada, "B")
	var attempts atomic.Int64
	both := make(chan struct{})
	var first atomic.Int64
	lock := func(x, y uuid.UUID) error {
		return e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, tr *tx) error {
			attempts.Add(1)
			if _, err := tr.lockFile(ctx, x, nil); err != nil {
				return err
			}
			if first.Add(1) == 2 {
				close(both)
			}
			<-both // both hold their first lock now; in the second round this is open
			_, err := tr.lockFile(ctx, y, nil)
			return err
		})
	}
	var g errgroup.Group
	g.Go(func() error { return lock(a, b) })
	g.Go(func() error { return lock(b, a) })
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := attempts.Load(); n < 3 {
		t.Errorf("the closures ran %d times, want 3 at least: one of the two was given up", n)
	}
}

func TestFullPoolAnswersUnavailable(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.MaxConns = 1 })
	held, release := make(chan struct{}), make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		return e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, tr *tx) error {
			close(held)
			<-release
			return nil
		})
	})
	<-held
	err := e.rename(e.ada, typeid.New(), 1, "Nobody")
	if fault.CodeOf(err) != fault.Unavailable || !errors.Is(err, errPoolBusy) {
		t.Errorf("a change got %v, want UNAVAILABLE", err)
	}
	if _, _, err := e.store.Events(t.Context(), e.ada.AccountID, 0, 10, timeline.Filter{}, 10); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("reading events got %v, want UNAVAILABLE", err)
	}
	close(release)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestWaitingForALockEndsInUnavailable(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.lockTimeout = lockTimeout })
	id := e.person(e.ada, "Ada")
	held, release := make(chan struct{}), make(chan struct{})
	var g errgroup.Group
	g.Go(func() error {
		return e.store.inTx(t.Context(), "test", e.ada, func(ctx context.Context, tr *tx) error {
			_, err := tr.lockFile(ctx, id, nil)
			close(held)
			<-release
			return err
		})
	})
	<-held
	if err := e.rename(e.ada, id, 1, "Late"); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
	close(release)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestCancelledRequestChangesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.person(e.ada, "Ada")
	ctx, cancel := context.WithCancel(t.Context())
	err := e.store.inTx(ctx, "test", e.ada, func(ctx context.Context, tr *tx) error {
		if _, err := tr.lockFile(ctx, id, nil); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if fault.CodeOf(err) != fault.Unavailable || isUnknown(err) {
		t.Errorf("got %v, want UNAVAILABLE with a known outcome", err)
	}
	if err := e.rename(e.ada, id, 1, "Next"); err != nil {
		t.Errorf("the next change got %v, want success: nothing may be locked any more", err)
	}
}

func TestNobodyHasNoTransaction(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	err := e.store.inTx(t.Context(), "test", auth.Principal{}, func(context.Context, *tx) error {
		t.Error("the closure ran")
		return nil
	})
	if fault.CodeOf(err) != fault.Unauthenticated {
		t.Errorf("got %v, want UNAUTHENTICATED", err)
	}
}

// network is a connection to the database that can be cut around a commit.
type network struct {
	// before cuts the next COMMIT off before it is sent, after just behind it, and last does that and takes the database
	// down with it.
	before, after, last, down atomic.Bool
	// marker is in what is cut, where that is no COMMIT.
	marker string
}

type wire struct {
	net.Conn
	n *network
}

var errCut = &net.OpError{Op: "write", Err: errors.New("the connection was cut")}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if n.down.Load() {
		return nil, errCut
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	return &wire{c, n}, err
}

func (w *wire) Write(b []byte) (int, error) {
	commit := bytes.Contains(b, []byte(cmp.Or(w.n.marker, "commit\x00")))
	if w.n.down.Load() || commit && w.n.before.CompareAndSwap(true, false) {
		_ = w.Close()
		return 0, errCut
	}
	n, err := w.Conn.Write(b)
	if commit && w.n.last.CompareAndSwap(true, false) {
		w.n.down.Store(true)
		_ = w.Close()
	}
	if commit && w.n.after.CompareAndSwap(true, false) {
		_ = w.Close()
	}
	return n, err
}

func TestCommitWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	var n network
	e := newEnv(t, func(c *Config) { c.dial, c.outcomeTimeout = n.dial, time.Second })
	id := e.person(e.ada, "Ada")

	n.after.Store(true)
	if err := e.rename(e.ada, id, 1, "Committed"); err != nil {
		t.Errorf("a commit that got lost on the way back: %v, want success, because it was made", err)
	}
	n.before.Store(true)
	err := e.rename(e.ada, id, 2, "Lost")
	if fault.CodeOf(err) != fault.Unavailable || isUnknown(err) {
		t.Errorf("a commit that got lost on the way there: %v, want UNAVAILABLE with a known outcome", err)
	}
	n.last.Store(true)
	err = e.rename(e.ada, id, 2, "Unknown")
	if fault.CodeOf(err) != fault.Unavailable || !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("a commit after which the database is gone: %v, want UNAVAILABLE with an unknown outcome", err)
	}
	if err := e.rename(e.ada, id, 3, "Down"); fault.CodeOf(err) != fault.Unavailable || isUnknown(err) {
		t.Errorf("a change while the database is gone: %v, want UNAVAILABLE with a known outcome", err)
	}
	n.down.Store(false)
	if err := e.rename(e.ada, id, 3, "After"); err != nil {
		t.Errorf("the change after that got %v, want success: the unknown one was made", err)
	}
}
