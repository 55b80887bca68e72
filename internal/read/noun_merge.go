package read

import "dossier/internal/typeid"

// mergeNoun is a merge of two customers. Both are shown as they are themselves: a customer that was merged is not
// redirected here.
func mergeNoun() *noun {
	return &noun{name: "CustomerMerge", table: "customer_merge", prefix: typeid.CustomerMerge, id: "id", account: "account_id", fields: []field{
		id(),
		one("winner", "Customer", "winner_id"),
		one("loser", "Customer", "loser_id"),
		embed("moved", "CustomerMergeCounts"),
		actor("mergedBy"),
		instant("mergedAt", "created_at"),
		actorIn("undoneBy", "undone_by_kind", "undone_by_id"),
		instant("undoneAt", "undone_at"),
	}}
}

func mergeCountsNoun() *noun {
	return &noun{name: "CustomerMergeCounts", table: "customer_merge", id: "id", account: "account_id", fields: []field{
		integer("emails", "emails"),
		integer("phones", "phones"),
		integer("addresses", "addresses"),
		integer("contacts", "contacts"),
		integer("documents", "documents"),
		integer("timelineEntries", "timeline_entries"),
	}}
}

// mergesRoot is the merges of the account, or those of one customer.
func mergesRoot() connection {
	return connection{
		noun: "CustomerMerge", arguments: []string{"customerId"},
		filter: func(f *filter) error {
			winner := f.top().id("customerId", "winner_id", typeid.Customer, noCustomer)
			loser := f.top().id("customerId", "loser_id", typeid.Customer, noCustomer)
			if winner != nil && loser != nil {
				f.add(oneOf([][]cond{{winner}, {loser}}))
			}
			return f.err
		},
		orders: func(arguments) order { return descending("MERGED_AT", instantKey("created_at"), idKey()) },
	}
}
