package store

import (
	"strconv"
	"testing"
	"time"

	"dossier/internal/blob"
	"dossier/internal/document"
	"dossier/internal/typeid"
)

// BenchmarkUploadsOfOneAccount is the two transactions of a small file, without its bytes, by many writers of one account.
func BenchmarkUploadsOfOneAccount(b *testing.B) {
	e := newEnv(b)
	if _, err := e.admin.Exec(b.Context(), `UPDATE storage_usage SET limit_bytes = 1000000000000`); err != nil {
		b.Fatal(err)
	}
	id := e.person(e.ada, "Uploads")
	defer e.processorTime(b)()
	docs := e.store.Documents()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for n := 0; pb.Next(); n++ {
			a := document.Attempt{
				ID: typeid.New(), Mode: document.ModeStream, CustomerID: id, ObjectKey: blob.NewKey(e.ada.AccountID),
				FileName: "a.pdf", Title: "a " + strconv.Itoa(n), DeclaredBytes: -1, WantBytes: 1000, NeedBytes: 1, Lease: time.Minute,
			}
			if _, err := docs.BeginUpload(b.Context(), e.ada, a); err != nil {
				b.Error(err)
				return
			}
			c := document.Content{DocumentID: typeid.New(), VersionID: typeid.New(), ContentType: "application/pdf", SizeBytes: 900, Generation: 1}
			if _, err := docs.CompleteUpload(b.Context(), e.ada, a, c); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
