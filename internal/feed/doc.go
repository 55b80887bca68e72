// Package feed brings new events to the subscribers of all nodes.
//
// The Notifier tells other nodes that something was committed, the Tailer finds out up to which event each account has
// come, and the Hub runs each distinct subscription once for the new events and hands the encoded results to the bounded
// queue of every subscriber. The log in PostgreSQL is the only truth: a lost notification costs at most the poll
// interval, never an event.
//
// The package must not know GraphQL: it moves encoded messages and sequence numbers.
package feed
