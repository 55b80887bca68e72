package disk

import (
	"errors"

	"golang.org/x/sys/unix"
)

// moveNew renames a file to a name that must be free, in one step. It gives errNoMove where the file system cannot.
func moveNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.ENOTSUP) {
		return errNoMove
	}
	return err
}
