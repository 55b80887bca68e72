package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"dossier/internal/customer"
	"dossier/internal/fault"
	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// TestRandomChangesKeepTheInvariants makes a customer and changes it at random, through valid and stale versions, and
// then holds what must be true of every file.
func TestRandomChangesKeepTheInvariants(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	svc := customer.NewService(e.store)
	rapid.Check(t, func(r *rapid.T) {
		m := &model{r: r, e: e, svc: svc}
		m.create()
		for range rapid.IntRange(0, 8).Draw(r, "steps") {
			m.step()
		}
		m.check()
	})
}

type model struct {
	r      *rapid.T
	e      *env
	svc    *customer.Service
	id     uuid.UUID
	emails []string
}

func (m *model) must(what string, err error) {
	m.r.Helper()
	if err != nil {
		m.r.Fatalf("%s: %v", what, err)
	}
}

func (m *model) file() (f customer.File) {
	err := m.e.store.inTx(context.Background(), "test", m.e.ada, func(ctx context.Context, t *tx) (err error) {
		f, err = t.lockFile(ctx, m.id, nil)
		return err
	})
	m.must("read", err)
	return f
}

var (
	letters = rapid.SampledFrom([]string{"Ada", "Bob", "Cleo", "Dora", "Émile"})
	yesNo   = rapid.SampledFrom([]*bool{nil, ptr(true), ptr(false)})
)

// primaries draws isPrimary for a list: any, but true at most once.
func (m *model) primaries(n int) []*bool {
	list := make([]*bool, n)
	if n > 0 && rapid.Bool().Draw(m.r, "some primary") {
		list[rapid.IntRange(0, n-1).Draw(m.r, "primary")] = ptr(true)
	}
	return list
}

func (m *model) emailInputs(old []customer.Email) []customer.EmailInput {
	var in []customer.EmailInput
	for _, e := range old {
		if rapid.Bool().Draw(m.r, "keep") {
			in = append(in, customer.EmailInput{ID: ptr(typeid.Format(typeid.EmailAddress, e.ID)), Address: e.Address})
		}
	}
	for range rapid.IntRange(0, 3).Draw(m.r, "new e-mails") {
		in = append(in, customer.EmailInput{Address: fmt.Sprintf("%d@example.com", rapid.IntRange(0, 9).Draw(m.r, "address"))})
	}
	for i, p := range m.primaries(len(in)) {
		in[i].IsPrimary = p
	}
	return in
}

// listed is the order in which a list is stored.
func listed(in []customer.EmailInput) []string {
	var out []string
	for _, e := range in {
		if e.IsPrimary != nil && *e.IsPrimary {
			out = slices.Insert(out, 0, e.Address)
		} else {
			out = append(out, e.Address)
		}
	}
	return out
}

func (m *model) create() {
	d := customer.Draft{Kind: customer.Company, CompanyName: ptr(letters.Draw(m.r, "company")), Emails: m.emailInputs(nil)}
	for range rapid.IntRange(0, 3).Draw(m.r, "contacts") {
		d.Contacts = append(d.Contacts, customer.ContactDraft{GivenName: ptr(letters.Draw(m.r, "name")), Emails: m.emailInputs(nil)})
	}
	for i, p := range m.primaries(len(d.Contacts)) {
		d.Contacts[i].IsPrimary = p
	}
	id, err := m.svc.Create(context.Background(), m.e.ada, d, nil)
	m.must("create", err)
	m.id, m.emails = id, listed(d.Emails)
}

func (m *model) step() {
	ctx, p, f := context.Background(), m.e.ada, m.file()
	stale := rapid.IntRange(0, 9).Draw(m.r, "stale") == 0
	version := func(v int) int {
		if stale {
			return v - 1
		}
		return v
	}
	var err error
	switch what := rapid.SampledFrom([]string{"update", "contacts", "add", "change", "drop", "archive", "restore"}).Draw(m.r, "what"); {
	case what == "update":
		in := m.emailInputs(f.Emails)
		err = m.svc.Update(ctx, p, m.id, version(f.Version), customer.Patch{
			CompanyName: optional.Some(ptr(letters.Draw(m.r, "company"))), Emails: optional.Some(in),
		}, "")
		if err == nil {
			m.emails = listed(in)
		}
	case what == "contacts":
		err = m.svc.Update(ctx, p, m.id, version(f.Version), customer.Patch{Contacts: optional.Some(m.nested(f))}, "")
	case what == "add":
		stale = false
		_, err = m.svc.ContactCreate(ctx, p, m.id, customer.ContactDraft{GivenName: ptr(letters.Draw(m.r, "name")), IsPrimary: yesNo.Draw(m.r, "primary")}, nil)
	case what == "change" && len(f.Contacts) > 0:
		c := rapid.SampledFrom(f.Contacts).Draw(m.r, "contact")
		err = m.svc.ContactUpdate(ctx, p, c.ID, version(c.Version), customer.ContactPatch{
			GivenName: optional.Some(ptr(letters.Draw(m.r, "name"))), IsPrimary: optional.Some(rapid.SampledFrom([]*bool{nil, ptr(true)}).Draw(m.r, "primary")),
			Emails: optional.Some(m.emailInputs(c.Emails)),
		}, "")
	case what == "drop" && len(f.Contacts) > 0:
		c := rapid.SampledFrom(f.Contacts).Draw(m.r, "contact")
		err = m.svc.ContactArchive(ctx, p, c.ID, version(c.Version))
	case what == "archive":
		err, stale = m.svc.Archive(ctx, p, m.id, version(f.Version)), stale && f.Status == customer.Active
	case what == "restore":
		err, stale = m.svc.Restore(ctx, p, m.id, version(f.Version)), stale && f.Status == customer.Archived
	default:
		return
	}
	if stale {
		if fault.CodeOf(err) != fault.VersionConflict {
			m.r.Fatalf("a stale change got %v, want VERSION_CONFLICT", err)
		}
		return
	}
	m.must("change", err)
}

func (m *model) nested(f customer.File) []customer.ContactNested {
	var list []customer.ContactNested
	for _, c := range f.Contacts {
		if rapid.Bool().Draw(m.r, "keep") {
			list = append(list, customer.ContactNested{ID: ptr(typeid.Format(typeid.Contact, c.ID))})
		}
	}
	for range rapid.IntRange(0, 2).Draw(m.r, "new contacts") {
		list = append(list, customer.ContactNested{ContactPatch: customer.ContactPatch{
			GivenName: optional.Some(ptr(letters.Draw(m.r, "name"))), Emails: optional.Some(m.emailInputs(nil)),
		}})
	}
	for i, p := range m.primaries(len(list)) {
		list[i].IsPrimary = optional.Some(p)
	}
	return list
}

// check holds the invariants of the customer's file; each query gives the number of violations.
func (m *model) check() {
	for name, query := range map[string]string{
		"exactly one contact is primary, when there are any": `SELECT count(*) FROM (SELECT FROM contact WHERE customer_id = $1 AND archived_at IS NULL
			HAVING count(*) > 0 AND count(*) FILTER (WHERE NOT secondary) <> 1) AS x`,
		"versions are dense and each has its revision": `SELECT count(*) FROM (
			SELECT id, version FROM customer WHERE id = $1 UNION ALL SELECT id, version FROM contact WHERE customer_id = $1) AS n
			WHERE n.version <> (SELECT count(*) FROM revision r WHERE r.subject_id = n.id)
				OR n.version <> (SELECT max(r.version) FROM revision r WHERE r.subject_id = n.id)`,
		"each change of a contact has one event": `SELECT count(*) FROM contact c WHERE customer_id = $1 AND
			(SELECT count(*) FROM revision r WHERE r.subject_id = c.id) <> (SELECT count(*) FROM event e WHERE e.subject_id = c.id)`,
		"each change of the customer's own fields has one event": `SELECT count(*) FROM customer c WHERE id = $1 AND
			(SELECT count(*) FROM revision r WHERE r.subject_id = c.id AND r.fields <> '["contacts"]') <> (SELECT count(*) FROM event e WHERE e.subject_id = c.id)`,
		"positions are dense": `SELECT count(*) FROM (SELECT FROM email_address WHERE customer_id = $1 GROUP BY contact_id
			HAVING min(position) <> 0 OR max(position) <> count(*) - 1 OR count(DISTINCT position) <> count(*)) AS x`,
		"an archived customer has its time, an active one none": `SELECT count(*) FROM customer WHERE id = $1 AND (status = 'ARCHIVED') <> (archived_at IS NOT NULL)`,
	} {
		var n int
		m.must(name, m.e.admin.QueryRow(context.Background(), query, m.id).Scan(&n))
		if n != 0 {
			m.r.Errorf("not so: %s", name)
		}
	}
	m.e.indexed(m.e.ada, m.id)
	var got []string
	for _, e := range m.file().Emails {
		got = append(got, e.Address)
	}
	if !slices.Equal(got, m.emails) {
		m.r.Errorf("e-mail addresses are %v, want %v", got, m.emails)
	}
}
