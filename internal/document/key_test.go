package document_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/document"
	"dossier/internal/fault"
)

// withKey uploads one file under a key.
func (e *env) withKey(key, name string, content []byte) (document.UploadResult, error) {
	results, err := e.service.Upload(e.t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer},
		[]document.Incoming{incoming(name, content)}, &key)
	if err != nil {
		return document.UploadResult{}, err
	}
	return results[0], nil
}

func TestARepeatedUploadGivesTheSameDocument(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(70_000, 1)
	var first uuid.UUID
	for i := range 3 {
		r, err := e.withKey("once", "a.pdf", content)
		if err != nil {
			t.Fatal(err)
		}
		wantResult(t, r, "")
		if i == 0 {
			first = r.Document
			e.acknowledge(first, content)
		}
		if r.Document != first {
			t.Errorf("repetition %d gave %s, want %s", i, r.Document, first)
		}
	}
	if got := e.documents(); got != 1 {
		t.Errorf("got %d documents, want 1", got)
	}
	if got := e.number(`SELECT count(*) FROM event`); got != 1 {
		t.Errorf("got %d events, want 1", got)
	}
	CheckInvariants(t, e)
}

func TestAKeyIsRefusedForAnotherFile(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(70_000, 1)
	first, err := e.withKey("once", "a.pdf", content)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(first.Document, content)
	changed := append([]byte(nil), content...)
	changed[60_000] ^= 1
	for name, f := range map[string]struct {
		name    string
		content []byte
	}{
		"another name": {"b.pdf", content}, "another byte": {"a.pdf", changed}, "a longer file": {"a.pdf", append(content, 'x')},
		"a shorter file": {"a.pdf", content[:60_000]},
	} {
		if _, err := e.withKey("once", f.name, f.content); fault.CodeOf(err) != fault.IdempotencyKeyReused {
			t.Errorf("%s: got %v, want %s", name, err, fault.IdempotencyKeyReused)
		}
	}
	// The same key of somebody else is another key.
	results, err := e.service.Upload(t.Context(), e.bob, document.UploadDraft{CustomerID: e.bobsCustomer},
		[]document.Incoming{incoming("b.pdf", content)}, ptr("once"))
	if err != nil || results[0].Errs != nil {
		t.Errorf("Bob's key: %v %v", results, err)
	}
	if got := e.documents(); got != 1 {
		t.Errorf("got %d documents, want 1", got)
	}
	CheckInvariants(t, e)
}

func TestParallelUploadsOfOneKeyMakeOneDocument(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(400_000, 1)
	var wg sync.WaitGroup
	ids := make(chan uuid.UUID, 20)
	for range 20 {
		wg.Go(func() {
			r, err := e.withKey("once", "a.pdf", content)
			switch {
			case fault.CodeOf(err) == fault.IdempotencyKeyReused:
			case err != nil || r.Errs != nil:
				t.Errorf("got %v %v", err, r.Errs)
			default:
				ids <- r.Document
			}
		})
	}
	wg.Wait()
	close(ids)
	var one uuid.UUID
	for id := range ids {
		if one == uuid.Nil {
			one = id
		}
		if id != one {
			t.Errorf("two uploads gave %s and %s", one, id)
		}
	}
	if one == uuid.Nil {
		t.Fatal("no upload won")
	}
	e.acknowledge(one, content)
	if got := e.documents(); got != 1 {
		t.Errorf("got %d documents, want 1", got)
	}
	if got := e.number(`SELECT count(*) FROM event`); got != 1 {
		t.Errorf("got %d events, want 1", got)
	}
	CheckInvariants(t, e)
}

func TestARetryGoesOnWhereTheFirstRequestBroke(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	a, b, c := pdf(50_000, 1), pdf(60_000, 2), pdf(70_000, 3)
	send := func(files ...document.Incoming) []document.UploadResult {
		t.Helper()
		results, err := e.service.Upload(t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer}, files, ptr("key"))
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	first := send(incoming("a.pdf", a), &file{name: "b.pdf", bound: -1, r: failing(b[:30_000])}, &file{name: "c.pdf", bound: -1, r: errReader{}})
	wantResult(t, first[0], "")
	wantResult(t, first[1], fault.BadUserInput)
	wantResult(t, first[2], fault.BadUserInput)
	second := send(incoming("a.pdf", a), incoming("b.pdf", b), incoming("c.pdf", c))
	for i, content := range [][]byte{a, b, c} {
		wantResult(t, second[i], "")
		e.acknowledge(second[i].Document, content)
	}
	if first[0].Document != second[0].Document {
		t.Errorf("the first file became %s, then %s", first[0].Document, second[0].Document)
	}
	if got := e.documents(); got != 3 {
		t.Errorf("got %d documents, want 3", got)
	}
	CheckInvariants(t, e)
}

func TestACrashAtAnyPointLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	for _, point := range []string{document.PointBegun, document.PointStored, document.PointComplete} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			content := pdf(200_000, 1)
			e.service.CrashAt(point)
			if !crashing(func() { _, _ = e.withKey("once", "a.pdf", content) }) {
				t.Fatal("it did not crash")
			}
			// Another process goes on.
			e.service = document.New(e.store.Documents(), e.store.Images(), e.blobs)
			if point != document.PointComplete {
				if _, err := e.withKey("once", "a.pdf", content); fault.CodeOf(err) != fault.IdempotencyKeyReused {
					t.Errorf("a retry before the lease has ended: got %v, want %s", err, fault.IdempotencyKeyReused)
				}
			}
			CheckInvariants(t, e)
			r, err := e.withKey("once", "a.pdf", content)
			if err != nil {
				t.Fatal(err)
			}
			wantResult(t, r, "")
			e.acknowledge(r.Document, content)
			if got := e.documents(); got != 1 {
				t.Errorf("got %d documents, want 1", got)
			}
			CheckInvariants(t, e)
		})
	}
}

func TestARetryTakesOverAfterTheLeaseAndTheLateFirstOneLoses(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(200_000, 1)
	gate := newGate(content, 100_000)
	type outcome struct {
		results []document.UploadResult
		err     error
	}
	done := make(chan outcome, 1)
	go func() {
		results, err := e.service.Upload(t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer},
			[]document.Incoming{&file{name: "a.pdf", bound: -1, r: gate}}, ptr("once"))
		done <- outcome{results, err}
	}()
	<-gate.reached
	e.expireLeases()
	r, err := e.withKey("once", "a.pdf", content)
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, r, "")
	e.acknowledge(r.Document, content)
	close(gate.open)
	select {
	case late := <-done:
		if late.err == nil {
			wantResult(t, late.results[0], fault.Conflict)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the late upload never ended")
	}
	if got := e.documents(); got != 1 {
		t.Errorf("got %d documents, want 1", got)
	}
	CheckInvariants(t, e)
}
