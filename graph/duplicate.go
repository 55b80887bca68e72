package graph

import (
	"context"

	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// CustomerDuplicates are the customers that may be the same as one.
func (r queryResolver) CustomerDuplicates(ctx context.Context, customerID string) (*read.Object, error) {
	if err := r.Engine.Check(ctx); err != nil {
		return nil, err
	}
	id, err := parseID(typeid.Customer, customerID, "customerId")
	if err != nil {
		return nil, err
	}
	candidates, err := r.Resolver.Customers.Duplicates(ctx, viewer(ctx), id)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(candidates))
	for i, c := range candidates {
		out[i] = read.Obj{Type: "DuplicateCandidate", Fields: map[string]any{
			"customer": read.Ref{Type: "Customer", ID: c.ID}, "reasons": list(c.Reasons, func(r customer.Reason) any { return string(r) }),
		}}
	}
	return r.Engine.Render(ctx, out)
}

// groupCursors is the list that the cursors of groups are of.
const groupCursors = "Query.customerDuplicateGroups"

// CustomerDuplicateGroups are what several customers share.
func (r queryResolver) CustomerDuplicateGroups(ctx context.Context, first *int, after *string) (*read.Object, error) {
	if err := r.Engine.Check(ctx); err != nil {
		return nil, err
	}
	p := viewer(ctx)
	var from customer.GroupKey
	if after != nil {
		keys, err := read.ParseKeyCursor(p.AccountID, groupCursors, *after, 3)
		if err != nil {
			return nil, fault.At(fault.InvalidCursor, []string{"after"}, "The cursor in after was not given out for this list. Begin without it.")
		}
		from = customer.GroupKey{Reason: customer.Reason(keys[0]), Value: keys[1], Extension: keys[2]}
	}
	groups, more, err := r.Resolver.Customers.DuplicateGroups(ctx, p, first, from)
	if err != nil {
		return nil, err
	}
	cursor := func(g customer.Group) string {
		return read.KeyCursor(p.AccountID, groupCursors, string(g.Reason), g.Value, g.Extension)
	}
	nodes, edges := make([]any, len(groups)), make([]any, len(groups))
	for i, g := range groups {
		nodes[i] = duplicateGroup(g)
		edges[i] = read.Obj{Type: "DuplicateGroupEdge", Fields: map[string]any{"cursor": cursor(g), "node": nodes[i]}}
	}
	info := map[string]any{"hasNextPage": more, "hasPreviousPage": after != nil}
	if len(groups) > 0 {
		info["startCursor"], info["endCursor"] = cursor(groups[0]), cursor(groups[len(groups)-1])
	}
	return r.Engine.Render(ctx, read.Obj{Type: "DuplicateGroupConnection", Fields: map[string]any{
		"nodes": nodes, "edges": edges, "pageInfo": read.Obj{Type: "PageInfo", Fields: info},
	}})
}

func duplicateGroup(g customer.Group) read.Obj {
	customers := make([]any, len(g.Customers))
	for i, id := range g.Customers {
		customers[i] = read.Ref{Type: "Customer", ID: id}
	}
	value := g.Value
	if g.Extension != "" {
		value += ";ext=" + g.Extension
	}
	return read.Obj{Type: "DuplicateGroup", Fields: map[string]any{"reason": string(g.Reason), "value": value, "customers": customers}}
}
