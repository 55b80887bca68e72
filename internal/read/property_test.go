package read_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
	"pgregory.net/rapid"

	"dossier/internal/auth"
	"dossier/internal/read"
)

// The cases are the same in every run; -rapid.seed and -rapid.checks ask for others and for more.
func TestMain(m *testing.M) {
	flag.Parse()
	for name, value := range map[string]string{"rapid.seed": "20260601", "rapid.checks": "300", "rapid.nofailfile": "true"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() == f.DefValue {
			_ = f.Value.Set(value)
		}
	}
	os.Exit(m.Run())
}

func TestRandomQueriesAnswerAsANaiveEvaluatorDoes(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	read.LookAtFew(e.engine, 4) // so that both ways of finding customers by their attributes are taken
	w := newWorld(1, 30)
	w.insert(t, e.pool)
	sdl := schema().Schema()
	asked, bytesRead, used := 0, 0, map[string]bool{}
	rapid.Check(t, func(rt *rapid.T) {
		own := rapid.IntRange(0, 1).Draw(rt, "account")
		account := w.accounts[own]
		staff := w.rows("staff_user", account, all)[0].id()
		p := auth.Principal{AccountID: account, Kind: auth.KindStaff, Role: auth.Admin, ID: staff}
		g := &generator{t: rt, schema: sdl, world: w, own: own, known: map[string][]string{}}
		n := &naive{world: w, schema: sdl, account: account, staff: staff, cursors: map[string]place{}}
		for range 3 {
			g.fields = 0
			query, vars := g.query()
			doc, errs := gqlparser.LoadQueryWithRules(sdl, query, rules.NewDefaultRules())
			if errs != nil {
				if strings.Contains(errs.Error(), "conflict because") {
					continue // two fragments chose the same alias-less field with other shapes
				}
				rt.Fatalf("the generator wrote an invalid query: %v\n%s", errs, query)
			}
			var err error
			if n.vars, err = validator.VariableValues(sdl, doc.Operations[0], clone(vars)); err != nil {
				rt.Fatalf("the generator chose invalid variables: %v\n%s\n%v", err, query, vars)
			}
			way := rapid.SampledFrom([][2]int{{3000, 25_000}, {1, 25_000}, {2, 5}, {10, 10}, {1, 1}}).Draw(rt, "ways of searching")
			read.Pace(e.engine, way[0], way[1])
			got := e.ask(p, query, clone(vars))
			if len(got.Errors) > 0 {
				rt.Fatalf("got errors %v\n%s\n%s", got.Errors, query, dump(vars))
			}
			c := comparison{naive: n, generator: g}
			if err := c.compare(json.NewDecoder(bytes.NewReader(got.Data)), n.answer(doc.Operations[0])); err != nil {
				rt.Fatalf("%v\n%s\nvariables %s\ngot %s", err, query, dump(vars), got.Data)
			}
			if again := e.ask(p, query, clone(vars)); !bytes.Equal(again.Data, got.Data) { // from the cached plan
				rt.Fatalf("asked again: got %s\nwant %s\n%s\nvariables %s", again.Data, got.Data, query, dump(vars))
			}
			asked++
			bytesRead += len(got.Data)
			for _, f := range sdl.Query.Fields {
				used[f.Name] = used[f.Name] || strings.Contains(query, f.Name+"(") || strings.Contains(query, ": "+f.Name+" ")
			}
		}
	})
	t.Logf("%d queries, %d statements, %d texts, %d bytes", asked, e.trace.statements.Load(), len(e.trace.texts), bytesRead)
	// These are resolved by the areas and not by the engine.
	used["customerDuplicates"], used["customerDuplicateGroups"], used["documentAreas"] = true, true, true
	for _, f := range sdl.Query.Fields {
		if !used[f.Name] && !strings.HasPrefix(f.Name, "__") {
			t.Errorf("no query asked for Query.%s: the generator must know it", f.Name)
		}
	}
	for sql := range e.trace.texts {
		if err := scoped(sql); err != nil {
			t.Errorf("%v\n%s", err, sql)
		}
	}
}

func clone(vars map[string]any) map[string]any {
	text, _ := json.Marshal(vars)
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out map[string]any
	_ = d.Decode(&out)
	return out
}

func dump(v any) string { text, _ := json.Marshal(v); return string(text) }

// comparison walks the answer's tokens along the naive value, in order. Cursors are opaque: each must stand for the one
// place that the evaluator names, and be the same each time.
type comparison struct {
	naive     *naive
	generator *generator
	path      []string
}

func (c *comparison) fail(format string, args ...any) error {
	return errors.New(strings.Join(c.path, ".") + ": " + fmt.Sprintf(format, args...))
}

func (c *comparison) compare(d *json.Decoder, want any) error {
	d.UseNumber()
	if err := c.value(d, want); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c.fail("more behind the end")
	}
	return nil
}

func (c *comparison) value(d *json.Decoder, want any) error {
	token, err := d.Token()
	if err != nil {
		return c.fail("%v", err)
	}
	switch want := want.(type) {
	case []pair:
		if token != json.Delim('{') {
			return c.fail("got %v, want an object", token)
		}
		for _, p := range want {
			key, err := d.Token()
			if err != nil || key != p.key {
				return c.fail("got key %v, want %q", key, p.key)
			}
			c.path = append(c.path, p.key)
			if err := c.value(d, p.value); err != nil {
				return err
			}
			c.path = c.path[:len(c.path)-1]
		}
	case []any:
		if token != json.Delim('[') {
			return c.fail("got %v, want a list", token)
		}
		for i, item := range want {
			if !d.More() {
				return c.fail("got %d items, want %d", i, len(want))
			}
			c.path = append(c.path, fmt.Sprint(i))
			if err := c.value(d, item); err != nil {
				return err
			}
			c.path = c.path[:len(c.path)-1]
		}
	case place:
		return c.cursor(token, want)
	case nil:
		if token != nil {
			return c.fail("got %v, want null", token)
		}
		return nil
	default:
		return c.leaf(token, want)
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') && end != json.Delim(']') {
		return c.fail("got %v after the last of %d", end, len(c.path))
	}
	return nil
}

func (c *comparison) leaf(token json.Token, want any) error {
	got := token
	if n, ok := token.(json.Number); ok {
		got = n.String() + "#"
	}
	if got != want {
		return c.fail("got %#v, want %#v", got, want)
	}
	return nil
}

func (c *comparison) cursor(token json.Token, want place) error {
	s, ok := token.(string)
	if !ok {
		return c.fail("got %v, want a cursor", token)
	}
	if at, known := c.naive.cursors[s]; known && at != want && !c.sameVersion(at, want) {
		return c.fail("one cursor for two places: %v and %v", at, want)
	}
	c.naive.cursors[s] = want
	c.generator.known[want.list] = append(c.generator.known[want.list], s)
	return nil
}

// sameVersion: the versions of a document and the errors of a job are ordered by their number alone, so equal numbers of two
// documents or jobs are one place.
func (c *comparison) sameVersion(a, b place) bool {
	return a.list == b.list && (a.list == "Document.versions/true" || a.list == "Job.rowErrors/false") && c.naive.byID[a.row]["number"] == c.naive.byID[b.row]["number"]
}
