package document

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
)

// MaxLinkTTL is how long a link works at most.
const MaxLinkTTL = 5 * time.Minute

// Links makes and reads download links. A link is <BaseURL>/<end of its life in Unix seconds>.<98 characters>: whoever has
// it may download this content, of this account, until then, and nothing else. With a holder it is a link in the name of a
// principal: it is worth what the principal may do when it is followed (see Service.Follow). Links of another Secret are
// links of another kind.
//
// It is called for each row of a list, so it allocates the URL and nothing more. The fields must not change after the
// first use; it is safe for concurrent use.
type Links struct {
	// Secret signs: at least 32 random bytes, the same on every node and after a restart.
	Secret []byte
	// BaseURL is where the server mounts the route; a slash at its end makes no difference.
	BaseURL string
	// TTL is how long a link works at most; 0, or more than MaxLinkTTL, means MaxLinkTTL. The end is rounded down to a fifth
	// of it (of 5 minutes, to a minute), so that a list that is read twice soon after one another has the same links, which
	// lets clients compare and cache it.
	TTL time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	once sync.Once
	base string
	macs sync.Pool
}

const (
	macBytes = 16 // 128 bits: as hard to guess as the ids
	// claimBytes are the account, what is linked to, and the holder: its kind, its id and the mark of its issuer.
	claimBytes = 16 + 16 + 1 + 16 + 8
	tokenBytes = claimBytes + macBytes
)

// linkPurpose is signed too, so that no signature that was made with the secret for something else is a link.
const linkPurpose = "dossier download link 2"

// holderKinds are the kinds of holders, by the byte that stands for them.
var holderKinds = [...]auth.Kind{"", auth.KindStaff, auth.KindAPIKey}

// Grant is what a link says.
type Grant struct {
	Account, ID uuid.UUID
	Holder      auth.Holder
	token       [tokenBytes]byte
}

// signer is one HMAC with room for what goes in and comes out.
type signer struct {
	mac   hash.Hash
	input [len(linkPurpose) + claimBytes + 8]byte
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

// sign puts the signature behind the claims of a token.
func (l *Links) sign(token *[tokenBytes]byte, expires int64) {
	s, _ := l.macs.Get().(*signer)
	rest := s.input[len(linkPurpose):]
	copy(rest, token[:claimBytes])
	binary.BigEndian.PutUint64(rest[claimBytes:], uint64(expires))
	s.mac.Reset()
	s.mac.Write(s.input[:])
	copy(token[claimBytes:], s.mac.Sum(s.sum[:0])[:macBytes])
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
	if ttl <= 0 || ttl > MaxLinkTTL {
		ttl = MaxLinkTTL
	}
	step := max(1, int64(ttl/time.Second)/5)
	return l.now().Add(ttl).Unix() / step * step
}

// URL gives a link that has no holder.
func (l *Links) URL(account, id uuid.UUID) string { return l.URLFor(auth.Holder{}, account, id) }

// URLFor gives a link in the name of a holder.
func (l *Links) URLFor(h auth.Holder, account, id uuid.UUID) string {
	l.once.Do(l.prepare)
	var buf [320]byte // on the stack: enough for every base URL but a very long one
	expires := l.expires()
	var token [tokenBytes]byte
	copy(token[:], account[:])
	copy(token[16:], id[:])
	token[32] = byte(max(0, slices.Index(holderKinds[:], h.Kind))) //nolint:gosec // there are three
	copy(token[33:], h.ID[:])
	copy(token[49:], h.Issuer[:])
	l.sign(&token, expires)
	dst := append(buf[:0], l.base...)
	dst = strconv.AppendInt(dst, expires, 10)
	dst = append(dst, '.')
	return string(base64.RawURLEncoding.AppendEncode(dst, token[:]))
}

// Verify reads the last segment of the path of a link that has no holder. Every link that is not ours, was changed, has
// expired or is in somebody's name gives the same NOT_FOUND.
func (l *Links) Verify(path string) (account, id uuid.UUID, err error) {
	g, err := l.read(path)
	if err != nil || g.Holder != (auth.Holder{}) {
		return uuid.Nil, uuid.Nil, errLink()
	}
	return g.Account, g.ID, nil
}

// read reads the last segment of a link's path.
func (l *Links) read(path string) (g Grant, err error) {
	l.once.Do(l.prepare)
	seconds, text, ok := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], ".")
	if !ok || len(text) != base64.RawURLEncoding.EncodedLen(tokenBytes) || len(seconds) > 11 {
		return Grant{}, errLink()
	}
	// Strict refuses bits that mean nothing, so that a link has one spelling.
	if n, err := base64.RawURLEncoding.Strict().Decode(g.token[:], []byte(text)); err != nil || n != tokenBytes {
		return Grant{}, errLink()
	}
	expires, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil || strconv.FormatInt(expires, 10) != seconds {
		return Grant{}, errLink()
	}
	want := g.token
	l.sign(&want, expires)
	// SECURITY: constant time, and before the expiry is believed.
	if !hmac.Equal(want[:], g.token[:]) || l.now().Unix() >= expires || int(g.token[32]) >= len(holderKinds) {
		return Grant{}, errLink()
	}
	copy(g.Account[:], g.token[:])
	copy(g.ID[:], g.token[16:])
	g.Holder.Kind = holderKinds[g.token[32]]
	copy(g.Holder.ID[:], g.token[33:])
	copy(g.Holder.Issuer[:], g.token[49:])
	return g, nil
}

func errLink() error {
	return fault.New(fault.NotFound, "This link does not work, or no longer. Ask for a new downloadUrl.")
}
