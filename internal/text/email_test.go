package text

import (
	"strings"
	"testing"
)

func TestEmailsThatAreAccepted(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"ada@example.com", "ADA@Example.COM", "ada.lovelace+tag@sub.example.co.uk", "o'brien@example.ie", "_@example.com",
		"ada@müller.de", "ada@xn--mller-kva.de", "ada@例え.テスト", "x@a-b.example", strings.Repeat("a", 64) + "@example.com",
	} {
		if got, problem := Email("  " + in + "\n"); got != in || problem != "" {
			t.Errorf("Email(%q) = %q, %q; want it as it is", in, got, problem)
		}
	}
}

func TestEmailsThatAreRefused(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                       "empty",
		"   ":                                    "empty",
		"ada":                                    "@",
		"@example.com":                           "@",
		"ada@":                                   "@",
		"ada@localhost":                          "no dot",
		"ada@example.com.":                       "no domain name",
		"ada@example..com":                       "no domain name",
		"ada@-example.com":                       "no domain name",
		"ada@exa mple.com":                       "no domain name",
		"ada@exa_mple.com":                       "no domain name",
		"ada@[192.0.2.1]":                        "no domain name",
		"ada@192.0.2.1":                          "IP address",
		".ada@example.com":                       "before the @",
		"ada.@example.com":                       "before the @",
		"a..da@example.com":                      "before the @",
		"a da@example.com":                       "before the @",
		"ada@b@example.com":                      "before the @",
		`"ada"@example.com`:                      "before the @",
		"Ada <ada@example.com>":                  "before the @",
		"adä@example.com":                        "before the @",
		"ada\x00@example.com":                    "before the @",
		"ada@example.com\x00":                    "no domain name",
		"ada@exam\u202eple.com":                  "no domain name",
		"\xffda@example.com":                     "UTF-8",
		strings.Repeat("a", 65) + "@example.com": "too long",
		"a@" + strings.Repeat("b", 64) + ".com":  "no domain name",
		"a@" + strings.Repeat("bcd.", 70) + "com":            "too long",
		"a@" + strings.Repeat("b.", 200_000) + "example.com": "too long",
		"ada@" + strings.Repeat("ü.", 60) + "d.example":      "no domain name",
		"ada@example.com, grace@example.com":                 "before the @",
		"ada@example.com grace@example.com":                  "before the @",
	} {
		got, problem := Email(in)
		if want == "" && problem != "" || want != "" && (got != "" || !strings.Contains(problem, want)) {
			t.Errorf("Email(%.40q) = %q, %q; want a problem with %q in it", in, got, problem, want)
		}
	}
}
