package document_test

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"dossier/internal/document"
	"dossier/internal/fault"
)

func linksAt(now *time.Time) *document.Links {
	return &document.Links{
		Secret: bytes.Repeat([]byte{1}, 32), BaseURL: "https://api.example.com/files", TTL: 5 * time.Minute,
		Now: func() time.Time { return *now },
	}
}

func TestALinkWorksUntilTheTimeInIt(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 30, 20, 0, time.UTC)
	links := linksAt(&now)
	account, version := uuid.New(), uuid.New()
	link := links.URL(account, version)
	end := time.Date(2026, 3, 1, 9, 35, 0, 0, time.UTC) // 4 minutes and 40 seconds
	prefix := "https://api.example.com/files/" + strconv.FormatInt(end.Unix(), 10) + "."
	if !strings.HasPrefix(link, prefix) || len(link) != len(prefix)+98 {
		t.Errorf("got %s, want %s and 98 characters", link, prefix)
	}
	for _, path := range []string{link, strings.TrimPrefix(link, "https://api.example.com"), link[strings.LastIndexByte(link, '/')+1:]} {
		if a, v, err := links.Verify(path); err != nil || a != account || v != version {
			t.Errorf("%s: got %s %s %v", path, a, v, err)
		}
	}
	now = now.Add(39 * time.Second)
	if again := links.URL(account, version); again != link {
		t.Errorf("the same minute gave another link: %s and %s", link, again)
	}
	now = end.Add(-time.Second)
	if _, _, err := links.Verify(link); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	now = end
	_, _, err := links.Verify(link)
	wantCode(t, err, fault.NotFound)
}

func TestALinkWorksForFiveMinutesAtMost(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{0, -time.Second, 10 * time.Second, time.Minute, 5 * time.Minute, time.Hour} {
		most := ttl
		if ttl <= 0 || ttl > document.MaxLinkTTL {
			most = document.MaxLinkTTL
		}
		for second := range 60 {
			begin := time.Date(2026, 3, 1, 9, 30, second, 999_999_999, time.UTC)
			now := begin
			links := linksAt(&now)
			links.TTL = ttl
			link := links.URL(uuid.New(), uuid.New())
			now = begin.Add(most)
			if _, _, err := links.Verify(link); err == nil {
				t.Errorf("TTL %s at second %d: the link works after %s", ttl, second, most)
			}
			now = begin.Add(most*4/5 - time.Second)
			if _, _, err := links.Verify(link); err != nil {
				t.Errorf("TTL %s at second %d: the link ends before four fifths of it", ttl, second)
			}
		}
	}
}

func TestALinkThatWasChangedIsRefused(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	links := linksAt(&now)
	link := links.URL(uuid.New(), uuid.New())
	token := link[strings.LastIndexByte(link, '/')+1:]
	for i := range len(token) {
		for _, c := range []byte{'A', 'B', '0', '9', '.', '-', '_', '=', '\n', '/', '%'} {
			changed := []byte(token)
			if changed[i] == c {
				continue
			}
			changed[i] = c
			if _, _, err := links.Verify(string(changed)); err == nil {
				t.Errorf("%s was taken for %s", changed, token)
			}
		}
	}
	for _, bad := range []string{"", ".", "/", token + "A", token[1:], token[:len(token)-1], "0" + token, "+" + token, " " + token, token + "=", strings.Repeat("9", 30) + token[10:]} {
		if _, _, err := links.Verify(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	other := linksAt(&now)
	other.Secret = bytes.Repeat([]byte{2}, 32)
	if _, _, err := other.Verify(token); err == nil {
		t.Error("a link of another secret was taken")
	}
}

func TestLinksAreMadeByManyAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Now()
	links := linksAt(&now)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				account, version := uuid.New(), uuid.New()
				if a, v, err := links.Verify(links.URL(account, version)); err != nil || a != account || v != version {
					t.Errorf("got %s %s %v", a, v, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkLinksURL(b *testing.B) {
	links := &document.Links{Secret: bytes.Repeat([]byte{1}, 32), BaseURL: "https://api.example.com/files"}
	account, version := uuid.New(), uuid.New()
	b.ReportAllocs()
	for b.Loop() {
		_ = links.URL(account, version)
	}
}
