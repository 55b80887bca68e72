package devdb

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// child is a PostgreSQL that this process started.
type child struct {
	pid int
	// ended says whether it is gone. It never blocks.
	ended func() bool
}

// startBound starts a program that ends with this process. On Linux the kernel sends the signal when the THREAD that
// started it ends, so that thread belongs to a goroutine that does nothing else until the program has ended.
func startBound(cmd *exec.Cmd) (*child, error) {
	bindToParent(cmd.SysProcAttr, syscall.SIGINT)
	started := make(chan error, 1) // one result, sent before anybody may be waiting
	gone := make(chan struct{})
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and the program did before
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(gone)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	ended := func() bool {
		select {
		case <-gone:
			return true
		default:
			return false
		}
	}
	return &child{pid: cmd.Process.Pid, ended: ended}, nil
}

// startUnbound starts a program that may outlive this process, and keeps no goroutine waiting for it: tests that look for
// leaked goroutines would find it.
func startUnbound(cmd *exec.Cmd) (*child, error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	pid := cmd.Process.Pid
	// From here on only Wait4 below looks after the process id.
	if err := cmd.Process.Release(); err != nil {
		return nil, fmt.Errorf("release process: %w", err)
	}
	ended := func() bool {
		got, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		return got == pid || errors.Is(err, syscall.ECHILD)
	}
	return &child{pid: pid, ended: ended}, nil
}

// runBound runs a program to its end and gives its output. It is killed when this process dies.
func runBound(cmd *exec.Cmd) ([]byte, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	bindToParent(cmd.SysProcAttr, syscall.SIGKILL)
	return cmd.CombinedOutput()
}

// guard is a small shell that stops an unbound PostgreSQL when this process dies before it has released it: the pipe the
// shell reads from is closed then.
type guard struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

const guardScript = `read -r word; [ "$word" = keep ] || kill -INT "$1"`

func (h home) startGuard(pid int) (*guard, error) {
	//nolint:gosec // the script is a constant and its argument a number
	cmd := exec.Command("/bin/sh", "-c", guardScript, "sh", strconv.Itoa(pid))
	cmd.Dir = "/"
	cmd.Env = serverEnv(cmd)
	cmd.SysProcAttr = h.user.attributes()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	return &guard{cmd: cmd, stdin: stdin}, nil
}

// release ends the guard and leaves PostgreSQL alone.
func (g *guard) release() error {
	_, err := io.WriteString(g.stdin, "keep\n")
	return errors.Join(err, g.stdin.Close(), g.cmd.Wait())
}
