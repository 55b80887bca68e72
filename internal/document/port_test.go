package document_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/blob"
	"dossier/internal/document"
)

// attempt gives the one upload there is, as its service has it.
func (e *env) attempt() document.Attempt {
	e.t.Helper()
	return document.Attempt{
		ID:        uuid.MustParse(e.text(`SELECT id::text FROM upload`)),
		ObjectKey: e.text(`SELECT object_key FROM upload`),
	}
}

func TestAnUploadThatIsDoneCannotFailAnyMore(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.stored("a.pdf", pdf(5000, 1))
	if err := e.store.Documents().FailUpload(t.Context(), e.ada, e.attempt(), true); err != nil {
		t.Fatal(err)
	}
	if got := e.number(`SELECT count(*) FROM garbage`); got != 0 {
		t.Errorf("the object of a document became garbage")
	}
	if got := e.text(`SELECT state FROM upload`); got != document.UploadDone {
		t.Errorf("the upload is %s, want %s", got, document.UploadDone)
	}
	CheckInvariants(t, e)
}

func TestALeaseThatHasEndedIsNotExtended(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.service.CrashAt(document.PointBegun)
	crashing(func() { e.upload(incoming("a.pdf", pdf(5000, 1))) })
	documents, a := e.store.Documents(), e.attempt()
	if err := documents.ExtendUpload(t.Context(), e.bob, a, time.Hour); !errors.Is(err, document.ErrLeaseLost) {
		t.Errorf("somebody else's upload: got %v, want %v", err, document.ErrLeaseLost)
	}
	if err := documents.ExtendUpload(t.Context(), e.ada, a, time.Hour); err != nil {
		t.Errorf("a running lease: %v", err)
	}
	e.expireLeases()
	if err := documents.ExtendUpload(t.Context(), e.ada, a, time.Hour); !errors.Is(err, document.ErrLeaseLost) {
		t.Errorf("a lease that has ended: got %v, want %v", err, document.ErrLeaseLost)
	}
	CheckInvariants(t, e)
}

func TestOnlyWhatNobodyOwnsBecomesGarbage(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	e.stored("a.pdf", pdf(5000, 1))
	e.begin(pdf(5000, 2), nil)
	keys := []string{
		e.text(`SELECT object_key FROM document_version`), e.text(`SELECT object_key FROM upload WHERE state = 'PENDING'`),
		blob.NewKey(uuid.New()), // of an account that does not exist
	}
	if n, err := e.store.Sweep().AddGarbage(t.Context(), keys, time.Hour); err != nil || n != 0 {
		t.Errorf("got %d, %v, want no garbage", n, err)
	}
	if n, err := e.store.Sweep().AddGarbage(t.Context(), []string{blob.NewKey(e.ada.AccountID)}, time.Hour); err != nil || n != 1 {
		t.Errorf("got %d, %v, want one", n, err)
	}
	CheckInvariants(t, e)
}
