package blob_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"

	"dossier/internal/blob"
	"dossier/internal/fault"
)

func TestKeysHoldTheAccountAndNothingElse(t *testing.T) {
	t.Parallel()
	account := uuid.New()
	seen := map[string]bool{}
	for range 1000 {
		key := blob.NewKey(account)
		got, err := blob.KeyAccount(key)
		if err != nil || got != account || !strings.HasPrefix(key, blob.AccountPrefix(account)) || seen[key] {
			t.Fatalf("key %q gives account %v, %v; want %v, and never the same key", key, got, err, account)
		}
		seen[key] = true
	}
}

func FuzzKeyAccountAcceptsOnlyItsOwnForm(f *testing.F) {
	f.Add(blob.NewKey(uuid.New()))
	f.Add("../../etc/passwd")
	f.Add(strings.Repeat("0", 36) + "/" + strings.Repeat("0", 32))
	f.Fuzz(func(t *testing.T, key string) {
		account, err := blob.KeyAccount(key)
		if err != nil {
			return
		}
		if !strings.HasPrefix(key, account.String()+"/") || len(key) != 69 || strings.Trim(key[37:], "0123456789abcdef") != "" {
			t.Errorf("%q is accepted", key)
		}
	})
}

func TestOnlyInertTypesKeepTheirName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"image/png": "image/png", "IMAGE/JPEG": "image/jpeg", "application/pdf; x=y": "application/pdf",
		"text/html": blob.OctetStream, "image/svg+xml": blob.OctetStream, "text/plain": blob.OctetStream,
		"application/xhtml+xml": blob.OctetStream, "": blob.OctetStream, "image/png\r\nX: y": blob.OctetStream,
	} {
		if got := blob.SafeContentType(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
}

func TestDispositionCarriesTheName(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"plain.pdf":          `attachment; filename="plain.pdf"`,
		"two words.pdf":      `attachment; filename="two words.pdf"`,
		"Größe.pdf":          `attachment; filename="Gr__e.pdf"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.pdf`,
		`a"b.pdf`:            `attachment; filename="a_b.pdf"; filename*=UTF-8''a%22b.pdf`,
		"100%.pdf":           `attachment; filename="100_.pdf"; filename*=UTF-8''100%25.pdf`,
		"":                   "attachment",
		"..":                 "attachment",
		" \t":                `attachment; filename="_"`,
		"../../etc/passwd":   `attachment; filename=".._.._etc_passwd"`,
		`C:\x.txt`:           `attachment; filename="C:_x.txt"`,
		"a\r\nSet-Cookie: b": `attachment; filename="a__Set-Cookie: b"`,
		"exe\u202efdp.exe":   `attachment; filename="exe_fdp.exe"`,
		"bad\xffutf8":        `attachment; filename="bad_utf8"`,
	} {
		if got := blob.AttachmentDisposition(given); got != want {
			t.Errorf("%q gives %s, want %s", given, got, want)
		}
	}
}

func FuzzDispositionIsOneSafeHeader(f *testing.F) {
	for _, s := range []string{
		"a.pdf", "日本語.pdf", "\x00\r\n", strings.Repeat("ä", 300) + ".pdf", "a'b''c", "%41", ";=\"\\", "\u202e\u2066",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		header := blob.AttachmentDisposition(name)
		for i := range len(header) {
			if header[i] < ' ' || header[i] > '~' {
				t.Fatalf("%q gives %q", name, header)
			}
		}
		kind, params, err := mime.ParseMediaType(header)
		if err != nil || kind != "attachment" {
			t.Fatalf("%q gives %q: %v", name, header, err)
		}
		got := params["filename"]
		if len(got) > 4*255 || !utf8.ValidString(got) || strings.ContainsAny(got, "/\\\x00\r\n\u202e") {
			t.Fatalf("%q offers %q", name, got)
		}
		plain := strings.Trim(name, "abcdefghijklmnopqrstuvwxyzäöüÄÖÜß") == ""
		if plain && len(name) < 255 && got != name {
			t.Fatalf("%q offers %q", name, got)
		}
	})
}

func TestAnErrorTellsItsOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want blob.Outcome
		code fault.Code
	}{
		{nil, blob.Stored, ""},
		{blob.Fail("x", blob.ErrUnavailable, io.ErrClosedPipe), blob.Failed, fault.Unavailable},
		{blob.Fail("x", blob.ErrExists, nil), blob.Failed, fault.Conflict},
		{blob.Fail("x", blob.ErrChecksum, nil), blob.Failed, fault.BadUserInput},
		{blob.Fail("x", blob.ErrCanceled, context.Canceled), blob.Failed, fault.Unavailable},
		{blob.Fail("x", blob.ErrSource, io.ErrUnexpectedEOF), blob.SourceFailed, fault.BadUserInput},
		{blob.Fail("x", blob.ErrSource, fault.New(fault.TooLarge, "too large")), blob.SourceFailed, fault.TooLarge},
		{blob.Fail("x", blob.ErrOutcomeUnknown, io.EOF), blob.Unknown, fault.Unavailable},
		{fault.Wrap("y", blob.Fail("x", blob.ErrUnavailable, nil)), blob.Failed, fault.Unavailable},
		{fmt.Errorf("y: %w", blob.Fail("x", blob.ErrSource, io.EOF)), blob.SourceFailed, fault.BadUserInput},
		{errors.New("anything else"), blob.Unknown, fault.Internal},
	} {
		if got := blob.OutcomeOf(c.err); got != c.want || fault.CodeOf(c.err) != c.code {
			t.Errorf("%v: outcome %d and code %s, want %d and %s", c.err, got, fault.CodeOf(c.err), c.want, c.code)
		}
	}
}

func TestAReaderThatEndsEarlyIsAnError(t *testing.T) {
	t.Parallel()
	for _, length := range []int64{3, 4} {
		for _, whole := range []bool{true, false} {
			r := blob.NewReader(blob.Object{}, 0, length, io.NopCloser(strings.NewReader("abc")))
			var err error
			if whole {
				_, err = r.WriteTo(io.Discard)
			} else {
				_, err = io.ReadAll(struct{ io.Reader }{r})
			}
			if (err != nil) != (length == 4) || length == 4 && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("3 bytes of %d give %v", length, err)
			}
		}
	}
}
