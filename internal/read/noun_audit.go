package read

import (
	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/typeid"
)

// auditSubjects are the types that records are about, with the prefixes of their ids.
var auditSubjects = []struct{ typeName, prefix string }{
	{"Customer", typeid.Customer},
	{"Contact", typeid.Contact},
	{"Document", typeid.Document},
	{"DocumentVersion", typeid.DocumentVersion},
	{"TimelineEntry", typeid.TimelineEntry},
	{"Note", typeid.Note},
	{"Job", typeid.Job},
	{"Account", typeid.Account},
	{"StaffUser", typeid.StaffUser},
	{"ApiKey", typeid.APIKey},
	{"AttributeDefinition", typeid.AttributeDefinition},
	{"CustomerType", typeid.CustomerType},
	{"CustomerOrigin", typeid.CustomerOrigin},
	{"Office", typeid.Office},
	{"Service", typeid.Service},
}

// auditNoun is a line of the audit trail. Its subject may be gone, so the id of it is shown too.
func auditNoun() *noun {
	about := toPoly{typeColumn: "subject_type", idColumn: "subject_id"}
	for _, s := range auditSubjects {
		about.types = append(about.types, polyType{s.typeName, s.typeName})
	}
	return &noun{name: "AuditRecord", table: "audit_record", prefix: typeid.AuditRecord, id: "id", account: "account_id", fields: []field{
		id(),
		instant("at", "created_at"),
		text("action", "action"),
		plain("outcome", "outcome"),
		integer("times", "times"),
		actor("actor"),
		one("customer", "Customer", "customer_id"),
		compute("subjectId", []string{"subject_type", "subject_id"}, subjectID),
		{name: "subject", poly: &about},
		stringList("changedFields", "changed_fields"),
		text("requestId", "request_id"),
		text("clientAddress", "client_address"),
	}}
}

// subjectID is the global id of what a record is about, null for what is no node.
func subjectID(_ *environment, dst []byte, columns [][]byte) []byte {
	for _, s := range auditSubjects {
		if columns[0] != nil && string(columns[0]) == s.typeName && len(columns[1]) == 16 {
			dst = append(dst, '"')
			return append(typeid.Append(dst, s.prefix, uuid.UUID(columns[1])), '"')
		}
	}
	return append(dst, "null"...)
}

// auditTrail is the records of the account, or those of one customer.
func auditTrail(foreignKey string) connection {
	return connection{
		noun: "AuditRecord", foreignKey: foreignKey,
		arguments: []string{"where"},
		filter: func(f *filter) error {
			if where, ok := f.input("where"); ok {
				f.add(where.all(
					where.texts("actions", "action"),
					where.one("outcome", "outcome"),
					where.between("createdAt", "created_at"),
					where.actor("actorId"),
				)...)
			}
			return f.err
		},
		orders: func(arguments) order { return descending("AT", instantKey("created_at"), idKey()) },
	}
}

// one: the column, an enumeration, has the value.
func (in input) one(name, column string) cond {
	if !in.has(name) {
		return nil
	}
	return compare(column+" = ", in.param(oidText, textOf(name, asItIs), name))
}

// actor: who did it is the person or key with the id.
func (in input) actor(name string) cond {
	if !in.has(name) {
		return nil
	}
	kinds := map[string]auth.Kind{typeid.StaffUser: auth.KindStaff, typeid.APIKey: auth.KindAPIKey}
	read := func(v any) (kind auth.Kind, id uuid.UUID, err error) {
		prefix, id, err := typeid.Parse(asText(v))
		if kind = kinds[prefix]; err != nil || kind == "" {
			return kind, id, fault.New(fault.BadUserInput, "%s takes the id of a StaffUser or ApiKey.", name)
		}
		return kind, id, nil
	}
	kind := in.param(oidText, func(_ *binding, v any) ([]byte, error) {
		kind, _, err := read(v)
		return []byte(kind), err
	}, name)
	id := in.param(oidUUID, func(_ *binding, v any) ([]byte, error) {
		_, id, err := read(v)
		return id[:], err
	}, name)
	return func(w *writer, t string) {
		compare("created_by_kind = ", kind)(w, t)
		w.text(" AND ")
		compare("created_by_id = ", id)(w, t)
	}
}
