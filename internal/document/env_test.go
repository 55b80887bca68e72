package document_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/blob/disk"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/pgtest"
	"dossier/internal/store"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

var template = pgtest.Template{
	Name: "store-" + store.MigrationsHash(),
	Prepare: func(ctx context.Context, dsn string) error {
		_, err := store.Migrate(ctx, dsn, nil)
		return err
	},
}

// env is a real database, a real disk store behind a real server, and two accounts with a customer each.
type env struct {
	t       testing.TB
	pool    *pgxpool.Pool
	store   *store.Store
	blobs   *disk.Store
	service *document.Service
	// ada may do everything in the account of adasCustomer, bob in another one.
	ada, bob                   auth.Principal
	adasCustomer, bobsCustomer uuid.UUID

	mu sync.Mutex
	// acknowledged is what clients were told is stored: the SHA-256 of the content of a document.
	acknowledged map[uuid.UUID][32]byte
}

func newEnv(t testing.TB) *env {
	t.Helper()
	db := pgtest.New(t, template)
	e := &env{t: t, pool: db.Pool(t), acknowledged: map[uuid.UUID][32]byte{}}
	var err error
	if e.store, err = store.Open(t.Context(), store.Config{DSN: wall.AsApp(db.DSN()), MaxConns: 12}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.store.Close)
	e.openBlobs()
	e.service = document.New(e.store.Documents(), e.store.Images(), e.blobs)
	e.service.Rights = e.authenticator()
	e.ada, e.adasCustomer = e.account("Ada")
	e.bob, e.bobsCustomer = e.account("Bob")
	return e
}

// authenticator says what Ada and Bob may do now.
func (e *env) authenticator() *auth.Authenticator {
	e.t.Helper()
	pepper, err := auth.DerivePepper(bytes.Repeat([]byte{5}, 32))
	if err != nil {
		e.t.Fatal(err)
	}
	a, err := auth.New(auth.Config{Directory: e.store, Pepper: pepper})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(a.Close)
	return a
}

func (e *env) openBlobs() {
	e.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(e.t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		e.t.Fatal(err)
	}
	e.blobs, err = disk.Open(disk.Config{
		Dir: e.t.TempDir(), BaseURL: "http://" + listener.Addr().String() + "/blobs", SigningKey: bytes.Repeat([]byte{7}, 32),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/blobs/", e.blobs.Handler())
	server := httptest.NewUnstartedServer(mux)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	e.t.Cleanup(server.Close)
}

func (e *env) account(name string) (auth.Principal, uuid.UUID) {
	e.t.Helper()
	id, staff, customer := typeid.New(), typeid.New(), typeid.New()
	e.exec(`WITH a AS (
			INSERT INTO account (id, name, oidc_algorithms, created_at) VALUES ($1, $4, '[]', now()) RETURNING id
		), u AS (INSERT INTO storage_usage (account_id) SELECT id FROM a
		), s AS (INSERT INTO staff_user (id, account_id, created_at, updated_at, subject, display_name, sort_name, role)
			SELECT $2, id, now(), now(), $4, $4, lower($4), 'ADMIN' FROM a)
		INSERT INTO customer (id, account_id, created_at, updated_at, kind, display_name, sort_name)
		SELECT $3, id, now(), now(), 'PERSON', $4, lower($4) FROM a`, id, staff, customer, name)
	return auth.Principal{AccountID: id, Kind: auth.KindStaff, ID: staff, Role: auth.Admin, DisplayName: name}, customer
}

func (e *env) exec(statement string, args ...any) {
	e.t.Helper()
	if _, err := e.pool.Exec(e.t.Context(), statement, args...); err != nil {
		e.t.Fatal(err)
	}
}

// number gives the one number that the query gives.
func (e *env) number(query string, args ...any) int64 {
	e.t.Helper()
	var n int64
	if err := e.pool.QueryRow(e.t.Context(), query, args...).Scan(&n); err != nil {
		e.t.Fatal(err)
	}
	return n
}

func (e *env) text(query string, args ...any) string {
	e.t.Helper()
	var s string
	if err := e.pool.QueryRow(e.t.Context(), query, args...).Scan(&s); err != nil {
		e.t.Fatal(err)
	}
	return s
}

// eventually waits until the query gives true.
func (e *env) eventually(query string, args ...any) {
	e.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var ok bool
		if err := e.pool.QueryRow(e.t.Context(), query, args...).Scan(&ok); err != nil {
			e.t.Fatal(err)
		}
		if ok {
			return
		}
		if time.Now().After(deadline) {
			e.t.Fatalf("it never became true: %s", query)
		}
		<-tick.C
	}
}

// file is an arriving file.
type file struct {
	name  string
	bound int64
	r     io.Reader
	read  int64
}

func (f *file) Name() string         { return f.name }
func (f *file) DeclaredType() string { return "application/x-whatever" }
func (f *file) SizeBound() int64     { return f.bound }
func (f *file) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.read += int64(n)
	return n, err
}

// pdf gives the bytes of something that begins like a PDF, other ones for each seed.
func pdf(size int, seed byte) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	copy(b, "%PDF-1.7\n")
	return b
}

func incoming(name string, content []byte) *file {
	return &file{name: name, bound: -1, r: bytes.NewReader(content)}
}

// bounded is a file whose request said how long it is.
func bounded(name string, content []byte, more int64) *file {
	return &file{name: name, bound: int64(len(content)) + more, r: bytes.NewReader(content)}
}

// upload uploads files for Ada.
func (e *env) upload(files ...document.Incoming) []document.UploadResult {
	e.t.Helper()
	results, err := e.service.Upload(e.t.Context(), e.ada, document.UploadDraft{CustomerID: e.adasCustomer}, files, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return results
}

// stored uploads one content that must succeed.
func (e *env) stored(name string, content []byte) uuid.UUID {
	e.t.Helper()
	r := e.upload(incoming(name, content))[0]
	if r.Errs != nil {
		e.t.Fatal(r.Errs)
	}
	e.acknowledge(r.Document, content)
	return r.Document
}

func (e *env) acknowledge(id uuid.UUID, content []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.acknowledged[id] = sha256.Sum256(content)
}

// crashing runs work and says whether it crashed.
func crashing(work func()) (crashed bool) {
	defer func() {
		if r := recover(); r != nil {
			var ok bool
			if _, ok = r.(document.Crash); !ok {
				panic(r)
			}
			crashed = true
		}
	}()
	work()
	return false
}

// sweeper gives a sweeper for which everything is old.
func (e *env) sweeper() *document.Sweeper {
	s := document.NewSweeper(e.store.Sweep(), e.blobs)
	s.Grace = -time.Minute
	return s
}

func (e *env) sweep() document.Report {
	e.t.Helper()
	r, err := e.sweeper().RunOnce(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	return r
}

func (e *env) expireLeases() {
	e.t.Helper()
	e.exec(`UPDATE upload SET lease_until = now() - interval '1 second' WHERE state = 'PENDING'`)
	e.exec(`UPDATE idempotency SET lease_until = now() - interval '1 second' WHERE response IS NULL`)
}

// documents says how many documents Ada's account has.
func (e *env) documents() int64 {
	e.t.Helper()
	return e.number(`SELECT count(*) FROM document WHERE account_id = $1`, e.ada.AccountID)
}

// CheckInvariants ends all leases, sweeps, and holds what must be true at rest, whatever happened before.
func CheckInvariants(t testing.TB, e *env) {
	t.Helper()
	e.expireLeases()
	if r := e.sweep(); r.Missing != 0 || r.Guarded != 0 || r.Failed != 0 {
		t.Errorf("the sweep found damage: %+v", r)
	}
	e.checkAcknowledged(t)
	e.checkObjects(t)
	for _, p := range []auth.Principal{e.ada, e.bob} {
		e.checkAccount(t, p.AccountID)
	}
}

func (e *env) checkAcknowledged(t testing.TB) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, want := range e.acknowledged {
		var key string
		var sum []byte
		err := e.pool.QueryRow(e.t.Context(), `SELECT v.object_key, v.sha256 FROM document d
			JOIN document_version v ON v.id = d.current_version_id AND v.state = 'AVAILABLE' WHERE d.id = $1`, id).Scan(&key, &sum)
		if err != nil {
			t.Errorf("acknowledged document %s: %v", id, err)
			continue
		}
		r, err := e.blobs.Open(e.t.Context(), key, blob.Range{})
		if err != nil {
			t.Errorf("acknowledged document %s: %v", id, err)
			continue
		}
		h := sha256.New()
		if _, err := io.Copy(h, r); err != nil {
			t.Error(err)
		}
		_ = r.Close()
		if got := h.Sum(nil); !bytes.Equal(got, want[:]) || !bytes.Equal(sum, want[:]) {
			t.Errorf("acknowledged document %s: stored %x, row %x, want %x", id, got, sum, want)
		}
	}
}

func (e *env) checkObjects(t testing.TB) {
	t.Helper()
	objects := int64(0)
	for obj, err := range e.blobs.List(e.t.Context(), blob.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		objects++
		if n := e.number(`SELECT count(*) FROM (SELECT DISTINCT object_key, size_bytes, sha256, crc32c FROM document_version WHERE state <> 'DELETED' UNION ALL
			SELECT object_key, size_bytes, NULL, NULL FROM image_file UNION ALL
			SELECT object_key, size_bytes, NULL, NULL FROM document_rendition) o WHERE object_key = $1 AND size_bytes = $2`, obj.Key, obj.Size); n != 1 {
			t.Errorf("object %s of %d bytes is that of %d contents, want 1", obj.Key, obj.Size, n)
		}
	}
	if rows := e.number(`SELECT (SELECT count(DISTINCT object_key) FROM document_version WHERE state <> 'DELETED') + (SELECT count(*) FROM image_file)
		+ (SELECT count(*) FROM document_rendition)`); rows != objects {
		t.Errorf("versions, renditions and files of pictures have %d objects, and there are %d", rows, objects)
	}
}

func (e *env) checkAccount(t testing.TB, account uuid.UUID) {
	t.Helper()
	for query, what := range map[string]string{
		`SELECT used_bytes - (SELECT coalesce(sum(size_bytes), 0) FROM document_version v WHERE v.account_id = u.account_id AND v.state <> 'DELETED')
			- (SELECT coalesce(sum(size_bytes), 0) FROM image_file f WHERE f.account_id = u.account_id)
			FROM storage_usage u WHERE account_id = $1`: "used bytes beyond the sum of the live sizes",
		`SELECT count(*) FROM blob b WHERE account_id = $1 AND refs <> (SELECT count(*) FROM document_version v
			WHERE v.blob_id = b.id AND v.account_id = b.account_id AND v.state <> 'DELETED' AND v.sha256 = b.sha256 AND v.size_bytes = b.size_bytes
			AND v.crc32c = b.crc32c AND v.object_key = b.object_key AND v.object_generation = b.object_generation)`: "blobs that do not count their versions",
		`SELECT count(*) FROM document_version v WHERE account_id = $1 AND blob_id IS NOT NULL AND NOT EXISTS (SELECT FROM blob b
			WHERE b.id = v.blob_id AND b.object_key = v.object_key)`: "versions whose object is not that of their blob",
		`SELECT reserved_bytes FROM storage_usage WHERE account_id = $1`:                                                            "bytes reserved at rest",
		`SELECT count(*) FROM upload WHERE account_id = $1 AND state = 'PENDING'`:                                                   "pending uploads at rest",
		`SELECT event_seq - (SELECT count(*) FROM event v WHERE v.account_id = a.id) FROM account a WHERE id = $1`:                  "gaps in the numbers of the events",
		`SELECT count(*) FROM event WHERE account_id = $1 AND (seq < 1 OR seq > (SELECT event_seq FROM account a WHERE a.id = $1))`: "events out of the numbers",
		`SELECT count(*) FROM document d WHERE account_id = $1 AND 1 <>
			(SELECT count(*) FROM event v WHERE v.account_id = $1 AND v.subject_id = d.id AND v.type = 'DOCUMENT_CREATED')`: "documents without exactly one event of their creation",
		`SELECT count(*) FROM document d WHERE account_id = $1 AND 1 <>
			(SELECT count(*) FROM timeline_entry v WHERE v.account_id = $1 AND v.subject_id = d.id AND v.kind = 'DOCUMENT_ADDED')`: "documents that are not on the timeline once",
		`SELECT count(*) FROM document d WHERE account_id = $1 AND (expires_on IS NOT NULL AND status <> 'ARCHIVED')::int <>
			(SELECT count(*) FROM timeline_entry v WHERE v.account_id = $1 AND v.subject_id = d.id AND v.kind = 'DOCUMENT_EXPIRES')`: "documents whose expiry is not on the timeline as it should be",
		`SELECT count(*) FROM document d WHERE account_id = $1 AND version <>
			(SELECT count(*) FROM revision v WHERE v.account_id = $1 AND v.subject_id = d.id)`: "documents without one revision per version",
		`SELECT count(*) FROM document_version v WHERE account_id = $1 AND (preview_state = 'READY')::int * 2 <>
			(SELECT count(*) FROM document_rendition r WHERE r.version_id = v.id)`: "versions without the two pictures that they should have",
		`SELECT count(*) FROM document_version v WHERE account_id = $1 AND (state = 'STORED' OR preview_state = 'PENDING') <> (check_at IS NOT NULL)`: "versions that wait for nothing, or are not looked at",
		`SELECT count(*) FROM document d JOIN document_version v ON v.id = d.current_version_id WHERE d.account_id = $1
			AND (v.state = 'QUARANTINED' AND d.status <> 'QUARANTINED' OR v.state = 'AVAILABLE' AND d.status = 'QUARANTINED')`: "documents that are not held back as their content is",
		`SELECT count(*) FROM customer_image i WHERE account_id = $1 AND (NOT EXISTS (SELECT FROM customer c WHERE c.image_id = i.id)
			OR 3 <> (SELECT count(*) FROM image_file f WHERE f.image_id = i.id))`: "pictures that no customer has, or without their three files",
	} {
		if n := e.number(query, account); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}

// wantCode holds that the error is of the code.
func wantCode(t testing.TB, err error, want fault.Code) {
	t.Helper()
	if got := fault.CodeOf(err); got != want {
		t.Errorf("got code %q (%v), want %q", got, err, want)
	}
}

func wantResult(t testing.TB, r document.UploadResult, want fault.Code) {
	t.Helper()
	wantCode(t, r.Errs.Err(), want)
	if (want == "") != (r.Document != uuid.Nil) {
		t.Errorf("result of %s has document %s and errors %v", r.FileName, r.Document, r.Errs)
	}
}

// errSource is a failure of a client.
var errSource = errors.New("the body ended too early")

// failing reads content and then fails instead of ending.
func failing(content []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(content), errReader{})
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errSource }

// gated is a reader that gives what is before the gate, says so, and waits at it.
type gated struct {
	before, after io.Reader
	reached, open chan struct{}
	once          sync.Once
}

func newGate(content []byte, at int) *gated {
	return &gated{
		before: bytes.NewReader(content[:at]), after: bytes.NewReader(content[at:]),
		reached: make(chan struct{}), open: make(chan struct{}),
	}
}

func (g *gated) Read(p []byte) (int, error) {
	if n, err := g.before.Read(p); n > 0 || !errors.Is(err, io.EOF) {
		return n, err
	}
	g.once.Do(func() { close(g.reached) })
	<-g.open
	return g.after.Read(p)
}

func ptr[T any](v T) *T { return &v }

func hexOf(b []byte) string { return hex.EncodeToString(b) }

func names(n int) string { return fmt.Sprintf("file-%d.pdf", n) }
