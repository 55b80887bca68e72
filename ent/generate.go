// Package ent is the write-side client of the tables in ent/schema. All but this file and ent/schema is generated.
package ent

//go:generate go tool ent generate --feature sql/upsert,sql/lock,sql/execquery,sql/modifier ./schema
