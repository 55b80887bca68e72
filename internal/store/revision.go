package store

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"dossier/ent"
	"dossier/ent/revision"
	"dossier/internal/fault"
	"dossier/internal/timeline"
	"dossier/internal/typeid"
)

// prefixes gives the TypeID prefix of what has versions.
var prefixes = map[timeline.Subject]string{
	timeline.SubjectCustomer: typeid.Customer,
	timeline.SubjectContact:  typeid.Contact,
	timeline.SubjectDocument: typeid.Document,
	timeline.SubjectEntry:    typeid.TimelineEntry,
	timeline.SubjectNote:     typeid.Note,
	"CustomerType":           typeid.CustomerType,
	"CustomerOrigin":         typeid.CustomerOrigin,
	"Office":                 typeid.Office,
	"Service":                typeid.Service,
	subjectStaff:             typeid.StaffUser,

	timeline.SubjectAttribute: typeid.AttributeDefinition,
}

// revise writes down which fields the change to a version touched: one row for each version of each node.
func (t *tx) revise(ctx context.Context, subject timeline.Subject, id uuid.UUID, version int, fields []string) error {
	kind, actorID := t.actor()
	if fields == nil {
		fields = []string{}
	}
	return t.revisionCreate().SetID(t.newID()).SetCreatedAt(t.now).SetNillableCreatedByKind(kind).SetNillableCreatedByID(actorID).
		SetSubjectType(string(subject)).SetSubjectID(id).SetVersion(narrow(version)).SetFields(fields).
		Exec(ctx)
}

// conflict is nil when the expected version is the stored one. Else it is the fault that names which of the fields of
// the input were changed by the versions that the client has not seen.
func (t *tx) conflict(ctx context.Context, subject timeline.Subject, id uuid.UUID, stored, expected int, fields []string) error {
	if stored == expected {
		return nil
	}
	from := narrow(min(max(expected, 0), stored))
	rows, err := t.revisions().Where(revision.SubjectID(id), revision.VersionGT(from)).All(ctx)
	if err != nil {
		return err
	}
	both := []string{}
	for _, name := range fields {
		if slices.ContainsFunc(rows, func(r *ent.Revision) bool { return slices.Contains(r.Fields, name) }) {
			both = append(both, name)
		}
	}
	slices.Sort(both)
	return &fault.Error{
		Code: fault.VersionConflict, Path: []string{"expectedVersion"},
		Message: "This was changed since the version that you expect. Read it again, decide again, and repeat with its present version.",
		Detail: fault.VersionConflictDetail{
			CurrentVersion: stored, ConflictingFields: slices.Compact(both), NodeID: typeid.Format(prefixes[subject], id),
		},
	}
}

// narrow turns a version into what its column holds.
func narrow(version int) int32 { return int32(version) } //nolint:gosec // versions come from such a column and grow by one
