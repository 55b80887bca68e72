package disk

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"dossier/internal/blob"
)

const (
	// tempPrefix begins the name of a file that is still being written. No object's name begins with a dot.
	tempPrefix = ".tmp-"
	// tempMaxAge is when Open takes a temporary file for the rest of a crash.
	tempMaxAge = time.Hour
	// minKeyBytes is the shortest signing key: the strength of HMAC-SHA256.
	minKeyBytes = 32
	// accountLen and shardEnd cut a key into account, shard and the rest; the shard is the first two hex digits of the
	// random id, which keeps directories small in an account with millions of objects.
	accountLen = 36
	shardEnd   = accountLen + 1 + 2
)

// Config says where a Store is.
type Config struct {
	// Dir holds the objects. It is created if it is missing.
	Dir string
	// BaseURL is where the server mounts Handler, as clients see it: "https://api.example.com/objects".
	BaseURL string
	// SigningKey makes the signatures: at least 32 random bytes, the same on every node and after a restart.
	SigningKey []byte
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log gets what fails in Handler on the store's side; nil means nothing is logged.
	Log *slog.Logger
}

// Store is a blob.Store in a directory.
type Store struct {
	dir     string
	base    *url.URL
	key     []byte
	now     func() time.Time
	log     *slog.Logger
	buffers blob.Buffers

	// mkdir is held for writing while a directory is made and until its parent is synced, and for reading while a
	// temporary file is created: so nobody commits into a directory that a power cut could still undo.
	mkdir sync.RWMutex
	// names are held, one per key, while a name is linked or unlinked: they make "delete if generation" one step.
	names [64]sync.Mutex
	seed  maphash.Seed

	// claims are the resumable uploads that requests are at, by id.
	claimsMu sync.Mutex
	claims   map[string]*claimed
}

var _ blob.Store = (*Store)(nil)

// Open opens the store, creating its directory if needed, and removes temporary files that a crash left behind.
func Open(cfg Config) (*Store, error) {
	if len(cfg.SigningKey) < minKeyBytes {
		return nil, fmt.Errorf("disk store: the signing key has %d bytes, it needs at least %d", len(cfg.SigningKey), minKeyBytes)
	}
	base, err := url.Parse(strings.TrimSuffix(cfg.BaseURL, "/"))
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("disk store: the base URL %q is not absolute", cfg.BaseURL)
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("disk store: %w", err)
	}
	s := &Store{dir: dir, base: base, key: deriveKey(cfg.SigningKey), now: cfg.Now, log: cfg.Log, seed: maphash.MakeSeed(), claims: map[string]*claimed{}}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.makeDir(dir); err != nil {
		return nil, fmt.Errorf("disk store: %w", err)
	}
	if _, err := s.CleanTemp(context.Background(), s.now().Add(-tempMaxAge)); err != nil {
		return nil, fmt.Errorf("disk store: %w", err)
	}
	return s, nil
}

// path is where the object of a key is. The key has passed blob.KeyAccount.
func (s *Store) path(key string) string {
	return filepath.Join(s.dir, key[:accountLen], key[accountLen+1:shardEnd], key[accountLen+1:])
}

func (s *Store) lock(key string) *sync.Mutex {
	return &s.names[maphash.String(s.seed, key)%uint64(len(s.names))]
}

// Put stores an object.
func (s *Store) Put(ctx context.Context, key string, src io.Reader, opts blob.PutOptions) (blob.Object, error) {
	opts, err := opts.Normalize(key)
	if err != nil {
		return blob.Object{}, err
	}
	path := s.path(key)
	if _, err := os.Lstat(path); err == nil {
		return blob.Object{}, blob.Fail("disk.Put", blob.ErrExists, nil)
	}
	f, err := s.createTemp(filepath.Dir(path))
	if err != nil {
		return blob.Object{}, blob.Fail("disk.Put", blob.ErrUnavailable, err)
	}
	obj, err := s.fill(ctx, f, key, src, opts)
	if err == nil {
		err = s.commit(f.Name(), path, key)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return blob.Object{}, err
	}
	// The one sync covers both the new name and the temporary one that is gone.
	if err := syncDir(filepath.Dir(path)); err != nil {
		return blob.Object{}, blob.Fail("disk.Put", blob.ErrOutcomeUnknown, err)
	}
	return obj, nil
}

// fill writes the whole file, syncs and closes it.
func (s *Store) fill(ctx context.Context, f *os.File, key string, src io.Reader, opts blob.PutOptions) (blob.Object, error) {
	defer f.Close() //nolint:errcheck // after a successful Close below this is a no-op; before it, the file is thrown away
	buf := s.buffers.Get()
	defer s.buffers.Put(buf)
	t := blob.NewTransfer(opts)
	srcErr, dstErr := t.Copy(ctx, f, src, buf[:])
	if srcErr != nil {
		return blob.Object{}, srcErr
	}
	if dstErr != nil {
		return blob.Object{}, blob.Fail("disk.Put", blob.ErrUnavailable, dstErr)
	}
	if err := t.Check(); err != nil {
		return blob.Object{}, err
	}
	now := s.now()
	rec := record{
		Key: key, Size: t.Size, CRC32C: t.CRC32C, Generation: now.UnixNano(), Created: now.UTC(),
		Type: opts.ContentType, Disposition: opts.ContentDisposition, Metadata: opts.Metadata,
	}
	err := rec.append(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return blob.Object{}, blob.Fail("disk.Put", blob.ErrUnavailable, err)
	}
	if ctx.Err() != nil {
		return blob.Object{}, blob.Fail("disk.Put", blob.ErrCanceled, context.Cause(ctx))
	}
	return rec.object(), nil
}

// errNoMove says that the file system has no rename that never replaces.
var errNoMove = errors.New("no rename without replacement")

// commit gives the file its name, and never replaces what is there: by a rename that refuses to, or by a link, which costs
// one change of the directory more.
func (s *Store) commit(temp, path, key string) error {
	mu := s.lock(key)
	mu.Lock()
	defer mu.Unlock()
	err := moveNew(temp, path)
	if errors.Is(err, errNoMove) {
		if err = os.Link(temp, path); err == nil {
			_ = os.Remove(temp) // the object has its own name now
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return blob.Fail("disk.Put", blob.ErrExists, nil)
	default:
		return blob.Fail("disk.Put", blob.ErrUnavailable, err)
	}
}

// Open reads an object or a part of it.
func (s *Store) Open(_ context.Context, key string, rng blob.Range) (*blob.Reader, error) {
	p, rec, err := s.open("disk.Open", key)
	if err != nil {
		return nil, err
	}
	offset, length, err := rng.Resolve(rec.Size)
	if err == nil && offset > 0 {
		if _, seekErr := p.Seek(offset, io.SeekStart); seekErr != nil {
			err = blob.Fail("disk.Open", blob.ErrUnavailable, seekErr)
		}
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return blob.NewReader(rec.object(), offset, length, &part{payload: p, limit: io.LimitedReader{R: p, N: length}}), nil
}

// Stat describes an object.
func (s *Store) Stat(_ context.Context, key string) (blob.Object, error) {
	p, rec, err := s.open("disk.Stat", key)
	if err != nil {
		return blob.Object{}, err
	}
	_ = p.Close()
	return rec.object(), nil
}

// Delete removes an object.
func (s *Store) Delete(_ context.Context, key string, generation int64) error {
	if _, err := blob.KeyAccount(key); err != nil {
		return err
	}
	mu := s.lock(key)
	mu.Lock()
	defer mu.Unlock()
	if generation != blob.AnyGeneration {
		p, rec, err := s.open("disk.Delete", key)
		if err != nil {
			return err
		}
		_ = p.Close()
		if rec.Generation != generation {
			return blob.Fail("disk.Delete", blob.ErrGeneration, nil)
		}
	}
	path := s.path(key)
	if err := os.Remove(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return blob.Fail("disk.Delete", blob.ErrNotFound, nil)
		}
		return blob.Fail("disk.Delete", blob.ErrUnavailable, err)
	}
	// Without this an erased object could come back after a power cut.
	if err := syncDir(filepath.Dir(path)); err != nil {
		return blob.Fail("disk.Delete", blob.ErrOutcomeUnknown, err)
	}
	return nil
}

// open opens the file of a key and reads its record. The file is positioned at its first byte.
func (s *Store) open(op, key string) (*payload, record, error) {
	if _, err := blob.KeyAccount(key); err != nil {
		return nil, record{}, err
	}
	f, err := os.Open(s.path(key))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, record{}, blob.Fail(op, blob.ErrNotFound, nil)
		}
		return nil, record{}, blob.Fail(op, blob.ErrUnavailable, err)
	}
	rec, err := readRecord(f, key)
	if err != nil {
		_ = f.Close()
		return nil, record{}, blob.Fail(op, blob.ErrUnavailable, err)
	}
	return &payload{File: f, size: rec.Size}, rec, nil
}
