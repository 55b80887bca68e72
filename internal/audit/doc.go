// Package audit is the part of the audit trail that no transaction writes: what somebody was not allowed to do. Changes and
// downloads have their records from the transactions that make them. It knows neither SQL nor GraphQL nor HTTP.
package audit
