package system

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// TestEachNodeDeliversTheOthersEvents measures how long it takes. It does not run beside other tests, which would be
// measured too.
func TestEachNodeDeliversTheOthersEvents(t *testing.T) { //nolint:paralleltest // measures time
	system(t)
	one := apitest.Start(t, 0)
	two := one.Peer(t)
	a := staff(t, one, auth.Editor)
	customer := a.customer(t, "Two nodes")
	for _, c := range []struct{ from, to *apitest.Server }{{one, two}, {two, one}} {
		live, err := dialWS(t.Context(), a.on(c.to), followEvents, nil)
		if err != nil {
			t.Fatal(err)
		}
		sse, err := dialSSE(t.Context(), a.on(c.to), followEvents, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		awaitSubscribed(t, a.on(c.to), customer, live, sse)
		var slowest time.Duration
		for range 20 {
			a.on(c.from).entry(t, customer)
			began := time.Now()
			for _, s := range []stream{live, sse} {
				if _, err := nextEvent(s); err != nil {
					t.Fatal(err)
				}
			}
			slowest = max(slowest, time.Since(began))
		}
		live.cut()
		sse.cut()
		if slowest > time.Second {
			t.Errorf("the slowest of 20 events took %s to the other node, want at most 1 s", slowest)
		}
		t.Logf("slowest of 20 events to the other node: %s", slowest)
	}
}

// entry puts one event into the log.
func (a actor) entry(t testing.TB, customer string) {
	t.Helper()
	a.must(t, createEntry, map[string]any{"customer": customer, "input": map[string]any{
		"kind": "CALL", "at": "2026-01-01T00:00:00Z", "title": "Call",
	}})
}

// awaitSubscribed makes events until each stream has one, then waits until all have the last: a subscription without a
// cursor begins when the server has opened it, and the protocol does not say when that is.
func awaitSubscribed(t testing.TB, a actor, customer string, streams ...stream) {
	t.Helper()
	stop := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			a.entry(t, customer)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	last := make([]int64, len(streams))
	for i, s := range streams {
		m, err := nextEvent(s)
		if err != nil {
			t.Errorf("subscription %d: %v", i, err)
			close(stop)
			group.Wait()
			t.FailNow()
		}
		last[i] = m.Event.Seq
	}
	close(stop)
	group.Wait()
	newest := newestSeq(t, a)
	for i, s := range streams {
		for last[i] < newest {
			m, err := nextEvent(s)
			if err != nil {
				t.Fatal(err)
			}
			last[i] = m.Event.Seq
		}
	}
}

// nextEvent passes over heartbeats.
func nextEvent(s stream) (message, error) {
	for {
		if m, err := s.next(); err != nil || m.Event != nil {
			return m, err
		}
	}
}

// newestSeq is the number of the newest event.
func newestSeq(t testing.TB, a actor) int64 {
	t.Helper()
	events := replayAll(t, a)
	return events[len(events)-1]
}

func replayAll(t testing.TB, a actor) []int64 {
	t.Helper()
	var out []int64
	after := any(nil)
	for {
		data := a.must(t, `query($after: EventCursor) { events(after: $after, first: 100) { nodes { seq } pageInfo { hasNextPage endCursor } } }`,
			map[string]any{"after": after})
		for _, n := range list(data, "events.nodes") {
			out = append(out, number(n, "seq"))
		}
		if more, _ := at(data, "events.pageInfo.hasNextPage").(bool); !more {
			return out
		}
		after = text(data, "events.pageInfo.endCursor")
	}
}

// TestARevokedKeyStopsOnEveryNode is row 8 of hardening.md: within 5 seconds, for requests and for what is open.
func TestARevokedKeyStopsOnEveryNode(t *testing.T) {
	t.Parallel()
	system(t)
	one := apitest.Start(t, 0)
	two := one.Peer(t)
	admin := staff(t, one, auth.Admin)
	customer := admin.customer(t, "Revoked")
	data := admin.must(t, `mutation { apiKeyCreate(input: {name: "Server", scopes: ["write"]}) { apiKey { id } secret userErrors { message } } }`, nil)
	keyID, key := text(data, "apiKeyCreate.apiKey.id"), text(data, "apiKeyCreate.secret")
	server := newActor(one, key)
	var streams []stream
	for _, node := range []*apitest.Server{one, two} {
		live, err := dialWS(t.Context(), server.on(node), followEvents, nil)
		if err != nil {
			t.Fatal(err)
		}
		sse, err := dialSSE(t.Context(), server.on(node), followEvents, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, live, sse)
	}
	awaitSubscribed(t, server, customer, streams...)

	revoked := time.Now()
	admin.must(t, `mutation($id: ID!) { apiKeyRevoke(id: $id) { apiKey { revokedAt } userErrors { message } } }`, map[string]any{"id": keyID})
	limit := revoked.Add(5 * time.Second)
	var group sync.WaitGroup
	ended := make([]time.Duration, len(streams))
	for i, s := range streams {
		group.Go(func() {
			wantRevoked(t, i, s, limit)
			ended[i] = time.Since(revoked).Round(time.Millisecond)
		})
	}
	for i, node := range []*apitest.Server{one, two} {
		group.Go(func() { wantRefused(t, i, server.on(node), limit) })
	}
	// Events go on meanwhile: none may come through after the limit.
	for time.Now().Before(limit.Add(time.Second)) {
		admin.entry(t, customer)
		pause(t.Context(), 100*time.Millisecond)
	}
	group.Wait()
	t.Logf("sockets and event streams ended %v after the revocation", ended)
}

// wantRevoked reads a stream until it ends as it must.
func wantRevoked(t *testing.T, i int, s stream, limit time.Time) {
	t.Helper()
	for {
		_, err := s.next()
		late := time.Since(limit)
		if late > 0 {
			t.Errorf("stream %d was open %s after the 5 seconds", i, late)
		}
		if err == nil && late <= 0 {
			continue
		}
		refused := liveError{}
		if _, socket := s.(*wsStream); socket && closeCode(err) != 4401 {
			t.Errorf("socket %d ended with %v, want the close code 4401", i, err)
		} else if !socket && (!errors.As(err, &refused) || refused.code != "UNAUTHENTICATED") {
			t.Errorf("event stream %d ended with %v, want UNAUTHENTICATED", i, err)
		}
		return
	}
}

// wantRefused sends requests until they are refused, and then some more: that must be for good.
func wantRefused(t *testing.T, node int, a actor, limit time.Time) {
	t.Helper()
	refused := 0
	for refused < 5 {
		r, err := a.try(t.Context(), `{ viewer { account { id } } }`, nil)
		switch {
		case err != nil:
			t.Errorf("node %d: %v", node, err)
			return
		case r.Status == http.StatusUnauthorized && slices.Equal(codes(r), []string{"UNAUTHENTICATED"}):
			refused++
		case refused > 0 || time.Now().After(limit):
			t.Errorf("node %d answered a revoked key with status %d %v", node, r.Status, r.Errors)
			return
		}
		pause(t.Context(), 50*time.Millisecond)
	}
}

// TestManyRetriesOnTwoNodesMakeOneDocument is row 7 of hardening.md.
func TestManyRetriesOnTwoNodesMakeOneDocument(t *testing.T) {
	t.Parallel()
	system(t)
	one := apitest.Start(t, 0)
	nodes := []*apitest.Server{one, one.Peer(t)}
	db := database(t, one)
	a := staff(t, one, auth.Editor)
	customer := a.customer(t, "Retry")
	f := pdf("retry.pdf", 200<<10)
	documents, made := make([]string, 20), make([]string, 20)
	var group sync.WaitGroup
	for i := range documents {
		group.Go(func() {
			documents[i] = retried(t, func() (apitest.Result, error) { return a.on(nodes[i%2]).upload(t.Context(), customer, "same-key", f) },
				"documentUpload.results.0.document.id")
		})
		group.Go(func() {
			made[i] = retried(t, func() (apitest.Result, error) {
				return a.on(nodes[i%2]).try(t.Context(), createCustomer, map[string]any{"key": "same-key", "input": map[string]any{"givenName": "Twin"}})
			}, "customerCreate.customer.id")
		})
	}
	group.Wait()
	for _, ids := range [][]string{documents, made} {
		if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 1 {
			t.Errorf("20 retries with one key gave %v", ids)
		}
	}
	for what, n := range map[string]int64{
		"documents":             scalar[int64](t, db, `SELECT count(*) FROM document`),
		"events of documents":   scalar[int64](t, db, `SELECT count(*) FROM event WHERE type = 'DOCUMENT_CREATED'`),
		"customers":             scalar[int64](t, db, `SELECT count(*) FROM customer WHERE given_name = 'Twin'`),
		"lines on the timeline": scalar[int64](t, db, `SELECT count(*) FROM timeline_entry WHERE kind = 'DOCUMENT_ADDED'`),
	} {
		if n != 1 {
			t.Errorf("%d %s, want 1", n, what)
		}
	}
	a.wantContent(t, documents[0], f.sha256())
	wantInvariants(t, db, one.DataDir)

	other := pdf("retry.pdf", 100<<10)
	r, err := a.upload(t.Context(), customer, "same-key", other)
	if err != nil || !slices.Equal(codes(r), []string{"IDEMPOTENCY_KEY_REUSED"}) {
		t.Errorf("the same key with another file gave %v, %v, want IDEMPOTENCY_KEY_REUSED", codes(r), err)
	}
}

// retried repeats a request for as long as the first one with its key is running.
func retried(t *testing.T, send func() (apitest.Result, error), path string) string {
	t.Helper()
	for range 200 {
		r, err := send()
		if id := text(r.Data, path); err == nil && id != "" {
			return id
		}
		if err != nil || !slices.Equal(codes(r), []string{"IDEMPOTENCY_KEY_REUSED"}) {
			t.Errorf("got %v, %v, %v", r.Errors, userErrors(r), err)
			return ""
		}
		pause(t.Context(), 25*time.Millisecond)
	}
	t.Error(fmt.Errorf("the first request never ended: %w", errNotYet))
	return ""
}

// TestOneOfManyConcurrentUpdatesWins is row 16 of hardening.md.
func TestOneOfManyConcurrentUpdatesWins(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Contested")
	var mu sync.Mutex
	won, lost := 0, 0
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			r := a.patiently(t, updateCustomer, map[string]any{"id": customer, "version": 1, "input": map[string]any{"givenName": fmt.Sprintf("Winner %d", i)}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case text(r.Data, "customerUpdate.customer.id") == customer:
				won++
			case slices.Equal(codes(r), []string{"VERSION_CONFLICT"}):
				lost++
				if got := userErrors(r)[0]; number(got, "currentVersion") != 2 || number(got, "current.version") != 2 ||
					len(list(got, "conflictingFields")) != 1 || at(got, "conflictingFields.0") != "givenName" {
					t.Errorf("the conflict says %v", got)
				}
			default:
				t.Errorf("update %d: %v %v", i, r.Errors, userErrors(r))
			}
		})
	}
	group.Wait()
	if won != 1 || lost != 31 {
		t.Errorf("%d won and %d got a conflict, want 1 and 31", won, lost)
	}
}
