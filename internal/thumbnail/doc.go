// Package thumbnail makes small pictures of pictures that somebody uploaded: PNG, JPEG, GIF and WebP, at most MaxPixels.
//
// What it is given is hostile. The size is read and checked before anything is decoded, so that a file of a few bytes that
// claims a billion pixels costs nothing; the memory of all decodings at a time is bounded; and what it gives is made of
// pixels alone: no metadata, no colour profile and no byte of the file passes through.
//
// It knows nothing of customers, stores or HTTP.
package thumbnail
