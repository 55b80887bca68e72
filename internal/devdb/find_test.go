package devdb

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeInstall makes a directory that looks like an installation of that version.
func fakeInstall(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, script := range map[string]string{
		"postgres": "#!/bin/sh\necho 'postgres (PostgreSQL) " + version + "'\n",
		"initdb":   "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func nothingInPath(string) (string, error) { return "", exec.ErrNotFound }

func TestNoPostgresTellsEachSystemWhatToInstall(t *testing.T) {
	t.Parallel()
	_, err := finder{lookPath: nothingInPath}.installation(t.Context(), "/data", 0)
	if !errors.Is(err, ErrNotInstalled) {
		t.Fatalf("got %v, want ErrNotInstalled", err)
	}
	for _, want := range []string{
		"No PostgreSQL 15 or newer was found", "PG_BIN", "DATABASE_URL", "\n  Debian, Ubuntu:      apt-get install postgresql",
		"\n  Fedora, RHEL, Rocky: dnf install", "\n  Alpine: ", "\n  macOS:               brew install", "\n  Windows: ",
	} {
		if !strings.Contains(message(err), want) {
			t.Errorf("message: got %q, want it to contain %q", message(err), want)
		}
	}
	if got := installLines("darwin")[0]; !strings.HasPrefix(got, "macOS") {
		t.Errorf("first line on macOS: got %q", got)
	}
}

func TestAnExplicitDirectoryIsTheOnlyOneSearched(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	good := fakeInstall(t, filepath.Join(dir, "good"), "17.2")
	f := finder{explicit: filepath.Join(dir, "missing"), lookPath: nothingInPath, places: []string{good}}
	_, err := f.installation(t.Context(), "/data", 0)
	if !errors.Is(err, ErrNotInstalled) || !strings.Contains(message(err), f.explicit) {
		t.Errorf("got %v, want ErrNotInstalled that names %s", err, f.explicit)
	}
}

func TestTheNewestOrTheFittingVersionIsChosen(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	for _, v := range []string{"9", "14", "15", "17", "16"} {
		fakeInstall(t, filepath.Join(dir, v, "bin"), v+".3 (Debian 1)")
	}
	beta := fakeInstall(t, filepath.Join(dir, "path"), "18beta1")
	places := []string{filepath.Join(dir, "[0-9]*", "bin")}
	inPath := func(file string) (string, error) { return filepath.Join(beta, file), nil }
	for _, tc := range []struct {
		name     string
		lookPath func(string) (string, error)
		want     int
		major    int
	}{
		{"newest in the usual places", nothingInPath, 0, 17},
		{"the one that made the data", nothingInPath, 15, 15},
		{"PATH before the usual places", inPath, 0, 18},
		{"the one that made the data, although another is in PATH", inPath, 16, 16},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := finder{lookPath: tc.lookPath, places: places}.installation(t.Context(), "/data", tc.want)
			if err != nil || got.major != tc.major {
				t.Errorf("got version %d, error %v; want %d", got.major, err, tc.major)
			}
		})
	}
}

func TestPgConfigLeadsToTheServer(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	server := fakeInstall(t, filepath.Join(dir, "server"), "15.1")
	config := filepath.Join(dir, "pg_config")
	if err := os.WriteFile(config, []byte("#!/bin/sh\necho "+server+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := finder{lookPath: func(file string) (string, error) {
		if file == "pg_config" {
			return config, nil
		}
		return "", exec.ErrNotFound
	}}
	got, err := f.installation(t.Context(), "/data", 0)
	if err != nil || got.binDir != server {
		t.Errorf("got %s, error %v; want %s", got.binDir, err, server)
	}
}
