package customer

import (
	"strings"
	"testing"
)

func TestPhonesBecomeE164(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"+4930901820":                                "+4930901820",
		" +49 30 / 901820":                           "",
		"+49 (0)30 90-18.20":                         "+4930901820",
		"+1 (212) 555\u20110123":                     "+12125550123",
		"+39 06 698 1234":                            "+39066981234",
		"+44\u00a020 7946 0958":                      "+442079460958",
		"+4930901820;ext=12":                         "+4930901820;12",
		"+4930901820;ext=":                           "",
		"+4930901820;ext=1a":                         "",
		"+4930901820;ext=" + strings.Repeat("1", 21): "",
		"030 901820":                                 "",
		"004930901820":                               "",
		"+49":                                        "",
		"+4912":                                      "",
		"+999 123 456 789":                           "",
		"+49 30 CALL":                                "",
		"+٤٩٣٠٩٠١٨٢٠":                                "",
		"+4930901820123456789":                       "",
		"++4930901820":                               "",
		"":                                           "",
		strings.Repeat("+49", 100):                   "",
	} {
		number, extension, problem := cleanPhone(in)
		got := number
		if extension != "" && number != "" {
			got += ";" + extension
		}
		if got != want || (want == "") != (problem != "") {
			t.Errorf("cleanPhone(%q) = %q, %q; want %q", in, got, problem, want)
		}
	}
}

func TestPhoneMessagesSayTheRemedy(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"030 901820": "must be international", "+4912": "too few digits", "+4930901820123456789": "too many digits", "": "empty"} {
		if _, _, problem := cleanPhone(in); !strings.Contains(problem, want) || !strings.Contains(problem, "+4930901820") {
			t.Errorf("cleanPhone(%q): %q, want %q and an example", in, problem, want)
		}
	}
}

func TestCountries(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"DE": "DE", " de ": "DE", "GB": "GB", "US": "US", "TW": "TW", "SS": "SS", "": "",
		"UK": "!", "DEU": "!", "276": "!", "XX": "!", "ZZ": "!", "AA": "!", "EU": "!", "SU": "!", "DD": "!", "D": "!", "D\u0130": "!", "001": "!",
	} {
		c := &check{}
		got := c.country([]string{"x"}, &in)
		if len(c.faults) > 0 {
			got = "!"
		}
		if got != want {
			t.Errorf("country(%q) = %q, want %q", in, got, want)
		}
	}
}
