package read

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
	texts "dossier/internal/text"
)

// arguments are a field's arguments or an input object, coerced: string, int64, bool, []any, arguments or nil. What was
// not given and has no default is not there.
type arguments map[string]any

func (a arguments) in(name string) arguments {
	v, _ := a[name].(arguments)
	return v
}

func (a arguments) text(name string) string {
	v, _ := a[name].(string)
	return v
}

// coercer turns the arguments of nested fields into values. gqlgen does that for root fields only, and the validation of
// the document leaves custom scalars, null for what has a default, and single values of lists.
type coercer struct {
	schema *ast.Schema
	vars   map[string]any
}

func (c coercer) field(def *ast.FieldDefinition, given ast.ArgumentList) (arguments, *fault.Error) {
	if len(def.Arguments) == 0 {
		return nil, nil
	}
	out := make(arguments, len(def.Arguments))
	for _, arg := range def.Arguments {
		var v *ast.Value
		if a := given.ForName(arg.Name); a != nil {
			v = a.Value
		}
		if err := c.member(out, arg.Name, arg.Type, arg.DefaultValue, v, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// member puts one argument or input field into out, or its default, or nothing.
func (c coercer) member(out arguments, name string, t *ast.Type, def, v *ast.Value, path []string) *fault.Error {
	if v == nil || c.unset(v) {
		if def == nil {
			return nil
		}
		v = def
	}
	got, err := c.literal(t, v, append(path[:len(path):len(path)], name))
	if err == nil {
		out[name] = got
	}
	return err
}

// unset says whether v is a variable without a value, which counts as not given.
func (c coercer) unset(v *ast.Value) bool {
	if v.Kind != ast.Variable {
		return false
	}
	_, ok := c.vars[v.Raw]
	return !ok && (v.VariableDefinition == nil || v.VariableDefinition.DefaultValue == nil)
}

func (c coercer) literal(t *ast.Type, v *ast.Value, path []string) (any, *fault.Error) {
	switch {
	case v.Kind == ast.Variable:
		if value, ok := c.vars[v.Raw]; ok {
			return c.value(t, value, path)
		}
		if v.VariableDefinition != nil && v.VariableDefinition.DefaultValue != nil {
			return c.literal(t, v.VariableDefinition.DefaultValue, path)
		}
		return c.value(t, nil, path)
	case v.Kind == ast.NullValue:
		return c.value(t, nil, path)
	case t.Elem != nil:
		if v.Kind != ast.ListValue {
			one, err := c.literal(t.Elem, v, path)
			return []any{one}, err
		}
		list := make([]any, len(v.Children))
		for i, child := range v.Children {
			var err *fault.Error
			if list[i], err = c.literal(t.Elem, child.Value, append(path[:len(path):len(path)], strconv.Itoa(i))); err != nil {
				return nil, err
			}
		}
		return list, nil
	case v.Kind == ast.ObjectValue:
		def := c.schema.Types[t.NamedType]
		out := make(arguments, len(v.Children))
		for _, f := range def.Fields {
			if err := c.member(out, f.Name, f.Type, f.DefaultValue, v.Children.ForName(f.Name), path); err != nil {
				return nil, err
			}
		}
		return out, nil
	case v.Kind == ast.IntValue && t.NamedType == "ID":
		return v.Raw, nil
	}
	raw, err := v.Value(nil)
	if err != nil {
		return nil, wrongValue(path, t)
	}
	return c.value(t, raw, path)
}

// value coerces what came in a variable.
func (c coercer) value(t *ast.Type, v any, path []string) (any, *fault.Error) {
	if v == nil {
		if t.NonNull {
			return nil, fault.At(fault.BadUserInput, path, "%s cannot be null.", last(path))
		}
		return nil, nil
	}
	if t.Elem != nil {
		items, ok := v.([]any)
		if !ok {
			items = elements(v)
		}
		list := make([]any, len(items))
		for i, item := range items {
			var err *fault.Error
			if list[i], err = c.value(t.Elem, item, append(path[:len(path):len(path)], strconv.Itoa(i))); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	def := c.schema.Types[t.NamedType]
	if def.Kind == ast.InputObject {
		object, ok := v.(map[string]any)
		if !ok {
			return nil, wrongValue(path, t)
		}
		return c.object(def, object, path)
	}
	return scalar(def, t, v, path)
}

// elements reads the slices that the validator makes of a single value of a list.
func elements(v any) []any {
	switch v := v.(type) {
	case []string:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	case []int64:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	case []json.Number:
		list := make([]any, len(v))
		for i := range v {
			list[i] = v[i]
		}
		return list
	}
	return []any{v}
}

func (c coercer) object(def *ast.Definition, v map[string]any, path []string) (any, *fault.Error) {
	out := make(arguments, len(v))
	for _, f := range def.Fields {
		item, ok := v[f.Name]
		if !ok {
			if err := c.member(out, f.Name, f.Type, f.DefaultValue, nil, path); err != nil {
				return nil, err
			}
			continue
		}
		got, err := c.value(f.Type, item, append(path[:len(path):len(path)], f.Name))
		if err != nil {
			return nil, err
		}
		out[f.Name] = got
	}
	return out, nil
}

func scalar(def *ast.Definition, t *ast.Type, v any, path []string) (any, *fault.Error) {
	switch def.Name {
	case "Int":
		if n, ok := wholeNumber(v); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
			return n, nil
		}
	case "BigInt":
		if n, ok := wholeNumber(v); ok {
			return n, nil
		}
	case "Decimal":
		if s, ok := decimalText(v); ok {
			return s, nil
		}
	case "Boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case "ID":
		if s, ok := v.(string); ok {
			return s, nil
		}
		if n, ok := wholeNumber(v); ok {
			return strconv.FormatInt(n, 10), nil
		}
	default:
		s, ok := v.(string)
		if ok && (def.Kind != ast.Enum || def.EnumValues.ForName(s) != nil) {
			return s, nil
		}
	}
	return nil, wrongValue(path, t)
}

// decimalText reads a decimal fraction in quotes or as a whole number, and gives the one form that is stored.
func decimalText(v any) (string, bool) {
	s, ok := v.(string)
	if n, whole := wholeNumber(v); !ok && whole {
		s = strconv.FormatInt(n, 10)
	}
	return texts.Decimal(s, 100, 100)
}

func wholeNumber(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case int:
		return int64(v), true
	case int32:
		return int64(v), true
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	case float64:
		return int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}

func wrongValue(path []string, t *ast.Type) *fault.Error {
	return fault.At(fault.BadUserInput, path, "%s is not a value of the type %s.", last(path), t.Name())
}

func last(path []string) string {
	if len(path) == 0 {
		return "The value"
	}
	return path[len(path)-1]
}
