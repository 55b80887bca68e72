// Package clamdtest gives tests a clamd: the real one of the machine, with a signature file of its own that knows EICAR and
// nothing else, and a double that fails in chosen ways. What the double says when it does not fail is held against the real
// one by a test of package clamd.
//
// The real one needs the Debian package clamav-daemon and nothing from the internet. Where it is not installed its tests are
// skipped; under CI=true they fail.
package clamdtest

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// Signature is the name under which EICAR is found.
const Signature = "Dossier.Test.EICAR.UNOFFICIAL"

// EICAR is the test file of all scanners for malware. It is harmless. It is put together here, so that no scanner takes
// this source for it.
func EICAR() []byte {
	return []byte(`X5O!P%@AP[4\PZX54(P^)7CC)7}$` + "EICAR-STANDARD-" + "ANTIVIRUS-TEST-FILE!$H+H*")
}

// Daemon is a real clamd.
type Daemon struct {
	// Address is what --clamd is told.
	Address string

	bin, conf string
	cmd       *exec.Cmd
}

// Start runs a real clamd on a Unix socket; lines are added to its configuration. It ends with the test.
func Start(t testing.TB, lines ...string) *Daemon {
	t.Helper()
	bin := find(t)
	dir, err := os.MkdirTemp("", "clamd-") //nolint:usetesting // a socket's path must be short, and another user must get there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	d := &Daemon{Address: "unix:" + filepath.Join(dir, "s"), bin: bin, conf: filepath.Join(dir, "clamd.conf")}
	// A body signature: name, any type of file, any offset.
	signatures := fmt.Sprintf("Dossier.Test.EICAR:0:*:%s\n", hex.EncodeToString(EICAR()))
	conf := fmt.Sprintf("LocalSocket %s\nDatabaseDirectory %s\nTemporaryDirectory %s\nForeground yes\n", filepath.Join(dir, "s"), dir, dir)
	for _, line := range lines {
		conf += line + "\n"
	}
	for name, content := range map[string]string{"test.ndb": signatures, "clamd.conf": conf} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil { //nolint:gosec // clamd runs as another user
			t.Fatal(err)
		}
	}
	if id := credential(t); id != nil {
		if err := os.Chown(dir, int(id.Uid), int(id.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	d.Restart(t)
	t.Cleanup(func() { d.Stop(t) })
	return d
}

func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"clamd", "/usr/sbin/clamd"} {
		if bin, err := exec.LookPath(name); err == nil {
			return bin
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("clamd is not installed: apt-get install clamav-daemon")
	}
	t.Skip("clamd is not installed (Debian: clamav-daemon)")
	return ""
}

// credential is who clamd runs as when the test is root's: nobody.
func credential(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// Restart starts a clamd that was stopped, at the same address.
func (d *Daemon) Restart(t testing.TB) {
	t.Helper()
	d.cmd = exec.Command(d.bin, "--foreground", "--config-file="+d.conf) //nolint:gosec // the clamd that was found
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(t), Setpgid: true}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	path := d.Address[len("unix:"):]
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("unix", path)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("clamd did not start: %v", err)
		}
		<-tick.C
	}
}

// Stop kills clamd.
func (d *Daemon) Stop(t testing.TB) {
	t.Helper()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait() // it was killed
	d.cmd = nil
	_ = os.Remove(d.Address[len("unix:"):]) // the next one makes it again
}
