package text

import (
	"strings"
	"time"
	_ "time/tzdata" // a machine without zone files knows the same names
)

// maxZone is longer than any name in the IANA database.
const maxZone = 64

// Zone gives the name of a time zone of the IANA database, without white space around it.
//
// SECURITY: the name reaches the file system, where LoadLocation refuses to leave the directory of zones. The names that
// mean something else on each machine are refused here.
func Zone(s string) (name, problem string) {
	const form = "A time zone is a name of the IANA database such as Europe/Berlin, America/Toronto or UTC."
	s = strings.TrimSpace(s)
	switch {
	case s == "" || len(s) > maxZone || s == "Local" || s == "Factory" || strings.HasPrefix(s, "posix") || strings.HasPrefix(s, "right"):
		return "", form
	}
	if _, err := time.LoadLocation(s); err != nil {
		return "", "This is no time zone. " + form
	}
	return s, ""
}
