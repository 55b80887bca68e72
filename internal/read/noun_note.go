package read

import "dossier/internal/typeid"

func noteNoun() *noun {
	return &noun{name: "Note", table: "note", prefix: typeid.Note, id: "id", account: "account_id", fields: []field{
		id(),
		integer("version", "version"),
		one("customer", "Customer", "customer_id"),
		text("body", "body"),
		boolean("pinned", "pinned"),
		actor("author"),
		instant("createdAt", "created_at"),
		instant("editedAt", "edited_at"),
		actorIn("editedBy", "edited_by_kind", "edited_by_id"),
		instant("updatedAt", "updated_at"),
	}}
}

// notesOfCustomer is pinned notes first, then the newest. All keys go down, because true is greater than false.
func notesOfCustomer() connection {
	return connection{
		noun: "Note", foreignKey: "customer_id",
		arguments: []string{"where"},
		filter: func(f *filter) error {
			if where, ok := f.input("where"); ok {
				f.add(where.all(where.is("pinned", "pinned"))...)
			}
			return f.err
		},
		orders: func(arguments) order {
			return descending("SHOWN", boolKey("pinned"), instantKey("created_at"), idKey())
		},
	}
}
