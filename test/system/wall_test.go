package system

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"dossier/internal/apitest"
	"dossier/internal/pgtest"
)

// TestTheCoreWorksWithALoginThatOwnsNothing runs two nodes whose login can do nothing but become the roles of the program.
func TestTheCoreWorksWithALoginThatOwnsNothing(t *testing.T) {
	t.Parallel()
	system(t)
	login := newLogin(t)
	db := pgtest.New(t, apitest.Template())
	own := login.on(t, db.DSN())
	one := apitest.StartServe(t, db.DSN(), "--database-app-url="+own, "--upload-lease=2s", "--sweep=1s")
	account := one.Account(t, "Business behind the wall", 0)
	core(t, newActor(one, one.Key(t, account, "write")), one, one)

	pool := database(t, one)
	wantInvariants(t, pool, one.DataDir)
	if n := scalar[int64](t, pool, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dossier%' AND usename <> $1`,
		login.name); n != 0 {
		t.Errorf("%d connections of the program are of another login", n)
	}
	if strings.Contains(one.Output(), "row-level security") {
		t.Errorf("the program complains of the wall:\n%s", one.Output())
	}
}

// TestAProgramWithoutTheWallSaysSo names another role in the URL, as the bench does.
func TestAProgramWithoutTheWallSaysSo(t *testing.T) {
	t.Parallel()
	system(t)
	db := pgtest.New(t, apitest.Template())
	bare := addParameter(t, db.DSN(), "role", "none")
	s := apitest.StartServe(t, bare)
	if !strings.Contains(s.Output(), "row-level security is passed by") {
		t.Errorf("the log does not say that the wall is passed by:\n%s", s.Output())
	}
	key := s.Key(t, s.Account(t, "Business in the open", 2), "read")
	if r := s.Do(t, key, `{ customers { nodes { displayName } } account { name } }`, nil); len(r.Errors) > 0 || len(list(r.Data, "customers.nodes")) != 2 {
		t.Errorf("without the wall it does not read: %v %v", r.Data, r.Errors)
	}
}

// login is a login of the server of the tests, which has no rights but those of the program's roles.
type login struct{ name, password string }

// newLogin makes a login that is dropped when the databases of the test are gone.
func newLogin(t *testing.T) login {
	t.Helper()
	random := make([]byte, 8)
	_, _ = rand.Read(random) // it never fails
	l := login{"dossier_login_" + hex.EncodeToString(random), hex.EncodeToString(random)}
	server := pgtest.New(t, apitest.Template()) // the roles are there
	admin := func(ctx context.Context, statement string) error {
		conn, err := pgx.Connect(ctx, server.DSN())
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, statement)
		return err
	}
	if err := admin(t.Context(), `CREATE ROLE `+l.name+` LOGIN PASSWORD '`+l.password+`' IN ROLE dossier_app, dossier_system`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin(context.WithoutCancel(t.Context()), `DROP ROLE `+l.name); err != nil {
			t.Error(err)
		}
	})
	return l
}

// on gives the connection string of a database as this login.
func (l login) on(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(l.name, l.password)
	return u.String()
}

func addParameter(t *testing.T, dsn, name, value string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}
