package devdb

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// home is the directory of a cluster and the user PostgreSQL runs as in it.
type home struct {
	dir string
	// user is nil unless this process is root: PostgreSQL then runs as ourselves.
	user *account
}

func (h home) dataDir() string  { return filepath.Join(h.dir, "data") }
func (h home) runDir() string   { return filepath.Join(h.dir, "run") }
func (h home) logFile() string  { return filepath.Join(h.dir, "log") }
func (h home) lockFile() string { return filepath.Join(h.dir, "lock") }

// newDataDir is where initdb works. Only a finished cluster is renamed to data, so a killed initdb leaves nothing that
// could be taken for one.
func (h home) newDataDir() string { return filepath.Join(h.dir, "data.new") }

// openHome finds the place and the user for the cluster and makes the directory ready for both.
func openHome(cfg Config) (home, error) {
	dir, err := resolve(cfg.Dir)
	if err != nil {
		return home{}, err
	}
	h := home{dir: dir}
	if os.Geteuid() == 0 {
		h, err = rootHome(dir, cfg)
		if err != nil {
			return home{}, err
		}
	}
	return h, h.makeReady()
}

// resolve makes the path absolute and free of symbolic links, so that one directory has one name (and one socket).
// The last elements of the path need not exist yet.
func resolve(dir string) (string, error) {
	if dir == "" {
		return "", problem(ErrStart, "No directory was given for the PostgreSQL data.")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("absolute path: %w", err)
	}
	rest := ""
	for at := abs; ; at = filepath.Dir(at) {
		if real, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(real, rest), nil
		} else if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return "", problem(err, "The directory %s cannot be used: %s.", dir, reason(err))
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// makeReady creates the directory, private to the user PostgreSQL runs as.
func (h home) makeReady() error {
	if err := h.makeParents(filepath.Dir(h.dir)); err != nil {
		return problem(err, "The directory %s cannot be created: %s.", h.dir, reason(err))
	}
	err := os.Mkdir(h.dir, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return problem(err, "The directory %s cannot be created: %s.", h.dir, reason(err))
	}
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return problem(err, "The directory %s cannot be read: %s. It belongs to %s; run as that user, or give it to yourself "+
			"with chown -R.", h.dir, reason(err), ownerName(h.dir))
	}
	if err := h.checkEntries(entries); err != nil {
		return err
	}
	// SECURITY: everybody who can reach the socket in this directory is the database's superuser.
	if err := os.Chmod(h.dir, 0o700); err != nil { //nolint:gosec // a directory must be executable
		return problem(err, "The directory %s belongs to %s and cannot be made private: %s.", h.dir, ownerName(h.dir), reason(err))
	}
	return h.give()
}

// checkEntries refuses a directory that is somebody else's: the next step changes its owner and mode.
func (h home) checkEntries(entries []fs.DirEntry) error {
	foreign := false
	for _, e := range entries {
		switch filepath.Join(h.dir, e.Name()) {
		case h.dataDir(), h.lockFile():
			return nil
		}
		foreign = foreign || !strings.HasPrefix(e.Name(), ".") // .gitkeep, .DS_Store
	}
	if foreign {
		return problem(ErrStart, "The directory %s is not empty and holds no Dossier database. Choose an empty or a new directory.", h.dir)
	}
	return nil
}

// makeParents is os.MkdirAll, but what root creates can be passed by the user it drops to whatever the umask is.
func (h home) makeParents(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := h.makeParents(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // must be passable, see above
		return err
	}
	if h.user == nil {
		return nil
	}
	return os.Chmod(dir, 0o755) //nolint:gosec // must be passable, see above
}

// give makes the user PostgreSQL runs as the owner of the directory and, where a copy made by root is in it, of all of it.
func (h home) give() error {
	if h.user == nil {
		return nil
	}
	if err := h.user.own(h.dir); err != nil {
		return err
	}
	fi, err := os.Lstat(h.dataDir())
	if err != nil || fi.Sys().(*syscall.Stat_t).Uid == h.user.uid {
		return nil // where there is no data yet, initdb will create it as that user
	}
	return filepath.WalkDir(h.dataDir(), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return h.user.own(path)
	})
}

// socketPlace gives the directory for the socket: inside the home when the path is short enough for the kernel, else a
// short private one below a temp directory, whose name is the same at each start.
func (h home) socketPlace(temps ...string) (dir string, temporary bool, err error) {
	if fitsSocket(h.runDir()) {
		return h.runDir(), false, h.makePrivate(h.runDir())
	}
	sum := sha256.Sum256([]byte(h.dir))
	name := "dossier-" + hex.EncodeToString(sum[:6])
	err = fmt.Errorf("no temp directory has a path short enough")
	for _, temp := range temps {
		dir = filepath.Join(temp, name)
		if !fitsSocket(dir) || (h.user != nil && h.user.blockedBy(dir) != "") {
			continue
		}
		if err = h.makePrivate(dir); err == nil {
			return dir, true, nil
		}
	}
	return "", false, problem(err, "There is no place for PostgreSQL's socket: the path %s is longer than the system allows, and no temp "+
		"directory can be used instead. Choose a data directory with a shorter path.", h.runDir())
}

// fitsSocket says whether a socket in dir can be opened, and PostgreSQL and pgx both take the path as it is: commas
// separate directories and hosts there.
func fitsSocket(dir string) bool {
	return len(filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", port))) <= maxSocketPath && !strings.ContainsAny(dir, `,"`)
}

// makePrivate creates the socket's directory, or makes sure that the one which exists is nobody else's.
func (h home) makePrivate(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case err == nil && h.user != nil:
		return h.user.own(dir)
	case err == nil || !errors.Is(err, fs.ErrExist):
		return err
	}
	owner := uint32(os.Geteuid())
	if h.user != nil {
		owner = h.user.uid
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	// SECURITY: in a shared temp directory another user could have put a directory or a link of that name first, and
	// would then see our socket or serve us theirs.
	if !fi.IsDir() || fi.Mode().Perm()&0o077 != 0 || fi.Sys().(*syscall.Stat_t).Uid != owner {
		return fmt.Errorf("%s exists and is not a private directory of user id %d", dir, owner)
	}
	return nil
}

// reason is what the system says, without the path, which the message names already.
func reason(err error) string {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno.Error()
	}
	return err.Error()
}
