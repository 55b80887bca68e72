// Package graph is the GraphQL face of Dossier: the resolvers of the root fields, one file per noun, and what stands
// around them: the policy check, the limits, the error presenter and the replay of subscriptions.
//
// A resolver translates in, makes one call, translates out. It holds no rule and no query: rules are in the areas, and
// everything below a root field is the read engine's. The package does not know the store, the feed or the server.
package graph
