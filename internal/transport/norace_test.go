//go:build !race

package transport_test

// flatBytes is what an upload of 64 MiB may allocate.
const flatBytes = 4 << 20
