package devdb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxLog is the size at which the next start empties the log. It is for looking at what happened last.
const maxLog = 16 << 20

// ensureData makes sure that there is a cluster and gives the installation that fits it.
func (h home) ensureData(ctx context.Context, cfg Config, unclean bool) (install, error) {
	if err := os.RemoveAll(h.newDataDir()); err != nil {
		return install{}, problem(err, "%s cannot be removed: %s.", h.newDataDir(), reason(err))
	}
	if cfg.Scratch && unclean {
		// With fsync=off nothing is certain after an unclean end.
		if err := os.RemoveAll(h.dataDir()); err != nil {
			return install{}, fmt.Errorf("remove unclean scratch data: %w", err)
		}
	}
	major, exists, err := h.dataVersion()
	if err != nil {
		return install{}, err
	}
	inst, err := h.installation(ctx, cfg, major)
	if cfg.Scratch && errors.Is(err, ErrVersion) {
		if err := os.RemoveAll(h.dataDir()); err != nil {
			return install{}, fmt.Errorf("remove scratch data of another version: %w", err)
		}
		exists = false
		inst, err = h.installation(ctx, cfg, 0)
	}
	if err != nil || exists {
		return inst, err
	}
	return inst, h.initdb(ctx, cfg, inst)
}

// dataVersion reads the major version that created the data.
func (h home) dataVersion() (major int, exists bool, err error) {
	file := filepath.Join(h.dataDir(), "PG_VERSION")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(h.dataDir()); err == nil {
			return 0, false, problem(ErrStart, "%s exists but holds no PostgreSQL data. Move it away to start empty.", h.dataDir())
		}
		return 0, false, nil
	}
	if err != nil {
		return 0, false, problem(err, "%s cannot be read: %s. It belongs to %s.", file, reason(err), ownerName(file))
	}
	major, err = strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, false, problem(ErrVersion, "%s does not name a supported version of PostgreSQL.", file)
	}
	return major, true, nil
}

// initdb creates the cluster. ICU's root collation makes lower() and ILIKE right for every script, which the C locale
// alone does not; the C locale for the rest keeps the machine's own language out of it.
func (h home) initdb(ctx context.Context, cfg Config, inst install) error {
	began := time.Now()
	cmd := h.command(ctx, inst.tool("initdb"), "-D", h.newDataDir(), "-U", superuser, "-A", "trust", "-E", "UTF8", "--locale=C",
		"--locale-provider=icu", "--icu-locale=und", "--no-sync", "--no-instructions")
	out, err := runBound(cmd)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return problem(ErrStart, "initdb of PostgreSQL %d failed: %s", inst.major, lastLines(out))
	}
	if err := os.Rename(h.newDataDir(), h.dataDir()); err != nil {
		return problem(err, "%s cannot be put in place: %s.", h.dataDir(), reason(err))
	}
	cfg.Log.Info("created the PostgreSQL cluster", "dir", h.dir, "version", inst.major, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// launch starts PostgreSQL and waits until it answers. After an unclean end it tries for a while: backends of the former
// server may still be on their way out, and PostgreSQL refuses to start beside them.
func (h home) launch(ctx context.Context, cfg Config, inst install, unclean bool) (*Cluster, error) {
	socketDir, temporary, err := h.socketPlace(os.TempDir(), "/tmp")
	if err != nil {
		return nil, err
	}
	giveUp := time.Now().Add(10 * time.Second)
	for {
		c := &Cluster{home: h, log: cfg.Log, socketDir: socketDir}
		if temporary {
			c.ownSocketDir = socketDir
		}
		err = c.run(ctx, cfg, inst)
		if err == nil {
			return c, nil
		}
		if !unclean || ctx.Err() != nil || time.Now().After(giveUp) || sleep(ctx, 100*time.Millisecond) != nil {
			return nil, err
		}
	}
}

// run starts PostgreSQL once.
func (c *Cluster) run(ctx context.Context, cfg Config, inst install) error {
	began := time.Now()
	log, err := c.home.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	before, err := log.Seek(0, 2)
	if err != nil {
		return fmt.Errorf("log size: %w", err)
	}
	cmd := c.home.command(context.WithoutCancel(ctx), inst.tool("postgres"), c.arguments(cfg)...)
	cmd.Stdout, cmd.Stderr = log, log
	if cfg.Scratch {
		c.child, err = startUnbound(cmd)
	} else {
		c.child, err = startBound(cmd)
	}
	if err != nil {
		return problem(ErrStart, "PostgreSQL cannot be started: %s.", reason(err))
	}
	c.pid = c.child.pid
	if cfg.Scratch {
		c.guard, err = c.home.startGuard(c.pid)
	}
	if err == nil {
		err = c.awaitReady(ctx, before)
	}
	if err != nil {
		_ = c.shutdown(ctx, syscall.SIGQUIT)
		if c.guard != nil {
			_ = c.guard.release()
		}
		return err
	}
	c.log.Info("started PostgreSQL", "dir", c.home.dir, "version", inst.major, "pid", c.pid, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// arguments are for a laptop: little memory, no network, no replication, and no customer's data in the log.
func (c *Cluster) arguments(cfg Config) []string {
	params := map[string]string{
		"shared_buffers":                  "128MB",
		"max_connections":                 "100",
		"wal_level":                       "minimal", // with max_wal_senders=0: nobody replicates from here
		"max_wal_senders":                 "0",
		"max_logical_replication_workers": "0",
		"jit":                             "off", // compiling costs more than it saves for statements that take milliseconds
		"timezone":                        "UTC",
		"log_timezone":                    "UTC",
		"log_line_prefix":                 "%m [%p] ",
		"log_checkpoints":                 "off",
		"cluster_name":                    "dossier",
		// SECURITY: details and statements in errors repeat what customers wrote.
		"log_error_verbosity":     "terse",
		"log_min_error_statement": "panic",
	}
	if !cfg.Durable {
		maps.Copy(params, map[string]string{"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"})
	}
	if cfg.Scratch {
		// After a backend's crash the whole cluster ends, so that nothing runs which its users did not start.
		params["restart_after_crash"] = "off"
	}
	maps.Copy(params, cfg.Params)
	params["listen_addresses"] = ""
	params["unix_socket_permissions"] = "0700"
	params["logging_collector"] = "off"
	args := []string{"-D", c.home.dataDir(), "-k", c.socketDir, "-p", strconv.Itoa(port)}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		args = append(args, "-c", name+"="+params[name])
	}
	return args
}

// openLog is opened by us and inherited, so PostgreSQL can write it whatever user it runs as.
func (h home) openLog() (*os.File, error) {
	flags := os.O_CREATE | os.O_RDWR | os.O_APPEND
	if fi, err := os.Stat(h.logFile()); err == nil && fi.Size() > maxLog {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(h.logFile(), flags, 0o600)
	if err != nil {
		return nil, problem(err, "PostgreSQL's log %s cannot be opened: %s.", h.logFile(), reason(err))
	}
	if h.user != nil {
		if err := h.user.own(h.logFile()); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

// awaitReady waits until PostgreSQL says so in its pid file (a connection tried earlier would be an error in its log).
func (c *Cluster) awaitReady(ctx context.Context, logFrom int64) error {
	for {
		if c.child.ended() {
			return problem(ErrStart, "PostgreSQL ended while starting: %s (log: %s)", lastLines(c.home.logSince(logFrom)), c.home.logFile())
		}
		pf, err := c.home.readPIDFile()
		if err == nil && pf.pid == c.pid && pf.ready {
			break
		}
		if err := sleep(ctx, pollEvery); err != nil {
			return problem(ErrStart, "PostgreSQL did not become ready in time: %s (log: %s)",
				lastLines(c.home.logSince(logFrom)), c.home.logFile())
		}
	}
	if err := c.ping(ctx); err != nil {
		return problem(err, "PostgreSQL is running but does not answer on its socket in %s.", c.socketDir)
	}
	return nil
}

func (h home) logSince(offset int64) []byte {
	b, err := os.ReadFile(h.logFile())
	if err != nil || int64(len(b)) < offset {
		return nil
	}
	return b[offset:]
}

// lastLines is the end of a program's output, short enough for a message.
func lastLines(out []byte) string {
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}
	return string(bytes.Join(lines, []byte(" | ")))
}

// command prepares a program of PostgreSQL: as the right user, in a process group of its own (so that Ctrl-C reaches us
// and not it), in a directory that user can be in, and with none of our secrets in its environment.
func (h home) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // one of PostgreSQL's programs that find has chosen
	cmd.Dir = h.dir
	cmd.Env = serverEnv(cmd)
	cmd.SysProcAttr = h.user.attributes()
	return cmd
}

// attributes works for nil, which is ourselves.
func (a *account) attributes() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a != nil {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}

// serverEnv keeps what programs need to run at all. PG* settings of the user's own servers must not leak in, nor
// NOTIFY_SOCKET, over which PostgreSQL would tell systemd that Dossier is ready.
func serverEnv(cmd *exec.Cmd) []string {
	keep := []string{"PATH=", "HOME=", "TMPDIR=", "LD_LIBRARY_PATH=", "DYLD_LIBRARY_PATH=", "ICU_DATA="}
	env := []string{"LC_ALL=C"}
	for _, kv := range cmd.Environ() {
		if slices.ContainsFunc(keep, func(prefix string) bool { return strings.HasPrefix(kv, prefix) }) {
			env = append(env, kv)
		}
	}
	return env
}

// ended says whether PostgreSQL is gone. For a guest its process id alone is no proof that it is not: in a container
// whose first process reaps no children it stays, as a zombie.
func (c *Cluster) ended() bool {
	if c.child != nil {
		return c.child.ended()
	}
	pf, err := c.home.readPIDFile()
	return err != nil || pf.pid != c.pid || (c.visible && !runsOn(c.pid, c.home.dataDir()))
}

// stop ends PostgreSQL, then gives up the lock: whoever waits for it finds no trace of a running server.
func (c *Cluster) stop(ctx context.Context) error {
	began := time.Now()
	err := c.shutdown(ctx, syscall.SIGINT)
	if c.guard != nil {
		err = errors.Join(err, c.guard.release())
	}
	if c.ownSocketDir != "" {
		_ = os.RemoveAll(c.ownSocketDir)
	}
	c.lock.release()
	if err == nil {
		c.log.Info("stopped PostgreSQL", "dir", c.home.dir, "took", time.Since(began).Round(time.Millisecond))
	}
	return err
}

// shutdown signals and waits, ever less politely: SIGINT is PostgreSQL's fast, SIGQUIT its immediate shutdown.
func (c *Cluster) shutdown(ctx context.Context, first syscall.Signal) error {
	for _, step := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{syscall.SIGINT, 30 * time.Second}, {syscall.SIGQUIT, 5 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		if first == syscall.SIGQUIT && step.signal == syscall.SIGINT {
			continue
		}
		if c.child.ended() {
			return nil
		}
		if err := syscall.Kill(c.pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return problem(err, "PostgreSQL (process %d) cannot be stopped: %s.", c.pid, reason(err))
		}
		parent := ctx
		if step.signal != syscall.SIGINT {
			parent = context.WithoutCancel(ctx)
		}
		if waitUntil(parent, step.patience, c.child.ended) {
			return nil
		}
	}
	return problem(ErrStart, "PostgreSQL (process %d) does not end.", c.pid)
}

// waitUntil polls for as long as the patience and the context last.
func waitUntil(ctx context.Context, patience time.Duration, done func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for !done() {
		if sleep(ctx, pollEvery) != nil {
			return done()
		}
	}
	return true
}
