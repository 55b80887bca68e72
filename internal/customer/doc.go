// Package customer is the customer file: customers, their contacts, and the e-mail addresses, telephone numbers and
// postal addresses of both (contact points). It has the nouns, the rules of their fields, and the use cases.
//
// Rules are pure functions from a stored file and an input to a Change; what is stored, and that it happens in one
// transaction under a lock of the customer, is the affair of the port Store. The package knows neither SQL nor GraphQL,
// but field names in paths and events are those of the GraphQL schema, because they are what clients understand.
//
// A contact is part of its customer's file. Every change of a contact is also a change of the customer's field contacts:
// it raises the customer's version too, so that a stale customerUpdate cannot archive or overwrite a contact that its
// sender has not seen.
package customer
