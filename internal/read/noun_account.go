package read

import (
	"encoding/binary"

	"dossier/internal/typeid"
)

func accountNoun() *noun {
	return &noun{name: "Account", table: "account", prefix: typeid.Account, id: "id", account: "id", fields: []field{
		id(),
		text("name", "name"),
		one("storage", "StorageUsage", "id"),
		embed("limits", "AccountLimits"),
		page("staffUsers", connection{
			noun:   "StaffUser",
			orders: func(arguments) order { return ascending("NAME", textKey("sort_name"), idKey()) },
		}),
		page("apiKeys", connection{
			noun:   "ApiKey",
			orders: func(arguments) order { return descending("CREATED_AT", instantKey("created_at"), idKey()) },
		}),
		instant("createdAt", "created_at"),
	}}
}

// limitsNoun is the limits of an account, which are in its row or in the configuration.
func limitsNoun() *noun {
	return &noun{name: "AccountLimits", table: "account", id: "id", account: "id", fields: []field{
		big("maxFileBytes", "max_file_bytes"),
		constant("maxFilesPerRequest", func(c *Config) int64 { return int64(c.MaxFilesPerRequest) }),
		constant("eventRetentionDays", func(c *Config) int64 { return int64(c.EventRetentionDays) }),
		constant("maxPageSize", func(*Config) int64 { return maxPage }),
		constant("maxQueryDepth", func(c *Config) int64 { return int64(c.MaxDepth) }),
	}}
}

func storageNoun() *noun {
	return &noun{name: "StorageUsage", table: "storage_usage", id: "account_id", account: "account_id", fields: []field{
		big("usedBytes", "used_bytes"),
		big("reservedBytes", "reserved_bytes"),
		big("limitBytes", "limit_bytes"),
		compute("availableBytes", []string{"limit_bytes", "used_bytes", "reserved_bytes"}, func(_ *environment, dst []byte, columns [][]byte) []byte {
			left := int64(binary.BigEndian.Uint64(columns[0])) - int64(binary.BigEndian.Uint64(columns[1])) - int64(binary.BigEndian.Uint64(columns[2]))
			return appendInt(dst, max(0, left))
		}),
		of(big("maxFileBytes", "max_file_bytes"), "Account", "account_id"),
		integer("warnedPercent", "warned_percent"),
	}}
}

func staffUserNoun() *noun {
	return &noun{name: "StaffUser", table: "staff_user", prefix: typeid.StaffUser, id: "id", account: "account_id", fields: []field{
		id(),
		integer("version", "version"),
		text("displayName", "display_name"),
		text("email", "email"),
		plain("role", "role"),
		instant("createdAt", "created_at"),
		instant("signedInAt", "signed_in_at"),
		instant("archivedAt", "archived_at"),
	}}
}

func apiKeyNoun() *noun {
	return &noun{name: "ApiKey", table: "api_key", prefix: typeid.APIKey, id: "id", account: "account_id", fields: []field{
		id(),
		text("displayName", "name"),
		text("hint", "hint"),
		stringList("scopes", "scopes"),
		instant("expiresAt", "expires_at"),
		instant("revokedAt", "revoked_at"),
		instant("createdAt", "created_at"),
	}}
}
