package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// history writes a log of three customers and gives their ids: creations 1 to 3, then 60 changes in turn, of which every
// fourth is a planned call.
func (e *env) history() []uuid.UUID {
	e.t.Helper()
	lines := timeline.NewService(e.store)
	ids := []uuid.UUID{e.person(e.ada, "A"), e.person(e.ada, "B"), e.person(e.ada, "C")}
	version := map[uuid.UUID]int{}
	for i := range 60 {
		id := ids[i%3]
		if i%4 == 0 {
			_, err := lines.EntryCreate(e.t.Context(), e.ada, id, timeline.Draft{Kind: timeline.KindCall, At: time.Now(), Title: "Call"}, nil)
			if err != nil {
				e.t.Fatal(err)
			}
			continue
		}
		version[id]++
		if err := e.rename(e.ada, id, version[id], fmt.Sprint(i)); err != nil {
			e.t.Fatal(err)
		}
	}
	return ids
}

func TestFilteredEventsAreCompleteAndChained(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ids := e.history()
	calls := []string{timeline.EntryCreated, timeline.DocumentCreated, timeline.EntryCreated}
	for name, filter := range map[string]timeline.Filter{
		"all":                  {},
		"one customer":         {CustomerID: &ids[1]},
		"some types":           {Types: calls},
		"types of a customer":  {Types: calls, CustomerID: &ids[2]},
		"nothing of this type": {Types: []string{timeline.DocumentArchived}},
		"nobody":               {CustomerID: ptr(uuid.New())},
	} {
		want := e.matching(filter)
		for _, limit := range []int{1, 2, 7, 100} {
			var got []int64
			for from, rounds := int64(0), 0; from < 63; rounds++ {
				events, reached, err := e.store.Events(t.Context(), e.ada.AccountID, from, 63, filter, limit)
				if err != nil || reached <= from || rounds > 70 {
					t.Fatalf("%s, limit %d: from %d reached %d, %v", name, limit, from, reached, err)
				}
				for _, ev := range events {
					var prev *int64
					if len(got) > 0 {
						prev = &got[len(got)-1]
					}
					if (prev == nil) != (ev.PrevSeq == nil) || prev != nil && *prev != *ev.PrevSeq {
						t.Errorf("%s, limit %d: before %d comes %v, want %v", name, limit, ev.Seq, show(ev.PrevSeq), show(prev))
					}
					got = append(got, ev.Seq)
				}
				from = reached
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s, limit %d: got %v, want %v", name, limit, got, want)
			}
		}
	}
}

func show(n *int64) string {
	if n == nil {
		return "nothing"
	}
	return fmt.Sprint(*n)
}

func (e *env) matching(f timeline.Filter) []int64 {
	e.t.Helper()
	rows, err := e.admin.Query(e.t.Context(), `SELECT seq FROM event WHERE account_id = $1
		AND ($2::uuid IS NULL OR customer_id = $2) AND ($3::text[] IS NULL OR type = ANY ($3)) ORDER BY seq`, e.ada.AccountID, f.CustomerID, f.Types)
	if err != nil {
		e.t.Fatal(err)
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var seq int64
		if err := rows.Scan(&seq); err != nil {
			e.t.Fatal(err)
		}
		list = append(list, seq)
	}
	return list
}

func TestReadingBeyondTheHeadStopsThere(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.person(e.ada, "A")
	for name, filter := range map[string]timeline.Filter{"all": {}, "none": {Types: []string{timeline.DocumentCreated}}} {
		_, reached, err := e.store.Events(t.Context(), e.ada.AccountID, 0, 1000, filter, 10)
		if err != nil || reached != 1 {
			t.Errorf("%s: reached %d (%v), want 1: later events are not written yet", name, reached, err)
		}
	}
}

func TestPrunedEventsAreNotTakenForNone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.history()
	other := e.person(e.bob, "Bob's")
	if _, err := e.admin.Exec(t.Context(), `UPDATE event SET created_at = now() - interval '40 days' WHERE account_id = $1 AND (seq <= 20 OR seq = 30)`,
		e.ada.AccountID); err != nil {
		t.Fatal(err)
	}
	n, err := e.store.PruneEvents(t.Context(), 30*24*time.Hour)
	if err != nil || n != 20 {
		t.Fatalf("pruned %d events (%v), want the first 20 and no hole", n, err)
	}
	if head, floor, err := e.store.Head(t.Context(), e.ada.AccountID); head != 63 || floor != 20 || err != nil {
		t.Errorf("head %d, floor %d (%v); want 63 and 20", head, floor, err)
	}
	if _, _, err := e.store.Events(t.Context(), e.ada.AccountID, 19, 63, timeline.Filter{}, 10); fault.CodeOf(err) != fault.CursorExpired {
		t.Errorf("reading after 19 got %v, want CURSOR_EXPIRED", err)
	}
	events, _, err := e.store.Events(t.Context(), e.ada.AccountID, 20, 63, timeline.Filter{}, 10)
	if err != nil || len(events) != 10 || events[0].Seq != 21 || *events[0].PrevSeq != 20 {
		t.Errorf("reading after 20 got %v, %v; want it to go on with 21, behind 20", events, err)
	}
	if n, err := e.store.PruneEvents(t.Context(), 30*24*time.Hour); n != 0 || err != nil {
		t.Errorf("pruning again deleted %d (%v), want nothing", n, err)
	}
	if _, _, err := e.store.Events(t.Context(), e.bob.AccountID, 0, 1, timeline.Filter{CustomerID: &other}, 10); err != nil {
		t.Errorf("the other account got %v, want its log whole", err)
	}
	if n, err := e.store.PruneEvents(t.Context(), -time.Hour); n != 44 || err != nil {
		t.Errorf("pruning everything deleted %d (%v), want 43 and 1", n, err)
	}
	if err := e.rename(e.bob, other, 1, "On"); err != nil {
		t.Fatal(err)
	}
	if events, reached, err := e.store.Events(t.Context(), e.bob.AccountID, 1, 2, timeline.Filter{}, 10); err != nil || reached != 2 || len(events) != 1 {
		t.Errorf("after pruning everything got %v up to %d, %v; want event 2", events, reached, err)
	}
}

func TestHeads(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.person(e.ada, "A")
	heads, err := e.store.Heads(t.Context(), []uuid.UUID{e.ada.AccountID, e.bob.AccountID, uuid.New()})
	if err != nil || len(heads) != 2 || heads[e.ada.AccountID] != 1 || heads[e.bob.AccountID] != 0 {
		t.Errorf("got %v, %v; want 1 and 0, and nothing for an account that is not there", heads, err)
	}
}
