package read_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/typeid"
)

// naive evaluates a query field by field over the rows in memory, as the specification describes execution. It shares no
// code with the engine.
type naive struct {
	*world
	schema  *ast.Schema
	account uuid.UUID
	staff   uuid.UUID
	vars    map[string]any
	// cursors maps the cursors that the engine gave out to the rows that they are of.
	cursors map[string]place
}

// place is what a cursor stands for.
type place struct {
	list string
	row  uuid.UUID
}

// thing is an object with its type. row is nil for objects that are no row.
type thing struct {
	typeName string
	row      row
	fields   map[string]func() any
}

// pair is one field of an answer; answers keep the order of their fields.
type pair struct {
	key   string
	value any
}

var tableTypes = map[string]string{
	"account": "Account", "staff_user": "StaffUser", "api_key": "ApiKey", "customer": "Customer", "contact": "Contact",
	"email_address": "EmailAddress", "phone_number": "PhoneNumber", "postal_address": "PostalAddress", "document": "Document",
	"document_version": "DocumentVersion", "timeline_entry": "TimelineEntry", "event": "Event",
	"customer_type": "CustomerType", "customer_origin": "CustomerOrigin", "office": "Office", "service": "Service",
	"job": "Job", "job_row_error": "JobRowError",
	"customer_merge":       "CustomerMerge",
	"attribute_definition": "AttributeDefinition", "attribute_option": "AttributeOption",
	"note": "Note", "customer_image": "Image", "audit_record": "AuditRecord",
}

var typePrefixes = map[string]string{
	"Account": "acc", "StaffUser": "usr", "ApiKey": "key", "Customer": "cus", "Contact": "con", "EmailAddress": "eml", "PhoneNumber": "phn",
	"PostalAddress": "adr", "Document": "doc", "DocumentVersion": "dov", "TimelineEntry": "tle", "Event": "evt",
	"CustomerType": "cty", "CustomerOrigin": "cor", "Office": "off", "Service": "srv",
	"Job": "job", "CustomerMerge": "mrg",
	"AttributeDefinition": "atd", "AttributeOption": "ato",
	"Note": "not", "Image": "img", "AuditRecord": "aud",
}

func (n *naive) answer(op *ast.OperationDefinition) any {
	return n.object(thing{typeName: "Query"}, []ast.SelectionSet{op.SelectionSet})
}

func (n *naive) object(t thing, sets []ast.SelectionSet) []pair {
	var keys []string
	fields := map[string][]*ast.Field{}
	var walk func(set ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if n.on(s.Directives) {
					if fields[s.Alias] == nil {
						keys = append(keys, s.Alias)
					}
					fields[s.Alias] = append(fields[s.Alias], s)
				}
			case *ast.InlineFragment:
				if n.on(s.Directives) && n.is(t.typeName, s.TypeCondition) {
					walk(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				if n.on(s.Directives) && n.is(t.typeName, s.Definition.TypeCondition) {
					walk(s.Definition.SelectionSet)
				}
			}
		}
	}
	for _, set := range sets {
		walk(set)
	}
	out := []pair{}
	for _, key := range keys {
		f := fields[key][0]
		var below []ast.SelectionSet
		for _, f := range fields[key] {
			below = append(below, f.SelectionSet)
		}
		if f.Name == "__typename" {
			out = append(out, pair{key, t.typeName})
			continue
		}
		out = append(out, pair{key, n.complete(n.resolve(t, f.Name, f.ArgumentMap(n.vars)), below)})
	}
	return out
}

func (n *naive) on(directives ast.DirectiveList) bool {
	for _, d := range directives {
		v := d.ArgumentMap(n.vars)["if"].(bool)
		if d.Name == "skip" && v || d.Name == "include" && !v {
			return false
		}
	}
	return true
}

func (n *naive) is(typeName, condition string) bool {
	if condition == "" || condition == typeName {
		return true
	}
	for _, t := range n.schema.PossibleTypes[condition] {
		if t.Name == typeName {
			return true
		}
	}
	return false
}

func (n *naive) complete(v any, below []ast.SelectionSet) any {
	switch v := v.(type) {
	case thing:
		return n.object(v, below)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = n.complete(v[i], below)
		}
		return out
	case time.Time:
		return v.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case int64:
		return strconv.FormatInt(v, 10) + "#" // a number
	case int:
		return strconv.Itoa(v) + "#"
	}
	return v
}

func (n *naive) resolve(t thing, name string, args map[string]any) any {
	switch {
	case t.typeName == "FileAttributeValue" && name == "documents":
		return n.documents("FileAttributeValue.documents", args, func(d row) bool {
			return d["customer_id"] == t.row["customer_id"] && d["area_id"] == t.row["definition_id"]
		})
	case t.fields != nil:
		return t.fields[name]()
	case t.typeName == "Query":
		return n.query(name, args)
	}
	r := t.row
	if t.typeName == "Job" || t.typeName == "JobRowError" {
		if v, ok := n.job(r, name, args); ok {
			return v
		}
	}
	switch t.typeName + "." + name {
	case "Account.storage":
		return n.storage()
	case "Account.limits":
		return thing{typeName: "AccountLimits", fields: map[string]func() any{
			"maxFileBytes": func() any { return r["max_file_bytes"] }, "maxFilesPerRequest": func() any { return 64 },
			"eventRetentionDays": func() any { return 7 }, "maxPageSize": func() any { return 100 }, "maxQueryDepth": func() any { return 50 },
		}}
	case "Account.staffUsers":
		return n.connection("StaffUser", "Account.staffUsers", n.rows("staff_user", n.account, all), []string{"sort_name", "id"}, false, args)
	case "Account.apiKeys":
		return n.connection("ApiKey", "Account.apiKeys", n.rows("api_key", n.account, all), []string{"created_at", "id"}, true, args)
	case "Office.name", "Service.name":
		return r["label"]
	case "ApiKey.displayName":
		return r["name"]
	case "Customer.emails", "Contact.emails":
		return n.points("email_address", t)
	case "Customer.phones", "Contact.phones":
		return n.points("phone_number", t)
	case "Customer.addresses", "Contact.addresses":
		return n.points("postal_address", t)
	case "Customer.contacts":
		return n.contacts(r, args)
	case "Customer.documents":
		return n.documents("Customer.documents", args, func(d row) bool { return d["customer_id"] == r.id() })
	case "Customer.timeline":
		return n.timeline(r, args)
	case "Customer.mergedInto":
		return n.thing("customer", r["merged_into_id"])
	case "Customer.mergedCustomers":
		list := n.rows("customer", n.account, func(c row) bool { return c["merged_into_id"] == r["id"] })
		return n.connection("Customer", "Customer.mergedCustomers", list, []string{"id"}, false, args)
	case "CustomerMerge.winner", "CustomerMerge.loser":
		return n.thing("customer", r[name+"_id"])
	case "CustomerMerge.moved":
		return thing{typeName: "CustomerMergeCounts", row: r}
	case "CustomerMerge.mergedAt":
		return r["created_at"]
	case "CustomerMerge.undoneBy":
		return n.thing(map[any]string{"STAFF": "staff_user", "API_KEY": "api_key"}[r["undone_by_kind"]], r["undone_by_id"])
	case "Customer.notes":
		return n.notes(r, args)
	case "Note.editedBy":
		return n.thing(map[any]string{"STAFF": "staff_user", "API_KEY": "api_key"}[r["edited_by_kind"]], r["edited_by_id"])
	case "Customer.image":
		return n.thing("customer_image", r["image_id"])
	case "Image.url", "Image.previewUrl", "Image.thumbnailUrl":
		return n.imageURL(name, r)
	case "DocumentVersion.scanStatus":
		return scanStatus(r)
	case "DocumentVersion.previewUrl", "DocumentVersion.thumbnailUrl":
		return n.previewURL(name, r)
	case "Customer.viewerPermissions":
		if r["status"] == "MERGED" {
			return []string{}
		}
		if r["status"] == "ARCHIVED" {
			return []string{"UPDATE", "RESTORE", "UPLOAD_DOCUMENT", "ADD_TIMELINE_ENTRY", "ADD_NOTE"}
		}
		return []string{"UPDATE", "ARCHIVE", "UPLOAD_DOCUMENT", "ADD_TIMELINE_ENTRY", "ADD_NOTE"}
	case "Customer.attributes":
		return n.attributes(r, args)
	case "AttributeDefinition.options", "AttributeDefinition.customerTypes", "AttributeDefinition.validation":
		return n.definition(r, name)
	case "Customer.setupTasks":
		return n.setupTasks(r)
	case "Customer.emailFor":
		return n.emailFor(t, args["purpose"])
	case "Customer.salesperson":
		return n.thing("staff_user", r["salesperson_id"])
	case "Customer.type":
		return n.thing("customer_type", r["type_id"])
	case "Customer.origin":
		return n.thing("customer_origin", r["origin_id"])
	case "Customer.preferredOffice":
		return n.thing("office", r["preferred_office_id"])
	case "Customer.preferredStaff":
		return n.thing("staff_user", r["preferred_staff_id"])
	case "Customer.representative":
		if r["representative_id"] != nil {
			return n.thing("staff_user", r["representative_id"])
		}
		return n.thing("staff_user", r["salesperson_id"])
	case "Customer.representativeIsDefault":
		return r["representative_id"] == nil
	case "Contact.isPrimary":
		return !r["secondary"].(bool)
	case "EmailAddress.isPrimary", "PhoneNumber.isPrimary", "PostalAddress.isPrimary":
		return r["position"] == int64(0)
	case "Document.expiresOn", "Document.retentionUntil":
		return dateText(r[snake(name)])
	case "Document.area":
		return n.area(r)
	case "Document.currentVersion":
		return n.thing("document_version", r["current_version_id"])
	case "Document.versions":
		list := n.rows("document_version", n.account, func(v row) bool { return v["document_id"] == r["id"] })
		return n.connection("DocumentVersion", "Document.versions", list, []string{"number"}, true, args)
	case "DocumentVersion.document":
		return n.thing("document", r["document_id"])
	case "DocumentVersion.sha256":
		return hex.EncodeToString(r["sha256"].([]byte))
	case "DocumentVersion.downloadUrl":
		if r["state"] != "AVAILABLE" {
			return nil
		}
		return "https://files.test/" + n.staff.String() + "/" + n.account.String() + "/" + r.id().String() + "?a=1&b=\""
	case "Customer.auditTrail", "Customer.documentsZipUrl", "AuditRecord.subject", "AuditRecord.subjectId", "AuditRecord.at":
		return n.audited(r, name, args)
	case "Event.cursor":
		return place{"log", r.id()}
	case "Event.at":
		return r["created_at"]
	}
	switch name {
	case "id":
		return typeid.Format(typePrefixes[t.typeName], r.id())
	case "customer":
		return n.thing("customer", r["customer_id"])
	case "createdBy", "actor", "mergedBy", "author":
		return n.thing(map[any]string{"STAFF": "staff_user", "API_KEY": "api_key"}[r["created_by_kind"]], r["created_by_id"])
	case "subject":
		table := map[any]string{
			"Customer": "customer", "Contact": "contact", "Document": "document", "TimelineEntry": "timeline_entry", "Account": "account",
			"AttributeDefinition": "attribute_definition", "Job": "job", "Note": "note",
		}[r["subject_type"]]
		return n.thing(table, r["subject_id"])
	}
	v, ok := r[snake(name)]
	if !ok {
		panic("naive: no " + t.typeName + "." + name)
	}
	return v
}

func snake(name string) string {
	if name == "e164" {
		return name
	}
	var b strings.Builder
	for _, c := range name {
		if c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}

func all(row) bool { return true }

func (n *naive) thing(table string, id any) any {
	u, ok := id.(uuid.UUID)
	if r := n.byID[u]; ok && r != nil && n.tableOf[u] == table && (r["account_id"] == n.account || u == n.account) {
		return thing{typeName: tableTypes[table], row: r}
	}
	return nil
}

func (n *naive) storage() any {
	r := n.rows("storage_usage", n.account, all)[0]
	value := func(column string) func() any { return func() any { return r[column] } }
	return thing{typeName: "StorageUsage", fields: map[string]func() any{
		"usedBytes": value("used_bytes"), "reservedBytes": value("reserved_bytes"), "limitBytes": value("limit_bytes"), "warnedPercent": value("warned_percent"),
		"availableBytes": func() any {
			return max(0, r["limit_bytes"].(int64)-r["used_bytes"].(int64)-r["reserved_bytes"].(int64))
		},
		"maxFileBytes": func() any { return n.byID[n.account]["max_file_bytes"] },
	}}
}

func (n *naive) query(name string, args map[string]any) any {
	switch name {
	case "viewer":
		return thing{typeName: "Viewer", fields: map[string]func() any{
			"actor":   func() any { return n.thing("staff_user", n.staff) },
			"account": func() any { return n.thing("account", n.account) },
			"permissions": func() any {
				return []string{
					"account:read", "account:admin", "staff:read", "customers:read", "customers:write", "documents:read", "documents:write",
					"documents:delete",
					"timeline:read", "timeline:write", "events:read", "jobs:read", "jobs:write", "customers:import", "customers:export",
					"notes:read", "notes:write", "audit:read",
				}
			},
		}}
	case "account":
		return n.thing("account", n.account)
	case "storage":
		return n.storage()
	case "customerTypes", "customerOrigins", "offices", "services", "staffUsers":
		return n.list(name, args)
	case "fieldPolicy":
		return n.fieldPolicy(args)
	case "node":
		return n.node(args["id"])
	case "customer", "document", "job":
		if t, ok := n.node(args["id"]).(thing); ok && strings.EqualFold(t.typeName, name) {
			return t
		}
		return nil
	case "nodes":
		out := []any{}
		for _, id := range listOf(args["ids"]) {
			out = append(out, n.node(id))
		}
		return out
	case "customers":
		return n.customers(args)
	case "documents":
		return n.documents("Query.documents", args, all)
	case "customerByExternalId":
		list := n.rows("customer", n.account, func(r row) bool { return r["external_id"] == args["externalId"] })
		if len(list) == 0 {
			return nil
		}
		return n.itself(thing{typeName: "Customer", row: list[0]})
	case "customerMerges":
		list := n.rows("customer_merge", n.account, func(r row) bool {
			id, ok := args["customerId"].(string)
			return !ok || id == typeid.Format("cus", r["winner_id"].(uuid.UUID)) || id == typeid.Format("cus", r["loser_id"].(uuid.UUID))
		})
		return n.connection("CustomerMerge", "Query.customerMerges", list, []string{"created_at", "id"}, true, args)
	case "events":
		return n.events(args)
	case "jobs":
		return n.jobs(args)
	case "auditTrail":
		return n.auditTrail("auditTrail", all, args)
	case "attributeDefinitions":
		return n.attributeDefinitions(args)
	case "customerStats":
		return n.customerStats(args)
	}
	panic("naive: no Query." + name)
}

func (n *naive) node(id any) any {
	prefix, u, err := typeid.Parse(id.(string))
	if err != nil || typePrefixes[tableTypes[n.tableOf[u]]] != prefix {
		return nil
	}
	return n.itself(n.thing(n.tableOf[u], u))
}

// itself is the row that answers for one that was asked for.
func (n *naive) itself(v any) any {
	if t, ok := v.(thing); ok && t.typeName == "Customer" && t.row["merged_into_id"] != nil {
		return n.thing("customer", t.row["merged_into_id"])
	}
	return v
}

func (n *naive) points(table string, t thing) any {
	list := n.rows(table, n.account, func(r row) bool {
		if t.typeName == "Customer" {
			return r["customer_id"] == t.row.id() && r["contact_id"] == nil
		}
		return r["contact_id"] == t.row.id()
	})
	slices.SortFunc(list, func(a, b row) int { return compareRows(a, b, []string{"position", "id"}) })
	return things(tableTypes[table], list)
}

func things(typeName string, list []row) []any {
	out := make([]any, len(list))
	for i, r := range list {
		out[i] = thing{typeName: typeName, row: r}
	}
	return out
}

// field gives a member of an input object that is given and not null.
func field(object any, name string) (any, bool) {
	m, _ := object.(map[string]any)
	v := m[name]
	return v, v != nil
}

func listOf(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case []map[string]any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	}
	return []any{v}
}

func listed(object any, name string, v any) bool {
	list, given := field(object, name)
	return !given || slices.Contains(listOf(list), v)
}

func inRange(object any, name string, v any) bool {
	filter, given := field(object, name)
	if !given {
		return true
	}
	at := v.(time.Time)
	if s, ok := field(filter, "gte"); ok && at.Before(parseTime(s)) {
		return false
	}
	s, ok := field(filter, "lt")
	return !ok || at.Before(parseTime(s))
}

func parseTime(v any) time.Time {
	t, err := time.Parse(time.RFC3339, v.(string))
	if err != nil {
		panic(err)
	}
	return t
}

// connection pages a list as the specification of Relay says.
func (n *naive) connection(typeName, list string, rows []row, keys []string, desc bool, args map[string]any) any {
	if list != "log" {
		list += fmt.Sprint("/", desc)
	}
	order := func(a, b row) int {
		if desc {
			return compareRows(b, a, keys)
		}
		return compareRows(a, b, keys)
	}
	slices.SortFunc(rows, order)
	total := len(rows)
	bound := func(name string, keep func(c int) bool) bool {
		s, ok := args[name].(string)
		if !ok {
			return false
		}
		at, known := n.cursors[s]
		if !known || at.list != list {
			panic("naive: a cursor of another list: " + name)
		}
		rows = slices.DeleteFunc(rows, func(r row) bool { return !keep(order(r, n.byID[at.row])) })
		return true
	}
	after := bound("after", func(c int) bool { return c > 0 })
	before := bound("before", func(c int) bool { return c < 0 })
	next, previous := before, after
	if last, ok := number(args["last"]); ok {
		if len(rows) > last {
			rows, previous = rows[len(rows)-last:], true
		}
	} else {
		first, ok := number(args["first"])
		if !ok {
			first = 25
		}
		if len(rows) > first {
			rows, next = rows[:first], true
		}
	}
	return n.page(typeName, list, rows, total, next, previous)
}

func number(v any) (int, bool) {
	switch v := v.(type) {
	case int64:
		return int(v), true
	case int:
		return v, true
	}
	return 0, false
}

func (n *naive) page(typeName, list string, rows []row, total int, next, previous bool) any {
	node := typeName
	if node == "Timeline" {
		node = "TimelineEntry"
	}
	cursor := func(i int) any { return place{list, rows[i].id()} }
	end := func(i int) func() any {
		return func() any {
			if len(rows) == 0 {
				return nil
			}
			return cursor((i + len(rows)) % len(rows))
		}
	}
	return thing{typeName: typeName + "Connection", fields: map[string]func() any{
		"nodes":      func() any { return things(node, rows) },
		"totalCount": func() any { return total },
		"pageInfo": func() any {
			return thing{typeName: "PageInfo", fields: map[string]func() any{
				"hasNextPage": func() any { return next }, "hasPreviousPage": func() any { return previous },
				"startCursor": end(0), "endCursor": end(-1),
			}}
		},
		"edges": func() any {
			out := make([]any, len(rows))
			for i := range rows {
				out[i] = thing{typeName: typeName + "Edge", fields: map[string]func() any{
					"cursor": func() any { return cursor(i) },
					"node":   func() any { return thing{typeName: node, row: rows[i]} },
				}}
			}
			return out
		},
	}}
}
