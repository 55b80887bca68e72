package read

import (
	"dossier/internal/auth"
	"dossier/internal/typeid"
)

// byPosition is the order of the addresses and numbers of one owner.
func byPosition() order { return ascending("POSITION", smallKey("position"), idKey()) }

func ofCustomer(name, nounName string) field {
	return many(name, nounName, "customer_id", "{t}.contact_id IS NULL", byPosition())
}

func ofContact(name, nounName string) field {
	return many(name, nounName, "contact_id", "{t}.contact_id IS NOT NULL", byPosition())
}

func customerNoun() *noun {
	return &noun{name: "Customer", table: "customer", prefix: typeid.Customer, id: "id", account: "account_id", redirect: "merged_into_id", fields: []field{
		id(),
		integer("version", "version"),
		plain("kind", "kind"),
		plain("status", "status"),
		text("displayName", "display_name"),
		text("givenName", "given_name"),
		text("familyName", "family_name"),
		text("companyName", "company_name"),
		text("languageTag", "language_tag"),
		text("timeZone", "time_zone"),
		text("externalId", "external_id"),
		one("type", "CustomerType", "type_id"),
		one("origin", "CustomerOrigin", "origin_id"),
		one("salesperson", "StaffUser", "salesperson_id"),
		oneOr("representative", "StaffUser", "representative_id", "salesperson_id"),
		compute("representativeIsDefault", []string{"representative_id"}, func(_ *environment, dst []byte, columns [][]byte) []byte {
			return appendBool(dst, columns[0] == nil)
		}),
		one("preferredOffice", "Office", "preferred_office_id"),
		one("preferredStaff", "StaffUser", "preferred_staff_id"),
		plain("preferredChannel", "preferred_channel"),
		decimal("deliveryDistanceKm", "delivery_distance_km"),
		text("websiteUrl", "website_url"),
		text("businessArea", "business_area"),
		boolean("taxExempt", "tax_exempt"),
		text("taxExemptReason", "tax_exempt_reason"),
		plain("createdVia", "created_via"),
		ofCustomer("emails", "EmailAddress"),
		first("emailFor", toFirst{
			noun: "EmailAddress", foreignKey: "customer_id", where: "{t}.contact_id IS NULL",
			arguments: []string{"purpose"}, filter: emailFor, order: byPosition(),
		}),
		ofCustomer("phones", "PhoneNumber"),
		ofCustomer("addresses", "PostalAddress"),
		{name: "setupTasks", compute: setupTasks()},
		page("contacts", connection{
			noun: "Contact", foreignKey: "customer_id", where: "{t}.archived_at IS NULL",
			arguments: []string{"where"},
			filter:    contactWhere,
			orders: func(arguments) order {
				return ascending("SHOWN", boolKey("secondary"), textKey("sort_name"), idKey())
			},
		}),
		page("documents", connection{
			noun: "Document", foreignKey: "customer_id",
			arguments: []string{"where", "orderBy"}, filter: documentWhere, orders: documentOrder,
		}),
		page("timeline", connection{
			noun: "TimelineEntry", foreignKey: "customer_id",
			arguments: []string{"direction", "kinds"}, filter: timelineFilter, orders: timelineOrder,
		}),
		attributesOf("attributes"),
		page("notes", notesOfCustomer()),
		page("auditTrail", auditTrail("customer_id")),
		personal("documentsZipUrl", []string{"id"}, documentsZipURL),
		one("image", "Image", "image_id"),
		compute("viewerPermissions", []string{"status"}, viewerPermissions),
		actor("createdBy"),
		instant("createdAt", "created_at"),
		instant("updatedAt", "updated_at"),
		instant("archivedAt", "archived_at"),
		one("mergedInto", "Customer", "merged_into_id"),
		page("mergedCustomers", connection{
			noun: "Customer", foreignKey: "merged_into_id",
			orders: func(arguments) order { return ascending("ID", idKey()) },
		}),
	}}
}

// viewerPermissions are what the viewer's role or scopes and the state of the customer allow.
func viewerPermissions(e *environment, dst []byte, columns [][]byte) []byte {
	status := string(columns[0])
	dst = append(dst, '[')
	start := len(dst)
	for _, p := range []struct {
		name string
		need auth.Permission
		now  bool
	}{
		{`"UPDATE"`, auth.CustomersWrite, status != "MERGED"},
		{`"ARCHIVE"`, auth.CustomersWrite, status == "ACTIVE"},
		{`"RESTORE"`, auth.CustomersWrite, status == "ARCHIVED"},
		{`"UPLOAD_DOCUMENT"`, auth.DocumentsWrite, status != "MERGED"},
		{`"ADD_TIMELINE_ENTRY"`, auth.TimelineWrite, status != "MERGED"},
		{`"ADD_NOTE"`, auth.NotesWrite, status != "MERGED"},
	} {
		if p.now && e.viewer.Can(p.need) {
			dst = appendItem(dst, start, p.name)
		}
	}
	return append(dst, ']')
}

// appendItem appends an item of a list that begins at start.
func appendItem(dst []byte, start int, item string) []byte {
	if len(dst) > start {
		dst = append(dst, ',')
	}
	return append(dst, item...)
}

// setupTasks are what a customer's file does not have yet. A contact point of an archived contact counts as one.
func setupTasks() *computed {
	return &computed{
		columns: []string{"kind"},
		exists: []existence{
			{noun: "Contact", foreignKey: "customer_id", where: "{t}.archived_at IS NULL"},
			{noun: "EmailAddress", foreignKey: "customer_id"},
			{noun: "PhoneNumber", foreignKey: "customer_id"},
			{noun: "PostalAddress", foreignKey: "customer_id"},
			{own: lacksRequiredFile},
		},
		write: func(_ *environment, dst []byte, columns [][]byte) []byte {
			dst = append(dst, '[')
			start := len(dst)
			if string(columns[0]) == "COMPANY" && columns[1][0] == 0 {
				dst = appendItem(dst, start, `"ADD_CONTACT"`)
			}
			for i, name := range []string{`"ADD_EMAIL"`, `"ADD_PHONE"`, `"ADD_ADDRESS"`} {
				if columns[2+i][0] == 0 {
					dst = appendItem(dst, start, name)
				}
			}
			if columns[5][0] == 1 {
				dst = appendItem(dst, start, `"ADD_DOCUMENT"`)
			}
			return append(dst, ']')
		},
	}
}

// emailFor chooses the addresses that have the purpose, or all of them where none has it.
func emailFor(f *filter) error {
	slot := f.top().param(oidText, textOf("purpose", asItIs), "purpose")
	emails := f.c.e.nouns["EmailAddress"]
	f.add(func(w *writer, t string) {
		o := w.alias()
		w.text("(" + t + ".purposes ? ")
		w.param(slot)
		w.text(" OR NOT EXISTS (SELECT 1")
		w.from(emails, o, nil)
		w.text(" AND " + o + ".customer_id = " + t + ".customer_id AND " + o + ".contact_id IS NULL AND " + o + ".purposes ? ")
		w.param(slot)
		w.text("))")
	})
	return f.err
}

// customerByExternalID finds the customer that another system knows by an id.
func customerByExternalID() toFirst {
	return toFirst{
		noun: "Customer", arguments: []string{"externalId"}, order: ascending("ID", idKey()),
		filter: func(f *filter) error {
			slot := f.top().param(oidText, textOf("externalId", asItIs), "externalId")
			f.add(compare("external_id = ", slot))
			return f.err
		},
	}
}

func contactNoun() *noun {
	return &noun{name: "Contact", table: "contact", prefix: typeid.Contact, id: "id", account: "account_id", fields: []field{
		id(),
		integer("version", "version"),
		one("customer", "Customer", "customer_id"),
		text("displayName", "display_name"),
		text("givenName", "given_name"),
		text("familyName", "family_name"),
		text("role", "role"),
		not("isPrimary", "secondary"),
		ofContact("emails", "EmailAddress"),
		ofContact("phones", "PhoneNumber"),
		ofContact("addresses", "PostalAddress"),
		instant("createdAt", "created_at"),
		instant("updatedAt", "updated_at"),
	}}
}

func emailNoun() *noun {
	return &noun{name: "EmailAddress", table: "email_address", prefix: typeid.EmailAddress, id: "id", account: "account_id", fields: []field{
		id(),
		text("address", "address"),
		plain("type", "type"),
		stringList("purposes", "purposes"),
		zero("isPrimary", "position"),
	}}
}

func phoneNoun() *noun {
	return &noun{name: "PhoneNumber", table: "phone_number", prefix: typeid.PhoneNumber, id: "id", account: "account_id", fields: []field{
		id(),
		text("e164", "e164"),
		text("extension", "extension"),
		plain("type", "type"),
		zero("isPrimary", "position"),
	}}
}

func postalNoun() *noun {
	return &noun{name: "PostalAddress", table: "postal_address", prefix: typeid.PostalAddress, id: "id", account: "account_id", fields: []field{
		id(),
		plain("type", "type"),
		text("streetAddress", "street_address"),
		text("addressLocality", "address_locality"),
		text("addressRegion", "address_region"),
		text("postalCode", "postal_code"),
		text("addressCountry", "address_country"),
		zero("isPrimary", "position"),
	}}
}

func contactWhere(f *filter) error {
	if where, ok := f.input("where"); ok {
		f.add(where.all(where.isNot("isPrimary", "secondary"))...)
	}
	return f.err
}
