package read_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/graph/generated"
	"dossier/graph/model"
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/pgtest"
	"dossier/internal/read"
	"dossier/internal/store"
	"dossier/internal/wall"
)

var template = pgtest.Template{
	Name: "read-" + store.MigrationsHash(),
	Prepare: func(ctx context.Context, dsn string) error {
		_, err := store.Migrate(ctx, dsn, nil)
		return err
	},
}

// env is a database of its own, an engine on it, and gqlgen's executor in front.
type env struct {
	t      testing.TB
	pool   *pgxpool.Pool // writes
	reads  *pgxpool.Pool
	trace  *tracer
	engine *read.Engine
	exec   *executor.Executor
	// mutate and subscribe stand in for the resolvers of mutations and subscriptions.
	mutate    func(ctx context.Context) (*read.Object, error)
	subscribe func(ctx context.Context) (<-chan *read.Object, error)
}

// testNow is the time of all operations.
var testNow = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func schema() graphql.ExecutableSchema { return generated.NewExecutableSchema(generated.Config{}) }

func newEnv(t testing.TB, change ...func(*read.Config)) *env {
	t.Helper()
	db := pgtest.New(t, template)
	return attach(t, db.DSN(), db.Pool(t), change...)
}

func attach(t testing.TB, dsn string, pool *pgxpool.Pool, change ...func(*read.Config)) *env {
	t.Helper()
	e := &env{t: t, pool: pool, trace: &tracer{}}
	var err error
	e.reads, err = read.OpenPool(t.Context(), wall.AsApp(dsn), 4, func(c *pgxpool.Config) { c.ConnConfig.Tracer = e.trace })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.reads.Close)
	cfg := read.Config{
		Pool: e.reads, Schema: schema().Schema(), Now: func() time.Time { return testNow }, MaxCost: 1_000_000, MaxDepth: 50,
		DownloadURL: func(h auth.Holder, account, version uuid.UUID) string {
			return "https://files.test/" + h.ID.String() + "/" + account.String() + "/" + version.String() + "?a=1&b=\""
		},
		DocumentsZipURL: func(h auth.Holder, account, customer uuid.UUID) string {
			return "https://archives.test/" + h.ID.String() + "/" + account.String() + "/" + customer.String()
		},
		JobURL: func(h auth.Holder, account, job uuid.UUID) string {
			return "https://exports.test/" + h.ID.String() + "/" + account.String() + "/" + job.String()
		},
		PreviewURL: func(size string, h auth.Holder, account, version uuid.UUID) string {
			return "https://previews.test/" + size + "/" + h.ID.String() + "/" + account.String() + "/" + version.String()
		},
		ImageURL: func(size string, account, image uuid.UUID) string {
			return "https://images.test/" + size + "/" + account.String() + "/" + image.String()
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	if e.engine, err = read.New(cfg); err != nil {
		t.Fatal(err)
	}
	e.exec = executor.New(generated.NewExecutableSchema(generated.Config{Resolvers: resolvers{e}}))
	e.exec.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	e.exec.SetErrorPresenter(func(ctx context.Context, err error) *gqlerror.Error {
		out := graphql.DefaultErrorPresenter(ctx, err)
		if code := fault.CodeOf(err); code != "" {
			out.Extensions = map[string]any{"code": string(code)}
		}
		return out
	})
	e.exec.AroundOperations(func(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
		return next(read.WithSession(ctx))
	})
	return e
}

// answer is a response.
type answer struct {
	Data   json.RawMessage
	Errors gqlerror.List
}

// ask runs an operation as the principal.
func (e *env) ask(p auth.Principal, query string, vars map[string]any) answer {
	e.t.Helper()
	ctx := graphql.StartOperationTrace(auth.WithPrincipal(context.Background(), p))
	oc, errs := e.exec.CreateOperationContext(ctx, &graphql.RawParams{Query: query, Variables: vars})
	if errs != nil {
		return answer{Errors: errs}
	}
	next, ctx := e.exec.DispatchOperation(ctx, oc)
	res := next(ctx)
	return answer{Data: res.Data, Errors: res.Errors}
}

// data runs an operation that must succeed.
func (e *env) data(p auth.Principal, query string, vars map[string]any) string {
	e.t.Helper()
	a := e.ask(p, query, vars)
	if len(a.Errors) > 0 {
		e.t.Fatalf("%s\ngot errors %v", query, a.Errors)
	}
	return string(a.Data)
}

type resolvers struct{ *env }

func (r resolvers) Query() generated.QueryResolver               { return queries{r.engine} }
func (r resolvers) Mutation() generated.MutationResolver         { return mutations{env: r.env} }
func (r resolvers) Subscription() generated.SubscriptionResolver { return subscriptions{env: r.env} }

type mutations struct {
	generated.MutationResolver
	env *env
}

func (m mutations) CustomerArchive(ctx context.Context, _ string, _ int) (*read.Object, error) {
	return m.env.mutate(ctx)
}

func (m mutations) DocumentArchive(ctx context.Context, _ string, _ int) (*read.Object, error) {
	return m.env.mutate(ctx)
}

func (m mutations) DocumentUploadBegin(ctx context.Context, _ model.DocumentUploadBeginInput, _ *string) (*read.Object, error) {
	return m.env.mutate(ctx)
}

type subscriptions struct {
	generated.SubscriptionResolver
	env *env
}

func (s subscriptions) Events(ctx context.Context, _ *string, _ []model.EventType, _ *string) (<-chan *read.Object, error) {
	return s.env.subscribe(ctx)
}

type queries struct{ e *read.Engine }

func (q queries) Viewer(ctx context.Context) (*read.Object, error)         { return q.e.Field(ctx) }
func (q queries) Account(ctx context.Context) (*read.Object, error)        { return q.e.Field(ctx) }
func (q queries) Node(ctx context.Context, _ string) (*read.Object, error) { return q.e.Field(ctx) }
func (q queries) Nodes(ctx context.Context, _ []string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) Customer(ctx context.Context, _ string) (*read.Object, error) { return q.e.Field(ctx) }

func (q queries) CustomerByExternalID(ctx context.Context, _ string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) Document(ctx context.Context, _ string) (*read.Object, error) { return q.e.Field(ctx) }

func (q queries) Documents(ctx context.Context, _ *model.DocumentWhere, _ *model.DocumentListOrder, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) DocumentAreas(ctx context.Context, _, _ *string) (*read.Object, error) {
	return q.e.Render(ctx, []any{})
}

func (q queries) Customers(ctx context.Context, _ *model.CustomerWhere, _ *string, _ *model.CustomerOrder, _ *int, _ *string, _ *int, _ *string,
) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) Events(ctx context.Context, _ *string, _ []model.EventType, _ *string, _ *int) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) AuditTrail(ctx context.Context, _ *model.AuditWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) Job(ctx context.Context, _ string) (*read.Object, error) { return q.e.Field(ctx) }

func (q queries) Jobs(ctx context.Context, _ *model.JobWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) AttributeDefinitions(ctx context.Context, _ *model.AttributeDefinitionWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) CustomerStats(ctx context.Context, _ []model.CustomerDimension, _ *model.DateRange, _ *model.TimeBucket, _ string, _ *model.CustomerWhere,
) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) Storage(ctx context.Context) (*read.Object, error) { return q.e.Field(ctx) }

func (q queries) CustomerTypes(ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) CustomerOrigins(ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) Offices(ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) Services(ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) CustomerMerges(ctx context.Context, _ *string, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

func (q queries) CustomerDuplicates(ctx context.Context, _ string) (*read.Object, error) {
	return q.e.Render(ctx, []any{})
}

func (q queries) CustomerDuplicateGroups(ctx context.Context, _ *int, _ *string) (*read.Object, error) {
	return q.e.Render(ctx, read.Obj{Type: "DuplicateGroupConnection", Fields: map[string]any{"nodes": []any{}}})
}

func (q queries) FieldPolicy(ctx context.Context, channel model.EntryChannel, typeID *string) (*read.Object, error) {
	var rules []any
	for _, r := range fieldRules(string(channel), typeID != nil) {
		rules = append(rules, read.Obj{Type: "FieldRule", Fields: r})
	}
	return q.e.Render(ctx, rules)
}

func (q queries) StaffUsers(ctx context.Context, _ *model.ListWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return q.e.Field(ctx)
}

// tracer counts what compiled plans send, and keeps the text of all statements. The few statements that are written by hand, for
// a search, are batches that show how they begin.
type tracer struct {
	batches, statements atomic.Int64
	mu                  sync.Mutex
	texts               map[string]bool
}

func (t *tracer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	if strings.HasPrefix(d.Batch.QueuedQueries[0].SQL, "SELECT set_config(") {
		return ctx
	}
	t.batches.Add(1)
	t.statements.Add(int64(d.Batch.Len()))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.texts == nil {
		t.texts = map[string]bool{}
	}
	for _, q := range d.Batch.QueuedQueries {
		t.texts[q.SQL] = true
	}
	return ctx
}
func (t *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (t *tracer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (t *tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (t *tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// admin may read everything of the account.
func admin(account uuid.UUID) auth.Principal {
	return auth.Principal{AccountID: account, Kind: auth.KindStaff, Role: auth.Admin}
}
