package document_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/blob"
	"dossier/internal/document"
)

// TestEqualContentsOfAnAccountAreStoredOnce: whichever way they come, and never across accounts.
func TestEqualContentsOfAnAccountAreStoredOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content, other := pdf(300_000, 1), pdf(300_000, 2)
	first := e.stored("first.pdf", content)
	second := e.stored("second.pdf", content)
	session := e.begin(content, nil)
	e.send(session, content)
	third, err := e.service.UploadComplete(t.Context(), e.ada, session.ID)
	if err != nil {
		t.Fatal(err)
	}
	e.acknowledge(third, content)
	// A document that gets the bytes later, and one that loses them: its first version keeps them.
	replaced := e.stored("replaced.pdf", other)
	for id, bytes := range map[uuid.UUID][]byte{replaced: content, second: other} {
		if err := e.service.Replace(t.Context(), e.ada, id, 1, incoming("new.pdf", bytes), document.Patch{}); err != nil {
			t.Fatal(err)
		}
		e.acknowledge(id, bytes)
	}
	results, err := e.service.Upload(t.Context(), e.bob, document.UploadDraft{CustomerID: e.bobsCustomer}, []document.Incoming{incoming("bob.pdf", content)}, nil)
	if err != nil || results[0].Errs != nil {
		t.Fatal(err, results)
	}
	e.acknowledge(results[0].Document, content)
	CheckInvariants(t, e)
	if got := e.objects(); got != 3 {
		t.Errorf("%d objects, want two of Ada's and one of Bob's", got)
	}
	if got := e.number(`SELECT used_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID); got != 6*300_000 {
		t.Errorf("%d bytes are used, want those of six versions", got)
	}
	if first == second || second == third {
		t.Error("documents were put together")
	}
	names := e.text(`SELECT string_agg(file_name, ' ' ORDER BY file_name) FROM document_version WHERE account_id = $1`, e.ada.AccountID)
	if want := "first.pdf large.pdf new.pdf new.pdf replaced.pdf second.pdf"; names != want {
		t.Errorf("the versions are called %s, want %s", names, want)
	}
}

func TestEqualContentsAtOnceAreStoredOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(100_000, 1)
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() { e.stored(names(i), content) })
	}
	group.Wait()
	CheckInvariants(t, e)
	if got := e.objects(); got != 1 || e.documents() != 12 {
		t.Errorf("%d objects of %d documents, want 1 of 12", got, e.documents())
	}
}

// TestACrashLeavesNoShareBehind: an upload of bytes that are there already, which ends at any point.
func TestACrashLeavesNoShareBehind(t *testing.T) {
	t.Parallel()
	for _, point := range []string{document.PointBegun, document.PointStored, document.PointComplete} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t)
			content := pdf(100_000, 1)
			e.stored("first.pdf", content)
			e.service.CrashAt(point)
			crashing(func() { e.upload(incoming("second.pdf", content)) })
			CheckInvariants(t, e)
			if got := e.objects(); got != 1 {
				t.Errorf("%d objects, want 1", got)
			}
		})
	}
}

// TestWhoUploadsAgainWhatIsGoneHasItAgain: bytes that the object store has lost are not what a new upload is given.
func TestWhoUploadsAgainWhatIsGoneHasItAgain(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	content := pdf(100_000, 1)
	lost := e.upload(incoming("lost.pdf", content))[0].Document
	if err := e.blobs.Delete(t.Context(), e.text(`SELECT object_key FROM blob`), blob.AnyGeneration); err != nil {
		t.Fatal(err)
	}
	if r := e.sweep(); r.Missing != 1 {
		t.Errorf("got %+v, want one missing", r)
	}
	e.stored("again.pdf", content)
	if r := e.sweep(); r.Missing != 1 || r.Deleted != 0 {
		t.Errorf("got %+v, want one missing still and nothing deleted", r)
	}
	e.checkAcknowledged(t)
	if got := e.number(`SELECT count(*) FROM document_version v JOIN blob b ON b.id = v.blob_id WHERE v.document_id <> $1`, lost); got != 1 {
		t.Errorf("%d versions share the new object, want 1", got)
	}
}
