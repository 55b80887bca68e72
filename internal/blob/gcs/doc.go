// Package gcs keeps objects in a bucket of Google Cloud Storage, over its HTTP/JSON API.
//
// How an upload is sent depends on its size. What fits in one buffer (256 KiB) is read first, so its checksum is sent
// along and it can be sent again. Up to 8 MiB of announced size goes out in one request as it comes in, without a
// buffer and therefore without a second try. Everything else goes through a resumable session in chunks, which can be
// sent again one by one; their memory is rationed among all uploads by a byte semaphore.
//
// Every object is created under the condition that its key is free and carries a random attempt id. After an answer
// that does not say what happened the object is looked up: the attempt id, size and CRC32C say whether it is ours and
// whole. No upload counts as stored before the bucket's own size and CRC32C equal what was read from the source.
//
// StartResumable begins such a session for somebody else: the server sends the first request with its credentials, and
// gives away the session's URI, with which a client sends one content, and nothing more, to one object.
//
// The package knows Google's client; nothing outside it does.
package gcs
