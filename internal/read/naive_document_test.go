package read_test

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fold"
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

// documents are those of rows that hold, in a list.
func (n *naive) documents(list string, args map[string]any, holds func(row) bool) any {
	rows := n.rows("document", n.account, func(r row) bool { return holds(r) && n.documentMatches(args["where"], r) })
	name, desc := "CREATED_AT", true
	if args["orderBy"] != nil {
		if by, ok := field(args["orderBy"], "field"); ok {
			name = by.(string)
		}
		if dir, ok := field(args["orderBy"], "direction"); ok {
			desc = dir == "DESC"
		}
	}
	key := strings.ToLower(name)
	rows = slices.DeleteFunc(rows, func(r row) bool { return r[key] == nil })
	return n.connection("Document", list+"/"+name, rows, []string{key, "id"}, desc, args)
}

func (n *naive) documentMatches(where any, r row) bool {
	if _, given := field(where, "status"); !given && r["status"] == "ARCHIVED" {
		return false
	}
	for name, column := range map[string]string{"status": "status", "source": "source", "kind": "kind", "purpose": "purpose", "visibility": "visibility"} {
		if !listed(where, name, r[column]) {
			return false
		}
	}
	if !inRange(where, "createdAt", r["created_at"]) || !inRange(where, "updatedAt", r["updated_at"]) ||
		!inDays(where, "expiresOn", r["expires_on"]) || !inDays(where, "retentionUntil", r["retention_until"]) {
		return false
	}
	if !listed(where, "areaKey", n.area(r).fields["key"]()) {
		return false
	}
	version := n.byID[r["current_version_id"].(uuid.UUID)]
	if list, given := field(where, "contentType"); given && !slices.ContainsFunc(listOf(list), func(want any) bool {
		is, _ := path.Match(strings.ToLower(want.(string)), version["content_type"].(string))
		return is && want != "*/*"
	}) {
		return false
	}
	if list, given := field(where, "tags"); given && !slices.ContainsFunc(listOf(list), func(want any) bool {
		return slices.Contains(r["tags"].([]string), want.(string))
	}) {
		return false
	}
	if text, given := field(where, "text"); given && !slices.ContainsFunc([]any{r["title"], r["description"], version["file_name"]}, func(v any) bool {
		return strings.Contains(fold.Text(orEmpty(v)), fold.Text(text.(string)))
	}) {
		return false
	}
	text, given := field(where, "titleContains")
	return !given || strings.Contains(strings.ToLower(r["title"].(string)), strings.ToLower(text.(string)))
}

func inDays(where any, name string, v any) bool {
	days, given := field(where, name)
	if !given {
		return true
	}
	from, isFrom := field(days, "from")
	to, isTo := field(days, "to")
	if !isFrom && !isTo {
		return true
	}
	on, ok := dateText(v).(string)
	return ok && (!isFrom || on >= from.(string)) && (!isTo || on <= to.(string))
}

// area is where a document is filed.
func (n *naive) area(r row) thing {
	d := n.byID[asID(r["area_id"])]
	most := n.byID[n.account]["max_file_bytes"].(int64)
	if d == nil {
		d = row{"key": "general", "label": "General documents", "accept": []string{}, "required": false, "customer_visible": false}
	} else if own, ok := d["max_file_bytes"].(int64); ok {
		most = min(most, own)
	}
	fields := map[string]func() any{"definition": func() any { return n.thing("attribute_definition", r["area_id"]) }}
	for _, name := range []string{"key", "label", "accept", "maxFiles", "required", "customerVisible", "archivedAt"} {
		fields[name] = func() any { return d[snake(name)] }
	}
	fields["maxFileBytes"] = func() any { return most }
	return thing{typeName: "DocumentArea", fields: fields}
}

func asID(v any) uuid.UUID {
	id, _ := v.(uuid.UUID)
	return id
}

// filed says whether a customer has a document in an area that was not archived.
func (n *naive) filed(customer, area uuid.UUID) bool {
	return len(n.rows("document", n.account, func(r row) bool {
		return r["customer_id"] == customer && r["area_id"] == area && r["status"] != "ARCHIVED"
	})) > 0
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
	return "https://previews.test/" + size + "/" + n.staff.String() + "/" + n.account.String() + "/" + r.id().String()
}
