package read_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fold"
)

// attributeKinds are the types of values with the column that holds them.
var attributeKinds = []struct{ typeName, column string }{
	{"TEXT", "text_value"},
	{"LONG_TEXT", "text_value"},
	{"INTEGER", "integer_value"},
	{"DECIMAL", "decimal_value"},
	{"BOOLEAN", "boolean_value"},
	{"DATE", "date_value"},
	{"DATE_TIME", "time_value"},
	{"SELECT", "option_id"},
	{"MULTI_SELECT", ""},
	{"URL", "text_value"},
	{"EMAIL", "text_value"},
	{"PHONE", "text_value"},
}

// definitions makes an attribute of each type, and some that are archived. The keys are the same in every account.
func (m *maker) definitions(account uuid.UUID) {
	number := func(n int) any { return m.maybe(int64(n)) }
	for i, kind := range append(attributeKinds, attributeKinds[0], attributeKinds[7]) {
		key, archived := strings.ToLower(kind.typeName), any(nil)
		if i >= len(attributeKinds) {
			key, archived = "old_"+key, m.at()
		}
		d := m.put("attribute_definition", m.actor(row{
			"account_id": account, "version": int64(1), "key": key, "label": m.name(), "description": m.maybe(m.name()), "type": kind.typeName,
			"required": m.rand.IntN(2) == 0, "customer_visible": m.rand.IntN(2) == 0, "position": int64(m.rand.IntN(6)), "min_length": number(1),
			"max_length": number(400), "pattern": m.maybe("a|\"b\\\\"), "minimum": m.maybe("-12.5"), "maximum": m.maybe("100000"),
			"earliest_date": m.maybe(m.day()), "latest_date": m.maybe(m.day()), "earliest_time": m.maybe(m.at()), "latest_time": m.maybe(m.at()),
			"accept": pick(m, []string{}, []string{"image/*", "application/pdf"}), "max_files": number(3),
			"max_file_bytes": nil, "archived_at": archived,
			"created_at": m.at(), "updated_at": m.at(),
		}, account)).id()
		for _, t := range m.rows("customer_type", account, all) {
			if i%3 == 0 && m.rand.IntN(2) == 0 {
				m.put("attribute_definition_type", row{"account_id": account, "definition_id": d, "type_id": t.id(), "created_at": m.at()})
			}
		}
		if !strings.HasSuffix(kind.typeName, "SELECT") {
			continue
		}
		for k := range 4 {
			m.put("attribute_option", row{
				"account_id": account, "definition_id": d, "key": fmt.Sprint("o", k), "label": m.name(), "position": int64(m.rand.IntN(3)),
				"archived": m.rand.IntN(4) == 0, "created_at": m.at(),
			})
		}
	}
}

func (m *maker) day() time.Time {
	return time.Date(2026, 2, 27+m.rand.IntN(3), 0, 0, 0, 0, time.UTC)
}

// values gives a customer values of some attributes.
func (m *maker) values(account, customer uuid.UUID) {
	for _, d := range m.rows("attribute_definition", account, all) {
		if d["type"] == "FILE" || m.rand.IntN(3) == 0 {
			continue
		}
		v := row{
			"account_id": account, "customer_id": customer, "definition_id": d.id(), "type": d["type"], "text_value": nil, "text_key": nil,
			"integer_value": nil, "decimal_value": nil, "boolean_value": nil, "date_value": nil, "time_value": nil, "option_id": nil, "created_at": m.at(),
		}
		options := m.rows("attribute_option", account, func(o row) bool { return o["definition_id"] == d.id() })
		m.value(v, options)
		id := m.put("attribute_value", v).id()
		if d["type"] != "MULTI_SELECT" {
			continue
		}
		for _, o := range options {
			if m.rand.IntN(2) == 0 {
				m.put("attribute_value_option", row{
					"account_id": account, "value_id": id, "customer_id": customer, "definition_id": d.id(), "option_id": o.id(), "created_at": m.at(),
				})
			}
		}
	}
}

func (m *maker) value(v row, options []row) {
	text := func(s, key string) { v["text_value"], v["text_key"] = s, key }
	switch v["type"] {
	case "TEXT":
		s := m.name()
		text(s, fold.Text(s))
	case "LONG_TEXT":
		v["text_value"] = m.name()
	case "INTEGER":
		v["integer_value"] = pick[int64](m, 0, -7, 42, 1<<53-1)
	case "DECIMAL":
		v["decimal_value"] = pick(m, "0", "-0.5", "12.34", "100000", "0.00001", "12345678901234567890.0123456789")
	case "BOOLEAN":
		v["boolean_value"] = m.rand.IntN(2) == 0
	case "DATE":
		v["date_value"] = m.day()
	case "DATE_TIME":
		v["time_value"] = m.at()
	case "SELECT":
		v["option_id"] = options[m.rand.IntN(len(options))].id()
	case "URL":
		s := pick(m, "https://example.com/A", "http://example.com")
		text(s, fold.Text(s))
	case "EMAIL":
		s := pick(m, "Ada@Example.com", "bob@example.com")
		text(s, fold.Email(s))
	case "PHONE":
		s := pick(m, "+4930901820", "+15550100;ext=12")
		text(s, s)
	}
}
