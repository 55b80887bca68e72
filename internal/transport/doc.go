// Package transport carries GraphQL operations over HTTP: POST and GET with JSON, multipart uploads that are streamed to
// their resolver, and subscriptions over WebSocket and Server-Sent Events.
//
// It knows bytes, headers and time limits. It must not know the schema, the principals or the store: authentication
// happened before it, in HTTP middleware, and authorisation happens after it, in the executor.
package transport
