// Package system tests Dossier from outside: the built program on a real PostgreSQL, told what to do by its command
// line and its public API, killed, cut off, flooded and lied to. It holds what hardening.md promises, in a short form
// that runs with every `go test` and a long one with -system.long.
//
// It must not know how Dossier works inside. Two things are looked at behind the API's back, because no client can see
// them: the rows and objects that must not be left over (invariants_test.go), and what /proc says about the process.
package system
