// Package note is what staff write down about a customer, for each other. A note is never shown to the customer, its text
// is in no event and no log, and deleting it deletes the text for good. The package knows neither SQL nor GraphQL.
package note
