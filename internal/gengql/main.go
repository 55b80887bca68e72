// Command gengql runs gqlgen with one change: it shows gqlgen's code generator every object, interface and union below
// the root types as a scalar bound to read.Object.
//
// The read engine compiles whole selections (design.md 2.2), so generated code for the fields of Customer and the rest
// would be dead code, about 340 lines per type, and a resolver method per field. At run time the executor still parses
// the real schema (a root field that is a list is one value to the generator too), so validation and introspection see every type as it is written.
package main

import (
	"fmt"
	"os"

	"github.com/99designs/gqlgen/api"
	"github.com/99designs/gqlgen/codegen/config"
	"github.com/vektah/gqlparser/v2/ast"
)

const object = "dossier/internal/read.Object"

// opaque is the plugin that hides the types from the generator.
type opaque struct{}

// Name names the plugin.
func (opaque) Name() string { return "opaque" }

// MutateConfig binds the output types.
func (opaque) MutateConfig(cfg *config.Config) error {
	for _, root := range []*ast.Definition{cfg.Schema.Query, cfg.Schema.Mutation, cfg.Schema.Subscription} {
		for _, field := range root.Fields {
			if field.Type.Elem != nil && cfg.Schema.Types[field.Type.Name()].IsCompositeType() {
				field.Type = &ast.Type{NamedType: field.Type.Name(), NonNull: field.Type.NonNull, Position: field.Type.Position}
			}
		}
	}
	for name, def := range cfg.Schema.Types {
		if def.BuiltIn || def == cfg.Schema.Query || def == cfg.Schema.Mutation || def == cfg.Schema.Subscription {
			continue
		}
		switch def.Kind {
		case ast.Object, ast.Interface, ast.Union:
			cfg.Models[name] = config.TypeMapEntry{Model: config.StringList{object}}
			def.Kind = ast.Scalar
		}
	}
	return nil
}

func main() {
	cfg, err := config.LoadConfigFromDefaultLocations()
	if err == nil {
		err = api.Generate(cfg, api.PrependPlugin(opaque{}))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gengql:", err)
		os.Exit(1)
	}
}
