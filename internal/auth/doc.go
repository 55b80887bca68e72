// Package auth says who is asking and what they may do: it turns a bearer credential (a staff JWT of the account's own
// OpenID Connect issuer, or a secret API key) into a Principal, and holds the one policy table.
//
// It knows HTTP headers and tokens. It must not know SQL or GraphQL: what it needs from the database is the port
// Directory, and GraphQL fields and types appear only as names in the policy table. It imports nothing of this module
// but fault and typeid, so every layer above may import it.
//
// Three properties are kept here and must survive refactoring:
//   - deny by default: a permission, field, type, role, scope or algorithm that no table names is refused;
//   - a revoked key, a deactivated staff user or a withdrawn issuer is refused within 5 s on every node, because nothing
//     read from Directory is used for longer than directoryTTL;
//   - no credential, and no part of one, is ever in an error, a log line or an answer.
package auth
