package server

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// altairZip is the build folder of the npm package altair-static 8.5.9 (MIT, license inside), as it is published; `make
// altair` makes it again. It is embedded so that the query page works without a network.
//
//go:embed altair.zip
var altairZip []byte

// pagePath is where the query page is.
const pagePath = "/query/"

// page serves the query page: Altair, set up for this server's endpoints with uploads and graphql-ws subscriptions.
type page struct {
	files map[string]*zip.File
	index []byte
	start time.Time
}

func newPage(sample string) (*page, error) {
	archive, err := zip.NewReader(bytes.NewReader(altairZip), int64(len(altairZip)))
	if err != nil {
		return nil, fmt.Errorf("server: the query page: %w", err)
	}
	p := &page{files: make(map[string]*zip.File), start: time.Now()}
	for _, f := range archive.File {
		p.files[f.Name] = f
	}
	index, err := p.read("index.html")
	if err != nil {
		return nil, fmt.Errorf("server: the query page: %w", err)
	}
	options, err := json.Marshal(map[string]any{
		"initialQuery":                        sample,
		"initialSubscriptionRequestHandlerId": "graphql-ws",
		"instanceStorageNamespace":            "dossier_",
		"preserveState":                       false,
		"disableAccount":                      true,
	})
	if err != nil {
		return nil, err
	}
	// Module scripts run in their order, so this one runs after Altair's own. A token may come in the fragment of the URL,
	// which browsers send to nobody.
	script := `<script type="module">
const token = new URLSearchParams(location.hash.slice(1)).get('token') ?? 'PASTE_A_TOKEN';
const authorization = 'Bearer ' + token;
const endpoint = new URL('/graphql', location.href);
const socket = new URL(endpoint);
socket.protocol = socket.protocol.replace('http', 'ws');
history.replaceState(null, '', location.pathname);
AltairGraphQL.init(Object.assign(` + string(options) + `, {
  endpointURL: endpoint.href,
  subscriptionsEndpoint: socket.href,
  initialHeaders: { Authorization: authorization, 'GraphQL-Require-Preflight': '1' },
  initialSubscriptionsPayload: { Authorization: authorization },
}));
</script></body>`
	s := strings.Replace(string(index), `<base href="/" />`, `<base href="`+html.EscapeString(pagePath)+`" />`, 1)
	s = strings.Replace(s, "<title>Altair</title>", "<title>Dossier</title>", 1)
	p.index = []byte(strings.Replace(s, "</body>", script, 1))
	return p, nil
}

func (p *page) read(name string) ([]byte, error) {
	f, ok := p.files[name]
	if !ok {
		return nil, fmt.Errorf("no %s", name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // it only reads memory
	return io.ReadAll(r)
}

// ServeHTTP serves the page's files.
func (p *page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), strings.TrimSuffix(pagePath, "/"))
	name = strings.TrimPrefix(name, "/")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("X-Frame-Options", "SAMEORIGIN")
	if name == "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(p.index)
		return
	}
	content, err := p.read(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	if t := mime.TypeByExtension(path.Ext(name)); t != "" {
		w.Header().Set("Content-Type", t)
	}
	w.Header().Set("Cache-Control", "public, max-age=3600")
	http.ServeContent(w, r, name, p.start, bytes.NewReader(content))
}
