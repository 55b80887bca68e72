package document_test

import (
	"bytes"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/document"
	"dossier/internal/fault"
)

func (e *env) begin(content []byte, key *string) document.Session {
	e.t.Helper()
	s, err := e.service.UploadBegin(e.t.Context(), e.ada, document.BeginDraft{
		CustomerID: e.adasCustomer, FileName: "large.pdf", SizeBytes: int64(len(content)),
	}, key)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

// send sends the bytes as a client does and gives the status.
func (e *env) send(s document.Session, content []byte) int {
	e.t.Helper()
	req, err := http.NewRequestWithContext(e.t.Context(), s.Method, s.URL, bytes.NewReader(content))
	if err != nil {
		e.t.Fatal(err)
	}
	for name, value := range s.Headers {
		req.Header.Set(name, value)
	}
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestADirectUploadBecomesADocument(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(1_000_000, 1)
	s := e.begin(content, nil)
	if got := e.number(`SELECT reserved_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID); got != 1_000_000 {
		t.Errorf("%d bytes are reserved, want 1,000,000", got)
	}
	_, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
	wantCode(t, err, fault.Conflict)
	if status := e.send(s, content); status != http.StatusOK {
		t.Fatalf("PUT gave %d", status)
	}
	_, err = e.service.UploadComplete(t.Context(), e.bob, s.ID)
	wantCode(t, err, fault.NotFound)
	id, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, content)
	again, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
	if err != nil || again != id {
		t.Errorf("completing again gave %s, %v, want %s", again, err, id)
	}
	if status := e.send(s, pdf(1_000_000, 2)); status == http.StatusOK {
		t.Error("the object could be written again after it was checked")
	}
	got := e.text(`SELECT concat_ws('|', d.title, v.file_name, v.content_type, v.size_bytes) FROM document d JOIN document_version v ON v.document_id = d.id`)
	if want := "large.pdf|large.pdf|application/pdf|1000000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	CheckInvariants(t, e)
}

func TestParallelCompletesMakeOneDocument(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(2_000_000, 1)
	s := e.begin(content, nil)
	e.send(s, content)
	var wg sync.WaitGroup
	ids := make(chan uuid.UUID, 8)
	for range 8 {
		wg.Go(func() {
			id, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
			if err != nil {
				t.Error(err)
			}
			ids <- id
		})
	}
	wg.Wait()
	first := <-ids
	for range 7 {
		if id := <-ids; id != first {
			t.Errorf("got %s and %s", first, id)
		}
	}
	e.acknowledge(first, content)
	if got := e.documents(); got != 1 {
		t.Errorf("got %d documents, want 1", got)
	}
	CheckInvariants(t, e)
}

func TestADirectUploadIsCheckedWhenItIsComplete(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	announced := pdf(100_000, 1)
	page := append([]byte("<!DOCTYPE html><script>alert(1)</script>"), make([]byte, 100_000-40)...)
	for name, c := range map[string]struct {
		sent []byte
		want fault.Code
	}{
		"shorter than announced": {announced[:99_999], fault.BadUserInput},
		"another type":           {page, fault.UnsupportedMediaType},
	} {
		s := e.begin(announced, nil)
		if status := e.send(s, c.sent); status != http.StatusOK {
			t.Fatalf("%s: PUT gave %d", name, status)
		}
		_, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
		if got := fault.CodeOf(err); got != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		_, err = e.service.UploadComplete(t.Context(), e.ada, s.ID)
		wantCode(t, err, fault.Conflict)
		CheckInvariants(t, e)
	}
	s := e.begin(announced, nil)
	if status := e.send(s, append(announced, 'x')); status == http.StatusOK {
		t.Error("more bytes than announced were taken")
	}
	if status := e.send(document.Session{Method: s.Method, URL: s.URL + "0", Headers: s.Headers}, announced); status != http.StatusForbidden {
		t.Errorf("a changed URL gave %d, want 403", status)
	}
	if got := e.documents(); got != 0 {
		t.Errorf("got %d documents, want 0", got)
	}
	CheckInvariants(t, e)
}

func TestAnExpiredSessionSaysSo(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(100_000, 1)
	for _, swept := range []bool{false, true} {
		s := e.begin(content, nil)
		e.send(s, content)
		e.expireLeases()
		if swept {
			e.sweep()
		}
		_, err := e.service.UploadComplete(t.Context(), e.ada, s.ID)
		wantCode(t, err, fault.Conflict)
	}
	_, err := e.service.UploadComplete(t.Context(), e.ada, uuid.New())
	wantCode(t, err, fault.NotFound)
	// The bytes arrive after the end of the session and its sweep: a later sweep takes them.
	late := e.begin(content, nil)
	e.expireLeases()
	e.sweep()
	if status := e.send(late, content); status != http.StatusOK {
		t.Fatalf("PUT gave %d", status)
	}
	e.exec(`UPDATE garbage SET next_at = now()`)
	CheckInvariants(t, e)
}

func TestBeginChecksItsInput(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.exec(`UPDATE storage_usage SET limit_bytes = 1000000`)
	draft := func(change func(*document.BeginDraft)) document.BeginDraft {
		d := document.BeginDraft{CustomerID: e.adasCustomer, FileName: "a.pdf", SizeBytes: 1000}
		change(&d)
		return d
	}
	for name, c := range map[string]struct {
		draft document.BeginDraft
		want  fault.Code
	}{
		"no bytes":         {draft(func(d *document.BeginDraft) { d.SizeBytes = 0 }), fault.BadUserInput},
		"negative":         {draft(func(d *document.BeginDraft) { d.SizeBytes = -1 }), fault.BadUserInput},
		"over the limit":   {draft(func(d *document.BeginDraft) { d.SizeBytes = 5_000_001 }), fault.TooLarge},
		"over the quota":   {draft(func(d *document.BeginDraft) { d.SizeBytes = 1_000_001 }), fault.QuotaExceeded},
		"foreign customer": {draft(func(d *document.BeginDraft) { d.CustomerID = e.bobsCustomer }), fault.NotFound},
	} {
		_, err := e.service.UploadBegin(t.Context(), e.ada, c.draft, nil)
		if got := fault.CodeOf(err); got != c.want {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	_, err := e.service.UploadBegin(t.Context(), viewer(e.ada), draft(func(*document.BeginDraft) {}), nil)
	wantCode(t, err, fault.Forbidden)
	_, err = e.service.UploadComplete(t.Context(), viewer(e.ada), uuid.New())
	wantCode(t, err, fault.Forbidden)
	CheckInvariants(t, e)
}

func TestBeginningAgainWithTheSameKeyGivesTheSameSession(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(100_000, 1)
	first, second := e.begin(content, ptr("key")), e.begin(content, ptr("key"))
	if first.ID != second.ID {
		t.Errorf("got sessions %s and %s", first.ID, second.ID)
	}
	if got := e.number(`SELECT reserved_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID); got != 100_000 {
		t.Errorf("%d bytes are reserved, want 100,000", got)
	}
	_, err := e.service.UploadBegin(t.Context(), e.ada, document.BeginDraft{
		CustomerID: e.adasCustomer, FileName: "large.pdf", SizeBytes: 99_999,
	}, ptr("key"))
	wantCode(t, err, fault.IdempotencyKeyReused)
	if status := e.send(second, content); status != http.StatusOK {
		t.Fatalf("PUT gave %d", status)
	}
	id, err := e.service.UploadComplete(t.Context(), e.ada, first.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(id, content)
	CheckInvariants(t, e)
}
