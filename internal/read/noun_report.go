package read

import (
	"time"

	"dossier/internal/fault"
	zones "dossier/internal/text"
)

// customerStatNoun is one group of customers. Its rows are no rows of a table: compile_report.go makes them of the table's,
// and the columns in derived with them.
func customerStatNoun() *noun {
	return &noun{
		name: "CustomerStat", table: "customer", id: "id", account: "account_id",
		derived: map[string]kind{"bucket_start": kindDate, "count": kindInt, "position": kindBig},
		fields: []field{
			one("origin", "CustomerOrigin", "origin_id"),
			one("type", "CustomerType", "type_id"),
			one("salesperson", "StaffUser", "salesperson_id"),
			one("office", "Office", "preferred_office_id"),
			plain("kind", "kind"),
			plain("status", "status"),
			date("bucketStart", "bucket_start"),
			integer("count", "count"),
		},
	}
}

// customerStats is the report of customers by when they were created and what they have in common.
func customerStats() report {
	return report{
		noun: "CustomerStat", of: "Customer", at: "created_at",
		dimensions: []dimension{
			{"ORIGIN", "origin_id"},
			{"TYPE", "type_id"},
			{"SALESPERSON", "salesperson_id"},
			{"OFFICE", "preferred_office_id"},
			{"KIND", "kind"},
			{"STATUS", "status"},
		},
		arguments: []string{"where"},
		filter: func(f *filter) error {
			where, ok := f.input("where")
			if !ok || !where.has("status") {
				// What was merged into another customer would be counted twice.
				f.add(raw("{t}.status IN ('ACTIVE', 'ARCHIVED')"))
			}
			if !ok {
				return nil
			}
			conds, err := customerWhere(where, 0)
			f.add(conds...)
			return err
		},
		over: fault.At(fault.BadUserInput, []string{"groupBy"},
			"There are more than %d groups. Give a shorter range, a longer bucket, fewer dimensions or a condition.", maxGroups),
	}
}

// buckets is how a point in time is cut down to the beginning of its bucket.
var buckets = map[string]string{"DAY": "day", "WEEK": "week", "MONTH": "month", "QUARTER": "quarter", "YEAR": "year"}

// zoneOf reads the argument timeZone.
func zoneOf(b *binding, site int) ([]byte, error) {
	name := asText(b.args[site]["timeZone"])
	if name == "" {
		return []byte("UTC"), nil
	}
	zone, problem := zones.TimeZone(name)
	if problem != "" {
		return nil, fault.At(fault.BadUserInput, []string{"timeZone"}, "%s", problem)
	}
	return []byte(zone), nil
}

// dayOf reads a day of the argument range, as text.
func dayOf(b *binding, site int, name string) ([]byte, error) {
	between, _ := b.args[site]["range"].(arguments)
	day, err := time.Parse(time.DateOnly, asText(between[name]))
	if err != nil || day.Year() < 1 {
		return nil, fault.At(fault.BadUserInput, []string{"range", name}, "A day is written as 2026-03-01.")
	}
	if from := asText(between["from"]); name == "to" && from > asText(between["to"]) && between["from"] != nil {
		return nil, fault.At(fault.BadUserInput, []string{"range"}, "The range ends before it begins.")
	}
	return []byte(day.Format(time.DateOnly)), nil
}
