// Package typeid writes and reads the ids that clients see: TypeIDs (https://github.com/jetify-com/typeid, spec 0.3),
// a type prefix and a UUID in Crockford base32, for example cus_01h455vb4pex5vsknk084sn02q.
//
// It is own code and not the published library because the read engine writes several hundred ids per response and
// needs them appended to the response buffer without an allocation.
package typeid

import (
	"errors"

	"github.com/google/uuid"
)

// Prefixes of the nodes. A prefix is part of the public contract and is never changed or used again.
const (
	Account         = "acc"
	StaffUser       = "usr"
	APIKey          = "key"
	Customer        = "cus"
	Contact         = "con"
	EmailAddress    = "eml"
	PhoneNumber     = "phn"
	PostalAddress   = "adr"
	Document        = "doc"
	DocumentVersion = "dov"
	Event           = "evt"
	TimelineEntry   = "tle"
	UploadSession   = "ups"
	Note            = "not"
	Image           = "img"

	CustomerType   = "cty"
	CustomerOrigin = "cor"
	Office         = "off"
	Service        = "srv"
	Job            = "job"

	CustomerMerge = "mrg"
	AuditRecord   = "aud"

	AttributeDefinition = "atd"
	AttributeOption     = "ato"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

var decode = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range len(alphabet) {
		t[alphabet[i]] = byte(i)
	}
	return t
}()

const suffixLen = 26

// ErrMalformed says that a string is no TypeID.
var ErrMalformed = errors.New("not a TypeID")

// Append appends prefix_suffix to dst.
func Append(dst []byte, prefix string, id [16]byte) []byte {
	dst = append(dst, prefix...)
	dst = append(dst, '_')
	hi := uint64(id[0])<<56 | uint64(id[1])<<48 | uint64(id[2])<<40 | uint64(id[3])<<32 |
		uint64(id[4])<<24 | uint64(id[5])<<16 | uint64(id[6])<<8 | uint64(id[7])
	lo := uint64(id[8])<<56 | uint64(id[9])<<48 | uint64(id[10])<<40 | uint64(id[11])<<32 |
		uint64(id[12])<<24 | uint64(id[13])<<16 | uint64(id[14])<<8 | uint64(id[15])
	var b [suffixLen]byte
	for i := suffixLen - 1; i >= 0; i-- {
		b[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return append(dst, b[:]...)
}

// Format gives prefix_suffix.
func Format(prefix string, id [16]byte) string {
	return string(Append(make([]byte, 0, len(prefix)+1+suffixLen), prefix, id))
}

// Parse splits a TypeID. It accepts exactly what Append writes: lower case, no padding, at most 128 bits.
func Parse(s string) (prefix string, id uuid.UUID, err error) {
	n := len(s) - suffixLen - 1
	if n < 1 || s[n] != '_' {
		return "", uuid.Nil, ErrMalformed
	}
	if s[n+1] > '7' {
		return "", uuid.Nil, ErrMalformed
	}
	var hi, lo uint64
	for i := n + 1; i < len(s); i++ {
		v := decode[s[i]]
		if v == 0xff {
			return "", uuid.Nil, ErrMalformed
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	for i := range 8 {
		id[i] = byte(hi >> (56 - 8*i))
		id[8+i] = byte(lo >> (56 - 8*i))
	}
	return s[:n], id, nil
}

// ParseAs is Parse for a known prefix. An id of another type is malformed here.
func ParseAs(prefix, s string) (uuid.UUID, error) {
	p, id, err := Parse(s)
	if err != nil {
		return uuid.Nil, err
	}
	if p != prefix {
		return uuid.Nil, ErrMalformed
	}
	return id, nil
}

// New gives a new UUIDv7, which sorts by the time it was made. It panics only when the system has no randomness.
func New() uuid.UUID { return uuid.Must(uuid.NewV7()) }
