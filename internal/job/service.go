package job

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"dossier/internal/auth"
	"dossier/internal/blob"
	"dossier/internal/customer"
	"dossier/internal/document"
	"dossier/internal/fault"
	"dossier/internal/idempotency"
	"dossier/internal/typeid"
)

// ModeImport is what the upload of a file to import is stored as.
const ModeImport = "IMPORT"

// Service is the use cases of imports and exports.
type Service struct {
	Store Store
	// Files brings the file of an import into the object store.
	Files *document.Service
	Blobs blob.Store
	NewID func() uuid.UUID
	Now   func() time.Time
	// Wake is told that there is a new job, so that this node looks at once. It must return at once.
	Wake func()
}

// NewService makes a Service with the system's clock and ids.
func NewService(store Store, files *document.Service, blobs blob.Store) *Service {
	return &Service{Store: store, Files: files, Blobs: blobs, NewID: typeid.New, Now: time.Now, Wake: func() {}}
}

// ImportDraft says how to read a file. The JSON names are part of the fingerprint of idempotency keys.
type ImportDraft struct {
	Columns              []ColumnMapping `json:"columns,omitempty"`
	MatchBy              []MatchKey      `json:"matchBy"`
	Mode                 string          `json:"mode"`
	DefaultRegion        *string         `json:"defaultRegion,omitempty"`
	IgnoreUnknownColumns bool            `json:"ignoreUnknownColumns,omitempty"`
}

// ImportStart brings a file into the object store and makes the job that imports it. Who may: CustomersImport.
func (s *Service) ImportStart(
	ctx context.Context, p auth.Principal, d ImportDraft, file document.Incoming, dryRun bool, idempotencyKey *string,
) (uuid.UUID, error) {
	if err := p.Require(auth.CustomersImport); err != nil {
		return uuid.Nil, err
	}
	region, err := d.check()
	if err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("importStart", idempotencyKey, struct {
		Input  ImportDraft `json:"input"`
		DryRun bool        `json:"dryRun"`
	}{d, dryRun})
	if err != nil {
		return uuid.Nil, err
	}
	defs, err := s.Store.AttributeDefinitions(ctx, p.AccountID)
	if err != nil {
		return uuid.Nil, fault.Wrap("job.ImportStart", err)
	}
	path := []string{"file"}
	check := &fileCheck{path: path, mapping: d.Columns, ignoreUnknown: d.IgnoreUnknownColumns, attributes: defs}
	id, err := s.Files.Take(ctx, p, file, path, document.Taking{
		Mode: ModeImport, ContentType: "text/csv", MaxBytes: MaxImportBytes, Key: key, Watch: check.write,
		Complete: func(ctx context.Context, p auth.Principal, a document.Attempt, c document.Content) (uuid.UUID, error) {
			in, err := check.finish()
			if err != nil {
				return uuid.Nil, err
			}
			in.MatchBy, in.Mode, in.Region = d.MatchBy, d.Mode, region
			text, err := json.Marshal(in)
			if err != nil {
				return uuid.Nil, err
			}
			return s.Store.CompleteImport(ctx, p, a, c, New{
				ID: c.DocumentID, Kind: Import, DryRun: dryRun, Input: text, FileName: a.FileName, Total: &in.Rows,
			})
		},
	})
	if err == nil {
		s.Wake()
	}
	return id, fault.Wrap("job.ImportStart", err)
}

func (d ImportDraft) check() (region string, err error) {
	var list fault.List
	if len(d.Columns) > maxColumns {
		list = append(list, fault.At(fault.BadUserInput, []string{"input", "columns"}, "This list has %d items; at most %d are accepted.", len(d.Columns), maxColumns))
	}
	for i, m := range d.Columns {
		if slices.ContainsFunc(d.Columns[:min(i, maxColumns)], func(o ColumnMapping) bool { return sameName(o.Column, m.Column) }) {
			list = append(list, fault.At(fault.BadUserInput, []string{"input", "columns", strconv.Itoa(i), "column"}, "This column is in the list twice. Remove one."))
		}
	}
	for i, k := range d.MatchBy {
		if slices.Contains(d.MatchBy[:i], k) {
			list = append(list, fault.At(fault.BadUserInput, []string{"input", "matchBy", strconv.Itoa(i)}, "%s is in the list twice. Remove one.", k))
		}
	}
	if d.Mode == modeUpdateOnly && len(d.MatchBy) == 0 {
		list = append(list, fault.At(fault.Required, []string{"input", "matchBy"}, "Without a key no row finds its customer, so there is nothing to update. Name at least one."))
	}
	if d.DefaultRegion != nil && strings.TrimSpace(*d.DefaultRegion) != "" {
		region = upper(*d.DefaultRegion)
		if !customer.IsRegion(region) {
			list = append(list, fault.At(fault.BadUserInput, []string{"input", "defaultRegion"}, "A country is a code of ISO 3166-1 with two letters, for example DE."))
		}
	}
	return region, list.Err()
}

// ExportDraft says what to export. The JSON names are part of the fingerprint of idempotency keys.
type ExportDraft struct {
	Format string       `json:"format"`
	Where  *ExportWhere `json:"where,omitempty"`
}

// ExportStart makes a job that writes the directory to a file. Who may: CustomersExport.
func (s *Service) ExportStart(ctx context.Context, p auth.Principal, d ExportDraft, idempotencyKey *string) (uuid.UUID, error) {
	if err := p.Require(auth.CustomersExport); err != nil {
		return uuid.Nil, err
	}
	if err := d.check(); err != nil {
		return uuid.Nil, err
	}
	key, err := idempotency.New("exportStart", idempotencyKey, d)
	if err != nil {
		return uuid.Nil, err
	}
	if d.Where == nil {
		d.Where = &ExportWhere{}
	}
	if d.Where.Status == nil {
		d.Where.Status = []string{string(customer.Active)}
	}
	text, err := json.Marshal(d)
	if err != nil {
		return uuid.Nil, fault.Wrap("job.ExportStart", err)
	}
	name := fmt.Sprintf("customers-%s.%s", s.Now().UTC().Format("2006-01-02"), formats[d.Format].extension)
	id, err := s.Store.CreateJob(ctx, p, key, New{ID: s.NewID(), Kind: Export, Input: text, FileName: name})
	if err == nil {
		s.Wake()
	}
	return id, fault.Wrap("job.ExportStart", err)
}

// maxChosen is how many types or origins an export can be of.
const maxChosen = 100

func (d ExportDraft) check() error {
	if d.Where == nil {
		return nil
	}
	var list fault.List
	for _, f := range []struct {
		name, prefix string
		ids          []string
	}{{"typeId", typeid.CustomerType, d.Where.TypeID}, {"originId", typeid.CustomerOrigin, d.Where.OriginID}} {
		path := []string{"input", "where", f.name}
		if len(f.ids) > maxChosen {
			list = append(list, fault.At(fault.BadUserInput, path, "This list has %d items; at most %d are accepted.", len(f.ids), maxChosen))
		}
		for i, id := range f.ids[:min(len(f.ids), maxChosen)] {
			if _, err := typeid.ParseAs(f.prefix, id); err != nil {
				list = append(list, fault.At(fault.NotFound, append(slices.Clip(path), strconv.Itoa(i)), "This names nothing in this account."))
			}
		}
	}
	return list.Err()
}

// Cancel ends a job. Who may: JobsWrite, and what starting a job of its kind needs.
func (s *Service) Cancel(ctx context.Context, p auth.Principal, id uuid.UUID) error {
	if err := p.Require(auth.JobsWrite); err != nil {
		return err
	}
	err := s.Store.CancelJob(ctx, p, id, []string{"id"}, func(k Kind) error {
		if k == Export {
			return p.Require(auth.CustomersExport)
		}
		return p.Require(auth.CustomersImport)
	})
	return fault.Wrap("job.Cancel", err)
}

// ResultRequest gives where a link to an export leads to now, under the rules of document.Service.DownloadRequest. A job
// that is gone is NOT_FOUND, as a forged and an expired link are. Who may: CustomersExport.
func (s *Service) ResultRequest(ctx context.Context, links *document.Links, path string, v document.Visit) (document.Offer, error) {
	p, id, reading, err := s.Files.Follow(ctx, links, path, v, auth.CustomersExport, document.ActionExport)
	if err != nil {
		return document.Offer{}, err
	}
	r, err := s.Store.JobResult(ctx, p, id, reading)
	if err != nil {
		return document.Offer{}, fault.Wrap("job.ResultRequest", err)
	}
	o, err := s.Files.OfferOf(ctx, r.ObjectKey, document.Offer{FileName: r.FileName, ContentType: r.ContentType, SizeBytes: r.SizeBytes}, v)
	return o, fault.Wrap("job.ResultRequest", err)
}
