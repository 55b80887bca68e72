package read

import "dossier/internal/typeid"

// listNoun is an item of a list that the account edits; label is what the SDL calls the column of that name.
func listNoun(name, table, prefix, label string, more ...field) *noun {
	return &noun{name: name, table: table, prefix: prefix, id: "id", account: "account_id", fields: append([]field{
		id(),
		integer("version", "version"),
		text("key", "key"),
		text(label, "label"),
		integer("position", "position"),
		instant("createdAt", "created_at"),
		instant("updatedAt", "updated_at"),
		instant("archivedAt", "archived_at"),
	}, more...)}
}

func customerTypeNoun() *noun {
	return listNoun("CustomerType", "customer_type", typeid.CustomerType, "label")
}

func customerOriginNoun() *noun {
	return listNoun("CustomerOrigin", "customer_origin", typeid.CustomerOrigin, "label")
}

func officeNoun() *noun {
	return listNoun("Office", "office", typeid.Office, "name", text("timeZone", "time_zone"))
}

func serviceNoun() *noun {
	return listNoun("Service", "service", typeid.Service, "name", integer("durationMinutes", "duration_minutes"))
}

// listRoot is a list in the order of the account.
func listRoot(nounName string) connection {
	return connection{
		noun: nounName, arguments: []string{"where"}, filter: listWhere,
		orders: func(arguments) order { return ascending("POSITION", intKey("position"), idKey()) },
	}
}

// staffRoot is the staff by name.
func staffRoot() connection {
	return connection{
		noun: "StaffUser", arguments: []string{"where"}, filter: listWhere,
		orders: func(arguments) order { return ascending("NAME", textKey("sort_name"), idKey()) },
	}
}

// listWhere leaves out what was archived unless it is asked for.
func listWhere(f *filter) error {
	where, ok := f.input("where")
	if !ok || !where.has("archived") {
		f.add(raw("{t}.archived_at IS NULL"))
		return nil
	}
	f.add(where.isSet("archived", "archived_at"))
	return f.err
}
