package disk

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"

	"dossier/internal/blob"
)

// createTemp creates a new temporary file in dir, and dir first if it is missing.
func (s *Store) createTemp(dir string) (*os.File, error) { return s.create(dir, tempPrefix+randomID()) }

// idLen is how many random bytes the id of a temporary file or a resumable upload has.
const idLen = 12

func randomID() string {
	var id [idLen]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(id[:])
}

// create creates a new file in dir, and dir first if it is missing.
func (s *Store) create(dir, base string) (*os.File, error) {
	name := filepath.Join(dir, base)
	create := func() (*os.File, error) {
		s.mkdir.RLock()
		defer s.mkdir.RUnlock()
		return os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	f, err := create()
	if !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	if err := s.makeDir(dir); err != nil {
		return nil, err
	}
	return create()
}

// makeDir makes dir and what is missing above it, and syncs every directory that got a new entry.
func (s *Store) makeDir(dir string) error {
	s.mkdir.Lock()
	defer s.mkdir.Unlock()
	var missing []string
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: d, Err: errors.New("it is a file")}
		}
		if err == nil || d == filepath.Dir(d) {
			break
		}
		missing = append(missing, d)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := syncDir(filepath.Dir(missing[i])); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// CleanTemp removes the temporary files that were last written before olderThan and says how many. An upload that is
// still running writes all the time, or is cut off by its server long before an hour. Resumable uploads go when they have
// expired.
func (s *Store) CleanTemp(ctx context.Context, olderThan time.Time) (int, error) {
	removed := 0
	err := s.walk("", "", func(dir string, names []fs.DirEntry, _ string) error {
		for _, entry := range names {
			switch name := entry.Name(); {
			case strings.HasPrefix(name, partPrefix):
				if id := strings.TrimSuffix(name[len(partPrefix):], stateSuffix); s.keepsPartial(dir, id) {
					continue
				}
			case !strings.HasPrefix(name, tempPrefix):
				continue
			}
			info, err := entry.Info()
			if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(olderThan) {
				continue
			}
			if err == nil {
				err = os.Remove(filepath.Join(dir, entry.Name()))
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			removed++
		}
		return ctx.Err()
	})
	if err != nil {
		return removed, blob.Fail("disk.CleanTemp", blob.ErrUnavailable, err)
	}
	return removed, nil
}

var errStop = errors.New("stop")

// List walks the objects in the order of their keys.
func (s *Store) List(ctx context.Context, opts blob.ListOptions) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		err := s.walk(opts.Prefix, opts.After, func(_ string, names []fs.DirEntry, account string) error {
			for _, entry := range names {
				if err := ctx.Err(); err != nil {
					return blob.Fail("disk.List", blob.ErrCanceled, err)
				}
				key := account + "/" + entry.Name()
				if key <= opts.After || !strings.HasPrefix(key, opts.Prefix) {
					continue
				}
				obj, ok, err := s.listed(key, opts.OlderThan)
				if err != nil {
					return err
				}
				if ok && !yield(obj, nil) {
					return errStop
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(blob.Object{}, err)
		}
	}
}

// listed describes the object for List. What was deleted meanwhile, and files that are no objects, are left out. A
// damaged file is listed without generation: it must not hide all that comes after it from the sweeper.
func (s *Store) listed(key string, olderThan time.Time) (blob.Object, bool, error) {
	if _, err := blob.KeyAccount(key); err != nil {
		return blob.Object{}, false, nil //nolint:nilerr // a stranger's file in the directory is not ours to report
	}
	var obj blob.Object
	p, rec, err := s.open("disk.List", key)
	switch {
	case err == nil:
		_ = p.Close()
		obj = rec.object()
	case errors.Is(err, blob.ErrNotFound):
		return blob.Object{}, false, nil
	case errors.Is(err, errDamaged):
		info, err := os.Stat(s.path(key))
		if err != nil {
			return blob.Object{}, false, nil //nolint:nilerr // deleted meanwhile
		}
		obj = blob.Object{Key: key, Size: info.Size(), CreatedAt: info.ModTime()}
	default:
		return blob.Object{}, false, err
	}
	return obj, olderThan.IsZero() || obj.CreatedAt.Before(olderThan), nil
}

// walk calls visit for every directory with objects, in the order of the keys, leaving out those that cannot hold a
// key with the prefix or after the given one.
func (s *Store) walk(prefix, after string, visit func(dir string, names []fs.DirEntry, account string) error) error {
	accounts, err := readDir(s.dir)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		head := a.Name() + "/"
		if !a.IsDir() || outside(head, prefix, after) {
			continue
		}
		shards, err := readDir(filepath.Join(s.dir, a.Name()))
		if err != nil {
			return err
		}
		for _, shard := range shards {
			if !shard.IsDir() || outside(head+shard.Name(), prefix, after) {
				continue
			}
			dir := filepath.Join(s.dir, a.Name(), shard.Name())
			names, err := readDir(dir)
			if err != nil {
				return err
			}
			if err := visit(dir, names, a.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// outside says that no key that begins with head can have the prefix or come after the given key.
func outside(head, prefix, after string) bool {
	if !strings.HasPrefix(head, prefix) && !strings.HasPrefix(prefix, head) {
		return true
	}
	return after != "" && head < after[:min(len(after), len(head))]
}

// readDir lists a directory in order; one that is gone is empty.
func readDir(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, blob.Fail("disk.List", blob.ErrUnavailable, err)
	}
	return entries, nil
}
