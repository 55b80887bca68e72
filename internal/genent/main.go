// Command genent runs ent's code generator with three changes, which keep what a build compiles small: ent's builders are
// about 4,000 lines of each table, and were a quarter of a first build's time.
//
// A table that is only read and written with SQL (SQLOnly in its schema) gets no builders: it is in the migrations and among
// the columns, and nowhere else. ON CONFLICT is in the builders of the tables that use it (Upserted). And the client is one
// without ent's migrator, because the program migrates with SQL files: the migrator would bring Atlas, HCL and their start-up
// into every server. ent/migrate is for internal/store/gendiff alone.
package main

import (
	"fmt"
	"os"
	"slices"

	"entgo.io/ent/entc"
	"entgo.io/ent/entc/gen"
)

const schemas = "./ent/schema"

// builders makes the tables' part of all schemas first and the builders of some after that, from the same graph. ent removes
// what the first run made and the second did not.
func builders(next gen.Generator) gen.Generator {
	return gen.GenerateFunc(func(g *gen.Graph) error {
		if err := next.Generate(g); err != nil {
			return err
		}
		g.Nodes = slices.DeleteFunc(g.Nodes, func(n *gen.Type) bool { return n.Annotations["SQLOnly"] != nil })
		client := *g.Storage
		client.SchemaMode &^= gen.Migrate
		g.Storage = &client
		return next.Generate(g)
	})
}

func main() {
	tables := gen.MustParse(gen.NewTemplate("tables").ParseFiles("./ent/template/tables.tmpl"))
	err := entc.Generate(schemas, &gen.Config{
		Hooks: []gen.Hook{builders},
		Templates: []*gen.Template{
			gen.MustParse(gen.NewTemplate("builders").ParseFiles("./ent/template/builders.tmpl")),
			tables.SkipIf(func(g *gen.Graph) bool { return !g.SupportMigrate() }),
		},
	}, entc.FeatureNames("sql/upsert", "sql/lock", "sql/execquery", "sql/modifier"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "genent:", err)
		os.Exit(1)
	}
}
