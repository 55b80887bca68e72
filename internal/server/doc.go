// Package server is the HTTP side of the program: routes, CORS, request ids, health, metrics, the query page, the
// download route, live delivery and an orderly shutdown. It puts graph, transport and feed together and knows none of
// the areas' rules.
package server
