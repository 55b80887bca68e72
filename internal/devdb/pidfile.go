package devdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pidFile is what PostgreSQL writes about itself into postmaster.pid.
type pidFile struct {
	pid       int
	socketDir string
	ready     bool
}

func (h home) pidPath() string { return filepath.Join(h.dataDir(), "postmaster.pid") }

// readPIDFile reads the lines: pid, data directory, start time, port, socket directory, address, shared memory, status.
// A server that is just starting has not written all of them.
func (h home) readPIDFile() (pidFile, error) {
	b, err := os.ReadFile(h.pidPath())
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 1 {
		return pidFile{}, fmt.Errorf("postmaster.pid starts with no process id")
	}
	pf := pidFile{pid: pid}
	if len(lines) >= 5 {
		pf.socketDir = lines[4]
	}
	pf.ready = len(lines) >= 8 && strings.TrimSpace(lines[7]) == "ready"
	return pf, nil
}

// clearFormerServer deals with the server of an owner that died: one that still runs (it may be shutting down just now)
// is stopped, and a pid file that nobody stands behind any more is removed when its number now belongs to some other
// program, which PostgreSQL would take for a running server. It is called with the lock held, so nobody owns the server.
func (h home) clearFormerServer(ctx context.Context, log *slog.Logger) (unclean bool, err error) {
	pf, err := h.readPIDFile()
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil || !alive(pf.pid) {
		return true, nil // a torn pid file is an unclean end too; PostgreSQL itself decides what to do with it
	}
	if !runsOn(pf.pid, h.dataDir()) {
		log.Warn("removing the pid file of a PostgreSQL that is gone", "dir", h.dir, "pid", pf.pid)
		return true, os.Remove(h.pidPath())
	}
	log.Warn("stopping a PostgreSQL whose owner is gone", "dir", h.dir, "pid", pf.pid)
	if err := syscall.Kill(pf.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return false, problem(err, "PostgreSQL (process %d) runs on %s without its owner and cannot be stopped: %s.", pf.pid, h.dir, reason(err))
	}
	if !waitUntil(ctx, 30*time.Second, func() bool { return !runsOn(pf.pid, h.dataDir()) }) {
		return false, problem(ErrStart, "PostgreSQL (process %d) runs on %s without its owner and does not end. Stop it and try again.",
			pf.pid, h.dir)
	}
	_, err = os.Lstat(h.pidPath())
	return err == nil, nil
}

// alive says whether a process of this id exists and could be our PostgreSQL: one that we may not signal cannot.
func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
