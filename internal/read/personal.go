package read

import "github.com/vektah/gqlparser/v2/ast"

// Personal says whether a selection asks for anything that is the viewer's own. Its answer must not be shared with
// viewers of the same rights, as those of live subscriptions are. It goes by the names of fields alone.
func Personal(set ast.SelectionSet) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if personalNames[s.Name] || Personal(s.SelectionSet) {
				return true
			}
		case *ast.InlineFragment:
			if Personal(s.SelectionSet) {
				return true
			}
		case *ast.FragmentSpread:
			if Personal(s.Definition.SelectionSet) {
				return true
			}
		}
	}
	return false
}

// personalNames are the names of the personal fields of all nouns.
var personalNames = func() map[string]bool {
	names := map[string]bool{}
	for _, n := range declared() {
		for _, f := range n.fields {
			if f.compute != nil && f.compute.personal {
				names[f.name] = true
			}
		}
	}
	return names
}()
