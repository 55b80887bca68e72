package read_test

import (
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"

	"dossier/internal/fold"
	"dossier/internal/typeid"
)

func (n *naive) contacts(c row, args map[string]any) any {
	list := n.rows("contact", n.account, func(r row) bool {
		want, given := field(args["where"], "isPrimary")
		return r["customer_id"] == c.id() && r["archived_at"] == nil && (!given || want.(bool) == !r["secondary"].(bool))
	})
	return n.connection("Contact", "Customer.contacts", list, []string{"secondary", "sort_name", "id"}, false, args)
}

func (n *naive) customers(args map[string]any) any {
	list := n.rows("customer", n.account, func(r row) bool {
		if _, given := field(args["where"], "status"); !given && r["status"] != "ACTIVE" {
			return false
		}
		return (args["where"] == nil || n.matches(args["where"], r)) && n.found(args["search"], r)
	})
	key, desc := "sort_name", false
	if args["orderBy"] != nil {
		if by, ok := field(args["orderBy"], "field"); ok {
			key = customerOrders[by.(string)]
		}
		dir, _ := field(args["orderBy"], "direction")
		desc = dir == "DESC"
	}
	return n.connection("Customer", "customers/"+key, list, []string{key, "id"}, desc, args)
}

func (n *naive) matches(where any, r row) bool {
	if !listed(where, "kind", r["kind"]) || !listed(where, "status", r["status"]) ||
		!listed(where, "ids", typeid.Format("cus", r.id())) ||
		!inRange(where, "createdAt", r["created_at"]) || !inRange(where, "updatedAt", r["updated_at"]) {
		return false
	}
	if !listed(where, "externalId", r["external_id"]) || !listed(where, "createdVia", r["created_via"]) ||
		!idListed(where, "salespersonId", "usr", r["salesperson_id"]) || !idListed(where, "preferredStaffId", "usr", r["preferred_staff_id"]) ||
		!idListed(where, "typeId", "cty", r["type_id"]) || !idListed(where, "originId", "cor", r["origin_id"]) ||
		!idListed(where, "preferredOfficeId", "off", r["preferred_office_id"]) {
		return false
	}
	if v, ok := field(where, "taxExempt"); ok && v != r["tax_exempt"] {
		return false
	}
	if !n.hasAttributes(where, r) || !listed(where, "languageTag", r["language_tag"]) || !n.hasAny(where, "hasEmail", "email_address", "address", r) ||
		!n.hasAny(where, "hasPhone", "phone_number", "e164", r) || !n.livesAt(where, r) {
		return false
	}
	if p, ok := field(where, "displayNameStartsWith"); ok && !strings.HasPrefix(r["sort_name"].(string), fold.Text(p.(string))) {
		return false
	}
	for _, by := range []struct {
		name, table, column string
		fold                func(string) string
	}{
		{"email", "email_address", "address_key", fold.Email},
		{"phone", "phone_number", "e164", func(s string) string { return strings.NewReplacer(" ", "", "-", "").Replace(s) }},
	} {
		if v, ok := field(where, by.name); ok && !n.reachable(by.table, by.column, by.fold(v.(string)), r) {
			return false
		}
	}
	if list, ok := field(where, "and"); ok {
		for _, w := range listOf(list) {
			if !n.matches(w, r) {
				return false
			}
		}
	}
	if list, ok := field(where, "or"); ok {
		return slices.ContainsFunc(listOf(list), func(w any) bool { return n.matches(w, r) })
	}
	return true
}

var customerOrders = map[string]string{
	"DISPLAY_NAME": "sort_name", "FAMILY_NAME": "family_sort_name", "EXTERNAL_ID": "external_key", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at",
}

func (n *naive) hasAny(where any, name, table, column string, r row) bool {
	want, given := field(where, name)
	return !given || want == (len(n.reached(table, column, r)) > 0)
}

func (n *naive) livesAt(where any, r row) bool {
	for _, by := range []struct {
		name, column string
		holds        func(value, want string) bool
	}{
		{"addressLocality", "address_locality", func(v, want string) bool { return fold.Text(v) == fold.Text(want) }},
		{"postalCodeStartsWith", "postal_code", func(v, want string) bool {
			return strings.HasPrefix(strings.ReplaceAll(fold.Text(v), " ", ""), strings.ReplaceAll(fold.Text(want), " ", ""))
		}},
	} {
		want, given := field(where, by.name)
		if given && len(n.rows("postal_address", n.account, func(a row) bool {
			return a["customer_id"] == r.id() && a["contact_id"] == nil && a[by.column] != nil && by.holds(a[by.column].(string), want.(string))
		})) == 0 {
			return false
		}
	}
	return true
}

var (
	wordPattern   = regexp.MustCompile(`[\p{L}\p{N}\p{M}]+`)
	numberPattern = regexp.MustCompile(`^[-+./()0-9]+$`)
	digitPattern  = regexp.MustCompile(`[0-9]+`)
)

// found says whether a customer is found by a search text, word by word.
func (n *naive) found(text any, c row) bool {
	typed := strings.Fields(orEmpty(text))
	if len(typed) == 0 {
		return true
	}
	var words []string
	for _, s := range slices.Concat(n.namesOf(c), n.reached("email_address", "address", c)) {
		words = append(words, wordPattern.FindAllString(fold.Text(s), -1)...)
	}
	begins := func(s string) bool {
		for _, w := range wordPattern.FindAllString(fold.Text(s), -1) {
			if !slices.ContainsFunc(words, func(have string) bool { return strings.HasPrefix(have, w) }) {
				return false
			}
		}
		return true
	}
	if !wordPattern.MatchString(fold.Text(orEmpty(text))) {
		return false
	}
	var number []string
	for i, s := range typed {
		if numberPattern.MatchString(s) {
			number = append(number, s)
			if i+1 < len(typed) && numberPattern.MatchString(typed[i+1]) {
				continue
			}
			if !begins(strings.Join(number, " ")) && !n.called(strings.Join(number, ""), c) {
				return false
			}
			number = nil
			continue
		}
		if strings.Contains(s[1:], "@") {
			if !n.mailed(fold.Email(s), c) {
				return false
			}
			continue
		}
		if !begins(s) {
			return false
		}
	}
	return true
}

func (n *naive) called(typed string, c row) bool {
	all := strings.Join(digitPattern.FindAllString(strings.ReplaceAll(typed, "(0)", ""), -1), "")
	if len(all) < 3 {
		return false
	}
	from := strings.TrimPrefix(strings.TrimPrefix(all, "00"), "0")
	return slices.ContainsFunc(n.reached("phone_number", "e164", c), func(e164 string) bool {
		country := map[bool]string{true: "+49", false: "+1"}[strings.HasPrefix(e164, "+49")]
		return strings.HasSuffix(e164, all) ||
			from != "" && (strings.HasPrefix(e164[1:], from) || strings.HasPrefix(strings.TrimPrefix(e164, country), from))
	})
}

func (n *naive) mailed(typed string, c row) bool {
	return slices.ContainsFunc(n.reached("email_address", "address_key", c), func(address string) bool {
		box := strings.Index(address, "@")
		for i := range address[:box] {
			if (i == 0 || strings.ContainsRune("._-+", rune(address[i-1]))) && strings.HasPrefix(address[i:], typed) {
				return true
			}
		}
		return false
	})
}

func (n *naive) setupTasks(c row) []string {
	tasks := []string{}
	of := func(table string, holds func(row) bool) bool {
		return len(n.rows(table, n.account, func(r row) bool { return r["customer_id"] == c.id() && holds(r) })) > 0
	}
	if c["kind"] == "COMPANY" && !of("contact", func(r row) bool { return r["archived_at"] == nil }) {
		tasks = append(tasks, "ADD_CONTACT")
	}
	for _, p := range []struct{ table, task string }{{"email_address", "ADD_EMAIL"}, {"phone_number", "ADD_PHONE"}, {"postal_address", "ADD_ADDRESS"}} {
		if !of(p.table, all) {
			tasks = append(tasks, p.task)
		}
	}
	for _, d := range n.rows("attribute_definition", n.account, func(d row) bool { return d["type"] == "FILE" && d["required"] == true && d["archived_at"] == nil }) {
		pairs := n.rows("attribute_definition_type", n.account, func(p row) bool { return p["definition_id"] == d.id() })
		if !n.filed(c.id(), d.id()) && (len(pairs) == 0 || slices.ContainsFunc(pairs, func(p row) bool { return p["type_id"] == c["type_id"] })) {
			return append(tasks, "ADD_DOCUMENT")
		}
	}
	return tasks
}

func (n *naive) emailFor(t thing, purpose any) any {
	list := n.points("email_address", t).([]any)
	for _, e := range list {
		if slices.Contains(e.(thing).row["purposes"].([]string), purpose.(string)) {
			return e
		}
	}
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

func (n *naive) reachable(table, column, value string, customer row) bool {
	return len(n.rows(table, n.account, func(p row) bool {
		if p["customer_id"] != customer.id() || p[column] != value {
			return false
		}
		contact, ok := p["contact_id"].(uuid.UUID)
		return !ok || n.byID[contact]["archived_at"] == nil
	})) > 0
}

func idListed(where any, name, prefix string, id any) bool {
	if id == nil {
		_, given := field(where, name)
		return !given
	}
	return listed(where, name, typeid.Format(prefix, id.(uuid.UUID)))
}
