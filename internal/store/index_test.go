package store

import (
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5"

	"dossier/internal/document"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// longest is a text of n characters that takes as many bytes as it can and cannot be compressed.
func longest(n int) string {
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]rune, n)
	for i := range text {
		text[i] = 0x20000 + rune(random.IntN(0xa000))
	}
	return string(text)
}

// TestTheLongestTitlesFitIntoTheIndexes holds that a title within the rules can be stored: an entry of an index has at most a third
// of a page, and the indexes of these lists hold their titles.
func TestTheLongestTitlesFitIntoTheIndexes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	id := e.person(e.ada, "Ada")
	tx, err := e.admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func(tx pgx.Tx) { _ = tx.Rollback(t.Context()) }(tx) // the document has no version, which only a commit would mind
	if _, err := tx.Exec(t.Context(), `INSERT INTO document (id, account_id, created_at, updated_at, customer_id, status, source, title, current_version_id)
		VALUES ($1, $2, now(), now(), $3, 'QUARANTINED', 'CUSTOMER', $4, $1)`, typeid.New(), e.ada.AccountID, id, longest(document.MaxTitleLength)); err != nil {
		t.Error("document:", err)
	}
	if _, err := tx.Exec(t.Context(), `INSERT INTO timeline_entry (id, account_id, created_at, updated_at, customer_id, at, kind, title)
		VALUES ($1, $2, now(), now(), $3, now(), 'DOCUMENT_REPLACED', $4)`, typeid.New(), e.ada.AccountID, id, longest(timeline.MaxTitle)); err != nil {
		t.Error("timeline entry:", err)
	}
}
