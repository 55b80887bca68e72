package store

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
)

// Locks are taken in the same order by all that touches an upload: its row, its idempotency key, the document, the
// account's storage, and last, with the events, the account.

// insertUpload locks the customer as tx.adds does, in the same statement. The file of a job is of no customer.
const insertUpload = `
WITH held AS MATERIALIZED (
	SELECT FROM customer WHERE account_id = $1 AND id = $5 AND status <> 'MERGED' FOR SHARE
)
INSERT INTO upload (account_id, id, created_at, updated_at, created_by_kind, created_by_id, customer_id, document_id, mode, state,
	object_key, file_name, title, expires_on, declared_bytes, reserved_bytes, lease_until, area_id, draft)
SELECT $1, $2::uuid, now(), now(), $3::text, $4::uuid, $5::uuid, $6::uuid, $7::text, 'PENDING', $8::text, $9::text, $10::text, $11::date,
	$12::bigint, $13::bigint, now() + $14 * interval '1 microsecond', $15::uuid, $16::jsonb
WHERE $5::uuid IS NULL OR EXISTS (SELECT FROM held)
RETURNING lease_until`

// relaxedCommit lets the transaction end before its record is on the disk. A PENDING upload that a crash of PostgreSQL
// takes back is one that nobody was promised (the session of a direct upload was): its closing transaction finds no row and fails. What the closing
// transaction writes to the disk includes everything before it.
const relaxedCommit = `SELECT set_config('synchronous_commit', 'off', true) WHERE $1::uuid IS NOT NULL`

// beginStream is BeginUpload in one statement, for the usual case: a new streamed upload for which there is room, for a
// customer that is not merged, which it locks as tx.adds does, or for none, and of a file that the account allows unless that
// was asked before. It gives no row when that is not so.
const beginStream = `
WITH relaxed AS MATERIALIZED (
	SELECT set_config('synchronous_commit', 'off', true)
), allowed AS MATERIALIZED (
	SELECT max_file_bytes FROM account WHERE id = $1 AND ($16::boolean OR max_file_bytes >= $12)
), held AS MATERIALIZED (
	SELECT FROM customer WHERE account_id = $1 AND id = $5 AND status <> 'MERGED' FOR SHARE
), reserved AS (
	UPDATE storage_usage SET reserved_bytes = reserved_bytes + $12
	WHERE account_id = $1 AND EXISTS (SELECT FROM allowed) AND ($5::uuid IS NULL OR EXISTS (SELECT FROM held)) AND used_bytes + reserved_bytes + greatest($12::bigint, $13::bigint) <= limit_bytes
	RETURNING limit_bytes, used_bytes + reserved_bytes AS used_bytes
)
INSERT INTO upload (account_id, id, created_at, updated_at, created_by_kind, created_by_id, customer_id, document_id, mode, state,
	object_key, file_name, title, expires_on, declared_bytes, reserved_bytes, lease_until, area_id)
SELECT $1, $2, now(), now(), $3, $4, $5, $6, 'STREAM', 'PENDING', $7, $8, $9, $10::date, $11, $12, now() + $14 * interval '1 microsecond', $15
FROM reserved, relaxed
RETURNING lease_until, (SELECT limit_bytes FROM reserved), (SELECT used_bytes FROM reserved), (SELECT max_file_bytes FROM allowed)`

// beginAtOnce tries beginStream. False means that somebody has to look closer, and that nothing was done. asked says that it was
// asked before what the account allows.
func (s documents) beginAtOnce(
	ctx context.Context, p auth.Principal, a document.Attempt, asked bool,
) (begun document.Begun, maxFileBytes int64, ok bool, err error) {
	if a.Mode != document.ModeStream || a.Key != nil || p.IsZero() || limited(a) {
		return begun, 0, false, nil
	}
	t := &tx{by: p}
	kind, actorID := t.actor()
	err = s.readOne(ctx, p.AccountID, []any{&begun.LeaseUntil, &begun.Quota.LimitBytes, &begun.Quota.UsedBytes, &maxFileBytes}, beginStream,
		idArg(a.ID), kind, optionalID(actorID), optionalID(nullID(a.CustomerID)), optionalID(nullID(a.DocumentID)),
		a.ObjectKey, a.FileName, a.Title, dateOf(a.ExpiresOn), declared(a), a.WantBytes, a.NeedBytes, a.Lease.Microseconds(),
		optionalID(nullID(a.Details.AreaID)), asked)
	if missing(err) || retryable(err) {
		return document.Begun{}, 0, false, nil
	}
	begun.ReservedBytes = a.WantBytes
	return begun, maxFileBytes, err == nil, err
}

// BeginUnasked implements document.Store.
func (s documents) BeginUnasked(ctx context.Context, p auth.Principal, a document.Attempt) (document.Begun, int64, bool, error) {
	begun, maxFileBytes, ok, err := s.beginAtOnce(patiently(ctx), p, a, false)
	return begun, maxFileBytes, ok, translate("store.BeginUnasked", err)
}

// BeginUpload implements document.Store. A direct upload is answered with its own id, so its key is done here already.
func (s documents) BeginUpload(ctx context.Context, p auth.Principal, a document.Attempt) (begun document.Begun, err error) {
	ctx = patiently(ctx)
	if begun, _, ok, err := s.beginAtOnce(ctx, p, a, true); ok || err != nil {
		return begun, translate("store.BeginUpload", err)
	}
	err = s.inTx(ctx, "store.BeginUpload", p, func(ctx context.Context, t *tx) error {
		begun = document.Begun{}
		if a.Mode == document.ModeStream {
			if _, err := t.exec(ctx, relaxedCommit); err != nil {
				return err
			}
		}
		answer, err := t.idempotencyBegin(ctx, a.Key, a.Lease)
		if err != nil || answer != nil {
			begun.Answer = answer
			return err
		}
		// Before the storage: a merge has the customer and waits for uploads, which wait for the storage when they complete.
		if a.CustomerID != uuid.Nil {
			if err := t.adds(ctx, a.CustomerID, nil); err != nil {
				return err
			}
		}
		if err := t.holdPlace(ctx, a); err != nil {
			return err
		}
		if begun.ReservedBytes, begun.Quota, err = t.reserve(ctx, a.WantBytes, a.NeedBytes); err != nil {
			return err
		}
		draft, err := draftOf(a)
		if err != nil {
			return err
		}
		kind, actorID := t.actor()
		err = t.queryOne(ctx, []any{&begun.LeaseUntil}, insertUpload, a.ID, kind, actorID, nullID(a.CustomerID), nullID(a.DocumentID), a.Mode,
			a.ObjectKey, a.FileName, a.Title, dateOf(a.ExpiresOn), declared(a), begun.ReservedBytes, a.Lease.Microseconds(),
			nullID(a.Details.AreaID), draft)
		if missing(err) && a.CustomerID != uuid.Nil {
			return cmp.Or(t.adds(ctx, a.CustomerID, nil), errLostLock)
		}
		if err != nil || a.Mode != document.ModeDirect {
			return err
		}
		if err := t.noteSending(ctx, a); err != nil {
			return err
		}
		return t.idempotencyAnswer(ctx, a.Key, a.ID[:])
	})
	return begun, err
}

// declared is the announced size, nil when there is none.
func declared(a document.Attempt) *int64 {
	if a.DeclaredBytes < 0 {
		return nil
	}
	return &a.DeclaredBytes
}

func nullID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

const reserveBytes = `
UPDATE storage_usage SET reserved_bytes = reserved_bytes + $2
WHERE account_id = $1 AND used_bytes + reserved_bytes + greatest($2::bigint, $3::bigint) <= limit_bytes
RETURNING limit_bytes, used_bytes + reserved_bytes`

const readQuota = `SELECT limit_bytes, used_bytes + reserved_bytes FROM storage_usage WHERE account_id = $1`

// reserve sets bytes of the account's storage aside: want, or what is left when that is at least need. The condition and
// the change are one statement, so used and reserved bytes together are never more than the limit.
func (t *tx) reserve(ctx context.Context, want, need int64) (int64, document.Quota, error) {
	var q document.Quota
	for range 4 {
		err := t.queryOne(ctx, []any{&q.LimitBytes, &q.UsedBytes}, reserveBytes, want, need)
		if err == nil {
			return want, q, nil
		}
		if !missing(err) {
			return 0, q, err
		}
		q = document.Quota{}
		if err := t.queryOne(ctx, []any{&q.LimitBytes, &q.UsedBytes}, readQuota); err != nil && !missing(err) {
			return 0, q, err
		}
		left := q.LimitBytes - q.UsedBytes
		if left < need || left <= 0 {
			break
		}
		want = min(want, left)
	}
	return 0, q, document.ErrQuota(q, nil)
}

const extendLease = `
WITH held AS (
	UPDATE upload SET lease_until = greatest(lease_until, now() + $3 * interval '1 microsecond'), updated_at = now()
	WHERE account_id = $1 AND id = $2 AND state = 'PENDING' AND lease_until > now()
	RETURNING lease_until
), claim AS (
	UPDATE idempotency i SET lease_until = held.lease_until FROM held
	WHERE i.account_id = $1 AND i.principal_id = $4 AND i.field = $5 AND i.key = $6 AND i.response IS NULL
)
SELECT count(*) FROM held`

// ExtendUpload implements document.Store.
func (s documents) ExtendUpload(ctx context.Context, p auth.Principal, a document.Attempt, lease time.Duration) error {
	var field, key string
	if a.Key != nil {
		field, key = a.Key.Field, a.Key.Value
	}
	var held int
	err := s.in(p.AccountID).queryOne(ctx, []any{&held}, extendLease, a.ID, lease.Microseconds(), p.ID, field, key)
	if err == nil && held == 0 {
		err = document.ErrLease()
	}
	return translate("store.ExtendUpload", err)
}

// uploadRow is what the end of an upload depends on.
type uploadRow struct {
	state    string
	reserved int64
	document *uuid.UUID
	// customer is whose it is now: the one that it was begun for may have been merged into another one since.
	customer uuid.UUID
	expired  bool
}

const lockUploadRow = `
SELECT state, reserved_bytes, document_id, customer_id, lease_until <= clock_timestamp() FROM upload
WHERE account_id = $1 AND id = $2 FOR UPDATE`

func (t *tx) lockUpload(ctx context.Context, id uuid.UUID) (uploadRow, error) {
	var r uploadRow
	err := t.queryOne(ctx, []any{&r.state, &r.reserved, &r.document, &r.customer, &r.expired}, lockUploadRow, id)
	return r, err
}

const endUpload = `UPDATE upload SET state = $3, document_id = coalesce($4, document_id), reserved_bytes = 0, updated_at = now()
WHERE account_id = $1 AND id = $2 AND state = 'PENDING'`

// holdUpload locks an upload and fails when it is not PENDING under a lease, or of another customer since a merge.
const holdUpload = `
SELECT 1 / count(*) FROM (
	SELECT FROM upload WHERE account_id = $1 AND id = $2 AND customer_id = $3 AND state = 'PENDING' AND lease_until > clock_timestamp() FOR UPDATE
) AS held`

var mustAnswerKey, mustSettle, mustEndUpload = must(answerKey), must(settleUpload), must(endUpload)

// CompleteUpload implements document.Store.
func (s documents) CompleteUpload(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content) (id uuid.UUID, err error) {
	ctx = patiently(ctx)
	var cause error
	if a.DocumentID == uuid.Nil && !p.IsZero() {
		var sent bool
		sent, err = s.completeAtOnce(ctx, p, a, c)
		if err == nil {
			return c.DocumentID, nil
		}
		if sent && !refused(err) {
			cause = err
		}
	}
	// Step by step it is seen which condition does not hold. And when the answer got lost, whether it was made: whichever
	// of the two transactions locks the upload first completes it, and the other one finds it DONE.
	id, err = s.completeInSteps(ctx, p, a, c)
	if err != nil && cause != nil && !fault.CodeOf(err).Expected() {
		err = unknownOutcome(errors.Join(cause, err))
	}
	if isUnknown(err) {
		err = &fault.Error{Code: fault.CodeOf(err), Message: unknownUpload, Err: errors.Join(document.ErrOutcomeUnknown, err)}
	}
	if err != nil {
		return uuid.Nil, err
	}
	return id, nil
}

// completeAtOnce makes a new document of an upload that is as it should be.
func (s documents) completeAtOnce(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content) (sent bool, err error) {
	return s.atOnce(ctx, p, func(t *tx, b *statements) {
		b.add(holdUpload, idArg(a.ID), idArg(a.CustomerID))
		if a.Key != nil {
			b.add(mustAnswerKey, idArg(t.by.ID), a.Key.Field, a.Key.Value, c.Answer)
		}
		b.add(insertDocument, t.documentArgs(newDocument(a, c), a, c)...)
		// The account's storage is one row that all its uploads change: it is locked late, just before the event numbers.
		b.add(mustSettle, idArg(a.ID), c.SizeBytes)
		b.add(mustEndUpload, idArg(a.ID), document.UploadDone, idArg(c.DocumentID))
	})
}

func (s documents) completeInSteps(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content) (id uuid.UUID, err error) {
	err = s.inTx(ctx, "store.CompleteUpload", p, func(ctx context.Context, t *tx) error {
		id = uuid.Nil
		row, err := t.lockUpload(ctx, a.ID)
		switch {
		case missing(err):
			return document.ErrLease()
		case err != nil:
			return err
		case row.state == document.UploadDone && row.document != nil:
			id = *row.document
			return nil
		case row.state != document.UploadPending || row.expired:
			return document.ErrLease()
		}
		id = c.DocumentID
		return t.completeUpload(ctx, row, a, c)
	})
	return id, err
}

const unknownUpload = "It is not known whether the file was stored. Look for it, or repeat the request with the same idempotency key."

func (t *tx) completeUpload(ctx context.Context, row uploadRow, a document.Attempt, c document.Content) error {
	if err := t.idempotencyAnswer(ctx, a.Key, c.Answer); err != nil {
		return err
	}
	a.CustomerID = row.customer
	var err error
	if a.DocumentID == uuid.Nil {
		_, err = t.exec(ctx, insertDocument, t.documentArgs(newDocument(a, c), a, c)...)
	} else {
		err = t.replaceContent(ctx, a, c)
	}
	if err != nil {
		return err
	}
	n, err := t.exec(ctx, endUpload, a.ID, document.UploadDone, c.DocumentID)
	if err := t.one(int(n), err); err != nil {
		return err
	}
	return t.settle(ctx, row.reserved, c.SizeBytes)
}

// garbageTime is how long the object of a failed upload is deleted again and again: a store may still be writing it.
const garbageTime = 24 * time.Hour

const addGarbage = `
INSERT INTO garbage (account_id, id, created_at, object_key, session_url, until, next_at)
VALUES ($1, $2, now(), $3, (SELECT session_url FROM upload WHERE account_id = $1 AND object_key = $3),
	now() + $4 * interval '1 microsecond', now())
ON CONFLICT (object_key) DO UPDATE SET until = greatest(garbage.until, excluded.until), next_at = now()`

// FailUpload implements document.Store.
func (s documents) FailUpload(ctx context.Context, p auth.Principal, a document.Attempt, mayHaveObject bool) error {
	return s.inTx(patiently(ctx), "store.FailUpload", p, func(ctx context.Context, t *tx) error {
		row, err := t.lockUpload(ctx, a.ID)
		switch {
		case err != nil && !missing(err):
			return err
		case err == nil && row.state == document.UploadDone:
			return nil
		case err == nil && row.state == document.UploadPending:
			if err := t.failUpload(ctx, row, a); err != nil {
				return err
			}
		}
		if !mayHaveObject {
			return nil
		}
		_, err = t.exec(ctx, addGarbage, t.newID(), a.ObjectKey, garbageTime.Microseconds())
		return err
	})
}

func (t *tx) failUpload(ctx context.Context, row uploadRow, a document.Attempt) error {
	if err := t.idempotencyRelease(ctx, a.Key); err != nil {
		return err
	}
	if err := t.settle(ctx, row.reserved, 0); err != nil {
		return err
	}
	n, err := t.exec(ctx, endUpload, a.ID, document.UploadFailed, nil)
	return t.one(int(n), err)
}

const findDirect = `
SELECT u.state, u.customer_id, u.document_id, u.object_key, u.file_name, u.title, u.expires_on, coalesce(u.declared_bytes, -1), u.lease_until,
	u.lease_until <= now(), coalesce(u.method, 'PUT'), coalesce(u.session_url, ''), u.declared_crc32c, u.declared_sha256,
	u.area_id, u.draft, coalesce(d.key, ''), d.accept
FROM upload u LEFT JOIN attribute_definition d ON d.account_id = u.account_id AND d.id = u.area_id
WHERE u.account_id = $1 AND u.id = $2 AND u.mode = 'DIRECT'`

// DirectUpload implements document.Store.
func (s documents) DirectUpload(ctx context.Context, p auth.Principal, id uuid.UUID) (document.Direct, error) {
	d := document.Direct{Attempt: document.Attempt{ID: id, Mode: document.ModeDirect}}
	var made, area *uuid.UUID
	var draft, accept []byte
	var crc *int64
	err := s.in(p.AccountID).queryOne(ctx, []any{
		&d.State, &d.CustomerID, &made, &d.ObjectKey, &d.FileName, &d.Title, &d.ExpiresOn, &d.DeclaredBytes, &d.LeaseUntil, &d.Expired,
		&d.Sending.Method, &d.Sending.SessionURL, &crc, &d.Sending.SHA256, &area, &draft, &d.AreaKey, &accept,
	}, findDirect, id)
	d.Sending.CRC32C = crcOf(crc)
	if missing(err) {
		err = notFound(nil, "upload session")
	}
	if err == nil && d.State == document.UploadDone && made == nil {
		err = fault.New(fault.Conflict, "The document of this upload was deleted.")
	}
	if made != nil {
		d.DocumentID = *made
	}
	if err == nil {
		err = readDraft(&d.Attempt, area, draft, accept)
	}
	return d, translate("store.DirectUpload", err)
}
