package devdb

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// fileLock is the ownership of a cluster. The kernel ends it with the process, however that dies. The file is opened
// close-on-exec, so PostgreSQL does not inherit the lock, and is never deleted, so that all contend for the same one.
type fileLock struct{ f *os.File }

// tryLock takes the lock if nobody holds it.
func (h home) tryLock() (lock *fileLock, free bool, err error) {
	f, err := os.OpenFile(h.lockFile(), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, false, problem(err, "The file %s cannot be opened: %s. It belongs to %s.", h.lockFile(), reason(err), ownerName(h.lockFile()))
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return nil, false, f.Close()
	}
	if err == nil && h.user != nil {
		err = h.user.own(h.lockFile())
	}
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, false, problem(err, "The file %s cannot be locked: %s.", h.lockFile(), reason(err))
	}
	return &fileLock{f: f}, true, nil
}

func (l *fileLock) release() { _ = l.f.Close() }

// lockHolder is for messages.
func (h home) lockHolder() string {
	b, err := os.ReadFile(h.lockFile())
	if pid := strings.TrimSpace(string(b)); err == nil && pid != "" {
		return "process " + pid
	}
	return "process unknown"
}
