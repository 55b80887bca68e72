package document

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fault"
)

// DefaultLinkTTL is how long a download link works at least.
const DefaultLinkTTL = 5 * time.Minute

// Links makes and reads download links. A link is <BaseURL>/<end of its life in Unix seconds>.<64 characters>: whoever
// has it may download this content, of this account, until then, and nothing else.
//
// It is called for each row of a list, so it allocates the URL and nothing more. The fields must not change after the
// first use; it is safe for concurrent use.
type Links struct {
	// Secret signs: at least 32 random bytes, the same on every node and after a restart.
	Secret []byte
	// BaseURL is where the server mounts the route; a slash at its end makes no difference.
	BaseURL string
	// TTL is how long a link works at least; 0 means DefaultLinkTTL. The end is rounded up to a minute, so that a list
	// that is read twice within a minute has the same links, which lets clients compare and cache it.
	TTL time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	once sync.Once
	base string
	macs sync.Pool
}

const (
	macBytes   = 16 // 128 bits: as hard to guess as the ids
	tokenBytes = 16 + 16 + macBytes
)

// linkPurpose is signed too, so that no signature that was made with the secret for something else is a link.
const linkPurpose = "dossier download link 1"

// signer is one HMAC with room for what goes in and comes out.
type signer struct {
	mac   hash.Hash
	input [len(linkPurpose) + 16 + 16 + 8]byte
	sum   [sha256.Size]byte
}

func (l *Links) prepare() {
	l.base = strings.TrimSuffix(l.BaseURL, "/") + "/"
	l.macs.New = func() any {
		s := &signer{mac: hmac.New(sha256.New, l.Secret)}
		copy(s.input[:], linkPurpose)
		return s
	}
}

// sign writes the signature to dst, which has macBytes.
func (l *Links) sign(dst []byte, account, version uuid.UUID, expires int64) {
	s, _ := l.macs.Get().(*signer)
	rest := s.input[len(linkPurpose):]
	copy(rest, account[:])
	copy(rest[16:], version[:])
	binary.BigEndian.PutUint64(rest[32:], uint64(expires))
	s.mac.Reset()
	s.mac.Write(s.input[:])
	copy(dst, s.mac.Sum(s.sum[:0])[:macBytes])
	l.macs.Put(s)
}

func (l *Links) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// expires is the end of a link that is made now, in Unix seconds.
func (l *Links) expires() int64 {
	ttl := l.TTL
	if ttl <= 0 {
		ttl = DefaultLinkTTL
	}
	end := l.now().Add(ttl).Unix()
	return (end + 59) / 60 * 60
}

// URL gives a link to the content of a version.
func (l *Links) URL(account, version uuid.UUID) string {
	var buf [256]byte // on the stack: enough for every base URL but a very long one
	return string(l.Append(buf[:0], account, version))
}

// Append appends a link to dst.
func (l *Links) Append(dst []byte, account, version uuid.UUID) []byte {
	l.once.Do(l.prepare)
	expires := l.expires()
	var token [tokenBytes]byte
	copy(token[:], account[:])
	copy(token[16:], version[:])
	l.sign(token[32:], account, version, expires)
	dst = append(dst, l.base...)
	dst = strconv.AppendInt(dst, expires, 10)
	dst = append(dst, '.')
	return base64.RawURLEncoding.AppendEncode(dst, token[:])
}

// Verify reads the last segment of a link's path. Every link that is not ours, was changed or has expired gives the same
// NOT_FOUND.
func (l *Links) Verify(path string) (account, version uuid.UUID, err error) {
	l.once.Do(l.prepare)
	seconds, text, ok := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], ".")
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(tokenBytes) || len(seconds) > 11 {
		return uuid.Nil, uuid.Nil, errLink()
	}
	var token [tokenBytes]byte
	// Strict refuses bits that mean nothing, so that a link has one spelling.
	if n, err := base64.RawURLEncoding.Strict().Decode(token[:], []byte(text)); err != nil || n != tokenBytes {
		return uuid.Nil, uuid.Nil, errLink()
	}
	expires, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || strconv.FormatInt(expires, 10) != seconds {
		return uuid.Nil, uuid.Nil, errLink()
	}
	copy(account[:], token[:16])
	copy(version[:], token[16:])
	var want [macBytes]byte
	l.sign(want[:], account, version, expires)
	// SECURITY: constant time, and before the expiry is believed.
	if !hmac.Equal(want[:], token[32:]) || l.now().Unix() >= expires {
		return uuid.Nil, uuid.Nil, errLink()
	}
	return account, version, nil
}

func errLink() error {
	return fault.New(fault.NotFound, "This link does not work, or no longer. Ask for a new downloadUrl.")
}
