package transport

import (
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// DefaultMaxBodyBytes is the largest JSON body (and `operations` field of an upload) when nothing else is configured.
const DefaultMaxBodyBytes = 256 << 10

// POST is the transport for JSON bodies, by the GraphQL over HTTP specification. It also answers every POST that no
// other transport understands, so that a wrong Content-Type gets a GraphQL error which says so: add it last.
type POST struct {
	// MaxBodyBytes is the largest body. 0 means DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// MinBytesPerSecond is the slowest client that is waited for. 0 means DefaultMinBytesPerSecond.
	MinBytesPerSecond int64
	// RateWindow is how long a client may fall below that rate. 0 means DefaultRateWindow.
	RateWindow time.Duration
	// Sent is called with the context of an operation when its answer was written, and nothing looks at the answer any more.
	Sent func(ctx context.Context)
}

// Supports claims each POST that does not ask for an event stream.
func (POST) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Upgrade") == "" && !wantsEventStream(r)
}

// Do answers one request.
func (t POST) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	out, bad := begin(w, r, exec)
	if bad == nil {
		bad = jsonContent(r)
	}
	if bad != nil {
		out.refuse(ctx, bad)
		return
	}
	started := graphql.Now()
	params, bad := t.params(w, r)
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
	if oc.Operation.Operation == ast.Subscription {
		out.refuse(graphql.WithOperationContext(ctx, oc), subscriptionRefused())
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, oc)
	out.result(responses(ctx))
	if t.Sent != nil {
		t.Sent(ctx)
	}
}

// begin agrees on the media type of the response.
func begin(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) (reply, *refusal) {
	media, ok := negotiate(r)
	out := reply{w: w, exec: exec, media: media}
	if !ok {
		return out, notAcceptable()
	}
	return out, nil
}

// jsonContent checks the declared type of the body.
func jsonContent(r *http.Request) *refusal {
	declared := r.Header.Get("Content-Type")
	if declared == mediaJSON { // what nearly every client sends
		return nil
	}
	media, params, err := mime.ParseMediaType(declared)
	charset := strings.ToLower(params["charset"])
	if err != nil || media != mediaJSON || charset != "" && charset != "utf-8" && charset != "utf8" {
		return refused(http.StatusUnsupportedMediaType, fault.UnsupportedMediaType,
			"Send the operation as Content-Type: application/json in UTF-8, or as multipart/form-data when it uploads files.")
	}
	return nil
}

// params reads and decodes the body.
func (t POST) params(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *refusal) {
	limit := t.MaxBodyBytes
	if limit <= 0 {
		limit = DefaultMaxBodyBytes
	}
	if r.ContentLength > limit {
		return nil, bodyTooLarge(limit)
	}
	buf, _ := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	src := newBody(w, r, t.MinBytesPerSecond, t.RateWindow)
	raw, err := readLimited(src, (*buf)[:0], limit)
	*buf = raw
	if err != nil {
		return nil, refusalOf(err)
	}
	if int64(len(raw)) > limit {
		return nil, bodyTooLarge(limit)
	}
	return decodeParams(raw, "The request body")
}

func bodyTooLarge(limit int64) *refusal {
	return refused(http.StatusRequestEntityTooLarge, fault.TooLarge,
		"The request body is larger than %d bytes. Send less, or upload files as multipart/form-data.", limit)
}

// request is the JSON form of an operation. Query is a pointer to tell a missing query from an empty one.
type request struct {
	Query         *string        `json:"query"`
	OperationName string         `json:"operationName"`
	Variables     map[string]any `json:"variables"`
	Extensions    map[string]any `json:"extensions"`
}

// decodeParams decodes one operation. what names its place for error messages.
func decodeParams(raw []byte, what string) (*graphql.RawParams, *refusal) {
	req, ok := plainRequest(raw)
	if !ok {
		req = request{}
		if err := decodeJSON(raw, &req); err != nil {
			return nil, malformed(raw, what, err)
		}
	}
	_, persisted := req.Extensions["persistedQuery"]
	if req.Query == nil && !persisted {
		return nil, badRequest("%s has no query. Send the GraphQL document as the string \"query\".", what)
	}
	params := &graphql.RawParams{OperationName: req.OperationName, Variables: req.Variables, Extensions: req.Extensions}
	if req.Query != nil {
		params.Query = *req.Query
	}
	return params, nil
}

// malformed says what is wrong with JSON that is not an operation. It repeats nothing of the body.
func malformed(raw []byte, what string, err error) *refusal {
	var wrongType *json.UnmarshalTypeError
	switch {
	case len(raw) == 0:
		return badRequest("%s is empty. Send a JSON object with \"query\".", what)
	case errors.As(err, &wrongType) && wrongType.Field == "" && wrongType.Value == "array":
		return badRequest("%s is a list. Batches of operations are not accepted: send each operation as its own request.", what)
	case errors.As(err, &wrongType) && wrongType.Field == "":
		return badRequest("%s must be a JSON object with \"query\".", what)
	case errors.As(err, &wrongType):
		field, _, _ := strings.Cut(wrongType.Field, ".")
		kind := "a JSON object"
		if field == "query" || field == "operationName" {
			kind = "a string"
		}
		return badRequest("%s has a wrong type: %q must be %s.", what, field, kind)
	default:
		return badRequest("%s is not valid JSON.", what)
	}
}

// Unsupported answers what no transport takes: other methods. Add it after all others.
type Unsupported struct{}

// Supports claims everything.
func (Unsupported) Supports(*http.Request) bool { return true }

// Do answers 405, and 204 for OPTIONS.
func (Unsupported) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	const allow = "GET, POST, OPTIONS"
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	out, _ := begin(w, r, exec)
	bad := refused(http.StatusMethodNotAllowed, fault.BadUserInput, "The method %s is not accepted. Send the operation with POST.", r.Method)
	bad.allow = allow
	out.refuse(r.Context(), bad)
}
