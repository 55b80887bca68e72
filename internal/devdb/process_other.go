//go:build !linux

package devdb

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is sizeof(sockaddr_un.sun_path) without the final zero byte on macOS and the BSDs.
const maxSocketPath = 103

// bindToParent does nothing: these systems have no such signal. The next start takes over what a killed owner left.
func bindToParent(*syscall.SysProcAttr, syscall.Signal) {}

// runsOn says whether the process is a PostgreSQL server on this data: we start it with the data directory as argument.
func runsOn(pid int, dataDir string) bool {
	out, err := exec.Command("/bin/ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec // a number
	return err == nil && strings.Contains(string(out), "postgres") && strings.Contains(string(out), dataDir)
}
