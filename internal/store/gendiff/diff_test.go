package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dossier/internal/pgtest"
)

func TestMigrationsMakeWhatTheSchemaSays(t *testing.T) {
	t.Parallel()
	m, err := diff(t.Context(), pgtest.New(t).DSN(), filepath.Join("..", "migrations"), "drift")
	if err != nil {
		t.Fatal(err)
	}
	if m != nil {
		t.Errorf("ent/schema and the migrations differ; run make migrate name=... Missing:\n%s", m.content)
	}
}

func TestDriftIsFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "migrations"))); err != nil {
		t.Fatal(err)
	}
	const more = "-- +goose Up\nALTER TABLE customer DROP COLUMN company_name;\nALTER TABLE contact ADD CONSTRAINT by_hand FOREIGN KEY (account_id) REFERENCES account (id);\n"
	if err := os.WriteFile(filepath.Join(dir, "29990101000000_drift.sql"), []byte(more), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := diff(t.Context(), pgtest.New(t).DSN(), dir, "drift")
	if err != nil {
		t.Fatal(err)
	}
	if m == nil || !strings.Contains(string(m.content), `ADD COLUMN "company_name"`) {
		t.Fatalf("got %v, want a migration that adds the column", m)
	}
	if strings.Contains(string(m.content), "by_hand") || strings.Contains(string(m.content), "Down") {
		t.Errorf("the migration touches a foreign key or goes down:\n%s", m.content)
	}
}

func TestNamesOfMigrationsAreFileNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "a", "../x", "With Space", "UPPER"} {
		if _, err := diff(t.Context(), "", "nowhere", name); err == nil || !strings.Contains(err.Error(), "no name") {
			t.Errorf("diff(%q): %v, want a refusal of the name", name, err)
		}
	}
}
