package devdb

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// account is the system user that PostgreSQL runs as when we are root.
type account struct {
	name     string
	uid, gid uint32
}

// rootHome chooses the user to drop to, and the place when none of the users can reach dir.
func rootHome(dir string, cfg Config) (home, error) {
	users := candidates(dir)
	if len(users) == 0 {
		return home{}, problem(ErrUnreachable, "PostgreSQL does not run as root, and this system has neither a user \"postgres\" nor \"nobody\". "+
			"Run Dossier as an ordinary user.")
	}
	for _, u := range users {
		if u.blockedBy(dir) == "" {
			return home{dir: dir, user: u}, nil
		}
	}
	blocked := users[0].blockedBy(dir)
	if cfg.Elsewhere != "" {
		return elsewhere(dir, blocked, cfg)
	}
	return home{}, problem(ErrUnreachable, "PostgreSQL does not run as root; as user %q it may not enter %s, which is above %s. "+
		"Allow passing through it (chmod o+x %s), choose another data directory, or run as an ordinary user.",
		users[0].name, blocked, dir, blocked)
}

// elsewhere is a place of its own for each dir, the same at each start.
func elsewhere(dir, blocked string, cfg Config) (home, error) {
	base, err := resolve(cfg.Elsewhere)
	if err != nil {
		return home{}, err
	}
	sum := sha256.Sum256([]byte(dir))
	other := filepath.Join(base, filepath.Base(dir)+"-"+hex.EncodeToString(sum[:6]))
	cfg.Elsewhere = ""
	h, err := rootHome(other, cfg)
	if err != nil {
		return home{}, err
	}
	cfg.Log.Warn("PostgreSQL does not run as root and may not enter the data directory: the database is kept elsewhere",
		"dir", dir, "blocked_by", blocked, "kept_in", h.dir)
	return h, nil
}

// candidates are the users PostgreSQL may run as, best first. The owner of existing data always wins, so that root and an
// ordinary user can take turns on one directory; the owner of the directory around it is the last resort (sudo in a
// private home directory).
func candidates(dir string) []*account {
	if u := ownerAccount(filepath.Join(dir, "data")); u != nil {
		return []*account{u}
	}
	var users []*account
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			users = appendAccount(users, u)
		}
	}
	for at := filepath.Dir(dir); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err != nil && at != filepath.Dir(at) {
			continue
		}
		if u := ownerAccount(at); u != nil {
			users = append(users, u)
		}
		return users
	}
}

// ownerAccount is the ordinary user that path belongs to, or nil. A user id without a name does not count: initdb
// refuses to run as one.
func ownerAccount(path string) *account {
	fi, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	u, err := user.LookupId(strconv.FormatUint(uint64(fi.Sys().(*syscall.Stat_t).Uid), 10))
	if err != nil {
		return nil
	}
	if list := appendAccount(nil, u); len(list) == 1 {
		return list[0]
	}
	return nil
}

// appendAccount leaves root out.
func appendAccount(list []*account, u *user.User) []*account {
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil || uid == 0 {
		return list
	}
	return append(list, &account{name: u.Username, uid: uint32(uid), gid: uint32(gid)})
}

// blockedBy gives the first directory above dir that the user may not pass, "" when there is none. Directories that do
// not exist yet are ours to create.
func (a *account) blockedBy(dir string) string {
	at := "/"
	for _, name := range strings.Split(strings.TrimPrefix(filepath.Dir(dir), "/"), "/") {
		fi, err := os.Stat(at)
		if err != nil {
			return ""
		}
		if !a.mayPass(fi) {
			return at
		}
		at = filepath.Join(at, name)
	}
	if fi, err := os.Stat(at); err == nil && !a.mayPass(fi) {
		return at
	}
	return ""
}

func (a *account) mayPass(fi os.FileInfo) bool {
	st := fi.Sys().(*syscall.Stat_t)
	switch {
	case st.Uid == a.uid:
		return fi.Mode().Perm()&0o100 != 0
	case st.Gid == a.gid:
		return fi.Mode().Perm()&0o010 != 0
	default:
		return fi.Mode().Perm()&0o001 != 0
	}
}

// own makes the user the owner of a file or directory, never of what a link points to.
func (a *account) own(path string) error {
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return problem(err, "%s cannot be given to user %q, as which PostgreSQL runs: %s.", path, a.name, reason(err))
	}
	return nil
}

// ownerName is for messages.
func ownerName(path string) string {
	fi, err := os.Lstat(path)
	if err != nil {
		return "another user"
	}
	uid := fi.Sys().(*syscall.Stat_t).Uid
	if u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10)); err == nil {
		return fmt.Sprintf("user %q", u.Username)
	}
	return fmt.Sprintf("user id %d", uid)
}
