package graph

import (
	"context"

	"github.com/google/uuid"

	"dossier/graph/model"
	"dossier/internal/job"
	"dossier/internal/read"
	"dossier/internal/transport"
	"dossier/internal/typeid"
)

// Job is the job with an id.
func (r queryResolver) Job(ctx context.Context, _ string) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

// Jobs are the imports and exports of the account.
func (r queryResolver) Jobs(ctx context.Context, _ *model.JobWhere, _ *int, _ *string, _ *int, _ *string) (*read.Object, error) {
	return r.Engine.Field(ctx)
}

func (r *Resolver) jobPayload(ctx context.Context, id uuid.UUID, err error) (*read.Object, error) {
	return r.payload(ctx, "JobPayload", map[string]any{"job": read.Ref{Type: "Job", ID: id}}, err)
}

// ImportStart begins an import.
func (r mutationResolver) ImportStart(
	ctx context.Context, input model.ImportInput, file transport.Upload, dryRun bool, idempotencyKey *string,
) (*read.Object, error) {
	id, err := r.Jobs.ImportStart(ctx, viewer(ctx), importDraft(input), file, dryRun, idempotencyKey)
	return r.jobPayload(ctx, id, err)
}

// ExportStart begins an export.
func (r mutationResolver) ExportStart(ctx context.Context, input model.ExportInput, idempotencyKey *string) (*read.Object, error) {
	id, err := r.Jobs.ExportStart(ctx, viewer(ctx), exportDraft(input), idempotencyKey)
	return r.jobPayload(ctx, id, err)
}

// JobCancel ends a job.
func (r mutationResolver) JobCancel(ctx context.Context, id string) (*read.Object, error) {
	u, err := parseID(typeid.Job, id, "id")
	if err == nil {
		err = r.Jobs.Cancel(ctx, viewer(ctx), u)
	}
	return r.jobPayload(ctx, u, err)
}

func importDraft(in model.ImportInput) job.ImportDraft {
	return job.ImportDraft{
		Columns: list(in.Columns.Value(), func(c *model.ImportColumnInput) job.ColumnMapping {
			return job.ColumnMapping{Column: c.Column, Field: c.Field}
		}),
		MatchBy: list(in.MatchBy, func(k model.ImportMatchKey) job.MatchKey { return job.MatchKey(k) }),
		Mode:    string(in.Mode), DefaultRegion: in.DefaultRegion.Value(), IgnoreUnknownColumns: in.IgnoreUnknownColumns,
	}
}

func exportDraft(in model.ExportInput) job.ExportDraft {
	draft := job.ExportDraft{Format: string(in.Format)}
	if where := in.Where.Value(); where != nil {
		draft.Where = &job.ExportWhere{
			Status: list(where.Status.Value(), func(s model.CustomerStatus) string { return string(s) }),
			Kind:   list(where.Kind.Value(), func(k model.CustomerKind) string { return string(k) }),
			TypeID: where.TypeID.Value(), OriginID: where.OriginID.Value(),
		}
		if at := where.CreatedAt.Value(); at != nil {
			draft.Where.CreatedAt = &job.TimeRange{Gte: at.Gte.Value(), Lt: at.Lt.Value()}
		}
	}
	return draft
}
