package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/store"
	"dossier/internal/typeid"
)

// keysCmd manages API keys from the command line: the first key of a new account has to come from somewhere.
type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make an API key and print it, this once."`
	List   keysListCmd   `cmd:"" help:"List an account's API keys."`
	Revoke keysRevokeCmd `cmd:"" help:"Revoke an API key. Holds on every node within 5 seconds."`
}

// keysConfig is what the commands need to reach the database.
type keysConfig struct {
	DatabaseURL secret `name:"database-url" env:"DATABASE_URL" required:"" placeholder:"URL" help:"PostgreSQL 15 or later."`
	Account     string `name:"account" required:"" placeholder:"ID" help:"The account, acc_..."`
}

// open gives the account's service and Dossier itself as the principal: who has the database may do everything.
func (c *keysConfig) open(ctx context.Context, secretBytes []byte) (*account.Service, auth.Principal, func(), error) {
	id, err := typeid.ParseAs(typeid.Account, c.Account)
	if err != nil {
		return nil, auth.Principal{}, nil, fmt.Errorf("--account: %q is no account id; one looks like acc_01h455vb4pex5vsknk084sn02q", c.Account)
	}
	var pepper auth.Pepper // only a new key needs it
	if secretBytes != nil {
		if pepper, err = auth.DerivePepper(secretBytes); err != nil {
			return nil, auth.Principal{}, nil, err
		}
	}
	dsn, err := behindWall(ctx, c.DatabaseURL, warnings())
	if err != nil {
		return nil, auth.Principal{}, nil, err
	}
	s, err := store.Open(ctx, store.Config{DSN: dsn, MaxConns: 2})
	if err != nil {
		return nil, auth.Principal{}, nil, err
	}
	if err := s.CheckSchema(ctx); err != nil {
		s.Close()
		return nil, auth.Principal{}, nil, err
	}
	return account.NewService(s, pepper), auth.System(id), s.Close, nil
}

type keysCreateCmd struct {
	keysConfig `embed:""`

	Secret  secret        `name:"secret" env:"DOSSIER_SECRET" required:"" placeholder:"HEX" help:"The secret of the nodes."`
	Name    string        `name:"name" required:"" help:"A name to tell the key by."`
	Scopes  []string      `name:"scopes" required:"" help:"read, write, admin, or permissions such as customers:read; account:operate is the operator's, and only given here."`
	Expires time.Duration `name:"expires" help:"After how long it stops working by itself; never if not set."`
}

// Run makes the key and prints the secret alone, for scripts.
func (c *keysCreateCmd) Run(ctx context.Context) error {
	cfg := config{Secret: c.Secret}
	secretBytes, err := cfg.secretBytes()
	if err != nil {
		return fmt.Errorf("--secret (DOSSIER_SECRET): %w", err)
	}
	accounts, p, done, err := c.open(ctx, secretBytes)
	if err != nil {
		return err
	}
	defer done()
	draft := account.KeyDraft{Name: c.Name, Scopes: c.Scopes}
	if c.Expires > 0 {
		at := time.Now().Add(c.Expires)
		draft.ExpiresAt = &at
	}
	_, printed, err := accounts.KeyCreate(ctx, p, draft)
	if err != nil {
		return err
	}
	fmt.Println(printed)
	return nil
}

type keysListCmd struct {
	keysConfig `embed:""`
}

// Run lists the keys.
func (c *keysListCmd) Run(ctx context.Context) error {
	accounts, p, done, err := c.open(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	keys, err := accounts.Keys(ctx, p)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tHINT\tSCOPES\tCREATED\tREVOKED")
	for _, k := range keys {
		revoked := ""
		if k.RevokedAt != nil {
			revoked = k.RevokedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t...%s\t%v\t%s\t%s\n", typeid.Format(typeid.APIKey, k.ID), k.Name, k.Hint, k.Scopes, k.CreatedAt.Format(time.RFC3339), revoked)
	}
	return w.Flush()
}

type keysRevokeCmd struct {
	keysConfig `embed:""`

	Key string `arg:"" help:"The key's id, key_..."`
}

// Run revokes the key.
func (c *keysRevokeCmd) Run(ctx context.Context) error {
	id, err := typeid.ParseAs(typeid.APIKey, c.Key)
	if err != nil {
		id = uuid.Nil // answered like an id that names nothing
	}
	accounts, p, done, err := c.open(ctx, nil)
	if err != nil {
		return err
	}
	defer done()
	return accounts.KeyRevoke(ctx, p, id)
}
