package document_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"dossier/internal/blob"
	"dossier/internal/document"
)

// stray puts objects into the store that no row knows.
func (e *env) stray(n int) []string {
	e.t.Helper()
	keys := make([]string, n)
	for i := range keys {
		keys[i] = blob.NewKey(e.ada.AccountID)
		if _, err := e.blobs.Put(e.t.Context(), keys[i], strings.NewReader("stray"), blob.PutOptions{ExpectedSize: 5}); err != nil {
			e.t.Fatal(err)
		}
	}
	return keys
}

func (e *env) objects() int {
	e.t.Helper()
	n := 0
	for _, err := range e.blobs.List(e.t.Context(), blob.ListOptions{}) {
		if err != nil {
			e.t.Fatal(err)
		}
		n++
	}
	return n
}

func TestTheSweeperTakesOldObjectsOfNobodyAndNoOthers(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.stored("a.pdf", pdf(5000, 1))
	session := e.begin(pdf(5000, 2), nil)
	e.send(session, pdf(5000, 2))
	e.stray(5)
	young := e.sweeper()
	young.Grace = time.Hour
	if r, err := young.RunOnce(t.Context()); err != nil || r.Orphans != 0 || e.objects() != 7 {
		t.Errorf("young objects: %+v %v, %d objects", r, err, e.objects())
	}
	if r := e.sweep(); r.Orphans != 5 || r.Deleted != 5 || r.Braked || r.Objects != 7 {
		t.Errorf("old objects: %+v", r)
	}
	if got := e.objects(); got != 2 {
		t.Errorf("%d objects are left, want the document and the session's", got)
	}
	id, err := e.service.UploadComplete(t.Context(), e.ada, session.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, pdf(5000, 2))
	CheckInvariants(t, e)
}

func TestTheBrakeHoldsUntilSomebodyForcesIt(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.stored("a.pdf", pdf(5000, 1))
	e.stray(11)
	var log bytes.Buffer
	s := e.sweeper()
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	r, err := s.RunOnce(t.Context())
	if err != nil || !r.Braked || r.Orphans != 11 || r.Deleted != 0 {
		t.Errorf("got %+v, %v, want the brake", r, err)
	}
	if got := e.objects(); got != 12 {
		t.Errorf("%d objects are left, want all 12", got)
	}
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("no alarm was raised: %s", log.String())
	}
	s.Force = true
	if r, err := s.RunOnce(t.Context()); err != nil || r.Deleted != 11 {
		t.Errorf("forced: %+v %v", r, err)
	}
	CheckInvariants(t, e)
}

func TestAContentThatIsGoneRaisesTheAlarm(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.stored("secret name.pdf", pdf(5000, 1))
	kept := e.stored("b.pdf", pdf(5000, 2))
	key := e.text(`SELECT object_key FROM document_version WHERE file_name = 'secret name.pdf'`)
	if err := e.blobs.Delete(t.Context(), key, blob.AnyGeneration); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := e.sweeper()
	s.Log = slog.New(slog.NewTextHandler(&log, nil))
	r, err := s.RunOnce(t.Context())
	if err != nil || r.Missing != 1 {
		t.Errorf("got %+v, %v, want one missing", r, err)
	}
	if out := log.String(); !strings.Contains(out, "level=ERROR") || !strings.Contains(out, key) || strings.Contains(out, "secret") {
		t.Errorf("the log should name the ids and nothing that a customer wrote: %s", out)
	}
	if got := e.documents(); got != 2 {
		t.Errorf("got %d documents, want 2: the sweeper changes none (%s)", got, kept)
	}
}

func TestGarbageThatADocumentHasIsNotDeleted(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.stored("a.pdf", pdf(5000, 1))
	e.exec(`INSERT INTO garbage (id, account_id, created_at, object_key, until, next_at)
		SELECT gen_random_uuid(), account_id, now(), object_key, now() + interval '1 day', now() FROM document_version`)
	if r := e.sweep(); r.Guarded != 1 || r.Deleted != 0 {
		t.Errorf("got %+v, want it guarded", r)
	}
	CheckInvariants(t, e)
}

func TestGarbageIsDeletedAgainUntilItsTimeIsOver(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.service.CrashAt(document.PointStored)
	crashing(func() { e.upload(incoming("a.pdf", pdf(5000, 1))) })
	e.expireLeases()
	if r := e.sweep(); r.Expired != 1 || r.Deleted != 1 {
		t.Errorf("got %+v, want one upload and its object gone", r)
	}
	if got := e.number(`SELECT count(*) FROM garbage WHERE next_at > now() + interval '30 minutes' AND until > now() + interval '23 hours'`); got != 1 {
		t.Errorf("%d garbage rows wait, want 1", got)
	}
	if r := e.sweep(); r.Deleted != 0 {
		t.Errorf("got %+v, want nothing due", r)
	}
	// It comes back: a writer that nobody knew about has finished.
	key := e.text(`SELECT object_key FROM garbage`)
	if _, err := e.blobs.Put(t.Context(), key, strings.NewReader("late"), blob.PutOptions{ExpectedSize: 4}); err != nil {
		t.Fatal(err)
	}
	e.exec(`UPDATE garbage SET next_at = now(), until = now()`)
	if r := e.sweep(); r.Deleted != 1 {
		t.Errorf("got %+v, want it deleted again", r)
	}
	if got := e.number(`SELECT count(*) FROM garbage`); got != 0 {
		t.Errorf("%d garbage rows are left after their time, want 0", got)
	}
	CheckInvariants(t, e)
}

func TestOneSweeperLeads(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	leading, end, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		_, err := e.store.Sweep().Lead(t.Context(), func(context.Context) error {
			close(leading)
			<-end
			return nil
		})
		done <- err
	}()
	<-leading
	if r := e.sweep(); r.Led {
		t.Error("two sweepers led at once")
	}
	close(end)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	e.eventually(`SELECT NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`)
	if r := e.sweep(); !r.Led {
		t.Error("nobody leads after the first has ended")
	}
}

func TestTheLeadEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	done := make(chan error, 1)
	leading := make(chan struct{})
	go func() {
		_, err := e.store.Sweep().Lead(e.t.Context(), func(ctx context.Context) error {
			close(leading)
			<-ctx.Done()
			return ctx.Err()
		})
		done <- err
	}()
	<-leading
	e.exec(`SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	select {
	case err := <-done:
		if err == nil {
			t.Error("work that lost its lead ended without an error")
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the work went on without the lead")
	}
}

func TestOldKeysAndUploadsAreForgotten(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for i, key := range []string{"old", "new"} {
		r, err := e.withKey(key, names(i), pdf(5000, byte(i)))
		if err != nil || r.Errs != nil {
			t.Fatal(err, r.Errs)
		}
		e.acknowledge(r.Document, pdf(5000, byte(i)))
	}
	e.exec(`UPDATE idempotency SET created_at = now() - interval '25 hours', lease_until = now() - interval '25 hours' WHERE key = 'old'`)
	e.exec(`UPDATE upload SET updated_at = now() - interval '31 days' WHERE file_name = $1`, names(0))
	if r := e.sweep(); r.PrunedKeys != 1 || r.PrunedUploads != 1 {
		t.Errorf("got %+v, want one key and one upload forgotten", r)
	}
	if got := e.text(`SELECT string_agg(key, ',') FROM idempotency`); got != "new" {
		t.Errorf("got keys %s, want new", got)
	}
	CheckInvariants(t, e)
}

func TestAnAuditOfManyObjectsGoesInStretches(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	// Rows without objects around a few real ones, more than a stretch holds.
	id := e.stored("a.pdf", pdf(5000, 1))
	e.exec(`INSERT INTO document_version (id, account_id, created_at, document_id, number, file_name, content_type, size_bytes, sha256, crc32c,
			object_key, object_generation, state)
		SELECT gen_random_uuid(), account_id, now(), document_id, number + n, '', '', 0, '', 0,
			account_id || '/' || md5(n::text), 1, 'AVAILABLE' FROM document_version, generate_series(1, 2500) n WHERE document_id = $1`, id)
	stray := e.stray(3)
	r := e.sweep()
	if r.Missing != 2500 || r.Orphans != 3 || r.Objects != 4 {
		t.Errorf("got %+v, want 2,500 missing and 3 orphans", r)
	}
	for _, key := range stray {
		if _, err := e.blobs.Stat(t.Context(), key); err == nil {
			t.Errorf("%s is still there", key)
		}
	}
}

func TestRunSweepsAtOnceAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s := e.sweeper()
	s.Every = time.Millisecond
	reports := make(chan document.Report)
	also := 0
	s.Also = append(s.Also, func(context.Context) error { also++; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	s.Observe = func(r document.Report) {
		select {
		case reports <- r:
		case <-ctx.Done():
		}
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	first, second := <-reports, <-reports
	if !first.Audited || second.Audited || !second.Led {
		t.Errorf("got %+v, then %+v: want an audit first and none right after it", first, second)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
	if also < 2 {
		t.Errorf("the further work ran %d times, want at least 2", also)
	}
}
