// Package idempotency is the key that makes the retry of a creating mutation safe: how it is checked and how the input
// is remembered with it. What is stored under a key, and when, is the store's affair; GraphQL is not known here.
package idempotency

import (
	"crypto/sha256"
	"encoding/json"
	"unicode/utf8"

	"dossier/internal/fault"
)

// MaxKeyLength is how many characters a key may have.
const MaxKeyLength = 255

// Argument is the name of the argument, which errors point at.
const Argument = "idempotencyKey"

// Key is one use of a key: the field it was given to and the input that came with it. The store adds the account and
// the principal, so that nobody can meet another one's keys.
type Key struct {
	Field       string
	Value       string
	Fingerprint [sha256.Size]byte
}

// New checks a key and takes the fingerprint of the input; without a key it gives nil. The input must be what the
// client sent, in a form whose JSON is canonical: structs and sorted maps. Changing the JSON of an input type makes
// retries across a release fail with IDEMPOTENCY_KEY_REUSED, so new fields are omitted when they are empty.
func New(field string, value *string, input any) (*Key, error) {
	if value == nil {
		return nil, nil //nolint:nilnil // no key is a normal answer, and every user of Key takes nil for it
	}
	n := utf8.RuneCountInString(*value)
	if n < 1 || n > MaxKeyLength || !utf8.ValidString(*value) || hasControl(*value) {
		return nil, fault.At(fault.BadUserInput, []string{Argument},
			"An idempotency key is a text of 1 to %d characters without control characters, for example a UUID.", MaxKeyLength)
	}
	b, err := json.Marshal(input)
	if err != nil {
		return nil, fault.Wrap("idempotency.New", err)
	}
	return &Key{Field: field, Value: *value, Fingerprint: sha256.Sum256(b)}, nil
}

func hasControl(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return true
		}
	}
	return false
}

// Reused is the error for a key that was used before with other input.
func Reused() error {
	return fault.At(fault.IdempotencyKeyReused, []string{Argument},
		"This idempotency key was used before with other input. Use a new key for a new request.")
}

// Running is the error for a key whose first use has not ended yet.
func Running() error {
	return fault.At(fault.IdempotencyKeyReused, []string{Argument},
		"The first request with this idempotency key is still running. Repeat it unchanged a little later.")
}
