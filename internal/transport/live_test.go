package transport_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/fault"
	"dossier/internal/feed"
	"dossier/internal/transport"
)

const liveSDL = `
type Query { hello(name: String, number: ID): String boom: String slow: String }
type Mutation { set(value: Int): Int }
type Subscription { events(after: Int, kind: String): Int }
`

// liveSchema executes the schema of these tests by hand.
type liveSchema struct {
	schema *ast.Schema
	slow   chan struct{} // what the field slow waits for
}

func newLiveSchema() *liveSchema {
	return &liveSchema{schema: gqlparser.MustLoadSchema(&ast.Source{Input: liveSDL}), slow: make(chan struct{})}
}

func (s *liveSchema) Schema() *ast.Schema { return s.schema }

func (s *liveSchema) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 1, true
}

func (s *liveSchema) Exec(ctx context.Context) graphql.ResponseHandler {
	oc := graphql.GetOperationContext(ctx)
	return graphql.OneShot(s.answer(ctx, oc))
}

func (s *liveSchema) answer(ctx context.Context, oc *graphql.OperationContext) *graphql.Response {
	field := oc.Operation.SelectionSet[0].(*ast.Field) //nolint:forcetypeassert // a test
	args := field.ArgumentMap(oc.Variables)
	var value any
	switch field.Name {
	case "hello":
		value = fmt.Sprintf("hello %v %v", args["name"], args["number"])
	case "boom":
		panic("boom")
	case "slow":
		select {
		case <-s.slow:
		case <-ctx.Done():
		}
	case "set":
		value = args["value"]
	}
	data, _ := json.Marshal(map[string]any{field.Alias: value}) //nolint:errchkjson // plain values
	return &graphql.Response{Data: data}
}

var liveAccount = uuid.MustParse("01910000-0000-7000-8000-000000000001")

// logLive is a transport.Live on a hub whose log is a number: event n exists when n <= head.
type logLive struct {
	hub   *feed.Hub
	plain bool // hide Poll, so that the transport has to wait in Next

	mu      sync.Mutex
	head    int64
	pad     string
	payload []byte // instead of the usual result
	opened  int
}

func newLogLive(t testing.TB, cfg feed.Config) *logLive {
	l := openLogLive(cfg)
	t.Cleanup(l.hub.Close)
	return l
}

func openLogLive(cfg feed.Config) *logLive {
	l := &logLive{}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.Heads = func(context.Context, []uuid.UUID) (map[uuid.UUID]int64, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return map[uuid.UUID]int64{liveAccount: l.head}, nil
	}
	l.hub = feed.NewHub(cfg)
	return l
}

func (l *logLive) append(n int64) {
	l.mu.Lock()
	l.head += n
	head := l.head
	l.mu.Unlock()
	l.hub.Advance(liveAccount, head)
}

func (l *logLive) Open(ctx context.Context, _ graphql.GraphExecutor, oc *graphql.OperationContext) (transport.Stream, error) {
	field := oc.Operation.SelectionSet[0].(*ast.Field) //nolint:forcetypeassert // a test
	args := field.ArgumentMap(oc.Variables)
	from := int64(feed.FromNow)
	if after, ok := args["after"]; ok {
		from, _ = strconv.ParseInt(fmt.Sprint(after), 10, 64)
	}
	if id := transport.LastEventID(ctx); id != "" {
		from, _ = strconv.ParseInt(id, 10, 64)
	}
	switch args["kind"] {
	case "forbidden":
		return nil, fault.New(fault.Forbidden, "You may not see this.")
	case "list":
		return nil, gqlerror.List{{Message: "first"}, {Message: "second"}}
	case "panic":
		panic("a bug")
	}
	l.mu.Lock()
	l.opened++
	l.mu.Unlock()
	s, err := l.hub.Subscribe(ctx, feed.Request{
		Account: liveAccount, Key: fmt.Sprint(args["kind"]), From: from, Runner: feed.RunnerFunc(l.run(args["kind"])),
	})
	if err != nil {
		return nil, err
	}
	if l.plain {
		return plainStream{s}, nil
	}
	return s, nil
}

type plainStream struct{ transport.Stream }

func (l *logLive) run(kind any) func(context.Context, int64, int64, func(transport.Message) error) (int64, error) {
	return func(_ context.Context, from, to int64, emit func(transport.Message) error) (int64, error) {
		if kind == "expired" {
			return from, fault.New(fault.CursorExpired, "The events after this cursor are gone.")
		}
		for seq := from + 1; seq <= to; seq++ {
			payload := fmt.Appendf(nil, `{"data":{"events":%d,"pad":"%s"}}`, seq, l.pad)
			if l.payload != nil {
				payload = l.payload
			}
			if err := emit(transport.Message{Seq: seq, Cursor: strconv.FormatInt(seq, 10), Payload: payload}); err != nil {
				return from, err
			}
		}
		return to, nil
	}
}

// presentFault is the error presenter of these tests: the message and code of a fault, nothing of anything else.
func presentFault(_ context.Context, err error) *gqlerror.Error {
	var f *fault.Error
	if ok := asFault(err, &f); ok {
		return &gqlerror.Error{Message: f.Message, Extensions: map[string]any{"code": string(f.Code)}}
	}
	if g, ok := err.(*gqlerror.Error); ok { //nolint:errorlint // the executor's own errors
		return g
	}
	return &gqlerror.Error{Message: "internal error"}
}

// serveLive serves the transports the way the server does.
func serveLive(t testing.TB, schema *liveSchema, transports ...graphql.Transport) *httptest.Server {
	t.Helper()
	h := handler.New(schema)
	for _, tr := range transports {
		h.AddTransport(tr)
	}
	h.SetErrorPresenter(presentFault)
	h.SetRecoverFunc(func(context.Context, any) error { return fault.New(fault.Internal, "internal error") })
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { _, _ = io.Copy(io.Discard, r.Body) }()
		h.ServeHTTP(w, r)
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited 10s for: %s", what)
		}
	}
}
