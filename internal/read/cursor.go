package read

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"

	"github.com/google/uuid"

	"dossier/internal/fault"
)

// A cursor is a version, a checksum and the order's keys of a row, in base64url. The checksum binds it to the account, the
// list and the order: it finds mistakes, and needs no secret, because a forged cursor is nothing but another place in a
// list that its owner may read anyway.
const (
	cursorVersion      = 1
	eventCursorVersion = 2
	maxCursor          = 8192
	maxDays            = 4_000_000
)

var errCursor = errors.New("not a cursor of this list")

// cursorShape says what a cursor of a list holds.
type cursorShape struct {
	identity string
	keys     []orderKey
	// slots are the columns of the keys in a row; nil until a cursor is selected.
	slots []int
	log   bool
}

func newCursorShape(list string, o order, log bool) cursorShape {
	direction := "/ASC"
	if o.desc {
		direction = "/DESC"
	}
	return cursorShape{identity: list + "/" + o.name + direction, keys: o.keys, log: log}
}

// FNV-1a.
const fnvOffset, fnvPrime = 14695981039346656037, 1099511628211

func fnv[T string | []byte](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

func fold32(h uint64) uint32 { return uint32(h>>32) ^ uint32(h) }

// seed is the part of the checksum that is equal for all rows.
func (c *cursorShape) seed(account uuid.UUID) uint64 {
	return fnv(fnv(fnvOffset, account[:]), c.identity)
}

// append writes the cursor of a row.
func (c *cursorShape) append(dst []byte, seed uint64, row [][]byte) []byte {
	var space [96]byte
	raw := append(space[:0], cursorVersion, 0, 0, 0, 0)
	for i, k := range c.keys {
		v := row[c.slots[i]]
		if k.kind == kindText {
			raw = binary.AppendUvarint(raw, uint64(len(v)))
		}
		raw = append(raw, v...)
	}
	binary.BigEndian.PutUint32(raw[1:], fold32(fnv(seed, raw[5:])))
	return base64.RawURLEncoding.AppendEncode(dst, raw)
}

// parse gives the binary values of the keys.
func (c *cursorShape) parse(account uuid.UUID, s string) ([][]byte, error) {
	if c.log {
		seq, err := ParseEventCursor(account, s)
		return [][]byte{int8Bytes(seq)}, err
	}
	if len(s) > maxCursor {
		return nil, errCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) < 5 || raw[0] != cursorVersion {
		return nil, errCursor
	}
	if binary.BigEndian.Uint32(raw[1:]) != fold32(fnv(c.seed(account), raw[5:])) {
		return nil, errCursor
	}
	raw = raw[5:]
	values := make([][]byte, len(c.keys))
	for i, k := range c.keys {
		n := k.kind.size()
		if k.kind == kindText {
			length, width := binary.Uvarint(raw)
			if width <= 0 || length > uint64(len(raw)-width) {
				return nil, errCursor
			}
			raw, n = raw[width:], int(length)
		}
		if len(raw) < n || !k.kind.valid(raw[:n]) {
			return nil, errCursor
		}
		values[i], raw = raw[:n], raw[n:]
	}
	if len(raw) != 0 {
		return nil, errCursor
	}
	return values, nil
}

// size is the length of the binary value of a key.
func (k kind) size() int {
	switch k {
	case kindInstant, kindBig:
		return 8
	case kindID:
		return 16
	case kindBool:
		return 1
	case kindInt, kindDate:
		return 4
	default:
		return 0
	}
}

func (k kind) oid() uint32 {
	switch k {
	case kindInstant:
		return oidTimestamptz
	case kindBig:
		return oidInt8
	case kindID:
		return oidUUID
	case kindBool:
		return oidBool
	case kindInt:
		return oidInt4
	case kindDate:
		return oidDate
	default:
		return oidText
	}
}

// valid says whether PostgreSQL would accept the value, so that a forged cursor is an error of the client's.
func (k kind) valid(v []byte) bool {
	switch k {
	case kindText:
		return storable(string(v))
	case kindBool:
		return v[0] <= 1
	case kindDate: // within thousands of years, as all dates are that can be stored
		days := int32(binary.BigEndian.Uint32(v))
		return days > -maxDays && days < maxDays
	case kindInstant:
		micros := int64(binary.BigEndian.Uint64(v))
		return micros > math.MinInt64/64 && micros < math.MaxInt64/64
	default:
		return true
	}
}

// KeyCursor is the place behind the row with these keys, in a list that is not read by the engine.
func KeyCursor(account uuid.UUID, list string, keys ...string) string {
	c := keyCursorShape(list, len(keys))
	row := make([][]byte, len(keys))
	for i, k := range keys {
		row[i] = []byte(k)
	}
	return string(c.append(nil, c.seed(account), row))
}

// ParseKeyCursor gives the n keys of a cursor that KeyCursor made for this account and list.
func ParseKeyCursor(account uuid.UUID, list, s string, n int) ([]string, error) {
	c := keyCursorShape(list, n)
	values, err := c.parse(account, s)
	keys := make([]string, len(values))
	for i, v := range values {
		keys[i] = string(v)
	}
	return keys, err
}

func keyCursorShape(list string, n int) cursorShape {
	c := cursorShape{identity: list + "/KEYS"}
	for i := range n {
		c.keys, c.slots = append(c.keys, textKey("")), append(c.slots, i)
	}
	return c
}

// EventCursor is the place in the account's event log just behind the event with this number.
func EventCursor(account uuid.UUID, seq int64) string {
	return string(appendEventCursor(nil, account, seq))
}

func appendEventCursor(dst []byte, account uuid.UUID, seq int64) []byte {
	var raw [13]byte
	raw[0] = eventCursorVersion
	binary.BigEndian.PutUint64(raw[5:], uint64(seq))
	binary.BigEndian.PutUint32(raw[1:], eventChecksum(account, raw[5:]))
	return base64.RawURLEncoding.AppendEncode(dst, raw[:])
}

// ParseEventCursor gives the number of the event that the cursor is behind. Anything that EventCursor did not make for
// this account is INVALID_CURSOR.
func ParseEventCursor(account uuid.UUID, s string) (int64, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err == nil && len(raw) == 13 && raw[0] == eventCursorVersion && binary.BigEndian.Uint32(raw[1:]) == eventChecksum(account, raw[5:]) {
		if seq := int64(binary.BigEndian.Uint64(raw[5:])); seq >= 0 {
			return seq, nil
		}
	}
	return 0, fault.At(fault.InvalidCursor, []string{"after"}, "The cursor in after is none of this account's event log. Begin without it.")
}

func eventChecksum(account uuid.UUID, seq []byte) uint32 {
	return fold32(fnv(fnv(fnv(fnvOffset, account[:]), "events"), seq))
}
