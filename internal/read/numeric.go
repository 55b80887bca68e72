package read

import "encoding/binary"

// appendNumeric writes the binary form of a numeric as a decimal fraction. It is digits in base 10,000, of which the first
// stands weight places before the point, and a number of digits to show behind the point.
func appendNumeric(dst []byte, v []byte) []byte {
	if len(v) < 8 {
		return append(dst, '0')
	}
	n := int(binary.BigEndian.Uint16(v))
	weight := int(int16(binary.BigEndian.Uint16(v[2:])))
	sign, scale := binary.BigEndian.Uint16(v[4:]), int(binary.BigEndian.Uint16(v[6:]))
	digit := func(place int) uint16 { // the digit place steps behind the first
		if place < 0 || place >= n || 8+2*place+2 > len(v) {
			return 0
		}
		return binary.BigEndian.Uint16(v[8+2*place:])
	}
	if sign == 0x4000 {
		dst = append(dst, '-')
	}
	start := len(dst)
	for i := 0; i <= weight; i++ {
		dst = append4(dst, digit(i))
	}
	for len(dst) > start+1 && dst[start] == '0' { // only the first digit has zeros before it
		dst = append(dst[:start], dst[start+1:]...)
	}
	if len(dst) == start {
		dst = append(dst, '0')
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	end := len(dst) + scale
	for i := weight + 1; len(dst) < end; i++ {
		dst = append4(dst, digit(i))
	}
	return dst[:end]
}

func append4(dst []byte, d uint16) []byte {
	return append(dst, byte('0'+d/1000), byte('0'+d/100%10), byte('0'+d/10%10), byte('0'+d%10))
}
