package read_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"dossier/internal/fold"
	"dossier/internal/search"
)

// row is a row as the naive evaluator sees it: column -> string, int64, bool, time.Time, uuid.UUID, []string, []byte or nil.
type row map[string]any

func (r row) id() uuid.UUID { return r["id"].(uuid.UUID) }

// world is all rows of all accounts.
type world struct {
	accounts []uuid.UUID
	tables   map[string][]row
	byID     map[uuid.UUID]row
	tableOf  map[uuid.UUID]string
}

// tableOrder is the order of inserting.
var tableOrder = []string{
	"account", "storage_usage", "staff_user", "api_key", "customer_type", "customer_origin", "office", "service", "customer", "contact", "email_address", "phone_number", "postal_address",
	"customer_search", "search_token", "attribute_definition", "document", "document_version", "timeline_entry", "note", "customer_image", "event", "job", "job_row_error", "customer_merge",
	"attribute_definition_type", "attribute_option", "attribute_value", "attribute_value_option",
	"audit_record",
}

// maker makes a world of random rows. Few different names and times, so that orders have ties; NULLs, archived rows,
// Unicode, and references to what is gone.
type maker struct {
	*world
	rand *rand.Rand
	n    uint64
}

func newWorld(seed uint64, customers int) *world {
	m := &maker{
		world: &world{tables: map[string][]row{}, byID: map[uuid.UUID]row{}, tableOf: map[uuid.UUID]string{}},
		rand:  rand.New(rand.NewPCG(seed, 7)),
	}
	for i := range 3 {
		m.account(i, customers/(1+2*i)+1)
	}
	return m.world
}

// id is a random id; neighbours in the order of ids are not neighbours in time.
func (m *maker) id() uuid.UUID {
	m.n++
	var u uuid.UUID
	for i := range u {
		u[i] = byte(m.rand.Uint32())
	}
	u[6], u[8] = u[6]&15|0x70, u[8]&63|128
	return u
}

func (m *maker) put(table string, r row) row {
	if r["id"] == nil && table != "storage_usage" {
		r["id"] = m.id()
	}
	m.tables[table] = append(m.tables[table], r)
	if id, ok := r["id"].(uuid.UUID); ok {
		m.byID[id], m.tableOf[id] = r, table
	}
	return r
}

func pick[T any](m *maker, list ...T) T { return list[m.rand.IntN(len(list))] }

func (m *maker) maybe(v any) any {
	if m.rand.IntN(3) == 0 {
		return nil
	}
	return v
}

// at is one of few times around testNow.
func (m *maker) at() time.Time {
	t := testNow.Add(time.Duration(m.rand.IntN(9)-5) * 24 * time.Hour)
	return t.Add(time.Duration(pick(m, 0, 0, 1, 250_000, 999_999)) * time.Microsecond)
}

func (m *maker) name() string {
	return pick(m, "Ada", "ada", "Élodie  GROẞ", "Zoë \"Z\" \\ Ünal", "Øystein", "李 雷", "Ann", "Anna", "", "tab\tnew\nline", "😀 smile", "100%_x", "ſtraße")
}

func (m *maker) actor(r row, account uuid.UUID) row {
	switch m.rand.IntN(5) {
	case 0:
		r["created_by_kind"], r["created_by_id"] = nil, nil
	case 1:
		r["created_by_kind"], r["created_by_id"] = "API_KEY", m.of("api_key", account)
	case 2:
		r["created_by_kind"], r["created_by_id"] = "STAFF", m.id() // gone
	default:
		r["created_by_kind"], r["created_by_id"] = "STAFF", m.of("staff_user", account)
	}
	return r
}

// of gives the id of some row of the account's, or of a new one.
func (m *maker) of(table string, account uuid.UUID) any {
	var own []uuid.UUID
	for _, r := range m.tables[table] {
		if r["account_id"] == account {
			own = append(own, r.id())
		}
	}
	if len(own) == 0 {
		return m.id()
	}
	return own[m.rand.IntN(len(own))]
}

func (m *maker) account(number, customers int) {
	account := m.put("account", row{
		"name": fmt.Sprintf("Business %d", number), "oidc_algorithms": []string{}, "max_file_bytes": int64(5_000_000 + number),
		"event_seq": int64(0), "event_floor": int64(0), "created_at": m.at(),
	}).id()
	m.accounts = append(m.accounts, account)
	m.put("storage_usage", row{"account_id": account, "limit_bytes": int64(500), "used_bytes": int64(number) * 300, "reserved_bytes": int64(7), "warned_percent": int64(80)})
	for i := range 4 {
		name := m.name()
		m.put("staff_user", row{
			"account_id": account, "subject": fmt.Sprint("s", number, i), "display_name": name, "sort_name": fold.Text(name),
			"email": m.maybe("staff@example.com"), "role": pick(m, "VIEWER", "EDITOR", "ADMIN"), "created_at": m.at(), "updated_at": m.at(),
			"version": int64(m.rand.IntN(3) + 1), "signed_in_at": m.maybe(m.at()), "archived_at": pick[any](m, nil, nil, m.at()),
		})
		m.put("api_key", m.actor(row{
			"account_id": account, "name": m.name(), "hint": "abcd", "hash": []byte{1}, "scopes": pick(m, []string{"read"}, []string{"customers:read", "events:read"}),
			"expires_at": m.maybe(m.at()), "revoked_at": m.maybe(m.at()), "created_at": m.at(),
		}, account))
	}
	for _, table := range []string{"customer_type", "customer_origin", "office", "service"} {
		m.list(table, account)
	}
	m.definitions(account)
	m.areas(account)
	for range customers {
		m.customer(account)
	}
	for column, status := range map[string]string{"active_customers": "ACTIVE", "archived_customers": "ARCHIVED"} {
		m.byID[account][column] = int64(len(m.rows("customer", account, func(r row) bool { return r["status"] == status })))
	}
	for range 6 {
		m.job(account)
	}
	m.subjects(account)
	m.merges(account)
	m.documents(account)
	m.audit(account)
}

// merges are the records of merges; they need not fit the customers, which say themselves what they were merged into.
func (m *maker) merges(account uuid.UUID) {
	for range 5 {
		undoneBy := m.actor(row{}, account)
		m.put("customer_merge", m.actor(row{
			"account_id": account, "winner_id": m.of("customer", account), "loser_id": m.of("customer", account), "record": map[string]any{},
			"emails": int64(m.rand.IntN(3)), "phones": int64(1), "addresses": int64(0), "contacts": int64(m.rand.IntN(9)), "documents": int64(2),
			"timeline_entries": int64(m.rand.IntN(100)), "created_at": m.at(), "undone_at": m.maybe(m.at()),
			"undone_by_kind": undoneBy["created_by_kind"], "undone_by_id": undoneBy["created_by_id"],
		}, account))
	}
}

// mergedInto is a customer that others can be merged into, nil for most. The third of each account, which has an external
// id, is always merged.
func (m *maker) mergedInto(account uuid.UUID) any {
	own := m.rows("customer", account, func(r row) bool { return r["status"] != "MERGED" })
	third := len(m.rows("customer", account, all)) == 2
	if len(own) == 0 || m.rand.IntN(6) > 0 && !third {
		return nil
	}
	return own[m.rand.IntN(min(len(own), 3))].id()
}

func (m *maker) job(account uuid.UUID) {
	state := pick(m, "QUEUED", "RUNNING", "SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELLED")
	r := m.actor(row{
		"account_id": account, "kind": pick(m, "IMPORT", "EXPORT"), "state": state, "dry_run": m.rand.IntN(2) == 0, "input": "{}",
		"file_name": m.maybe(m.name()), "result_key": m.maybe(fmt.Sprint("r", m.n)), "done": int64(m.rand.IntN(9)), "total": m.maybe(int64(1) << 40),
		"created": int64(1), "updated": int64(2), "skipped": int64(m.n), "failed": int64(0), "runner": nil, "lease_until": nil,
		"error_code": m.maybe("INTERNAL"), "error_message": m.maybe(m.name()), "created_at": m.at(), "updated_at": m.at(),
		"started_at": m.maybe(m.at()), "finished_at": m.maybe(m.at()),
	}, account)
	if state == "RUNNING" {
		r["runner"], r["lease_until"] = m.id(), m.at()
	}
	id := m.put("job", r).id()
	for i := range m.rand.IntN(5) {
		m.put("job_row_error", row{
			"account_id": account, "job_id": id, "number": int64(i + 1), "line": int64(m.rand.IntN(9)), "column_number": m.maybe(int64(3)),
			"column_name": m.maybe(m.name()), "field_name": m.maybe("emails.1.address"), "code": pick(m, "REQUIRED", "BAD_USER_INPUT"),
			"message": m.name(), "value": m.maybe(m.name()), "created_at": m.at(),
		})
	}
}

func orEmpty(v any) string {
	s, _ := v.(string)
	return s
}

// documents makes what customers are found by, with the code that the store makes it with.
func (m *maker) documents(account uuid.UUID) {
	for _, c := range m.rows("customer", account, all) {
		d := search.Document{SortName: c["sort_name"].(string), FamilySortName: c["family_sort_name"].(string), Kind: c["kind"].(string)}
		d.Names = m.namesOf(c)
		d.Emails, d.Phones = m.reached("email_address", "address", c), m.reached("phone_number", "e164", c)
		var words []string
		for _, w := range d.Lexemes(account) {
			words = append(words, "'"+strings.NewReplacer("'", "''", `\`, `\\`).Replace(w)+"'")
		}
		signature := d.Signature()
		m.tables["customer_search"] = append(m.tables["customer_search"], row{
			"id": c.id(), "account_id": account, "created_at": c["created_at"], "status": c["status"], "sort_name": c["sort_name"],
			"family_sort_name": c["family_sort_name"], "words": strings.Join(words, " "),
			"signature": pgtype.Bits{Bytes: signature[:], Len: search.SignatureBits, Valid: true},
		})
		tokens := search.Tokens(d.Lexemes(account))
		for _, token := range tokens {
			m.tables["search_token"] = append(m.tables["search_token"], row{
				"account_id": account, "word": token.Word, "customer_id": c.id(), "hint": d.Hint(tokens)[0], "hint_more": d.Hint(tokens)[1], "shared": token.Shared, "status": c["status"],
				"sort_name": c["sort_name"], "family_sort_name": c["family_sort_name"], "created_at": c["created_at"],
			})
		}
	}
}

// namesOf are the names of a customer and of its contacts that are not archived. The display name, which is drawn by itself here, is
// one of them.
func (w *world) namesOf(c row) []string {
	list := []string{orEmpty(c["display_name"]), orEmpty(c["given_name"]), orEmpty(c["family_name"]), orEmpty(c["company_name"])}
	for _, con := range w.rows("contact", c["account_id"].(uuid.UUID), func(r row) bool { return r["customer_id"] == c.id() && r["archived_at"] == nil }) {
		list = append(list, orEmpty(con["given_name"]), orEmpty(con["family_name"]))
	}
	return list
}

// reached are the values of a customer's contact points, those of archived contacts left out.
func (w *world) reached(table, column string, c row) []string {
	var list []string
	for _, r := range w.rows(table, c["account_id"].(uuid.UUID), func(r row) bool { return r["customer_id"] == c.id() }) {
		if contact, ok := r["contact_id"].(uuid.UUID); !ok || w.byID[contact]["archived_at"] == nil {
			list = append(list, r[column].(string))
		}
	}
	return list
}

func (m *maker) customer(account uuid.UUID) {
	name, status := m.name(), pick(m, "ACTIVE", "ACTIVE", "ACTIVE", "ARCHIVED")
	given, family, external := m.maybe(m.name()), m.maybe(m.name()), m.externalID(account)
	into := m.mergedInto(account)
	if into != nil {
		status = "MERGED"
	}
	customer := m.put("customer", m.actor(row{
		"merged_into_id": into,
		"account_id":     account, "version": int64(m.rand.IntN(5) + 1), "kind": pick(m, "PERSON", "COMPANY"), "status": status,
		"display_name": name, "sort_name": fold.Text(name), "given_name": given, "family_name": family,
		"family_sort_name": fold.Text(orEmpty(family) + " " + orEmpty(given)),
		"language_tag":     m.maybe(pick(m, "de-CH", "fr", "it")), "time_zone": m.maybe("Europe/Zurich"), "external_id": external, "external_key": orEmpty(external),
		"type_id": m.maybe(m.of("customer_type", account)), "origin_id": m.maybe(m.of("customer_origin", account)),
		"preferred_office_id": m.maybe(m.of("office", account)),
		"salesperson_id":      m.maybe(m.of("staff_user", account)), "representative_id": m.maybe(m.of("staff_user", account)),
		"preferred_staff_id": m.maybe(m.of("staff_user", account)), "preferred_channel": m.maybe(pick(m, "EMAIL", "PHONE", "SMS")),
		"delivery_distance_km": m.maybe(pick(m, "0", "12.5", "0.001", "999999.999", "10000", "20000.02", "100", "0.1")),
		"website_url":          m.maybe("https://example.com/?a=1&b=2"), "business_area": m.maybe(m.name()), "tax_exempt": pick(m, true, false),
		"tax_exempt_reason": m.maybe("R 1"), "created_via": pick(m, "STAFF", "BOOKING", "IMPORT", "API"),
		"company_name": m.maybe(m.name()), "archived_at": m.maybe(m.at()), "created_at": m.at(), "updated_at": m.at(), "image_id": nil,
	}, account))
	c := customer.id()
	if m.rand.IntN(3) > 0 {
		customer["image_id"] = m.image(account, c)
	}
	m.points(account, c, nil)
	m.values(account, c)
	primary := false // at most one of those that are not archived
	for range m.rand.IntN(5) {
		name := m.name()
		archived := pick[any](m, nil, nil, nil, m.at())
		secondary := primary || m.rand.IntN(2) == 0
		primary = primary || !secondary
		con := m.put("contact", row{
			"account_id": account, "customer_id": c, "version": int64(1), "display_name": name, "sort_name": fold.Text(name),
			"given_name": m.maybe(m.name()), "family_name": m.maybe(m.name()), "role": m.maybe("Boss"), "secondary": secondary,
			"archived_at": archived, "created_at": m.at(), "updated_at": m.at(),
		}).id()
		m.points(account, c, con)
	}
	for range m.rand.IntN(6) {
		m.document(account, c)
	}
	for range m.rand.IntN(5) {
		m.note(account, c)
	}
	for range m.rand.IntN(8) {
		m.put("timeline_entry", m.actor(row{
			"account_id": account, "customer_id": c, "version": int64(1), "at": pick(m, m.at(), m.at(), testNow), "kind": pick(m, "VISIT", "CALL", "TASK", "DOCUMENT_ADDED"),
			"title": m.name(), "subject_type": nil, "subject_id": nil, "created_at": m.at(), "updated_at": m.at(),
		}, account))
	}
}

func (m *maker) image(account, customer uuid.UUID) uuid.UUID {
	return m.put("customer_image", m.actor(row{
		"account_id": account, "customer_id": customer, "file_name": "logo.png", "content_type": pick(m, "image/png", "image/webp"),
		"size_bytes": int64(m.rand.IntN(1<<30) + 1), "width": int64(m.rand.IntN(9000) + 1), "height": int64(m.rand.IntN(9000) + 1), "created_at": m.at(),
	}, account)).id()
}

func (m *maker) note(account, customer uuid.UUID) {
	n := m.actor(row{
		"account_id": account, "customer_id": customer, "version": int64(1), "body": m.name() + "\n<b>&", "pinned": m.rand.IntN(3) == 0,
		"edited_at": nil, "edited_by_kind": nil, "edited_by_id": nil, "created_at": m.at(), "updated_at": m.at(),
	}, account)
	if m.rand.IntN(2) == 0 {
		by := m.actor(row{}, account)
		n["edited_at"], n["edited_by_kind"], n["edited_by_id"] = m.at(), by["created_by_kind"], by["created_by_id"]
	}
	m.put("note", n)
}

// externalID is unique in an account.
func (m *maker) externalID(account uuid.UUID) any {
	want := fmt.Sprintf("ext-%d", len(m.tables["customer"])%7)
	for _, r := range m.tables["customer"] {
		if r["account_id"] == account && r["external_id"] == want {
			return nil
		}
	}
	return want
}

func (m *maker) points(account, customer uuid.UUID, contact any) {
	base := func(i int) row {
		return row{
			"account_id": account, "customer_id": customer, "contact_id": contact, "type": pick(m, "HOME", "WORK", "MOBILE", "OTHER"),
			"position": int64(min(i, 2)), "created_at": m.at(),
		}
	}
	for i := range m.rand.IntN(4) {
		r := base(i)
		r["address"] = pick(m, "Ada@Example.com", "bob@example.com", "ünal@example.com")
		r["address_key"] = fold.Email(r["address"].(string))
		r["purposes"] = pick(m, []string{}, []string{"GENERAL"}, []string{"APPOINTMENT", "INVOICE"}, []string{"MARKETING"})
		if i == 2 {
			r["purposes"] = []string{"STATEMENT"}
		}
		m.put("email_address", r)
	}
	for i := range m.rand.IntN(3) {
		r := base(i)
		r["e164"], r["extension"] = pick(m, "+4930901820", "+15550100"), m.maybe("12")
		m.put("phone_number", r)
	}
	for i := range m.rand.IntN(3) {
		r := base(i)
		r["street_address"], r["address_locality"], r["address_region"] = m.maybe("Street 1\nBack"), m.maybe("Köln"), m.maybe("NRW")
		r["postal_code"], r["address_country"] = m.maybe(pick(m, "50667", "50 999", "SW1A 1AA")), m.maybe("DE")
		r["locality_key"], r["postal_key"] = fold.Text(orEmpty(r["address_locality"])), fold.PostalCode(orEmpty(r["postal_code"]))
		m.put("postal_address", r)
	}
}

// subjects points timeline entries at things, and fills the log.
func (m *maker) subjects(account uuid.UUID) {
	tables := map[string]string{
		"Customer": "customer", "Contact": "contact", "Document": "document", "TimelineEntry": "timeline_entry", "Account": "account",
		"AttributeDefinition": "attribute_definition", "Job": "job", "Note": "note",
	}
	point := func(r row, more ...string) {
		typeName := pick(m, append(more, "Customer", "Contact", "Document", "TimelineEntry", "Job", "Note")...)
		r["subject_type"], r["subject_id"] = typeName, m.of(tables[typeName], account)
		if m.rand.IntN(6) == 0 {
			r["subject_id"] = m.id()
		}
		if typeName == "Account" { // never gone, never another
			r["subject_id"] = account
		}
	}
	for _, r := range m.tables["timeline_entry"] {
		if r["account_id"] == account && m.rand.IntN(3) > 0 {
			point(r)
		}
	}
	types := []string{"CUSTOMER_CREATED", "CUSTOMER_UPDATED", "DOCUMENT_CREATED", "TIMELINE_ENTRY_DELETED"}
	seq := int64(0)
	for range 40 {
		seq++
		r := m.actor(row{
			"account_id": account, "seq": seq, "type": pick(m, types...), "customer_id": m.maybe(m.of("customer", account)),
			"changed_fields": pick(m, []string{}, []string{"givenName", "phones"}), "created_at": m.at(),
		}, account)
		point(r, "Account", "AttributeDefinition")
		m.put("event", r)
	}
	m.byID[account]["event_seq"] = seq
}

// insert writes the world into the database.
func (w *world) insert(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()
	ctx := context.Background()
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, table := range tableOrder {
			rows := w.tables[table]
			if len(rows) == 0 {
				continue
			}
			var names []string
			for name := range rows[0] {
				names = append(names, name)
			}
			slices.Sort(names)
			values := make([][]any, len(rows))
			for i, r := range rows {
				for _, n := range names {
					values[i] = append(values[i], r[n])
				}
			}
			for _, v := range values {
				marks := ""
				for i := range v {
					marks += fmt.Sprintf(",$%d", i+1)
				}
				sql := "INSERT INTO " + table + " (" + join(names) + ") VALUES (" + marks[1:] + ")"
				if _, err := tx.Exec(ctx, sql, v...); err != nil {
					return fmt.Errorf("%s: %w", sql, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func join(names []string) string {
	s := ""
	for i, n := range names {
		if i > 0 {
			s += ","
		}
		s += n
	}
	return s
}

// rows gives the account's rows of a table that hold.
func (w *world) rows(table string, account uuid.UUID, holds func(row) bool) []row {
	var list []row
	for _, r := range w.tables[table] {
		if r["account_id"] == account && holds(r) {
			list = append(list, r)
		}
	}
	return list
}

// compareValues orders two values of the same column, by bytes, by time, false first.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case string:
		return cmp.Compare(a, b.(string))
	case int64:
		return cmp.Compare(a, b.(int64))
	case time.Time:
		return a.Compare(b.(time.Time))
	case uuid.UUID:
		o := b.(uuid.UUID)
		return bytes.Compare(a[:], o[:])
	case bool:
		switch {
		case a == b.(bool):
			return 0
		case a:
			return 1
		}
		return -1
	}
	panic(fmt.Sprintf("no order of %T", a))
}

func compareRows(a, b row, keys []string) int {
	for _, k := range keys {
		if c := compareValues(a[k], b[k]); c != 0 {
			return c
		}
	}
	return 0
}
