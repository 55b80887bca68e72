package wall

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"dossier/internal/fault"
)

// raiseLock is the advisory lock of who raises the wall in a database.
const raiseLock = 0x646f737369657203

// The policies of a table: one for each role, as PostgreSQL would join two for one role with OR, which no index helps with. Who
// has none sees nothing. The account is compared with a subselect, which PostgreSQL runs once per statement; where the statement
// names the account too, which it should, all that is left of the policy is to compare the two once. So a statement keeps the
// plan that it has without. So does one across accounts: PostgreSQL takes for granted that something is not null, while of a
// comparison it would expect that it is true of one row in two hundred.
const (
	accountPolicy = "account"
	systemPolicy  = "system"

	ownRow     = `(SELECT nullif(current_setting('` + accountSetting + `', true), '')::uuid)`
	everyRow   = `(SELECT nullif(current_setting('` + systemSetting + `', true), '')) IS NOT NULL`
	policyForm = `CREATE POLICY %[1]s ON %[2]s TO ` + AppRole + ` USING (%[3]s = ` + ownRow + `) WITH CHECK (%[3]s = ` + ownRow + `)`
	systemForm = `CREATE POLICY %[1]s ON %[2]s TO ` + SystemRole + ` USING (` + everyRow + `) WITH CHECK (` + everyRow + `)`
	viewForm   = `CREATE OR REPLACE VIEW %[1]s AS SELECT * FROM %[2]s WHERE account_id = ` + ownRow
)

// sharesForm makes the function that tells what PostgreSQL knows of the commonest lexemes of the search: its statistics of a
// table with policies are shown to nobody but the owner.
const sharesForm = `CREATE OR REPLACE FUNCTION customer_search_shares(OUT lexemes text[], OUT shares real[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
	SELECT s.most_common_elems::text::text[], s.most_common_elem_freqs FROM pg_stats AS s
	WHERE s.schemaname = %s AND s.tablename = 'customer_search' AND s.attname = 'words' $$`

// mark is the comment on what Raise has made: another one stands there when a version of the program makes it otherwise.
func mark(form string, more ...any) string {
	return fmt.Sprintf("made by dossier migrate: %08x", crc32.ChecksumIEEE([]byte(form+fmt.Sprint(more...))))
}

// Hash is of all that Raise makes, to name a database made by it.
func Hash() string {
	return fmt.Sprint(exempt, appRights, systemRights, views, policyForm, systemForm, viewForm, sharesForm)
}

// Raise raises the wall in a database, as the owner of its tables: it makes the roles where they are missing, and gives every
// table its policies and rights. It changes only what is not as it should be, so that it costs nothing when there is nothing
// to do, and takes no lock that anybody would wait for. It gives what it changed.
//
// Roles belong to the whole cluster, and it takes the right CREATEROLE to make them. Where the owner has not got it and nobody
// has made them, there is no wall: the log says so, with the remedy, and Raise leaves everything as it is.
func Raise(ctx context.Context, cfg *pgx.ConnConfig, log *slog.Logger) (changed int, err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	ready, err := makeRoles(ctx, conn, log)
	if err != nil || !ready {
		return 0, err
	}
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(raiseLock)); err != nil {
			return err
		}
		missing, err := inspect(ctx, tx)
		for _, statement := range missing {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		changed = len(missing)
		return err
	})
	return changed, err
}

// makeRoles makes the roles and the owner a member of both: the program logs in as the owner where there is no other login, and
// becomes one of them. False means that there are none and that the owner may not make any.
func makeRoles(ctx context.Context, conn *pgx.Conn, log *slog.Logger) (bool, error) {
	for attempt := 1; ; attempt++ {
		missing, err := missingRoles(ctx, conn)
		if err == nil && len(missing) == 0 {
			return true, nil
		}
		for i := 0; err == nil && i < len(missing); i++ {
			_, err = conn.Exec(ctx, missing[i])
		}
		var pg *pgconn.PgError
		switch {
		case err == nil:
		case !errors.As(err, &pg):
			return false, err
		case pg.Code == "42501" && strings.HasPrefix(missing[0], "CREATE"): // insufficient privilege
			log.WarnContext(ctx, "row-level security is off: this login may not make the roles that it needs. "+
				"Have an administrator run the statements once, then migrate again", "statements", strings.Join(missing, "; "))
			return false, nil
		case pg.Code == "42501":
			return false, fault.New(fault.Conflict, "The owner of the tables must be a member of the roles of the program. "+
				"Have an administrator run once: %s", strings.Join(missing, "; "))
		case attempt == 10 || !raced(pg):
			return false, err
		}
	}
}

// raced says whether an error is that of two databases of one cluster that make the roles at the same time: it exists already,
// in the two ways of saying so, or "tuple concurrently updated".
func raced(err *pgconn.PgError) bool {
	return slices.Contains([]string{"42710", "23505", "XX000"}, err.Code)
}

// missingRoles gives the statements that make the roles as they should be.
func missingRoles(ctx context.Context, conn *pgx.Conn) (statements []string, err error) {
	var grants []string
	for _, role := range []string{AppRole, SystemRole} {
		var exists, member bool
		err := conn.QueryRow(ctx, `SELECT to_regrole($1) IS NOT NULL, coalesce(pg_has_role(to_regrole($1), 'MEMBER'), false)`, role).Scan(&exists, &member)
		if err != nil {
			return nil, err
		}
		if !exists {
			statements = append(statements, "CREATE ROLE "+role+" NOLOGIN")
		}
		if !member {
			grants = append(grants, role)
		}
	}
	if len(grants) > 0 {
		var super bool
		var owner string
		if err := conn.QueryRow(ctx, `SELECT rolsuper, quote_ident(rolname) FROM pg_roles WHERE rolname = current_user`).Scan(&super, &owner); err != nil {
			return nil, err
		}
		if !super { // who is, is a member of everything
			statements = append(statements, "GRANT "+strings.Join(grants, ", ")+" TO "+owner)
		}
	}
	return statements, nil
}

// table is what there is of the wall around one table.
type table struct {
	name                   string
	hasAccount, on, forced bool
	// policies are names with marks, app and system the rights of the roles.
	policies, app, system []string
	columns               int
	// view is the mark of the view of the table, "" where there is none.
	view string
}

const catalogue = `
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
	EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'account_id' AND NOT a.attisdropped),
	ARRAY(SELECT p.polname || ' ' || coalesce(obj_description(p.oid, 'pg_policy'), '') FROM pg_policy p WHERE p.polrelid = c.oid),
	ARRAY(SELECT DISTINCT x.privilege_type FROM aclexplode(c.relacl) x WHERE x.grantee = to_regrole($1) ORDER BY 1),
	ARRAY(SELECT DISTINCT x.privilege_type FROM aclexplode(c.relacl) x WHERE x.grantee = to_regrole($2) ORDER BY 1),
	(SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
	coalesce(obj_description(to_regclass(quote_ident(c.relname || '_own')), 'pg_class'), '')
FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1`

// inspect gives the statements that are missing from the wall.
func inspect(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, catalogue, AppRole, SystemRole)
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		return t, row.Scan(&t.name, &t.on, &t.forced, &t.hasAccount, &t.policies, &t.app, &t.system, &t.columns, &t.view)
	})
	if err != nil {
		return nil, err
	}
	var statements []string
	for _, t := range tables {
		missing, err := t.missing()
		if err != nil {
			return nil, err
		}
		statements = append(statements, missing...)
	}
	var schema string
	var usable bool
	var shares string
	err = tx.QueryRow(ctx, `SELECT current_schema(), has_schema_privilege($1, current_schema(), 'USAGE') AND has_schema_privilege($2, current_schema(), 'USAGE'),
		coalesce(obj_description(to_regprocedure('customer_search_shares()'), 'pg_proc'), '')`, AppRole, SystemRole).Scan(&schema, &usable, &shares)
	if err != nil {
		return nil, err
	}
	if !usable {
		statements = append(statements, "GRANT USAGE ON SCHEMA "+ident(schema)+" TO "+AppRole+", "+SystemRole)
	}
	if want := mark(sharesForm); shares != want {
		statements = append(statements, fmt.Sprintf(sharesForm, "'"+strings.ReplaceAll(schema, "'", "''")+"'"),
			`COMMENT ON FUNCTION customer_search_shares() IS '`+want+`'`,
			`REVOKE ALL ON FUNCTION customer_search_shares() FROM PUBLIC`,
			`GRANT EXECUTE ON FUNCTION customer_search_shares() TO `+SystemRole)
	}
	return statements, nil
}

// missing gives the statements for one table.
func (t table) missing() (statements []string, err error) {
	name := ident(t.name)
	app, isExempt := exempt[t.name]
	if !isExempt {
		column := "account_id"
		if t.name == "account" {
			column = "id"
		} else if !t.hasAccount {
			return nil, fmt.Errorf("wall: the table %s has no account_id: give it one, or list it in wall.exempt with the reason", t.name)
		}
		if !t.on {
			statements = append(statements, "ALTER TABLE "+name+" ENABLE ROW LEVEL SECURITY")
		}
		view, unforced := views[t.name]
		switch {
		case !t.forced && !unforced:
			statements = append(statements, "ALTER TABLE "+name+" FORCE ROW LEVEL SECURITY")
		case t.forced && unforced:
			statements = append(statements, "ALTER TABLE "+name+" NO FORCE ROW LEVEL SECURITY")
		}
		statements = append(statements, t.policy(accountPolicy, policyForm, name, column)...)
		statements = append(statements, t.policy(systemPolicy, systemForm, name)...)
		if want := mark(viewForm, t.columns); unforced && t.view != want {
			statements = append(statements, fmt.Sprintf(viewForm, view, name), "COMMENT ON VIEW "+view+" IS '"+want+"'",
				"GRANT SELECT ON "+view+" TO "+AppRole)
		}
		app = appRights[t.name]
		if app == nil {
			app = []string{remove, add, read, change}
		}
	}
	statements = append(statements, rights(name, AppRole, t.app, app)...)
	return append(statements, rights(name, SystemRole, t.system, systemRights[t.name])...), nil
}

// policy gives the statements that make a policy of a form, in place of one that an earlier version has made.
func (t table) policy(name, form string, args ...any) []string {
	want := mark(form)
	if slices.Contains(t.policies, name+" "+want) {
		return nil
	}
	on := name + " ON " + ident(t.name)
	return []string{
		"DROP POLICY IF EXISTS " + on,
		fmt.Sprintf(form, append([]any{name}, args...)...),
		"COMMENT ON POLICY " + on + " IS '" + want + "'",
	}
}

// rights gives the statements that make the rights of a role on a table those that it should have.
func rights(name, role string, has, should []string) []string {
	if slices.Equal(has, should) || len(has)+len(should) == 0 {
		return nil
	}
	statements := []string{"REVOKE ALL ON " + name + " FROM " + role}
	if len(should) > 0 {
		statements = append(statements, "GRANT "+strings.Join(should, ", ")+" ON "+name+" TO "+role)
	}
	return statements
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }
