// Package account is the business itself: accounts with the issuer of their staff, and the API keys of their servers. It
// knows neither SQL nor GraphQL; how tokens and keys are checked is auth's.
package account
