// Package blob is the object store as the rest of Dossier sees it: a narrow interface, its vocabulary, and the rules
// that both drivers (blob/disk and blob/gcs) share.
//
// An object is immutable. It is written once under a random key, it is visible only when it is complete, and its size
// and CRC32C are those that the driver counted itself. Nothing here knows documents, accounts' rights, SQL, GraphQL,
// HTTP or Google; what a user called a file never becomes part of a key.
//
// # Errors
//
// Every error of a driver is a *fault.Error (so it may be passed on to the client as it is) whose chain holds exactly
// one of the kinds of this package, for errors.Is. What an upload needs to know is OutcomeOf(err):
//
//   - Stored: the object is there, durable, with the size and CRC32C of the returned Object.
//   - SourceFailed: the reader given to Put failed, or gave another number of bytes than was announced. Nothing is visible.
//   - Failed: the store did not take the object, or the key was in use. This Put made nothing visible.
//   - Unknown: the store may have the object, now or in a moment. Never count it as stored and never as absent: Stat it,
//     or leave the key to the sweeper.
package blob
