package read

import (
	"encoding/json"
	"strconv"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/vektah/gqlparser/v2/ast"
)

// planKey names a compiled selection. The document is the parsed one: gqlgen keeps those, so equal requests have the same
// pointer, and a plan whose document was dropped is not asked for again and ages out.
type planKey struct {
	document  *ast.QueryDocument
	operation string
	path      string
	reads     runKey
	many      bool
	scope     string
	signature string
}

// planCache keeps plans and prices, each bounded.
type planCache struct {
	units  *lru.Cache[planKey, *unit]
	prices *lru.Cache[priceKey, price]
	runs   runPool
}

func newPlanCache(size int) (*planCache, error) {
	units, err := lru.New[planKey, *unit](size)
	if err != nil {
		return nil, err
	}
	prices, err := lru.New[priceKey, price](size)
	return &planCache{units: units, prices: prices}, err
}

func (c *planCache) get(key planKey) *unit {
	u, _ := c.units.Get(key)
	return u
}

func (c *planCache) put(key planKey, u *unit) { c.units.Add(key, u) }

// signature holds of the variables what may change a plan: which are there, booleans (directives), enumerations (orders,
// directions), the form of input objects, whether a list has no, one or several items, and whether a text is blank. What is in
// texts and numbers is not in it: they are parameters, so a hostile client cannot make plans by counting.
func signature(schema *ast.Schema, op *ast.OperationDefinition, vars map[string]any) string {
	if len(op.VariableDefinitions) == 0 {
		return ""
	}
	s := signer{schema: schema, dst: make([]byte, 0, 64)}
	for _, def := range op.VariableDefinitions {
		v, ok := vars[def.Variable]
		if !ok {
			s.dst = append(s.dst, '-')
			continue
		}
		s.value(def.Type, v)
	}
	return string(s.dst)
}

type signer struct {
	schema *ast.Schema
	dst    []byte
}

func (s *signer) value(t *ast.Type, v any) {
	if v == nil {
		s.dst = append(s.dst, '0')
		return
	}
	if t.Elem != nil {
		s.list(t.Elem, v)
		return
	}
	def := s.schema.Types[t.NamedType]
	switch v := v.(type) {
	case bool:
		s.dst = append(s.dst, "ft"[btoi(v)])
	case map[string]any:
		s.dst = append(s.dst, '{')
		for i, f := range def.Fields {
			if item, ok := v[f.Name]; ok {
				s.dst = append(strconv.AppendInt(s.dst, int64(i), 10), ':')
				s.value(f.Type, item)
			}
		}
		s.dst = append(s.dst, '}')
	default:
		text, ok := v.(string)
		if ok && def != nil && def.Kind == ast.Enum && def.EnumValues.ForName(text) != nil {
			s.dst = append(append(s.dst, text...), ';')
			return
		}
		s.dst = append(s.dst, "sb"[btoi(ok && blank(text))])
	}
}

func (s *signer) list(elem *ast.Type, v any) {
	items, ok := v.([]any)
	if !ok {
		items = elements(v)
	}
	if def := s.schema.Types[elem.Name()]; def != nil && def.Kind == ast.InputObject {
		s.dst = append(s.dst, '[')
		for _, item := range items {
			s.value(elem, item)
		}
		s.dst = append(s.dst, ']')
		return
	}
	switch len(items) {
	case 0:
		s.dst = append(s.dst, 'e')
	case 1:
		s.dst = append(s.dst, 'o')
	default:
		s.dst = append(s.dst, 'm')
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// numbers holds the numbers and the lengths of lists, which change the price of an operation and nothing else.
func numbers(op *ast.OperationDefinition, vars map[string]any) string {
	var dst []byte
	for _, def := range op.VariableDefinitions {
		switch v := vars[def.Variable].(type) {
		case int64, int, float64, json.Number:
			if n, ok := wholeNumber(v); ok {
				dst = append(strconv.AppendInt(dst, n, 10), ',')
			}
		case []any:
			dst = append(strconv.AppendInt(dst, int64(len(v)), 10), ',')
		default:
			dst = append(dst, ',')
		}
	}
	return string(dst)
}
