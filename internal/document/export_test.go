package document

import "runtime"

// CrashAt makes the service panic when an upload has come to the point, as a process that dies there would leave it.
func (s *Service) CrashAt(point string) {
	s.at = func(at string) {
		if at == point {
			panic(Crash(point))
		}
	}
}

// Crash is what CrashAt panics with.
type Crash string

// The points of an upload.
const (
	PointBegun    = pointBegun
	PointStored   = pointStored
	PointShrunk   = pointShrunk
	PointComplete = pointComplete
)

// CrashAt ends the goroutine of a check when it has come to the point, as a process that dies there would leave it.
func (c *Checker) CrashAt(point string) {
	c.at = func(at string) {
		if at == point {
			runtime.Goexit()
		}
	}
}

// The points of a check.
const (
	PointClaimed  = pointClaimed
	PointScanned  = pointScanned
	PointRendered = pointRendered
)

// CleanFileName is cleanFileName.
func CleanFileName(name string) (string, error) { return cleanFileName(name, nil) }

// ArchivePaths are the paths in a ZIP of some documents.
func ArchivePaths(items ...ArchiveItem) []string {
	names := newArchiveNames()
	paths := make([]string, len(items))
	for i, item := range items {
		paths[i] = names.path(item)
	}
	return paths
}
