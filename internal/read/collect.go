package read

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// selected is one response key of a selection with all fields that are merged into it.
type selected struct {
	key    string
	fields []*ast.Field
}

func (s selected) first() *ast.Field { return s.fields[0] }

// sets are the selection sets below the field.
func (s selected) sets() []ast.SelectionSet {
	sets := make([]ast.SelectionSet, len(s.fields))
	for i, f := range s.fields {
		sets[i] = f.SelectionSet
	}
	return sets
}

// collector merges selection sets as the specification's CollectFields does.
type collector struct {
	shapes map[string]map[string]bool // type condition -> object types that it holds for
	vars   map[string]any
}

// collect gives the fields that apply to the object type, in response order.
func (c collector) collect(typeName string, sets []ast.SelectionSet) []selected {
	w := walk{collector: c, typeName: typeName}
	for _, s := range sets {
		w.set(s)
	}
	return w.out
}

type walk struct {
	collector
	typeName string
	out      []selected
	spread   map[string]bool
}

func (w *walk) set(set ast.SelectionSet) {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if w.included(s.Directives) {
				w.add(s)
			}
		case *ast.InlineFragment:
			if w.included(s.Directives) && w.applies(s.TypeCondition) {
				w.set(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			if w.spread[s.Name] || !w.included(s.Directives) || !w.applies(s.Definition.TypeCondition) {
				continue
			}
			if w.spread == nil {
				w.spread = make(map[string]bool)
			}
			w.spread[s.Name] = true
			w.set(s.Definition.SelectionSet)
		}
	}
}

func (w *walk) add(f *ast.Field) {
	for i := range w.out {
		if w.out[i].key == f.Alias {
			w.out[i].fields = append(w.out[i].fields, f)
			return
		}
	}
	w.out = append(w.out, selected{key: f.Alias, fields: []*ast.Field{f}})
}

func (w *walk) applies(condition string) bool {
	return condition == "" || condition == w.typeName || w.shapes[condition][w.typeName]
}

// included evaluates @skip and @include.
func (c collector) included(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		arg := d.Arguments.ForName("if")
		if arg == nil {
			continue
		}
		v, err := arg.Value.Value(c.vars)
		if on, _ := v.(bool); err == nil && on == (d.Name == "skip") {
			return false
		}
	}
	return true
}
