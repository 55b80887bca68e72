package blob

import (
	"mime"
	"strings"
	"unicode"
	"unicode/utf8"
)

// OctetStream is the content type of everything that is not on the list of SafeContentType.
const OctetStream = "application/octet-stream"

// Attachment is the disposition without a file name.
const Attachment = "attachment"

// maxFilenameBytes is what the 255 characters that file systems commonly allow can take.
const maxFilenameBytes = 4 * 255

// SafeContentType gives the type if a browser cannot be made to run something in it, else OctetStream.
//
// SECURITY: HTML, SVG, XML and JavaScript served under their own type would run in the origin that serves them.
func SafeContentType(contentType string) string {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return OctetStream
	}
	switch media {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf":
		return media
	default:
		return OctetStream
	}
}

// AttachmentDisposition is the Content-Disposition header that offers name when the object is saved: RFC 6266 with the
// real name as filename* (RFC 8187) and an ASCII stand-in for old clients. Path separators, control characters and
// invisible direction marks (which make "exe.pdf" out of "fdp.exe") become underscores.
func AttachmentDisposition(name string) string {
	name = cleanFilename(name)
	if name == "" {
		return Attachment
	}
	var plain, extended strings.Builder
	same := true
	for _, r := range name {
		if r < utf8.RuneSelf && r != '"' && r != '\\' && r != '%' {
			plain.WriteRune(r)
			continue
		}
		plain.WriteByte('_')
		same = false
	}
	header := Attachment + `; filename="` + plain.String() + `"`
	if same {
		return header
	}
	for i := range len(name) {
		if c := name[i]; attrChar(c) {
			extended.WriteByte(c)
		} else {
			const digits = "0123456789ABCDEF"
			extended.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return header + "; filename*=UTF-8''" + extended.String()
}

// attrChar is the character class attr-char of RFC 8187.
func attrChar(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&+-.^_`|~", c) >= 0
}

func cleanFilename(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == '/' || r == '\\' || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029':
			return '_'
		default:
			return r
		}
	}, strings.ToValidUTF8(name, "_"))
	name = strings.TrimSpace(name)
	if len(name) > maxFilenameBytes {
		ext := ""
		if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 16 {
			ext = name[i:]
		}
		name = strings.ToValidUTF8(name[:maxFilenameBytes-len(ext)], "") + ext
	}
	if strings.Trim(name, ".") == "" {
		return ""
	}
	return name
}

// disposition checks what a caller wants stored as Content-Disposition.
func disposition(header string) (string, bool) {
	if header == "" {
		return Attachment, true
	}
	kind, _, err := mime.ParseMediaType(header)
	for i := range len(header) {
		if header[i] < ' ' || header[i] > '~' {
			return "", false
		}
	}
	return header, err == nil && kind == Attachment
}
