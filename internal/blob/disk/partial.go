package disk

import (
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"dossier/internal/blob"
)

const (
	// partPrefix begins the name of the bytes of a resumable upload; with stateSuffix it is the name of what is known of it.
	partPrefix  = ".part-"
	stateSuffix = ".json"
	// saveEvery is how many bytes of a long request a crash can take back: so often they are synced and counted as stored.
	saveEvery = 16 << 20
	// lockWait is how long a request waits for another process that has the upload; lockPoll is how often it looks.
	lockWait = 2 * time.Second
	lockPoll = 20 * time.Millisecond
)

var (
	errNoPartial = errors.New("there is no such resumable upload")
	errBusy      = errors.New("another request has the resumable upload")
	errExcess    = errors.New("more bytes than the upload was begun for")
)

// partialState is what must survive a crash of a resumable upload. Its file is replaced as a whole, after the bytes that it
// counts have been synced.
type partialState struct {
	Key     string    `json:"key"`
	Type    string    `json:"type"`
	Size    int64     `json:"size"`
	WantCRC *uint32   `json:"wantCrc32c,omitempty"`
	Expires time.Time `json:"expires"`
	// Stored is how many bytes are stored, a multiple of blob.Granularity or all; CRC32C is theirs.
	Stored int64  `json:"stored"`
	CRC32C uint32 `json:"crc32c"`
}

// partial is a resumable upload that one request has to itself: others of this process wait in claim, those of other
// processes for the lock on the file.
type partial struct {
	partialState
	store *Store
	f     *os.File
	dir   string
	id    string
	// saved is how much of Stored is on the disk.
	saved int64
}

func partPath(dir, id string) string  { return filepath.Join(dir, partPrefix+id) }
func statePath(dir, id string) string { return partPath(dir, id) + stateSuffix }

// createPartial begins a resumable upload and gives its id.
func (s *Store) createPartial(state partialState) (string, error) {
	dir, id := filepath.Dir(s.path(state.Key)), randomID()
	f, err := s.create(dir, partPrefix+id)
	if err != nil {
		return "", err
	}
	err = f.Close()
	if err == nil {
		err = s.saveState(dir, id, state)
	}
	if err != nil {
		s.removePartial(dir, id)
		return "", err
	}
	return id, nil
}

// openPartial opens a resumable upload and locks it against other processes. errNoPartial when it has ended, errBusy when
// another process does not let go of it.
func (s *Store) openPartial(ctx context.Context, key, id string) (*partial, error) {
	dir := filepath.Dir(s.path(key))
	for deadline := time.Now().Add(lockWait); ; {
		f, err := os.OpenFile(partPath(dir, id), os.O_RDWR, 0)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errNoPartial
		}
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && !isLinked(f, partPath(dir, id)) {
			err = unix.EWOULDBLOCK // it became an object, or was thrown away, before the lock
		}
		if err == nil {
			return s.loadPartial(f, dir, id, key)
		}
		_ = f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, errBusy
		}
		pause := time.NewTimer(lockPoll)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, ctx.Err()
		}
	}
}

// isLinked says whether the open file still has this name.
func isLinked(f *os.File, path string) bool {
	opened, err1 := f.Stat()
	named, err2 := os.Stat(path)
	return err1 == nil && err2 == nil && os.SameFile(opened, named)
}

// loadPartial reads the state and forgets bytes that came after it was saved: they may not be on the disk.
func (s *Store) loadPartial(f *os.File, dir, id, key string) (*partial, error) {
	p := &partial{store: s, f: f, dir: dir, id: id}
	info, err := f.Stat()
	if err == nil {
		p.partialState, err = readState(dir, id)
	}
	if err == nil && (p.Key != key || p.Stored > info.Size()) {
		err = errDamaged
	}
	if err == nil && p.Stored < info.Size() {
		err = f.Truncate(p.Stored)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	p.saved = p.Stored
	return p, nil
}

func (p *partial) close() { _ = p.f.Close() } // what must not be lost was synced

// receiveFrom takes a body in that begins at an offset that is stored or next. What is stored is passed over.
func (p *partial) receiveFrom(body io.Reader, first int64) error {
	buf := p.store.buffers.Get()
	defer p.store.buffers.Put(buf)
	for skip := p.Stored - first; skip > 0; {
		n, err := body.Read(buf[:min(skip, int64(len(buf)))])
		skip -= int64(n)
		switch {
		case err == io.EOF && skip > 0: //nolint:errorlint // see receive
			return nil // all of it was stored
		case err != nil && skip > 0:
			return blob.Fail("disk.receive", blob.ErrSource, err)
		}
	}
	return p.receive(body, buf)
}

// receive takes bytes in from the upload's end on, in whole units of blob.Granularity: what the next unit lacks when the
// body ends is thrown away, as Google Cloud Storage does. The error is the body's, or errExcess for a body that goes on
// after the last byte; what came before it is kept all the same.
func (p *partial) receive(body io.Reader, buf *[blob.BufferSize]byte) error {
	var broken error
	for broken == nil && p.Stored < p.Size {
		unit := buf[:min(blob.Granularity, p.Size-p.Stored)]
		if broken = fill(body, unit); broken != nil {
			break
		}
		if p.Stored+int64(len(unit)) == p.Size {
			if broken = ends(body); broken != nil {
				break
			}
		}
		if _, err := p.f.WriteAt(unit, p.Stored); err != nil {
			return blob.Fail("disk.receive", blob.ErrUnavailable, err)
		}
		p.CRC32C = crc32.Update(p.CRC32C, castagnoli, unit)
		p.Stored += int64(len(unit))
		if p.Stored-p.saved >= saveEvery {
			if err := p.save(); err != nil {
				return err
			}
		}
	}
	if err := p.save(); err != nil {
		return err
	}
	if errors.Is(broken, errExcess) {
		return broken
	}
	if broken != nil && broken != io.EOF { //nolint:errorlint // a wrapped io.EOF is a connection that broke
		return blob.Fail("disk.receive", blob.ErrSource, broken)
	}
	return nil
}

// fill reads a whole unit. Not io.ReadFull: it makes a body that broke look like one that ended.
func fill(body io.Reader, unit []byte) error {
	for n := 0; n < len(unit); {
		m, err := body.Read(unit[n:])
		n += m
		if err != nil && n < len(unit) {
			return err
		}
	}
	return nil
}

// ends makes sure that nothing follows.
func ends(body io.Reader) error {
	var one [1]byte
	for {
		n, err := body.Read(one[:])
		switch {
		case n > 0:
			return errExcess
		case err == io.EOF: //nolint:errorlint // see receive
			return nil
		case err != nil:
			return err
		}
	}
}

// save syncs the bytes and then counts them.
func (p *partial) save() error {
	if p.saved == p.Stored {
		return nil
	}
	err := p.f.Sync()
	if err == nil {
		err = p.store.saveState(p.dir, p.id, p.partialState)
	}
	if err != nil {
		return blob.Fail("disk.receive", blob.ErrUnavailable, err)
	}
	p.saved = p.Stored
	return nil
}

// finish makes the object. When its bytes are not the announced ones, or the key is in use, the upload has ended.
func (p *partial) finish() error {
	if p.WantCRC != nil && *p.WantCRC != p.CRC32C {
		p.store.removePartial(p.dir, p.id)
		return blob.Fail("disk.finish", blob.ErrChecksum, nil)
	}
	now := p.store.now()
	rec := record{
		Key: p.Key, Size: p.Size, CRC32C: p.CRC32C, Generation: now.UnixNano(), Created: now.UTC(),
		Type: p.Type, Disposition: blob.Attachment, Session: p.id,
	}
	_, err := p.f.Seek(p.Size, io.SeekStart)
	if err == nil {
		err = rec.append(p.f)
	}
	if err == nil {
		err = p.f.Sync()
	}
	if err != nil {
		return blob.Fail("disk.finish", blob.ErrUnavailable, err)
	}
	path := p.store.path(p.Key)
	if err := p.store.commit(partPath(p.dir, p.id), path, p.Key); err != nil {
		if !errors.Is(err, blob.ErrExists) {
			return err
		}
		p.store.removePartial(p.dir, p.id)
		if !p.store.finishedBy(p.Key, p.id) { // else it was only the old name that was left
			return err
		}
	}
	_ = os.Remove(statePath(p.dir, p.id)) // CleanTemp takes it when this fails
	if err := syncDir(p.dir); err != nil {
		return blob.Fail("disk.finish", blob.ErrOutcomeUnknown, err)
	}
	return nil
}

func readState(dir, id string) (partialState, error) {
	var state partialState
	b, err := os.ReadFile(statePath(dir, id))
	if err == nil {
		err = json.Unmarshal(b, &state)
	}
	return state, err
}

// saveState replaces the state's file.
func (s *Store) saveState(dir, id string, state partialState) error {
	b, err := json.Marshal(state)
	if err != nil {
		return err
	}
	f, err := s.createTemp(dir)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), statePath(dir, id))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return syncDir(dir)
}

// removePartial throws a resumable upload away. What a failure leaves, CleanTemp takes when the upload has expired.
func (s *Store) removePartial(dir, id string) {
	_ = os.Remove(partPath(dir, id))
	_ = os.Remove(statePath(dir, id))
}

// keepsPartial says whether the upload's files are still wanted. One without a state is the rest of a crash, or is just
// beginning; like a temporary file it may go when it is old.
func (s *Store) keepsPartial(dir, id string) bool {
	state, err := readState(dir, id)
	return err == nil && s.now().Before(state.Expires) && isThere(partPath(dir, id))
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
