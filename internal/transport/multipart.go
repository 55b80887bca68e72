package transport

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"dossier/internal/fault"
)

// MultipartConfig is the limits of Multipart. The zero value of each means its default.
type MultipartConfig struct {
	// MaxBodyBytes is the most that is read before the operation is authorised: the fields operations and map with their
	// headers. Default DefaultMaxBodyBytes.
	MaxBodyBytes int64
	// MaxMapBytes is the largest map. Default 16 KiB.
	MaxMapBytes int64
	// MaxFiles is the most files of one request. Default 50.
	MaxFiles int
	// MaxSpoolBytes is the most of one request that is put aside for files read out of order or mapped twice, and the most
	// that is skipped of files nobody wants. Default 64 MiB.
	MaxSpoolBytes int64
	// SpoolDir is where that is put aside, in a file without a name. Default os.TempDir().
	SpoolDir string
	// MinBytesPerSecond is the slowest client that is waited for. Default DefaultMinBytesPerSecond.
	MinBytesPerSecond int64
	// RateWindow is how long a client may fall below that rate. Default DefaultRateWindow.
	RateWindow time.Duration
}

// Multipart is the transport for operations with files, by the GraphQL multipart request specification
// (https://github.com/jaydenseric/graphql-multipart-request-spec): the fields operations, then map, then the files.
// The files are not read by it: they are handed to the resolvers, which read them from the network. See Upload.
type Multipart struct{ cfg MultipartConfig }

// NewMultipart makes the transport.
func NewMultipart(cfg MultipartConfig) *Multipart {
	orDefault(&cfg.MaxBodyBytes, DefaultMaxBodyBytes)
	orDefault(&cfg.MaxMapBytes, 16<<10)
	orDefault(&cfg.MaxFiles, 50)
	orDefault(&cfg.MaxSpoolBytes, 64<<20)
	return &Multipart{cfg: cfg}
}

// Supports claims each POST of multipart/form-data. Add Multipart before POST.
func (*Multipart) Supports(r *http.Request) bool {
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return r.Method == http.MethodPost && r.Header.Get("Upgrade") == "" &&
		strings.EqualFold(strings.TrimSpace(media), "multipart/form-data") && !wantsEventStream(r)
}

// Do answers one request.
func (t *Multipart) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	out, bad := begin(w, r, exec)
	if bad == nil && !preflighted(r) {
		bad = notPreflighted()
	}
	var boundary string
	if bad == nil {
		boundary, bad = boundaryOf(r)
	}
	if bad != nil {
		out.refuse(ctx, bad)
		return
	}
	if r.ProtoMajor == 1 {
		// Otherwise net/http reads on in the body before it sends the answer.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	started := graphql.Now()
	src := newBody(w, r, t.cfg.MinBytesPerSecond, t.cfg.RateWindow)
	f := &form{cfg: t.cfg, length: r.ContentLength, body: src, scan: newScanner(src, boundary, t.cfg.MaxBodyBytes)}
	defer f.close()
	params, bad := f.operation()
	if bad != nil {
		f.finish(w, r)
		out.refuse(ctx, bad)
		return
	}
	params.Headers = r.Header
	params.ReadTime = graphql.TraceTiming{Start: started, End: graphql.Now()}
	t.execute(w, r, out, f, params)
}

// execute runs the operation while its files arrive.
func (t *Multipart) execute(w http.ResponseWriter, r *http.Request, out reply, f *form, params *graphql.RawParams) {
	oc, errs := out.exec.CreateOperationContext(r.Context(), params)
	ctx := graphql.WithOperationContext(r.Context(), oc)
	if len(errs) > 0 {
		f.finish(w, r)
		out.errors(ctx, errs)
		return
	}
	var bad *refusal
	if oc.Operation.Operation == ast.Subscription {
		bad = subscriptionRefused()
	} else {
		bad = f.peek()
	}
	if bad != nil {
		f.finish(w, r)
		out.refuse(ctx, bad)
		return
	}
	responses, ctx := out.exec.DispatchOperation(r.Context(), oc)
	resp := responses(ctx)
	f.finish(w, r)
	if resp == nil && f.body.failed != nil && !f.body.drained {
		// The executor gives nothing because the request was cancelled, and net/http cancels it when the body fails.
		out.refuse(graphql.WithOperationContext(ctx, oc), refusalOf(f.body.failed))
		return
	}
	out.result(resp)
}

// boundaryOf reads the boundary from the Content-Type.
func boundaryOf(r *http.Request) (string, *refusal) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	boundary := params["boundary"]
	if err != nil || boundary == "" || len(boundary) > 70 || strings.ContainsAny(boundary, "\r\n") {
		return "", badRequest("The Content-Type has no valid boundary. Let the HTTP client set the Content-Type of multipart/form-data.")
	}
	return boundary, nil
}

// operation reads the fields operations and map and puts an Upload at each place that the map names.
func (f *form) operation() (*graphql.RawParams, *refusal) {
	if err := f.scan.begin(); err != nil {
		return nil, f.refusal(err)
	}
	raw, bad := f.field("operations", f.cfg.MaxBodyBytes)
	if bad != nil {
		return nil, bad
	}
	params, bad := decodeParams(raw, "The field \"operations\"")
	if bad != nil {
		return nil, bad
	}
	raw, bad = f.field("map", f.cfg.MaxMapBytes)
	if bad != nil {
		return nil, bad
	}
	places, bad := decodeMap(raw)
	if bad != nil {
		return nil, bad
	}
	return params, f.assign(params.Variables, places)
}

// decodeMap decodes the map: from the field name of each file to its places in the operations.
func decodeMap(raw []byte) (map[string][]string, *refusal) {
	var entries map[string]json.RawMessage
	if err := decodeJSON(raw, &entries); err != nil || entries == nil {
		return nil, badRequest("The field \"map\" must be a JSON object in which each file's field name has a list of paths.")
	}
	places := make(map[string][]string, len(entries))
	for _, field := range slices.Sorted(maps.Keys(entries)) { // Sorted, so that the same mistake gets the same answer.
		var paths []string
		if err := json.Unmarshal(entries[field], &paths); err != nil || len(paths) == 0 {
			return nil, badRequest("\"map\" must give the file %s a list with at least one path, "+
				"like [\"variables.file\"].", quoteName(field))
		}
		places[field] = paths
	}
	return places, nil
}

// field reads a part that must be the field name.
func (f *form) field(name string, limit int64) ([]byte, *refusal) {
	header, err := f.scan.header()
	if errors.Is(err, io.EOF) {
		return nil, badRequest("The field %q is missing.", name)
	}
	if err != nil {
		return nil, f.refusal(err)
	}
	got, _, err := disposition(header)
	if err != nil {
		return nil, f.refusal(err)
	}
	if got != name {
		return nil, badRequest("The field %q comes where %q must be. The order is \"operations\", \"map\", then the files.",
			got, name)
	}
	var raw []byte
	for {
		if len(raw) == cap(raw) {
			raw = append(raw, make([]byte, max(1<<10, len(raw)))...)[:len(raw)]
		}
		n, err := f.scan.read(raw[len(raw):cap(raw)])
		raw = raw[:len(raw)+n]
		if int64(len(raw)) > limit {
			return nil, refused(http.StatusRequestEntityTooLarge, fault.TooLarge, "The field %q is larger than %d bytes.", name, limit)
		}
		if errors.Is(err, io.EOF) {
			return raw, nil
		}
		if err != nil {
			return nil, f.refusal(err)
		}
	}
}

// refusal gives the answer to a failure to read what comes before the files.
func (f *form) refusal(err error) *refusal {
	if errors.Is(err, errGuard) {
		return refused(http.StatusRequestEntityTooLarge, fault.TooLarge,
			"The fields \"operations\" and \"map\" together are larger than %d bytes.", f.cfg.MaxBodyBytes)
	}
	return refusalOf(err)
}

// assign puts the Uploads into the variables.
func (f *form) assign(variables map[string]any, places map[string][]string) *refusal {
	if len(places) > f.cfg.MaxFiles {
		return refused(http.StatusRequestEntityTooLarge, fault.TooLarge,
			"The request has %d files; at most %d are accepted. Send the others in another request.", len(places), f.cfg.MaxFiles)
	}
	f.files = make(map[string]*file, len(places))
	for _, field := range slices.Sorted(maps.Keys(places)) {
		paths := places[field]
		next := &file{form: f, field: field, places: len(paths), wanted: len(paths)}
		f.files[field] = next
		for _, path := range paths {
			if err := put(variables, path, Upload{handle: &handle{file: next, place: &place{}}}); err != nil {
				return badRequest("\"map\" gives the file %s the path %s, %s.", quoteName(field), quoteName(path), err)
			}
		}
	}
	return nil
}

// put sets the value at path ("variables.input.files.0") in the variables. There must be null, or nothing.
func put(variables map[string]any, path string, upload Upload) error {
	rest, ok := strings.CutPrefix(path, "variables.")
	if !ok {
		return errors.New("which does not begin with \"variables.\"")
	}
	var at any = variables
	for {
		step, after, more := strings.Cut(rest, ".")
		var slot any
		var set func()
		switch in := at.(type) {
		case map[string]any:
			if in == nil {
				return errors.New("but there are no variables")
			}
			slot, set = in[step], func() { in[step] = upload }
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(in) {
				return fmt.Errorf("but the list has no element %s", quoteName(step))
			}
			slot, set = in[i], func() { in[i] = upload }
		default:
			return fmt.Errorf("but there is no object or list that holds %s", quoteName(step))
		}
		if more {
			at, rest = slot, after
			continue
		}
		if slot != nil {
			return errors.New("but the value there is not null")
		}
		set()
		return nil
	}
}

// peek reads the headers of the first file, so that most mistakes in the form are found before anything is executed. No
// more than the limit for operations and map is read.
func (f *form) peek() *refusal {
	if len(f.files) == 0 {
		return nil
	}
	first, err := f.next()
	if errors.Is(err, io.EOF) {
		return refusalOf(missingFile(slices.Min(slices.Collect(maps.Keys(f.files)))))
	}
	if err != nil {
		return f.refusal(err)
	}
	f.current = first
	return nil
}
