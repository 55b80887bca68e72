package document_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/fault"
)

const unit = blob.Granularity

// beginResumable begins an upload in parts of a content.
func (e *env) beginResumable(content []byte, key *string, change func(*document.BeginDraft)) document.Session {
	e.t.Helper()
	draft := document.BeginDraft{
		CustomerID: e.adasCustomer, FileName: "large.pdf", SizeBytes: int64(len(content)), Method: document.MethodResumable,
	}
	if change != nil {
		change(&draft)
	}
	s, err := e.service.UploadBegin(e.t.Context(), e.ada, draft, key)
	if err != nil {
		e.t.Fatal(err)
	}
	if s.Method != http.MethodPut || !s.Resumable || s.PartBytes != unit || len(s.Headers) != 0 {
		e.t.Errorf("got the session %+v", s)
	}
	return s
}

// part sends content[first:last], or asks what is stored when there is nothing between them, and gives the status.
func (e *env) part(s document.Session, content []byte, first, last int) int {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), http.MethodPut, s.URL, bytes.NewReader(content[first:last]))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last-1, len(content)))
	if first == last {
		req.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", len(content)))
	}
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func crcOf(content []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
}

func shaOf(content []byte) string {
	sum := sha256.Sum256(content)
	return hexOf(sum[:])
}

func TestAResumableUploadBecomesADocument(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(3*unit+100, 1)
	s := e.beginResumable(content, nil, func(d *document.BeginDraft) { d.CRC32C, d.SHA256 = ptr(crcOf(content)), ptr(shaOf(content)) })
	for i, want := range []int{308, 308, 308, 200} {
		_, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
		wantCode(t, err, fault.Conflict)
		if status := e.part(s, content, i*unit, min((i+1)*unit, len(content))); status != want {
			t.Fatalf("part %d gave %d, want %d", i, status, want)
		}
	}
	id, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, content)
	CheckInvariants(t, e)
}

func TestAnUploadIsHeldToTheSumsThatWereAnnounced(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content, other := pdf(unit, 1), pdf(unit, 2)
	for name, change := range map[string]func(*document.BeginDraft){
		"SHA-256, resumable": func(d *document.BeginDraft) { d.SHA256 = ptr(shaOf(other)) },
		"SHA-256, PUT":       func(d *document.BeginDraft) { d.SHA256, d.Method = ptr(shaOf(other)), document.MethodPut },
	} {
		draft := document.BeginDraft{CustomerID: e.adasCustomer, FileName: "a.pdf", SizeBytes: unit, Method: document.MethodResumable}
		change(&draft)
		s, err := e.service.UploadBegin(t.Context(), e.ada, draft, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status := e.send(s, content); status != http.StatusOK {
			t.Fatalf("%s: PUT gave %d", name, status)
		}
		_, err = e.service.UploadComplete(t.Context(), e.ada, s.ID)
		wantCode(t, err, fault.BadUserInput)
		_, err = e.service.UploadComplete(t.Context(), e.ada, s.ID)
		wantCode(t, err, fault.Conflict)
	}
	// The store itself refuses another CRC32C, before anybody completes anything.
	for _, method := range []string{document.MethodPut, document.MethodResumable} {
		s, err := e.service.UploadBegin(t.Context(), e.ada, document.BeginDraft{
			CustomerID: e.adasCustomer, FileName: "a.pdf", SizeBytes: unit, Method: method, CRC32C: ptr(crcOf(other)),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if status := e.send(s, content); status != http.StatusBadRequest {
			t.Errorf("%s: another CRC32C gave %d, want 400", method, status)
		}
	}
	for field, draft := range map[string]document.BeginDraft{
		"crc32c": {CRC32C: ptr("xyz")}, "crc32c: too short": {CRC32C: ptr("e30692")}, "sha256": {SHA256: ptr("00")}, "method": {Method: "POST"},
	} {
		draft.CustomerID, draft.FileName, draft.SizeBytes = e.adasCustomer, "a.pdf", 10
		_, err := e.service.UploadBegin(t.Context(), e.ada, draft, nil)
		if fault.CodeOf(err) != fault.BadUserInput {
			t.Errorf("%s: got %v", field, err)
		}
	}
	CheckInvariants(t, e)
}

func TestAFileToRunIsRefusedBeforeItsFirstByte(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, draft := range []document.BeginDraft{{FileName: "invoice.pdf.exe"}, {FileName: "a.pdf", ContentType: ptr("text/html")}} {
		draft.CustomerID, draft.SizeBytes = e.adasCustomer, 10
		_, err := e.service.UploadBegin(t.Context(), e.ada, draft, nil)
		wantCode(t, err, fault.UnsupportedMediaType)
	}
	CheckInvariants(t, e)
}

func TestCancellingGivesTheReservationBackAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(2*unit, 1)
	reserved := func() int64 {
		return e.number(`SELECT reserved_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID)
	}
	for name, s := range map[string]document.Session{"resumable": e.beginResumable(content, nil, nil), "PUT": e.begin(content, nil)} {
		before := reserved()
		if s.Resumable {
			e.part(s, content, 0, unit)
		}
		wantCode(t, e.service.UploadCancel(t.Context(), e.bob, s.ID), fault.NotFound)
		wantCode(t, e.service.UploadCancel(t.Context(), viewer(e.ada), s.ID), fault.Forbidden)
		for range 2 { // again it stays cancelled
			if err := e.service.UploadCancel(t.Context(), e.ada, s.ID); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if got := before - reserved(); got != int64(len(content)) {
			t.Errorf("%s: %d bytes were given back, want %d", name, got, len(content))
		}
		if s.Resumable {
			if status := e.part(s, content, unit, 2*unit); status != http.StatusNotFound {
				t.Errorf("the next part gave %d, want 404", status)
			}
		}
		_, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
		wantCode(t, err, fault.Conflict)
	}
	done := e.begin(content, nil)
	e.send(done, content)
	id, err := e.service.UploadComplete(t.Context(), e.ada, done.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, content)
	wantCode(t, e.service.UploadCancel(t.Context(), e.ada, done.ID), fault.Conflict)
	CheckInvariants(t, e)
}

func TestBeginningAgainWithTheSameKeyGoesOnWithTheSameUpload(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(2*unit, 1)
	first := e.beginResumable(content, ptr("key"), nil)
	e.part(first, content, 0, unit)
	again := e.beginResumable(content, ptr("key"), func(d *document.BeginDraft) { d.Origin = ptr("https://elsewhere.example") })
	if again.ID != first.ID || again.URL != first.URL {
		t.Errorf("got another session: %s and %s", first.ID, again.ID)
	}
	if status := e.part(again, content, unit, 2*unit); status != http.StatusOK {
		t.Fatalf("the rest gave %d", status)
	}
	id, err := e.service.UploadComplete(t.Context(), e.ada, again.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, content)

	var wg sync.WaitGroup
	sessions := make(chan document.Session, 8)
	for range 8 {
		wg.Go(func() { sessions <- e.beginResumable(content, ptr("parallel"), nil) })
	}
	wg.Wait()
	one := <-sessions
	for range 7 {
		if s := <-sessions; s.URL != one.URL {
			t.Error("equal requests at the same time were given two places to send to")
		}
	}
	CheckInvariants(t, e)
}

func TestASessionThatCannotBeBegunReservesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.service.Blobs = &tampered{Store: e.blobs, start: blob.Fail("test", blob.ErrUnavailable, nil)}
	content := pdf(unit, 1)
	_, err := e.service.UploadBegin(t.Context(), e.ada, document.BeginDraft{
		CustomerID: e.adasCustomer, FileName: "a.pdf", SizeBytes: unit, Method: document.MethodResumable,
	}, nil)
	wantCode(t, err, fault.Unavailable)
	if got := e.number(`SELECT reserved_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID); got != 0 {
		t.Errorf("%d bytes are reserved for nobody", got)
	}
	// With a key the next try goes on with what was reserved.
	_, err = e.service.UploadBegin(t.Context(), e.ada, document.BeginDraft{
		CustomerID: e.adasCustomer, FileName: "large.pdf", SizeBytes: unit, Method: document.MethodResumable,
	}, ptr("key"))
	wantCode(t, err, fault.Unavailable)
	e.service.Blobs = e.blobs
	s := e.beginResumable(content, ptr("key"), nil)
	e.send(s, content)
	id, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, content)
	CheckInvariants(t, e)
}

func TestAnExpiredResumableUploadIsThrownAway(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(2*unit, 1)
	s := e.beginResumable(content, nil, nil)
	e.part(s, content, 0, unit)
	e.expireLeases()
	e.sweep()
	if status := e.part(s, content, unit, 2*unit); status != http.StatusNotFound {
		t.Errorf("after the sweep a part gave %d, want 404", status)
	}
	CheckInvariants(t, e)
	// The sweeper tries again while the object store does not answer.
	s = e.beginResumable(content, nil, nil)
	e.expireLeases()
	sweeper := e.sweeper()
	sweeper.Blobs = &tampered{Store: e.blobs, cancel: blob.Fail("test", blob.ErrUnavailable, nil)}
	if r, err := sweeper.RunOnce(t.Context()); err != nil || r.Failed != 1 {
		t.Errorf("got %+v, %v; want one failure", r, err)
	}
	if status := e.part(s, content, 0, unit); status != 308 {
		t.Fatalf("a part gave %d", status)
	}
	e.exec(`UPDATE garbage SET next_at = now()`)
	CheckInvariants(t, e)
	if status := e.part(s, content, unit, 2*unit); status != http.StatusNotFound {
		t.Errorf("after the second sweep a part gave %d, want 404", status)
	}
}

// tampered is a store in which somebody does something at the wrong moment.
type tampered struct {
	blob.Store
	// opened is called when an object has been opened, read when all of it has been read.
	opened, read func(key string)
	// start and cancel are the errors of a resumable upload.
	start, cancel error
}

func (s *tampered) Open(ctx context.Context, key string, rng blob.Range) (*blob.Reader, error) {
	r, err := s.Store.Open(ctx, key, rng)
	if err != nil {
		return r, err
	}
	if s.opened != nil {
		s.opened(key)
	}
	if s.read == nil {
		return r, nil
	}
	return blob.NewReader(r.Object, r.Offset, r.Length, &atEnd{ReadCloser: r, do: func() { s.read(key) }}), nil
}

func (s *tampered) StartResumable(ctx context.Context, key string, opts blob.ResumableOptions) (blob.Resumable, error) {
	if s.start != nil {
		return blob.Resumable{}, s.start
	}
	return s.Store.StartResumable(ctx, key, opts)
}

func (s *tampered) CancelResumable(ctx context.Context, key, url string) error {
	if s.cancel != nil {
		return s.cancel
	}
	return s.Store.CancelResumable(ctx, key, url)
}

// atEnd does something when everything has been read.
type atEnd struct {
	io.ReadCloser
	do func()
}

func (a *atEnd) Read(p []byte) (int, error) {
	n, err := a.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) && a.do != nil {
		a.do()
		a.do = nil
	}
	return n, err
}

// TestAnObjectThatIsChangedWhileItIsCheckedIsRefused rewrites it, with as many bytes and as different as can be, or takes
// it away.
func TestAnObjectThatIsChangedWhileItIsCheckedIsRefused(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content, other := pdf(3*unit, 1), pdf(3*unit, 2)
	remove := func(key string) {
		if err := e.blobs.Delete(t.Context(), key, blob.AnyGeneration); err != nil {
			t.Error(err)
		}
	}
	rewrite := func(with []byte) func(string) {
		return func(key string) {
			remove(key)
			if _, err := e.blobs.Put(t.Context(), key, bytes.NewReader(with), blob.PutOptions{ExpectedSize: int64(len(with))}); err != nil {
				t.Error(err)
			}
		}
	}
	for name, store := range map[string]*tampered{
		"rewritten when it was opened":               {opened: rewrite(other)},
		"rewritten when it was read":                 {read: rewrite(other)},
		"rewritten with the same bytes":              {read: rewrite(content)},
		"taken away when it was read":                {read: remove},
		"rewritten, and shorter, when it was opened": {opened: rewrite(other[:100])},
	} {
		for _, begin := range []func() document.Session{
			func() document.Session { return e.begin(content, nil) },
			func() document.Session { return e.beginResumable(content, nil, nil) },
		} {
			s := begin()
			if status := e.send(s, content); status != http.StatusOK {
				t.Fatalf("PUT gave %d", status)
			}
			store.Store = e.blobs
			e.service.Blobs = store
			_, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
			e.service.Blobs = e.blobs
			if got := fault.CodeOf(err); got != fault.Conflict {
				t.Errorf("%s: got %v, want CONFLICT", name, err)
			}
			_, err = e.service.UploadComplete(t.Context(), e.ada, s.ID)
			wantCode(t, err, fault.Conflict)
		}
	}
	if got := e.documents(); got != 0 {
		t.Errorf("got %d documents, want 0", got)
	}
	CheckInvariants(t, e)
}

// TestCompletingGoesOnWhenTheClientIsGone: to read a large object can take longer than a proxy waits.
func TestCompletingGoesOnWhenTheClientIsGone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(3*unit, 1)
	s := e.begin(content, nil)
	e.send(s, content)
	ctx, cancel := context.WithCancel(t.Context())
	var opens int
	reached, gate := make(chan struct{}), make(chan struct{})
	e.service.Blobs = &tampered{Store: e.blobs, opened: func(string) {
		opens++
		cancel()
		close(reached)
		<-gate
	}}
	ids := make(chan uuid.UUID, 2)
	var wg sync.WaitGroup
	complete := func(ctx context.Context) {
		id, err := e.service.UploadComplete(ctx, e.ada, s.ID)
		if err != nil {
			t.Error(err)
		}
		ids <- id
	}
	wg.Go(func() { complete(ctx) })
	<-reached
	// Somebody of another account who knows the id learns nothing by asking meanwhile.
	_, err := e.service.UploadComplete(t.Context(), e.bob, s.ID)
	wantCode(t, err, fault.NotFound)
	wg.Go(func() { complete(t.Context()) })
	close(gate)
	wg.Wait()
	if first, second := <-ids, <-ids; first != second || first == uuid.Nil {
		t.Errorf("got %s and %s", first, second)
	} else {
		e.acknowledge(first, content)
	}
	if opens != 1 {
		t.Errorf("the object was read %d times, want once", opens)
	}
	CheckInvariants(t, e)
}

func TestALargeFileHasMoreTime(t *testing.T) {
	t.Parallel()
	limits := document.DefaultLimits
	for size, want := range map[int64]time.Duration{
		1: 2 * time.Hour, 5_000_000: 2*time.Hour + 78*time.Second, 5_000_000_000: 2*time.Hour + 78125*time.Second, 1 << 50: 6 * 24 * time.Hour,
	} {
		if got := limits.SessionTime(size); got != want {
			t.Errorf("%d bytes have %v, want %v", size, got, want)
		}
	}
}
