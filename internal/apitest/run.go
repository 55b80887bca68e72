package apitest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"dossier/internal/pgtest"
)

// StartEnv is Start with further environment variables ("NAME=value").
func StartEnv(t testing.TB, env []string, customers int, flags ...string) *Server {
	t.Helper()
	db := pgtest.New(t, Template())
	args := append([]string{"dev", "--sweep=1s", fmt.Sprintf("--customers=%d", customers)}, flags...)
	return start(t, &Server{DSN: db.DSN(), DataDir: t.TempDir(), env: env}, args)
}

// Exit is how a run of the program ended.
type Exit struct {
	Code           int
	Stdout, Stderr string
}

// runLimit is how long a command may take.
const runLimit = time.Minute

// Run runs the program to its end, with these environment variables and no others but PATH and HOME.
func Run(t testing.TB, env []string, args ...string) Exit {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, file, args...) //nolint:gosec // the binary that was just built
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	cmd.Dir = t.TempDir()
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var failed *exec.ExitError
	if err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("dossier %v did not end within %s\n%s%s", args, runLimit, &stdout, &stderr)
	}
	return Exit{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
