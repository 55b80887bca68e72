package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/read"
	"dossier/internal/transport"
	"dossier/internal/typeid"
)

// replayPage is the most events of one execution of a subscription.
const replayPage = 200

// span is the part of the log that one execution of a subscription is for. The resolver fills in the rest.
type span struct {
	account   uuid.UUID
	from, to  int64
	heartbeat bool

	seqs    []int64
	reached int64
}

type spanKey struct{}

func replayFrom(ctx context.Context) *span {
	s, _ := ctx.Value(spanKey{}).(*span)
	return s
}

// Subscription is one subscription operation of one principal, ready to be replayed for any part of the log.
type Subscription struct {
	// Account is whose log it follows.
	Account uuid.UUID
	// Key is equal for subscriptions that get the very same messages: same document, operation and variables (the cursor
	// apart), same account and permissions, and the same principal where the messages hold what is personal.
	Key string
	// From is the number of the event after which it begins, or FromNow.
	From int64

	principal auth.Principal
	exec      graphql.GraphExecutor
	oc        *graphql.OperationContext
}

// Subscribe checks a subscription operation before its first message: the policy, the cursor and the customer.
func (r *Resolver) Subscribe(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext) (*Subscription, error) {
	p := viewer(ctx)
	fields := graphql.CollectFields(oc, oc.Operation.SelectionSet, []string{"Subscription"})
	if len(fields) != 1 || isMeta(fields[0].Name) {
		return nil, fault.New(fault.BadUserInput, "A subscription has exactly one field.")
	}
	field := fields[0]
	if err := p.RequireField("Subscription." + field.Name); err != nil {
		if fault.CodeOf(err) == fault.Forbidden {
			r.denied(ctx, "Subscription."+field.Name)
		}
		return nil, err
	}
	args := field.ArgumentMap(oc.Variables)
	if err := r.checkCustomer(ctx, p, args["customerId"]); err != nil {
		return nil, err
	}
	after, _ := args["after"].(string)
	if last := transport.LastEventID(ctx); last != "" {
		after = last
	}
	from, err := r.position(ctx, p, after)
	if err != nil {
		return nil, err
	}
	return &Subscription{Account: p.AccountID, Key: groupKey(p, field.Field, oc), From: from, principal: p, exec: exec, oc: oc}, nil
}

func (r *Resolver) checkCustomer(ctx context.Context, p auth.Principal, arg any) error {
	id, ok := arg.(string)
	if !ok {
		return nil
	}
	customerID, err := parseID(typeid.Customer, id, "customerId")
	if err != nil {
		return err
	}
	return r.Customers.Exists(ctx, p, customerID)
}

// FromNow as Subscription.From means: the events from now on.
const FromNow = -1

// position turns a cursor into the number of an event.
func (r *Resolver) position(ctx context.Context, p auth.Principal, after string) (int64, error) {
	if after == "" {
		return FromNow, nil
	}
	seq, err := read.ParseEventCursor(p.AccountID, after)
	if err != nil {
		return 0, err
	}
	head, floor, err := r.Timeline.Head(ctx, p)
	switch {
	case err != nil:
		return 0, err
	case seq > head:
		return 0, fault.At(fault.InvalidCursor, []string{"after"}, "The cursor is of no event of this account.")
	case seq < floor:
		return 0, fault.At(fault.CursorExpired, []string{"after"}, "The events after this cursor are no longer kept. Reload, then subscribe without it.")
	}
	return seq, nil
}

// groupKey says who can share executions. The variable that holds the cursor is left out, where it holds nothing else.
func groupKey(p auth.Principal, field *ast.Field, oc *graphql.OperationContext) string {
	cursor := ""
	if arg := field.Arguments.ForName("after"); arg != nil && arg.Value.Kind == ast.Variable {
		cursor = arg.Value.Raw
	}
	if uses(oc.Operation.SelectionSet, cursor) > 1 {
		cursor = ""
	}
	names := make([]string, 0, len(oc.Variables))
	for name := range oc.Variables {
		if name != cursor {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	h := sha256.New()
	enc := json.NewEncoder(h)
	_ = enc.Encode([]string{p.ScopeKey(), oc.RawQuery, oc.Operation.Name})
	// SECURITY: links are in the name of who asks. In a shared message they would be in the name of another subscriber, who
	// would have the download on record.
	if read.Personal(oc.Operation.SelectionSet) {
		_ = enc.Encode([]string{string(p.Kind), p.ID.String()})
	}
	for _, name := range names {
		_ = enc.Encode([]any{name, oc.Variables[name]})
	}
	return hex.EncodeToString(h.Sum(nil))
}

// uses counts the places where a variable stands.
func uses(set ast.SelectionSet, variable string) int {
	n := 0
	inDirectives := func(list ast.DirectiveList) {
		for _, d := range list {
			n += usesInArguments(d.Arguments, variable)
		}
	}
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			inDirectives(s.Directives)
			n += usesInArguments(s.Arguments, variable) + uses(s.SelectionSet, variable)
		case *ast.InlineFragment:
			inDirectives(s.Directives)
			n += uses(s.SelectionSet, variable)
		case *ast.FragmentSpread:
			inDirectives(s.Directives)
			n += uses(s.Definition.SelectionSet, variable)
		}
	}
	return n
}

func usesInArguments(args ast.ArgumentList, variable string) int {
	n := 0
	for _, a := range args {
		n += usesInValue(a.Value, variable)
	}
	return n
}

func usesInValue(v *ast.Value, variable string) int {
	if v.Kind == ast.Variable {
		if v.Raw == variable {
			return 1
		}
		return 0
	}
	n := 0
	for _, child := range v.Children {
		n += usesInValue(child.Value, variable)
	}
	return n
}

// Run executes the operation for the events in (from, to] and emits one message per event that matches, in order. It
// stops after a page and says up to where everything was emitted.
func (s *Subscription) Run(ctx context.Context, from, to int64, emit func(transport.Message) error) (int64, error) {
	part := &span{account: s.Account, from: from, to: to, reached: from}
	i := 0
	err := s.execute(ctx, part, func(payload []byte) error {
		if i >= len(part.seqs) {
			return fault.New(fault.Internal, "internal error")
		}
		seq := part.seqs[i]
		i++
		return emit(transport.Message{Seq: seq, Cursor: read.EventCursor(s.Account, seq), Payload: payload})
	})
	return part.reached, err
}

// Heartbeat is the message which says that everything up to seq was delivered. It reads nothing.
func (s *Subscription) Heartbeat(seq int64) transport.Message {
	msg := transport.Message{Seq: seq, Cursor: read.EventCursor(s.Account, seq)}
	err := s.execute(context.Background(), &span{account: s.Account, to: seq, heartbeat: true}, func(payload []byte) error {
		msg.Payload = payload
		return nil
	})
	if err != nil {
		msg.Payload = transport.AppendResponse(nil, &graphql.Response{Errors: gqlerror.List{gqlerror.Errorf("internal error")}})
	}
	return msg
}

func (s *Subscription) execute(ctx context.Context, part *span, emit func([]byte) error) error {
	ctx = context.WithValue(auth.WithPrincipal(ctx, s.principal), spanKey{}, part)
	oc := &graphql.OperationContext{
		RawQuery: s.oc.RawQuery, Variables: s.oc.Variables, OperationName: s.oc.OperationName, Doc: s.oc.Doc,
		Operation: s.oc.Operation, RecoverFunc: s.oc.RecoverFunc,
		ResolverMiddleware: s.oc.ResolverMiddleware, RootResolverMiddleware: s.oc.RootResolverMiddleware,
	}
	next, ctx := s.exec.DispatchOperation(ctx, oc)
	for {
		resp := next(ctx)
		switch {
		case resp == nil:
			return nil
		case len(resp.Errors) > 0 && isNull(resp.Data):
			return Failure{resp.Errors}
		}
		if err := emit(transport.AppendResponse(nil, resp)); err != nil {
			return err
		}
	}
}

func isNull(data json.RawMessage) bool { return len(data) == 0 || string(data) == "null" }

// Failure is an execution that failed as a whole. Its errors are finished: they have gone through the presenter.
type Failure struct{ Errors gqlerror.List }

// Error is for logs.
func (f Failure) Error() string { return f.Errors.Error() }

// Unwrap gives the errors.
func (f Failure) Unwrap() error { return f.Errors }
