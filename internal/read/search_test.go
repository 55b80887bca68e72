package read_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/read"
	"dossier/internal/store"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// directory is an env with an account whose customers were made by the use cases, so that all that a search needs is there.
type directory struct {
	*env
	svc *customer.Service
	p   auth.Principal
	// name is that of the query: another one has a plan of its own.
	name string
}

func newDirectory(t *testing.T) *directory {
	t.Helper()
	e := newEnv(t)
	s, err := store.Open(t.Context(), store.Config{DSN: wall.AsApp(e.pool.Config().ConnString())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	d := &directory{env: e, svc: customer.NewService(s)}
	d.p = d.account(t)
	return d
}

func (d *directory) account(t *testing.T) auth.Principal {
	t.Helper()
	account := typeid.New()
	if _, err := d.pool.Exec(t.Context(), `WITH a AS (INSERT INTO account (id, name, oidc_algorithms, created_at) VALUES ($1, 'A', '[]', now()) RETURNING id)
		INSERT INTO storage_usage (account_id) SELECT id FROM a`, account); err != nil {
		t.Fatal(err)
	}
	return admin(account)
}

func (d *directory) person(t *testing.T, given, family string) {
	t.Helper()
	if _, err := d.svc.Create(t.Context(), d.p, customer.Draft{GivenName: &given, FamilyName: &family}, nil); err != nil {
		t.Fatal(err)
	}
}

const searchQuery = `query($s: String, $o: CustomerOrder, $first: Int, $after: String, $last: Int, $before: String) {
	customers(search: $s, orderBy: $o, first: $first, after: $after, last: $last, before: $before) {
		totalCount nodes { displayName } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } } }`

type searchPage struct {
	Customers struct {
		TotalCount int
		Nodes      []struct{ DisplayName string }
		PageInfo   struct {
			StartCursor, EndCursor       string
			HasNextPage, HasPreviousPage bool
		}
	}
}

func (d *directory) page(t *testing.T, vars map[string]any) (searchPage, []string) {
	t.Helper()
	var got searchPage
	if err := json.Unmarshal([]byte(d.data(d.p, strings.Replace(searchQuery, "query(", "query "+d.name+"(", 1), vars)), &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range got.Customers.Nodes {
		names = append(names, n.DisplayName)
	}
	return got, names
}

func (d *directory) names(t *testing.T, text string) []string {
	t.Helper()
	_, names := d.page(t, map[string]any{"s": text})
	return names
}

func TestAMistypedWordFindsWhatItMeans(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	d.person(t, "Anna", "Schmidt")
	d.person(t, "Bert", "Schmitt")
	d.person(t, "Carla", "Schneider")
	d.person(t, "Élodie", "Groß")
	for text, want := range map[string][]string{
		"schmidt":       {"Anna Schmidt"}, // somebody has it, so nothing else is meant
		"schmi":         {"Anna Schmidt", "Bert Schmitt"},
		"schmitd":       {"Anna Schmidt", "Bert Schmitt"}, // swapped, wrong
		"schmiddt":      {"Anna Schmidt"},
		"shmidt":        {"Anna Schmidt"},
		"SCHNIEDER":     {"Carla Schneider"},
		"eldie":         {"Élodie Groß"},
		"eldoie grosz":  {"Élodie Groß"},
		"anna schmitd":  {"Anna Schmidt"},
		"bret schmitt":  {"Bert Schmitt"},
		"shcmitd":       nil, // two errors
		"ana":           nil, // three letters are too few
		"xyzzy":         nil,
		"carl schnider": {"Carla Schneider"},
	} {
		if got := d.names(t, text); !slices.Equal(got, want) {
			t.Errorf("%q finds %q, want %q", text, got, want)
		}
	}
	other := d.account(t)
	if got := d.data(other, `{ customers(search: "schmitd") { totalCount } }`, nil); got != `{"customers":{"totalCount":0}}` {
		t.Errorf("another account sees %s", got)
	}
}

// TestPagesOfASearchAreItsRowsInOrder goes forward and back through matches that are found in each of the three ways.
func TestPagesOfASearchAreItsRowsInOrder(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	for i := range 30 {
		d.person(t, fmt.Sprintf("Given%02d", i), "Maier")         // common: walked
		d.person(t, "Maria", fmt.Sprintf("Family%02d", (i*7)%30)) // begins the order
	}
	d.person(t, "Zoe", "Rare")
	d.person(t, "Maria", "Seltenheit") // of whose words one is rare, and begins an order
	if _, err := d.pool.Exec(t.Context(), "ANALYZE customer_search"); err != nil {
		t.Fatal(err)
	}
	for i, way := range [][2]int{{3000, 25_000}, {1, 25_000}, {1, 1}, {5, 9}} {
		d.name = fmt.Sprint("Way", i)
		read.Pace(d.engine, way[0], way[1])
		d.pagesInOrder(t)
	}
}

func (d *directory) pagesInOrder(t *testing.T) {
	t.Helper()
	for _, order := range []map[string]any{
		{"field": "DISPLAY_NAME"},
		{"field": "DISPLAY_NAME", "direction": "DESC"},
		{"field": "FAMILY_NAME"},
		{"field": "FAMILY_NAME", "direction": "DESC"},
		{"field": "EXTERNAL_ID"},
		{"field": "CREATED_AT", "direction": "DESC"},
		{"field": "UPDATED_AT"},
	} {
		for text, total := range map[string]int{
			"ma": 61, "maria": 31, "mai": 30, "rare": 1, "zo ra": 1, "ma fam": 30, "maria selt": 1, "none": 0,
		} {
			_, all := d.page(t, map[string]any{"s": text, "o": order, "first": 100})
			if len(all) != total {
				t.Fatalf("%v %q: %d rows, want %d", order, text, len(all), total)
			}
			var forward, back []string
			vars := map[string]any{"s": text, "o": order, "first": 7}
			var last searchPage
			for {
				got, names := d.page(t, vars)
				if got.Customers.TotalCount != total {
					t.Errorf("%v %q: totalCount is %d, want %d", order, text, got.Customers.TotalCount, total)
				}
				forward = append(forward, names...)
				if last = got; !got.Customers.PageInfo.HasNextPage {
					break
				}
				vars["after"] = got.Customers.PageInfo.EndCursor
			}
			if !slices.Equal(forward, all) {
				t.Errorf("%v %q: forward %q, want %q", order, text, forward, all)
			}
			if total == 0 {
				continue
			}
			vars = map[string]any{"s": text, "o": order, "last": 7, "before": last.Customers.PageInfo.EndCursor}
			for {
				got, names := d.page(t, vars)
				back = append(names, back...)
				if !got.Customers.PageInfo.HasPreviousPage {
					break
				}
				vars["before"] = got.Customers.PageInfo.StartCursor
			}
			if want := all[:total-1]; !slices.Equal(back, want) {
				t.Errorf("%v %q: back %q, want %q", order, text, back, want)
			}
		}
	}
}

func TestSearchesThatAreRefusedSayWhy(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	d.person(t, "Ada", "100%_x")
	for text, want := range map[string]string{
		strings.Repeat("a ", 1000):  "search is longer than 200 characters.",
		strings.Repeat("ab ", 11):   "search has 11 words; at most 10 are allowed.",
		strings.Repeat("x", 201):    "search is longer than 200 characters.",
		"a\x00b":                    "search must be valid Unicode without the character NUL.",
		strings.Repeat("1-", 60):    "search has 60 words; at most 10 are allowed.",
		strings.Repeat("\u0301", 9): "",
	} {
		a := d.ask(d.p, searchQuery, map[string]any{"s": text})
		got := ""
		if len(a.Errors) > 0 {
			got = strings.TrimPrefix(a.Errors[0].Message, "read: BAD_USER_INPUT at search: ")
		}
		if got != want {
			t.Errorf("%.20q: %q, want %q", text, got, want)
		}
	}
	for _, text := range []string{"%", "_", "'", `\`, "' | 'a", "!ada", "ada:*B", "<->", "\x01\x02", "a\u202eb", "ada' & '", "ada\\", "(ada", "٣٣٣", "😀"} {
		a := d.ask(d.p, searchQuery, map[string]any{"s": text})
		if len(a.Errors) > 0 {
			t.Errorf("%q: %v", text, a.Errors)
		}
	}
	for text, n := range map[string]int{"%": 0, "_": 0, "100%_x": 1, "x": 1, "!ada": 1, "ada & zoe": 0, "": 1, " \u00a0\t": 1, "ad%": 1, "a_b": 0} {
		if got := len(d.names(t, text)); got != n {
			t.Errorf("%q finds %d, want %d", text, got, n)
		}
	}
}

// TestTheSamePlanServesEverySearch holds that texts are parameters: other words make no other statements, blank ones no search.
func TestTheSamePlanServesEverySearch(t *testing.T) {
	t.Parallel()
	d := newDirectory(t)
	d.person(t, "Ada", "Byron")
	count := func(texts ...string) int {
		for _, text := range texts {
			d.page(t, map[string]any{"s": text})
		}
		d.trace.mu.Lock()
		defer d.trace.mu.Unlock()
		return len(d.trace.texts)
	}
	before := count("ada")
	if after := count("byron", "ada byron", "+49 30", "a@b", "mistyped"); after != before {
		t.Errorf("%d texts of statements, %d after other searches", before, after)
	}
	for _, text := range []string{"", "  "} {
		if got := d.names(t, text); !slices.Equal(got, []string{"Ada Byron"}) {
			t.Errorf("the blank search %q finds %q", text, got)
		}
	}
}
