package archtest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

func schema(t *testing.T) *ast.Schema {
	t.Helper()
	sdl, err := os.ReadFile(filepath.Join(root(t), "schema.graphqls"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphqls", Input: string(sdl)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryTypeFieldAndValueIsDescribed(t *testing.T) {
	t.Parallel()
	for name, def := range schema(t).Types {
		if def.BuiltIn {
			continue
		}
		if def.Description == "" {
			t.Errorf("%s has no description: a client reads the schema and nothing else", name)
		}
		for _, f := range def.Fields {
			if f.Description == "" && !strings.HasPrefix(f.Name, "__") {
				t.Errorf("%s.%s has no description", name, f.Name)
			}
		}
		for _, v := range def.EnumValues {
			if v.Description == "" {
				t.Errorf("%s.%s has no description", name, v.Name)
			}
		}
	}
}

func TestErrorCodesOfTheSchemaAreThoseOfFault(t *testing.T) {
	t.Parallel()
	var got, want []string
	for _, v := range schema(t).Types["ErrorCode"].EnumValues {
		got = append(got, v.Name)
	}
	for _, c := range fault.Codes {
		want = append(want, string(c))
	}
	if !slices.Equal(got, want) {
		t.Errorf("enum ErrorCode is %v, fault.Codes is %v: a code that clients do not know cannot be handled", got, want)
	}
}

func TestThePolicyNamesEveryRootFieldAndNoOther(t *testing.T) {
	t.Parallel()
	s := schema(t)
	var want []string
	for _, def := range []*ast.Definition{s.Query, s.Mutation, s.Subscription} {
		for _, f := range def.Fields {
			if !strings.HasPrefix(f.Name, "__") {
				want = append(want, def.Name+"."+f.Name)
			}
		}
	}
	slices.Sort(want)
	if got := auth.PolicyFields(); !slices.Equal(got, want) {
		t.Errorf("the policy has %v, the schema %v: a field without a row is refused to everybody", got, want)
	}
	for _, name := range auth.PolicyTypes() {
		if s.Types[name] == nil {
			t.Errorf("the policy names the type %s, which the schema does not have", name)
		}
	}
	for _, member := range auth.PolicyMembers() {
		typeName, field, _ := strings.Cut(member, ".")
		if def := s.Types[typeName]; def == nil || def.Fields.ForName(field) == nil {
			t.Errorf("the policy names %s, which the schema does not have", member)
		}
	}
}

func TestListsArePagedOrBounded(t *testing.T) {
	t.Parallel()
	bounded := map[string]bool{"Account": true, "ApiKey": true, "Viewer": true, "Event": true, "Query": true} // small by nature
	for name, def := range schema(t).Types {
		if def.BuiltIn || def.Kind != ast.Object && def.Kind != ast.Interface || bounded[name] ||
			strings.HasSuffix(name, "Connection") || strings.HasSuffix(name, "Error") || strings.HasSuffix(name, "Payload") ||
			strings.HasSuffix(name, "Result") || name == "UploadSession" || name == "UserError" {
			continue
		}
		for _, f := range def.Fields {
			if f.Type.Elem != nil && !strings.Contains(f.Description, "at most") && !schema(t).Types[f.Type.Name()].IsLeafType() {
				t.Errorf("%s.%s is a list without pages: page it, or write its bound (\"at most ...\") into the description", name, f.Name)
			}
		}
	}
}
