package read

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// rendered are the root fields of Query whose values a use case gives, for Render.
var rendered = map[string]bool{"fieldPolicy": true, "customerDuplicates": true, "customerDuplicateGroups": true, "documentAreas": true}

// Session is one operation: what its root fields share.
type Session struct {
	mu      sync.Mutex
	checked bool
	cost    int
	// signature is of the operation's variables, once it was checked.
	signature string
	done      bool
	results   map[string]*result
	err       error
	// spaces is the memory of the results, of the pool.
	spaces [][]byte
	pool   *spacePool
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

// Release gives the memory of a query's answer back. Whoever has sent the answer may call it with the context of the operation;
// from then on nobody may look at the answer. Without it the memory is garbage.
func Release(ctx context.Context) {
	s := sessionFrom(ctx)
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, space := range s.spaces {
		s.pool.put(space)
	}
	s.spaces, s.results = nil, nil
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
	s.signature = signature(e.config.Schema, oc.Operation, oc.Variables)
	price := e.price(oc.Doc, oc.Operation, oc.Variables, s.signature)
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
	op, err := e.begin(ctx, s.signature)
	if err != nil {
		return err
	}
	type root struct {
		key     string
		node    *node
		nonNull bool
	}
	var roots []root
	var fields []*ast.Field
	for _, sel := range op.collect("Query", []ast.SelectionSet{op.document.Operations.ForName(op.name).SelectionSet}) {
		f := sel.first()
		if len(f.Name) > 1 && f.Name[:2] == "__" || rendered[f.Name] || op.rq.env.viewer.MayAsk(f.Name) != nil {
			continue // introspection is gqlgen's; the policy has answered what is not allowed
		}
		roots = append(roots, root{sel.key, op.rootNode(sel), f.Definition.Type.NonNull})
		if f.Arguments.ForName("search") != nil {
			fields = append(fields, f)
		}
	}
	if err := op.understand(ctx, fields); err != nil {
		return err
	}
	if err := op.run(ctx); err != nil {
		return err
	}
	s.results = make(map[string]*result, len(roots))
	s.pool = &e.spaces
	for _, r := range roots {
		res := op.finish(r.node, r.nonNull)
		s.results[r.key] = res
		if res.object != nil && res.object.space != nil {
			s.spaces = append(s.spaces, res.object.space)
		}
	}
	op.release()
	return nil
}
