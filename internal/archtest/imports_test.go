package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers are the packages from the bottom up. A package imports only packages of lower layers; what stands in one string
// is of one layer and does not import each other, except within one area (a package and those below its path).
var layers = []string{
	"internal/fault internal/optional internal/typeid internal/fold internal/text internal/thumbnail internal/pdfpage",
	"internal/auth internal/blob internal/search internal/wall",
	"internal/blob/disk internal/blob/gcs",
	"internal/idempotency",
	"internal/timeline",
	"internal/attribute",
	"internal/customer internal/document internal/account internal/catalog internal/note internal/audit",
	"internal/job",
	"internal/transport internal/read",
	"graph/scalar",
	"graph/model",
	"graph/generated",
	"graph",
	"internal/feed internal/store internal/clamd",
	"internal/server internal/demo",
	"cmd/dossier",
}

// outside are packages that stand beside the product: generated clients, tools and what tests are made of.
var outside = []string{"ent", "internal/archtest", "internal/genent", "internal/gengql", "internal/devdb", "internal/pgtest", "internal/apitest", "internal/blob/blobtest", "internal/clamd/clamdtest", "internal/bench", "test"}

// forbidden says which packages must not know of something, and why.
var forbidden = []struct{ who, what, why string }{
	{"graph", "dossier/internal/store", "graph sees the areas' use cases, never how they are stored"},
	{"graph", "dossier/internal/feed", "live delivery is put together in server; graph only executes"},
	{"internal/customer internal/document internal/timeline internal/account internal/catalog internal/job internal/attribute internal/note internal/audit", "github.com/jackc/pgx", "areas see no SQL"},
	{"internal/customer internal/document internal/timeline internal/account internal/catalog internal/job internal/attribute internal/note internal/audit", "database/sql", "areas see no SQL"},
	{"internal/customer internal/document internal/timeline internal/account internal/catalog internal/job internal/attribute internal/note internal/audit", "dossier/ent", "areas see no SQL"},
	{"internal/customer internal/document internal/timeline internal/account internal/catalog internal/job internal/attribute internal/note internal/audit", "net/http", "areas see no HTTP"},
	{"internal/customer internal/document internal/timeline internal/account internal/catalog internal/job internal/attribute internal/note internal/audit", "github.com/99designs/gqlgen", "areas see no GraphQL"},
	{"internal/customer internal/document internal/timeline internal/account internal/catalog internal/job internal/attribute internal/note internal/audit", "cloud.google.com", "areas see no Google"},
	{"ent/schema", "dossier/", "a schema that imports the generated client makes a cycle that ent can only break with blank imports"},
	{"internal/auth", "database/sql", "identity sees tokens and a port"},
	{"internal/auth", "github.com/99designs/gqlgen", "identity sees tokens and a port"},
	{"cmd/dossier internal/server graph internal/store internal/read", "testing", "test helpers must not be linked into the program"},
}

type pkg struct {
	ImportPath string
	Dir        string
	Doc        string
	Imports    []string
	GoFiles    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,GoFiles", "dossier/...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

func short(path string) string { return strings.TrimPrefix(path, "dossier/") }

func layerOf(name string) int {
	return slices.IndexFunc(layers, func(layer string) bool { return slices.Contains(strings.Fields(layer), name) })
}

func isOutside(name string) bool {
	return slices.ContainsFunc(outside, func(o string) bool { return name == o || strings.HasPrefix(name, o+"/") })
}

func TestImportsRunDownward(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := short(p.ImportPath)
		level := layerOf(name)
		if level < 0 {
			if !isOutside(name) && !slices.ContainsFunc(layers, func(l string) bool {
				return slices.ContainsFunc(strings.Fields(l), func(known string) bool { return strings.HasPrefix(name, known+"/") })
			}) {
				t.Errorf("%s is in no layer: add it to the table, so that its place is a decision", name)
			}
			continue
		}
		for _, imported := range p.Imports {
			to := short(imported)
			if to == imported || strings.HasPrefix(to, name+"/") || to == "ent" || strings.HasPrefix(to, "ent/") {
				continue
			}
			if isOutside(to) && to != "internal/devdb" {
				t.Errorf("%s imports %s, which is for tests and tools", name, to)
			} else if at := layerOf(to); at >= level {
				t.Errorf("%s imports %s: imports run downward only (design.md section 3), else a change below needs one above", name, to)
			}
		}
	}
}

func TestForbiddenImports(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, rule := range forbidden {
			if !slices.Contains(strings.Fields(rule.who), short(p.ImportPath)) {
				continue
			}
			for _, imported := range p.Imports {
				if imported == rule.what || strings.HasPrefix(imported, rule.what) && (strings.HasSuffix(rule.what, "/") || strings.HasPrefix(imported, rule.what+"/")) {
					t.Errorf("%s imports %s: %s", short(p.ImportPath), imported, rule.why)
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := short(p.ImportPath)
		if p.Doc == "" && len(p.GoFiles) > 0 && !strings.HasPrefix(name, "ent/") && name != "graph/generated" && name != "graph/model" {
			t.Errorf("%s has no package comment: say what it is for and what it must not know", name)
		}
	}
}
