// Package document is the files in a customer's file: how a content gets in (streamed through, or sent straight to the
// object store), how a document changes, how its content is offered for download, and the sweeper that clears up after
// what broke.
//
// # The upload
//
// An upload is a row that is PENDING under a lease while its bytes pass, then DONE or FAILED. Between the transaction
// that begins it and the one that completes it no database connection is held:
//
//	look     who may, which customer, what fits                                         one statement
//	sniff    the first 4 KiB of the file say what it is
//	begin    upload PENDING with a lease, quota and a place in its area reserved, idempotency key claimed   transaction 1
//	bytes    into a new object under a random key; SHA-256 and CRC32C on the way; the lease is extended meanwhile
//	check    size and CRC32C that the object store counted are ours
//	complete PENDING -> DONE, quota settled, document and version, timeline, event, key answered   transaction 2
//
// Straight to the object store it is the same with the bytes in the client's hands: begin gives a session that the client
// sends them with, in one PUT or resumable, and complete reads the object once, compares it with what was announced, sniffs
// it, and looks again as the last thing before transaction 2 whether it is still that object. The lease of a session is
// hours; cancelling it is FAILED at once.
//
// What a file is decides its content (media.go); what is accepted is a list of groups and media types (accept.go), and a name
// that would make somebody run the file is refused whatever is in it (extension.go).
//
// The rules that nothing may be lost by: PENDING -> DONE and PENDING -> FAILED are compare-and-set, so exactly one of
// them happens. An object becomes garbage only after FAILED was committed. A commit whose outcome is unknown is asked
// for again, which is safe because completing twice is completing once; when it stays unknown nothing is undone, the
// sweeper decides after the lease. What an upload that lost its lease still writes is garbage already.
//
// The package sees neither SQL nor HTTP nor GraphQL nor Google: Store and SweepStore are its ports, blob.Store is where
// the bytes go, Incoming is where they come from.
package document
