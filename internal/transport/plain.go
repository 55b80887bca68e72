package transport

import (
	"bytes"
	"unicode/utf8"
)

// plainRequest decodes the JSON form of an operation as nearly all clients write it: an object of query, operationName and
// variables, each at most once, in ordinary spelling. false means that it is anything else, sound or not: decodeJSON is to judge.
//
// encoding/json goes over each byte three times, which for a long query was 7 % of what the server spent on a request.
func plainRequest(raw []byte) (req request, ok bool) {
	p := plain{rest: raw}
	if !p.take('{') {
		return req, false
	}
	named := false
	for {
		key, ok := p.text()
		if !ok || !p.take(':') {
			return req, false
		}
		switch {
		case key == "query" && req.Query == nil:
			var query string
			if query, ok = p.text(); ok {
				req.Query = &query
			}
		case key == "operationName" && !named:
			named = true
			req.OperationName, ok = p.text()
		case key == "variables" && req.Variables == nil:
			ok = p.object(&req.Variables)
		default:
			ok = false
		}
		if !ok {
			return req, false
		}
		if !p.take(',') {
			break
		}
	}
	return req, p.take('}') && len(bytes.TrimLeft(p.rest, " \t\r\n")) == 0
}

// plain reads JSON from the front of rest.
type plain struct{ rest []byte }

// take drops white space and then the byte, if it is there.
func (p *plain) take(c byte) bool {
	for i, b := range p.rest {
		switch b {
		case ' ', '\t', '\r', '\n':
		case c:
			p.rest = p.rest[i+1:]
			return true
		default:
			return false
		}
	}
	return false
}

// text reads a string without \u, \b and \f.
func (p *plain) text() (string, bool) {
	if !p.take('"') {
		return "", false
	}
	escapes, i := 0, 0
	for ; i < len(p.rest) && p.rest[i] != '"'; i++ {
		switch c := p.rest[i]; {
		case c == '\\':
			escapes++
			i++
		case c < ' ':
			return "", false
		}
	}
	if i >= len(p.rest) || !utf8.Valid(p.rest[:i]) {
		return "", false
	}
	s := p.rest[:i]
	p.rest = p.rest[i+1:]
	if escapes == 0 {
		return string(s), true
	}
	return unescaped(s, len(s)-escapes)
}

// unescaped replaces the escapes of s, which leaves size bytes.
func unescaped(s []byte, size int) (string, bool) {
	out := make([]byte, 0, size)
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 {
			return string(append(out, s...)), true
		}
		out = append(out, s[:i]...)
		switch c := s[i+1]; c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		default:
			return "", false
		}
		s = s[i+2:]
	}
}

// object reads an object. Texts in it are read here; an object with anything else is encoding/json's.
func (p *plain) object(into *map[string]any) bool {
	from := p.rest
	if texts, ok := p.texts(); ok {
		*into = texts
		return true
	}
	p.rest = from
	if !p.take('{') {
		return false
	}
	from = from[len(from)-len(p.rest)-1:]
	depth, quoted := 1, false
	for i := 1; i < len(from); i++ {
		switch c := from[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				p.rest = from[i+1:]
				return decodeJSON(from[:i+1], into) == nil
			}
		}
	}
	return false
}

// texts reads an object all of whose values are texts.
func (p *plain) texts() (map[string]any, bool) {
	if !p.take('{') {
		return nil, false
	}
	m := make(map[string]any, 2)
	if p.take('}') {
		return m, true
	}
	for {
		key, ok := p.text()
		if !ok || !p.take(':') {
			return nil, false
		}
		value, ok := p.text()
		if !ok {
			return nil, false
		}
		m[key] = value
		if !p.take(',') {
			return m, p.take('}')
		}
	}
}
