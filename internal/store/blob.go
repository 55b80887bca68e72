package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"dossier/internal/document"
)

// Equal contents of one account are stored once. The versions of documents stay apart, each with its own name, state and
// size, and they share the object of a blob, which counts them. Which version came first is nowhere to be seen: all bytes
// are always taken, hashed and stored, and only then is one of two equal objects garbage.
//
// The row of the blob is what makes it safe: who adds a version to it and who releases one wait for each other there. A blob
// without versions is deleted together with its row, so its key is never given to anybody again.

// placeholders are the arguments of shareBlob in a statement.
type placeholders struct{ now, id, sha256, size, crc32c, key, generation string }

// sharing begins a statement that stores a content: the object that it has from now on is in shared. There is none when
// the bytes are there already and must not be shared: their size or checksum is another (then one of the two is damaged),
// or a scanner has found something in them. Then the content keeps the object that it came with.
func sharing(p placeholders) string {
	return `
WITH shared AS (
	INSERT INTO blob (account_id, created_at, id, sha256, size_bytes, crc32c, object_key, object_generation, refs)
	VALUES ($1, ` + p.now + `, ` + p.id + `, ` + p.sha256 + `, ` + p.size + `, ` + p.crc32c + `, ` + p.key + `, ` + p.generation + `, 1)
	ON CONFLICT (account_id, sha256) DO UPDATE SET refs = blob.refs + 1
	WHERE blob.size_bytes = excluded.size_bytes AND blob.crc32c = excluded.crc32c AND NOT EXISTS (
		SELECT FROM document_version v WHERE v.account_id = $1 AND v.blob_id = blob.id AND v.state IN ('QUARANTINED', 'REJECTED'))
	RETURNING id, object_key, object_generation
), thrown AS (
	INSERT INTO garbage (account_id, id, created_at, object_key, until, next_at)
	SELECT $1, gen_random_uuid(), now(), ` + p.key + `, now() + ` + garbageInterval + `, now() FROM shared WHERE object_key <> ` + p.key + `
	ON CONFLICT (object_key) DO UPDATE SET until = greatest(garbage.until, excluded.until), next_at = now()
)`
}

// garbageInterval is garbageTime in SQL.
var garbageInterval = fmt.Sprintf("interval '%d seconds'", int64(garbageTime.Seconds()))

// shareBlob gives the object of a content and the blob that it is of, null for one that keeps its own.
var shareBlob = sharing(placeholders{now: "$2", id: "$3", sha256: "$4", size: "$5", crc32c: "$6", key: "$7", generation: "$8"}) + `
SELECT shared.id, coalesce(shared.object_key, $7), coalesce(shared.object_generation, $8) FROM (VALUES (1)) AS one LEFT JOIN shared ON true`

// object is where a content is.
type object struct {
	blob       *uuid.UUID
	key        string
	generation int64
}

// share gives the object that a content has from now on; insertDocument does the same in one statement with all else.
func (t *tx) share(ctx context.Context, a document.Attempt, c document.Content) (o object, err error) {
	err = t.queryOne(ctx, []any{&o.blob, &o.key, &o.generation}, shareBlob,
		t.now, t.newID(), c.SHA256[:], c.SizeBytes, int64(c.CRC32C), a.ObjectKey, c.Generation)
	return o, err
}

// releaseVersions makes versions DELETED and puts their objects away: what no other version has is garbage, and so are the
// pictures that were made of them, whose rows are deleted. It gives how many bytes of storage are free with that, which the
// caller settles (see settle); the rows of the versions are the caller's to delete, too. Versions that are DELETED already, or
// not there, count for nothing.
//
// The document is to be locked before, the storage after it. Blobs are locked in the order of their ids, so that two of
// these do not wait for each other.
func (t *tx) releaseVersions(ctx context.Context, ids ...uuid.UUID) (freed int64, err error) {
	rows, err := t.query(ctx, releaseVersions, ids)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var blobs []uuid.UUID
	var counts []int32
	for rows.Next() {
		var blob uuid.NullUUID
		var n int32
		var bytes int64
		if err := rows.Scan(&blob, &n, &bytes); err != nil {
			return 0, err
		}
		freed += bytes
		if blob.Valid {
			blobs, counts = append(blobs, blob.UUID), append(counts, n)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(blobs) == 0 {
		return freed, err
	}
	// Two statements: the second one sees what those did that the first one waited for.
	if _, err := t.exec(ctx, lockBlobs, blobs); err != nil {
		return 0, err
	}
	var done int
	if err := t.queryOne(ctx, []any{&done}, releaseBlobs, blobs, counts); err != nil {
		return 0, err
	}
	if done != len(blobs) {
		return 0, errLostLock
	}
	return freed, nil
}

var releaseVersions = `
WITH was AS MATERIALIZED (
	SELECT id, blob_id, object_key, size_bytes FROM document_version
	WHERE account_id = $1 AND id = ANY ($2) AND state <> 'DELETED' ORDER BY id FOR UPDATE
), released AS (
	UPDATE document_version v SET state = 'DELETED', blob_id = NULL FROM was WHERE v.account_id = $1 AND v.id = was.id
), pictures AS (
	DELETE FROM document_rendition r USING was WHERE r.account_id = $1 AND r.version_id = was.id RETURNING r.object_key
), thrown AS (
	INSERT INTO garbage (account_id, id, created_at, object_key, until, next_at)
	SELECT $1, gen_random_uuid(), now(), object_key, now() + ` + garbageInterval + `, now()
	FROM (SELECT object_key FROM was WHERE blob_id IS NULL UNION SELECT object_key FROM pictures) AS o
	ON CONFLICT (object_key) DO UPDATE SET until = greatest(garbage.until, excluded.until), next_at = now()
)
SELECT blob_id, count(*)::integer, sum(size_bytes)::bigint FROM was GROUP BY blob_id ORDER BY blob_id`

const lockBlobs = `SELECT FROM blob WHERE account_id = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE`

var releaseBlobs = `
WITH freed AS (
	SELECT * FROM unnest($2::uuid[], $3::integer[]) AS f(id, n)
), kept AS (
	UPDATE blob b SET refs = b.refs - f.n FROM freed f WHERE b.account_id = $1 AND b.id = f.id AND b.refs > f.n RETURNING 1
), dropped AS (
	DELETE FROM blob b USING freed f WHERE b.account_id = $1 AND b.id = f.id AND b.refs = f.n RETURNING b.object_key
), thrown AS (
	INSERT INTO garbage (account_id, id, created_at, object_key, until, next_at)
	SELECT $1, gen_random_uuid(), now(), object_key, now() + ` + garbageInterval + `, now() FROM dropped
	ON CONFLICT (object_key) DO UPDATE SET until = greatest(garbage.until, excluded.until), next_at = now()
)
SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM dropped)`

const unshareBlob = `
WITH held AS MATERIALIZED (
	SELECT id FROM blob WHERE object_key = $1 FOR UPDATE
), alone AS (
	UPDATE document_version v SET blob_id = NULL FROM held WHERE v.blob_id = held.id
)
DELETE FROM blob b USING held WHERE b.id = held.id`

// Unshare implements document.SweepStore.
func (s sweeps) Unshare(ctx context.Context, objectKey string) error {
	_, err := s.system.Exec(ctx, unshareBlob, objectKey)
	return translate("store.Unshare", err)
}
