package graph

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/fault"
	"dossier/internal/read"
)

// presenter makes every top-level error that a client sees.
type presenter struct {
	log *slog.Logger
	// denied is told the root field below which something was FORBIDDEN.
	denied func(ctx context.Context, field string)
}

// present turns err into a GraphQL error with extensions.code and extensions.requestId.
//
// SECURITY: gqlgen hands over resolver errors already wrapped as *gqlerror.Error, message and all. Only two sorts of
// message are shown: that of a fault, and that of the parser, the validator and the executor itself, which wrap no
// cause. Everything else becomes "internal error".
func (p presenter) present(ctx context.Context, err error) *gqlerror.Error {
	out := &gqlerror.Error{Message: "internal error", Path: graphql.GetPath(ctx), Extensions: map[string]any{}}
	var shaped *gqlerror.Error
	if errors.As(err, &shaped) {
		out.Locations = shaped.Locations
		if len(shaped.Path) > 0 {
			out.Path = shaped.Path
		}
	}
	code := fault.Internal
	f := firstFault(err)
	switch {
	case f != nil:
		code = f.Code
		if code != fault.Internal {
			out.Message = f.Message
		}
		if len(f.Path) > 0 {
			out.Extensions["argumentPath"] = f.Path
		}
	case shaped != nil && shaped.Err == nil:
		out.Message = shaped.Message
		for k, v := range shaped.Extensions {
			out.Extensions[k] = v
		}
		code = fault.BadUserInput
		// The parser has no other sign of this error, and the executor gives both the code of any bad document.
		if shaped.Rule == repeatedNames || strings.HasPrefix(shaped.Message, "exceeded token limit") {
			out.Extensions["code"] = string(fault.QueryTooComplex)
		}
	}
	if _, set := out.Extensions["code"]; !set {
		out.Extensions["code"] = string(code)
	}
	if id := RequestID(ctx); id != "" {
		out.Extensions["requestId"] = id
	}
	// All that is below a root field is read by the engine, so the field of ctx is the root field itself. Every refusal comes
	// by here, whether the policy, a use case or the engine has made it.
	if fc := graphql.GetFieldContext(ctx); code == fault.Forbidden && fc != nil && fc.Field.Field != nil {
		p.denied(ctx, fc.Object+"."+fc.Field.Name)
	}
	if code == fault.Internal || code == fault.Unavailable {
		p.log.ErrorContext(ctx, "operation failed", "code", code, "request_id", RequestID(ctx), "path", out.Path.String(), "cause", cause(err))
	}
	return out
}

// recovered turns a panic into an internal error, with the stack in the log and nowhere else.
func (p presenter) recovered(ctx context.Context, r any) error {
	p.log.ErrorContext(ctx, "panic", "request_id", RequestID(ctx), "panic", PanicText(r), "stack", string(debug.Stack()))
	return &fault.Error{Code: fault.Internal, Op: "graph.recovered", Message: "internal error"}
}

// PanicText is what a log may hold of a panic: the text of a broken rule or of the runtime. Any other value can carry what
// a customer wrote, so its type has to do; the stack says where it was.
func PanicText(r any) string {
	switch r := r.(type) {
	case string:
		return r
	case runtime.Error:
		return r.Error()
	default:
		return fmt.Sprintf("%T", r)
	}
}

func firstFault(err error) *fault.Error {
	var list fault.List
	if errors.As(err, &list) && len(list) > 0 {
		return list[0]
	}
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// cause is the error for the log. A fault's text is written by Dossier; the cause behind it is of a library and is
// shown by its type and text, which for PostgreSQL and HTTP clients hold no values of a customer's.
func cause(err error) string {
	if f := firstFault(err); f != nil {
		return f.Error()
	}
	return err.Error()
}

// userErrors gives the value of a payload's userErrors for an expected failure. ok is false for every other failure,
// which is a top-level error.
func userErrors(err error) (list []any, ok bool) {
	faults := fault.AsList(err)
	if faults == nil {
		return nil, false
	}
	for _, f := range faults {
		if !f.Code.Expected() {
			return nil, false
		}
		list = append(list, userError(f))
	}
	return list, true
}

// userError gives the type of UserError that says most about f.
func userError(f *fault.Error) read.Obj {
	fields := map[string]any{"code": string(f.Code), "message": f.Message, "path": nil}
	if len(f.Path) > 0 {
		path := make([]any, len(f.Path))
		for i, p := range f.Path {
			path[i] = p
		}
		fields["path"] = path
	}
	typeName := "InvalidInputError"
	switch f.Code {
	case fault.NotFound:
		typeName = "NotFoundError"
	case fault.Conflict:
		typeName = "StateConflictError"
		if d, ok := f.Detail.(fault.DuplicateDetail); ok {
			typeName = "DuplicateCustomerError"
			candidates := make([]any, len(d.NodeIDs))
			for i, id := range d.NodeIDs {
				candidates[i] = read.NodeRef(id)
			}
			fields["candidates"] = candidates
		}
	case fault.IdempotencyKeyReused:
		typeName = "IdempotencyKeyReusedError"
	case fault.VersionConflict:
		if d, ok := f.Detail.(fault.VersionConflictDetail); ok {
			typeName = "VersionConflictError"
			fields["currentVersion"] = d.CurrentVersion
			fields["conflictingFields"] = stringValues(d.ConflictingFields)
			fields["current"] = read.NodeRef(d.NodeID)
		}
	case fault.TooLarge:
		if d, ok := f.Detail.(fault.LimitDetail); ok {
			typeName = "FileTooLargeError"
			fields["limitBytes"] = d.LimitBytes
		}
	case fault.QuotaExceeded:
		if d, ok := f.Detail.(fault.QuotaDetail); ok {
			typeName = "QuotaExceededError"
			fields["limitBytes"], fields["usedBytes"] = d.LimitBytes, d.UsedBytes
		}
	case fault.UnsupportedMediaType:
		if d, ok := f.Detail.(fault.MediaTypeDetail); ok {
			typeName = "UnsupportedMediaTypeError"
			fields["contentType"], fields["accepted"] = d.ContentType, stringValues(d.Accepted)
		}
	}
	return read.Obj{Type: typeName, Fields: fields}
}

func stringValues(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// payload renders the answer of a mutation: the fields of the payload on success, null and userErrors on an expected
// failure, a top-level error else.
func (r *Resolver) payload(ctx context.Context, typeName string, fields map[string]any, err error) (*read.Object, error) {
	out := read.Obj{Type: typeName, Fields: map[string]any{"userErrors": []any{}}}
	if err != nil {
		list, ok := userErrors(err)
		if !ok {
			return nil, err
		}
		out.Fields["userErrors"] = list
	} else {
		for name, v := range fields {
			out.Fields[name] = v
		}
	}
	return r.Engine.Render(ctx, out)
}

// wrongID is the fault of an argument that is not an id of the type that it should be. It is the same as for an id that
// names nothing: an id is opaque to clients.
func wrongID(path ...string) *fault.Error {
	return fault.At(fault.NotFound, path, "%s names nothing in this account.", strings.Join(path, "."))
}
