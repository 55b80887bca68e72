package document_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/document"
	"dossier/internal/fault"
)

// asking counts how often the store is asked where a file may go.
type asking struct {
	document.Store
	asked int
}

func (a *asking) UploadTarget(ctx context.Context, p auth.Principal, customerID uuid.UUID, areaKey string) (document.Target, error) {
	a.asked++
	return a.Store.UploadTarget(ctx, p, customerID, areaKey)
}

func sent(list ...document.Incoming) []document.Incoming { return list }

// TestTheUsualUploadIsBegunUnasked: one file of known size for the general area. Whatever is not as usual is asked for, and
// every condition holds all the same.
func TestTheUsualUploadIsBegunUnasked(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	count := &asking{Store: e.store.Documents()}
	e.service.Store = count
	e.area(attribute.Draft{Label: "Contracts"})
	content := pdf(60_000, 1)
	send := func(customer uuid.UUID, area, key *string, files ...document.Incoming) ([]document.UploadResult, error) {
		return e.service.Upload(t.Context(), e.ada, document.UploadDraft{
			CustomerID: customer, DetailsDraft: document.DetailsDraft{AreaKey: area},
		}, files, key)
	}
	general, contracts, again := "general", "contracts", "again"
	for name, c := range map[string]struct {
		customer  uuid.UUID
		area, key *string
		files     []document.Incoming
		asked     int
		all, each fault.Code
	}{
		"one file":                    {customer: e.adasCustomer, files: sent(bounded("a.pdf", content, 100))},
		"by the area's name":          {customer: e.adasCustomer, area: &general, files: sent(bounded("a.pdf", content, 100))},
		"a tiny file":                 {customer: e.adasCustomer, files: sent(bounded("a.txt", []byte("a"), 4096))},
		"two files":                   {customer: e.adasCustomer, files: sent(bounded("a.pdf", content, 70_000), bounded("b.pdf", content, 100)), asked: 1},
		"of unknown size":             {customer: e.adasCustomer, files: sent(incoming("a.pdf", content)), asked: 1},
		"of another area":             {customer: e.adasCustomer, area: &contracts, files: sent(bounded("a.pdf", content, 100)), asked: 1},
		"with a key":                  {customer: e.adasCustomer, key: &again, files: sent(bounded("a.pdf", content, 100)), asked: 1},
		"of another account":          {customer: e.bobsCustomer, files: sent(bounded("a.pdf", content, 100)), asked: 1, all: fault.NotFound},
		"of nobody":                   {customer: uuid.Nil, files: sent(bounded("a.pdf", content, 100)), asked: 1, all: fault.NotFound},
		"too large":                   {customer: e.adasCustomer, files: sent(bounded("a.pdf", pdf(200_000, 2), 100)), asked: 1, each: fault.TooLarge},
		"larger than it was said":     {customer: e.adasCustomer, files: sent(&file{name: "a.pdf", bound: 99_000, r: bytes.NewReader(pdf(150_000, 3))}), each: fault.TooLarge},
		"of a type that is refused":   {customer: e.adasCustomer, files: sent(bounded("a.exe", []byte("MZ\x90\x00"), 100)), asked: 1, each: fault.UnsupportedMediaType},
		"of a body that fails":        {customer: e.adasCustomer, files: sent(&file{name: "a.pdf", bound: 9000, r: iotest.ErrReader(errors.New("reset"))}), each: fault.BadUserInput},
		"empty":                       {customer: e.adasCustomer, files: sent(bounded("a.pdf", nil, 100)), asked: 1, each: fault.BadUserInput},
		"without a name":              {customer: e.adasCustomer, files: sent(bounded("", content, 100))},
		"with a name that is refused": {customer: e.adasCustomer, files: sent(bounded(strings.Repeat("n", 3000)+".pdf", content, 100)), asked: 1, each: fault.BadUserInput},
	} {
		e.exec(`UPDATE account SET max_file_bytes = 100000`)
		count.asked = 0
		results, err := send(c.customer, c.area, c.key, c.files...)
		if fault.CodeOf(err) != c.all {
			t.Errorf("%s: %v, want %q", name, err, c.all)
		}
		if count.asked != c.asked {
			t.Errorf("%s: asked %d times, want %d", name, count.asked, c.asked)
		}
		for _, r := range results {
			if c.all == "" {
				wantResult(t, r, c.each)
			}
		}
	}
	e.exec(`UPDATE storage_usage SET limit_bytes = used_bytes + 50000`)
	count.asked = 0
	results, err := send(e.adasCustomer, nil, nil, bounded("a.pdf", content, 100))
	if err != nil {
		t.Fatal(err)
	}
	wantResult(t, results[0], fault.QuotaExceeded)
	if count.asked != 1 {
		t.Errorf("without room: asked %d times, want 1", count.asked)
	}
	CheckInvariants(t, e)
}
