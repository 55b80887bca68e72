//go:build !race

package gcs_test

// slowness stretches the times after which tests of stalls give up.
const slowness = 1
