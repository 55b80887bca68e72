// Package read is the read engine: it turns the selection of a root field into one batch of SQL statements and their
// binary results into the JSON of the answer, without an object per row in between (design.md 2.2).
//
// The way of a selection: collect.go merges fragments and directives, compile.go makes a unit of it (levels of rows, each
// with the program that writes a row as JSON), sql.go writes one flat statement per level, run.go sends all statements of
// an operation as one pipeline, children first, and rows.go appends each row to the level's buffer while it arrives; a
// parent appends the finished fragments of its children. What a type's fields are is declared in the noun_*.go files and
// nowhere else; scope.go alone writes tables into statements, each with its account.
//
// The package must not know HTTP, use cases or how anything is written.
package read
