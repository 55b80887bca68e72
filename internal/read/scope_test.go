package read_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var tableUse = regexp.MustCompile(`(?:FROM|JOIN) ([a-z_]+) ([a-z0-9]+)`)

// scoped says whether every table of a statement has its account's predicate. Aliases are unique in a statement.
func scoped(sql string) error {
	uses := tableUse.FindAllStringSubmatch(sql, -1)
	if len(uses) == 0 {
		return fmt.Errorf("no table found")
	}
	seen := map[string]bool{}
	for _, u := range uses {
		table, alias := u[1], u[2]
		if seen[alias] {
			return fmt.Errorf("the alias %s stands twice", alias)
		}
		seen[alias] = true
		if table == "hits" { // the tokens of a search, which were bound where they were read
			continue
		}
		column := "account_id"
		if table == "account" {
			column = "id"
		}
		if !regexp.MustCompile(`\b` + alias + `\.` + column + ` = \$1\b`).MatchString(sql) {
			return fmt.Errorf("%s %s is not bound to the account", table, alias)
		}
	}
	// Every FROM and JOIN is of a table that was seen, of a subselect, or of the elements of a parameter, or the tokens of a search.
	if all := regexp.MustCompile(`\b(FROM|JOIN) `).FindAllString(sql, -1); len(all) != len(uses)+
		strings.Count(sql, "FROM (")+strings.Count(sql, "FROM unnest($")+strings.Count(sql, "FROM hits)")+strings.Count(sql, "JOIN LATERAL (") {
		return fmt.Errorf("a table of another form")
	}
	return nil
}

func TestOnlyScopeWritesTables(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	words := regexp.MustCompile(`"[^"\n]*\b(FROM|JOIN)\b[^"\n]*"`)
	for _, file := range files {
		if file == "scope.go" || strings.HasSuffix(file, "_test.go") {
			continue
		}
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := words.FindString(string(content)); found != "" {
			t.Errorf("%s writes %s: only scope.go may, because it binds each table to the account", file, found)
		}
	}
}
