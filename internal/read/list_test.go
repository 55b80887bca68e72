package read_test

import (
	"fmt"

	"github.com/google/uuid"

	"dossier/internal/fold"
)

// listTables are the tables of the lists that an account edits, by the field of Query.
var listTables = map[string]string{
	"customerTypes": "customer_type", "customerOrigins": "customer_origin", "offices": "office", "services": "service", "staffUsers": "staff_user",
}

// list is such a list, without what was archived unless it is asked for.
func (n *naive) list(name string, args map[string]any) any {
	table, keys := listTables[name], []string{"position", "id"}
	if table == "staff_user" {
		keys[0] = "sort_name"
	}
	archived, _ := field(args["where"], "archived")
	list := n.rows(table, n.account, func(r row) bool { return (r["archived_at"] != nil) == (archived == true) })
	return n.connection(tableTypes[table], "Query."+name, list, keys, false, args)
}

// list makes the items of a list, with ties in their positions.
func (m *maker) list(table string, account uuid.UUID) {
	for i := range 1 + m.rand.IntN(6) {
		name := m.name()
		r := row{
			"account_id": account, "version": int64(m.rand.IntN(5) + 1), "key": fmt.Sprint("item_", i), "label": name + fmt.Sprint(i),
			"label_key": fold.Text(name) + fmt.Sprint(i), "position": int64(m.rand.IntN(4)), "archived_at": pick[any](m, nil, nil, m.at()),
			"created_at": m.at(), "updated_at": m.at(),
		}
		switch table {
		case "office":
			r["time_zone"] = pick(m, "UTC", "Europe/Berlin")
		case "service":
			r["duration_minutes"] = m.maybe(int64(1 + m.rand.IntN(90)))
		}
		m.put(table, r)
	}
}

// fieldRules stand for what a use case gives to Render for a root field.
func fieldRules(channel string, typed bool) []map[string]any {
	return []map[string]any{
		{"field": "phones", "required": channel == "STAFF", "visible": true, "inherited": typed, "policyVersion": 3},
		{"field": "attributes.a\"b", "required": false, "visible": channel != "API", "inherited": !typed, "policyVersion": 3},
	}
}

func (n *naive) fieldPolicy(args map[string]any) any {
	list := []any{}
	for _, r := range fieldRules(args["channel"].(string), args["typeId"] != nil) {
		fields := map[string]func() any{}
		for name, v := range r {
			fields[name] = func() any { return v }
		}
		list = append(list, thing{typeName: "FieldRule", fields: fields})
	}
	return list
}
