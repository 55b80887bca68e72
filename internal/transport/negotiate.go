package transport

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"dossier/internal/fault"
)

const (
	mediaResponse = "application/graphql-response+json"
	mediaJSON     = "application/json"
	mediaEvents   = "text/event-stream"
)

// negotiate gives the media type of the response. Without an Accept header, and for wildcards, it is application/json:
// a client that does not name the newer type may not understand its status codes. ok is false when the client accepts
// neither.
func negotiate(r *http.Request) (media string, ok bool) {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return mediaJSON, true
	}
	accept := strings.Join(values, ",")
	if strings.TrimSpace(accept) == "" {
		return mediaJSON, true
	}
	plain, newer := preference(accept, mediaJSON), preference(accept, mediaResponse)
	switch {
	case plain.q == 0 && newer.q == 0:
		return mediaJSON, false
	case newer.q > plain.q, newer.q == plain.q && newer.position < plain.position:
		return mediaResponse, true
	default:
		return mediaJSON, true
	}
}

// wantsEventStream says whether the client would rather have text/event-stream than JSON. Naming it is not enough: urql
// lists it last, after both JSON types, on every query.
func wantsEventStream(r *http.Request) bool {
	accept := strings.Join(r.Header.Values("Accept"), ",")
	if !strings.Contains(strings.ToLower(accept), mediaEvents) {
		return false
	}
	events := preference(accept, mediaEvents)
	for _, media := range []string{mediaJSON, mediaResponse} {
		if p := preference(accept, media); p.q > events.q || p.q == events.q && p.position < events.position {
			return false
		}
	}
	return events.q > 0
}

// accepted is how much a client wants a media type: its quality, and where in the list the range that says so is.
type accepted struct {
	q        float64
	position int
}

// preference finds the most specific range of an Accept header that covers media.
func preference(accept, media string) accepted {
	best, bestRank := accepted{}, 0
	position := 0
	for item := range strings.SplitSeq(accept, ",") {
		name, params, _ := strings.Cut(item, ";")
		rank := 0
		switch strings.ToLower(strings.TrimSpace(name)) {
		case media:
			rank = 3
		case media[:strings.IndexByte(media, '/')] + "/*":
			rank = 2
		case "*/*":
			rank = 1
		}
		if rank > bestRank {
			best, bestRank = accepted{q: quality(params), position: position}, rank
		}
		position++
	}
	return best
}

// quality reads the q parameter of a media range. One that is malformed counts as absent.
func quality(params string) float64 {
	for param := range strings.SplitSeq(params, ";") {
		key, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(key), "q") {
			continue
		}
		if q, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && q >= 0 && q <= 1 {
			return q
		}
	}
	return 1
}

// preflightHeaders are the headers that make a browser ask before it sends a request across origins. Any of them, with
// any value, shows that the request did not come from a form or an image of another site.
var preflightHeaders = []string{"GraphQL-Require-Preflight", "Apollo-Require-Preflight", "X-Requested-With"}

// preflighted says whether a browser must have asked before it sent r.
//
// SECURITY: this stops cross-site request forgery. A form, an image or a script of another site can send a GET and a
// multipart POST with the user's cookies and network position, and Accept is a header that it may set freely. It can
// neither set one of the preflight headers nor a content type beyond the three of forms without the browser asking
// first, and the CORS policy answers that question.
func preflighted(r *http.Request) bool {
	for _, name := range preflightHeaders {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return false
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		// Browsers read a header that this parser refuses in their own way, so it shows nothing.
		return false
	}
	switch media {
	case "application/x-www-form-urlencoded", "multipart/form-data", "text/plain":
		return false
	default:
		return true
	}
}

func notPreflighted() *refusal {
	return refused(http.StatusBadRequest, fault.BadUserInput,
		"This request could have been sent by another site (CSRF), so it was not executed. Add one of the headers %s with any value.",
		strings.Join(preflightHeaders, ", "))
}

func notAcceptable() *refusal {
	return refused(http.StatusNotAcceptable, fault.BadUserInput,
		"Nothing in the Accept header can be served. Accept %s or %s, or %s for subscriptions.", mediaResponse, mediaJSON, mediaEvents)
}

// subscriptionRefused is the answer to a subscription on a transport that gives one response.
func subscriptionRefused() *refusal {
	return badRequest("A subscription cannot be answered with one response. " +
		"Use WebSocket (subprotocol graphql-transport-ws), or Server-Sent Events (send Accept: text/event-stream).")
}
