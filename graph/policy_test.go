package graph

import (
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/auth"
)

// operation is a valid operation of one root field, with sample arguments.
func operation(root *ast.Definition, f *ast.FieldDefinition, more ...string) (query string, variables map[string]any) {
	variables = map[string]any{}
	var declared, passed []string
	for _, arg := range f.Arguments {
		if !arg.Type.NonNull && !slices.Contains(more, arg.Name) {
			continue
		}
		declared = append(declared, "$"+arg.Name+": "+arg.Type.String())
		passed = append(passed, arg.Name+": $"+arg.Name)
		variables[arg.Name] = sample(arg.Type)
	}
	query = strings.ToLower(root.Name)
	field := f.Name
	if len(passed) > 0 {
		query += "(" + strings.Join(declared, ", ") + ")"
		field += "(" + strings.Join(passed, ", ") + ")"
	}
	return query + " { " + field + " { __typename } }", variables
}

// The policy comes first, for every root field that there is: whoever may not ask gets no other answer than that, though
// the database does not answer, the ids are nonsense and a file is missing.
func TestThePolicyIsAskedBeforeEveryRootField(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	nothing := auth.Principal{AccountID: testAccount, Kind: auth.KindAPIKey, ID: testAccount, Scopes: []string{"nothing"}}
	schema := Schema()
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation} {
		for _, f := range root.Fields {
			if isMeta(f.Name) || usesFiles(f) {
				continue
			}
			query, variables := operation(root, f)
			for name, c := range map[string]struct {
				p    auth.Principal
				want string
			}{"nobody": {auth.Principal{}, "UNAUTHENTICATED"}, "a key without scopes": {nothing, "FORBIDDEN"}} {
				perm, _ := auth.FieldPermission(root.Name + "." + f.Name)
				if c.want == "FORBIDDEN" && perm == auth.Authenticated {
					continue // open to everybody of the account
				}
				a := e.do(t, c.p, query, variables)
				if a.code() != c.want || len(a.Errors[0].Path) != 1 || a.Errors[0].Path[0] != f.Name {
					t.Errorf("%s as %s: %s, want %s at the field", query, name, a.raw, c.want)
				}
			}
		}
	}
	if log := e.log.String(); log != "" {
		t.Errorf("a refusal is logged: %s", log)
	}
}

// usesFiles says whether a field takes an Upload, which only a multipart request can carry; internal/transport and the
// system tests have those.
func usesFiles(f *ast.FieldDefinition) bool {
	for _, arg := range f.Arguments {
		if arg.Type.Name() == "Upload" {
			return true
		}
	}
	return false
}

func TestRootFieldsAreSafeUnderAliasesAndFragments(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	viewer := staff(auth.Viewer)
	for _, query := range []string{
		`mutation { viewer: apiKeyRevoke(id: "x") { __typename } }`,
		`mutation { __typename: apiKeyRevoke(id: "x") { __typename } }`,
		`mutation { ...M } fragment M on Mutation { a: apiKeyRevoke(id: "x") { __typename } }`,
		`mutation { ... on Mutation { ... { apiKeyRevoke(id: "x") { __typename } } } }`,
	} {
		if a := e.do(t, viewer, query, nil); a.code() != "FORBIDDEN" && a.code() != "GRAPHQL_VALIDATION_FAILED" {
			t.Errorf("%s: %s, want FORBIDDEN", query, a.raw)
		}
	}
	if a := e.do(t, auth.Principal{}, `{ __typename __schema { queryType { name } } }`, nil); len(a.Errors) > 0 {
		t.Errorf("introspection by nobody: %s, want an answer", a.raw)
	}
}
