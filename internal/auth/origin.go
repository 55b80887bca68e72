package auth

import "context"

// Origin is where a request came from, for the audit trail and for errors. It proves nothing about who is asking.
type Origin struct {
	// RequestID is the id of the HTTP request or socket; of what a job does it is the job's.
	RequestID string
	// ClientAddress is the IP address of the client, "" where there was none.
	ClientAddress string
}

type originKey struct{}

// WithOrigin gives a context that carries the origin.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf gives the origin of the request, the zero one where nobody asked.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}
