package text

import (
	"strings"
	"time"
)

// TimeZone gives the name of a time zone of the IANA database, as it is written there.
func TimeZone(s string) (name, problem string) {
	const form = "This is no time zone. Give a name of the IANA time zone database, such as Europe/Zurich."
	s = strings.TrimSpace(s)
	if s == "" || s == "Local" || len(s) > 64 {
		return "", form
	}
	zone, err := time.LoadLocation(s)
	if err != nil || zone.String() != s {
		return "", form
	}
	return s, ""
}
