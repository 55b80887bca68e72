package auth_test

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

func TestAMintedKeyParsesAndHashesToWhatIsStored(t *testing.T) {
	t.Parallel()
	pepper := testPepper(t)
	form := regexp.MustCompile(`^dsk_[0-7][0-9a-hjkmnp-tv-z]{25}_[0-9a-hjkmnp-tv-z]{59}$`)
	for range 200 {
		key := auth.MintKey(pepper)
		id, secret, ok := auth.ParseKey(key.Printed)
		if !ok || id != key.ID || !bytes.Equal(auth.KeyHash(pepper, id, secret), key.Hash) {
			t.Fatalf("got %v %v, want id %v and the stored hash", id, ok, key.ID)
		}
		if !form.MatchString(key.Printed) || !strings.HasSuffix(key.Printed, key.Hint) || len(key.Hint) != 4 {
			t.Fatalf("got %d characters and hint of %d, want the published form", len(key.Printed), len(key.Hint))
		}
	}
	other, err := auth.DerivePepper([]byte(strings.Repeat("o", 32)))
	must(t, err)
	key := auth.MintKey(pepper)
	id, secret, _ := auth.ParseKey(key.Printed)
	if bytes.Equal(auth.KeyHash(other, id, secret), key.Hash) {
		t.Error("two peppers gave one hash")
	}
	if bytes.Equal(auth.KeyHash(pepper, typeid.New(), secret), key.Hash) {
		t.Error("two ids gave one hash")
	}
}

func TestEveryChangeOfOneCharacterIsNoticed(t *testing.T) {
	t.Parallel()
	printed := auth.MintKey(testPepper(t)).Printed
	const alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCXYZ_-. é"
	for at := range printed {
		for _, r := range alphabet {
			if changed := printed[:at] + string(r) + printed[at+1:]; changed != printed {
				if _, _, ok := auth.ParseKey(changed); ok {
					t.Errorf("character %d changed: got a key, want it refused", at)
				}
			}
		}
		if at > 0 && printed[at-1] != printed[at] {
			b := []byte(printed)
			b[at-1], b[at] = b[at], b[at-1]
			if _, _, ok := auth.ParseKey(string(b)); ok {
				t.Errorf("characters %d and %d swapped: got a key, want it refused", at-1, at)
			}
		}
	}
	for _, bad := range []string{"", "dsk_", printed[1:], printed + "a", printed[:len(printed)-1], strings.ToUpper(printed), " " + printed} {
		if _, _, ok := auth.ParseKey(bad); ok {
			t.Errorf("got a key from %d characters, want it refused", len(bad))
		}
	}
}

func TestAKeyHasOneSpelling(t *testing.T) {
	t.Parallel()
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	printed := auth.MintKey(testPepper(t)).Printed
	body := printed[:len(printed)-7]
	// The last character of the secret carries one bit; set one of the four that carry none, and repair the CRC.
	last := strings.IndexByte(alphabet, body[len(body)-1])
	body = body[:len(body)-1] + string(alphabet[last|1])
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc32.ChecksumIEEE([]byte(body)))
	crc := base32.NewEncoding(alphabet).WithPadding(base32.NoPadding).EncodeToString(sum[:])
	if _, _, ok := auth.ParseKey(body + crc); ok {
		t.Error("got a second spelling of a key accepted, want it refused")
	}
}

func TestParseKeyNeverPanicsAndOnlyAcceptsKeys(t *testing.T) {
	t.Parallel()
	pepper := testPepper(t)
	rapid.Check(t, func(t *rapid.T) {
		printed := []byte(auth.MintKey(pepper).Printed)
		want := true
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			at, b := rapid.IntRange(0, len(printed)-1).Draw(t, "at"), rapid.Byte().Draw(t, "byte")
			want = want && printed[at] == b
			printed[at] = b
		}
		if _, _, ok := auth.ParseKey(string(printed)); want && !ok {
			t.Fatal("an unchanged key was refused")
		}
		auth.ParseKey(rapid.String().Draw(t, "any"))
	})
}

func TestThePepperIsNeverPrinted(t *testing.T) {
	t.Parallel()
	pepper := testPepper(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(format, pepper); got != "[secret]" {
			t.Errorf("%s: got %q, want [secret]", format, got)
		}
	}
	if _, err := auth.DerivePepper([]byte("short")); err == nil {
		t.Error("a short server secret was accepted")
	}
}

// keyWorld is an account with one key.
func keyWorld(t *testing.T, scopes ...string) (*auth.Authenticator, *directory, *clock, auth.NewKey) {
	t.Helper()
	c, d := newClock(), newDirectory()
	key := auth.MintKey(testPepper(t))
	d.keys[key.ID] = auth.KeyRecord{ID: key.ID, AccountID: typeid.New(), Hash: key.Hash, Name: "Website", Scopes: scopes}
	return newAuthenticator(t, d, c), d, c, key
}

func TestAKeyGivesItsAccountAndScopes(t *testing.T) {
	t.Parallel()
	a, d, _, key := keyWorld(t, "customers:read")
	p, err := a.Principal(t.Context(), key.Printed)
	must(t, err)
	want := d.keys[key.ID]
	if p.Kind != auth.KindAPIKey || p.AccountID != want.AccountID || p.ID != key.ID || p.DisplayName != "Website" || p.Role != "" {
		t.Errorf("got %+v, want the key of %+v", p, want)
	}
	if !p.Can(auth.CustomersRead) || p.Can(auth.CustomersWrite) || p.Can(auth.DocumentsRead) {
		t.Errorf("got permissions %b, want customers:read only", p.Permissions())
	}
	if got := <-d.touchedC; got != key.ID {
		t.Errorf("got use of %v noted, want %v", got, key.ID)
	}
}

func TestAKeyWithAWrongSecretIsRefusedWhateverItsState(t *testing.T) {
	t.Parallel()
	a, d, c, key := keyWorld(t, "read")
	stranger := auth.MintKey(testPepper(t)) // never stored
	_, absent := a.Principal(t.Context(), stranger.Printed)
	wantCode(t, absent, fault.Unauthenticated)
	// The stored hash becomes another one, which makes the printed key one with a wrong secret.
	d.update(func() {
		record := d.keys[key.ID]
		record.Hash, record.Revoked = stranger.Hash, true
		d.keys[key.ID] = record
	})
	c.Add(4 * time.Second)
	_, wrong := a.Principal(t.Context(), key.Printed)
	if wrong == nil || wrong.Error() != absent.Error() {
		t.Errorf("got %v, want the same answer as for a key that does not exist: %v", wrong, absent)
	}
}

func TestRevocationIsEffectiveWithinTheTTLOnEveryNode(t *testing.T) {
	t.Parallel()
	one, d, c, key := keyWorld(t, "read")
	two := newAuthenticator(t, d, c)
	p, err := one.Principal(t.Context(), key.Printed)
	must(t, err)
	_, err = two.Principal(t.Context(), key.Printed)
	must(t, err)
	c.Add(2900 * time.Millisecond)
	d.update(func() {
		record := d.keys[key.ID]
		record.Revoked = true
		d.keys[key.ID] = record
	})
	one.ForgetKey(key.ID) // the node that revoked
	wantCode(t, one.Recheck(t.Context(), p), fault.Unauthenticated)
	c.Add(100 * time.Millisecond) // the other: 3 s after it looked
	wantCode(t, two.Recheck(t.Context(), p), fault.Unauthenticated)
	_, err = two.Principal(t.Context(), key.Printed)
	wantCode(t, err, fault.Unauthenticated)
}

func TestAKeyEndsWhenItExpiresIsDeletedOrChangesScopes(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(d *directory, r auth.KeyRecord, now time.Time){
		"expires": func(d *directory, r auth.KeyRecord, now time.Time) {
			r.ExpiresAt = now.Add(time.Second)
			d.keys[r.ID] = r
		},
		"deleted": func(d *directory, r auth.KeyRecord, _ time.Time) { delete(d.keys, r.ID) },
		"scopes": func(d *directory, r auth.KeyRecord, _ time.Time) {
			r.Scopes = []string{"customers:read"}
			d.keys[r.ID] = r
		},
	} {
		a, d, c, key := keyWorld(t, "read")
		p, err := a.Principal(t.Context(), key.Printed)
		must(t, err)
		must(t, a.Recheck(t.Context(), p))
		d.update(func() { change(d, d.keys[key.ID], c.Now()) })
		c.Add(3 * time.Second)
		if err := a.Recheck(t.Context(), p); fault.CodeOf(err) != fault.Unauthenticated {
			t.Errorf("%s: got %v, want UNAUTHENTICATED", name, err)
		}
	}
}

func TestLookupsAreSharedAndMissesAreRemembered(t *testing.T) {
	t.Parallel()
	a, d, c, key := keyWorld(t, "read")
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			_, err := a.Principal(t.Context(), key.Printed)
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	stranger := auth.MintKey(testPepper(t)).Printed
	for range 100 {
		_, err := a.Principal(t.Context(), stranger)
		wantCode(t, err, fault.Unauthenticated)
	}
	if got := d.callCount(); got > 4 {
		t.Errorf("64 uses at once and 100 of a key that is not: got %d lookups, want about 2", got)
	}
	typo := []byte(key.Printed)
	typo[40] ^= 1
	before := d.callCount()
	_, err := a.Principal(t.Context(), string(typo))
	wantCode(t, err, fault.Unauthenticated)
	if got := d.callCount(); got != before {
		t.Error("a typo cost a lookup")
	}
	for range 5000 { // more invented keys than the cache holds
		_, _ = a.Principal(t.Context(), auth.MintKey(testPepper(t)).Printed)
	}
	before = d.callCount()
	_, err = a.Principal(t.Context(), key.Printed)
	must(t, err)
	if got := d.callCount(); got != before {
		t.Error("a flood of invented keys pushed a key in use out of the cache")
	}
	c.Add(3 * time.Second)
	_, err = a.Principal(t.Context(), key.Printed)
	must(t, err)
	if got := d.callCount(); got != before+1 {
		t.Errorf("after the TTL: got %d lookups, want 1", got-before)
	}
}

func TestScopesAreCheckedByName(t *testing.T) {
	t.Parallel()
	path := []string{"input", "scopes"}
	must(t, auth.CheckScopes(path, []string{"read", "customers:write"}))
	wantCode(t, auth.CheckScopes(path, nil), fault.Required)
	list := fault.AsList(auth.CheckScopes(path, []string{"read", "root", "read", "authenticated", ""}))
	var at []string
	for _, f := range list {
		at = append(at, strings.Join(f.Path, "."))
	}
	if want := []string{"input.scopes.1", "input.scopes.2", "input.scopes.3", "input.scopes.4"}; !slices.Equal(at, want) {
		t.Errorf("got problems at %v, want %v", at, want)
	}
}
