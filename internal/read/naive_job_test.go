package read_test

// job gives a field of a job or of an error of its rows; false for one that is a column of the same name.
func (n *naive) job(r row, name string, args map[string]any) (any, bool) {
	switch name {
	case "progress":
		return thing{typeName: "JobProgress", row: r}, true
	case "counts":
		return thing{typeName: "JobCounts", row: r}, true
	case "downloadUrl":
		if r["state"] != "SUCCEEDED" || r["result_key"] == nil {
			return nil, true
		}
		return "https://exports.test/" + n.staff.String() + "/" + n.account.String() + "/" + r.id().String(), true
	case "rowErrors":
		list := n.rows("job_row_error", n.account, func(e row) bool { return e["job_id"] == r["id"] })
		return n.connection("JobRowError", "Job.rowErrors", list, []string{"number"}, false, args), true
	case "column":
		return r["column_number"], true
	case "field":
		return r["field_name"], true
	}
	return nil, false
}

func (n *naive) jobs(args map[string]any) any {
	list := n.rows("job", n.account, func(r row) bool {
		return listed(args["where"], "kind", r["kind"]) && listed(args["where"], "state", r["state"])
	})
	return n.connection("Job", "jobs", list, []string{"created_at", "id"}, true, args)
}
