package main

// query is one of the questions that all contestants are asked: in Dossier's own GraphQL, and in PostGraphile's with
// aliases, so that the answers have the same form.
type query struct {
	name         string
	dossier      string
	postgraphile string
	// paged: the variables are a page's cursor, else a customer's id.
	paged bool
	// dear queries take milliseconds, so a quarter of the requests measures them as well.
	dear bool
}

// requests is how many a round has.
func (q *query) requests(sz size) int {
	if q.dear {
		return sz.requests / 4
	}
	return sz.requests
}

var queries = []query{
	{
		name: "profile",
		dossier: `query Profile($id: ID!) { customer(id: $id) { id displayName version kind status
  phones { id e164 type } emails { id address type }
  contacts(first: 10) { nodes { id displayName givenName familyName role phones { e164 } } }
  documents(first: 20) { nodes { id kind title createdAt currentVersion { sizeBytes contentType } } }
  upcoming: timeline(direction: UPCOMING, first: 5) { nodes { at title kind } }
  past: timeline(first: 20) { nodes { at title kind } } } }`,
		postgraphile: `query Profile($id: UUID!, $account: UUID!, $now: Datetime!) { customer: customerByAccountIdAndRowId(rowId: $id, accountId: $account) {
  id: rowId displayName version kind status
  phones(condition: {contactId: null}, orderBy: [POSITION_ASC, ROW_ID_ASC]) { id: rowId e164 type }
  emails(condition: {contactId: null}, orderBy: [POSITION_ASC, ROW_ID_ASC]) { id: rowId address type }
  contacts(first: 10, condition: {archivedAt: null}, orderBy: [SECONDARY_ASC, SORT_NAME_ASC, ROW_ID_ASC]) {
    nodes { id: rowId displayName givenName familyName role phones(orderBy: [POSITION_ASC, ROW_ID_ASC]) { e164 } } }
  documents(first: 20, filter: {status: {in: ["ACTIVE", "QUARANTINED"]}}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]) {
    nodes { id: rowId kind title createdAt currentVersion { sizeBytes contentType } } }
  upcoming: timeline(first: 5, filter: {at: {greaterThan: $now}}, orderBy: [AT_ASC, ROW_ID_ASC]) { nodes { at title kind } }
  past: timeline(first: 20, filter: {at: {lessThanOrEqualTo: $now}}, orderBy: [AT_DESC, ROW_ID_DESC]) { nodes { at title kind } } } }`,
	},
	{
		name: "dashboard", paged: true,
		dossier: `query Dashboard($after: String) { customers(first: 20, after: $after) { nodes { id displayName kind status version updatedAt
  contacts(first: 3) { nodes { id displayName role } }
  documents(first: 5) { nodes { id title kind status source createdAt } }
  timeline(first: 10) { nodes { id at kind title } } }
  pageInfo { hasNextPage endCursor } } }`,
		postgraphile: `query Dashboard($after: Cursor, $account: UUID!, $now: Datetime!) { customers: allCustomers(first: 20, after: $after,
  condition: {accountId: $account, status: "ACTIVE"}, orderBy: [SORT_NAME_ASC, ROW_ID_ASC]) { nodes { id: rowId displayName kind status version updatedAt
  contacts(first: 3, condition: {archivedAt: null}, orderBy: [SECONDARY_ASC, SORT_NAME_ASC, ROW_ID_ASC]) { nodes { id: rowId displayName role } }
  documents(first: 5, filter: {status: {in: ["ACTIVE", "QUARANTINED"]}}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]) {
    nodes { id: rowId title kind status source createdAt } }
  timeline(first: 10, filter: {at: {lessThanOrEqualTo: $now}}, orderBy: [AT_DESC, ROW_ID_DESC]) { nodes { id: rowId at kind title } } }
  pageInfo { hasNextPage endCursor } } }`,
	},
	{
		name: "list", paged: true,
		dossier: `query List($after: String) { customers(first: 50, after: $after) {
  nodes { id displayName kind status version createdAt updatedAt } pageInfo { hasNextPage endCursor } } }`,
		postgraphile: `query List($after: Cursor, $account: UUID!) { customers: allCustomers(first: 50, after: $after,
  condition: {accountId: $account, status: "ACTIVE"}, orderBy: [SORT_NAME_ASC, ROW_ID_ASC]) {
  nodes { id: rowId displayName kind status version createdAt updatedAt } pageInfo { hasNextPage endCursor } } }`,
	},
	{
		name: "count", paged: true, dear: true,
		dossier: `query Count($after: String) { customers(first: 50, after: $after) { totalCount
  nodes { id displayName kind status version createdAt updatedAt } pageInfo { hasNextPage endCursor } } }`,
		postgraphile: `query Count($after: Cursor, $account: UUID!) { customers: allCustomers(first: 50, after: $after,
  condition: {accountId: $account, status: "ACTIVE"}, orderBy: [SORT_NAME_ASC, ROW_ID_ASC]) { totalCount
  nodes { id: rowId displayName kind status version createdAt updatedAt } pageInfo { hasNextPage endCursor } } }`,
	},
}

// walk is the query whose cursors are used in all paged ones.
const walk, walkStep, walkPages = 2, 50, 20
