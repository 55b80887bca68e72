package graph

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/read"
	"dossier/internal/typeid"
)

// idArguments gives the places of a mutation's arguments that hold the id of a target.
func idArguments(f *ast.FieldDefinition) [][]string {
	var out [][]string
	for _, arg := range f.Arguments {
		if arg.Type.Name() == "ID" {
			out = append(out, []string{arg.Name})
		}
		if def := Schema().Types[arg.Type.Name()]; def.Kind == ast.InputObject && def.Fields.ForName("customerId") != nil {
			out = append(out, []string{arg.Name, "customerId"})
		}
	}
	return out
}

// An id of another type and one that is no id get the answer of an id that names nothing, as data, at the argument.
func TestAnIDThatIsNoneIsNotFoundInEveryMutation(t *testing.T) {
	t.Parallel()
	e := newEnv(t, DefaultLimits, nil)
	tried := 0
	for _, f := range Schema().Mutation.Fields {
		if usesFiles(f) {
			continue
		}
		for _, place := range idArguments(f) {
			for _, id := range []string{"", "nonsense", "7", typeid.Format(typeid.EmailAddress, testAccount), "cus_ZZZZZZZZZZZZZZZZZZZZZZZZZZ"} {
				query, variables := operation(Schema().Mutation, f, place[0])
				query = strings.Replace(query, "{ __typename }", "{ userErrors { __typename code message path } }", 1)
				if len(place) == 1 {
					variables[place[0]] = id
				} else {
					input, _ := variables[place[0]].(map[string]any)
					input[place[1]] = id
				}
				a := e.do(t, staff(auth.Admin), query, variables)
				var data map[string]struct {
					UserErrors []struct {
						Typename string `json:"__typename"`
						Code     string
						Message  string
						Path     []string
					}
				}
				if err := json.Unmarshal(a.Data, &data); err != nil || len(a.Errors) > 0 || len(data[f.Name].UserErrors) != 1 {
					t.Errorf("%s with %q: %s, want one user error", f.Name, id, a.raw)
					continue
				}
				got := data[f.Name].UserErrors[0]
				if got.Typename != "NotFoundError" || got.Code != "NOT_FOUND" || strings.Join(got.Path, ".") != strings.Join(place, ".") || got.Message == "" {
					t.Errorf("%s with %q: %+v, want NotFoundError at %v", f.Name, id, got, place)
				}
				tried++
			}
		}
	}
	if tried < 50 {
		t.Errorf("%d ids were tried: the test does not find the mutations", tried)
	}
}

func TestAHeartbeatReadsNothing(t *testing.T) {
	t.Parallel()
	engine, err := read.New(read.Config{Schema: Schema()}) // without a database
	if err != nil {
		t.Fatal(err)
	}
	r := &Resolver{Engine: engine}
	const query = `subscription { beat: events { __typename c: cursor ... on EventDelivery { event { id } } } }`
	exec := executor.New(NewSchema(r))
	ctx := graphql.StartOperationTrace(auth.WithPrincipal(t.Context(), staff(auth.Viewer)))
	oc, errs := exec.CreateOperationContext(ctx, &graphql.RawParams{Query: query})
	if errs != nil {
		t.Fatal(errs)
	}
	sub, err := r.Subscribe(ctx, exec, oc)
	if err != nil {
		t.Fatal(err)
	}
	msg := sub.Heartbeat(41)
	cursor := read.EventCursor(testAccount, 41)
	want := `{"data":{"beat":{"__typename":"Heartbeat","c":"` + cursor + `"}}}`
	if string(msg.Payload) != want || msg.Seq != 41 || msg.Cursor != cursor {
		t.Errorf("the heartbeat is %+v with %s, want %s", msg, msg.Payload, want)
	}
}

func TestAnEventFilterNamesACustomer(t *testing.T) {
	t.Parallel()
	id := typeid.Format(typeid.Customer, testAccount)
	filter, err := eventFilter([]string{"A"}, &id)
	if err != nil || filter.CustomerID == nil || *filter.CustomerID != testAccount || len(filter.Types) != 1 {
		t.Errorf("filter %+v (%v), want the customer and the type", filter, err)
	}
	wrong := typeid.Format(typeid.Contact, uuid.New())
	if _, err := eventFilter(nil, &wrong); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("a contact's id: %v, want NOT_FOUND", err)
	}
	if filter, err := eventFilter(nil, nil); err != nil || filter.CustomerID != nil {
		t.Errorf("no customer: %+v (%v), want no condition", filter, err)
	}
}
