package transport

import (
	"net/http"
	"net/url"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// GET is the transport for queries in the URL. It never runs a mutation, and it wants one of the preflight headers
// (GraphQL-Require-Preflight, Apollo-Require-Preflight or X-Requested-With) or a content type that no form can send.
type GET struct{}

// Supports claims each GET that does not ask for a WebSocket or an event stream.
func (GET) Supports(r *http.Request) bool {
	return r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" && !wantsEventStream(r)
}

// Do answers one request.
func (GET) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	// The answer holds a customer's data and depends on who asks: no cache on the way may keep it.
	w.Header().Set("Cache-Control", "no-store")
	out, bad := begin(w, r, exec)
	if bad == nil && !preflighted(r) {
		bad = notPreflighted()
	}
	if bad != nil {
		out.refuse(ctx, bad)
		return
	}
	started := graphql.Now()
	params, bad := urlParams(r.URL.RawQuery)
	if bad != nil {
		out.refuse(ctx, bad)
		return
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: started, End: graphql.Now()}
	oc, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		out.errors(graphql.WithOperationContext(ctx, oc), errs)
		return
	}
	if bad := queryOnly(oc); bad != nil {
		out.refuse(graphql.WithOperationContext(ctx, oc), bad)
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, oc)
	out.result(responses(ctx))
}

// queryOnly lets queries pass.
//
// SECURITY: a GET is followed by prefetchers, repeated by proxies and sent by any page, so it must change nothing.
func queryOnly(oc *graphql.OperationContext) *refusal {
	switch oc.Operation.Operation {
	case ast.Query:
		return nil
	case ast.Subscription:
		return subscriptionRefused()
	default:
		bad := refused(http.StatusMethodNotAllowed, fault.BadUserInput, "A mutation cannot be sent with GET. Send it with POST.")
		bad.allow = http.MethodPost
		return bad
	}
}

// urlParams reads the operation from the query string.
func urlParams(rawQuery string) (*graphql.RawParams, *refusal) {
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, badRequest("The query string of the URL is not valid.")
	}
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
		if len(values[name]) > 1 {
			return nil, badRequest("The URL has %q more than once.", name)
		}
	}
	params := &graphql.RawParams{Query: values.Get("query"), OperationName: values.Get("operationName")}
	for name, into := range map[string]*map[string]any{"variables": &params.Variables, "extensions": &params.Extensions} {
		if raw := values.Get(name); raw != "" {
			if err := decodeJSON([]byte(raw), into); err != nil {
				return nil, badRequest("%q in the URL must be a JSON object.", name)
			}
		}
	}
	if _, persisted := params.Extensions["persistedQuery"]; params.Query == "" && !persisted {
		return nil, badRequest("The URL has no query. Send the GraphQL document as the parameter \"query\".")
	}
	return params, nil
}
