package wall

// exempt are the tables without an account, with the rights of the program's role on them.
var exempt = map[string][]string{
	"goose_db_version": {read},
}

// Rights, as PostgreSQL names them.
const (
	read   = "SELECT"
	add    = "INSERT"
	change = "UPDATE"
	remove = "DELETE"
)

// appRights are those of the program's role where they are not all four.
//
// SECURITY: event and audit_record are append-only for whatever the program does for a client. An account is never deleted.
var appRights = map[string][]string{
	"account":       {add, read, change},
	"storage_usage": {add, read, change},
	"event":         {add, read},
	"audit_record":  {add, read},
}

// systemRights are those of the role across accounts: all that it needs, and none on a table that is not here.
var systemRights = map[string][]string{
	"account":            {read, change}, // keys and tokens name it; pruning raises the floor of its log
	"api_key":            {read},
	"blob":               {remove, read, change}, // an object that is gone is not shared any more
	"document":           {read},                 // whose dates are near
	"document_rendition": {read},
	"document_version":   {read, change}, // a checker claims what is due
	"event":              {remove, read},
	"garbage":            {remove, add, read, change},
	"idempotency":        {remove, read},
	"image_file":         {read},
	"job":                {remove, read, change},
	"job_row_error":      {remove, read},
	"storage_usage":      {read, change},
	"upload":             {remove, read, change},
}

// views are what the program reads instead of some tables, where a policy would keep PostgreSQL from using an index: below a
// policy it looks things up only with functions that are marked as leakproof, lest an error message tells of a row that the
// policy hides; the operators of tsvector and numeric are not marked. A view of the owner has the same condition as the policy,
// and as the owner of the view reads the table, these tables are not forced: their policies hold for everybody else.
var views = map[string]string{
	"attribute_value": "attribute_value_own",
	"customer_search": "customer_search_own",
}

// Source gives what the program's role reads the rows of a table from.
func Source(table string) string {
	if view, ok := views[table]; ok {
		return view
	}
	return table
}
