package read

func (e *Engine) check() error {
	for _, n := range e.nouns {
		n.def = e.config.Schema.Types[n.name]
		n.byName = map[string]*field{}
		for i := range n.fields {
			n.byName[n.fields[i].name] = &n.fields[i]
		}
	}
	return nil
}

func toValid(s string) string { return s }
