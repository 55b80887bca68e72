package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"dossier/internal/audit"
	"dossier/internal/auth"
)

type trail struct {
	mu   sync.Mutex
	list []audit.Denial
	err  error
}

func (s *trail) DenialInsert(_ context.Context, d audit.Denial) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, d)
	return s.err
}

func (s *trail) times() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []int
	for _, d := range s.list {
		list = append(list, d.Times)
	}
	return list
}

func person() auth.Principal {
	return auth.Principal{AccountID: uuid.New(), Kind: auth.KindStaff, ID: uuid.New(), Role: auth.Viewer}
}

func TestAFloodOfDenialsIsTwoRecordsAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &trail{}
		d := audit.NewDenials(s, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		p := person()
		for range 10 {
			for range 100 {
				d.Denied(ctx, p, "Mutation.customerCreate")
			}
			time.Sleep(time.Second) //nolint:forbidigo // in the bubble's time
		}
		if got := s.times(); !slices.Equal(got, []int{1}) {
			t.Fatalf("within the minute there are records of %v denials, want the first one", got)
		}
		time.Sleep(2 * audit.Window) //nolint:forbidigo // in the bubble's time
		if got := s.times(); !slices.Equal(got, []int{1, 999}) {
			t.Errorf("after the minute there are records of %v denials, want 1 and 999", got)
		}
		d.Denied(ctx, p, "Mutation.customerCreate")
		d.Denied(ctx, p, "Mutation.customerCreate")
		d.Denied(ctx, p, "Mutation.customerArchive")
		d.Denied(ctx, person(), "Mutation.customerCreate")
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := s.times(); !slices.Equal(got, []int{1, 999, 1, 1, 1, 1}) {
			t.Errorf("at the end there are records of %v denials, want the first of each and the one that was counted", got)
		}
	})
}

func TestADenialAfterAMinuteSaysWhatWasCountedBefore(t *testing.T) {
	t.Parallel()
	s, now, p := &trail{}, time.Now(), person()
	d := audit.NewDenials(s, slog.New(slog.DiscardHandler))
	d.Now = func() time.Time { return now }
	for range 5 {
		d.Denied(t.Context(), p, "Query.customers")
	}
	now = now.Add(audit.Window)
	d.Denied(t.Context(), p, "Query.customers")
	if got := s.times(); !slices.Equal(got, []int{1, 5}) {
		t.Errorf("got records of %v denials, want 1 and 5", got)
	}
}

func TestNobodyHasNoTrail(t *testing.T) {
	t.Parallel()
	s := &trail{err: errors.New("the database is gone")}
	d := audit.NewDenials(s, slog.New(slog.DiscardHandler))
	d.Denied(t.Context(), auth.Principal{}, "Query.customers")
	d.Denied(t.Context(), auth.System(uuid.New()), "Query.customers")
	if got := s.times(); len(got) != 0 {
		t.Errorf("got %v records", got)
	}
	ctx, cancel := context.WithCancel(auth.WithOrigin(t.Context(), auth.Origin{RequestID: "r", ClientAddress: "192.0.2.1"}))
	cancel()
	d.Denied(ctx, person(), "Query.customers")
	if len(s.list) != 1 || s.list[0].Origin != (auth.Origin{RequestID: "r", ClientAddress: "192.0.2.1"}) {
		t.Errorf("got %+v, want one denial with its origin, though the client is gone", s.list)
	}
}
