package blob

import (
	"crypto/rand"
	"encoding/hex"
	"errors"

	"github.com/google/uuid"
)

const (
	accountLen = 36
	idLen      = 32
	keyLen     = accountLen + 1 + idLen
)

var errKey = errors.New("not a key of NewKey")

// NewKey gives a new key: the account's UUID, a slash and 128 random bits in hex. It is not derived from anything that
// a user chose, so it cannot be guessed, carries no name, and is never used twice.
func NewKey(account uuid.UUID) string {
	var id [idLen / 2]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the program instead
	return AccountPrefix(account) + hex.EncodeToString(id[:])
}

// AccountPrefix is what all keys of an account begin with.
func AccountPrefix(account uuid.UUID) string { return account.String() + "/" }

// KeyAccount gives the account of a key, or ErrInvalid for anything that NewKey did not make.
//
// SECURITY: both drivers call it on every key before anything else. No dot, no second slash and no upper-case letter
// passes, so a key can neither leave the store's directory nor name one object in two ways.
func KeyAccount(key string) (uuid.UUID, error) {
	if len(key) != keyLen || key[accountLen] != '/' {
		return uuid.Nil, Fail("blob.KeyAccount", ErrInvalid, errKey)
	}
	for i := range keyLen {
		c := key[i]
		hexDigit := '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if i != accountLen && (hyphen && c != '-' || !hyphen && !hexDigit) {
			return uuid.Nil, Fail("blob.KeyAccount", ErrInvalid, errKey)
		}
	}
	account, err := uuid.Parse(key[:accountLen])
	if err != nil {
		return uuid.Nil, Fail("blob.KeyAccount", ErrInvalid, err)
	}
	return account, nil
}
