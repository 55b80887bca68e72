// Package timeline is what happened and what is to come: the account's event log (Event) and the lines on a customer's
// timeline (Entry), of which staff make some themselves.
//
// The other areas write events and entries as part of their own changes; here are the nouns, the rules of the entries
// that staff make, and the reading of the log for replay and subscriptions. It knows neither SQL nor GraphQL.
package timeline
