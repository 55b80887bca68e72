package read_test

import (
	"strings"
	"time"

	"dossier/internal/typeid"
)

func (n *naive) events(args map[string]any) any {
	list := n.rows("event", n.account, func(r row) bool {
		if id, ok := args["customerId"].(string); ok {
			_, u, _ := typeid.Parse(id)
			if r["customer_id"] != u {
				return false
			}
		}
		return listed(args, "types", r["type"])
	})
	return n.connection("Event", "log", list, []string{"seq"}, false, args)
}

func (n *naive) documents(c row, args map[string]any) any {
	list := n.rows("document", n.account, func(r row) bool {
		if r["customer_id"] != c.id() || !listed(args["where"], "source", r["source"]) || !inRange(args["where"], "createdAt", r["created_at"]) {
			return false
		}
		if _, given := field(args["where"], "status"); !given && r["status"] == "ARCHIVED" || !listed(args["where"], "status", r["status"]) {
			return false
		}
		text, given := field(args["where"], "titleContains")
		return !given || strings.Contains(strings.ToLower(r["title"].(string)), strings.ToLower(text.(string)))
	})
	keys, name, desc := []string{"created_at", "id"}, "CREATED_AT", true
	if args["orderBy"] != nil {
		if by, ok := field(args["orderBy"], "field"); ok && by == "TITLE" {
			keys, name = []string{"title", "id"}, "TITLE"
		}
		if dir, ok := field(args["orderBy"], "direction"); ok {
			desc = dir == "DESC"
		}
	}
	return n.connection("Document", "Customer.documents/"+name, list, keys, desc, args)
}

func (n *naive) timeline(c row, args map[string]any) any {
	upcoming := args["direction"] == "UPCOMING"
	list := n.rows("timeline_entry", n.account, func(r row) bool {
		return r["customer_id"] == c.id() && r["at"].(time.Time).After(testNow) == upcoming && listed(args, "kinds", r["kind"])
	})
	name := "PAST"
	if upcoming {
		name = "UPCOMING"
	}
	return n.connection("Timeline", "Customer.timeline/"+name, list, []string{"at", "id"}, !upcoming, args)
}

// scanStatus is a table of what a version's state, its time and its problem say together.
func scanStatus(r row) any {
	switch r["state"] {
	case "QUARANTINED":
		return "INFECTED"
	case "STORED":
		if r["scan_problem"] != nil {
			return "FAILED"
		}
		return "PENDING"
	default:
		if r["scanned_at"] != nil {
			return "CLEAN"
		}
		return "NOT_SCANNED"
	}
}

func (n *naive) previewURL(field string, r row) any {
	if r["state"] != "AVAILABLE" || r["preview_state"] != "READY" {
		return nil
	}
	size := map[string]string{"previewUrl": "PREVIEW", "thumbnailUrl": "THUMBNAIL"}[field]
	return "https://previews.test/" + size + "/" + n.account.String() + "/" + r.id().String()
}
