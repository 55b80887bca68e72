package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// wantFiles is enough for 10,000 subscribers on either side.
const wantFiles = 16_384

// raiseFileLimit raises the limit of open files, for this process and the servers it starts.
func (b *bench) raiseFileLimit() error {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	l.Cur = max(l.Cur, min(l.Max, wantFiles))
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l)
}

// process is a running contestant.
type process struct {
	name string
	addr string
	cmd  *exec.Cmd
	done chan error
	log  string
}

// command says how to start a contestant. It must answer GET ready with 200 when it can be used.
type command struct {
	name  string
	path  string
	args  []string
	env   []string
	dir   string
	addr  string
	ready string
}

// start starts a contestant and waits until it is ready. What it writes goes to a file in the bench's directory.
func (b *bench) start(ctx context.Context, c command) (*process, error) {
	log, err := os.Create(filepath.Join(b.dir, c.name+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(c.path, c.args...) //nolint:gosec // the bench starts the contestants that it names itself
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.dir, log, log
	cmd.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + b.dir, "TMPDIR=" + os.TempDir(), "OTEL_SDK_DISABLED=true"}, c.env...)
	cmd.SysProcAttr = childAttributes()
	p := &process{name: c.name, addr: c.addr, cmd: cmd, done: make(chan error, 1), log: log.Name()}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	go func() { p.done <- cmd.Wait() }()
	if err := p.await(ctx, "http://"+c.ready); err != nil {
		p.stop()
		return nil, fmt.Errorf("%s is not ready: %w (its output is in %s)", c.name, err, p.log)
	}
	return p, nil
}

// await asks until the answer is 200.
func (p *process) await(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-p.done:
			p.done <- err
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			client.CloseIdleConnections()
			return nil
		}
	}
}

// stop ends the process, by force when it does not end by itself.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	t := time.NewTimer(15 * time.Second)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// freeAddr gives an address that nothing listens on.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

// tick is what /proc counts processor time in; it is 10 ms wherever Linux runs Go.
const tick = 10 * time.Millisecond

// stat is what /proc/<pid>/stat says of a process: its parent, its own time, and that of the children it has waited for.
type stat struct {
	parent        int
	own, children time.Duration
}

func readStat(pid int) (stat, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name, in parentheses, may hold anything.
	f := bytes.Fields(raw[bytes.LastIndexByte(raw, ')')+1:])
	const parent, utime, stime, cutime, cstime = 1, 11, 12, 13, 14
	if len(f) <= cstime {
		return stat{}, errors.New("short stat")
	}
	number := func(i int) time.Duration {
		n, _ := strconv.ParseInt(string(f[i]), 10, 64)
		return time.Duration(n)
	}
	return stat{int(number(parent)), (number(utime) + number(stime)) * tick, (number(cutime) + number(cstime)) * tick}, nil
}

// cpu is the processor time that a process has used.
func cpu(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	return s.own, err
}

// clusterCPU is the processor time of all PostgreSQL processes, those that have ended included. One contestant works at a
// time, so the difference over a round is its own.
func (b *bench) clusterCPU() (time.Duration, error) {
	main, err := readStat(b.cluster.PID())
	if err != nil {
		return 0, err
	}
	total := main.own + main.children
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if s, err := readStat(pid); err == nil && s.parent == b.cluster.PID() {
			total += s.own
		}
	}
	return total, nil
}

// memory is the resident memory of a process, now and at its peak, in bytes.
func memory(pid int) (now, peak int64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		kb, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			now = kb * 1024
		case "VmHWM":
			peak = kb * 1024
		}
	}
	return now, peak, nil
}

// resetPeak makes the peak of a process's memory what it uses now.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

// buildServers builds the servers that the bench itself brings.
func (b *bench) buildServers(ctx context.Context) error {
	for _, name := range []string{"limit", "put", "prepared"} {
		out, err := exec.CommandContext(ctx, "go", "build", "-o", b.server(name), "./"+filepath.ToSlash(filepath.Join(b.source, name))).CombinedOutput() //nolint:gosec // fixed names
		if err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

func (b *bench) server(name string) string { return filepath.Join(b.dir, "bin", name) }
