package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

func errDatabase() error {
	return fmt.Errorf("dial 10.0.0.7:5432: %w", &pgconn.PgError{Message: secretText, Detail: "Key (email)=(" + secretText + ")"})
}

func TestNoForeignErrorIsShownAsText(t *testing.T) {
	t.Parallel()
	path := ast.Path{ast.PathName("customerCreate")}
	for name, err := range map[string]error{
		"a database error":                      errDatabase(),
		"as gqlgen wraps it":                    gqlerror.WrapPath(path, errDatabase()),
		"a gqlerror with a cause and a message": &gqlerror.Error{Message: secretText, Err: errors.New("x")},
		"a gqlerror with codes and a cause":     &gqlerror.Error{Message: secretText, Err: errors.New("x"), Extensions: map[string]any{"hint": secretText}},
		"an internal fault with a message":      fault.New(fault.Internal, secretText),
		"an internal fault with a cause":        fault.Wrap("store.X", errDatabase()),
		"joined errors":                         errors.Join(errDatabase(), errors.New(secretText)),
	} {
		got := presenter{log: slog.New(slog.DiscardHandler)}.present(auth.WithOrigin(t.Context(), auth.Origin{RequestID: "request-1"}), err)
		text, jsonErr := json.Marshal(got)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		if strings.Contains(string(text), secretText) || strings.Contains(string(text), "10.0.0.7") {
			t.Errorf("%s leaks: %s", name, text)
		}
		if got.Message != "internal error" || got.Extensions["code"] != "INTERNAL" || got.Extensions["requestId"] != "request-1" {
			t.Errorf("%s is %s, want internal error, INTERNAL and the request's id", name, text)
		}
	}
}

func TestAFaultIsShownWithoutItsCause(t *testing.T) {
	t.Parallel()
	f := &fault.Error{
		Code: fault.Unavailable, Op: "store." + secretText, Path: []string{"input", "emails", "0"}, Message: "Try again.", Err: errDatabase(),
	}
	for name, err := range map[string]error{
		"alone": f, "in a list": fault.List{f, fault.New(fault.NotFound, secretText)}, "wrapped": fmt.Errorf("%s: %w", secretText, f),
		"as gqlgen wraps it": gqlerror.WrapPath(nil, fault.Wrap("x", f)),
	} {
		got := presenter{log: slog.New(slog.DiscardHandler)}.present(t.Context(), err)
		text, jsonErr := json.Marshal(got)
		if jsonErr != nil {
			t.Fatal(jsonErr)
		}
		const want = `{"message":"Try again.","extensions":{"argumentPath":["input","emails","0"],"code":"UNAVAILABLE"}}`
		if string(text) != want {
			t.Errorf("%s is %s, want %s", name, text, want)
		}
	}
}

func TestOnlyFailuresOfTheServiceAreLogged(t *testing.T) {
	t.Parallel()
	for _, code := range fault.Codes {
		var log logs
		presenter{log: slog.New(slog.NewJSONHandler(&log, nil))}.present(auth.WithOrigin(t.Context(), auth.Origin{RequestID: "request-1"}), fault.New(code, "m"))
		want := code == fault.Internal || code == fault.Unavailable
		if got := log.String() != ""; got != want {
			t.Errorf("%s is logged: %v, want %v", code, got, want)
		}
		if want && !strings.Contains(log.String(), `"request_id":"request-1"`) {
			t.Errorf("%s is logged without the request's id: %s", code, log.String())
		}
	}
}

func TestWhatTheExecutorSaysKeepsItsMessageAndCode(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	for _, c := range []struct{ query, code, text string }{
		{`{ customers { nodes { nope } } }`, "GRAPHQL_VALIDATION_FAILED", "nope"},
		{`{ customers {`, "GRAPHQL_PARSE_FAILED", "Expected"},
		{`query($n: Int!) { customers(first: $n) { nodes { id } } }`, "GRAPHQL_VALIDATION_FAILED", "must be defined"},
	} {
		a := e.do(t, staff(auth.Admin), c.query, nil)
		if len(a.Errors) == 0 || a.code() != c.code || !strings.Contains(a.Errors[0].Message, c.text) || a.Errors[0].Extensions["requestId"] != "request-1" {
			t.Errorf("%s\ngot  %s\nwant %s, ...%s..., and the request's id", c.query, a.raw, c.code, c.text)
		}
	}
}

// What cannot be an argument is the client's mistake, wherever it is found, and never "internal error".
func TestBadArgumentsAreTheClientsMistake(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	huge := json.RawMessage("99999999999999999999")
	const create = `mutation($v: DateTime!) { timelineEntryCreate(customerId: "x", input: {kind: VISIT, at: $v, title: "x"}) { userErrors { code } } }`
	const size = `mutation($v: BigInt!) { documentUploadBegin(input: {customerId: "x", fileName: "x", sizeBytes: $v}) { userErrors { code } } }`
	const day = `mutation($v: Date) { documentUpdate(id: "x", expectedVersion: 1, input: {expiresOn: $v}) { userErrors { code } } }`
	const version = `mutation($v: Int!) { customerArchive(id: "x", expectedVersion: $v) { userErrors { code } } }`
	const id = `mutation($v: ID!) { customerArchive(id: $v, expectedVersion: 1) { userErrors { code } } }`
	const file = `mutation($v: Upload!) { documentReplace(id: "x", expectedVersion: 1, file: $v) { userErrors { code } } }`
	const kind = `mutation($v: CustomerKind!) { customerCreate(input: {kind: $v}) { userErrors { code } } }`
	const text = `mutation($v: String) { customerCreate(input: {givenName: $v}) { userErrors { code } } }`
	for _, c := range []struct {
		query string
		value any
	}{
		{create, "yesterday"},
		{create, 5},
		{create, true},
		{create, map[string]any{"a": 1}},
		{create, []any{}},
		{create, nil},
		{create, "2026-13-01T00:00:00Z"},
		{create, "0000-01-01T00:00:00Z"},
		{size, "many"},
		{size, 1.5},
		{size, huge},
		{size, true},
		{size, []any{1}},
		{size, nil},
		{day, "2026-02-30"},
		{day, 20260101},
		{day, map[string]any{}},
		{version, 1.5},
		{version, huge},
		{version, "1"},
		{version, json.RawMessage("1e400")},
		{version, json.RawMessage("3000000000")},
		{version, true},
		{id, 1.5},
		{id, map[string]any{}},
		{id, true},
		{id, []any{"a", "b"}},
		{file, "a.pdf"},
		{file, nil},
		{file, map[string]any{}},
		{file, 1},
		{kind, "ROBOT"},
		{kind, 1},
		{kind, nil},
		{text, 1},
		{text, json.RawMessage("1e3")},
		{text, []any{1}},
		{text, map[string]any{"a": secretText}},
	} {
		a := e.do(t, staff(auth.Admin), c.query, map[string]any{"v": c.value})
		if code := a.code(); code != "BAD_USER_INPUT" && code != "GRAPHQL_VALIDATION_FAILED" {
			t.Errorf("%s with %v: %s, want BAD_USER_INPUT", c.query, c.value, a.raw)
		}
	}
	if log := e.log.String(); log != "" {
		t.Errorf("a client's mistake is logged: %s", log)
	}
}

func TestABadLiteralIsTheClientsMistake(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	for _, query := range []string{
		`mutation { customerArchive(id: "x", expectedVersion: 99999999999999999999) { userErrors { code } } }`,
		`mutation { customerArchive(id: "x", expectedVersion: 3000000000) { userErrors { code } } }`,
		`mutation { documentUpdate(id: "x", expectedVersion: 1, input: {expiresOn: "soon"}) { userErrors { code } } }`,
		`mutation { documentUpdate(id: "x", expectedVersion: 1, input: {expiresOn: {a: 1}}) { userErrors { code } } }`,
		`mutation { documentReplace(id: "x", expectedVersion: 1, file: "x") { userErrors { code } } }`,
		`{ customers(first: 99999999999999999999) { nodes { id } } }`,
		`{ customers(first: 1.5) { nodes { id } } }`,
		`{ customers(where: {createdAt: {gte: "now"}}) { nodes { id } } }`,
	} {
		a := e.do(t, staff(auth.Admin), query, nil)
		if code := a.code(); code != "BAD_USER_INPUT" && code != "GRAPHQL_VALIDATION_FAILED" && code != "GRAPHQL_PARSE_FAILED" {
			t.Errorf("%s: %s, want BAD_USER_INPUT", query, a.raw)
		}
	}
}

const createQuery = `mutation { customerCreate(input: {givenName: "Ada"}) { customer { id } userErrors { code } } }`

func TestAFailureOfTheDatabaseIsAnInternalErrorAndItsTextIsInTheLogOnly(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, customers{create: func() (uuid.UUID, error) { return uuid.Nil, errDatabase() }})
	a := e.do(t, staff(auth.Editor), createQuery, nil)
	if a.code() != "INTERNAL" || strings.Contains(a.raw, secretText) || strings.Contains(a.raw, "10.0.0.7") {
		t.Errorf("got %s, want INTERNAL without the cause", a.raw)
	}
	if log := e.log.String(); !strings.Contains(log, "10.0.0.7") || !strings.Contains(log, "request-1") {
		t.Errorf("the log does not help: %s", log)
	}
	if log := e.log.String(); strings.Contains(log, "Key (email)") {
		t.Errorf("the log holds a value of a row: %s", log)
	}
}

func TestADatabaseThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	a := e.do(t, staff(auth.Viewer), `{ customers { nodes { id } } }`, nil)
	if a.code() != "UNAVAILABLE" || strings.Contains(a.raw, secretText) || strings.Contains(a.raw, "127.0.0.1") {
		t.Errorf("got %s, want UNAVAILABLE without an address", a.raw)
	}
}

func TestAPanicIsAnInternalErrorAndItsStackIsInTheLogOnly(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]any{"a text": "broken rule", "an error": errors.New(secretText), "a value": struct{ S string }{secretText}} {
		e := newEnv(t, DefaultLimits, customers{create: func() (uuid.UUID, error) { panic(value) }})
		a := e.do(t, staff(auth.Editor), createQuery, nil)
		if a.code() != "INTERNAL" || a.Errors[0].Message != "internal error" || a.Errors[0].Extensions["requestId"] != "request-1" {
			t.Errorf("%s: got %s, want INTERNAL", name, a.raw)
		}
		if strings.Contains(a.raw, "broken rule") || strings.Contains(a.raw, ".go") {
			t.Errorf("%s: the answer tells of the panic: %s", name, a.raw)
		}
		if log := e.log.String(); !strings.Contains(log, "env_test.go") && !strings.Contains(log, "errors_test.go") {
			t.Errorf("%s: the log holds no stack: %s", name, log)
		}
		if log := e.log.String(); strings.Contains(log, secretText) {
			t.Errorf("%s: the log holds what a customer may have written: %s", name, log)
		}
	}
}

// faults is one expected failure of every kind, with the type that stands for it.
func faults() map[string]*fault.Error {
	path := []string{"input", "0"}
	withDetail := func(code fault.Code, detail any) *fault.Error {
		return &fault.Error{Code: code, Message: "m", Path: path, Detail: detail}
	}
	node := typeid.Format(typeid.Customer, testAccount)
	return map[string]*fault.Error{
		"InvalidInputError":         withDetail(fault.BadUserInput, nil),
		"NotFoundError":             withDetail(fault.NotFound, nil),
		"StateConflictError":        withDetail(fault.Conflict, nil),
		"DuplicateCustomerError":    withDetail(fault.Conflict, fault.DuplicateDetail{NodeIDs: []string{node}}),
		"VersionConflictError":      withDetail(fault.VersionConflict, fault.VersionConflictDetail{CurrentVersion: 3, ConflictingFields: []string{"givenName"}, NodeID: node}),
		"IdempotencyKeyReusedError": withDetail(fault.IdempotencyKeyReused, nil),
		"FileTooLargeError":         withDetail(fault.TooLarge, fault.LimitDetail{LimitBytes: 5}),
		"UnsupportedMediaTypeError": withDetail(fault.UnsupportedMediaType, fault.MediaTypeDetail{ContentType: "text/x"}),
		"QuotaExceededError":        withDetail(fault.QuotaExceeded, fault.QuotaDetail{LimitBytes: 5, UsedBytes: 4}),
	}
}

func TestEveryUserErrorHasAllFieldsOfItsType(t *testing.T) {
	t.Parallel()
	schema := Schema()
	table := faults()
	for _, def := range schema.PossibleTypes["UserError"] {
		f := table[def.Name]
		if f == nil {
			t.Errorf("%s is made of no fault", def.Name)
			continue
		}
		got := userError(f)
		if got.Type != def.Name {
			t.Errorf("%s becomes %s, want %s", f.Code, got.Type, def.Name)
		}
		for _, field := range def.Fields {
			value, ok := got.Fields[field.Name]
			if !ok || value == nil {
				t.Errorf("%s.%s is %v, want a value", def.Name, field.Name, value)
			}
		}
		for name := range got.Fields {
			if def.Fields.ForName(name) == nil {
				t.Errorf("%s.%s is not in the schema", def.Name, name)
			}
		}
	}
	if ref := userError(table["VersionConflictError"]).Fields["current"]; !reflect.DeepEqual(ref, read.Ref{Type: "Customer", ID: testAccount}) {
		t.Errorf("current is %v, want the customer", ref)
	}
}

func TestAnErrorWithoutDetailStillHasAType(t *testing.T) {
	t.Parallel()
	schema := Schema()
	for _, code := range fault.Codes {
		if !code.Expected() {
			continue
		}
		list, ok := userErrors(fault.Wrap("x.Y", fault.New(code, "m")))
		if !ok || len(list) != 1 {
			t.Errorf("%s gives %v, want one user error", code, list)
			continue
		}
		got, _ := list[0].(read.Obj)
		def := schema.Types[got.Type]
		for _, field := range def.Fields {
			if field.Type.NonNull && got.Fields[field.Name] == nil {
				t.Errorf("%s without detail becomes %s, whose %s must not be null", code, got.Type, field.Name)
			}
		}
	}
}

func TestAFailureThatIsNotExpectedIsNoUserError(t *testing.T) {
	t.Parallel()
	for _, err := range []error{
		errDatabase(), fault.New(fault.Forbidden, "m"), fault.New(fault.Unauthenticated, "m"), fault.New(fault.Unavailable, "m"),
		fault.New(fault.Internal, "m"), fault.New(fault.RateLimited, "m"),
		fault.List{fault.New(fault.NotFound, "m"), fault.New(fault.Internal, "m")},
	} {
		if list, ok := userErrors(err); ok {
			t.Errorf("%v gives the user errors %v, want none", err, list)
		}
	}
}

// A payload of a failure is null but for its userErrors, so nothing else in it may be non-null.
func TestAPayloadCanHoldNothingButUserErrors(t *testing.T) {
	t.Parallel()
	schema := Schema()
	for _, name := range slices.Sorted(maps.Keys(schema.Types)) {
		if !strings.HasSuffix(name, "Payload") {
			continue
		}
		for _, f := range schema.Types[name].Fields {
			if f.Type.NonNull && f.Name != "userErrors" && name+"."+f.Name != "DocumentUploadPayload.results" {
				t.Errorf("%s.%s is %s: a failed mutation has nothing for it", name, f.Name, f.Type)
			}
		}
	}
}

func TestARequestWithoutAnIDHasNone(t *testing.T) {
	t.Parallel()
	got := presenter{log: slog.New(slog.DiscardHandler)}.present(context.Background(), fault.New(fault.NotFound, "m"))
	if _, ok := got.Extensions["requestId"]; ok {
		t.Errorf("extensions are %v, want no requestId", got.Extensions)
	}
}
