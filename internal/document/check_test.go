package document_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/clamd"
	"dossier/internal/clamd/clamdtest"
	"dossier/internal/document"
	"dossier/internal/fault"
)

// scanner is a Scanner whose answers are a test's. What holds the word "malware" is infected.
type scanner struct {
	mu sync.Mutex
	// err and down are what Scan and Ping fail with.
	err, down error
	// during is called while a scan runs.
	during func()
	scans  atomic.Int64
}

func (s *scanner) set(err, down error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.down = err, down
}

func (s *scanner) Scan(_ context.Context, r io.Reader, _ int64) (document.Verdict, error) {
	s.scans.Add(1)
	content, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.during != nil {
		s.during()
	}
	switch {
	case err != nil:
		return document.Verdict{}, err
	case s.err != nil:
		return document.Verdict{}, s.err
	case bytes.Contains(content, []byte("malware")):
		return document.Verdict{Signature: "Test.Malware"}, nil
	}
	return document.Verdict{Clean: true}, nil
}

func (s *scanner) Ping(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

var errDown = errors.New("nobody answers")

// scanning turns scanning on and gives a checker.
func (e *env) scanning() (*scanner, *document.Checker) {
	s := &scanner{}
	e.service.Scanner = s
	return s, e.checker(s)
}

func (e *env) checker(s document.Scanner) *document.Checker {
	c := document.NewChecker(e.store.Checks(), e.blobs, e.service.Thumbnails)
	c.Scanner = s
	return c
}

// work checks until nothing is due, and gives how much was done.
func (e *env) work(c *document.Checker) (n int) {
	e.t.Helper()
	for {
		worked, err := c.RunOnce(e.t.Context())
		if err != nil {
			e.t.Fatal(err)
		}
		if !worked {
			return n
		}
		n++
	}
}

// due makes everything due that waits.
func (e *env) due() {
	e.t.Helper()
	e.exec(`UPDATE document_version SET check_at = now() WHERE check_at IS NOT NULL`)
}

// held says how a document is: its status and version, and the state of each of its contents.
func (e *env) held(id uuid.UUID) string {
	e.t.Helper()
	return e.text(`SELECT concat_ws(' ', d.status, d.version, (SELECT string_agg(v.state || coalesce('/' || v.scan_problem, '') || coalesce('/' || v.scan_signature, ''), ' ' ORDER BY number)
		FROM document_version v WHERE v.document_id = d.id)) FROM document d WHERE d.id = $1`, id)
}

// told is the types of the events about a document, with the fields.
func (e *env) told(id uuid.UUID) string {
	e.t.Helper()
	return e.text(`SELECT string_agg(type || changed_fields::text, ' ' ORDER BY seq) FROM event WHERE subject_id = $1`, id)
}

func (e *env) version(id uuid.UUID) uuid.UUID {
	e.t.Helper()
	return uuid.MustParse(e.text(`SELECT current_version_id::text FROM document WHERE id = $1`, id))
}

func (e *env) downloadable(id uuid.UUID) bool {
	e.t.Helper()
	_, err := e.store.Documents().Download(e.t.Context(), e.ada, e.version(id), document.Reading{Unrecorded: true})
	if err != nil && fault.CodeOf(err) != fault.NotFound {
		e.t.Fatal(err)
	}
	return err == nil
}

func (e *env) replace(id uuid.UUID, version int, content []byte) {
	e.t.Helper()
	if err := e.service.Replace(e.t.Context(), e.ada, id, version, incoming("b.pdf", content), document.Patch{}); err != nil {
		e.t.Fatal(err)
	}
}

func malware(seed byte) []byte { return append(pdf(3000, seed), "malware"...) }

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got  %s\n want %s", what, got, want)
	}
}

func TestAContentIsHeldBackUntilTheScannerHasPassedIt(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	woken := 0
	e.service.Wake = func() { woken++ }
	s, c := e.scanning()
	id := e.upload(incoming("a.pdf", pdf(3000, 1)))[0].Document
	want(t, "uploaded", e.held(id), "ACTIVE 1 STORED")
	if e.downloadable(id) || woken != 1 {
		t.Errorf("before the scan: downloadable %v, woken %d times", e.downloadable(id), woken)
	}
	s.during = func() {
		if total, inUse := e.store.Stats(); inUse != 0 {
			t.Errorf("%d of %d connections are held while a scan runs", inUse, total)
		}
	}
	if n := e.work(c); n != 1 {
		t.Errorf("%d checks, want 1", n)
	}
	want(t, "passed", e.held(id), "ACTIVE 1 AVAILABLE")
	want(t, "events", e.told(id), `DOCUMENT_CREATED[] DOCUMENT_AVAILABLE["currentVersion"]`)
	if !e.downloadable(id) || e.number(`SELECT count(*) FROM document_version WHERE scanned_at IS NOT NULL`) != 1 {
		t.Error("a content that was passed is not available")
	}
	e.replace(id, 1, pdf(4000, 2))
	want(t, "replaced", e.held(id), "ACTIVE 2 AVAILABLE STORED")
	if e.downloadable(id) {
		t.Error("a new content is available before it was scanned")
	}
	e.work(c)
	want(t, "passed again", e.held(id), "ACTIVE 2 AVAILABLE AVAILABLE")
	CheckInvariants(t, e)
}

func TestWithoutAScannerAContentIsAvailableAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.stored("a.pdf", pdf(3000, 1))
	want(t, "uploaded", e.held(id), "ACTIVE 1 AVAILABLE")
	if n := e.number(`SELECT count(*) FROM document_version WHERE check_at IS NOT NULL`); n != 0 || e.work(e.checker(nil)) != 0 {
		t.Errorf("%d contents wait for something", n)
	}
	// What was held back stays so when scanning is turned off.
	s, c := e.scanning()
	id = e.upload(incoming("b.pdf", pdf(3000, 2)))[0].Document
	if n := e.work(e.checker(nil)); n != 0 {
		t.Errorf("%d checks without a scanner", n)
	}
	want(t, "without a scanner", e.held(id), "ACTIVE 1 STORED")
	if e.work(c) != 1 || s.scans.Load() != 1 {
		t.Error("with a scanner it is not scanned")
	}
}

func TestMalwareIsHeldBackForGoodAndAGoodContentHealsTheDocument(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	_, c := e.scanning()
	date := time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)
	results, err := e.service.Upload(t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer, ExpiresOn: &date},
		[]document.Incoming{incoming("a.pdf", malware(1))}, nil)
	if err != nil {
		t.Fatal(err)
	}
	id := results[0].Document
	if err := e.service.Archive(t.Context(), e.ada, id, 1); err != nil { // before it is known
		t.Fatal(err)
	}
	e.work(c)
	want(t, "found", e.held(id), "QUARANTINED 3 QUARANTINED/Test.Malware")
	want(t, "events", e.told(id), `DOCUMENT_CREATED[] DOCUMENT_ARCHIVED["status"] DOCUMENT_QUARANTINED["currentVersion", "status"]`)
	if e.downloadable(id) {
		t.Error("malware can be downloaded")
	}
	wantCode(t, e.service.Archive(t.Context(), e.ada, id, 3), fault.Conflict)
	if err := e.service.Restore(t.Context(), e.ada, id, 3); err != nil {
		t.Fatal(err)
	}
	want(t, "restored", e.held(id), "QUARANTINED 3 QUARANTINED/Test.Malware")
	CheckInvariants(t, e)

	e.replace(id, 3, malware(2))
	e.work(c)
	want(t, "replaced by malware", e.held(id), "QUARANTINED 4 QUARANTINED/Test.Malware QUARANTINED/Test.Malware")
	e.replace(id, 4, pdf(3000, 3))
	want(t, "replaced", e.held(id), "QUARANTINED 5 QUARANTINED/Test.Malware QUARANTINED/Test.Malware STORED")
	if e.downloadable(id) {
		t.Error("a content is available before it was scanned")
	}
	e.work(c)
	want(t, "healed to what it was", e.held(id), "ARCHIVED 6 QUARANTINED/Test.Malware QUARANTINED/Test.Malware AVAILABLE")
	if !e.downloadable(id) {
		t.Error("a good content is not available")
	}
	CheckInvariants(t, e)

	// With the scanner off a new content is available at once, and so is its document.
	e.replace(id, 6, malware(4))
	e.work(c)
	e.service.Scanner = nil
	e.replace(id, 8, pdf(3000, 5))
	if got := e.text(`SELECT status FROM document WHERE id = $1`, id); got != "ARCHIVED" || !e.downloadable(id) {
		t.Errorf("replaced without a scanner: %s", got)
	}
	CheckInvariants(t, e)
}

func TestMalwareInAnEarlierContentIsNotTheDocuments(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	_, c := e.scanning()
	id := e.upload(incoming("a.pdf", malware(1)))[0].Document
	e.replace(id, 1, pdf(3000, 2))
	e.work(c)
	want(t, "found", e.held(id), "ACTIVE 2 QUARANTINED/Test.Malware AVAILABLE")
	want(t, "events", e.told(id), `DOCUMENT_CREATED[] DOCUMENT_REPLACED["currentVersion"] DOCUMENT_UPDATED["versions"] DOCUMENT_AVAILABLE["currentVersion"]`)
	CheckInvariants(t, e)
}

// TestNothingIsAvailableWithoutAVerdict: each way in which a scan can fail, then a scanner that is well again.
func TestNothingIsAvailableWithoutAVerdict(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		err     error
		problem string
		pause   string
	}{
		"it does not answer": {errDown, "SCANNER_UNAVAILABLE", "10 seconds"},
		"it fails":           {fmt.Errorf("%w: out of memory", document.ErrScanFailed), "SCANNER_FAILED", "10 seconds"},
		"too large":          {&document.ScanLimitError{LimitBytes: 7}, "FILE_TOO_LARGE", "1 hour"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			s, c := e.scanning()
			s.set(k.err, nil)
			id := e.upload(incoming("a.pdf", pdf(3000, 1)))[0].Document
			for range 3 {
				e.due()
				if n := e.work(c); n != 1 {
					t.Errorf("%d checks, want one and then a pause", n)
				}
				want(t, "without a verdict", e.held(id), "ACTIVE 1 STORED/"+k.problem)
				if e.downloadable(id) {
					t.Error("it is available without a verdict")
				}
			}
			want(t, "events", e.told(id), `DOCUMENT_CREATED[] DOCUMENT_UPDATED["currentVersion"]`)
			if n := e.number(`SELECT count(*) FROM document_version WHERE check_attempts = 3 AND check_at > now() AND check_at <= now() + $1::interval`, k.pause); n != 1 {
				t.Errorf("after three tries it is due at %s", e.text(`SELECT (check_at - now())::text FROM document_version`))
			}
			s.set(nil, nil)
			e.due()
			e.work(c)
			want(t, "at last", e.held(id), "ACTIVE 1 AVAILABLE")
			CheckInvariants(t, e)
		})
	}
}

func TestAContentThatIsNotAsItWasStoredIsNotClean(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s, c := e.scanning()
	id := e.upload(incoming("a.pdf", pdf(3000, 1)))[0].Document
	e.exec(`UPDATE document_version SET crc32c = crc32c # 1`) // as if the object were another one
	e.work(c)
	want(t, "another content", e.held(id), "ACTIVE 1 STORED/CONTENT_UNREADABLE")
	e.exec(`UPDATE document_version SET crc32c = crc32c # 1, object_key = object_key || '0'`)
	e.due()
	e.work(c)
	want(t, "no content", e.held(id), "ACTIVE 1 STORED/CONTENT_UNREADABLE")
	if s.scans.Load() != 1 {
		t.Errorf("%d scans", s.scans.Load())
	}
}

// TestWhileTheScannerIsDownContentsWaitTogether: one is tried, the others are left alone, and all are due when it is back.
func TestWhileTheScannerIsDownContentsWaitTogether(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s, c := e.scanning()
	s.set(errDown, errDown)
	for i := range 5 {
		e.upload(incoming(names(i), pdf(3000, byte(i))))
	}
	e.work(c)
	e.work(c)
	if got := e.text(`SELECT string_agg(check_attempts::text, ' ' ORDER BY created_at) FROM document_version`); got != "1 0 0 0 0" || s.scans.Load() != 1 {
		t.Errorf("the contents were tried %s times, %d in all; want the first one only", got, s.scans.Load())
	}
	s.set(nil, nil)
	e.exec(`UPDATE document_version SET check_at = now()`)
	deadline := time.Now().Add(20 * time.Second)
	for n := int64(1); n > 0; n = e.number(`SELECT count(*) FROM document_version WHERE state = 'STORED'`) {
		if time.Now().After(deadline) {
			t.Fatalf("%d contents still wait", n)
		}
		e.work(c)
	}
	CheckInvariants(t, e)
}

func TestTwoNodesShareTheWork(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s, _ := e.scanning()
	const contents = 40
	for i := range contents {
		content := pdf(2000, byte(i))
		if i%4 == 0 {
			content = malware(byte(i))
		}
		e.upload(incoming(names(i), content))
	}
	ctx, stop := context.WithCancel(t.Context())
	var nodes sync.WaitGroup
	for range 2 {
		c := e.checker(s)
		c.Workers, c.Poll = 3, 10*time.Millisecond
		nodes.Go(func() { _ = c.Run(ctx) })
	}
	e.eventually(`SELECT NOT EXISTS (SELECT FROM document_version WHERE state = 'STORED')`)
	stop()
	nodes.Wait()
	if s.scans.Load() != contents {
		t.Errorf("%d scans of %d contents", s.scans.Load(), contents)
	}
	if n := e.number(`SELECT count(*) FROM document WHERE status = 'QUARANTINED'`); n != contents/4 {
		t.Errorf("%d documents are held back, want %d", n, contents/4)
	}
	CheckInvariants(t, e)
}

// TestAClaimOfANodeThatDiedComesBack at each point of a check.
func TestAClaimOfANodeThatDiedComesBack(t *testing.T) {
	t.Parallel()
	for _, point := range []string{document.PointClaimed, document.PointScanned, document.PointRendered} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			s, c := e.scanning()
			id := e.upload(incoming("a.png", picture(t, 1300, 700, 1)))[0].Document
			if point == document.PointRendered {
				if worked, err := c.RunOnce(t.Context()); err != nil || !worked {
					t.Fatal(worked, err)
				}
			}
			c.CrashAt(point)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = c.RunOnce(t.Context())
				t.Error("it did not crash")
			}()
			<-done
			other := e.checker(s)
			if n := e.work(other); n != 0 {
				t.Errorf("%d checks of what another node has", n)
			}
			e.due() // the lease has ended
			e.work(other)
			want(t, "in the end", e.held(id), "ACTIVE 1 AVAILABLE")
			e.exec(`UPDATE garbage SET next_at = now()`) // the sweeper comes for what the dead node wrote
			CheckInvariants(t, e)
			if n := e.number(`SELECT count(*) FROM document_rendition`); n != 2 || e.objects() != 3 {
				t.Errorf("%d renditions and %d objects, want 2 and 3", n, e.objects())
			}
			if n := e.number(`SELECT count(*) FROM event WHERE type IN ('DOCUMENT_AVAILABLE', 'DOCUMENT_PREVIEW_READY')`); n != 2 {
				t.Errorf("%d events, want 2", n)
			}
		})
	}
}

func TestACheckThatLastsKeepsItsLeaseAndOneThatLostItStops(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s, c := e.scanning()
	id := e.upload(incoming("a.pdf", pdf(3000, 1)))[0].Document
	c.Lease = 300 * time.Millisecond
	s.during = func() {
		for range 20 { // longer than the lease
			if n := e.number(`SELECT count(*) FROM document_version WHERE check_at <= now()`); n != 0 {
				t.Error("the lease has ended while the scan runs")
			}
			timer := time.NewTimer(40 * time.Millisecond)
			<-timer.C
		}
	}
	e.work(c)
	want(t, "passed", e.held(id), "ACTIVE 1 AVAILABLE")
}

// TestPicturesAndImportsAreScannedBeforeTheyAreAccepted: they are no documents, so there is nothing to hold back.
func TestPicturesAndImportsAreScannedBeforeTheyAreAccepted(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	s, c := e.scanning()
	take := func(content string) error {
		_, err := e.service.Take(t.Context(), e.ada, incoming("a.csv", []byte(content)), []string{"file"}, document.Taking{
			Mode: "IMPORT", ContentType: "text/csv", MaxBytes: 1000, Watch: func([]byte) error { return nil },
			Complete: func(context.Context, auth.Principal, document.Attempt, document.Content) (uuid.UUID, error) {
				return uuid.Nil, fault.New(fault.Conflict, "accepted")
			},
		})
		return err
	}
	image := picture(t, 300, 300, 1)
	infected := append(bytes.Clone(image), "malware"...)
	wantCode(t, e.setImage(1, infected), fault.BadUserInput)
	wantCode(t, take("malware"), fault.BadUserInput)
	s.set(errDown, nil)
	wantCode(t, e.setImage(1, image), fault.Unavailable)
	wantCode(t, take("fine"), fault.Unavailable)
	s.set(&document.ScanLimitError{LimitBytes: 7}, nil)
	wantCode(t, e.setImage(1, image), fault.TooLarge)
	wantCode(t, take("fine"), fault.TooLarge)
	want(t, "refused", e.imaged(), "1 0 0 0")
	CheckInvariants(t, e)
	if e.objects() != 0 {
		t.Errorf("%d objects are left of what was refused", e.objects())
	}
	s.set(nil, nil)
	if err := e.setImage(1, image); err != nil {
		t.Fatal(err)
	}
	wantCode(t, take("fine"), fault.Conflict) // it came as far as Complete
	want(t, "accepted", e.imaged(), "2 1 3 1")
	if n := e.work(c); n != 0 {
		t.Errorf("%d checks of what is no document", n)
	}
	CheckInvariants(t, e)
}

// TestARealScannerThatDiesAndComesBack: clamd itself, killed and started again.
func TestARealScannerThatDiesAndComesBack(t *testing.T) {
	t.Parallel()
	daemon := clamdtest.Start(t)
	e := newEnv(t)
	network, address, err := clamd.ParseAddress(daemon.Address)
	if err != nil {
		t.Fatal(err)
	}
	client := clamd.New(clamd.Config{Network: network, Address: address, Timeout: 10 * time.Second})
	e.service.Scanner = client
	c := e.checker(client)
	good := e.upload(incoming("a.pdf", pdf(300_000, 1)))[0].Document
	bad := e.upload(incoming("b.pdf", append(pdf(300_000, 2), clamdtest.EICAR()...)))[0].Document
	e.work(c)
	want(t, "good", e.held(good), "ACTIVE 1 AVAILABLE")
	want(t, "bad", e.held(bad), "QUARANTINED 2 QUARANTINED/"+clamdtest.Signature)
	daemon.Stop(t)
	late := e.upload(incoming("c.pdf", append(pdf(3000, 3), clamdtest.EICAR()...)))[0].Document
	e.work(c)
	want(t, "down", e.held(late), "ACTIVE 1 STORED/SCANNER_UNAVAILABLE")
	daemon.Restart(t)
	deadline := time.Now().Add(30 * time.Second)
	for e.held(late) != "QUARANTINED 2 QUARANTINED/"+clamdtest.Signature {
		if time.Now().After(deadline) {
			t.Fatalf("after it came back: %s", e.held(late))
		}
		e.due()
		e.work(c)
	}
	CheckInvariants(t, e)
}
