package read

import (
	"encoding/binary"
	encodehex "encoding/hex"
	"strconv"

	"dossier/internal/typeid"
)

// epochMicros and epochDays are PostgreSQL's epoch, 2000-01-01, counted from 1970.
const (
	epochDays   = 10957
	epochMicros = epochDays * 86400 * 1_000_000
)

// safe are the bytes that stand for themselves in a JSON string.
var safe = func() (t [256]bool) {
	for i := 0x20; i < 256; i++ {
		t[i] = i != '"' && i != '\\'
	}
	return t
}()

// appendString writes a JSON string. s is valid UTF-8: it comes from PostgreSQL or was checked.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		if safe[s[i]] {
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscaped(dst, s[i])
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}

func appendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }

func appendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, "true"...)
	}
	return append(dst, "false"...)
}

// appendValue writes a column's binary value, which is not null. prefix is that of ids.
func appendValue(dst []byte, k kind, prefix string, v []byte) []byte {
	switch k {
	case kindText:
		return appendString(dst, v)
	case kindPlain:
		dst = append(dst, '"')
		dst = append(dst, v...)
		return append(dst, '"')
	case kindID:
		dst = append(dst, '"')
		dst = typeid.Append(dst, prefix, [16]byte(v))
		return append(dst, '"')
	case kindInstant:
		return appendInstant(dst, int64(binary.BigEndian.Uint64(v)))
	case kindInt, kindBig:
		return appendInt(dst, integerOf(v))
	case kindBool:
		return appendBool(dst, v[0] != 0)
	case kindNot:
		return appendBool(dst, v[0] == 0)
	case kindZero:
		return appendBool(dst, integerOf(v) == 0)
	case kindDate:
		dst = append(dst, '"')
		dst = appendDate(dst, int64(int32(binary.BigEndian.Uint32(v)))+epochDays)
		return append(dst, '"')
	case kindJSON:
		return append(dst, v[1:]...) // behind the version byte of jsonb
	case kindDecimal:
		dst = append(dst, '"')
		dst = appendDecimal(dst, v)
		return append(dst, '"')
	case kindHex:
		dst = append(dst, '"')
		dst = encodehex.AppendEncode(dst, v)
		return append(dst, '"')
	}
	return append(dst, "null"...)
}

// appendDecimal writes the binary form of a numeric as a decimal fraction without zeros at the end. NaN and the infinities
// are in no column of ours.
//
// The form is four int16 (how many digits in base 10,000, the power of the first one, the sign, how many decimals are shown)
// and the digits.
func appendDecimal(dst []byte, v []byte) []byte {
	number := func(i int) int { return int(int16(binary.BigEndian.Uint16(v[2*i:]))) }
	digits, weight := number(0), number(1)
	if digits == 0 {
		return append(dst, '0')
	}
	if binary.BigEndian.Uint16(v[4:]) == 0x4000 {
		dst = append(dst, '-')
	}
	digit := func(power int) int {
		if i := weight - power; i >= 0 && i < digits {
			return number(4 + i)
		}
		return 0
	}
	dst = strconv.AppendInt(dst, int64(digit(max(weight, 0))), 10)
	for power := weight - 1; power >= 0; power-- {
		dst = appendPadded(dst, digit(power))
	}
	if last := weight - digits + 1; last < 0 {
		dst = append(dst, '.')
		for power := -1; power >= last; power-- {
			dst = appendPadded(dst, digit(power))
		}
		for dst[len(dst)-1] == '0' {
			dst = dst[:len(dst)-1]
		}
		if dst[len(dst)-1] == '.' {
			dst = dst[:len(dst)-1]
		}
	}
	return dst
}

func appendPadded(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/1000), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

func integerOf(v []byte) int64 {
	switch len(v) {
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v)))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	}
	return 0
}

// appendInstant writes microseconds since 2000 as RFC 3339 in UTC, without zeros at the end of the fraction.
func appendInstant(dst []byte, micros int64) []byte {
	micros += epochMicros
	days, rest := micros/86_400_000_000, micros%86_400_000_000
	if rest < 0 {
		days, rest = days-1, rest+86_400_000_000
	}
	dst = append(dst, '"')
	dst = appendDate(dst, days)
	seconds, fraction := rest/1_000_000, rest%1_000_000
	dst = append(dst, 'T')
	dst = append2(dst, seconds/3600)
	dst = append(dst, ':')
	dst = append2(dst, seconds/60%60)
	dst = append(dst, ':')
	dst = append2(dst, seconds%60)
	if fraction > 0 {
		dst = append(dst, '.')
		for unit := int64(100_000); fraction > 0; unit /= 10 {
			dst = append(dst, byte('0'+fraction/unit))
			fraction %= unit
		}
	}
	return append(dst, 'Z', '"')
}

// appendDate writes the date of a day counted from 1970-01-01 in the Gregorian calendar: the year is taken to begin in
// March, so that the leap day is its last.
func appendDate(dst []byte, days int64) []byte {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	shifted := (5*dayOfYear + 2) / 153
	day := dayOfYear - (153*shifted+2)/5 + 1
	month := shifted + 3
	year := yearOfEra + era*400
	if month > 12 {
		month, year = month-12, year+1
	}
	if year < 0 || year > 9999 { // outside of RFC 3339; no rule of ours lets it in
		dst = appendInt(dst, year)
	} else {
		dst = append2(dst, year/100)
		dst = append2(dst, year%100)
	}
	dst = append(dst, '-')
	dst = append2(dst, month)
	dst = append(dst, '-')
	return append2(dst, day)
}

func append2(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }
