package text

import (
	"strings"
	"time"
	_ "time/tzdata" // a machine without zone files knows the same names
)

// TimeZone gives the name of a time zone of the IANA database, as it is written there.
//
// SECURITY: the name reaches the file system, where LoadLocation refuses to leave the directory of zones. Names that mean
// something else on each machine are refused here.
func TimeZone(s string) (name, problem string) {
	const form = "This is no time zone. Give a name of the IANA time zone database, such as Europe/Zurich."
	s = strings.TrimSpace(s)
	if s == "" || s == "Local" || s == "Factory" || len(s) > 64 || strings.HasPrefix(s, "posix") || strings.HasPrefix(s, "right/") {
		return "", form
	}
	zone, err := time.LoadLocation(s)
	if err != nil || zone.String() != s {
		return "", form
	}
	return s, ""
}
