package document

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/attribute"
	"dossier/internal/auth"
	"dossier/internal/fault"
)

// Area is where documents are filed: the general area, or the definition of a custom attribute of the type FILE.
type Area struct {
	// ID is the definition's, uuid.Nil for the general area.
	ID         uuid.UUID
	Key, Label string
	// Accept are media types, ranges and groups of them; empty for all that the account accepts.
	Accept []string
	// MaxFiles is the most documents of a customer, 0 for no limit.
	MaxFiles int
	// MaxFileBytes is the limit of the area or that of the account, whichever is lower.
	MaxFileBytes              int64
	Required, CustomerVisible bool
	ArchivedAt                *time.Time
	// Fits says that the area is for customers of the type at hand.
	Fits bool
}

// GeneralArea is the area that is always there.
func GeneralArea(maxFileBytes int64) Area {
	return Area{Key: attribute.GeneralKey, Label: attribute.GeneralLabel, MaxFileBytes: maxFileBytes, Fits: true}
}

// General says whether it is the general area.
func (a Area) General() bool { return a.ID == uuid.Nil }

// takesNew refuses documents that are new in the area.
func (a Area) takesNew(path []string) error {
	switch {
	case a.ArchivedAt != nil:
		return fault.At(fault.Conflict, path,
			"The area %s was archived: it keeps its documents and takes no new ones. Choose another area, or restore it.", a.Key)
	case !a.Fits:
		return fault.At(fault.Conflict, path, "The area %s is not for customers of this type. Choose another area.", a.Key)
	default:
		return nil
	}
}

// checkType refuses a content that the account accepts and the area does not.
func (a Area) checkType(mediaType string, path []string) error {
	if Accepts(a.Accept, mediaType) {
		return nil
	}
	return errUnsupported(mediaType, a.Accept, path, "The content of the file is %s, which the area %s does not accept. %s",
		describe(mediaType), a.Key, remedy(a.Accept))
}

func errAreaUnknown(path []string) error {
	return fault.At(fault.NotFound, path, "The account has no area for documents with this key.")
}

// errFull is in the chain of ErrAreaFull.
var errFull = errors.New("document: the area is full")

// Areas gives the areas that a customer, or customers of a type, can have documents in: all that are in use when neither is
// given. Who may: DocumentsRead.
func (s *Service) Areas(ctx context.Context, p auth.Principal, customerID, typeID uuid.UUID) ([]Area, error) {
	if err := p.Require(auth.DocumentsRead); err != nil {
		return nil, err
	}
	if customerID != uuid.Nil && typeID != uuid.Nil {
		return nil, fault.At(fault.BadUserInput, []string{"typeId"}, "Give customerId or typeId, not both.")
	}
	areas, err := s.Store.Areas(ctx, p, customerID, typeID)
	return areas, fault.Wrap("document.Areas", err)
}

// ErrAreaFull is the answer when a customer has as many documents in an area as it may have. The Store gives it too.
func ErrAreaFull(maxFiles int, path []string) error {
	e := fault.At(fault.Conflict, path,
		"The area holds %d documents of a customer at most, uploads in progress included. Archive or move one first.", maxFiles)
	e.Err = errFull
	return e
}

// areaPath is where inputs name the area.
func areaPath() []string { return []string{"input", "areaKey"} }

// areaKey is the key of the area that an input names, the general one when it names none.
func areaKey(key *string) string {
	if key == nil {
		return attribute.GeneralKey
	}
	return *key
}

// The purposes and visibilities of documents, in the spelling of the schema.
const (
	VisibleToStaff    = "STAFF_ONLY"
	VisibleToCustomer = "CUSTOMER"
)

var (
	purposes     = []string{"OPERATIONAL", "LEGAL", "ADMINISTRATIVE"}
	visibilities = []string{VisibleToStaff, VisibleToCustomer}
)

func checkOneOf(value string, known []string, path []string) error {
	if slices.Contains(known, value) {
		return nil
	}
	return fault.At(fault.BadUserInput, path, "This is one of %s.", strings.Join(known, ", "))
}
