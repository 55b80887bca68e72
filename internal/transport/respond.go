package transport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/fault"
)

// AppendResponse appends r as JSON. Data is already JSON and is copied as it is: encoding/json would parse and compact
// it again, which costs more than everything else a transport does.
//
// Errors come first, as the GraphQL specification advises. There is no data entry in the answer to a request that was
// never executed (Data is nil and there are errors); the result null of an execution has it.
func AppendResponse(dst []byte, r *graphql.Response) []byte {
	start := len(dst)
	dst = append(dst, '{')
	var err error
	if len(r.Errors) > 0 {
		if dst, err = appendMember(dst, "errors", r.Errors); err != nil {
			return append(dst[:start], unencodable...)
		}
	}
	if len(r.Data) > 0 || len(r.Errors) == 0 {
		dst = appendKey(dst, "data")
		if len(r.Data) == 0 {
			dst = append(dst, "null"...)
		} else {
			dst = append(dst, r.Data...)
		}
	}
	if len(r.Extensions) > 0 {
		if dst, err = appendMember(dst, "extensions", r.Extensions); err != nil {
			return append(dst[:start], unencodable...)
		}
	}
	return append(dst, '}')
}

// unencodable is the answer when an extension holds something that JSON cannot say.
const unencodable = `{"errors":[{"message":"internal error","extensions":{"code":"INTERNAL"}}]}`

func appendKey(dst []byte, key string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

func appendMember(dst []byte, key string, value any) ([]byte, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return dst, err
	}
	return append(appendKey(dst, key), raw...), nil
}

// responseBufferLimit is the largest buffer that is kept for the next response. One huge answer must not stay in memory.
const responseBufferLimit = 1 << 20

// buffers holds the buffers of request and response bodies.
var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 8<<10)
	return &b
}}

func putBuffer(b *[]byte) {
	if cap(*b) <= responseBufferLimit {
		buffers.Put(b)
	}
}

// reply writes the results of one request.
type reply struct {
	w    http.ResponseWriter
	exec graphql.GraphExecutor
	// media is the media type agreed on with the client.
	media string
}

// send writes resp with its length, from one buffer.
func (p reply) send(status int, resp *graphql.Response) {
	buf, _ := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	*buf = AppendResponse((*buf)[:0], resp)
	h := p.w.Header()
	h.Set("Content-Type", p.media+"; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(*buf)))
	p.w.WriteHeader(status)
	_, _ = p.w.Write(*buf) // An error means that the client has gone: nobody is left to tell.
}

// result writes what the execution of an operation gave.
func (p reply) result(resp *graphql.Response) {
	if resp == nil { // The executor gives nil when the request was cancelled.
		resp = &graphql.Response{Errors: gqlerror.List{
			asGraphQL(fault.New(fault.Unavailable, "The request was cancelled or took too long. Try again.")),
		}}
	}
	p.send(p.statusOf(resp), resp)
}

// errors writes errors that the executor found before execution: in the document, the variables or a limit.
func (p reply) errors(ctx context.Context, errs gqlerror.List) {
	resp := p.exec.DispatchError(ctx, errs)
	p.send(p.statusOf(resp), resp)
}

// refuse writes an error of the request itself. Its status is the same in both media types: what came was not a
// well-formed GraphQL-over-HTTP request.
func (p reply) refuse(ctx context.Context, err *refusal) {
	if err.allow != "" {
		p.w.Header().Set("Allow", err.allow)
	}
	if !graphql.HasOperationContext(ctx) {
		// Error presenters and response middleware may ask for the operation, and there is none yet.
		ctx = graphql.WithOperationContext(ctx, &graphql.OperationContext{RecoverFunc: graphql.DefaultRecover})
	}
	p.send(err.status, p.exec.DispatchError(ctx, gqlerror.List{asGraphQL(err.fault)}))
}

// statusOf gives the status of a response to a well-formed request. With application/json it is 200 whatever the errors,
// because older clients take any other status for a broken server. With application/graphql-response+json a response
// without a data entry has the status of its first error.
func (p reply) statusOf(resp *graphql.Response) int {
	if p.media == mediaJSON || len(resp.Data) > 0 || len(resp.Errors) == 0 {
		return http.StatusOK
	}
	code, _ := resp.Errors[0].Extensions["code"].(string)
	switch fault.Code(code) {
	case errcode.ParseFailed, errcode.ValidationFailed:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden:
		return http.StatusForbidden
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	default:
		return http.StatusBadRequest
	}
}

// refusal is an error of the HTTP request, found before there was an operation to execute.
type refusal struct {
	status int
	allow  string
	fault  *fault.Error
}

func refused(status int, code fault.Code, format string, args ...any) *refusal {
	return &refusal{status: status, fault: fault.New(code, format, args...)}
}

func badRequest(format string, args ...any) *refusal {
	return refused(http.StatusBadRequest, fault.BadUserInput, format, args...)
}

// refusalOf gives the refusal for a fault that was met while the body was read.
func refusalOf(err error) *refusal {
	var f *fault.Error
	if !errors.As(err, &f) {
		f = &fault.Error{Code: fault.Internal, Op: "transport.refusalOf", Message: "internal error", Err: err}
	}
	status := http.StatusBadRequest
	switch {
	case errors.Is(err, ErrTooSlow):
		status = http.StatusRequestTimeout
	case f.Code == fault.TooLarge:
		status = http.StatusRequestEntityTooLarge
	case f.Code == fault.Unavailable:
		status = http.StatusServiceUnavailable
	case f.Code == fault.Internal:
		status = http.StatusInternalServerError
	}
	return &refusal{status: status, fault: f}
}

// asGraphQL keeps the fault as the cause, so that an error presenter which looks for faults finds it, and has the code
// and message in place for one which does not.
func asGraphQL(f *fault.Error) *gqlerror.Error {
	return &gqlerror.Error{Err: f, Message: f.Message, Extensions: map[string]any{"code": string(f.Code)}}
}

// decodeJSON decodes exactly one JSON value. Numbers keep their digits: a variable of 2^53+1 is not rounded.
func decodeJSON(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if rest := bytes.TrimSpace(raw[dec.InputOffset():]); len(rest) > 0 {
		return errTrailing
	}
	return nil
}

var errTrailing = errors.New("more follows the JSON value")
