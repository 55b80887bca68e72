package read

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// Value is what Render takes: nil, an Obj, a Ref, a list of values ([]any, []string), or a scalar (string, bool, integers,
// time.Time, []byte holding JSON).
type Value = any

// Obj is an object that is not read from the database: a payload, an error, a message.
type Obj struct {
	// Type is the object type in the SDL.
	Type string
	// Fields are its values by name; what is not there is null.
	Fields map[string]any
}

// Ref stands for a node: it is read as it is now, under the selection at its place. One that is not in the account is null.
type Ref struct {
	Type string
	ID   uuid.UUID
	// Known is what the caller has just written of it, see Known; nil has all of it read.
	Known Known
}

// NodeRef makes a Ref of a global id. What is no id of a node is nil, which renders as null.
func NodeRef(id string) Value {
	prefix, u, err := typeid.Parse(id)
	if err != nil {
		return nil
	}
	for _, n := range declared() {
		if n.prefix == prefix && prefix != "" {
			return Ref{Type: n.name, ID: u}
		}
	}
	return nil
}

// rootConnection is a connection of Query.
type rootConnection struct{ name string }

// node is a value with its selection, before it is written.
type node struct {
	code   nodeCode
	json   []byte
	fields []nodeField
	items  []*node
	// itemNonNull: a null item makes the list null.
	itemNonNull bool
	run         *unitRun
	id          uuid.UUID
	path        []string
}

type nodeCode uint8

const (
	nodeNull nodeCode = iota
	nodeJSON
	nodeObject
	nodeList
	nodeRef
	nodePage
)

type nodeField struct {
	key     []byte
	node    *node
	nonNull bool
}

// rootNode gives the value of a root field of Query.
func (op *operation) rootNode(sel selected) *node {
	f := sel.first()
	path := []string{sel.key}
	args, err := op.coercer().field(f.Definition, f.Arguments)
	if err != nil {
		return op.failed(path, err)
	}
	env := op.rq.env
	var v any
	switch f.Name {
	case "viewer":
		who := Obj{Type: "Viewer", Fields: map[string]any{
			"account": Ref{Type: "Account", ID: env.account}, "permissions": env.viewer.Permissions(),
		}}
		if typeName, id := env.viewer.Actor(); typeName != "" {
			who.Fields["actor"] = Ref{Type: typeName, ID: id}
		}
		v = who
	case "account":
		v = Ref{Type: "Account", ID: env.account}
	case "storage":
		v = Ref{Type: "StorageUsage", ID: env.account}
	case "customer", "document", "job":
		if ref, ok := op.e.ref(args.text("id")).(Ref); ok && ref.Type == f.Definition.Type.Name() {
			v = ref
		}
	case "node":
		v = op.e.ref(args.text("id"))
	case "nodes":
		ids, _ := args["ids"].([]any)
		if len(ids) > maxFilterIDs {
			return op.failed(path, fault.At(fault.BadUserInput, []string{"ids"}, "ids has %d ids; at most %d are allowed.", len(ids), maxFilterIDs))
		}
		refs := make([]any, len(ids))
		for i, id := range ids {
			refs[i] = op.e.ref(asText(id))
		}
		v = refs
	default:
		v = rootConnection{f.Name}
	}
	return op.build(v, f.Definition.Type, sel, path)
}

func (e *Engine) ref(id string) any {
	prefix, u, err := typeid.Parse(id)
	if typeName := e.prefixes[prefix]; err == nil && typeName != "" {
		return Ref{Type: typeName, ID: u}
	}
	return nil
}

// failed is a field whose arguments were refused.
func (op *operation) failed(path []string, err error) *node {
	op.faults = append(op.faults, located{path, err})
	return &node{path: path}
}

// build pairs a value with its selection and notes what must be read.
func (op *operation) build(v any, t *ast.Type, sel selected, path []string) *node {
	if v == nil {
		return &node{path: path}
	}
	if root, ok := v.(rootConnection); ok {
		return &node{code: nodePage, run: op.unitFor(runKey{connection: root.name}, sel, path, uuid.Nil), path: path}
	}
	if t.Elem != nil {
		return op.buildList(v, t, sel, path)
	}
	switch v := v.(type) {
	case Obj:
		return op.buildObject(v, sel, path)
	case Ref:
		own := op.rq.env.account
		if (v.Type == "Account" || v.Type == "StorageUsage") && v.ID != own {
			return &node{path: path}
		}
		run := op.unitFor(runKey{typeName: v.Type}, sel, path, v.ID)
		run.known = v.Known
		return &node{code: nodeRef, run: run, id: v.ID, path: path}
	}
	out, err := scalarJSON(v, t.NamedType)
	if err != nil {
		return op.failed(path, err)
	}
	return &node{code: nodeJSON, json: out, path: path}
}

func (op *operation) buildList(v any, t *ast.Type, sel selected, path []string) *node {
	n := &node{code: nodeList, itemNonNull: t.Elem.NonNull, path: path}
	switch list := v.(type) {
	case []any:
		for _, item := range list {
			n.items = append(n.items, op.build(item, t.Elem, sel, path))
		}
	case []string:
		for _, item := range list {
			n.items = append(n.items, op.build(item, t.Elem, sel, path))
		}
	default:
		return op.failed(path, fmt.Errorf("read: %T is no list", v))
	}
	return n
}

func (op *operation) buildObject(v Obj, sel selected, path []string) *node {
	n := &node{code: nodeObject, path: path}
	def := op.e.config.Schema.Types[v.Type]
	if def == nil {
		return op.failed(path, fmt.Errorf("read: no type %s", v.Type))
	}
	for _, s := range op.collect(v.Type, sel.sets()) {
		f := nodeField{key: fieldKey(len(n.fields) == 0, s.key)}
		name := s.first().Name
		if name == "__typename" {
			f.node = &node{code: nodeJSON, json: []byte(`"` + v.Type + `"`)}
		} else {
			t := def.Fields.ForName(name).Type
			f.nonNull = t.NonNull
			f.node = op.build(v.Fields[name], t, s, append(path[:len(path):len(path)], s.key))
		}
		n.fields = append(n.fields, f)
	}
	return n
}

// scalarJSON encodes a leaf.
func scalarJSON(v any, typeName string) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return appendString(nil, strings.ToValidUTF8(v, "\uFFFD")), nil
	case *string:
		if v == nil {
			return []byte("null"), nil
		}
		return appendString(nil, strings.ToValidUTF8(*v, "\uFFFD")), nil
	case bool:
		return strconv.AppendBool(nil, v), nil
	case int:
		return appendInt(nil, int64(v)), nil
	case int32:
		return appendInt(nil, int64(v)), nil
	case int64:
		return appendInt(nil, v), nil
	case time.Time:
		if typeName == "Date" {
			return []byte(`"` + v.Format(time.DateOnly) + `"`), nil
		}
		return appendInstant(nil, v.UnixMicro()-epochMicros), nil
	case json.RawMessage:
		return v, nil
	}
	return nil, fmt.Errorf("read: %T is no %s", v, typeName)
}

// write writes a node; false means that it is null.
func (op *operation) write(dst []byte, n *node) ([]byte, bool) {
	switch n.code {
	case nodeJSON:
		return append(dst, n.json...), string(n.json) != "null"
	case nodeObject:
		return op.writeObject(dst, n)
	case nodeList:
		return op.writeList(dst, n)
	case nodeRef, nodePage:
		return op.writeUnit(dst, n)
	default:
		return dst, false
	}
}

func (op *operation) writeObject(dst []byte, n *node) ([]byte, bool) {
	if len(n.fields) == 0 {
		return append(dst, "{}"...), true
	}
	start := len(dst)
	for i := range n.fields {
		f := &n.fields[i]
		dst = append(dst, f.key...)
		mark := len(dst)
		var ok bool
		if dst, ok = op.write(dst, f.node); ok {
			continue
		}
		dst = dst[:mark]
		if f.nonNull {
			op.missing(f.node)
			return dst[:start], false
		}
		dst = append(dst, "null"...)
	}
	return append(dst, '}'), true
}

func (op *operation) writeList(dst []byte, n *node) ([]byte, bool) {
	start := len(dst)
	dst = append(dst, '[')
	for i, item := range n.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		mark := len(dst)
		var ok bool
		if dst, ok = op.write(dst, item); ok {
			continue
		}
		if n.itemNonNull {
			op.missing(item)
			return dst[:start], false
		}
		dst = append(dst[:mark], "null"...)
	}
	return append(dst, ']'), true
}

func (op *operation) writeUnit(dst []byte, n *node) ([]byte, bool) {
	r := n.run
	if r.unit.null || r.refused != nil || r.unit.root == nil {
		return dst, false
	}
	l := r.unit.root
	s := &r.states[l.index]
	at, found := s.only, s.only.from >= 0
	if l.many {
		at, found = s.spans[r.answers(n.id)]
	}
	switch {
	case found:
		return append(dst, s.buf[at.from:at.to]...), !at.null
	case n.code == nodePage && l.shape != shapeRows: // only counted, or nothing but __typename
		return r.compose(dst, l, &group{}), true
	}
	return dst, false
}

// missing reports a value that is null and cannot be, unless something below it was reported.
func (op *operation) missing(n *node) {
	if len(op.faults) > 0 || op.anyFault() {
		return
	}
	op.faults = append(op.faults, located{n.path, gone()})
}

func gone() error {
	return fault.New(fault.NotFound, "What this field stands for is not there any more.")
}
