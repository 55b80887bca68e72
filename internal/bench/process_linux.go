package main

import "syscall"

// childAttributes make a contestant end with the bench, in whatever way that ends.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
