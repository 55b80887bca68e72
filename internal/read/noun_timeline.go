package read

import (
	"encoding/binary"

	"dossier/internal/typeid"
)

func timelineNoun() *noun {
	return &noun{name: "TimelineEntry", table: "timeline_entry", prefix: typeid.TimelineEntry, id: "id", account: "account_id", fields: []field{
		id(),
		integer("version", "version"),
		one("customer", "Customer", "customer_id"),
		instant("at", "at"),
		plain("kind", "kind"),
		text("title", "title"),
		subject("subject"),
		actor("createdBy"),
		instant("createdAt", "created_at"),
	}}
}

// timelineFilter splits the timeline at the time of the operation, which is one for all its fields.
func timelineFilter(f *filter) error {
	if f.arguments.text("direction") == "UPCOMING" {
		f.add(f.now("{t}.at > "))
	} else {
		f.add(f.now("{t}.at <= "))
	}
	f.add(f.top().all(f.top().anyOf("kinds", "kind"))...)
	return f.err
}

func timelineOrder(a arguments) order {
	if a.text("direction") == "UPCOMING" {
		return ascending("UPCOMING", instantKey("at"), idKey())
	}
	return descending("PAST", instantKey("at"), idKey())
}

func eventNoun() *noun {
	return &noun{name: "Event", table: "event", prefix: typeid.Event, id: "id", account: "account_id", fields: []field{
		id(),
		big("seq", "seq"),
		compute("cursor", []string{"seq"}, func(e *environment, dst []byte, columns [][]byte) []byte {
			dst = append(dst, '"')
			dst = appendEventCursor(dst, e.account, int64(binary.BigEndian.Uint64(columns[0])))
			return append(dst, '"')
		}),
		plain("type", "type"),
		instant("at", "created_at"),
		actor("actor"),
		one("customer", "Customer", "customer_id"),
		subject("subject"),
		stringList("changedFields", "changed_fields"),
	}}
}

// eventsRoot is the replay of the log.
func eventsRoot() connection {
	return connection{
		noun: "Event", log: true,
		arguments: []string{"types", "customerId"},
		filter: func(f *filter) error {
			top := f.top()
			f.add(top.all(top.anyOf("types", "type"), top.id("customerId", "customer_id", typeid.Customer, noCustomer))...)
			return f.err
		},
		orders: func(arguments) order { return ascending("SEQ", bigKey("seq")) },
	}
}
