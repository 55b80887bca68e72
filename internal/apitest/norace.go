//go:build !race

package apitest

var raceFlags []string
