// Package disk keeps objects in a directory: the store of a laptop, of a single server, and of the tests.
//
// An object is one file: its bytes, then a record (size, CRC32C, generation, type, metadata), then a footer that says
// how long the record is. The file is written under a temporary name in the directory where it will stay, synced, and
// only then linked to its name, which fails if the name is taken; then the directory is synced. So a name exists only
// for a complete object, at any moment of a crash, and there is no second file that could be missing or stale. The bytes
// come first in the file so that http.ServeContent and sendfile can serve it without a copy.
//
// A resumable upload is two files beside where its object will be: the bytes so far, and a state with how many of them are
// synced and their CRC32C. The state is replaced as a whole after a sync of the bytes, so a crash takes back what came after
// the last one and nothing else; the checksum goes on from there, and no byte is ever read again. With the last byte the
// file gets its record and its name. One request has an upload at a time: in one process the newest takes it from the others,
// between processes a lock on the file decides.
//
// The package also serves the signed requests that SignPut, SignGet and StartResumable give out, in place of the store's own servers
// that a cloud has. It knows nothing about rights: whoever holds a valid signature has been let in before.
package disk
