// Package archtest holds the rules of the architecture as tests, each with its reason in the message, so that a rule is
// met where it is broken and not in a review.
package archtest
