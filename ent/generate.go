// Package ent is the write-side client of the tables in ent/schema. All but this file, ent/schema and ent/template is generated.
package ent

//go:generate go tool ent generate --template dir=./template --feature sql/upsert,sql/lock,sql/execquery,sql/modifier ./schema
