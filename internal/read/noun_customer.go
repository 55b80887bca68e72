package read

import (
	"dossier/internal/auth"
	"dossier/internal/fault"
	"dossier/internal/fold"
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
	return &noun{name: "Customer", table: "customer", prefix: typeid.Customer, id: "id", account: "account_id", fields: []field{
		id(),
		integer("version", "version"),
		plain("kind", "kind"),
		plain("status", "status"),
		text("displayName", "display_name"),
		text("givenName", "given_name"),
		text("familyName", "family_name"),
		text("companyName", "company_name"),
		ofCustomer("emails", "EmailAddress"),
		ofCustomer("phones", "PhoneNumber"),
		ofCustomer("addresses", "PostalAddress"),
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
		page("notes", notesOfCustomer()),
		one("image", "Image", "image_id"),
		compute("viewerPermissions", nil, viewerPermissions),
		actor("createdBy"),
		instant("createdAt", "created_at"),
		instant("updatedAt", "updated_at"),
		instant("archivedAt", "archived_at"),
	}}
}

// viewerPermissions are what the viewer's role or scopes allow; the state of the customer does not matter.
func viewerPermissions(e *environment, dst []byte, _ [][]byte) []byte {
	dst = append(dst, '[')
	start := len(dst)
	for _, p := range []struct {
		name string
		need auth.Permission
	}{
		{`"UPDATE"`, auth.CustomersWrite},
		{`"ARCHIVE"`, auth.CustomersWrite},
		{`"UPLOAD_DOCUMENT"`, auth.DocumentsWrite},
		{`"ADD_TIMELINE_ENTRY"`, auth.TimelineWrite},
		{`"ADD_NOTE"`, auth.NotesWrite},
	} {
		if e.viewer.Can(p.need) {
			if len(dst) > start {
				dst = append(dst, ',')
			}
			dst = append(dst, p.name...)
		}
	}
	return append(dst, ']')
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

// customersRoot is the directory.
func customersRoot() connection {
	return connection{
		noun:      "Customer",
		arguments: []string{"where", "orderBy"},
		filter: func(f *filter) error {
			where, ok := f.input("where")
			if !ok || !where.has("status") {
				f.add(raw("{t}.status = 'ACTIVE'"))
			}
			if !ok {
				return nil
			}
			conds, err := customerWhere(where, 0)
			f.add(conds...)
			return err
		},
		orders: func(a arguments) order {
			o := order{name: "DISPLAY_NAME", keys: []orderKey{textKey("sort_name"), idKey()}}
			switch a.in("orderBy").text("field") {
			case "CREATED_AT":
				o = order{name: "CREATED_AT", keys: []orderKey{instantKey("created_at"), idKey()}}
			case "UPDATED_AT":
				o = order{name: "UPDATED_AT", keys: []orderKey{instantKey("updated_at"), idKey()}}
			}
			o.desc = a.in("orderBy").text("direction") == "DESC"
			return o
		},
	}
}

const (
	maxWhereDepth = 3
	maxWhereItems = 10
)

// customerWhere gives the conditions of a CustomerWhere; all of them must hold.
func customerWhere(in input, depth int) ([]cond, error) {
	if depth > maxWhereDepth {
		return nil, in.fault(fault.BadUserInput, "Conditions can be nested %d deep. Use fewer levels of and/or.", maxWhereDepth)
	}
	conds := in.all(
		in.anyOf("kind", "kind"),
		in.anyOf("status", "status"),
		in.ids("ids", "id", typeid.Customer),
		in.prefix("displayNameStartsWith", "sort_name", fold.Text),
		in.pointOf("email", "EmailAddress", "address_key", fold.Email),
		in.pointOf("phone", "PhoneNumber", "e164", phoneDigits),
		in.between("createdAt", "created_at"),
		in.between("updatedAt", "updated_at"),
	)
	for _, name := range []string{"and", "or"} {
		items, err := in.items(name, maxWhereItems)
		if err != nil {
			return nil, err
		}
		if items == nil {
			continue
		}
		groups := make([][]cond, len(items))
		for i, item := range items {
			if groups[i], err = customerWhere(item, depth+1); err != nil {
				return nil, err
			}
		}
		if name == "and" {
			conds = append(conds, allOf(groups))
		} else {
			conds = append(conds, oneOf(groups))
		}
	}
	return conds, in.f.err
}

// phoneDigits drops what people write between the digits of an E.164 number.
func phoneDigits(s string) string {
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch s[i] {
		case ' ', '-', '.', '(', ')':
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func contactWhere(f *filter) error {
	if where, ok := f.input("where"); ok {
		f.add(where.all(where.isNot("isPrimary", "secondary"))...)
	}
	return f.err
}
