//go:build race

package gcs_test

// slowness stretches the times after which tests of stalls give up: the race detector makes everything slower.
const slowness = 3
