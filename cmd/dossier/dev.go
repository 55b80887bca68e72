package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/demo"
	"dossier/internal/devdb"
	"dossier/internal/fault"
	"dossier/internal/server"
	"dossier/internal/store"
	"dossier/internal/typeid"
)

// devToken is how long the printed token works.
const devToken = 7 * 24 * time.Hour

// devCmd serves on this machine alone.
type devCmd struct {
	config `embed:""`

	Customers int `name:"customers" default:"200" help:"How many sample customers the demo account gets when it is made."`
}

// Run starts the private PostgreSQL, makes the demo account on the first start, prints how to reach it, and serves.
func (c *devCmd) Run(ctx context.Context) error {
	if err := c.problems(true); err != nil {
		return err
	}
	dir, err := filepath.Abs(c.DataDir)
	if err != nil {
		return err
	}
	c.DataDir = dir
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // PostgreSQL runs as another user below it when this is root
		return err
	}
	secretBytes, err := devSecret(c)
	if err != nil {
		return err
	}
	log := newLogger(&c.config)
	if c.DatabaseURL == "" {
		cluster, err := startCluster(ctx, c, log)
		if err != nil {
			return err
		}
		defer func() {
			stop, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			if err := cluster.Stop(stop); err != nil {
				log.Warn("PostgreSQL did not stop", "cause", err)
			}
		}()
	}
	if _, err := store.Migrate(ctx, string(c.DatabaseURL), log); err != nil {
		return err
	}
	a, err := openApp(ctx, &c.config, log, secretBytes, auth.Network{Loopback: true})
	if err != nil {
		return err
	}
	defer a.close()
	token, err := a.demoAccount(ctx, c)
	if err != nil {
		return err
	}
	return a.run(ctx, func(s *server.Server) {
		go func() {
			if err := printWelcome(ctx, s, token); err != nil && ctx.Err() == nil {
				log.Error("the API does not answer", "cause", err)
			}
		}()
	})
}

func startCluster(ctx context.Context, c *devCmd, log *slog.Logger) (*devdb.Cluster, error) {
	cluster, err := devdb.Start(ctx, devdb.Config{
		Dir: filepath.Join(c.DataDir, "postgres"), BinDir: c.PGBin, Log: log, Durable: true,
		Elsewhere: "/var/lib/dossier",
	})
	if err != nil {
		return nil, err
	}
	if err := cluster.CreateDatabase(ctx, "dossier", ""); err != nil {
		return nil, errors.Join(err, cluster.Stop(ctx))
	}
	c.DatabaseURL, c.DatabaseApp = secret(cluster.DSN("dossier")), ""
	return cluster, nil
}

// devSecret is the configured secret, or one that is made once and kept beside the data.
func devSecret(c *devCmd) ([]byte, error) {
	if c.Secret != "" {
		return c.secretBytes()
	}
	file := filepath.Join(c.DataDir, "secret")
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		b = []byte(hex.EncodeToString(key) + "\n")
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return nil, err
	}
	c.Secret = secret(strings.TrimSpace(string(b)))
	return c.secretBytes()
}

// demoAccount makes the demo account where it is missing, with its own issuer, and mints a staff token.
func (a *app) demoAccount(ctx context.Context, c *devCmd) (token string, err error) {
	issuerURL := c.publicURL() + "/dev/issuer"
	issuer, err := auth.OpenDevIssuer(issuerURL, "dossier", filepath.Join(c.DataDir, "issuer.json"), time.Now)
	if err != nil {
		return "", err
	}
	a.devIssuer = http.StripPrefix("/dev/issuer", issuer)
	id, err := a.keptAccount(ctx, c, issuer)
	if err != nil {
		return "", err
	}
	if id == uuid.Nil {
		draft := account.Draft{Name: demo.AccountName, Issuer: issuer.Issuer(uuid.Nil)}
		if id, err = a.resolver.Accounts.Create(ctx, draft); err != nil {
			return "", err
		}
		if err := demo.Seed(ctx, a.demoServices(), id, c.Customers); err != nil {
			return "", err
		}
		if err := os.WriteFile(accountFile(c), []byte(typeid.Format(typeid.Account, id)+"\n"), 0o600); err != nil {
			return "", err
		}
	}
	return issuer.Mint(auth.DevClaims{
		Subject: "demo", Email: "demo@example.com", Name: "Demo Admin", Role: auth.Admin, TTL: devToken,
	})
}

// accountFile remembers the demo account: its issuer's URL changes with the listen address.
func accountFile(c *devCmd) string { return filepath.Join(c.DataDir, "account") }

// keptAccount is the demo account of an earlier start, now with this issuer, or uuid.Nil.
func (a *app) keptAccount(ctx context.Context, c *devCmd, issuer *auth.DevIssuer) (uuid.UUID, error) {
	b, err := os.ReadFile(accountFile(c))
	if errors.Is(err, fs.ErrNotExist) {
		return uuid.Nil, nil
	}
	if err != nil {
		return uuid.Nil, err
	}
	id, err := typeid.ParseAs(typeid.Account, strings.TrimSpace(string(b)))
	if err != nil {
		return uuid.Nil, fmt.Errorf("%s holds no account id; remove it to get a new demo account", accountFile(c))
	}
	err = a.resolver.Accounts.SetIssuer(ctx, id, issuer.Issuer(id))
	if fault.CodeOf(err) == fault.NotFound {
		return uuid.Nil, nil // another database than before
	}
	return id, err
}

func (a *app) demoServices() demo.Services {
	return demo.Services{
		Customers: a.resolver.Customers, Documents: a.resolver.Documents, Timeline: a.resolver.Timeline, Lists: a.resolver.Lists,
		Attributes: a.resolver.Attributes, Notes: a.resolver.Notes,
	}
}

// printWelcome asks the API for a customer, as any client would, and then says how to reach it.
func printWelcome(ctx context.Context, s *server.Server, token string) error {
	customerID, err := firstCustomer(ctx, s.URL(), token)
	if err != nil {
		return err
	}
	const upload = `{"query":"mutation($input:DocumentUploadInput!,$files:[Upload!]!){documentUpload(input:$input,files:$files)` +
		`{results{document{id title} userErrors{code message}} userErrors{code message}}}","variables":{"input":{"customerId":"%s"},"files":[null]}}`
	fmt.Printf(`
Dossier is ready.

  Query page   %[1]s/query/#token=%[2]s
  GraphQL      %[1]s/graphql
  Schema       %[1]s/schema.graphql
  Admin        %[3]s/metrics

  Staff token (ADMIN, 7 days):
  %[2]s

  Upload a file:
  curl -sS %[1]s/graphql -H 'Authorization: Bearer %[2]s' -H 'GraphQL-Require-Preflight: 1' -F operations='%[4]s' -F map='{"0":["variables.files.0"]}' -F 0=@README.md

Stop with Ctrl-C.
`, s.URL(), token, s.AdminURL(), fmt.Sprintf(upload, customerID))
	return nil
}

func firstCustomer(ctx context.Context, url, token string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	body := strings.NewReader(`{"query":"{ customers(first: 1) { nodes { id } } }"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/graphql", body)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Customers struct{ Nodes []struct{ ID string } }
		}
		Errors []struct{ Message string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return "", err
	}
	if len(answer.Errors) > 0 {
		return "", errors.New(answer.Errors[0].Message)
	}
	if len(answer.Data.Customers.Nodes) == 0 {
		return "cus_...", nil // the demo account was made without customers
	}
	return answer.Data.Customers.Nodes[0].ID, nil
}
