package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"dossier/internal/idempotency"
)

// A use of an idempotency key is a row of the table idempotency. Its unique index makes concurrent uses wait for the
// transaction that inserted the row first; then they see its answer, or, when it failed, one of them is first itself.
//
// Work of one transaction calls once. Work of several (an upload: bytes pass between two transactions) calls begin in
// the first, with a lease, and answer in the last; until then other uses are told that the first is running, and after
// the end of the lease the next one takes over.

const claimKey = `
INSERT INTO idempotency (account_id, principal_id, field, key, fingerprint, id, created_at, lease_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8 * interval '1 microsecond')
ON CONFLICT (account_id, principal_id, field, key) DO UPDATE
SET lease_until = excluded.lease_until, created_at = excluded.created_at, id = excluded.id
WHERE idempotency.response IS NULL AND idempotency.lease_until < now() AND idempotency.fingerprint = excluded.fingerprint`

const readKey = `SELECT fingerprint, response FROM idempotency
WHERE account_id = $1 AND principal_id = $2 AND field = $3 AND key = $4`

const answerKey = `UPDATE idempotency SET response = $5
WHERE account_id = $1 AND principal_id = $2 AND field = $3 AND key = $4 AND response IS NULL`

const releaseKey = `DELETE FROM idempotency
WHERE account_id = $1 AND principal_id = $2 AND field = $3 AND key = $4 AND response IS NULL`

// idempotencyBegin claims the key for the length of the lease, by the clock of the database. When the key was used
// before with the same input it gives the stored answer instead, which is never empty. It fails with IDEMPOTENCY_KEY_REUSED
// when the input was other or the first use is still running. Without a key it claims nothing.
func (t *tx) idempotencyBegin(ctx context.Context, key *idempotency.Key, lease time.Duration) (answer []byte, err error) {
	if key == nil {
		return nil, nil
	}
	n, err := t.exec(ctx, claimKey, t.by.ID, key.Field, key.Value, key.Fingerprint[:], t.newID(), t.now, lease.Microseconds())
	if err != nil || n == 1 {
		return nil, err
	}
	var fingerprint []byte
	if err := t.queryOne(ctx, []any{&fingerprint, &answer}, readKey, t.by.ID, key.Field, key.Value); err != nil {
		return nil, err
	}
	switch {
	case string(fingerprint) != string(key.Fingerprint[:]):
		return nil, idempotency.Reused()
	case len(answer) == 0:
		return nil, idempotency.Running()
	default:
		return answer, nil
	}
}

// idempotencyAnswer stores the answer under a key that was claimed. The first answer stays: a second one, of somebody
// whose lease had ended, fails, and its transaction with it, so that one key never makes two things.
func (t *tx) idempotencyAnswer(ctx context.Context, key *idempotency.Key, answer []byte) error {
	if key == nil {
		return nil
	}
	n, err := t.exec(ctx, answerKey, t.by.ID, key.Field, key.Value, answer)
	if err == nil && n != 1 {
		return idempotency.Running()
	}
	return err
}

// idempotencyRelease gives up a claim without an answer, so that the same key can be tried again at once.
func (t *tx) idempotencyRelease(ctx context.Context, key *idempotency.Key) error {
	if key == nil {
		return nil
	}
	_, err := t.exec(ctx, releaseKey, t.by.ID, key.Field, key.Value)
	return err
}

// idempotent runs work that makes one thing in this transaction, at most once per key: later uses get the id of what
// the first one made. An error rolls the transaction back and the claim with it, so a failure is never stored.
func (t *tx) idempotent(ctx context.Context, key *idempotency.Key, work func() (uuid.UUID, error)) (uuid.UUID, error) {
	answer, err := t.idempotencyBegin(ctx, key, transactionTimeout)
	if err != nil {
		return uuid.Nil, err
	}
	if answer != nil {
		return uuid.FromBytes(answer)
	}
	id, err := work()
	if err != nil {
		return uuid.Nil, err
	}
	return id, t.idempotencyAnswer(ctx, key, id[:])
}

const pruneKeys = `DELETE FROM idempotency WHERE id IN (
	SELECT id FROM idempotency WHERE created_at < $1 AND lease_until < now() ORDER BY created_at LIMIT 1000)`

// PruneIdempotency forgets the keys that were first used longer ago than keep, which must be 24 hours at least: that is
// what the schema promises. It works in small steps and gives how many it forgot.
func (s *Store) PruneIdempotency(ctx context.Context, keep time.Duration) (int64, error) {
	before := s.now().Add(-max(keep, 24*time.Hour))
	var total int64
	for {
		tag, err := s.system.Exec(ctx, pruneKeys, before)
		if err != nil {
			return total, translate("store.PruneIdempotency", err)
		}
		total += tag.RowsAffected()
		if tag.RowsAffected() == 0 {
			return total, nil
		}
	}
}
