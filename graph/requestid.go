package graph

import "context"

type requestIDKey struct{}

// WithRequestID puts the id of the HTTP request or socket into ctx. It is shown with every top-level error and stands
// in every log line about it.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID gives the id, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
