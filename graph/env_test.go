package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/idempotency"
	"dossier/internal/read"
	"dossier/internal/transport"
)

// secretText stands for what no client and no customer's log may ever show.
const secretText = "canary-7f3a"

// deadDSN leads to no database. Its host, port and user are secrets too.
const deadDSN = "postgres://canary-7f3a@127.0.0.1:1/canary-7f3a?sslmode=disable"

var testAccount = uuid.MustParse("01980000-0000-7000-8000-000000000001")

// customers is a customer.Store whose creation does what a test says.
type customers struct {
	customer.Store
	create func() (uuid.UUID, error)
}

func (s customers) CustomerCreate(
	context.Context, auth.Principal, *idempotency.Key, func(customer.Reading) (customer.Change, error),
) (uuid.UUID, error) {
	return s.create()
}

// env is the real executor behind the real POST transport, with a database that does not answer.
type env struct {
	handler http.Handler
	log     *logs
}

func newEnv(t *testing.T, limits Limits, store customer.Store) *env {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), deadDSN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	engine, err := read.New(read.Config{Pool: pool, Schema: Schema()})
	if err != nil {
		t.Fatal(err)
	}
	e := &env{log: &logs{}}
	h := NewHandler(&Resolver{Engine: engine, Customers: customer.NewService(store)}, limits, slog.New(slog.NewJSONHandler(e.log, nil)))
	h.AddTransport(transport.POST{})
	e.handler = h
	return e
}

type answer struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Path       []any
		Extensions map[string]any
	}
	raw string
}

func (a answer) code() string {
	if len(a.Errors) == 0 {
		return ""
	}
	code, _ := a.Errors[0].Extensions["code"].(string)
	return code
}

// do sends an operation as p; the zero principal is nobody.
func (e *env) do(t *testing.T, p auth.Principal, query string, variables map[string]any) answer {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	ctx := auth.WithOrigin(t.Context(), auth.Origin{RequestID: "request-1"})
	if !p.IsZero() {
		ctx = auth.WithPrincipal(ctx, p)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	e.handler.ServeHTTP(w, r)
	a := answer{raw: w.Body.String()}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("the answer is not JSON: %v\n%s", err, a.raw)
	}
	return a
}

func staff(role auth.Role) auth.Principal {
	return auth.Principal{AccountID: testAccount, Kind: auth.KindStaff, ID: uuid.MustParse("01980000-0000-7000-8000-000000000002"), Role: role}
}

// logs keeps what was logged.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// sample is a valid value of an input type: of each field, the first value of an enum, and names that exist nowhere.
func sample(t *ast.Type) any {
	schema := Schema()
	if t.Elem != nil {
		return []any{sample(t.Elem)}
	}
	def := schema.Types[t.NamedType]
	switch {
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.Kind == ast.InputObject:
		out := map[string]any{}
		for _, f := range def.Fields {
			if f.Type.NonNull && f.DefaultValue == nil {
				out[f.Name] = sample(f.Type)
			}
		}
		return out
	}
	switch t.NamedType {
	case "Int", "BigInt":
		return 1
	case "Boolean":
		return true
	case "DateTime":
		return "2026-03-01T09:30:00Z"
	case "Date":
		return "2026-03-01"
	case "Upload":
		return nil
	default:
		return "cus_01h455vb4pex5vsknk084sn02q"
	}
}
