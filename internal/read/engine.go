package read

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"dossier/internal/auth"
	"dossier/internal/wall"
)

// Config is what an Engine needs. Only Pool and Schema must be given.
type Config struct {
	// Pool is opened with OpenPool: the statements of an operation see one snapshot only on such connections. With the role of
	// the program in its connection string, the engine stands behind row-level security: see package wall.
	Pool *pgxpool.Pool
	// Schema is the parsed SDL.
	Schema *ast.Schema
	// Viewer says who an operation reads for; PrincipalViewer when it is nil.
	Viewer func(context.Context) (Viewer, error)
	// Now is the clock that splits timelines; time.Now when it is nil.
	Now func() time.Time
	// DownloadURL makes the URL of the content of a document version for a holder; without it there are no downloads.
	DownloadURL func(h auth.Holder, account, version uuid.UUID) string
	// DocumentsZipURL makes the URL of all documents of a customer for a holder; without it there are none.
	DocumentsZipURL func(h auth.Holder, account, customer uuid.UUID) string
	// JobURL makes the URL of what an export has made for a holder; without it there are none.
	JobURL func(h auth.Holder, account, job uuid.UUID) string
	// PreviewURL makes the URL of a picture of the content of a document version for a holder, in a size: PREVIEW or
	// THUMBNAIL. Without it there are none.
	PreviewURL func(size string, h auth.Holder, account, version uuid.UUID) string
	// ImageURL makes the URL of a customer's picture in a size: ORIGINAL, PREVIEW or THUMBNAIL. Without it they are "".
	ImageURL func(size string, account, image uuid.UUID) string
	// MaxCost and MaxDepth bound an operation; 2,000 and 12 when they are 0.
	MaxCost, MaxDepth int
	// MaxFilesPerRequest and EventRetentionDays are shown in AccountLimits; 64 and 7 when they are 0.
	MaxFilesPerRequest, EventRetentionDays int
	// Plans is how many compiled selections are kept; 300 when it is 0.
	Plans int
}

func (c *Config) setDefaults() {
	if c.Viewer == nil {
		c.Viewer = PrincipalViewer
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for _, d := range []struct {
		value    *int
		fallback int
	}{{&c.MaxCost, 2000}, {&c.MaxDepth, 12}, {&c.MaxFilesPerRequest, 64}, {&c.EventRetentionDays, 7}, {&c.Plans, 300}} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
}

// Engine reads. It is safe for concurrent use.
type Engine struct {
	config Config
	nouns  map[string]*noun
	// prefixes maps the prefixes of ids to the types of nodes.
	prefixes map[string]string
	shapes   map[string]map[string]bool
	plans    *planCache
	// few is how many customers may have a value of an attribute so that all of them are looked at.
	few int
	// sifted is how many rows are looked at for conditions that no index serves.
	sifted int
	spaces spacePool
	tracer pgx.BatchTracer
	// walled says that the connections of the pool stand behind the wall.
	walled bool
	words  wordShares
	// bySignature and byDocument say how many rows a search looks at.
	bySignature, byDocument pace
}

// New checks the declarations against the SDL and the tables, and makes an engine of them.
func New(config Config) (*Engine, error) {
	config.setDefaults()
	if config.Schema == nil {
		return nil, errors.New("read: no schema")
	}
	e := &Engine{
		few: 10_000, sifted: maxSifted, config: config, nouns: map[string]*noun{}, prefixes: map[string]string{},
		bySignature: bySignature, byDocument: byDocument,
	}
	for _, n := range declared() {
		e.nouns[n.name] = n
		if n.prefix != "" {
			e.prefixes[n.prefix] = n.name
		}
	}
	e.shapes = make(map[string]map[string]bool)
	for name, types := range config.Schema.PossibleTypes {
		e.shapes[name] = make(map[string]bool, len(types))
		for _, t := range types {
			e.shapes[name][t.Name] = true
		}
	}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("read: the declarations are broken: %w", err)
	}
	var err error
	if e.plans, err = newPlanCache(config.Plans); err != nil {
		return nil, err
	}
	if config.Pool != nil {
		sessions := config.Pool.Config().ConnConfig
		e.tracer, _ = sessions.Tracer.(pgx.BatchTracer)
		e.walled = wall.Raised(sessions)
	}
	return e, nil
}

// declared lists the nouns.
func declared() []*noun {
	list := []*noun{
		accountNoun(), limitsNoun(), storageNoun(), staffUserNoun(), apiKeyNoun(), customerNoun(), contactNoun(), emailNoun(), phoneNoun(),
		postalNoun(), documentNoun(), documentVersionNoun(), areaNoun(), timelineNoun(), eventNoun(),
		customerTypeNoun(), customerOriginNoun(), officeNoun(), serviceNoun(),
		jobNoun(), jobProgressNoun(), jobCountsNoun(), jobRowErrorNoun(),
		mergeNoun(), mergeCountsNoun(),
		noteNoun(), imageNoun(), customerStatNoun(), auditNoun(),
	}
	return append(list, attributeNouns()...)
}

// roots are the connections of Query.
func (e *Engine) roots() map[string]connection {
	return map[string]connection{
		"customers": customersRoot(), "events": eventsRoot(), "documents": documentsRoot(),
		"customerTypes": listRoot("CustomerType"), "customerOrigins": listRoot("CustomerOrigin"),
		"offices": listRoot("Office"), "services": listRoot("Service"), "staffUsers": staffRoot(),
		"jobs":                 jobsRoot(),
		"customerMerges":       mergesRoot(),
		"auditTrail":           auditTrail(""),
		"attributeDefinitions": attributesRoot(),
	}
}

// finds are the fields of Query that find one row by something else than its id.
func finds() map[string]toFirst {
	return map[string]toFirst{"customerByExternalId": customerByExternalID()}
}

// Field gives the value of the root field of Query that is being resolved. The first field of an operation runs all of
// them as one batch, the others take their results.
func (e *Engine) Field(ctx context.Context) (*Object, error) {
	fc := graphql.GetFieldContext(ctx)
	s := sessionFrom(ctx)
	if s == nil {
		s = &Session{}
	}
	res, err := s.result(ctx, e, fc.Field.Alias)
	if err != nil {
		return nil, err
	}
	return res.report(ctx)
}

// Render gives the value of the field that is being resolved from v: an Obj with whatever it refers to.
func (e *Engine) Render(ctx context.Context, v Value) (*Object, error) {
	objects, err := e.render(ctx, []any{v})
	if err != nil {
		return nil, err
	}
	return objects[0].report(ctx)
}

// RenderEach is Render for several values of the same field, which are read in one batch: the messages of a subscription.
// A value that is null where it cannot be, and its errors, fail all of them.
func (e *Engine) RenderEach(ctx context.Context, vs []any) ([]Object, error) {
	results, err := e.render(ctx, vs)
	if err != nil {
		return nil, err
	}
	objects := make([]Object, len(results))
	for i, res := range results {
		o, err := res.report(ctx)
		if err != nil {
			return nil, err
		}
		if o != nil {
			objects[i] = *o
		}
	}
	return objects, nil
}

func (e *Engine) render(ctx context.Context, vs []any) ([]*result, error) {
	if len(vs) == 0 {
		return nil, nil
	}
	oc := graphql.GetOperationContext(ctx)
	op, err := e.begin(ctx, signature(e.config.Schema, oc.Operation, oc.Variables))
	if err != nil {
		return nil, err
	}
	fc := graphql.GetFieldContext(ctx)
	sel := selected{key: fc.Field.Alias, fields: []*ast.Field{fc.Field.Field}}
	if len(fc.Field.Selections) > 0 { // what gqlgen merged
		merged := *fc.Field.Field
		merged.SelectionSet = fc.Field.Selections
		sel.fields = []*ast.Field{&merged}
	}
	nodes := make([]*node, len(vs))
	for i, v := range vs {
		nodes[i] = op.build(v, fc.Field.Definition.Type, sel, []string{sel.key})
	}
	if err := op.run(ctx); err != nil {
		return nil, err
	}
	results := make([]*result, len(vs))
	for i, n := range nodes {
		results[i] = op.finish(n, fc.Field.Definition.Type.NonNull)
	}
	op.release()
	return results, nil
}

// result is the value of a root field and its errors.
type result struct {
	object *Object
	faults []located
}

// report hands the errors to the executor. When the field is null the last of them is returned, because gqlgen takes a nil
// value without an error for a mistake of the resolver.
func (r *result) report(ctx context.Context) (*Object, error) {
	for i, f := range r.faults {
		err := gqlerror.WrapPath(astPath(f.path), f.err)
		if r.object == nil && i == len(r.faults)-1 {
			return nil, err
		}
		graphql.AddError(ctx, err)
	}
	return r.object, nil
}

func astPath(keys []string) ast.Path {
	path := make(ast.Path, len(keys))
	for i, k := range keys {
		path[i] = ast.PathName(k)
	}
	return path
}
