package store

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"dossier/internal/auth"
	"dossier/internal/typeid"
	"dossier/internal/wall"
)

// walledTable is a table as the database describes it.
type walledTable struct {
	name, account string
	// rights of the program's role.
	rights []string
}

// refused says whether PostgreSQL did not let a statement pass: no right to the table, or no such row by its policy.
func refused42501(err error) bool {
	pe := pgError(err)
	return pe != nil && pe.Code == "42501"
}

// walledTables gives all tables with an account. It looks for itself, and not into package wall.
func (e *env) walledTables() []walledTable {
	e.t.Helper()
	rows, err := e.admin.Query(e.t.Context(), `SELECT c.relname, CASE c.relname WHEN 'account' THEN 'id' ELSE 'account_id' END,
			ARRAY(SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
				WHERE has_table_privilege('dossier_app', c.oid, p))
		FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'goose_db_version' ORDER BY 1`)
	if err != nil {
		e.t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t walledTable, err error) {
		return t, row.Scan(&t.name, &t.account, &t.rights)
	})
	if err != nil || len(tables) < 39 {
		e.t.Fatalf("%d tables: %v", len(tables), err)
	}
	return tables
}

// TestTheWallIsAroundEveryTable looks at the catalogue: what a migration adds must be behind the wall as well.
func TestTheWallIsAroundEveryTable(t *testing.T) {
	t.Parallel()
	newEnv(t).wantWall()
}

func (e *env) wantWall() {
	t := e.t
	t.Helper()
	// The tables that their owner may read without saying so, because the program reads them through a view of the owner's.
	unforced := []string{"attribute_value", "customer_search"}
	for _, table := range e.walledTables() {
		var on, forced bool
		var own, system string
		err := e.admin.QueryRow(t.Context(), `SELECT c.relrowsecurity, c.relforcerowsecurity,
			(SELECT string_agg(concat_ws(' ', policyname, permissive, roles::text, cmd, qual, with_check), E'\n') FROM pg_policies WHERE tablename = c.relname AND policyname = 'account'),
			(SELECT string_agg(concat_ws(' ', policyname, permissive, roles::text, cmd, qual, with_check), E'\n') FROM pg_policies WHERE tablename = c.relname AND policyname <> 'account')
			FROM pg_class c WHERE c.oid = $1::text::regclass`, table.name).Scan(&on, &forced, &own, &system)
		if err != nil {
			t.Errorf("%s: %v", table.name, err)
			continue
		}
		condition := `(` + table.account + ` = ( SELECT (NULLIF(current_setting('app.account'::text, true), ''::text))::uuid AS "nullif"))`
		if want := "account PERMISSIVE {dossier_app} ALL " + condition + " " + condition; own != want {
			t.Errorf("%s has the policies for the program\n%s\nwant\n%s", table.name, own, want)
		}
		condition = `(( SELECT NULLIF(current_setting('app.system'::text, true), ''::text) AS "nullif") IS NOT NULL)`
		if want := "system PERMISSIVE {dossier_system} ALL " + condition + " " + condition; system != want {
			t.Errorf("%s has other policies\n%s\nwant\n%s", table.name, system, want)
		}
		if !on || forced == slices.Contains(unforced, table.name) {
			t.Errorf("%s: row-level security on %t, forced %t", table.name, on, forced)
		}
		if slices.Contains(table.rights, "TRUNCATE") || slices.Contains(table.rights, "TRIGGER") {
			t.Errorf("dossier_app may %q on %s: truncating asks no policy", table.rights, table.name)
		}
	}
	var views []string
	if err := e.admin.QueryRow(t.Context(), `SELECT array_agg(relname::text ORDER BY 1) FROM pg_class WHERE relnamespace = 'public'::regnamespace
		AND relkind IN ('v', 'm', 'f')`).Scan(&views); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(views, []string{"attribute_value_own", "customer_search_own"}) {
		t.Errorf("there are the views %q: a view is read with the rights of its owner, so each one must be known here and have the policy's condition", views)
	}
	for _, view := range views {
		var definition string
		if err := e.admin.QueryRow(t.Context(), `SELECT pg_get_viewdef($1::text::regclass)`, view).Scan(&definition); err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(definition, `account_id = ( SELECT (NULLIF(current_setting('app.account'::text, true), ''::text))::uuid AS "nullif"));`) {
			t.Errorf("%s is defined as\n%s", view, definition)
		}
	}
}

// TestANewTableIsBehindTheWallByItself adds tables as a migration would.
func TestANewTableIsBehindTheWallByItself(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	exec := func(sql string) {
		if _, err := e.admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec(`CREATE TABLE appointment (id uuid PRIMARY KEY, account_id uuid NOT NULL REFERENCES account)`)
	if _, err := e.behind(func(b *pgx.Batch) { wall.Account(b, e.ada.AccountID) }, `SELECT FROM appointment`); !refused42501(err) {
		t.Errorf("before the wall is raised around it: %v, want no right to it", err)
	}
	if _, err := Migrate(t.Context(), e.db.DSN(), nil); err != nil {
		t.Fatal(err)
	}
	exec(`INSERT INTO appointment VALUES (gen_random_uuid(), '` + e.bob.AccountID.String() + `')`)
	for p, want := range map[*auth.Principal]int64{&e.ada: 0, &e.bob: 1} {
		tag, err := e.behind(func(b *pgx.Batch) { wall.Account(b, p.AccountID) }, `SELECT FROM appointment`)
		if err != nil || tag.RowsAffected() != want {
			t.Errorf("%s sees %d rows of a new table (%v), want %d", p.DisplayName, tag.RowsAffected(), err, want)
		}
	}
	exec(`CREATE TABLE holiday (day date PRIMARY KEY)`)
	if _, err := Migrate(t.Context(), e.db.DSN(), nil); err == nil || !strings.Contains(err.Error(), "holiday has no account_id: give it one, or list it in wall.exempt") {
		t.Errorf("a table without an account: %v, want what to do about it", err)
	}
}

// TestMigratingRenewsTheWall finds what another version has made, or somebody has changed, and leaves the rest alone.
func TestMigratingRenewsTheWall(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, sql := range []string{
		`DROP POLICY account ON contact`, `CREATE POLICY account ON contact USING (true)`, `ALTER TABLE note DISABLE ROW LEVEL SECURITY`,
		`ALTER TABLE note NO FORCE ROW LEVEL SECURITY`, `GRANT DELETE ON event TO dossier_app`, `REVOKE ALL ON customer FROM dossier_app`,
		`ALTER TABLE attribute_value ADD COLUMN later int`, `CREATE OR REPLACE FUNCTION customer_search_shares(OUT lexemes text[], OUT shares real[]) LANGUAGE sql AS 'SELECT NULL::text[], NULL::real[]'`,
		`COMMENT ON FUNCTION customer_search_shares() IS 'older'`,
	} {
		if _, err := e.admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	cfg := e.admin.Config().ConnConfig
	if n, err := wall.Raise(t.Context(), cfg, slog.New(slog.DiscardHandler)); err != nil || n == 0 {
		t.Fatalf("%d statements: %v", n, err)
	}
	if n, err := wall.Raise(t.Context(), cfg, slog.New(slog.DiscardHandler)); err != nil || n != 0 {
		t.Errorf("once more: %d statements (%v), want none", n, err)
	}
	e.wantWall()
	if n := e.count(`SELECT count(*) FROM pg_attribute WHERE attrelid = 'attribute_value_own'::regclass AND attname = 'later'`); n != 1 {
		t.Error("the view lacks the new column")
	}
}

// TestIndexesWorkBelowThePolicies holds that each index can be used by the program's role: below a policy PostgreSQL looks rows up
// only with operators that are leakproof.
func TestIndexesWorkBelowThePolicies(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	rows, err := e.admin.Query(t.Context(), `SELECT DISTINCT c.relname || ': ' || x.indexrelid::regclass || ' by ' || format_type(o.opcintype, NULL)
		FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid CROSS JOIN LATERAL unnest(x.indclass) AS class
		JOIN pg_opclass o ON o.oid = class JOIN pg_am am ON am.oid = o.opcmethod
		JOIN pg_amop m ON m.amopfamily = o.opcfamily AND m.amoplefttype = o.opcintype AND (am.amname <> 'btree' OR m.amoprighttype = o.opcintype)
		JOIN pg_operator op ON op.oid = m.amopopr JOIN pg_proc p ON p.oid = op.oprcode
		WHERE c.relnamespace = 'public'::regnamespace AND c.relrowsecurity AND c.relname NOT IN ('attribute_value', 'customer_search') AND NOT p.proleakproof ORDER BY 1`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range list {
		t.Errorf("%s: this type has operators that are not leakproof. Read the table through a view, see wall.views, or order by another type", index)
	}
}

func TestTheRolesOfTheProgramOwnNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	for _, role := range []string{wall.AppRole, wall.SystemRole} {
		var plain bool
		var owned int
		err := e.admin.QueryRow(t.Context(), `SELECT NOT (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin),
			(SELECT count(*) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid AND deptype = 'o'
				AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())))
			FROM pg_roles r WHERE rolname = $1`, role).Scan(&plain, &owned)
		if err != nil || !plain || owned != 0 {
			t.Errorf("%s: without attributes %t, owns %d things (%v)", role, plain, owned, err)
		}
	}
	if n := e.count(`SELECT count(*) FROM pg_auth_members m WHERE m.member IN ('dossier_app'::regrole, 'dossier_system'::regrole)
		OR m.roleid = 'pg_read_all_data'::regrole AND pg_has_role('dossier_app', m.member, 'MEMBER')`); n != 0 {
		t.Errorf("the roles are members of %d others", n)
	}
	// What is not in the tables: functions that run with the rights of their owner.
	if n := e.count(`SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
		AND (has_function_privilege('dossier_app', oid, 'EXECUTE') OR proname <> 'customer_search_shares')`); n != 0 {
		t.Errorf("the program's role may call %d functions with the rights of their owner", n)
	}
	// The state of a session: its role is the program's from its first moment, and there is nothing to go back to.
	conn, err := e.store.conns.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, statement := range []string{`SELECT`, `RESET ROLE`} {
		var current string
		_, err := conn.Exec(t.Context(), statement)
		if err == nil {
			err = conn.QueryRow(t.Context(), `SELECT current_user`).Scan(&current)
		}
		if err != nil || current != wall.AppRole {
			t.Errorf("after %s the session works as %s (%v)", statement, current, err)
		}
	}
}

// filled makes a row of each account in every table, whatever the table says of what is in its columns.
func (e *env) filled(tables []walledTable, accounts ...uuid.UUID) {
	e.t.Helper()
	ctx := e.t.Context()
	exec := func(sql string, args ...any) {
		if _, err := e.admin.Exec(ctx, sql, args...); err != nil {
			e.t.Fatalf("%s: %v", sql, err)
		}
	}
	exec(`DO $$ DECLARE c record; BEGIN
		FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint
			WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f') ORDER BY contype DESC LOOP
			EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname);
		END LOOP; END $$`)
	for _, t := range tables {
		exec(`DELETE FROM ` + t.name)
	}
	for _, t := range tables {
		rows, err := e.admin.Query(ctx, `SELECT column_name::text, CASE data_type WHEN 'uuid' THEN 'gen_random_uuid()' WHEN 'text' THEN 'gen_random_uuid()::text'
				WHEN 'timestamp with time zone' THEN 'now()' WHEN 'date' THEN 'current_date' WHEN 'boolean' THEN 'true' WHEN 'jsonb' THEN '''[]''::jsonb'
				WHEN 'bytea' THEN 'decode(md5(random()::text), ''hex'')' WHEN 'tsvector' THEN '''x''::tsvector'
				WHEN 'bit' THEN format('''1''::bit(%s)', character_maximum_length) ELSE '1' END
			FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 AND is_nullable = 'NO' AND column_name <> $2`, t.name, t.account)
		if err != nil {
			e.t.Fatal(err)
		}
		columns, values := []string{t.account}, []string{"$1"}
		var column, value string
		if _, err := pgx.ForEachRow(rows, []any{&column, &value}, func() error {
			columns, values = append(columns, column), append(values, value)
			return nil
		}); err != nil {
			e.t.Fatal(err)
		}
		for _, account := range accounts {
			exec(`INSERT INTO `+t.name+` (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(values, ", ")+`)`, account)
		}
	}
}

// behind runs a statement of the program's role in a transaction that is rolled back, after what says whose it is.
func (e *env) behind(says func(*pgx.Batch), statement string, args ...any) (tag pgconn.CommandTag, err error) {
	e.t.Helper()
	tx, err := e.store.conns.Begin(e.t.Context())
	if err != nil {
		e.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(e.t.Context()) }()
	b := &pgx.Batch{}
	says(b)
	b.Queue(statement, args...).Exec(func(ct pgconn.CommandTag) error {
		tag = ct
		return nil
	})
	err = tx.SendBatch(e.t.Context(), b).Close()
	return tag, err
}

// TestNoTableLetsAnotherAccountThrough asks every table, with a row of two accounts in each, for everything that the program's
// role could be made to do to the other account's row, and for its own.
func TestNoTableLetsAnotherAccountThrough(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	tables := e.walledTables()
	mine, theirs := typeid.New(), typeid.New()
	e.filled(tables, mine, theirs)
	asMine := func(b *pgx.Batch) { wall.Account(b, mine) }
	asNobody := func(*pgx.Batch) {}
	// What somebody could try who may run statements as the program's role.
	pretending := func(b *pgx.Batch) { b.Queue(`SELECT set_config('app.system', 'on', true)`) }
	for _, table := range tables {
		may := func(right string) bool { return slices.Contains(table.rights, right) }
		var foreign string
		if err := e.admin.QueryRow(t.Context(), `SELECT to_jsonb(r)::text FROM `+table.name+` r WHERE `+table.account+` = $1`, theirs).Scan(&foreign); err != nil {
			t.Fatal(err)
		}
		add := `INSERT INTO ` + table.name + ` SELECT * FROM jsonb_populate_record(NULL::` + table.name + `, $1::text::jsonb)`
		for _, c := range []struct {
			name string
			says func(*pgx.Batch)
			// rows is how many the statement reaches, -1 when it is refused.
			rows      int64
			statement string
			args      []any
		}{
			{"sees its own row", asMine, 1, `SELECT FROM ` + table.name, nil},
			{"asks for the other's by name", asMine, 0, `SELECT FROM ` + table.name + ` WHERE ` + table.account + ` = $1`, []any{theirs}},
			{"sees nothing unless it says whose", asNobody, 0, `SELECT FROM ` + table.name, nil},
			{"sees nothing when it says that it is the system", pretending, 0, `SELECT FROM ` + table.name, nil},
			{"adds a row of the other's", asMine, -1, add, []any{foreign}},
			{"adds a row and does not say whose", asNobody, -1, add, []any{foreign}},
			{"changes all rows", asMine, rowsIf(may("UPDATE"), 1), `UPDATE ` + table.name + ` SET ` + table.account + ` = ` + table.account, nil},
			{"gives its row to the other", asMine, -1, `UPDATE ` + table.name + ` SET ` + table.account + ` = $1`, []any{theirs}},
			{"takes the other's row", asMine, rowsIf(may("UPDATE"), 0), `UPDATE ` + table.name + ` SET ` + table.account + ` = $1 WHERE ` + table.account + ` = $2`, []any{mine, theirs}},
			{"deletes all rows", asMine, rowsIf(may("DELETE"), 1), `DELETE FROM ` + table.name, nil},
			{"deletes and does not say whose", asNobody, rowsIf(may("DELETE"), 0), `DELETE FROM ` + table.name, nil},
			{"truncates", asMine, -1, `TRUNCATE ` + table.name, nil},
		} {
			tag, err := e.behind(c.says, c.statement, c.args...)
			switch {
			case c.rows < 0 && !refused42501(err):
				t.Errorf("%s %s: got %v and %d rows, want a refusal", table.name, c.name, err, tag.RowsAffected())
			case c.rows >= 0 && (err != nil || tag.RowsAffected() != c.rows):
				t.Errorf("%s %s: got %d rows (%v), want %d", table.name, c.name, tag.RowsAffected(), err, c.rows)
			}
		}
	}
	for _, append := range []string{"event", "audit_record"} {
		i := slices.IndexFunc(tables, func(t walledTable) bool { return t.name == append })
		if i < 0 || !slices.Equal(tables[i].rights, []string{"SELECT", "INSERT"}) {
			t.Errorf("the program's role may %v on %s, want to read and to add", tables[i].rights, append)
		}
	}
	for _, view := range []string{"attribute_value_own", "customer_search_own"} {
		for says, want := range map[*func(*pgx.Batch)]int64{&asMine: 1, &asNobody: 0, &pretending: 0} {
			if tag, err := e.behind(*says, `SELECT FROM `+view); err != nil || tag.RowsAffected() != want {
				t.Errorf("%s shows %d rows (%v), want %d", view, tag.RowsAffected(), err, want)
			}
		}
	}
}

func rowsIf(allowed bool, n int64) int64 {
	if allowed {
		return n
	}
	return -1
}

// TestTheSystemSaysThatItIsTheSystem holds that the role across accounts alone opens nothing, and what it may at all.
func TestTheSystemSaysThatItIsTheSystem(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	tables := e.walledTables()
	e.filled(tables, typeid.New(), typeid.New())
	roleAlone := func(b *pgx.Batch) { b.Queue(`SELECT set_config('role', 'dossier_system', true)`) }
	may := map[string]int{}
	for _, table := range tables {
		tag, err := e.behind(wall.System, `SELECT FROM `+table.name)
		switch {
		case err == nil && tag.RowsAffected() == 2:
			may[table.name]++
			if tag, err = e.behind(roleAlone, `SELECT FROM `+table.name); err != nil || tag.RowsAffected() != 0 {
				t.Errorf("%s shows %d rows (%v) to the role alone", table.name, tag.RowsAffected(), err)
			}
		case !refused42501(err):
			t.Errorf("%s: got %v and %d rows", table.name, err, tag.RowsAffected())
		}
	}
	// What is people's own it never reads.
	for _, table := range []string{"contact", "customer", "email_address", "note", "phone_number", "postal_address", "timeline_entry", "audit_record"} {
		if may[table] > 0 {
			t.Errorf("the role across accounts may read %s", table)
		}
	}
	if len(may) == 0 || len(may) > len(tables)/2 {
		t.Errorf("the role across accounts may read %d of %d tables", len(may), len(tables))
	}
	// A transaction says so for itself only.
	var role string
	if err := e.store.conns.QueryRow(t.Context(), `SELECT current_user || coalesce(current_setting('app.system', true), '')`).Scan(&role); err != nil || role != wall.AppRole {
		t.Errorf("after it the connection is %q (%v)", role, err)
	}
}
