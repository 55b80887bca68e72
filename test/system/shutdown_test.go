package system

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// TestAStoppingServerFinishesWhatItBegan is row 19 of hardening.md: SIGTERM during a slow upload and with open streams.
func TestAStoppingServerFinishesWhatItBegan(t *testing.T) {
	t.Parallel()
	system(t)
	sockets := full(1000, 50)
	s := apitest.Start(t, 0, "--max-sockets=10000", "--drain-delay=2s", "--shutdown-timeout=20s")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Stop")
	db := database(t, s)
	from := head(t, a)
	streams := openStreams(t, a, from, sockets, 20)

	// An upload whose client has sent half of it.
	f := pdf("slow.pdf", 1<<20)
	start, preamble, closing := uploadHead(a, customer, "slow", int64(len(f.content)))
	conn := dialRaw(t, s)
	if _, err := io.WriteString(conn, start+preamble+string(f.content[:len(f.content)/2])); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error {
		if n := scalar[int64](t, db, `SELECT count(*) FROM upload WHERE state = 'PENDING'`); n != 1 {
			return errNotYet
		}
		return nil
	})

	stopped := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- s.Terminate(t) }()
	wantNotReady(t, s)
	a.entry(t, customer) // in the drain delay requests are still answered
	var group sync.WaitGroup
	for i, live := range streams {
		group.Go(func() { wantResumeCode(t, i, live) })
	}
	group.Wait()
	t.Logf("%d sockets and event streams were told to resume after %s", len(streams), time.Since(stopped).Round(time.Millisecond))
	if _, err := newActor(s, a.token).try(t.Context(), `{ storage { usedBytes } }`, nil); err == nil {
		t.Error("a stopping server accepted a new connection")
	}
	if _, err := io.WriteString(conn, string(f.content[len(f.content)/2:])+closing); err != nil {
		t.Fatal(err)
	}
	r := readRaw(t, conn)
	document := text(r.Data, "documentUpload.results.0.document.id")
	if document == "" {
		t.Fatalf("the upload ended with status %d %v %v", r.Status, r.Errors, userErrors(r))
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v, want exit code 0\n%s", err, s.Output())
	}
	t.Logf("the server ended %s after SIGTERM", time.Since(stopped).Round(time.Millisecond))

	s.Restart(t)
	a.wantContent(t, document, f.sha256())
	a.entry(t, customer)
	wantResumed(t, a, from)
	wantInvariants(t, db, s.DataDir)
}

// openStreams opens sockets and event streams that follow the log from a cursor.
func openStreams(t *testing.T, a actor, from string, sockets, events int) []stream {
	t.Helper()
	var streams []stream
	for range sockets {
		live, err := dialWS(t.Context(), a, followEvents, map[string]any{"after": from})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(live.cut)
		streams = append(streams, live)
	}
	for range events {
		live, err := dialSSE(t.Context(), a, followEvents, map[string]any{"after": from}, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(live.cut)
		streams = append(streams, live)
	}
	return streams
}

// wantNotReady waits until both addresses say that no more requests should be sent.
func wantNotReady(t *testing.T, s *apitest.Server) {
	t.Helper()
	client := newActor(s, "").http
	for _, base := range []string{s.URL, s.AdminURL} {
		eventually(t, 1500*time.Millisecond, func() error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/readyz", nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusServiceUnavailable {
				return fmt.Errorf("%s/readyz: status %d", base, resp.StatusCode)
			}
			return nil
		})
	}
}

// wantResumeCode reads until the server ends the stream in the way that means "come back with your cursor".
func wantResumeCode(t *testing.T, i int, live stream) {
	t.Helper()
	for {
		_, err := live.next()
		if err == nil {
			continue
		}
		_, socket := live.(*wsStream)
		if socket && closeCode(err) != 1012 {
			t.Errorf("socket %d ended with %v, want the close code 1012", i, err)
		}
		if !socket && !errors.Is(err, errCut) {
			t.Errorf("event stream %d ended with %v, want an end without complete", i, err)
		}
		return
	}
}

// wantResumed subscribes from an old cursor and compares what comes with the log.
func wantResumed(t *testing.T, a actor, from string) {
	t.Helper()
	want := replay(t, a, from, filter{})
	live, err := dialWS(t.Context(), a, followEvents, map[string]any{"after": from})
	if err != nil {
		t.Fatal(err)
	}
	defer live.cut()
	for _, e := range want {
		m, err := nextEvent(live)
		if err != nil || m.Event.Seq != e.seq || m.Event.ID != e.id {
			t.Fatalf("got %+v, %v, want event %d", m.Event, err, e.seq)
		}
	}
}

// TestTheDeadlineCutsAnUploadThatHangs: the server ends in time all the same, with exit code 0, and nothing was
// acknowledged.
func TestTheDeadlineCutsAnUploadThatHangs(t *testing.T) {
	t.Parallel()
	system(t)
	s := apitest.Start(t, 0, "--shutdown-timeout=1s", "--upload-lease=2s")
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Hangs")
	db := database(t, s)
	head, preamble, _ := uploadHead(a, customer, "", 1<<20)
	conn := dialRaw(t, s)
	if _, err := io.WriteString(conn, head+preamble+"%PDF-1.4\n"+string(make([]byte, 300<<10))); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, func() error {
		if n := scalar[int64](t, db, `SELECT count(*) FROM upload WHERE state = 'PENDING'`); n != 1 {
			return errNotYet
		}
		return nil
	})
	began := time.Now()
	if err := s.Terminate(t); err != nil {
		t.Errorf("the server ended with %v, want exit code 0", err)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("it took %s with a deadline of 1 s", took)
	}
	ageTemporary(t, s.DataDir)
	s.Restart(t)
	wantInvariants(t, db, s.DataDir)
	if n := scalar[int64](t, db, `SELECT count(*) FROM document`); n != 0 {
		t.Errorf("%d documents", n)
	}
	if pid := s.PID(); syscall.Kill(pid, 0) != nil {
		t.Errorf("process %d does not run", pid)
	}
}
