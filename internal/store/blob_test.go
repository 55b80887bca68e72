package store

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/typeid"
)

// content stores a new document whose bytes are those of the seed, and gives the id of its version.
func (e *env) content(p auth.Principal, customer uuid.UUID, seed byte) uuid.UUID {
	a, c := e.begun(p, customer)
	c.SHA256, c.CRC32C, c.Generation = [32]byte{seed}, uint32(seed), 1
	if _, err := e.store.Documents().CompleteUpload(e.t.Context(), p, a, c); err != nil {
		e.t.Error(err)
	}
	return c.VersionID
}

// release is what the deletion of a document will do.
func (e *env) release(p auth.Principal, versions ...uuid.UUID) {
	err := e.store.inTx(e.t.Context(), "test", p, func(ctx context.Context, t *tx) error {
		freed, err := t.releaseVersions(ctx, versions...)
		if err != nil {
			return err
		}
		return t.settle(ctx, 0, -freed)
	})
	if err != nil {
		e.t.Error(err)
	}
}

// wantBlobs holds what is true of blobs, objects and garbage whatever was done.
func (e *env) wantBlobs() {
	e.t.Helper()
	for what, query := range map[string]string{
		"blobs do not count their versions": `SELECT count(*) FROM blob b WHERE refs <> (SELECT count(*) FROM document_version v
			WHERE v.account_id = b.account_id AND v.blob_id = b.id AND v.sha256 = b.sha256 AND v.object_key = b.object_key AND v.state <> 'DELETED')`,
		"live versions have an object that is garbage": `SELECT count(*) FROM document_version v JOIN garbage g ON g.object_key = v.object_key WHERE v.state <> 'DELETED'`,
		"objects are neither garbage nor that of a live version": `SELECT count(*) FROM upload u WHERE state = 'DONE'
			AND NOT EXISTS (SELECT FROM document_version v WHERE v.object_key = u.object_key AND v.state <> 'DELETED')
			AND NOT EXISTS (SELECT FROM garbage g WHERE g.object_key = u.object_key)`,
		"accounts use other than the sum of their versions": `SELECT count(*) FROM storage_usage u WHERE used_bytes <>
			(SELECT coalesce(sum(size_bytes), 0) FROM document_version v WHERE v.account_id = u.account_id AND v.state <> 'DELETED')`,
	} {
		if n := e.count(query); n != 0 {
			e.t.Errorf("%d %s", n, what)
		}
	}
}

func TestAContentGoesWithItsLastVersion(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customer, bobs := e.person(e.ada, "Ada"), e.person(e.bob, "Bob")
	first, second, third := e.content(e.ada, customer, 1), e.content(e.ada, customer, 1), e.content(e.ada, customer, 1)
	other, foreign := e.content(e.ada, customer, 2), e.content(e.bob, bobs, 1)
	want := func(what string, objects, garbage int) {
		t.Helper()
		if got := e.count(`SELECT count(DISTINCT object_key) FROM document_version WHERE state <> 'DELETED'`); got != objects {
			t.Errorf("%s: %d objects, want %d", what, got, objects)
		}
		if got := e.count(`SELECT count(*) FROM garbage`); got != garbage {
			t.Errorf("%s: %d objects are garbage, want %d", what, got, garbage)
		}
		e.wantBlobs()
	}
	want("three equal ones, another, and one of another account", 3, 2)
	e.release(e.ada, first)
	e.release(e.bob, second, other)
	want("one was released, and somebody else's were not", 3, 2)
	e.release(e.ada, second, third, third, other)
	want("all were released", 1, 4)
	e.release(e.ada, first, second, typeid.New())
	want("they were released again", 1, 4)
	again := e.content(e.ada, customer, 1)
	want("the same bytes once more", 2, 4)
	e.release(e.ada, again)
	e.release(e.bob, foreign)
	want("nothing is left", 0, 6)
}

func TestAContentThatMustNotBeSharedKeepsItsObject(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customer := e.person(e.ada, "Ada")
	seed := byte(0)
	for name, change := range map[string]string{
		"another size":     `UPDATE blob SET size_bytes = size_bytes + 1 WHERE sha256 = $1`,
		"another checksum": `UPDATE blob SET crc32c = crc32c + 1 WHERE sha256 = $1`,
		"quarantined":      `UPDATE document_version SET state = 'QUARANTINED' WHERE sha256 = $1`,
		"rejected":         `UPDATE document_version SET state = 'REJECTED' WHERE sha256 = $1`,
	} {
		seed++
		e.content(e.ada, customer, seed)
		sum := [32]byte{seed}
		if _, err := e.admin.Exec(t.Context(), change, sum[:]); err != nil {
			t.Fatal(err)
		}
		v := e.content(e.ada, customer, seed)
		if n := e.count(`SELECT count(*) FROM document_version v JOIN upload u ON u.object_key = v.object_key
			WHERE v.id = $1 AND v.blob_id IS NULL AND u.document_id = v.document_id AND v.state = 'AVAILABLE'`, v); n != 1 {
			t.Errorf("%s: it does not have the object that it came with", name)
		}
		e.release(e.ada, v)
	}
	if got := e.count(`SELECT count(*) FROM garbage`); got != int(seed) {
		t.Errorf("%d objects are garbage, want those of the %d that were released", got, seed)
	}
}

// TestEqualUploadsAndReleasesAtOnce: of contents that are uploaded and released at the same time, none is lost and none
// stays.
func TestEqualUploadsAndReleasesAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t, func(c *Config) { c.MaxConns = 30 })
	customer := e.person(e.ada, "Ada")
	const workers, rounds, contents = 8, 25, 3
	var mu sync.Mutex
	var live []uuid.UUID
	take := func(n int) []uuid.UUID {
		mu.Lock()
		defer mu.Unlock()
		rand.Shuffle(len(live), func(i, j int) { live[i], live[j] = live[j], live[i] })
		n = min(n, len(live))
		taken := live[:n]
		live = live[n:]
		return taken
	}
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for range rounds {
				v := e.content(e.ada, customer, byte(rand.IntN(contents)))
				mu.Lock()
				live = append(live, v)
				mu.Unlock()
			}
		})
		group.Go(func() {
			for range rounds {
				if taken := take(1 + rand.IntN(4)); len(taken) > 0 {
					e.release(e.ada, taken...)
				}
			}
		})
	}
	// Replacing shares as well, step by step.
	doc := e.content(e.ada, customer, 200)
	document := uuid.MustParse(e.string(`SELECT document_id::text FROM document_version WHERE id = $1`, doc))
	group.Go(func() {
		for version := range rounds {
			e.replace(e.ada, document, version+1, byte(version%contents))
		}
	})
	group.Wait()
	e.wantBlobs()
	if n := e.count(`SELECT count(*) FROM document_version WHERE state <> 'DELETED'`); n != len(live)+1+rounds {
		t.Errorf("%d versions are live, want %d", n, len(live)+1+rounds)
	}
	if n := e.count(`SELECT count(*) FROM blob`); n > contents+1 {
		t.Errorf("%d blobs of %d contents", n, contents+1)
	}
	e.release(e.ada, live...)
	e.wantBlobs()
}

func (e *env) string(query string, args ...any) (s string) {
	e.t.Helper()
	if err := e.admin.QueryRow(e.t.Context(), query, args...).Scan(&s); err != nil {
		e.t.Fatal(err)
	}
	return s
}

// replace gives a document a further content.
func (e *env) replace(p auth.Principal, id uuid.UUID, version int, seed byte) {
	customer := uuid.MustParse(e.string(`SELECT customer_id::text FROM document WHERE id = $1`, id))
	a, c := e.begun(p, customer)
	a.DocumentID, a.ExpectedVersion = id, version
	c.DocumentID, c.SHA256, c.CRC32C, c.Generation = id, [32]byte{seed}, uint32(seed), 1
	if _, err := e.store.Documents().CompleteUpload(e.t.Context(), p, a, c); err != nil {
		e.t.Error(fmt.Errorf("version %d: %w", version, err))
	}
}

func TestAnObjectThatIsGoneIsNotShared(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	customer := e.person(e.ada, "Ada")
	old := []uuid.UUID{e.content(e.ada, customer, 1), e.content(e.ada, customer, 1)}
	key := e.string(`SELECT object_key FROM blob`)
	for _, k := range []string{key, key, blob.NewKey(e.ada.AccountID)} { // again, and one that nobody has
		if err := e.store.Sweep().Unshare(t.Context(), k); err != nil {
			t.Fatal(err)
		}
	}
	fresh := e.content(e.ada, customer, 1)
	if n := e.count(`SELECT count(*) FROM document_version WHERE object_key = $1`, key); n != len(old) {
		t.Errorf("%d versions have the object that is gone, want the %d from before", n, len(old))
	}
	if got := e.string(`SELECT object_key FROM document_version WHERE id = $1`, fresh); got == key || e.count(`SELECT count(*) FROM garbage WHERE object_key = $1`, got) != 0 {
		t.Error("the new bytes were thrown away for those that are gone")
	}
	e.wantBlobs()
}

// BenchmarkSmallUpload is what the database does for an upload: two transactions. Equal contents share their object.
func BenchmarkSmallUpload(b *testing.B) {
	e := newEnv(b)
	if _, err := e.admin.Exec(b.Context(), `UPDATE storage_usage SET limit_bytes = 1000000000000`); err != nil {
		b.Fatal(err)
	}
	customer := e.person(e.ada, "Ada")
	for name, equal := range map[string]bool{"Other": false, "Equal": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				a, c := e.begun(e.ada, customer)
				if !equal {
					c.SHA256 = [32]byte(append(a.ID[:], a.ID[:]...))
				}
				if _, err := e.store.Documents().CompleteUpload(b.Context(), e.ada, a, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
