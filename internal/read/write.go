package read

import "dossier/internal/fault"

// object writes one object. false means that a field that cannot be null was: what was written is taken back, and the
// nearest field that can be null becomes null, as the specification says.
func (r *unitRun) object(dst []byte, o *object, row [][]byte) ([]byte, bool) {
	if o = o.chosen(row); o == nil {
		return dst, false
	}
	if len(o.ops) == 0 {
		return append(dst, "{}"...), true
	}
	start := len(dst)
	for i := range o.ops {
		x := &o.ops[i]
		dst = append(dst, x.key...)
		switch x.code {
		case opLiteral:
			continue
		case opColumn:
			if v := row[x.slot]; v != nil {
				dst = appendValue(dst, x.kind, x.prefix, v)
				continue
			}
			if x.absent != "" {
				dst = append(dst, x.absent...)
				continue
			}
		case opCompute:
			dst = r.compute(dst, x, row)
			continue
		case opCursor:
			dst = x.level.cursor.write(dst, r.states[x.level.index].seed, r.rq.env.account, row)
			continue
		default:
			mark := len(dst)
			var ok bool
			if dst, ok = r.nested(dst, x, row); ok {
				continue
			}
			dst = dst[:mark]
		}
		if x.nonNull {
			r.broken(x)
			return dst[:start], false
		}
		dst = append(dst, "null"...)
	}
	return append(dst, '}'), true
}

// nested writes a field that is an object or a list; false means that it is null.
func (r *unitRun) nested(dst []byte, x *op, row [][]byte) ([]byte, bool) {
	switch x.code {
	case opInline:
		return r.object(dst, x.object, row)
	case opOne:
		if row[x.slot] == nil {
			return dst, false
		}
		return r.object(dst, x.object, row)
	case opPoly:
		return r.poly(dst, x, row)
	default:
		return r.child(dst, x, row)
	}
}

func (r *unitRun) poly(dst []byte, x *op, row [][]byte) ([]byte, bool) {
	value := row[x.slot]
	for i := range x.arms {
		a := &x.arms[i]
		if string(value) != a.value {
			continue
		}
		if a.denied != nil {
			r.deny(a.denied)
			return dst, false
		}
		if a.object == nil || row[a.idSlot] == nil {
			return dst, false
		}
		return r.object(dst, a.object, row)
	}
	return dst, false
}

func (r *unitRun) compute(dst []byte, x *op, row [][]byte) []byte {
	var space [4][]byte
	columns := space[:0]
	for _, s := range x.slots {
		columns = append(columns, row[s])
	}
	return x.compute.write(r.rq.env, dst, columns)
}

// deny reports a field of a type that the viewer may not read, once, however many rows have it.
func (r *unitRun) deny(d *located) {
	if r.denied == nil {
		r.denied = make(map[*located]bool)
	}
	if !r.denied[d] {
		r.denied[d] = true
		r.faults = append(r.faults, *d)
	}
}

// broken reports a field that must have a value and has none. Below it the cause may have been reported already.
func (r *unitRun) broken(x *op) {
	if len(r.faults) == 0 {
		r.faults = append(r.faults, located{x.path, fault.New(fault.Internal, "internal error")})
	}
}
