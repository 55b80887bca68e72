// Command bench is `make bench`: it measures Dossier beside servers that do the same work in other ways, on the same data
// and in the same run, and prints the ratios.
//
//   - Reads, beside LIMIT (bench/limit: fixed SQL, no GraphQL; about the least that such an answer can cost) and
//     PostGraphile 5 (bench/postgraphile; graphile-rls is it with row-level security), on 10 accounts with 100,000 customers,
//     2,000,000 events and 2,000,000 timeline entries.
//   - Uploads, beside a plain PUT handler with SHA-256 (bench/put).
//   - Reads and uploads also beside itself without row-level security (the contestant unwalled), which is what that costs, and
//     beside another build of itself (before, with -before), which is what a change does.
//   - The directory of one account with 1,000,000 customers: searches, filters and pages, beside nobody. Here the time in the
//     database counts, as PostgreSQL's own log says it, against a target.
//   - Live events, beside a server that broadcasts one prepared message (bench/prepared).
//
// Each contestant is a process of its own. What is compared is its processor time, and that of the PostgreSQL processes,
// per request: both hardly depend on how busy the machine is with other things, which times and rates do.
//
// The command must not know how Dossier works inside: it starts the program as a user would, with a database, a secret
// and API keys, and speaks GraphQL to it.
package main
