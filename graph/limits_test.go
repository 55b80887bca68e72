package graph

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"dossier/internal/auth"
)

// limit gives what the limiter alone says to a valid document.
func limit(t *testing.T, l Limits, query string) *gqlerror.Error {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		t.Fatal(err)
	}
	validator.Walk(Schema(), doc, &validator.Events{}) // it links fragments with their definitions
	return limiter{l}.MutateOperationContext(t.Context(), &graphql.OperationContext{Doc: doc, Operation: doc.Operations[0]})
}

func TestLimitsAreExact(t *testing.T) {
	t.Parallel()
	small := Limits{Tokens: 1000, Depth: 4, Aliases: 2, RootFields: 3, Fields: 8}
	for _, c := range []struct{ name, query, code string }{
		{"as deep as allowed", `{ customers { nodes { contacts { nodes } } } }`, ""},
		{"too deep", `{ customers { nodes { contacts { nodes { id } } } } }`, "QUERY_TOO_COMPLEX"},
		{"too deep by a fragment", `{ customers { nodes { ...C } } } fragment C on Customer { contacts { nodes { id } } }`, "QUERY_TOO_COMPLEX"},
		{"a fragment is no level of its own", `{ ... on Query { ...Q } } fragment Q on Query { customers { nodes { contacts { nodes } } } }`, ""},
		{"as many aliases as allowed", `{ a: viewer { b: actor { id } } }`, ""},
		{"too many aliases", `{ a: viewer { b: actor { c: id } } }`, "QUERY_TOO_COMPLEX"},
		{"too many aliases by a fragment", `{ a: viewer { ...V } x: viewer { ...V } } fragment V on Viewer { b: actor { id } }`, "QUERY_TOO_COMPLEX"},
		{"as many root fields as allowed", `{ viewer { id } storage { id } account { id } }`, ""},
		{"too many root fields", `{ viewer { id } storage { id } account { id } customers }`, "QUERY_TOO_COMPLEX"},
		{"too many root fields by a fragment", `{ ...Q } fragment Q on Query { viewer storage account customers }`, "QUERY_TOO_COMPLEX"},
		{"__typename is a root field", `{ __typename viewer storage account }`, "QUERY_TOO_COMPLEX"},
		{"as many fields as allowed", `{ viewer { a b c d e f g } }`, "" /* unknown fields are the validator's */},
		{"too many fields", `{ viewer { a b c d e f g h } }`, "QUERY_TOO_COMPLEX"},
		{"one mutation field", `mutation { customerArchive }`, ""},
		{"two mutation fields", `mutation { customerArchive customerRestore }`, "BAD_USER_INPUT"},
		{"two mutation fields by a fragment", `mutation { customerArchive ...M } fragment M on Mutation { customerRestore }`, "BAD_USER_INPUT"},
		{"one mutation field twice", `mutation { a: customerArchive b: customerArchive }`, "BAD_USER_INPUT"},
		{"a mutation with the name of its type", `mutation { __typename customerArchive }`, "BAD_USER_INPUT"},
	} {
		err := limit(t, small, c.query)
		code := ""
		if err != nil {
			code, _ = err.Extensions["code"].(string)
		}
		if code != c.code {
			t.Errorf("%s: %v, want the code %q\n%s", c.name, err, c.code, c.query)
		}
	}
}

func TestIntrospectionHasADepthOfItsOwn(t *testing.T) {
	t.Parallel()
	small := DefaultLimits
	small.Depth = 3
	ofType := strings.Repeat("ofType { ", 9) + "name" + strings.Repeat(" }", 9)
	if err := limit(t, small, `{ __schema { types { fields { args { type { `+ofType+` } } } } } }`); err != nil {
		t.Errorf("introspection of depth 15: %v, want none", err)
	}
	if err := limit(t, small, `{ __type(name: "X") { fields { type { `+ofType+` } } } }`); err != nil {
		t.Errorf("introspection by __type: %v, want none", err)
	}
	if err := limit(t, small, `{ __schema { types { `+strings.Repeat("fields { type { ", 10)+"name"+strings.Repeat(" } }", 10)+` } } }`); err == nil {
		t.Error("introspection of depth 23 is allowed")
	}
	if err := limit(t, small, `{ __schema { types { name } } customers { nodes { contacts { nodes { id } } } } }`); err == nil {
		t.Error("introspection beside it makes a deep field allowed")
	}
}

func TestTheStandardIntrospectionQueryPasses(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	for name, p := range map[string]auth.Principal{"nobody": {}, "staff": staff(auth.Viewer)} {
		a := e.do(t, p, introspection, nil)
		if len(a.Errors) > 0 || !strings.Contains(a.raw, "CustomerConnection") {
			t.Errorf("%s: %.300s, want the schema", name, a.raw)
		}
	}
}

// Each of these makes much of little. None may cost more than some milliseconds; a second is for a busy machine.
func TestExpensiveDocumentsAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	wantComplex := map[string]bool{
		"fragments that double": true, "fragments that double deeply": true, "many aliases": true, "many equal fields": true,
		"equal fields below equal ones": true, "many root fields": true, "many operations": true, "many fragments": true,
	}
	for name, query := range map[string]string{
		"fragments that double":         doubling(25),
		"fragments that double deeply":  doublingDeep(20),
		"inline fragments that nest":    `{ viewer { ` + strings.Repeat("... on Viewer { ", 400) + "permissions" + strings.Repeat(" }", 400) + ` } }`,
		"fragments in a circle":         `{ viewer { ...A } } fragment A on Viewer { ...B } fragment B on Viewer { ...A }`,
		"a fragment of itself":          `{ viewer { ...A } } fragment A on Viewer { account { name } ...A }`,
		"many aliases":                  `{ viewer { ` + numbered("a%d: permissions ", 400) + ` } }`,
		"many equal fields":             `{ viewer { ` + strings.Repeat("permissions ", 1900) + ` } }`,
		"many equal root fields":        `{ ` + strings.Repeat("viewer { permissions } ", 450) + ` }`,
		"equal fields that nest":        `{ ` + branching(6, 3) + ` }`,
		"many root fields":              `{ ` + numbered("a%d: __typename ", 400) + ` }`,
		"many fragments":                `{ viewer { ` + numbered("...F%d ", 250) + ` } } ` + numbered("fragment F%d on Viewer { permissions } ", 250),
		"fragments that conflict":       `{ viewer { ` + numbered("...F%d ", 150) + ` } } ` + numbered("fragment F%[1]d on Viewer { a%[1]d: permissions } ", 150),
		"many operations":               numbered("query Q%d { viewer { permissions } } ", 300),
		"many variables":                `query(` + numbered("$v%d: Int ", 600) + `) { viewer { permissions } }`,
		"many directives":               `{ viewer { permissions ` + strings.Repeat("@include(if: true) ", 280) + ` } }`,
		"equal fields in fragments":     `{ viewer { ` + numbered("...F%d ", 120) + ` } } ` + numbered("fragment F%d on Viewer { permissions permissions permissions } ", 120),
		"equal fields below equal ones": `{ viewer { ` + strings.Repeat("account { "+strings.Repeat("name ", 40)+"} ", 40) + ` } }`,
		"deep lists":                    `{ nodes(ids: ` + strings.Repeat("[", 950) + strings.Repeat("]", 950) + `) { id } }`,
		"deep objects":                  `{ customers(where: ` + strings.Repeat("{and: ", 480) + "{}" + strings.Repeat("}", 480) + `) { nodes { id } } }`,
		"a document of brackets":        strings.Repeat("{", 100_000),
		"more tokens than allowed":      `{ viewer { ` + strings.Repeat("permissions ", 30_000) + ` } }`,
		"introspection in circles": `{ __schema { types { ` + strings.Repeat("fields { type { ", 8) + "name" + strings.Repeat(" } }", 8) +
			` } } }`,
	} {
		start := time.Now()
		a := e.do(t, auth.Principal{}, query, nil)
		if took := time.Since(start); took > time.Second {
			t.Errorf("%s: %s, want milliseconds", name, took)
		} else {
			t.Logf("%-30s %8s %s", name, took.Round(10*time.Microsecond), a.code())
		}
		if len(a.Errors) == 0 {
			t.Errorf("%s: it ran: %.200s", name, a.raw)
		} else if code := a.code(); wantComplex[name] && code != "QUERY_TOO_COMPLEX" {
			t.Errorf("%s: %s, want QUERY_TOO_COMPLEX", name, code)
		}
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// doubling is 2^n fields in n fragments.
func doubling(n int) string {
	var b strings.Builder
	b.WriteString("{ viewer { ...F0 } }")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Viewer { ...F%d ...F%d }", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Viewer { permissions }", n)
	return b.String()
}

// doublingDeep is doubling with a level of fields in each fragment, under two names.
func doublingDeep(n int) string {
	var b strings.Builder
	b.WriteString("{ customers { nodes { ...F0 } } }")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Customer { a: contacts { nodes { customer { ...F%d } } } b: contacts { nodes { customer { ...F%d } } } }", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment F%d on Customer { id }", n)
	return b.String()
}

// branching is a tree of equal fields: a naive comparison of all pairs on all levels takes the square of its size.
func branching(depth, width int) string {
	if depth == 0 {
		return "customers { nodes { id } }"
	}
	inner := strings.Repeat("customer { "+tree(depth-1, width)+" } ", width)
	return "customers { nodes { contacts { nodes { " + inner + " } } } }"
}

func tree(depth, width int) string {
	if depth == 0 {
		return "id"
	}
	return "contacts { nodes { " + strings.Repeat("customer { "+tree(depth-1, width)+" } ", width) + "} }"
}

// introspection is what GraphiQL, Apollo and code generators send.
const introspection = `query IntrospectionQuery { __schema { description queryType { name kind } mutationType { name kind } subscriptionType { name kind }
  types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`
