package wall

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"

	"dossier/internal/fault"
)

// roleParam is the setting of a session's role. As a parameter of the connection it is also what the session goes back to.
const roleParam = "role"

// AsApp gives the connection string with the role of the program in it.
func AsApp(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		return dsn + " " + roleParam + "=" + AppRole
	}
	q := u.Query()
	q.Set(roleParam, AppRole)
	u.RawQuery = q.Encode()
	return u.String()
}

// login is what a login finds in the database.
type login struct {
	name string
	// passes says that policies do not hold for it; member that it can become both roles; raised that there is a wall.
	passes, member, raised bool
}

const whoami = `
SELECT quote_ident(r.rolname), r.rolsuper OR r.rolbypassrls,
	coalesce(pg_has_role(r.oid, to_regrole($1), p.kind) AND pg_has_role(r.oid, to_regrole($2), p.kind), false),
	coalesce((SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = to_regclass('account')), false)
FROM pg_roles r, (SELECT CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END AS kind) p
WHERE r.rolname = session_user`

// Enter looks at the database as the login of a connection string, and gives the string with which the program goes behind the
// wall. Where there is none, or where the string names another role, it gives the string as it is and the log says what that
// means: then the program's own conditions are all that keeps accounts apart.
func Enter(ctx context.Context, cfg *pgx.ConnConfig, log *slog.Logger) (dsn string, err error) {
	dsn = cfg.ConnString()
	if role := cfg.RuntimeParams[roleParam]; role != "" {
		if role != AppRole {
			log.WarnContext(ctx, "row-level security is passed by: the database URL names another role than "+AppRole, "role", role)
		}
		return dsn, nil
	}
	conn, err := pgx.ConnectConfig(ctx, cfg.Copy())
	if err != nil {
		return "", fmt.Errorf("wall: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	var l login
	if err := conn.QueryRow(ctx, whoami, AppRole, SystemRole).Scan(&l.name, &l.passes, &l.member, &l.raised); err != nil {
		return "", fmt.Errorf("wall: %w", err)
	}
	grant := "GRANT " + AppRole + ", " + SystemRole + " TO " + l.name
	switch {
	case l.raised && l.member:
		return AsApp(dsn), nil
	case l.raised && !l.passes:
		return "", fault.New(fault.Conflict, "The database login %s may not work as the roles of the program. Have an administrator run once: %s", l.name, grant)
	case l.raised:
		log.WarnContext(ctx, "row-level security does not hold for this database login; make it a member of the roles", "login", l.name, "statement", grant)
	default:
		log.WarnContext(ctx, "row-level security is off in this database; run dossier migrate as a login that may make roles, "+
			"or after an administrator has made them", "login", l.name, "roles", AppRole+", "+SystemRole)
	}
	return dsn, nil
}
