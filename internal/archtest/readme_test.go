package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// built are the rows of the product's list of features that are built, with the tests that show them in README.md.
const built = "A1 A2 A3 A4 A5 A6 A7 A9 A14 A15 A16 B2 B3 B4 B5 B6 B7 B8 B12 B14 B17 C1 C2 C3 C4 C5 C6 C7 C8 C16 D1 D2 D3 D4 D5 D6 D7 D8 D9 D10 D11 D12 D13 D14 D15 D16 D17 D18 " +
	"E1 E2 E4 E5 E6 E7 E8 E9 E10 E14 E15 E16 E17"

var (
	featureRow  = regexp.MustCompile(`(?m)^\| ([A-E]\d+(?:, [A-E]\d+)*) \|.*$`)
	featureTest = regexp.MustCompile(`\[(\w+)\]\((test/system/\w+_test\.go)\)`)
)

// A table that leads nowhere is worse than none: who trusts it stops looking.
func TestEachFeatureInTheReadmeLeadsToItsTest(t *testing.T) {
	t.Parallel()
	top := root(t)
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, row := range featureRow.FindAllStringSubmatch(string(readme), -1) {
		if !featureTest.MatchString(row[0]) {
			t.Errorf("the row %s of README.md has no test", row[1])
		}
		for name := range strings.SplitSeq(row[1], ", ") {
			shown[name] = true
		}
	}
	for name := range strings.FieldsSeq(built) {
		if !shown[name] {
			t.Errorf("README.md has no row %s in its table of features", name)
		}
	}
	for _, link := range featureTest.FindAllStringSubmatch(string(readme), -1) {
		source, err := os.ReadFile(filepath.Join(top, link[2]))
		if err != nil || !strings.Contains(string(source), "\nfunc Test"+link[1]+"(t *testing.T)") {
			t.Errorf("README.md leads to Test%s in %s, which is not there", link[1], link[2])
		}
	}
}
