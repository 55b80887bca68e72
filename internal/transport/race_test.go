//go:build race

package transport_test

// flatBytes is what an upload of 64 MiB may allocate: with the race detector a sync.Pool drops one buffer of four on purpose.
const flatBytes = 40 << 20
