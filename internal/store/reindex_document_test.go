package store

import "testing"

// TestMigratingKeysDocumentsThatHaveNone: documents that are older than the key, or of a node of an older version, are found by text
// once the database was migrated.
func TestMigratingKeysDocumentsThatHaveNone(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	ada := e.person(e.ada, "Ada")
	for range fillBatch + 1 {
		e.document(ada, "Überlassung")
	}
	for range 2 {
		if _, err := Migrate(t.Context(), e.db.DSN(), nil); err != nil {
			t.Fatal(err)
		}
		if got := e.count(`SELECT count(*) FROM document WHERE search_key = E'uberlassung\n\nuberlassung'`); got != fillBatch+1 {
			t.Errorf("%d documents have their key, want %d", got, fillBatch+1)
		}
	}
}
