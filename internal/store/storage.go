package store

import (
	"context"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/timeline"
)

// The storage of an account is one row. Whatever changes its used bytes or its limit keeps warned_percent what the two make
// it, so that the transaction that comes to 80 or 100 per cent is the one that tells of it. The usual upload looks whether it
// stays between the two, in the statement that settles it; one that does not is completed step by step.

// The shares of the limit, in per cent, that are told of. storageNearly is also in nearlyFull and warned.
const (
	storageNearly = 80
	storageFull   = 100
)

// usage is the row of an account's storage.
type usage struct {
	limit, used, reserved int64
	// warned is how much is used by what was told last: 0, storageNearly or storageFull.
	warned int16
}

// nearlyFull is 80 per cent of a limit, rounded up.
func nearlyFull(limit int64) int64 { return limit - limit/5 }

// level is what warned must be.
func (u usage) level() int16 {
	switch {
	case u.used >= u.limit:
		return storageFull
	case u.used >= nearlyFull(u.limit):
		return storageNearly
	default:
		return 0
	}
}

// warned is usage.level in SQL, of what will be used, of the row s.
func warned(used string) string {
	return "CASE WHEN " + used + " >= s.limit_bytes THEN 100 WHEN " + used + " >= s.limit_bytes - s.limit_bytes / 5 THEN 80 ELSE 0 END"
}

const lockStorage = `SELECT limit_bytes, used_bytes, reserved_bytes, warned_percent FROM storage_usage WHERE account_id = $1 FOR NO KEY UPDATE`

func (t *tx) lockUsage(ctx context.Context) (u usage, err error) {
	err = t.queryOne(ctx, []any{&u.limit, &u.used, &u.reserved, &u.warned}, lockStorage)
	return u, err
}

const writeStorage = `UPDATE storage_usage SET limit_bytes = $2, used_bytes = $3, reserved_bytes = $4, warned_percent = $5 WHERE account_id = $1`

// writeUsage stores the storage that lockUsage gave, and tells when more of it is used than was told of.
func (t *tx) writeUsage(ctx context.Context, u usage) error {
	told := u.warned
	u.warned = u.level()
	if told < storageNearly && u.warned >= storageNearly {
		t.emitStorage(timeline.StorageNearlyFull)
	}
	if told < storageFull && u.warned >= storageFull {
		t.emitStorage(timeline.StorageFull)
	}
	n, err := t.exec(ctx, writeStorage, u.limit, u.used, u.reserved, u.warned)
	return t.one(int(n), err)
}

func (t *tx) emitStorage(event string, fields ...string) {
	t.emit(timeline.Event{Type: event, Subject: timeline.SubjectAccount, SubjectID: t.account, ChangedFields: fields})
}

const releaseBytes = `UPDATE storage_usage SET reserved_bytes = reserved_bytes - $2 WHERE account_id = $1`

// settle turns a reservation into what was used; used is negative where more was given back than taken. More than was
// reserved must fit into the limit.
func (t *tx) settle(ctx context.Context, reserved, used int64) error {
	if used == 0 {
		_, err := t.exec(ctx, releaseBytes, reserved)
		return err
	}
	u, err := t.lockUsage(ctx)
	if err != nil {
		return err
	}
	before := document.Quota{LimitBytes: u.limit, UsedBytes: u.used + u.reserved}
	u.reserved -= reserved
	u.used += used
	if used > reserved && u.used+u.reserved > u.limit {
		return document.ErrQuota(before, nil)
	}
	return t.writeUsage(ctx, u)
}

// settleUpload is settle with the reservation of an upload that is locked and still has it, where nothing is to be told.
var settleUpload = `
UPDATE storage_usage s SET reserved_bytes = s.reserved_bytes - u.reserved_bytes, used_bytes = s.used_bytes + $3
FROM upload u
WHERE s.account_id = $1 AND u.account_id = $1 AND u.id = $2
	AND ($3::bigint <= u.reserved_bytes OR s.used_bytes + s.reserved_bytes - u.reserved_bytes + $3 <= s.limit_bytes)
	AND s.warned_percent = ` + warned("s.used_bytes + $3")

// StorageLimitSet implements account.StorageStore.
func (s *Store) StorageLimitSet(ctx context.Context, p auth.Principal, limits account.StorageLimits) error {
	return s.inTx(ctx, "store.StorageLimitSet", p, func(ctx context.Context, t *tx) error {
		u, err := t.lockUsage(ctx)
		if missing(err) {
			return fault.New(fault.NotFound, "The account does not exist.")
		}
		if err != nil {
			return err
		}
		var fields []string
		if limits.LimitBytes != nil && *limits.LimitBytes != u.limit {
			u.limit = *limits.LimitBytes
			fields = append(fields, "limitBytes")
		}
		if limits.MaxFileBytes != nil {
			n, err := t.exec(ctx, `UPDATE account SET max_file_bytes = $2 WHERE id = $1 AND max_file_bytes <> $2`, *limits.MaxFileBytes)
			if err != nil {
				return err
			}
			if n == 1 {
				fields = append(fields, "maxFileBytes")
			}
		}
		if len(fields) == 0 {
			return nil
		}
		t.emitStorage(timeline.StorageLimitChanged, fields...)
		return t.writeUsage(ctx, u)
	})
}

const readStorage = `SELECT s.limit_bytes, s.used_bytes, s.reserved_bytes, a.max_file_bytes
FROM storage_usage s JOIN account a ON a.id = s.account_id WHERE s.account_id = $1`

// Storage implements account.StorageStore.
func (s *Store) Storage(ctx context.Context, p auth.Principal) (st account.Storage, err error) {
	err = s.in(p.AccountID).queryOne(ctx, []any{&st.LimitBytes, &st.UsedBytes, &st.ReservedBytes, &st.MaxFileBytes}, readStorage)
	if missing(err) {
		err = fault.New(fault.NotFound, "The account does not exist.")
	}
	return st, translate("store.Storage", err)
}
