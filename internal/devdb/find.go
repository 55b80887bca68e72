package devdb

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minMajor is the oldest version with ICU as a database's locale provider.
const minMajor = 15

// install is one PostgreSQL installation.
type install struct {
	binDir string
	major  int
}

func (i install) tool(name string) string { return filepath.Join(i.binDir, name) }

// finder searches for installations. Its fields are what differs between machines.
type finder struct {
	// explicit is the directory somebody named; nothing else is looked at then.
	explicit string
	lookPath func(file string) (string, error)
	// places are patterns of directories.
	places []string
	user   *account
}

func newFinder(binDir string, u *account) finder {
	return finder{explicit: binDir, lookPath: exec.LookPath, places: usualPlaces, user: u}
}

// usualPlaces are where packages put the server's programs without adding them to PATH.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin",                          // Debian, Ubuntu
	"/usr/pgsql-*/bin",                                   // RHEL, Rocky, Fedora with the PostgreSQL project's packages
	"/usr/libexec/postgresql*",                           // Alpine
	"/usr/lib/postgresql*/bin",                           // openSUSE
	"/opt/homebrew/opt/postgresql*/bin",                  // Homebrew on Apple silicon
	"/usr/local/opt/postgresql*/bin",                     // Homebrew on Intel
	"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",     // Homebrew on Linux
	"/Applications/Postgres.app/Contents/Versions/*/bin", // Postgres.app
	"/Library/PostgreSQL/*/bin",                          // EDB's installer on macOS
	"/opt/local/lib/postgresql*/bin",                     // MacPorts
	"/usr/local/pgsql/bin",                               // built from source
	"/usr/local/bin",                                     // FreeBSD
}

// find gives the first installation of version want (of any usable version when want is 0), and what else it saw.
func (f finder) find(ctx context.Context, want int) (found install, ok bool, seen []string) {
	tried := map[string]bool{}
	for _, dir := range f.dirs(ctx) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		if tried[dir] {
			continue
		}
		tried[dir] = true
		inst, err := f.probe(ctx, dir)
		switch {
		case err != nil:
			seen = append(seen, fmt.Sprintf("%s: %v", dir, err))
		case inst.major < minMajor || (want != 0 && inst.major != want):
			seen = append(seen, fmt.Sprintf("%s: PostgreSQL %d", dir, inst.major))
		default:
			return inst, true, seen
		}
	}
	return install{}, false, seen
}

// dirs lists the directories to look at, best first.
func (f finder) dirs(ctx context.Context) []string {
	if f.explicit != "" {
		return []string{f.explicit}
	}
	var dirs []string
	if path, err := f.lookPath("postgres"); err == nil {
		// A postgres in PATH may be a link to where initdb is as well.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	if path, err := f.lookPath("pg_config"); err == nil {
		//nolint:gosec // the user's own PATH names it
		if out, err := exec.CommandContext(ctx, path, "--bindir").Output(); err == nil {
			dirs = append(dirs, strings.TrimSpace(string(out)))
		}
	}
	for _, pattern := range f.places {
		matches, _ := filepath.Glob(pattern) // the only error is a bad pattern, which the tests would find
		slices.SortFunc(matches, func(a, b string) int { return majorIn(b) - majorIn(a) })
		dirs = append(dirs, matches...)
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := exec.LookPath(filepath.Join(dir, "postgres"))
		return err != nil
	})
}

var digits = regexp.MustCompile(`\d+`)

// majorIn is the version a directory's name speaks of (its last number), for trying the newest first; 0 when there is none.
func majorIn(dir string) int {
	numbers := digits.FindAllString(dir, -1)
	if len(numbers) == 0 {
		return 0
	}
	n, err := strconv.Atoi(numbers[len(numbers)-1])
	if err != nil {
		return 0
	}
	return n
}

var versionLine = regexp.MustCompile(`^postgres \(PostgreSQL\) (\d+)`)

// probe asks the server's program for its version, as the user it will run as: binaries in a private directory that this
// user cannot reach are no use.
func (f finder) probe(ctx context.Context, dir string) (install, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return install{}, fmt.Errorf("has no initdb")
	}
	//nolint:gosec // a directory of PostgreSQL's programs, named by the user or by the table of usual places
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "postgres"), "--version")
	cmd.Env = serverEnv(cmd)
	cmd.Dir = "/"
	cmd.SysProcAttr = f.user.attributes()
	out, err := cmd.Output()
	if err != nil {
		return install{}, fmt.Errorf("postgres --version failed: %s", reason(err))
	}
	m := versionLine.FindSubmatch(out)
	if m == nil {
		return install{}, fmt.Errorf("postgres --version gave no version")
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return install{}, fmt.Errorf("postgres --version: %w", err)
	}
	return install{binDir: dir, major: major}, nil
}

// installation finds the PostgreSQL for data of version want, or for new data when want is 0.
func (h home) installation(ctx context.Context, cfg Config, want int) (install, error) {
	return newFinder(cfg.BinDir, h.user).installation(ctx, h.dataDir(), want)
}

func (f finder) installation(ctx context.Context, dataDir string, want int) (install, error) {
	inst, ok, seen := f.find(ctx, want)
	switch {
	case ok:
		return inst, nil
	case ctx.Err() != nil:
		return install{}, ctx.Err()
	case want != 0 && len(seen) > 0:
		return install{}, problem(ErrVersion, "The database in %s was created by PostgreSQL %d, and Dossier never upgrades data by itself. "+
			"Found here: %s. Install PostgreSQL %d (or point PG_BIN at its bin directory), or move the directory away to start empty; "+
			"to keep its contents, dump it with version %d's pg_dumpall first.", dataDir, want, strings.Join(seen, "; "), want, want)
	default:
		return install{}, problem(ErrNotInstalled, "%s", f.missing(seen))
	}
}

// missing says what to install, one line for each operating system, this one's first.
func (f finder) missing(seen []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "No PostgreSQL %d or newer was found", minMajor)
	if f.explicit != "" {
		fmt.Fprintf(&b, " in %s (PG_BIN)", f.explicit)
	}
	if len(seen) > 0 {
		fmt.Fprintf(&b, " (only %s)", strings.Join(seen, "; "))
	}
	b.WriteString(". Install it, set PG_BIN to the directory of initdb and postgres, or set DATABASE_URL to use a server:")
	for _, line := range installLines(runtime.GOOS) {
		b.WriteString("\n  " + line)
	}
	return b.String()
}

func installLines(goos string) []string {
	lines := []string{
		"Debian, Ubuntu:      apt-get install postgresql",
		"Fedora, RHEL, Rocky: dnf install postgresql-server",
		"Alpine:              apk add postgresql icu-data-full",
		"Arch:                pacman -S postgresql",
		"macOS:               brew install postgresql@17",
		"Windows:             use WSL and the line of its distribution",
	}
	if goos == "darwin" {
		slices.SortStableFunc(lines, func(a, b string) int {
			return strings.Index(b, "macOS") - strings.Index(a, "macOS")
		})
	}
	return lines
}
