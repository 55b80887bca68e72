package read_test

import (
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
		return args["where"] == nil || n.matches(args["where"], r)
	})
	key, desc := "sort_name", false
	if args["orderBy"] != nil {
		if by, ok := field(args["orderBy"], "field"); ok {
			key = map[any]string{"DISPLAY_NAME": "sort_name", "CREATED_AT": "created_at", "UPDATED_AT": "updated_at"}[by]
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
