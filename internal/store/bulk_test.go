package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"dossier/internal/auth"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/job"
	"dossier/internal/optional"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// importJob makes an import that the principal asked for, and takes it.
func (e *env) importJob(p auth.Principal) job.Claim {
	e.t.Helper()
	id, err := e.store.Jobs().CreateJob(e.t.Context(), p, nil, job.New{ID: typeid.New(), Kind: job.Import, Input: []byte("{}"), FileName: "f.csv"})
	if err != nil {
		e.t.Fatal(err)
	}
	c, ok, err := e.store.Jobs().ClaimJob(e.t.Context(), time.Minute)
	if err != nil || !ok || c.ID != id || c.By.ID != p.ID || c.By.AccountID != p.AccountID {
		e.t.Fatalf("claimed %+v, %v, %v; want %s", c, ok, err, id)
	}
	return c
}

// step runs one step of a job.
func (e *env) step(c job.Claim, work func(b job.Batch) (job.Step, error)) error {
	return e.store.Jobs().ImportStep(e.t.Context(), c, func(_ context.Context, b job.Batch) (job.Step, error) { return work(b) })
}

// rowsOf gives all that is stored for the customers of an account, without ids and times, in an order that does not depend
// on them.
func (e *env) rowsOf(p auth.Principal) string {
	e.t.Helper()
	var out strings.Builder
	for _, q := range []string{
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'updated_at' - 'created_by_id' - 'salesperson_id' - 'representative_id' - 'preferred_staff_id'
			|| jsonb_build_object('sales', salesperson_id = created_by_id, 'represents', representative_id = created_by_id, 'staff', preferred_staff_id = created_by_id)
			FROM customer r WHERE account_id = $1`,
		`SELECT jsonb_build_object('active', active_customers, 'archived', archived_customers) FROM account WHERE id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'updated_at' - 'archived_at' - 'customer_id'
			|| jsonb_build_object('of', c.display_name, 'gone', r.archived_at = r.updated_at)
			FROM contact r JOIN customer c ON c.id = r.customer_id WHERE r.account_id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'customer_id' - 'contact_id' || jsonb_build_object('of', c.display_name, 'at', k.display_name)
			FROM email_address r JOIN customer c ON c.id = r.customer_id LEFT JOIN contact k ON k.id = r.contact_id WHERE r.account_id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'customer_id' - 'contact_id' || jsonb_build_object('of', c.display_name, 'at', k.display_name)
			FROM phone_number r JOIN customer c ON c.id = r.customer_id LEFT JOIN contact k ON k.id = r.contact_id WHERE r.account_id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'customer_id' - 'contact_id' || jsonb_build_object('of', c.display_name, 'at', k.display_name)
			FROM postal_address r JOIN customer c ON c.id = r.customer_id LEFT JOIN contact k ON k.id = r.contact_id WHERE r.account_id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'customer_id' - 'definition_id' - 'option_id'
			|| jsonb_build_object('of', c.display_name, 'key', d.key, 'option', o.key, 'now', r.created_at = c.updated_at)
			FROM attribute_value r JOIN customer c ON c.id = r.customer_id JOIN attribute_definition d ON d.id = r.definition_id
			LEFT JOIN attribute_option o ON o.id = r.option_id WHERE r.account_id = $1`,
		`SELECT jsonb_build_object('of', c.display_name, 'key', d.key, 'option', o.key, 'value', v.customer_id = r.customer_id AND v.definition_id = r.definition_id)
			FROM attribute_value_option r JOIN customer c ON c.id = r.customer_id JOIN attribute_definition d ON d.id = r.definition_id
			JOIN attribute_option o ON o.id = r.option_id JOIN attribute_value v ON v.id = r.value_id WHERE r.account_id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'created_by_id' - 'subject_id'
			|| jsonb_build_object('of', c.display_name, 'at', k.display_name, 'mine', r.created_by_id IS NOT NULL)
			FROM revision r LEFT JOIN customer c ON c.id = r.subject_id LEFT JOIN contact k ON k.id = r.subject_id WHERE r.account_id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'updated_at' - 'at' - 'created_by_id' - 'customer_id' - 'subject_id'
			|| jsonb_build_object('of', c.display_name, 'itself', r.subject_id = r.customer_id, 'now', r.at = r.created_at)
			FROM timeline_entry r JOIN customer c ON c.id = r.customer_id WHERE r.account_id = $1`,
		`SELECT to_jsonb(r) - 'id' - 'account_id' - 'created_at' - 'created_by_id' - 'customer_id' - 'subject_id' - 'seq'
			|| jsonb_build_object('of', c.display_name, 'at', k.display_name)
			FROM event r JOIN customer c ON c.id = r.customer_id LEFT JOIN contact k ON k.id = r.subject_id WHERE r.account_id = $1`,
	} {
		var text string
		if err := e.admin.QueryRow(e.t.Context(), `SELECT coalesce(string_agg(r::text, E'\n' ORDER BY r::text), '') FROM (`+q+`) AS q(r)`, p.AccountID).Scan(&text); err != nil {
			e.t.Fatalf("%s: %v", q, err)
		}
		out.WriteString(text + "\n\n")
	}
	return out.String()
}

// onlyIn shows the lines that two texts do not share.
func onlyIn(got, want string) string {
	var out []string
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for _, pair := range []struct {
		mark      string
		in, notIn []string
	}{{" got ", a, b}, {"want ", b, a}} {
		for _, line := range pair.in {
			if !slices.Contains(pair.notIn, line) {
				out = append(out, pair.mark+line)
			}
		}
	}
	return strings.Join(out, "\n")
}

// drafts draws customers with different names, so that they can be told apart.
func drafts(r *rapid.T) []customer.Draft {
	text := func(label string) *string {
		s := rapid.SampledFrom([]string{"", "x", "Zoë", "=1", "two words"}).Draw(r, label)
		if s == "" {
			return nil
		}
		return &s
	}
	points := func(label string) (e []customer.EmailInput, p []customer.PhoneInput, a []customer.AddressInput) {
		for i := range rapid.IntRange(0, 3).Draw(r, label) {
			e = append(e, customer.EmailInput{Address: fmt.Sprintf("%s%d@example.com", label, i), Type: rapid.SampledFrom([]string{"", "WORK"}).Draw(r, "type")})
			p = append(p, customer.PhoneInput{Number: fmt.Sprintf("+493090182%d;ext=%d", i, i)})
			a = append(a, customer.AddressInput{StreetAddress: text("street"), AddressLocality: ptr("Berlin"), PostalCode: text("code"), AddressRegion: text("region"), AddressCountry: ptr("DE")})
		}
		return e, p, a
	}
	list := make([]customer.Draft, rapid.IntRange(1, 5).Draw(r, "customers"))
	for i := range list {
		d := &list[i]
		d.Kind = rapid.SampledFrom([]customer.Kind{"", customer.Person, customer.Company}).Draw(r, "kind")
		d.GivenName, d.FamilyName, d.CompanyName = ptr(fmt.Sprintf("Given %d", i)), text("family"), ptr(fmt.Sprintf("Company %d", i))
		d.Emails, d.Phones, d.Addresses = points("own")
		d.ExternalID, d.LanguageTag, d.TimeZone = optional.Some(ptr(fmt.Sprintf("ext %d", i))), optional.Some(ptr("de-CH")), optional.Some(ptr("Europe/Berlin"))
		d.PreferredChannel, d.DeliveryDistanceKm = optional.Some(ptr("PHONE")), optional.Some(ptr("12.5"))
		d.WebsiteURL, d.BusinessArea = optional.Some(ptr("https://example.com")), optional.Some(text("area"))
		exempt := rapid.Bool().Draw(r, "exempt")
		if d.TaxExempt = optional.Some(&exempt); exempt {
			d.TaxExemptReason = optional.Some(text("reason"))
		}
		d.Attributes = someAttributes(r, everything())
		if len(d.Emails) > 0 {
			d.Emails[len(d.Emails)-1].Purposes = []string{"STATEMENT", "GENERAL"}
		}
		for k := range rapid.IntRange(0, 3).Draw(r, "contacts") {
			c := customer.ContactDraft{GivenName: ptr(fmt.Sprintf("Contact %d", k)), Role: text("role")}
			c.Emails, c.Phones, c.Addresses = points("theirs")
			d.Contacts = append(d.Contacts, c)
		}
	}
	return list
}

// someAttributes draws some of the inputs.
func someAttributes(r *rapid.T, all []customer.AttributeInput) (list []customer.AttributeInput) {
	for _, in := range all {
		if rapid.Bool().Draw(r, in.Key) {
			list = append(list, in)
		}
	}
	return list
}

// otherwise is another value for each type, and none for some.
func otherwise() []customer.AttributeInput {
	return []customer.AttributeInput{
		{Key: "text", Text: someValue("Rot")},
		{Key: "long_text", Text: optional.Some[*string](nil)},
		{Key: "integer", Integer: someValue(int64(0))},
		{Key: "decimal", Decimal: someValue("-0.5")},
		{Key: "boolean", Boolean: someValue(true)},
		{Key: "date", Date: someValue(time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC))},
		{Key: "select", Option: someValue("c")},
		{Key: "multi_select", Options: optional.Some([]string{"b", "a"})},
		{Key: "url", URL: optional.Some[*string](nil)},
		{Key: "email", Email: someValue("Bob@example.com")},
	}
}

// TestWhatIsImportedIsWhatWouldBeCreated compares the statements for many with those for one: the same customers are made
// and changed in two accounts, one by one and all at once, and every column of every row must be the same.
func TestWhatIsImportedIsWhatWouldBeCreated(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		one, many := e.account(fmt.Sprintf("One %d", run)), e.account(fmt.Sprintf("Many %d", run))
		e.defineAll(one)
		e.defineAll(many)
		planner := customer.Planner{NewID: typeid.New}
		list := drafts(r)
		of := func(p auth.Principal, d customer.Draft) customer.Draft { // its staff
			ref := typeid.Format(typeid.StaffUser, p.ID)
			d.SalespersonID, d.RepresentativeID, d.PreferredStaffID = optional.Some(&ref), optional.Some(&ref), optional.Some(&ref)
			return d
		}
		var single []uuid.UUID
		for _, d := range list {
			id, err := e.store.CustomerCreate(t.Context(), one, nil, func(r customer.Reading) (customer.Change, error) { return planner.Create(r, of(one, d)) })
			if err != nil {
				r.Fatal(err)
			}
			single = append(single, id)
		}
		var writes []job.Write
		c := e.importJob(many)
		if err := e.step(c, func(b job.Batch) (job.Step, error) {
			for _, d := range list {
				ch, err := planner.Create(b, of(many, d))
				if err != nil {
					return job.Step{}, err
				}
				writes = append(writes, job.Write{New: true, Change: ch})
			}
			return job.Step{Created: int64(len(writes))}, b.Write(t.Context(), writes)
		}); err != nil {
			r.Fatal(err)
		}
		if got, want := e.rowsOf(many), e.rowsOf(one); got != want {
			r.Fatalf("created\n%s", onlyIn(got, want))
		}
		patches := make([]func(f customer.File) customer.Patch, len(list))
		for i := range patches {
			patches[i] = somePatch(r)
		}
		for i, id := range single {
			err := e.store.CustomerChange(t.Context(), one, id, nil, func(f customer.File, r customer.Reading) (customer.Change, error) {
				return planner.Update(r, f, patches[i](f))
			})
			if err != nil {
				r.Fatal(err)
			}
		}
		if err := e.step(c, func(b job.Batch) (job.Step, error) {
			return job.Step{Last: true}, updateAll(t, b, planner, writes, patches)
		}); err != nil {
			r.Fatal(err)
		}
		if got, want := e.rowsOf(many), e.rowsOf(one); got != want {
			r.Fatalf("changed\n%s", onlyIn(got, want))
		}
	})
}

func updateAll(t *testing.T, b job.Batch, planner customer.Planner, made []job.Write, patches []func(customer.File) customer.Patch) error {
	ids := make([]uuid.UUID, len(made))
	for i, w := range made {
		ids[i] = w.Change.Customer.ID
	}
	files, err := b.Lock(t.Context(), ids)
	if err != nil {
		return err
	}
	var writes []job.Write
	for _, f := range files {
		ch, err := planner.Update(b, f, patches[slices.Index(ids, f.ID)](f))
		if err != nil {
			return err
		}
		writes = append(writes, job.Write{File: f, Change: ch})
	}
	return b.Write(t.Context(), writes)
}

// somePatch draws a change: names, points that go, stay and come, contacts that go, change, become primary and come.
func somePatch(r *rapid.T) func(f customer.File) customer.Patch {
	name, keep, primary := rapid.Bool().Draw(r, "rename"), rapid.IntRange(0, 3).Draw(r, "keep"), rapid.IntRange(0, 3).Draw(r, "primary")
	points, contacts := rapid.Bool().Draw(r, "points"), rapid.Bool().Draw(r, "contacts")
	attributes := someAttributes(r, otherwise())
	return func(f customer.File) customer.Patch {
		var p customer.Patch
		if attributes != nil {
			p.Attributes = optional.Some(attributes)
		}
		if name {
			p.FamilyName = optional.Some(ptr("Renamed"))
		}
		if points {
			list := []customer.EmailInput{{Address: "new@example.com"}}
			for _, e := range f.Emails[min(keep, len(f.Emails)):] {
				id := typeid.Format(typeid.EmailAddress, e.ID)
				list = append(list, customer.EmailInput{ID: &id, Address: e.Address, Type: "HOME"})
			}
			p.Emails, p.Phones, p.Addresses = optional.Some(list), optional.Some[[]customer.PhoneInput](nil), optional.Some([]customer.AddressInput{{AddressLocality: ptr("Bonn")}})
		}
		if contacts {
			list := []customer.ContactNested{{ContactPatch: customer.ContactPatch{GivenName: optional.Some(ptr("New one"))}}}
			for i, c := range f.Contacts[min(keep, len(f.Contacts)):] {
				id := typeid.Format(typeid.Contact, c.ID)
				entry := customer.ContactNested{ID: &id}
				if i == 0 {
					entry.Role = optional.Some(ptr("Role"))
					entry.Emails = optional.Some([]customer.EmailInput{{Address: "c@example.com"}})
				}
				list = append(list, entry)
			}
			yes := true
			list[primary%len(list)].IsPrimary = optional.Some(&yes)
			p.Contacts = optional.Some(list)
		}
		return p
	}
}

// TestAStepOfALostJobWritesNothing: another runner has the job, or it was cancelled; what the first one does then is undone.
func TestAStepOfALostJobWritesNothing(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	jobs := e.store.Jobs()
	planner := customer.Planner{NewID: typeid.New}
	write := func(b job.Batch) (job.Step, error) {
		ch, err := planner.Create(b, customer.Draft{GivenName: ptr("Ada")})
		if err != nil {
			return job.Step{}, err
		}
		return job.Step{Position: 7, Created: 1}, b.Write(t.Context(), []job.Write{{New: true, Change: ch}})
	}
	first := e.importJob(e.ada)
	if err := e.step(first, write); err != nil {
		t.Fatal(err)
	}
	if _, err := e.admin.Exec(t.Context(), `UPDATE job SET lease_until = now()`); err != nil {
		t.Fatal(err)
	}
	second, ok, err := jobs.ClaimJob(t.Context(), time.Minute)
	if err != nil || !ok || second.ID != first.ID || second.Runner == first.Runner || second.Position != 7 || second.Done != 1 || second.Failures != 1 {
		t.Fatalf("claimed %+v, %v, %v; want the same job behind its first step", second, ok, err)
	}
	for name, do := range map[string]func(c job.Claim) error{
		"step": func(c job.Claim) error { return e.step(c, write) }, "extend": func(c job.Claim) error { return jobs.ExtendJob(t.Context(), c, time.Minute) },
		"release": func(c job.Claim) error { return jobs.ReleaseJob(t.Context(), c, 0, false) },
		"fail":    func(c job.Claim) error { return jobs.FailJob(t.Context(), c, fault.New(fault.Internal, "x")) },
		"restart": func(c job.Claim) error { return jobs.RestartImport(t.Context(), c) },
		"result":  func(c job.Claim) error { return jobs.BeginResult(t.Context(), c, "k", "text/csv") },
		"tell":    func(c job.Claim) error { return jobs.ExportProgress(t.Context(), c, 5) },
		"finish":  func(c job.Claim) error { return jobs.FinishExport(t.Context(), c, 5, 5) },
	} {
		if err := do(first); !errors.Is(err, job.ErrLost) {
			t.Errorf("%s by a runner that lost the job: %v, want ErrLost", name, err)
		}
	}
	if err := jobs.CancelJob(t.Context(), e.ada, first.ID, nil, func(job.Kind) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := e.step(second, write); !errors.Is(err, job.ErrLost) {
		t.Errorf("a step of a cancelled job: %v, want ErrLost", err)
	}
	if n := e.count(`SELECT count(*) FROM customer`); n != 1 {
		t.Errorf("%d customers, want that of the one step that counted", n)
	}
	if n := e.count(`SELECT done FROM job WHERE state = 'CANCELLED'`); n != 1 {
		t.Errorf("the job counts %d rows, want 1", n)
	}
}

// TestOneJobOfAnAccountRunsAtATime: claims at the same time get jobs of different accounts, each once.
func TestOneJobOfAnAccountRunsAtATime(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	jobs := e.store.Jobs()
	for range 4 {
		for _, p := range []auth.Principal{e.ada, e.bob} {
			if _, err := jobs.CreateJob(t.Context(), p, nil, job.New{ID: typeid.New(), Kind: job.Import, Input: []byte("{}")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	claims := make(chan job.Claim, 8)
	errs := make(chan error, 8)
	for range 8 {
		go func() {
			c, ok, err := jobs.ClaimJob(context.Background(), time.Minute)
			if ok {
				claims <- c
			}
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	close(claims)
	seen := map[uuid.UUID]bool{}
	for c := range claims {
		if seen[c.By.AccountID] {
			t.Errorf("two jobs of one account were taken")
		}
		seen[c.By.AccountID] = true
		if err := e.step(c, func(job.Batch) (job.Step, error) { return job.Step{Last: true}, nil }); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 2 {
		t.Errorf("jobs of %d accounts were taken, want 2", len(seen))
	}
	if _, ok, err := jobs.ClaimJob(t.Context(), time.Minute); !ok || err != nil {
		t.Errorf("the next job was not taken: %v", err)
	}
}

func TestErrorsOfRowsAreKeptUpToALimitAndPrunedWithTheJob(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	c := e.importJob(e.ada)
	errorsOf := make([]job.RowError, 6000)
	for i := range errorsOf {
		errorsOf[i] = job.RowError{Line: i, Code: "REQUIRED", Message: "m"}
	}
	for i := range 2 {
		if err := e.step(c, func(job.Batch) (job.Step, error) { return job.Step{Failed: 6000, Errors: errorsOf, Last: i == 1}, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n, highest, failed := e.count(`SELECT count(*) FROM job_row_error`), e.count(`SELECT max(number) FROM job_row_error`), e.count(`SELECT failed FROM job`); n != job.MaxRowErrors || highest != n || failed != 12_000 {
		t.Errorf("%d errors up to number %d are kept of %d, want %d", n, highest, failed, job.MaxRowErrors)
	}
	if n, err := e.store.PruneJobs(t.Context(), time.Hour); n != 0 || err != nil {
		t.Errorf("pruned %d, %v; want none that is younger", n, err)
	}
	if n, err := e.store.PruneJobs(t.Context(), 0); n != 1 || err != nil {
		t.Errorf("pruned %d, %v; want 1", n, err)
	}
	if n := e.count(`SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM job_row_error)`); n != 0 {
		t.Errorf("%d rows are left of a job that was pruned", n)
	}
}

// TestTheFileOfAnExportIsAccountedFor: a file that nobody wants any more is garbage, and its bytes are free.
func TestTheFileOfAnExportIsAccountedFor(t *testing.T) {
	t.Parallel()
	e := newEnv(t)
	jobs := e.store.Jobs()
	c := e.importJob(e.ada)
	for _, key := range []string{"first", "second"} {
		if err := jobs.BeginResult(t.Context(), c, key, "text/csv"); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.count(`SELECT count(*) FROM garbage WHERE object_key = 'first'`); n != 1 {
		t.Error("the file of an attempt that was given up is no garbage")
	}
	owned, err := e.store.Sweep().Owned(t.Context(), "", "", 10)
	if err != nil || len(owned) != 2 {
		t.Errorf("owned are %v, %v; want both files", owned, err)
	}
	if n, err := e.store.Sweep().AddGarbage(t.Context(), []string{e.ada.AccountID.String() + "/second"}, time.Hour); n != 1 || err != nil {
		t.Errorf("another file was not collected: %d, %v", n, err)
	}
	if _, err := e.admin.Exec(t.Context(), `UPDATE storage_usage SET limit_bytes = 100`); err != nil {
		t.Fatal(err)
	}
	if err := jobs.FinishExport(t.Context(), c, 1, 101); fault.CodeOf(err) != fault.QuotaExceeded {
		t.Errorf("a file that does not fit: %v, want QUOTA_EXCEEDED", err)
	}
	if err := jobs.FinishExport(t.Context(), c, 1, 100); err != nil {
		t.Fatal(err)
	}
	if r, err := jobs.JobResult(t.Context(), e.ada, c.ID, document.Reading{}); err != nil || r.ObjectKey != "second" {
		t.Errorf("the result is %+v, %v", r, err)
	}
	if _, err := jobs.JobResult(t.Context(), e.bob, c.ID, document.Reading{}); fault.CodeOf(err) != fault.NotFound {
		t.Errorf("another account's result: %v, want NOT_FOUND", err)
	}
	if _, err := e.store.PruneJobs(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if used, thrown := e.count(`SELECT used_bytes FROM storage_usage WHERE account_id = $1`, e.ada.AccountID), e.count(`SELECT count(*) FROM garbage WHERE object_key = 'second'`); used != 0 || thrown != 1 {
		t.Errorf("after pruning %d bytes are used and the file is garbage %d times, want 0 and 1", used, thrown)
	}
	var types []string
	rows, err := e.admin.Query(t.Context(), `SELECT type FROM event WHERE subject_id = $1 ORDER BY seq`, c.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		types = append(types, s)
	}
	if want := []string{timeline.JobCreated, timeline.JobProgress, timeline.JobFinished}; !slices.Equal(types, want) {
		text, _ := json.Marshal(types)
		t.Errorf("events %s, want %v", text, want)
	}
}
