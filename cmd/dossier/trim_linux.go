package main

import (
	"bufio"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// trim lets go of the pages of the program itself that starting it has mapped: the initialisation of all packages, the
// command line, migrations. That is 40 MB, of which serving needs half; what is needed again comes back from the page
// cache, 64 KiB at a time. The mappings are read-only and of a file, so nothing can be lost.
func trim(log *slog.Logger) {
	if err := trimProgram(); err != nil {
		log.Debug("the pages of starting up were not let go", slog.Any("cause", err))
	}
}

func trimProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(maps)
	for lines.Scan() {
		// 00400000-01db1000 r-xp 00000000 fe:00 1234 /path of the file
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1][1] == 'w' || !strings.HasSuffix(lines.Text(), " "+program) {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return err
		}
		end, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			return err
		}
		// By number: a slice of memory that Go did not allocate would need unsafe.
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, uintptr(start), uintptr(end-start), unix.MADV_DONTNEED); errno != 0 {
			return errno
		}
	}
	return lines.Err()
}
