// Package store keeps the areas' nouns in PostgreSQL: it implements the ports that the areas declare, on ent for
// writes and plain SQL for what ent cannot say.
//
// Three things are decided here and nowhere else. Every statement carries the account: builders come from scope
// (tenant.go), the only file that touches the raw client. Every change is one short transaction (tx.go) whose last
// statement numbers its events, so that the numbers are dense and in commit order. And only errors.go knows SQLSTATEs,
// constraint names and ent's errors; what leaves the package is a fault.
//
// It must not know GraphQL or HTTP, nor hold a transaction while anything outside PostgreSQL is waited for. Nothing of
// ent or pgx leaves it.
package store
