package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/fault"
)

// Limits are the published limits of an operation. The zero value is no limit at all; use DefaultLimits.
type Limits struct {
	// Tokens of the document.
	Tokens int
	// Depth of nested fields. Introspection has IntrospectionDepth.
	Depth int
	// Aliases in the operation, with its fragments.
	Aliases int
	// RootFields of the operation.
	RootFields int
	// Fields in the operation after its fragments were spread; it bounds what a few nested fragments can unfold to.
	Fields int
}

// IntrospectionDepth bounds introspection, whose standard query is 14 deep.
const IntrospectionDepth = 20

// DefaultLimits are in force unless the configuration says otherwise.
var DefaultLimits = Limits{Tokens: 2_000, Depth: 12, Aliases: 30, RootFields: 10, Fields: 2_000}

// limiter refuses an operation that is over the limits before anything of it runs.
type limiter struct{ Limits }

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = limiter{}

// ExtensionName names the extension.
func (limiter) ExtensionName() string { return "Limits" }

// Validate has nothing to check.
func (limiter) Validate(graphql.ExecutableSchema) error { return nil }

// MutateOperationContext counts. Introspection is open: the same schema is served at /schema.graphql.
func (l limiter) MutateOperationContext(_ context.Context, oc *graphql.OperationContext) *gqlerror.Error {
	oc.DisableIntrospection = false
	c := count{limits: l.Limits}
	c.selection(oc.Operation.SelectionSet, 1, l.Depth)
	switch {
	case c.tooDeep:
		return tooComplex("The operation is nested deeper than %d fields. Split it, or start from a deeper node.", l.Depth)
	case c.aliases > l.Aliases:
		return tooComplex("The operation has %d aliases; at most %d are allowed.", c.aliases, l.Aliases)
	case c.roots > l.RootFields:
		return tooComplex("The operation has %d root fields; at most %d are allowed. Split it.", c.roots, l.RootFields)
	case c.fields > l.Fields:
		return tooComplex("The operation has more than %d fields once its fragments are spread. Split it.", l.Fields)
	case oc.Operation.Operation == ast.Mutation && c.roots > 1:
		return &gqlerror.Error{
			Message:    "An operation has at most one mutation field, so that it takes effect as a whole. Send the mutations one by one.",
			Extensions: map[string]any{"code": string(fault.BadUserInput)},
		}
	}
	return nil
}

func tooComplex(format string, args ...any) *gqlerror.Error {
	err := gqlerror.Errorf(format, args...)
	err.Extensions = map[string]any{"code": string(fault.QueryTooComplex)}
	return err
}

// count walks an operation. It stops as soon as a limit is passed, so that fragments cannot make the walk itself dear.
type count struct {
	limits                 Limits
	fields, aliases, roots int
	tooDeep                bool
}

func (c *count) selection(set ast.SelectionSet, depth, maxDepth int) {
	for _, s := range set {
		if c.tooDeep || c.fields > c.limits.Fields {
			return
		}
		switch s := s.(type) {
		case *ast.Field:
			c.field(s, depth, maxDepth)
		case *ast.InlineFragment:
			c.selection(s.SelectionSet, depth, maxDepth)
		case *ast.FragmentSpread:
			c.selection(s.Definition.SelectionSet, depth, maxDepth)
		}
	}
}

func (c *count) field(f *ast.Field, depth, maxDepth int) {
	c.fields++
	if f.Alias != f.Name {
		c.aliases++
	}
	if depth == 1 {
		c.roots++
		if f.Name == "__schema" || f.Name == "__type" {
			maxDepth = IntrospectionDepth
		}
	}
	if depth > maxDepth {
		c.tooDeep = true
		return
	}
	c.selection(f.SelectionSet, depth+1, maxDepth)
}
