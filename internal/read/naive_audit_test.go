package read_test

import (
	"slices"

	"github.com/google/uuid"

	"dossier/internal/typeid"
)

// subjectTables are the tables of what records can be about.
var subjectTables = map[string]string{
	"Customer": "customer", "Contact": "contact", "Document": "document", "DocumentVersion": "document_version", "TimelineEntry": "timeline_entry",
	"Note": "note", "Job": "job", "Account": "account", "StaffUser": "staff_user", "ApiKey": "api_key",
	"AttributeDefinition": "attribute_definition", "CustomerType": "customer_type", "CustomerOrigin": "customer_origin", "Office": "office",
	"Service": "service",
}

func (n *naive) auditTrail(list string, holds func(row) bool, args map[string]any) any {
	rows := n.rows("audit_record", n.account, func(r row) bool {
		if outcome, given := field(args["where"], "outcome"); given && outcome != r["outcome"] {
			return false
		}
		if actor, given := field(args["where"], "actorId"); given {
			kind := map[any]string{"STAFF": "usr", "API_KEY": "key"}[r["created_by_kind"]]
			if kind == "" || actor != typeid.Format(kind, r["created_by_id"].(uuid.UUID)) {
				return false
			}
		}
		return holds(r) && listed(args["where"], "actions", r["action"]) && inRange(args["where"], "createdAt", r["created_at"])
	})
	return n.connection("AuditRecord", list, rows, []string{"created_at", "id"}, true, args)
}

func (n *naive) audited(r row, name string, args map[string]any) any {
	switch name {
	case "auditTrail":
		return n.auditTrail("Customer.auditTrail", func(a row) bool { return a["customer_id"] == r["id"] }, args)
	case "documentsZipUrl":
		return "https://archives.test/" + n.staff.String() + "/" + n.account.String() + "/" + r.id().String()
	case "at":
		return r["created_at"]
	default:
		return n.auditSubject(r, name)
	}
}

func (n *naive) auditSubject(r row, name string) any {
	typeName, _ := r["subject_type"].(string)
	if name == "subject" {
		return n.thing(subjectTables[typeName], r["subject_id"])
	}
	if subjectTables[typeName] == "" {
		return nil
	}
	return typeid.Format(typePrefixes[typeName], r["subject_id"].(uuid.UUID))
}

func (g *generator) auditWhere() any {
	where := map[string]any{}
	for range g.n(3) {
		switch g.n(4) {
		case 0:
			where["actions"] = oneFrom(g, []any{}, []any{"CUSTOMER_CREATED"}, []any{"OFFICE_UPDATED", "Mutation.customerCreate", "NONE"})
		case 1:
			where["outcome"] = oneFrom(g, "DONE", "DENIED")
		case 2:
			where["createdAt"] = g.timeFilter()
		case 3:
			who := oneFrom(g, [2]string{"usr", "staff_user"}, [2]string{"key", "api_key"})
			where["actorId"] = typeid.Format(who[0], oneFrom(g, g.world.tables[who[1]]...).id())
		}
	}
	return where
}

// audit are records about anything, that may be gone, and about nothing.
func (m *maker) audit(account uuid.UUID) {
	var types []string
	for name := range subjectTables {
		types = append(types, name)
	}
	slices.Sort(types)
	for range 60 {
		typeName := pick(m, types...)
		r := m.actor(row{
			"account_id": account, "action": pick(m, "CUSTOMER_CREATED", "OFFICE_UPDATED", "DOCUMENT_DOWNLOADED", "Mutation.customerCreate"),
			"outcome": pick(m, "DONE", "DONE", "DENIED"), "customer_id": m.maybe(m.of("customer", account)),
			"subject_type": typeName, "subject_id": m.of(subjectTables[typeName], account),
			"changed_fields": pick(m, []string{}, []string{"givenName", "phones"}), "request_id": m.maybe("c0ffee"),
			"client_address": m.maybe("2001:db8::1"), "times": int64(m.rand.IntN(3) + 1), "created_at": m.at(),
		}, account)
		switch m.rand.IntN(6) {
		case 0:
			r["subject_type"], r["subject_id"] = nil, nil
		case 1:
			r["subject_type"], r["subject_id"] = "FieldPolicy", m.id()
		case 2:
			r["subject_id"] = m.id()
		}
		if r["subject_type"] == "Account" { // never gone, never another
			r["subject_id"] = account
		}
		m.put("audit_record", r)
	}
}
