package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"dossier/internal/auth"
	"dossier/internal/server"
	"dossier/internal/store"
)

// serveCmd serves on a database and an object store that are there.
type serveCmd struct {
	config `embed:""`

	Migrate bool `name:"migrate" env:"DOSSIER_MIGRATE" help:"Migrate the database before serving."`
}

// Run serves until the process is told to stop.
func (c *serveCmd) Run(ctx context.Context) error {
	if err := c.problems(false); err != nil {
		return err
	}
	secret, err := c.secretBytes()
	if err != nil {
		return err
	}
	log := newLogger(&c.config)
	if c.Migrate && c.DatabaseURL == "" {
		return errors.New("--migrate (DOSSIER_MIGRATE): needs --database-url (DATABASE_URL), a login that owns the tables")
	}
	if c.Migrate {
		if _, err := store.Migrate(ctx, string(c.DatabaseURL), log); err != nil {
			return err
		}
	}
	a, err := openApp(ctx, &c.config, log, secret, auth.Network{})
	if err != nil {
		return err
	}
	defer a.close()
	return a.run(ctx, func(s *server.Server) { log.Info("serving", "url", s.URL(), "admin", s.AdminURL()) })
}

// migrateCmd migrates and ends.
type migrateCmd struct {
	DatabaseURL secret `name:"database-url" env:"DATABASE_URL" required:"" placeholder:"URL" help:"PostgreSQL 15 or later."`
}

// Run migrates.
func (c *migrateCmd) Run(ctx context.Context) error {
	versions, err := store.Migrate(ctx, string(c.DatabaseURL), warnings())
	if err != nil {
		return err
	}
	fmt.Printf("applied %d migrations\n", len(versions))
	return nil
}

// warnings is the log of a command: what its user should know and did not ask for.
func warnings() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
