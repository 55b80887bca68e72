// Package catalog is the lists that an account edits, and that its customers are described with: customer types, origins,
// offices and services. It has the rules and use cases of all of them at once, and knows neither who uses an item nor how
// lists are kept and shown. What is still used is kept by the database, which refuses to delete it.
package catalog
