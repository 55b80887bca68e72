package read_test

import (
	"bytes"
	"fmt"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fold"
)

// areas are the keys of the areas that each account has: the last was archived.
var areas = []string{"contracts", "plans", "old_papers"}

// areas makes definitions of areas, which have no values.
func (m *maker) areas(account uuid.UUID) {
	for i, key := range areas {
		archived := any(nil)
		if i == 2 {
			archived = m.at()
		}
		d := m.put("attribute_definition", m.actor(row{
			"account_id": account, "version": int64(1), "key": key, "label": m.name(), "description": nil, "type": "FILE",
			"required": m.rand.IntN(3) > 0, "customer_visible": m.rand.IntN(2) == 0, "position": int64(m.rand.IntN(6)), "min_length": nil,
			"max_length": nil, "pattern": nil, "minimum": nil, "maximum": nil, "earliest_date": nil, "latest_date": nil, "earliest_time": nil,
			"latest_time": nil, "accept": pick(m, []string{}, []string{"IMAGE", "application/pdf"}), "max_files": m.maybe(int64(9)),
			"max_file_bytes": pick[any](m, nil, int64(1000), int64(1)<<40), "archived_at": archived, "created_at": m.at(), "updated_at": m.at(),
		}, account)).id()
		for _, t := range m.rows("customer_type", account, all) {
			if i == 1 && m.rand.IntN(2) == 0 {
				m.put("attribute_definition_type", row{"account_id": account, "definition_id": d, "type_id": t.id(), "created_at": m.at()})
			}
		}
	}
}

func (m *maker) document(account, customer uuid.UUID) {
	doc, versions := m.id(), 1+m.rand.IntN(3)
	var current row
	for i := range versions {
		current = m.put("document_version", m.actor(row{
			"account_id": account, "document_id": doc, "number": int64(i + 1), "file_name": m.name() + ".pdf",
			"content_type": pick(m, "application/pdf", "image/png", "image/jpeg", "text/plain"),
			"size_bytes":   int64(m.rand.IntN(1 << 40)), "sha256": bytes.Repeat([]byte{byte(m.rand.Uint32())}, 32), "crc32c": int64(1),
			"object_key": fmt.Sprint("o", m.n), "object_generation": int64(1), "state": pick(m, "STORED", "AVAILABLE", "AVAILABLE", "QUARANTINED"),
			"scanned_at": m.maybe(m.at()), "scan_signature": m.maybe(m.name()), "scan_problem": m.maybe(pick(m, "FILE_TOO_LARGE", "SCANNER_FAILED")),
			"preview_state": pick(m, "NONE", "PENDING", "READY", "READY", "IMPOSSIBLE"), "width": m.maybe(int64(640)), "height": m.maybe(int64(480)),
			"created_at": m.at(),
		}, account))
	}
	area := any(nil)
	if own := m.rows("attribute_definition", account, func(d row) bool { return d["type"] == "FILE" }); m.rand.IntN(3) > 0 {
		area = own[m.rand.IntN(len(own))].id()
	}
	title, description := m.name(), m.maybe(m.name())
	m.put("document", m.actor(row{
		"id": doc, "account_id": account, "customer_id": customer, "version": int64(1), "kind": pick(m, "UPLOAD", "UPLOAD", "GENERATED", "FORM"),
		"status": pick(m, "ACTIVE", "ACTIVE", "QUARANTINED", "ARCHIVED"), "source": pick(m, "STAFF", "CUSTOMER", "SYSTEM"), "title": title,
		"description": description, "area_id": area, "purpose": m.maybe(pick(m, "OPERATIONAL", "LEGAL", "ADMINISTRATIVE")),
		"visibility": pick(m, "STAFF_ONLY", "CUSTOMER"), "tags": pick(m, []string{}, []string{"a"}, []string{"b\"", "Ünal"}, []string{"a", "c"}),
		"expires_on": m.maybe(m.leapDay()), "retention_until": m.maybe(m.leapDay()), "current_version_id": current.id(),
		"search_key":  fold.Text(title) + "\n" + fold.Text(orEmpty(description)) + "\n" + fold.Text(current["file_name"].(string)),
		"archived_at": m.maybe(m.at()), "created_at": m.at(), "updated_at": m.at(),
	}, account))
}

func (m *maker) leapDay() time.Time {
	return time.Date(2024+m.rand.IntN(5), 2, 27+m.rand.IntN(3), 0, 0, 0, 0, time.UTC)
}

// documentOrder draws an order of documents and gives the name of the list that cursors are of.
func (g *generator) documentOrder(out map[string]any, names ...string) string {
	name, desc := "CREATED_AT", true
	if g.chance(60) {
		by := map[string]any{}
		if g.chance(70) {
			name = oneFrom(g, names...)
			by["field"] = name
		}
		if g.chance(60) {
			by["direction"] = oneFrom(g, "ASC", "DESC")
			desc = by["direction"] == "DESC"
		}
		out["orderBy"] = by
	}
	return name + "/" + fmt.Sprint(desc)
}

func (g *generator) documentWhere() any {
	where := map[string]any{}
	for range g.n(4) {
		switch g.n(13) {
		case 0:
			where["status"] = g.enums("DocumentStatus")
		case 1:
			where["source"] = g.enums("DocumentSource")
		case 2:
			where["titleContains"] = oneFrom(g, "A", "%", "_", "\\", "ö", "ü", "zoë", "")
		case 3:
			where[oneFrom(g, "createdAt", "updatedAt")] = g.timeFilter()
		case 4:
			where["kind"] = g.enums("DocumentKind")
		case 5, 6:
			where["areaKey"] = g.some(append([]string{"general", "none"}, areas...))
		case 7:
			where["purpose"] = g.enums("DocumentPurpose")
		case 8:
			where["visibility"] = g.enums("Visibility")
		case 9:
			where["contentType"] = g.some([]string{"application/pdf", "image/*", "IMAGE/PNG", "text/*", "*/*"})
		case 10:
			where["tags"] = g.some([]string{"a", "b\"", "Ünal", "unal", "%"})
		case 11:
			where["text"] = oneFrom(g, "ADA", "zoe", "straße.P", " pdf ", "100%", "", "elodie gross")
		case 12:
			where[oneFrom(g, "expiresOn", "retentionUntil")] = g.days()
		}
	}
	return where
}

func (g *generator) days() any {
	filter := map[string]any{}
	for _, end := range []string{"from", "to"} {
		if g.chance(60) {
			filter[end] = oneFrom(g, "2024-02-28", "2025-12-31", "2026-02-27", "2027-03-01")
		}
	}
	return filter
}
