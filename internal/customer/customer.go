package customer

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/fold"
)

// Limits of the schema, in characters and items.
const (
	MaxName     = 200
	MaxStreet   = 500
	MaxPostcode = 20
	MaxPoints   = 20
	MaxContacts = 50
)

// Kind is what a customer is, in the spelling of the SDL.
type Kind string

// The kinds.
const (
	Person  Kind = "PERSON"
	Company Kind = "COMPANY"
)

// Status is where a customer is in its life, in the spelling of the SDL.
type Status string

// The states.
const (
	Active   Status = "ACTIVE"
	Archived Status = "ARCHIVED"
	Merged   Status = "MERGED"
)

// Channel is the way by which something enters the customer file, in the spelling of the SDL's EntryChannel.
type Channel string

// The channels.
const (
	ByStaff      Channel = "STAFF"
	ByBooking    Channel = "BOOKING"
	ByImport     Channel = "IMPORT"
	ByAPI        Channel = "API"
	BySecureLink Channel = "SECURE_LINK"
)

// Customer is somebody whom the business serves. Empty text stands for null.
type Customer struct {
	ID          uuid.UUID
	Version     int
	Kind        Kind
	Status      Status
	GivenName   string
	FamilyName  string
	CompanyName string
	CreatedVia  Channel
	ArchivedAt  *time.Time
	Profile
	Points
}

// DisplayName is the name to show: the company's, else the person's.
func (c Customer) DisplayName() string {
	if c.Kind == Company {
		return c.CompanyName
	}
	return join(c.GivenName, c.FamilyName)
}

// SortName is the display name in the form by which customers are ordered and found.
func (c Customer) SortName() string { return fold.Text(c.DisplayName()) }

// Contact is a person to talk to at a customer.
type Contact struct {
	ID         uuid.UUID
	Version    int
	GivenName  string
	FamilyName string
	Role       string
	Primary    bool
	Points
}

// DisplayName is the name to show.
func (c Contact) DisplayName() string { return join(c.GivenName, c.FamilyName) }

// SortName is the display name in the form by which contacts are ordered.
func (c Contact) SortName() string { return fold.Text(c.DisplayName()) }

func join(given, family string) string { return strings.TrimSpace(given + " " + family) }

// File is a customer with its contacts that are not archived, the oldest first.
type File struct {
	Customer
	Contacts []Contact
}

// contact gives the place of a contact in the file, -1 when it is not there.
func (f File) contact(id uuid.UUID) int {
	for i := range f.Contacts {
		if f.Contacts[i].ID == id {
			return i
		}
	}
	return -1
}

// Points are the contact points of a customer or a contact. The first of each list is the primary one.
type Points struct {
	Emails    []Email
	Phones    []Phone
	Addresses []Address
}

// Email is an e-mail address. Key is the address in the form in which it is looked up.
// Purposes is what mail goes there: names of the SDL's ContactPurpose, sorted, with a comma between them, so that an
// Email can be compared.
type Email struct {
	ID       uuid.UUID
	Type     string
	Address  string
	Key      string
	Purposes string
}

// PurposeList is Purposes as a list.
func (e Email) PurposeList() []string {
	if e.Purposes == "" {
		return []string{}
	}
	return strings.Split(e.Purposes, ",")
}

// Phone is a telephone number.
type Phone struct {
	ID        uuid.UUID
	Type      string
	E164      string
	Extension string
}

// Address is a postal address. Empty text stands for null.
type Address struct {
	ID            uuid.UUID
	Type          string
	StreetAddress string
	Locality      string
	Region        string
	PostalCode    string
	Country       string
}

func (e Email) id() uuid.UUID   { return e.ID }
func (p Phone) id() uuid.UUID   { return p.ID }
func (a Address) id() uuid.UUID { return a.ID }

// pointTypes are what a contact point can be for, in the spelling of the SDL's ContactPointType.
var pointTypes = []string{"MOBILE", "HOME", "WORK", "BILLING", "SHIPPING", "OTHER"}

const defaultPointType = "OTHER"
