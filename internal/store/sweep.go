package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"dossier/internal/document"
	"dossier/internal/typeid"
)

// The sweeper works across accounts: what it changes is chosen by time and state, never by the input of a client. Each
// statement is safe by itself, whatever other nodes do meanwhile; the lead only keeps two from doing the same work.

// sweeps is the Store as the sweeper sees it.
type sweeps struct{ *Store }

var _ document.SweepStore = sweeps{}

// Sweep gives the Store as the sweeper sees it.
func (s *Store) Sweep() document.SweepStore { return sweeps{s} }

// sweepLock is the advisory lock of the leader, leadCheck how often the leader looks whether it still has it.
const (
	sweepLock = 0x646f737369657202
	leadCheck = 5 * time.Second
)

// Lead implements document.SweepStore. The lock belongs to a connection of its own, not of the pool, so that it is
// neither shared nor outlives the connection.
func (s sweeps) Lead(ctx context.Context, work func(ctx context.Context) error) (bool, error) {
	conn, err := pgx.ConnectConfig(ctx, s.conns.Config().ConnConfig)
	if err != nil {
		return false, translate("store.Lead", err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), acquireTimeout)
		defer cancel()
		_ = conn.Close(closing) // the server gives the lock up either way
	}()
	var led bool
	if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, int64(sweepLock)).Scan(&led); err != nil || !led {
		return false, translate("store.Lead", err)
	}
	working, stop := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchLead(working, conn, stop)
	}()
	err = work(working)
	stop(nil)
	<-watched
	// Closing gives the lock up too, but a moment later: the next sweep would find it taken.
	unlocking, cancel := context.WithTimeout(context.WithoutCancel(ctx), acquireTimeout)
	defer cancel()
	_, _ = conn.Exec(unlocking, `SELECT pg_advisory_unlock($1)`, int64(sweepLock))
	return true, translate("store.Lead", err)
}

// watchLead ends the work when the connection that holds the lock is gone.
func watchLead(ctx context.Context, conn *pgx.Conn, stop context.CancelCauseFunc) {
	tick := time.NewTicker(leadCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Not with ctx: a ping that is cut off would close the connection.
		ping, cancel := context.WithTimeout(context.WithoutCancel(ctx), acquireTimeout)
		err := conn.Ping(ping)
		cancel()
		if err != nil {
			stop(err)
			return
		}
	}
}

const expireUploads = `
WITH expired AS (
	SELECT id, account_id, object_key, session_url, reserved_bytes FROM upload
	WHERE state = 'PENDING' AND lease_until <= now() ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
), failed AS (
	UPDATE upload u SET state = 'FAILED', reserved_bytes = 0, updated_at = now() FROM expired e WHERE u.id = e.id
), released AS (
	UPDATE storage_usage s SET reserved_bytes = s.reserved_bytes - e.bytes
	FROM (SELECT account_id, sum(reserved_bytes)::bigint AS bytes FROM expired GROUP BY account_id) e WHERE s.account_id = e.account_id
), thrown AS (
	INSERT INTO garbage (id, account_id, created_at, object_key, session_url, until, next_at)
	SELECT gen_random_uuid(), account_id, now(), object_key, session_url, now() + $2 * interval '1 microsecond', now() FROM expired
	ON CONFLICT (object_key) DO NOTHING
)
SELECT count(*) FROM expired`

// ExpireUploads implements document.SweepStore.
func (s sweeps) ExpireUploads(ctx context.Context, limit int, keep time.Duration) (n int, err error) {
	err = s.system.QueryRow(ctx, expireUploads, limit, keep.Microseconds()).Scan(&n)
	return n, translate("store.ExpireUploads", err)
}

const dueGarbage = `
SELECT g.id, g.object_key, coalesce(g.session_url, ''), EXISTS (SELECT FROM document_version v WHERE v.object_key = g.object_key AND v.state <> 'DELETED')
	OR EXISTS (SELECT FROM job j WHERE j.source_key = g.object_key) OR EXISTS (SELECT FROM job j WHERE j.result_key = g.object_key)
	OR EXISTS (SELECT FROM image_file f WHERE f.object_key = g.object_key) OR EXISTS (SELECT FROM blob b WHERE b.object_key = g.object_key)
	OR EXISTS (SELECT FROM document_rendition r WHERE r.object_key = g.object_key)
FROM garbage g WHERE g.next_at <= now() ORDER BY g.next_at LIMIT $1`

// DueGarbage implements document.SweepStore.
func (s sweeps) DueGarbage(ctx context.Context, limit int) ([]document.Garbage, error) {
	rows, err := s.system.Query(ctx, dueGarbage, limit)
	if err != nil {
		return nil, translate("store.DueGarbage", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (g document.Garbage, err error) {
		return g, row.Scan(&g.ID, &g.ObjectKey, &g.SessionURL, &g.Owned)
	})
	return list, translate("store.DueGarbage", err)
}

// GarbageDeleted implements document.SweepStore.
func (s sweeps) GarbageDeleted(ctx context.Context, ids []uuid.UUID, pause time.Duration) error {
	if _, err := s.system.Exec(ctx, `DELETE FROM garbage WHERE id = ANY ($1) AND until <= now()`, ids); err != nil {
		return translate("store.GarbageDeleted", err)
	}
	return s.postpone(ctx, ids, pause)
}

// GarbageFailed implements document.SweepStore.
func (s sweeps) GarbageFailed(ctx context.Context, ids []uuid.UUID, pause time.Duration) error {
	return s.postpone(ctx, ids, pause)
}

// postpone never moves the last deletion behind the end of the garbage's time.
func (s sweeps) postpone(ctx context.Context, ids []uuid.UUID, pause time.Duration) error {
	_, err := s.system.Exec(ctx, `UPDATE garbage
		SET next_at = CASE WHEN until > now() THEN least(until, now() + $2 * interval '1 microsecond') ELSE now() + $2 * interval '1 microsecond' END
		WHERE id = ANY ($1)`, ids, pause.Microseconds())
	return translate("store.postpone", err)
}

// ForgetGarbage implements document.SweepStore.
func (s sweeps) ForgetGarbage(ctx context.Context, ids []uuid.UUID) error {
	_, err := s.system.Exec(ctx, `DELETE FROM garbage WHERE id = ANY ($1)`, ids)
	return translate("store.ForgetGarbage", err)
}

// addOrphans takes the keys apart before it looks for the accounts: below a policy PostgreSQL looks nothing up by what a function
// gives that could tell of its arguments.
const addOrphans = `
INSERT INTO garbage (id, account_id, created_at, object_key, until, next_at)
SELECT gen_random_uuid(), a.id, now(), k.key, now() + $2 * interval '1 microsecond', now()
FROM (SELECT key, split_part(key, '/', 1)::uuid AS account FROM unnest($1::text[]) AS key OFFSET 0) k JOIN account a ON a.id = k.account
WHERE NOT EXISTS (SELECT FROM document_version v WHERE v.object_key = k.key AND v.state <> 'DELETED')
	AND NOT EXISTS (SELECT FROM image_file f WHERE f.object_key = k.key) AND NOT EXISTS (SELECT FROM blob b WHERE b.object_key = k.key)
	AND NOT EXISTS (SELECT FROM document_rendition r WHERE r.object_key = k.key)
	AND NOT EXISTS (SELECT FROM upload u WHERE u.object_key = k.key AND u.state = 'PENDING')
	AND NOT EXISTS (SELECT FROM job j WHERE j.source_key = k.key) AND NOT EXISTS (SELECT FROM job j WHERE j.result_key = k.key)
ON CONFLICT (object_key) DO NOTHING`

// AddGarbage implements document.SweepStore.
func (s sweeps) AddGarbage(ctx context.Context, keys []string, keep time.Duration) (int, error) {
	tag, err := s.system.Exec(ctx, addOrphans, keys, keep.Microseconds())
	return int(tag.RowsAffected()), translate("store.AddGarbage", err)
}

// ownedObjects is in the order of the keys. They are lower-case hexadecimal digits, hyphens and a slash, which every
// collation puts into the order of their bytes. The preview of a document is nobody's content: it can be made again.
const ownedObjects = `
SELECT object_key, version_id, image_id FROM (
	(SELECT object_key, CASE WHEN state <> 'REJECTED' THEN id END AS version_id, NULL::uuid AS image_id FROM document_version
		WHERE state <> 'DELETED' AND object_key > $1 AND object_key <= $2 ORDER BY object_key LIMIT $3)
	UNION ALL
	(SELECT object_key, NULL, image_id FROM image_file WHERE object_key > $1 AND object_key <= $2 ORDER BY object_key LIMIT $3)
	UNION ALL
	(SELECT object_key, NULL, NULL FROM document_rendition WHERE object_key > $1 AND object_key <= $2 ORDER BY object_key LIMIT $3)
	UNION ALL
	(SELECT object_key, NULL, NULL FROM blob WHERE object_key > $1 AND object_key <= $2 ORDER BY object_key LIMIT $3)
	UNION ALL
	(SELECT source_key, NULL, NULL FROM job WHERE source_key > $1 AND source_key <= $2 ORDER BY source_key LIMIT $3)
	UNION ALL
	(SELECT result_key, NULL, NULL FROM job WHERE result_key > $1 AND result_key <= $2 ORDER BY result_key LIMIT $3)
	UNION ALL
	(SELECT object_key, NULL, NULL FROM upload WHERE state = 'PENDING' AND object_key > $1 AND object_key <= $2 ORDER BY object_key LIMIT $3)
	UNION ALL
	(SELECT object_key, NULL, NULL FROM garbage WHERE object_key > $1 AND object_key <= $2 ORDER BY object_key LIMIT $3)
) o ORDER BY object_key LIMIT $3`

// lastKey is behind every key.
const lastKey = "z"

// Owned implements document.SweepStore.
func (s sweeps) Owned(ctx context.Context, after, through string, limit int) ([]document.Owned, error) {
	if through == "" {
		through = lastKey
	}
	rows, err := s.system.Query(ctx, ownedObjects, after, through, limit)
	if err != nil {
		return nil, translate("store.Owned", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o document.Owned, err error) {
		var version, image *uuid.UUID
		err = row.Scan(&o.ObjectKey, &version, &image)
		switch {
		case version != nil:
			o.Content = typeid.Format(typeid.DocumentVersion, *version)
		case image != nil:
			o.Content = typeid.Format(typeid.Image, *image)
		}
		return o, err
	})
	return list, translate("store.Owned", err)
}

const pruneUploads = `DELETE FROM upload WHERE id IN (
	SELECT id FROM upload WHERE state <> 'PENDING' AND updated_at < now() - $1 * interval '1 microsecond' LIMIT 1000)`

// PruneUploads implements document.SweepStore.
func (s sweeps) PruneUploads(ctx context.Context, keep time.Duration) (total int64, err error) {
	for {
		tag, err := s.system.Exec(ctx, pruneUploads, keep.Microseconds())
		total += tag.RowsAffected()
		if err != nil || tag.RowsAffected() == 0 {
			return total, translate("store.PruneUploads", err)
		}
	}
}
