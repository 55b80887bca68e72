package read

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// Session is one operation: what its root fields share.
type Session struct {
	mu      sync.Mutex
	checked bool
	cost    int
	done    bool
	results map[string]*result
	err     error
}

type sessionKey struct{}

// WithSession gives each operation its session. Without one every root field is a batch of its own.
func WithSession(ctx context.Context) context.Context {
	return context.WithValue(ctx, sessionKey{}, &Session{})
}

func sessionFrom(ctx context.Context) *Session {
	s, _ := ctx.Value(sessionKey{}).(*Session)
	return s
}

// Cost gives the cost of the operation in ctx, once Check or Field was called.
func Cost(ctx context.Context) int {
	s := sessionFrom(ctx)
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cost
}

// Check refuses an operation that costs more than is allowed, before anything of it has run. Field does it by itself; for
// mutations it must be called first, because what was changed cannot be unchanged when its answer turns out too dear.
func (e *Engine) Check(ctx context.Context) error {
	s := sessionFrom(ctx)
	if s == nil {
		s = &Session{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.check(ctx, e)
}

func (s *Session) check(ctx context.Context, e *Engine) error {
	if s.checked {
		return nil
	}
	oc := graphql.GetOperationContext(ctx)
	price := e.price(oc.Doc, oc.Operation, oc.Variables)
	s.cost = price.cost
	switch {
	case price.depth > e.config.MaxDepth:
		return fault.New(fault.QueryTooComplex, "The operation is nested deeper than %d fields. Split it, or start from a deeper node.", e.config.MaxDepth)
	case price.cost > e.config.MaxCost:
		return fault.New(fault.QueryTooComplex, "The operation costs %d; %d are allowed. Ask for smaller pages or fewer nested lists.",
			price.cost, e.config.MaxCost)
	}
	s.checked = true
	return nil
}

// result gives the result of a root field; the first call runs all of them.
func (s *Session) result(ctx context.Context, e *Engine, key string) (*result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		s.done = true
		s.err = fault.New(fault.Internal, "internal error") // stays when run panics
		s.err = s.run(ctx, e)
	}
	if s.err != nil {
		return nil, s.err
	}
	res := s.results[key]
	if res == nil {
		return nil, fault.New(fault.Forbidden, "This field is not open to the credential.")
	}
	delete(s.results, key)
	return res, nil
}

func (s *Session) run(ctx context.Context, e *Engine) error {
	if err := s.check(ctx, e); err != nil {
		return err
	}
	op, err := e.begin(ctx)
	if err != nil {
		return err
	}
	type root struct {
		key     string
		node    *node
		nonNull bool
	}
	var roots []root
	for _, sel := range op.collect("Query", []ast.SelectionSet{op.document.Operations.ForName(op.name).SelectionSet}) {
		f := sel.first()
		if len(f.Name) > 1 && f.Name[:2] == "__" || elsewhere[f.Name] || op.rq.env.viewer.MayAsk(f.Name) != nil {
			continue // introspection is gqlgen's; the policy has answered what is not allowed
		}
		roots = append(roots, root{sel.key, op.rootNode(sel), f.Definition.Type.NonNull})
	}
	if err := op.run(ctx); err != nil {
		return err
	}
	s.results = make(map[string]*result, len(roots))
	for _, r := range roots {
		s.results[r.key] = op.finish(r.node, r.nonNull)
	}
	op.release()
	return nil
}
