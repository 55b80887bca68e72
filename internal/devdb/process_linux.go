package devdb

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSocketPath is sizeof(sockaddr_un.sun_path) without the final zero byte.
const maxSocketPath = 107

// bindToParent makes the kernel send the signal when the thread that starts the process ends.
func bindToParent(attr *syscall.SysProcAttr, signal syscall.Signal) { attr.Pdeathsig = signal }

// runsOn says whether the process is a PostgreSQL server on this data: its working directory is the data directory.
func runsOn(pid int, dataDir string) bool {
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil || cwd != dataDir {
		return false
	}
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && strings.TrimSuffix(filepath.Base(exe), " (deleted)") == "postgres" // deleted: by a package upgrade
}
