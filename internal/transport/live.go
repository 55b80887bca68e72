package transport

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Live opens the streams of subscription operations. It is the port through which WS and SSE reach the event log.
type Live interface {
	// Open opens the stream of one subscription operation. ctx carries the principal and, for SSE, the
	// LastEventID; it is cancelled when the client or the server ends the operation. An error is reported as an
	// error of that operation and nothing else on the connection suffers.
	Open(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext) (Stream, error)
}

// Message is one result of a subscription operation.
type Message struct {
	// Seq is the sequence number of the event, or the position of a heartbeat.
	Seq int64
	// Cursor is what a client resumes from after this message. SSE sends it as the id of the event.
	Cursor string
	// Payload is one GraphQL execution result as JSON. It is shared between streams and never written to.
	Payload []byte
}

// Stream is the results of one subscription operation, in order. Next and Close may be called at the same time.
type Stream interface {
	// Next waits for the next message. io.EOF means that the operation is complete; ErrSlow and ErrRestart that the
	// connection closes with a code that means "resume from your cursor"; any other error is an error of the operation.
	Next(ctx context.Context) (Message, error)
	// Close ends the stream and releases what it holds. It may be called more than once.
	Close()
}

// Poller is a Stream that can be read without a goroutine waiting in Next. WS uses it when a stream has it: with
// ten thousand subscribers the stacks of the waiting goroutines would be the largest part of the memory.
type Poller interface {
	Stream
	// Poll gives the next message if there is one now. When it says false, wake is called once, when there is a
	// message or the stream has ended. wake must not block and must not call the stream. With a nil wake
	// nothing is called.
	Poll(wake func()) (m Message, ok bool, err error)
}

// ErrSlow ends a stream whose reader did not keep up. Nothing is lost: the client resumes from its last cursor.
var ErrSlow = errors.New("transport: the reader of a live stream is too slow")

// ErrRestart ends a stream because the server stops. Nothing is lost: the client resumes from its last cursor.
var ErrRestart = errors.New("transport: the server is restarting")

type lastEventIDKey struct{}

// LastEventID is the cursor that an SSE client sent in the Last-Event-ID header, "" when there is none. It takes the
// place of the operation's `after` argument: a reconnecting EventSource repeats its first request word for word.
func LastEventID(ctx context.Context) string {
	id, _ := ctx.Value(lastEventIDKey{}).(string)
	return id
}

func withLastEventID(ctx context.Context, id string) context.Context {
	if id == "" {
		return ctx
	}
	return context.WithValue(ctx, lastEventIDKey{}, id)
}

// Limits bounds what one principal may hold open.
type Limits struct {
	// Key names the principal that Sockets counts for. Empty means that sockets are not counted.
	Key string
	// Sockets is how many live connections (WebSocket and SSE together) the principal may have on this node.
	Sockets int
	// Operations is how many operations one socket may have at a time.
	Operations int
}

// Slots counts the live connections of each principal. One Slots is shared by WS and SSE.
type Slots struct {
	mu   sync.Mutex
	used map[string]int
}

// NewSlots makes an empty count.
func NewSlots() *Slots { return &Slots{used: make(map[string]int)} }

// Used says how many connections are open for key.
func (s *Slots) Used(key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used[key]
}

func (s *Slots) acquire(l Limits) bool {
	if s == nil || l.Key == "" || l.Sockets <= 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[l.Key] >= l.Sockets {
		return false
	}
	s.used[l.Key]++
	return true
}

func (s *Slots) release(l Limits) {
	if s == nil || l.Key == "" || l.Sockets <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[l.Key]--; s.used[l.Key] <= 0 {
		delete(s.used, l.Key)
	}
}

// presentError turns an error into what the client sees of it. The executor's error presenter does the work, so
// that live delivery cannot show more of an error than a POST does.
func presentError(ctx context.Context, exec graphql.GraphExecutor, oc *graphql.OperationContext, err error) *graphql.Response {
	var list gqlerror.List
	if !errors.As(err, &list) {
		var one *gqlerror.Error
		if !errors.As(err, &one) {
			one = gqlerror.Wrap(err)
		}
		list = gqlerror.List{one}
	}
	if oc == nil {
		oc = &graphql.OperationContext{RecoverFunc: graphql.DefaultRecover}
	}
	return exec.DispatchError(graphql.WithOperationContext(ctx, oc), list)
}

// sameOrigin is the origin check of a transport that was given none: no Origin header, or the host of the request.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "http://"+r.Host || origin == "https://"+r.Host
}
