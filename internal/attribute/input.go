package attribute

import (
	"maps"
	"slices"
	"time"

	"dossier/internal/optional"
)

// Draft is the input of a new definition. The JSON names are part of the fingerprint of idempotency keys.
type Draft struct {
	Key             *string          `json:"key,omitempty"`
	Label           string           `json:"label"`
	Description     *string          `json:"description,omitempty"`
	Type            Type             `json:"type"`
	Required        bool             `json:"required,omitempty"`
	CustomerVisible bool             `json:"customerVisible,omitempty"`
	Options         []OptionInput    `json:"options,omitempty"`
	CustomerTypeIDs []string         `json:"customerTypeIds,omitempty"`
	Validation      *ValidationInput `json:"validation,omitempty"`
	Accept          []string         `json:"accept,omitempty"`
	MaxFiles        *int             `json:"maxFiles,omitempty"`
	MaxFileBytes    *int64           `json:"maxFileBytes,omitempty"`
}

// OptionInput is an option of an input. ID is the TypeID of the option to change, nil for a new one.
type OptionInput struct {
	ID       *string `json:"id,omitempty"`
	Key      *string `json:"key,omitempty"`
	Label    string  `json:"label"`
	Archived *bool   `json:"archived,omitempty"`
}

// ValidationInput is the rules of an input.
type ValidationInput struct {
	MinLength    *int       `json:"minLength,omitempty"`
	MaxLength    *int       `json:"maxLength,omitempty"`
	Pattern      *string    `json:"pattern,omitempty"`
	Minimum      *string    `json:"minimum,omitempty"`
	Maximum      *string    `json:"maximum,omitempty"`
	EarliestDate *time.Time `json:"earliestDate,omitempty"`
	LatestDate   *time.Time `json:"latestDate,omitempty"`
	EarliestTime *time.Time `json:"earliestTime,omitempty"`
	LatestTime   *time.Time `json:"latestTime,omitempty"`
}

// Patch is what to change of a definition. The list of options that is given replaces the stored one.
type Patch struct {
	Label           optional.Field[*string]
	Description     optional.Field[*string]
	Type            optional.Field[*Type]
	Required        optional.Field[*bool]
	CustomerVisible optional.Field[*bool]
	Options         optional.Field[[]OptionInput]
	CustomerTypeIDs optional.Field[[]string]
	Validation      optional.Field[*ValidationInput]
	Accept          optional.Field[[]string]
	MaxFiles        optional.Field[*int]
	MaxFileBytes    optional.Field[*int64]
}

// fields names what the input gives, in the spelling of the schema.
func (p Patch) fields() []string {
	return named(map[string]bool{
		"label": p.Label.Given, "description": p.Description.Given, "type": p.Type.Given, "required": p.Required.Given,
		"customerVisible": p.CustomerVisible.Given, "options": p.Options.Given, "validation": p.Validation.Given,
		"customerTypeIds": p.CustomerTypeIDs.Given,
		"accept":          p.Accept.Given, "maxFiles": p.MaxFiles.Given,
		"maxFileBytes": p.MaxFileBytes.Given,
	})
}

// named gives the names that are true, sorted.
func named(fields map[string]bool) []string {
	maps.DeleteFunc(fields, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(fields))
}
