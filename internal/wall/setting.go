package wall

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The roles.
const (
	AppRole    = "dossier_app"
	SystemRole = "dossier_system"
)

// The settings that the policies read.
const (
	accountSetting = "app.account"
	systemSetting  = "app.system"
)

// SECURITY: these two statements are the only ways to choose whose rows are seen, and both hold until the end of the
// transaction (the last argument), so that a connection which goes back to its pool has forgotten them. A test of all sources
// holds that nothing else sets these settings or the role; that is why nobody has to look at a connection when it is released.
const (
	// TakeAccount makes the account $1, a text, the only one that the rest of the transaction sees.
	TakeAccount = `SELECT set_config('app.account', $1, true)`
	// takeSystem makes the rest of the transaction one across accounts.
	takeSystem = `SELECT set_config('role', 'dossier_system', true), set_config('app.system', 'on', true)`
)

// Account begins a batch with the account that its transaction is for.
func Account(b *pgx.Batch, account uuid.UUID) { b.Queue(TakeAccount, account.String()) }

// System begins a batch of a transaction across accounts.
//
// SECURITY: what follows must choose rows by time, by state or by a secret, never by the input of a client alone.
func System(b *pgx.Batch) { b.Queue(takeSystem) }

// AcrossAccounts makes the sessions of a configuration work for all accounts, as far as their role may: for migrations by the
// owner of the tables. Without it the owner would change no row and check no foreign key, silently.
func AcrossAccounts(cfg *pgx.ConnConfig) { cfg.RuntimeParams[systemSetting] = "on" }

// Raised says whether the sessions of a configuration stand behind the wall: see Enter.
func Raised(cfg *pgx.ConnConfig) bool { return cfg.RuntimeParams[roleParam] == AppRole }
