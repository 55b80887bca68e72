package read

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
)

// operation is one batch: values with selections, the units that read what the values refer to, and the errors.
type operation struct {
	e  *Engine
	rq *request
	collector
	document  *ast.QueryDocument
	name      string
	signature string
	runs      []*plannedRun
	faults    []located
}

// plannedRun is one unit while values are collected for it.
type plannedRun struct {
	key  runKey
	sel  selected
	path []string
	run  *unitRun
}

// runKey says what a unit reads: nodes of a type, or a connection or found row of Query.
type runKey struct{ typeName, connection string }

// pool keeps the buffers of finished operations.
type runPool struct{ pool sync.Pool }

func (p *runPool) get() *unitRun {
	if r, ok := p.pool.Get().(*unitRun); ok {
		return r
	}
	return &unitRun{}
}

// maxKept bounds the buffers that are kept, so that one large answer does not stay in memory.
const maxKept = 1 << 20

func (p *runPool) put(r *unitRun) {
	r.binding, r.redirects, r.known = nil, nil, nil
	size := 0
	for i := range r.states {
		size += cap(r.states[i].buf)
	}
	if size <= maxKept {
		p.pool.Put(r)
	}
}

// spacePool keeps the memory of answers that were sent.
type spacePool struct{ pool sync.Pool }

// get gives memory of length 0 for about size bytes.
func (p *spacePool) get(size int) []byte {
	if space, ok := p.pool.Get().(*[]byte); ok && cap(*space) >= size {
		return (*space)[:0]
	}
	return make([]byte, 0, size)
}

func (p *spacePool) put(space []byte) {
	if cap(space) <= maxKept {
		p.pool.Put(&space)
	}
}

// begin reads the operation and its viewer from ctx. signature is that of its variables.
func (e *Engine) begin(ctx context.Context, signature string) (*operation, error) {
	viewer, err := e.config.Viewer(ctx)
	if err != nil {
		return nil, err
	}
	oc := graphql.GetOperationContext(ctx)
	env := &environment{config: &e.config, viewer: viewer, account: viewer.Account(), holder: viewer.Holder()}
	return &operation{
		e:         e,
		rq:        &request{env: env, vars: oc.Variables, now: e.config.Now()},
		collector: collector{shapes: e.shapes, vars: oc.Variables},
		document:  oc.Doc, name: oc.Operation.Name,
		signature: signature,
	}, nil
}

func (op *operation) coercer() coercer {
	return coercer{schema: op.e.config.Schema, vars: op.rq.vars}
}

// unitFor notes that a node is to be read under the selection at path; all nodes of one type at one place are one unit.
func (op *operation) unitFor(key runKey, sel selected, path []string, id uuid.UUID) *unitRun {
	for _, p := range op.runs {
		if p.key == key && slices.Equal(p.path, path) {
			if !slices.Contains(p.run.ids, id) {
				p.run.ids = append(p.run.ids, id)
			}
			return p.run
		}
	}
	run := op.e.plans.runs.get()
	run.binding = &binding{rq: op.rq, schema: op.e.config.Schema, ids: []uuid.UUID{id}}
	op.runs = append(op.runs, &plannedRun{key: key, sel: sel, path: path, run: run})
	return run
}

// run compiles what is not compiled yet and runs all units.
func (op *operation) run(ctx context.Context) error {
	for _, p := range op.runs {
		op.plan(p)
	}
	for again := 0; ; again++ {
		live := make([]*unitRun, 0, len(op.runs))
		for _, p := range op.runs {
			p.run.reset()
			if !p.run.unit.null && !p.run.fromKnown() {
				live = append(live, p.run)
			}
		}
		if err := op.e.run(ctx, live); err != nil {
			return err
		}
		if again == maxRedirects || !op.redirect() {
			return nil
		}
	}
}

// plan gives the run its unit, from the cache where this way of asking is known and its values are sound.
func (op *operation) plan(p *plannedRun) {
	key := planKey{
		document: op.document, operation: op.name, path: strings.Join(p.path, "."), reads: p.key,
		many: len(p.run.ids) > 1, scope: op.rq.env.viewer.ScopeKey(), signature: op.signature,
	}
	if u := op.e.plans.get(key); u != nil {
		p.run.unit = u
		if p.run.bind() == nil {
			return
		}
	}
	c := op.e.newCompiler(op.rq, p.run.ids)
	if d, ok := finds()[p.key.connection]; ok {
		c.find(d, p.sel)
	} else if d, ok := reports()[p.key.connection]; ok {
		c.report(d, p.sel)
	} else if p.key.connection != "" {
		c.root(op.e.roots()[p.key.connection], "Query."+p.key.connection, p.sel)
	} else {
		c.byID(op.e.nouns[p.key.typeName], key.many, p.sel.sets())
	}
	p.run.binding = c.b
	c.u.seal()
	if !c.refused {
		op.e.plans.put(key, c.u)
	}
}

func (op *operation) anyFault() bool {
	for _, p := range op.runs {
		if len(p.run.unit.faults) > 0 || len(p.run.faults) > 0 || p.run.refused != nil {
			return true
		}
	}
	return false
}

// finish writes the value of a root field and gathers the errors below it.
func (op *operation) finish(n *node, nonNull bool) *result {
	before := roomBefore(n.path[0])
	space, ok := op.write(op.e.spaces.get(before + op.size() + roomBehind)[:before], n)
	if ok {
		return &result{object: &Object{JSON: space[before:], space: space}, faults: op.faultsBelow(n.path)}
	}
	res := &result{faults: op.faultsBelow(n.path)}
	if len(res.faults) > 0 {
		return res
	}
	if nonNull {
		res.faults = []located{{n.path, gone()}}
		return res
	}
	res.object = &Object{}
	return res
}

// size guesses the length of the answer: what the roots have written.
func (op *operation) size() int {
	n := 256
	for _, p := range op.runs {
		if l := p.run.unit.root; l != nil && len(p.run.states) > l.index {
			n += len(p.run.states[l.index].buf)
		}
	}
	return n
}

// faultsBelow gives the errors whose path begins with the root field's.
func (op *operation) faultsBelow(path []string) []located {
	var list []located
	for _, f := range op.faults {
		if f.path[0] == path[0] {
			list = append(list, f)
		}
	}
	for _, p := range op.runs {
		if p.path[0] != path[0] {
			continue
		}
		if p.run.refused != nil {
			list = append(list, located{p.path, p.run.refused})
		}
		for _, f := range [][]located{p.run.unit.faults, p.run.faults} {
			for _, f := range f {
				list = append(list, located{append(slices.Clone(p.path), f.path...), f.err})
			}
		}
	}
	return list
}

// release gives the buffers back; what was finished does not refer to them.
func (op *operation) release() {
	for _, p := range op.runs {
		op.e.plans.runs.put(p.run)
	}
	op.runs = nil
}
