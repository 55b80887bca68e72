// Command dossier is the customer file as a GraphQL API: it serves, migrates, and manages accounts, keys and limits.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"dossier/internal/fault"
)

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Serve the API on PostgreSQL and an object store."`
	Dev     devCmd     `cmd:"" help:"Serve on this machine alone: private PostgreSQL, disk store, sample customers."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this version's schema. Safe to run from several nodes."`
	Seed    seedCmd    `cmd:"" help:"Make an account with sample customers in a database."`
	Keys    keysCmd    `cmd:"" help:"Manage accounts' API keys."`
	Limits  limitsCmd  `cmd:"" help:"Show or set how much accounts may store."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parsed := kong.Parse(&c, kong.Name("dossier"),
		kong.Description("Dossier: the customer file as a GraphQL API."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.UsageOnError())
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "dossier:", explain(err))
		stop()
		os.Exit(1)
	}
}

// explain is what the operator is told: of a mistake what it is and the remedy, as a client of the API would be told; of
// anything else all that is known.
func explain(err error) string {
	list := fault.AsList(err)
	if list == nil {
		return err.Error()
	}
	messages := make([]string, len(list))
	for i, f := range list {
		messages[i] = f.Message
	}
	return strings.Join(messages, "\n")
}
