// Package job is long work that outlives a request: imports and exports of the directory. A job is a row of the database;
// any node's Runner takes it under a lease and goes on from its checkpoint, which is committed together with what each step
// did. The package knows what a file means and the rules of customers; it knows neither SQL nor GraphQL.
package job
