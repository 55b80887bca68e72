package text

import (
	"strings"
	"testing"
)

func TestTimeZones(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"UTC": "UTC", " Europe/Zurich\n": "Europe/Zurich", "America/Argentina/Buenos_Aires": "America/Argentina/Buenos_Aires",
		"": "", "Local": "", "Factory": "", "posixrules": "", "right/UTC": "", "Europe/Atlantis": "", "../../etc/passwd": "", "/etc/localtime": "",
		"Europe": "", "+01:00": "", "UTC\x00": "", strings.Repeat("Europe/", 1000): "",
	} {
		got, problem := TimeZone(in)
		if got != want || (want == "") == (problem == "") {
			t.Errorf("TimeZone(%.40q) = %q, %q; want %q", in, got, problem, want)
		}
	}
}
