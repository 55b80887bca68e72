package demo

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/catalog"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/note"
	"dossier/internal/timeline"
)

// AccountName is the name of the demo account.
const AccountName = "Demo"

// workers is how many customers are made at a time; commits wait for the disk, not for the processor.
const workers = 8

// Services are the use cases that the samples go through.
type Services struct {
	Customers *customer.Service
	Documents *document.Service
	Timeline  *timeline.Service
	Notes     *note.Service
	Lists     *catalog.Service

	Attributes *attribute.Service
}

// Seed makes n sample customers in an account, and what they need.
func Seed(ctx context.Context, s Services, accountID uuid.UUID, n int) error {
	if n == 0 {
		return nil // the account stays as a new one is
	}
	if err := s.define(ctx, auth.System(accountID)); err != nil {
		return fmt.Errorf("demo: custom attributes: %w", err)
	}
	lists, err := s.lists(ctx, auth.System(accountID))
	if err != nil {
		return fmt.Errorf("demo: lists: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for i := range n {
		g.Go(func() error {
			if err := s.customer(ctx, auth.System(accountID), lists, i); err != nil {
				return fmt.Errorf("demo: customer %d: %w", i, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (s Services) customer(ctx context.Context, p auth.Principal, lists lists, i int) error {
	rnd := rand.New(rand.NewPCG(2026, uint64(i)))
	sample := newPerson(rnd, i)
	sample.draft.Attributes = newValues(rand.New(rand.NewPCG(2028, uint64(i))))
	lists.choose(rand.New(rand.NewPCG(2027, uint64(i))), &sample.draft)
	id, err := s.Customers.Create(ctx, p, sample.draft, nil)
	if err != nil {
		return err
	}
	for range sample.documents {
		if err := s.document(ctx, p, id, rnd); err != nil {
			return err
		}
	}
	for k := range sample.past + sample.upcoming {
		if err := s.entry(ctx, p, id, rnd, k >= sample.past); err != nil {
			return err
		}
	}
	return s.notes(ctx, p, id, i)
}

// notes writes a note or two about every third customer. They are chosen by the customer's number, so that the samples
// that were there before notes were stay as they are.
func (s Services) notes(ctx context.Context, p auth.Principal, id uuid.UUID, i int) error {
	if i%3 != 1 {
		return nil
	}
	texts := []string{
		"Prefers to be called in the morning.", "Zahlt pünktlich, möchte Rechnungen per E-Mail.", "Allergic to latex.\nAsk before each visit.",
		"Le portail est fermé le lundi.", "Came through a recommendation of a neighbour.", "Two dogs on the premises: ring first.",
	}
	for k := range 1 + i/3%2 {
		if _, err := s.Notes.Create(ctx, p, id, note.Draft{Body: texts[(i+k)%len(texts)], Pinned: (i+k)%4 == 0}, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s Services) document(ctx context.Context, p auth.Principal, id uuid.UUID, rnd *rand.Rand) error {
	f, err := newDocument(rnd)
	if err != nil {
		return err
	}
	draft := document.UploadDraft{CustomerID: id}
	if rnd.IntN(4) == 0 {
		day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 10+rnd.IntN(300))
		draft.ExpiresOn = &day
	}
	results, err := s.Documents.Upload(ctx, p, draft, []document.Incoming{f}, nil)
	if err != nil {
		return err
	}
	return results[0].Errs.Err()
}

func newDocument(rnd *rand.Rand) (file, error) {
	switch rnd.IntN(3) {
	case 0:
		title := pick(rnd, []string{"Membership agreement", "Service contract", "Kostenvoranschlag", "Attestation d'assurance"})
		number := 1000 + rnd.IntN(9000)
		content := pdf(title, []string{fmt.Sprintf("No. %d", number), "This is a sample document.", "Müller & Söhne, Zürich"})
		return newFile(fmt.Sprintf("%s %d.pdf", title, number), "application/pdf", content), nil
	case 1:
		content, err := picture(rnd)
		return newFile(fmt.Sprintf("IMG_%04d.png", rnd.IntN(10000)), "image/png", content), err
	default:
		title := pick(rnd, []string{"Consent form", "Einverständniserklärung", "Fiche client", "Onboarding"})
		content, err := docx([]string{title, "This is a sample document.", "Datum: ____________  Unterschrift: ____________"})
		return newFile(title+".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", content), err
	}
}

func (s Services) entry(ctx context.Context, p auth.Principal, id uuid.UUID, rnd *rand.Rand, upcoming bool) error {
	at := time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, -1-rnd.IntN(400))
	if upcoming {
		at = time.Now().UTC().Truncate(time.Hour).AddDate(0, 0, 1+rnd.IntN(90))
	}
	kind := pick(rnd, []string{timeline.KindVisit, timeline.KindCall, timeline.KindTask})
	title := pick(rnd, map[string][]string{
		timeline.KindVisit: {"First consultation", "Check-up", "Measuring on site", "Training"},
		timeline.KindCall:  {"Asked about the offer", "Rescheduling", "Rückruf vereinbart"},
		timeline.KindTask:  {"Send the offer", "Order material", "Prepare the contract"},
	}[kind])
	_, err := s.Timeline.EntryCreate(ctx, p, id, timeline.Draft{Kind: kind, At: at, Title: title}, nil)
	return err
}
