package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// maxLines is the longest a file written by hand may be: what is longer holds more than one idea.
const maxLines = 600

var generatedHeader = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// sources calls f for each Go file that is written by hand.
func sources(t *testing.T, f func(name string, content []byte)) {
	t.Helper()
	top := root(t)
	for _, p := range packages(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !generatedHeader.Match(content) {
				name, _ := filepath.Rel(top, file)
				f(name, content)
			}
		}
	}
}

func TestFilesHoldOneIdea(t *testing.T) {
	t.Parallel()
	sources(t, func(name string, content []byte) {
		if n := bytes.Count(content, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, at most %d: split it by ideas", name, n, maxLines)
		}
	})
}

func TestOnlyCmdReadsTheEnvironment(t *testing.T) {
	t.Parallel()
	sources(t, func(name string, content []byte) {
		if strings.HasPrefix(name, "cmd/") || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/pgtest/") ||
			strings.HasPrefix(name, "internal/apitest/") || strings.HasPrefix(name, "internal/bench/") || strings.HasPrefix(name, "internal/clamd/clamdtest/") {
			return
		}
		for _, call := range []string{"os.Getenv(", "os.LookupEnv(", "os.Environ("} {
			if bytes.Contains(content, []byte(call)) {
				t.Errorf("%s calls %s...): configuration is read in cmd, once, and passed down", name, call)
			}
		}
	})
}

func TestSecretsAreNotMadeByMathRand(t *testing.T) {
	t.Parallel()
	// Samples that must be the same every time, and the test helpers of several packages.
	allowed := map[string]bool{"internal/demo": true, "internal/bench": true, "internal/blob/blobtest": true, "internal/pgtest": true}
	jitter := map[string]bool{"internal/transport": true, "internal/feed": true, "internal/blob/gcs": true, "internal/store": true}
	sources(t, func(name string, content []byte) {
		dir := filepath.Dir(name)
		if strings.HasSuffix(name, "_test.go") || allowed[dir] || jitter[dir] || strings.HasPrefix(name, "internal/bench/") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			if path, _ := strconv.Unquote(imported.Path.Value); path == "math/rand" || path == "math/rand/v2" {
				t.Errorf("%s imports %s: ids, keys and tokens need crypto/rand; jitter and samples are listed in this test", name, path)
			}
		}
	})
}

func TestNoTestIsEmpty(t *testing.T) {
	t.Parallel()
	sources(t, func(name string, content []byte) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && strings.HasPrefix(fn.Name.Name, "Test") && fn.Recv == nil && fn.Body != nil && len(fn.Body.List) == 0 {
				t.Errorf("%s: %s asserts nothing", name, fn.Name.Name)
			}
		}
	})
}

// chosen is what chooses whose rows a session of PostgreSQL sees.
var chosen = regexp.MustCompile(`app\.(account|system)\b|(?i)\b(set|reset)\s+(local\s+|session\s+)?(role|session authorization)\b|set_config\('role'`)

// TestOneFileChoosesWhoseRowsAreSeen is why nobody has to look at a connection when it goes back to its pool: what is chosen
// there ends with the transaction, and it is chosen nowhere else.
func TestOneFileChoosesWhoseRowsAreSeen(t *testing.T) {
	t.Parallel()
	const place = "internal/wall/setting.go"
	sources(t, func(name string, content []byte) {
		if strings.HasSuffix(name, "_test.go") || name == "internal/archtest/source_test.go" {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if !ok || text.Kind != token.STRING || !chosen.MatchString(text.Value) {
				return true
			}
			if name != place {
				t.Errorf("%s has %s: whose rows are seen is chosen in %s alone", name, text.Value, place)
			} else if strings.Count(text.Value, "set_config(") != strings.Count(text.Value, ", true)") {
				t.Errorf("%s: %s does not end with the transaction", name, text.Value)
			}
			return true
		})
	})
}
