//go:build !linux

package disk

func moveNew(_, _ string) error { return errNoMove }
