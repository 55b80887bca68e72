//go:build race

package apitest

// raceFlags has the program built with the race detector when the tests are: a race makes it end with an exit code, which
// Stop reports.
var raceFlags = []string{"-race"}
