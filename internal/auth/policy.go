package auth

import (
	"slices"
	"strings"

	"dossier/internal/fault"
)

// Permission is the right to do one kind of thing inside one account. Its value is also the name of the API key scope
// that gives it, so a value is never renamed.
type Permission string

// The permissions. Which role has which is the permission table below.
const (
	// Authenticated is what every principal has. It guards fields that reveal nothing by themselves.
	Authenticated Permission = "authenticated"
	// AccountRead: name, settings and storage use of the account.
	AccountRead Permission = "account:read"
	// AccountAdmin: API keys and settings of the account.
	AccountAdmin Permission = "account:admin"
	// AccountOperate: what the account has booked with whoever runs the service, such as its storage.
	//
	// SECURITY: no role has it, so the account's own administrators cannot give themselves more than was booked. A key with
	// it comes from the command line only; see MayGrant.
	AccountOperate Permission = "account:operate"
	// StaffRead: the colleagues and keys that appear as actors.
	StaffRead Permission = "staff:read"
	// CustomersRead: customers with their contacts, e-mail addresses, phone numbers and postal addresses.
	CustomersRead Permission = "customers:read"
	// CustomersWrite: create, change, archive and restore them.
	CustomersWrite Permission = "customers:write"
	// DocumentsRead: documents with their versions and downloads.
	DocumentsRead Permission = "documents:read"
	// DocumentsWrite: upload, replace, change, move, archive and restore them.
	DocumentsWrite Permission = "documents:write"
	// DocumentsDelete: delete them for good. Archiving is for work; what was deleted nobody brings back, so it is for who
	// answers for the business.
	DocumentsDelete Permission = "documents:delete"
	// TimelineRead: timeline entries.
	TimelineRead Permission = "timeline:read"
	// TimelineWrite: create, change and delete them.
	TimelineWrite Permission = "timeline:write"
	// EventsRead: the event log of the account, as replay and live.
	EventsRead Permission = "events:read"
	// JobsRead: imports and exports with their progress and the errors of their rows, which hold what was in the file.
	JobsRead Permission = "jobs:read"
	// JobsWrite: cancel them; that of a kind needs what starting one needs as well.
	JobsWrite Permission = "jobs:write"
	// CustomersImport: what an import does, an editor may do row by row.
	CustomersImport Permission = "customers:import"
	// CustomersExport: the whole directory in one file. Reading page by page is for work; a file leaves the business, so it
	// is for who answers for it.
	CustomersExport Permission = "customers:export"
	// NotesRead: the notes that staff write for each other.
	//
	// SECURITY: what staff think of a customer is never for the customer. A principal that acts for an end customer must
	// not get this permission, whatever else it may read of its own file.
	NotesRead Permission = "notes:read"
	// NotesWrite: write, change, pin and delete them.
	NotesWrite Permission = "notes:write"
	// AuditRead: who did what, from where, and who was refused. It shows what colleagues do all day, so it is for who
	// answers for the business.
	AuditRead Permission = "audit:read"
)

// permissionTable is the policy: each permission with the lowest role that has it. A role has everything that the
// roles below it have. A permission that is not listed is held by nobody, one that is of no role only by the operator. The
// place of a row is its bit in Set, so at most 64 rows.
var permissionTable = []struct {
	Permission  Permission
	From        Role
	Description string
}{
	{Authenticated, Viewer, "see who the credential belongs to"},
	{AccountRead, Viewer, "read the account, its settings and its storage use"},
	{AccountAdmin, Admin, "create and revoke API keys, change settings"},
	{StaffRead, Viewer, "read staff users and the names of API keys"},
	{CustomersRead, Viewer, "read customers, contacts and their addresses"},
	{CustomersWrite, Editor, "create, change, archive and restore customers and contacts"},
	{DocumentsRead, Viewer, "read and download documents"},
	{DocumentsWrite, Editor, "upload, replace, change, move, archive and restore documents"},
	{DocumentsDelete, Admin, "delete archived documents for good"},
	{TimelineRead, Viewer, "read timeline entries"},
	{TimelineWrite, Editor, "create, change and delete timeline entries"},
	{EventsRead, Viewer, "read and follow the event log"},
	{JobsRead, Editor, "read imports and exports, with the errors of their rows"},
	{JobsWrite, Editor, "cancel imports and exports"},
	{CustomersImport, Editor, "import customers from a file"},
	{CustomersExport, Admin, "export the directory as a file and download it"},
	{NotesRead, Viewer, "read the staff's notes about customers"},
	{NotesWrite, Editor, "write, change, pin and delete notes about customers"},
	{AuditRead, Admin, "read the audit trail: changes, downloads and denials"},
	{AccountOperate, operator, "set the storage that the account has booked"},
}

// operator stands in permissionTable for who runs the service, which is no role of an account.
const operator Role = ""

// fieldTable is the permission that each GraphQL root field needs before anything of it runs. A field that is not
// listed is refused to everybody.
var fieldTable = map[string]Permission{
	"Query.viewer":               Authenticated,
	"Query.node":                 Authenticated, // what may be read of the node is decided by its type
	"Query.nodes":                Authenticated,
	"Query.account":              AccountRead,
	"Query.storage":              AccountRead,
	"Query.customer":             CustomersRead,
	"Query.customers":            CustomersRead,
	"Query.customerByExternalId": CustomersRead,

	"Query.customerDuplicates":      CustomersRead,
	"Query.customerDuplicateGroups": CustomersRead,
	"Query.customerMerges":          CustomersRead,
	"Mutation.customerMerge":        CustomersWrite, // the preview of a dry run needs CustomersRead as well
	"Mutation.customerMergeUndo":    CustomersWrite,

	"Query.document":      DocumentsRead,
	"Query.documents":     DocumentsRead,
	"Query.documentAreas": DocumentsRead, // the definitions in it need CustomersRead by their type
	"Query.events":        EventsRead,

	"Query.auditTrail": AuditRead,

	"Query.customerStats": CustomersRead, // the nodes in it need what their types need

	// The settings of the account: everybody needs them to draw a form, administrators change them.
	"Query.customerTypes":   AccountRead,
	"Query.customerOrigins": AccountRead,
	"Query.offices":         AccountRead,
	"Query.services":        AccountRead,
	"Query.fieldPolicy":     AccountRead,
	"Query.staffUsers":      StaffRead,

	"Query.attributeDefinitions":          CustomersRead, // who reads or writes customers needs them
	"Mutation.attributeDefinitionCreate":  AccountAdmin,
	"Mutation.attributeDefinitionUpdate":  AccountAdmin,
	"Mutation.attributeDefinitionMove":    AccountAdmin,
	"Mutation.attributeDefinitionArchive": AccountAdmin,
	"Mutation.attributeDefinitionRestore": AccountAdmin,
	"Mutation.attributeDefinitionDelete":  AccountAdmin,

	"Mutation.customerCreate":         CustomersWrite,
	"Mutation.customerUpdate":         CustomersWrite,
	"Mutation.customerUpsert":         CustomersWrite,
	"Mutation.customerArchive":        CustomersWrite,
	"Mutation.customerRestore":        CustomersWrite,
	"Mutation.contactCreate":          CustomersWrite,
	"Mutation.contactUpdate":          CustomersWrite,
	"Mutation.contactArchive":         CustomersWrite,
	"Mutation.documentUpload":         DocumentsWrite,
	"Mutation.documentUploadBegin":    DocumentsWrite,
	"Mutation.documentUploadComplete": DocumentsWrite,
	"Mutation.documentUploadCancel":   DocumentsWrite,
	"Mutation.documentReplace":        DocumentsWrite,
	"Mutation.documentUpdate":         DocumentsWrite,
	"Mutation.documentArchive":        DocumentsWrite,
	"Mutation.documentRestore":        DocumentsWrite,
	"Mutation.documentMove":           DocumentsWrite,
	"Mutation.documentDelete":         DocumentsDelete,
	"Mutation.timelineEntryCreate":    TimelineWrite,
	"Mutation.timelineEntryUpdate":    TimelineWrite,
	"Mutation.timelineEntryDelete":    TimelineWrite,
	"Mutation.customerImageSet":       CustomersWrite,
	"Mutation.customerImageRemove":    CustomersWrite,
	"Mutation.noteCreate":             NotesWrite,
	"Mutation.noteUpdate":             NotesWrite,
	"Mutation.noteDelete":             NotesWrite,
	"Mutation.apiKeyCreate":           AccountAdmin,
	"Mutation.apiKeyRevoke":           AccountAdmin,
	"Mutation.storageLimitSet":        AccountOperate,

	"Mutation.customerTypeCreate":    AccountAdmin,
	"Mutation.customerTypeUpdate":    AccountAdmin,
	"Mutation.customerTypeMove":      AccountAdmin,
	"Mutation.customerTypeArchive":   AccountAdmin,
	"Mutation.customerTypeRestore":   AccountAdmin,
	"Mutation.customerTypeDelete":    AccountAdmin,
	"Mutation.customerOriginCreate":  AccountAdmin,
	"Mutation.customerOriginUpdate":  AccountAdmin,
	"Mutation.customerOriginMove":    AccountAdmin,
	"Mutation.customerOriginArchive": AccountAdmin,
	"Mutation.customerOriginRestore": AccountAdmin,
	"Mutation.customerOriginDelete":  AccountAdmin,
	"Mutation.officeCreate":          AccountAdmin,
	"Mutation.officeUpdate":          AccountAdmin,
	"Mutation.officeMove":            AccountAdmin,
	"Mutation.officeArchive":         AccountAdmin,
	"Mutation.officeRestore":         AccountAdmin,
	"Mutation.officeDelete":          AccountAdmin,
	"Mutation.serviceCreate":         AccountAdmin,
	"Mutation.serviceUpdate":         AccountAdmin,
	"Mutation.serviceMove":           AccountAdmin,
	"Mutation.serviceArchive":        AccountAdmin,
	"Mutation.serviceRestore":        AccountAdmin,
	"Mutation.serviceDelete":         AccountAdmin,
	"Mutation.fieldPolicyUpdate":     AccountAdmin,
	"Mutation.fieldPolicyReset":      AccountAdmin,
	"Mutation.staffUserCreate":       AccountAdmin,
	"Mutation.staffUserUpdate":       AccountAdmin,
	"Mutation.staffUserArchive":      AccountAdmin,
	"Mutation.staffUserRestore":      AccountAdmin,

	"Query.job":            JobsRead,
	"Query.jobs":           JobsRead,
	"Mutation.importStart": CustomersImport,
	"Mutation.exportStart": CustomersExport,
	"Mutation.jobCancel":   JobsWrite, // and what starting a job of its kind needs

	"Subscription.documentEvents": EventsRead, // the documents in it need DocumentsRead by their type
	"Subscription.events":         EventsRead,
}

// typeTable is the permission that reading anything of a GraphQL object type needs. A type that is not listed is
// readable by nobody.
var typeTable = map[string]Permission{
	"Account":        AccountRead,
	"StorageUsage":   AccountRead,
	"AccountLimits":  AccountRead,
	"CustomerType":   AccountRead,
	"CustomerOrigin": AccountRead,
	"Office":         AccountRead,
	"Service":        AccountRead,
	"FieldRule":      AccountRead,
	"Viewer":         Authenticated,
	"StaffUser":      StaffRead,
	"ApiKey":         StaffRead, // as an actor it is an id and a name; the rest is in memberTable
	"Customer":       CustomersRead,
	"Contact":        CustomersRead,
	"EmailAddress":   CustomersRead,
	"PhoneNumber":    CustomersRead,
	"PostalAddress":  CustomersRead,

	"CustomerMerge":       CustomersRead,
	"CustomerMergeCounts": CustomersRead,

	"Document":        DocumentsRead,
	"DocumentArea":    DocumentsRead,
	"DocumentVersion": DocumentsRead,
	"TimelineEntry":   TimelineRead,
	"Note":            NotesRead,
	"Image":           CustomersRead,
	"CustomerStat":    CustomersRead,
	"Event":           EventsRead,
	"EventDelivery":   EventsRead,
	"Heartbeat":       EventsRead,
	"Job":             JobsRead,
	"JobProgress":     JobsRead,
	"JobCounts":       JobsRead,
	"JobRowError":     JobsRead,
	"AuditRecord":     AuditRead,

	"AttributeDefinition":       CustomersRead,
	"AttributeValidation":       CustomersRead,
	"AttributeOption":           CustomersRead,
	"AttributeValue":            CustomersRead,
	"TextAttributeValue":        CustomersRead,
	"IntegerAttributeValue":     CustomersRead,
	"DecimalAttributeValue":     CustomersRead,
	"BooleanAttributeValue":     CustomersRead,
	"DateAttributeValue":        CustomersRead,
	"DateTimeAttributeValue":    CustomersRead,
	"SelectAttributeValue":      CustomersRead,
	"MultiSelectAttributeValue": CustomersRead,
	"UrlAttributeValue":         CustomersRead,
	"EmailAttributeValue":       CustomersRead,
	"PhoneAttributeValue":       CustomersRead,
	"FileAttributeValue":        CustomersRead, // the documents in it need DocumentsRead
}

// memberTable is fields of types that need more than their type does. A field that is not listed needs what its type
// needs.
var memberTable = map[string]Permission{
	"Account.apiKeys":  AccountAdmin,
	"ApiKey.hint":      AccountAdmin,
	"ApiKey.scopes":    AccountAdmin,
	"ApiKey.expiresAt": AccountAdmin,
	"ApiKey.revokedAt": AccountAdmin,
	"ApiKey.createdAt": AccountAdmin,
	"Job.downloadUrl":  CustomersExport,

	"Customer.documentsZipUrl": DocumentsRead,
}

// presetTable is the API key scopes that stand for everything a role may do.
var presetTable = map[string]Role{"read": Viewer, "write": Editor, "admin": Admin}

// Set is a set of permissions. Equal sets are equal values, so a Set can be part of a cache key within one process; it
// is not stable between releases and must not be stored.
type Set uint64

// Has says whether the set holds the permission. An unknown permission is in no set.
func (s Set) Has(perm Permission) bool {
	bit := permissionBits[perm]
	return bit != 0 && s&bit == bit
}

// The tables above, turned round once at start-up for the hot path.
var (
	permissionBits = func() map[Permission]Set {
		bits := make(map[Permission]Set, len(permissionTable))
		for i, row := range permissionTable {
			bits[row.Permission] = 1 << i
		}
		return bits
	}()
	roleSets = func() map[Role]Set {
		sets := make(map[Role]Set, len(Roles))
		for _, role := range Roles {
			for _, row := range permissionTable {
				if row.From != operator && role.rank() >= row.From.rank() {
					sets[role] |= permissionBits[row.Permission]
				}
			}
		}
		return sets
	}()
	operatorSet = func() (set Set) {
		for _, row := range permissionTable {
			if row.From == operator {
				set |= permissionBits[row.Permission]
			}
		}
		return set
	}()
)

// Permissions lists every permission, in the order of the table.
func Permissions() []Permission {
	list := make([]Permission, len(permissionTable))
	for i, row := range permissionTable {
		list[i] = row.Permission
	}
	return list
}

// Describe says in a few words what a permission allows, for settings pages and messages. Unknown ones give "".
func Describe(perm Permission) string {
	for _, row := range permissionTable {
		if row.Permission == perm {
			return row.Description
		}
	}
	return ""
}

// FieldPermission gives the permission of a GraphQL root field, written "Query.customers". false means that the field
// is not in the policy and so refused.
func FieldPermission(field string) (Permission, bool) {
	perm, ok := fieldTable[field]
	return perm, ok
}

// TypePermission gives the permission that reading a GraphQL object type needs. false means that the type is not in
// the policy and so unreadable.
func TypePermission(typeName string) (Permission, bool) {
	perm, ok := typeTable[typeName]
	return perm, ok
}

// MemberPermission gives the permission that reading one field of a GraphQL object type needs: its own where it has
// one, else that of the type. false means that the type is not in the policy and so unreadable.
func MemberPermission(typeName, field string) (Permission, bool) {
	if perm, ok := memberTable[typeName+"."+field]; ok {
		return perm, true
	}
	return TypePermission(typeName)
}

// PolicyFields lists the root fields of the policy, sorted, so that a test can compare them with the schema.
func PolicyFields() []string { return sortedKeys(fieldTable) }

// PolicyTypes lists the object types of the policy, sorted.
func PolicyTypes() []string { return sortedKeys(typeTable) }

// PolicyMembers lists the fields of types that have a permission of their own ("ApiKey.scopes"), sorted.
func PolicyMembers() []string { return sortedKeys(memberTable) }

// Scopes lists what an API key may be given: the presets, then the permissions. See MayGrant for who may give which.
func Scopes() []string {
	list := []string{"read", "write", "admin"}
	for _, row := range permissionTable {
		if row.Permission != Authenticated {
			list = append(list, string(row.Permission))
		}
	}
	return list
}

// CheckScopes refuses an empty list, unknown scopes and duplicates, naming the place in the list below path.
func CheckScopes(path []string, scopes []string) error {
	known := Scopes()
	if len(scopes) == 0 {
		return fault.At(fault.Required, path, "Give the API key at least one scope: %s.", strings.Join(known, ", "))
	}
	var list fault.List
	for i, scope := range scopes {
		at := append(slices.Clone(path), decimal(i))
		switch {
		case !slices.Contains(known, scope):
			list = append(list, fault.At(fault.BadUserInput, at, "This is no scope. The scopes are: %s.", strings.Join(known, ", ")))
		case slices.Contains(scopes[:i], scope):
			list = append(list, fault.At(fault.BadUserInput, at, "The scope %s is given twice. Remove one.", scope))
		}
	}
	return list.Err()
}

// scopeSet is what a list of scopes allows. An unknown scope allows nothing.
func scopeSet(scopes []string) Set {
	set := permissionBits[Authenticated]
	for _, scope := range scopes {
		if role, ok := presetTable[scope]; ok {
			set |= roleSets[role]
			continue
		}
		set |= permissionBits[Permission(scope)]
	}
	return set
}

// rolesWith and scopesWith name what would allow a permission, for messages.
func rolesWith(perm Permission) []string {
	var names []string
	for _, role := range Roles {
		if roleSets[role].Has(perm) {
			names = append(names, string(role))
		}
	}
	return names
}

func scopesWith(perm Permission) []string {
	names := []string{string(perm)}
	for _, preset := range []string{"read", "write", "admin"} {
		if roleSets[presetTable[preset]].Has(perm) {
			names = append(names, preset)
		}
	}
	return names
}
