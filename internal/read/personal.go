package read

import "github.com/vektah/gqlparser/v2/ast"

// Personal says whether a selection asks for anything that is the viewer's own. Its answer must not be shared with
// viewers of the same rights, as those of live subscriptions are.
func Personal(set ast.SelectionSet) bool {
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			if s.ObjectDefinition == nil || personalFields[s.ObjectDefinition.Name+"."+s.Name] || Personal(s.SelectionSet) {
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

// personalFields are the personal fields of all nouns ("Job.downloadUrl").
var personalFields = func() map[string]bool {
	names := map[string]bool{}
	for _, n := range declared() {
		for _, f := range n.fields {
			if f.compute != nil && f.compute.personal {
				names[n.name+"."+f.name] = true
			}
		}
	}
	return names
}()
