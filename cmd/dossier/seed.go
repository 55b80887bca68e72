package main

import (
	"context"
	"fmt"

	"dossier/internal/account"
	"dossier/internal/auth"
	"dossier/internal/demo"
	"dossier/internal/typeid"
)

// seedCmd makes an account with sample customers.
type seedCmd struct {
	config `embed:""`

	Name      string `name:"name" default:"Sample" help:"Name of the new account."`
	Customers int    `name:"customers" default:"200" help:"How many customers."`
	Issuer    string `name:"issuer" placeholder:"URL" help:"OpenID Connect issuer of the account's staff."`
	Audience  string `name:"audience" default:"dossier" help:"Audience of the issuer's tokens."`
}

// Run makes the account and prints its id.
func (c *seedCmd) Run(ctx context.Context) error {
	if err := c.problems(false); err != nil {
		return err
	}
	secretBytes, err := c.secretBytes()
	if err != nil {
		return err
	}
	a, err := openApp(ctx, &c.config, newLogger(&c.config), secretBytes, auth.Network{})
	if err != nil {
		return err
	}
	defer a.close()
	id, err := a.resolver.Accounts.Create(ctx, account.Draft{Name: c.Name, Issuer: auth.Issuer{URL: c.Issuer, Audience: c.Audience}})
	if err != nil {
		return err
	}
	if err := demo.Seed(ctx, a.demoServices(), id, c.Customers); err != nil {
		return err
	}
	fmt.Println(typeid.Format(typeid.Account, id))
	return nil
}
