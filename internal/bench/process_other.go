//go:build !linux

package main

import "syscall"

// childAttributes: the bench measures through /proc, so it needs Linux; this is for the compiler.
func childAttributes() *syscall.SysProcAttr { return nil }
