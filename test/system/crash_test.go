package system

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/apitest"
	"dossier/internal/auth"
)

// job is one file that a client wants stored, whatever it takes.
type job struct {
	key      string
	file     file
	document string
	tries    int
}

// ledger is what the clients know: what was acknowledged to them.
type ledger struct {
	mu    sync.Mutex
	done  []*job
	tries int
	acks  atomic.Int64
}

func (l *ledger) acknowledge(j *job, document string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	j.document = document
	l.done = append(l.done, j)
	l.tries += j.tries
	l.acks.Add(1)
}

// uploader stores one new file after the other until ctx ends, and then what is still open. A file whose key is in use by
// an upload that a crash ended is tried again later.
func uploader(ctx, deadline context.Context, a actor, customer string, l *ledger) error {
	var open []*job
	for n := 0; ; n++ {
		var j *job
		switch stopped := ctx.Err() != nil; {
		case stopped && len(open) == 0:
			return nil
		case deadline.Err() != nil:
			return fmt.Errorf("%d files were never acknowledged, the first after %d tries", len(open), open[0].tries)
		case len(open) > 0 && (stopped || n%2 == 1):
			j, open = open[0], open[1:]
		default:
			size := 1 << (10 + rand.IntN(10)) // 1 KiB to 512 KiB
			j = &job{key: fmt.Sprintf("job-%x", rand.Uint64()), file: pdf(fmt.Sprintf("%x.pdf", rand.Uint64()), size)}
		}
		j.tries++
		r, err := a.upload(deadline, customer, j.key, j.file)
		document := text(r.Data, "documentUpload.results.0.document.id")
		switch {
		case err == nil && document != "":
			l.acknowledge(j, document)
			continue
		case err == nil && len(codes(r)) > 0 && !slices.Contains([]string{"IDEMPOTENCY_KEY_REUSED", "UNAVAILABLE", "CONFLICT"}, codes(r)[0]):
			return fmt.Errorf("try %d of a file was refused: %v %v", j.tries, r.Errors, userErrors(r))
		}
		open = append(open, j)
		pause(deadline, time.Duration(rand.IntN(100))*time.Millisecond)
	}
}

// TestAPowerFailureLosesNoAcknowledgedDocument is row 1 of hardening.md: kill -9 during 16 uploads.
func TestAPowerFailureLosesNoAcknowledgedDocument(t *testing.T) {
	t.Parallel()
	system(t)
	kills := full(50, 10)
	s := apitest.Start(t, 0, "--upload-lease=2s")
	db := database(t, s)
	exec(t, db, `UPDATE storage_usage SET limit_bytes = 100000000000`)
	a := staff(t, s, auth.Editor)
	customer := a.customer(t, "Crash")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	deadline, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var l ledger
	failures := make(chan error, 16)
	for range 16 {
		go func() { failures <- uploader(ctx, deadline, a, customer, &l) }()
	}
	pending := 0
	began := scalar[time.Time](t, db, `SELECT now()`)
	for kill := range kills {
		before := l.acks.Load()
		eventually(t, time.Minute, func() error {
			if l.acks.Load() == before {
				return fmt.Errorf("no upload was acknowledged since the start after kill %d: %w", kill, errNotYet)
			}
			return nil
		})
		pause(t.Context(), time.Duration(rand.IntN(400))*time.Millisecond)
		s.Kill(t)
		pending += int(scalar[int64](t, db, `SELECT count(*) FROM upload WHERE state = 'PENDING' AND created_at > $1`, began))
		began = scalar[time.Time](t, db, `SELECT now()`)
		s.Restart(t)
	}
	stop()
	for range 16 {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	// The files of writes that a crash ended are removed when the next server finds them old.
	temporary := ageTemporary(t, s.DataDir)
	if err := s.Terminate(t); err != nil {
		t.Error(err)
	}
	s.Restart(t)
	wantInvariants(t, db, s.DataDir)
	wantLedger(t, a, db, customer, &l)
	t.Logf("%d kills ended %d uploads in progress; %d documents acknowledged after %d tries; %d temporary files swept",
		kills, pending, len(l.done), l.tries, temporary)
	if pending == 0 {
		t.Error("no kill met an upload in progress: the test showed nothing")
	}
}

// wantLedger compares what is stored with what was acknowledged: all of it, unchanged, once.
func wantLedger(t *testing.T, a actor, db *pgxpool.Pool, customer string, l *ledger) {
	t.Helper()
	var group sync.WaitGroup
	work := make(chan *job)
	for range 4 {
		group.Go(func() {
			for j := range work {
				a.wantContent(t, j.document, j.file.sha256())
			}
		})
	}
	seen := make(map[string]bool, len(l.done))
	for _, j := range l.done {
		if seen[j.document] {
			t.Errorf("document %s was acknowledged for two keys", j.document)
		}
		seen[j.document] = true
		work <- j
	}
	close(work)
	group.Wait()
	if n := scalar[int64](t, db, `SELECT count(*) FROM document`); n != int64(len(l.done)) {
		t.Errorf("%d documents are stored for %d keys, all acknowledged", n, len(l.done))
	}
	// Asked once more with the same keys, the answers are the same documents.
	for _, j := range l.done[:min(20, len(l.done))] {
		r, err := a.upload(t.Context(), customer, j.key, j.file)
		if got := text(r.Data, "documentUpload.results.0.document.id"); err != nil || got != j.document {
			t.Errorf("a repeated upload gave document %q (%v, %v), want %s", got, err, codes(r), j.document)
		}
	}
}
