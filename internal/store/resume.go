package store

import (
	"context"

	"dossier/internal/auth"
	"dossier/internal/document"
)

const noteSending = `UPDATE upload SET method = nullif($3, ''), declared_crc32c = $4, declared_sha256 = $5 WHERE account_id = $1 AND id = $2`

// noteSending keeps how the bytes of an upload straight to the object store come, in the transaction that begins it.
func (t *tx) noteSending(ctx context.Context, a document.Attempt) error {
	var crc *int64
	if a.Sending.CRC32C != nil {
		n := int64(*a.Sending.CRC32C)
		crc = &n
	}
	n, err := t.exec(ctx, noteSending, a.ID, a.Sending.Method, crc, a.Sending.SHA256)
	return t.one(int(n), err)
}

func crcOf(stored *int64) *uint32 {
	if stored == nil {
		return nil
	}
	crc := uint32(*stored) // noteSending wrote it
	return &crc
}

// keepSession locks the row: of two equal requests the second one finds what the first one noted.
const keepSession = `
UPDATE upload SET session_url = coalesce(session_url, $3), updated_at = now()
WHERE account_id = $1 AND id = $2 AND state = 'PENDING' AND lease_until > now()
RETURNING session_url`

// KeepSession implements document.Store.
func (s documents) KeepSession(ctx context.Context, p auth.Principal, a document.Attempt, sessionURL string) (url string, err error) {
	err = s.in(p.AccountID).queryOne(ctx, []any{&url}, keepSession, a.ID, sessionURL)
	if missing(err) {
		err = document.ErrLease()
	}
	return url, translate("store.KeepSession", err)
}
