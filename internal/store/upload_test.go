package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// begun is an upload that waits for its bytes.
func (e *env) begun(p auth.Principal, customer uuid.UUID) (document.Attempt, document.Content) {
	e.t.Helper()
	a := document.Attempt{
		ID: typeid.New(), Mode: document.ModeStream, CustomerID: customer, ObjectKey: blob.NewKey(p.AccountID), FileName: "a.pdf", Title: "A",
		DeclaredBytes: -1, WantBytes: 10, NeedBytes: 1, Lease: time.Minute,
	}
	if _, err := e.store.Documents().BeginUpload(e.t.Context(), p, a); err != nil {
		e.t.Fatal(err)
	}
	return a, document.Content{DocumentID: typeid.New(), VersionID: typeid.New(), ContentType: completing, SizeBytes: 7, Answer: []byte{1}}
}

// completing marks what is sent to complete an upload.
const completing = "application/x-completing"

// TestCompletionWithoutAnAnswer cuts the connection around the one round trip that completes an upload.
func TestCompletionWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	n := network{marker: completing}
	e := newEnv(t, func(c *Config) { c.dial, c.outcomeTimeout = n.dial, time.Second })
	customer := e.person(e.ada, "Ada")
	docs := e.store.Documents()

	for name, cut := range map[string]func(){
		"on the way there": func() { n.before.Store(true) },
		"on the way back":  func() { n.after.Store(true) },
	} {
		a, c := e.begun(e.ada, customer)
		cut()
		id, err := docs.CompleteUpload(t.Context(), e.ada, a, c)
		if err != nil || id != c.DocumentID {
			t.Errorf("completed, but the answer got lost %s: %v, want success", name, err)
		}
		e.wantMade(c.DocumentID, 1)
	}

	a, c := e.begun(e.ada, customer)
	n.last.Store(true)
	_, err := docs.CompleteUpload(t.Context(), e.ada, a, c)
	if fault.CodeOf(err) != fault.Unavailable || !errors.Is(err, document.ErrOutcomeUnknown) {
		t.Errorf("completed, then the database is gone: %v, want UNAVAILABLE with an unknown outcome", err)
	}
	n.down.Store(false)
	for range 2 { // also when it is done already
		if id, err := docs.CompleteUpload(t.Context(), e.ada, a, c); err != nil || id != c.DocumentID {
			t.Errorf("completed again: %v, want success", err)
		}
	}
	e.wantMade(c.DocumentID, 1)
	if used := e.count(`SELECT used_bytes FROM storage_usage WHERE reserved_bytes = 0 AND account_id = $1`, e.ada.AccountID); used != 3*7 {
		t.Errorf("%d bytes are used, want those of three files", used)
	}
}

// wantMade holds that an upload made so many documents, with all that belongs to them.
func (e *env) wantMade(id uuid.UUID, want int) {
	e.t.Helper()
	for what, query := range map[string]string{
		"documents":      `SELECT count(*) FROM document WHERE id = $1 AND account_id = $2`,
		"versions":       `SELECT count(*) FROM document_version WHERE document_id = $1 AND account_id = $2 AND state = 'AVAILABLE'`,
		"revisions":      `SELECT count(*) FROM revision WHERE subject_id = $1 AND account_id = $2`,
		"timeline lines": `SELECT count(*) FROM timeline_entry WHERE subject_id = $1 AND account_id = $2`,
		"events":         `SELECT count(*) FROM event WHERE subject_id = $1 AND account_id = $2`,
		"uploads done":   `SELECT count(*) FROM upload WHERE document_id = $1 AND account_id = $2 AND state = 'DONE'`,
	} {
		if got := e.count(query, id, e.ada.AccountID); got != want {
			e.t.Errorf("%d %s, want %d", got, what, want)
		}
	}
}

// TestCompletionOfAnEndedUploadMakesNothing: the round trip must roll back all of itself.
func TestCompletionOfAnEndedUploadMakesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customer := e.person(e.ada, "Ada")
	docs := e.store.Documents()
	for name, end := range map[string]string{
		"failed":        `UPDATE upload SET state = 'FAILED' WHERE id = $1`,
		"expired":       `UPDATE upload SET lease_until = now() - interval '1 second' WHERE id = $1`,
		"gone":          `DELETE FROM upload WHERE id = $1`,
		"of an account": `UPDATE upload SET account_id = account_id WHERE id = $1`,
	} {
		a, c := e.begun(e.ada, customer)
		if _, err := e.admin.Exec(t.Context(), end, a.ID); err != nil {
			t.Fatal(err)
		}
		p := e.ada
		if name == "of an account" {
			p = e.bob
		}
		if _, err := docs.CompleteUpload(t.Context(), p, a, c); !errors.Is(err, document.ErrLeaseLost) {
			t.Errorf("%s: %v, want ErrLeaseLost", name, err)
		}
		e.wantMade(c.DocumentID, 0)
	}
	a, c := e.begun(e.ada, customer)
	c.SizeBytes = 1 << 40
	if _, err := docs.CompleteUpload(t.Context(), e.ada, a, c); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Errorf("larger than the storage: %v, want QUOTA_EXCEEDED", err)
	}
	e.wantMade(c.DocumentID, 0)
}
