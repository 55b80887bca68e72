package read

import (
	"math"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// The prices of an operation: scalars cost nothing, an object 1, a connection 2 and its items, a totalCount 10.
const (
	priceObject     = 1
	priceConnection = 2
	priceTotal      = 10
	// pricedAreas is how many areas a customer is taken to have documents in: each has a page of them.
	pricedAreas = 4
	// maxPriced bounds the fields that are looked at, whatever fragments unfold to.
	maxPriced = 20_000
)

// price is what an operation costs and how deep it is.
type price struct{ cost, depth int }

type priceKey struct {
	document           *ast.QueryDocument
	operation          string
	signature, numbers string
}

// price gives the price of an operation, from the cache where it is known.
func (e *Engine) price(doc *ast.QueryDocument, op *ast.OperationDefinition, vars map[string]any, signature string) price {
	key := priceKey{doc, op.Name, signature, numbers(op, vars)}
	if p, ok := e.plans.prices.Get(key); ok {
		return p
	}
	w := pricer{collector: collector{shapes: e.shapes, vars: vars}, schema: e.config.Schema, stop: e.config.MaxCost}
	def := e.config.Schema.Query
	switch op.Operation {
	case ast.Mutation:
		def = e.config.Schema.Mutation
	case ast.Subscription:
		def = e.config.Schema.Subscription
	case ast.Query:
	}
	cost := w.selection(def, []ast.SelectionSet{op.SelectionSet}, 1)
	if w.fields > maxPriced {
		cost = math.MaxInt32
	}
	p := price{cost: int(min(cost, math.MaxInt32)), depth: w.depth}
	e.plans.prices.Add(key, p)
	return p
}

type pricer struct {
	collector
	schema *ast.Schema
	stop   int
	fields int
	depth  int
}

// selection gives the price of the fields of one object.
func (w *pricer) selection(def *ast.Definition, sets []ast.SelectionSet, depth int) int64 {
	if def.Kind != ast.Object {
		dearest := int64(0)
		for _, t := range w.schema.GetPossibleTypes(def) {
			dearest = max(dearest, w.selection(t, sets, depth))
		}
		return dearest
	}
	total := int64(0)
	for _, sel := range w.collect(def.Name, sets) {
		if w.fields++; w.fields > maxPriced {
			return total
		}
		if f := sel.first(); !strings.HasPrefix(f.Name, "__") {
			w.depth = max(w.depth, depth)
			total = saturated(total + w.field(def, sel, depth))
		}
	}
	return total
}

func (w *pricer) field(parent *ast.Definition, sel selected, depth int) int64 {
	f := sel.first()
	def := w.schema.Types[f.Definition.Type.Name()]
	switch {
	case f.Name == "totalCount" && strings.HasSuffix(parent.Name, "Connection"):
		return priceTotal
	case !def.IsCompositeType():
		return 0
	case def.Name == "PageInfo":
		w.depth = max(w.depth, depth+1)
		return 0
	case strings.HasSuffix(def.Name, "Connection") && parent.Name == "FileAttributeValue":
		return saturated(pricedAreas * w.connection(def, sel, depth+1))
	case strings.HasSuffix(def.Name, "Connection"):
		return w.connection(def, sel, depth+1)
	case strings.HasSuffix(def.Name, "Edge"):
		return w.selection(def, sel.sets(), depth+1)
	}
	one := saturated(priceObject + w.selection(def, sel.sets(), depth+1))
	if parent == w.schema.Query && f.Definition.Type.Elem != nil {
		return saturated(one * w.ids(f))
	}
	return one
}

// connection gives the price of a page: its items as often as the page is long, the rest once.
func (w *pricer) connection(def *ast.Definition, sel selected, depth int) int64 {
	w.depth = max(w.depth, depth)
	size, total := w.items(sel.first()), int64(priceConnection)
	for _, s := range w.collect(def.Name, sel.sets()) {
		if w.fields++; w.fields > maxPriced {
			return total
		}
		switch name := s.first().Name; name {
		case "nodes", "edges":
			total = saturated(total + size*w.field(def, s, depth))
		case "__typename":
		default:
			total = saturated(total + w.field(def, s, depth))
		}
	}
	return total
}

// items is the page's size. What cannot be a size is refused later, at its field.
func (w *pricer) items(f *ast.Field) int64 {
	for _, name := range []string{"first", "last"} {
		if arg := f.Arguments.ForName(name); arg != nil {
			if v, err := arg.Value.Value(w.vars); err == nil && v != nil {
				n, _ := wholeNumber(v)
				return min(max(n, 0), maxPage)
			}
		}
	}
	return defaultPage
}

// ids is how many items a list of Query has: one for each id, and in a report as many as in a page at most, as its groups
// cost a fraction of what a page's rows do.
func (w *pricer) ids(f *ast.Field) int64 {
	if f.Definition.Arguments.ForName("ids") == nil {
		return maxPage
	}
	arg := f.Arguments.ForName("ids")
	if arg == nil {
		return 1
	}
	v, err := arg.Value.Value(w.vars)
	if err != nil || v == nil {
		return 1
	}
	if list, ok := v.([]any); ok {
		return int64(len(list))
	}
	return int64(len(elements(v)))
}

func saturated(n int64) int64 { return min(n, math.MaxInt32) }
