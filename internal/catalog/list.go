package catalog

import (
	"time"

	"github.com/google/uuid"

	"dossier/internal/optional"
	"dossier/internal/typeid"
)

// Limits of a list and of an item, in items and characters.
const (
	// MaxItems is how many items can be chosen.
	MaxItems = 200
	// MaxStored is how many items there are at most, archived ones included: every change reads all of them.
	MaxStored   = 1000
	MaxLabel    = 200
	MaxKey      = 60
	MaxDuration = 525_600
)

// List is one of the lists.
type List struct {
	// Noun is the type of an item, Field the beginning of its mutations and its name in their payloads, Query the field
	// that the list is read by, all in the spelling of the SDL.
	Noun, Field, Query string
	// Prefix is that of the items' ids.
	Prefix string
	// Label is what the SDL calls the label.
	Label string
	// Word is what messages call an item.
	Word string
	// Zoned items have a time zone, Timed ones a duration.
	Zoned, Timed bool
}

// The lists.
var (
	CustomerTypes = List{
		Noun: "CustomerType", Field: "customerType", Query: "customerTypes", Prefix: typeid.CustomerType, Label: "label", Word: "customer type",
	}
	CustomerOrigins = List{
		Noun: "CustomerOrigin", Field: "customerOrigin", Query: "customerOrigins", Prefix: typeid.CustomerOrigin, Label: "label", Word: "origin",
	}
	Offices = List{
		Noun: "Office", Field: "office", Query: "offices", Prefix: typeid.Office, Label: "name", Word: "office", Zoned: true,
	}
	Services = List{
		Noun: "Service", Field: "service", Query: "services", Prefix: typeid.Service, Label: "name", Word: "service", Timed: true,
	}
)

// Lists gives all of them.
func Lists() []List { return []List{CustomerTypes, CustomerOrigins, Offices, Services} }

// Item is one item of a list.
type Item struct {
	ID         uuid.UUID
	Version    int
	Key, Label string
	Position   int
	// ArchivedAt is nil for an item that can be chosen.
	ArchivedAt *time.Time
	// TimeZone is "" where the list is not Zoned. DurationMinutes is 0 for null and where the list is not Timed.
	TimeZone        string
	DurationMinutes int
}

// Draft is the input of a new item. The JSON names are part of the fingerprint of idempotency keys.
type Draft struct {
	Key             *string `json:"key,omitempty"`
	Label           string  `json:"label"`
	TimeZone        *string `json:"timeZone,omitempty"`
	DurationMinutes *int    `json:"durationMinutes,omitempty"`
}

// Patch is what to change of an item.
type Patch struct {
	Label           optional.Field[*string]
	TimeZone        optional.Field[*string]
	DurationMinutes optional.Field[*int]
}

// Default is an item that a new account has.
type Default struct {
	List List
	Item Item
}

// Defaults gives the items that a new account has, with new ids. The migration that made the lists has the same ones.
func Defaults(newID func() uuid.UUID) []Default {
	var all []Default
	add := func(l List, items ...Item) {
		for i, item := range items {
			item.ID, item.Version, item.Position = newID(), 1, i
			item.Key = keyOf(l, item.Label)
			all = append(all, Default{l, item})
		}
	}
	add(CustomerTypes, Item{Label: "Residential"}, Item{Label: "Commercial"}, Item{Label: "Builder"})
	add(CustomerOrigins, Item{Label: "Google"}, Item{Label: "Flyer"}, Item{Label: "Facebook"}, Item{Label: "Friend's reference"}, Item{Label: "Other"})
	add(Offices, Item{Label: "Main office", TimeZone: "UTC"})
	return all
}
