package graph

import (
	"context"
	"log/slog"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/graph/generated"
	"dossier/internal/read"
)

// documents is how many parsed operations are kept. An app has some dozens; the rest is for people at the query page.
const documents = 1000

// NewHandler puts the executor together: resolvers, policy, limits and errors. The caller adds the transports.
func NewHandler(r *Resolver, limits Limits, log *slog.Logger) *handler.Server {
	h := handler.New(NewSchema(r))
	p := presenter{log: log, denied: r.denied}
	h.SetErrorPresenter(p.present)
	h.SetRecoverFunc(p.recovered)
	h.SetQueryCache(lru.New[*ast.QueryDocument](documents))
	h.SetParserTokenLimit(limits.Tokens)
	h.SetValidationRulesFn(validationRules)
	h.Use(limiter{limits})
	h.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(read.WithSession(ctx))
	})
	h.AroundFields(r.policy)
	return h
}

// NewSchema is the executable schema of the resolvers.
func NewSchema(r *Resolver) graphql.ExecutableSchema {
	return generated.NewExecutableSchema(generated.Config{Resolvers: r})
}

// policy asks the policy table before a root field runs, and has the operation priced before it changes anything. It is a
// field middleware and not one of root fields, because only an error from here makes null bubble up as the specification
// says.
func (r *Resolver) policy(ctx context.Context, next graphql.Resolver) (any, error) {
	fc := graphql.GetFieldContext(ctx)
	switch fc.Object {
	case "Query", "Mutation", "Subscription":
		if isMeta(fc.Field.Name) {
			break
		}
		if err := viewer(ctx).RequireField(fc.Object + "." + fc.Field.Name); err != nil {
			return nil, err
		}
		if fc.Object != "Query" { // a query is priced when the engine runs it
			if err := r.Engine.Check(ctx); err != nil {
				return nil, err
			}
		}
	}
	return next(ctx)
}

// isMeta says whether a field is of the introspection system, which is open to everybody.
func isMeta(name string) bool { return len(name) > 1 && name[:2] == "__" }

// Schema is the parsed schema.
func Schema() *ast.Schema { return generated.NewExecutableSchema(generated.Config{}).Schema() }

// SDL is the text of schema.graphqls, with its comments.
func SDL() string { return Schema().Query.Position.Src.Input }
