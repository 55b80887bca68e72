package auth

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/typeid"
)

// A printed API key is
//
//	dsk_ <26: key id> _ <52: secret> <7: CRC-32>
//
// in the lower-case base32 of TypeIDs. The id makes the lookup one index read; the CRC-32 (IEEE, of everything before
// it) refuses typos without a lookup and lets a secret scanner drop chance matches of
// dsk_[0-7][0-9a-hjkmnp-tv-z]{25}_[0-9a-hjkmnp-tv-z]{59}.
const (
	// KeyPrefix starts every secret API key.
	KeyPrefix = "dsk_"

	keyIDLen     = 26
	keySecretLen = 52
	keyCRCLen    = 7
	keyHintLen   = 4
	keyLen       = len(KeyPrefix) + keyIDLen + 1 + keySecretLen + keyCRCLen
)

var keyEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Pepper is the server's part of every stored key hash: with a copy of the database alone no key can be checked.
type Pepper [32]byte

// DerivePepper gives the pepper of a server secret, which must have at least 32 bytes. Another secret makes every key
// that was given out so far invalid.
func DerivePepper(serverSecret []byte) (Pepper, error) {
	if len(serverSecret) < 32 {
		return Pepper{}, fmt.Errorf("auth: the server secret has %d bytes, it needs at least 32", len(serverSecret))
	}
	b, err := hkdf.Key(sha256.New, serverSecret, nil, "dossier/api-key-pepper/v1", len(Pepper{}))
	if err != nil {
		return Pepper{}, fmt.Errorf("auth: derive pepper: %w", err)
	}
	return Pepper(b), nil
}

// String keeps the pepper out of logs and messages.
func (Pepper) String() string { return "[secret]" }

// GoString keeps the pepper out of %#v.
func (Pepper) GoString() string { return "[secret]" }

// LogValue keeps the pepper out of log lines.
func (Pepper) LogValue() slog.Value { return slog.StringValue("[secret]") }

// NewKey is a new API key: Printed is shown to its owner once and never stored; the rest is stored.
type NewKey struct {
	Printed string
	ID      uuid.UUID
	Hash    []byte
	// Hint is the last four characters, enough for an owner to recognise the key in a list. They are part of the CRC
	// and tell nothing that helps to guess the secret.
	Hint string
}

// MintKey makes an API key with a new id and 32 random bytes.
func MintKey(pepper Pepper) NewKey {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the program instead
	id := typeid.New()
	printed := printKey(id, secret)
	return NewKey{Printed: printed, ID: id, Hash: KeyHash(pepper, id, secret), Hint: printed[keyLen-keyHintLen:]}
}

// KeyHash is what is stored of a key: HMAC-SHA-256 under the pepper of the id and the secret. The secret has 256
// random bits, so no slow hash is needed.
func KeyHash(pepper Pepper, id uuid.UUID, secret [32]byte) []byte {
	mac := hmac.New(sha256.New, pepper[:])
	mac.Write(id[:])
	mac.Write(secret[:])
	return mac.Sum(nil)
}

// ParseKey takes a printed key apart. It accepts exactly what MintKey prints; the CRC makes a mistyped key fail here.
func ParseKey(printed string) (id uuid.UUID, secret [32]byte, ok bool) {
	if len(printed) != keyLen || !strings.HasPrefix(printed, KeyPrefix) || printed[len(KeyPrefix)+keyIDLen] != '_' {
		return uuid.Nil, secret, false
	}
	body := printed[:keyLen-keyCRCLen]
	if keyCRC(body) != printed[keyLen-keyCRCLen:] {
		return uuid.Nil, secret, false
	}
	id, err := typeid.ParseAs(strings.TrimSuffix(KeyPrefix, "_"), body[:len(KeyPrefix)+keyIDLen])
	if err != nil {
		return uuid.Nil, secret, false
	}
	raw, err := keyEncoding.DecodeString(body[len(KeyPrefix)+keyIDLen+1:])
	if err != nil || len(raw) != len(secret) {
		return uuid.Nil, secret, false
	}
	secret = [32]byte(raw)
	// The last character of the secret has four unused bits: one key must have one spelling.
	if printKey(id, secret) != printed {
		return uuid.Nil, [32]byte{}, false
	}
	return id, secret, true
}

func printKey(id uuid.UUID, secret [32]byte) string {
	body := typeid.Format(strings.TrimSuffix(KeyPrefix, "_"), id) + "_" + keyEncoding.EncodeToString(secret[:])
	return body + keyCRC(body)
}

func keyCRC(body string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(body)))
	return keyEncoding.EncodeToString(b[:])
}
