package clamd_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"dossier/internal/clamd"
	"dossier/internal/clamd/clamdtest"
	"dossier/internal/document"
)

func client(t testing.TB, address string, timeout time.Duration) *clamd.Client {
	t.Helper()
	network, addr, err := clamd.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	return clamd.New(clamd.Config{Network: network, Address: addr, Timeout: timeout})
}

func scan(t testing.TB, c *clamd.Client, content []byte) (document.Verdict, error) {
	t.Helper()
	return c.Scan(t.Context(), bytes.NewReader(content), int64(len(content)))
}

// TestTheDoubleAnswersAsTheRealOne runs the same contents by both.
func TestTheDoubleAnswersAsTheRealOne(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) string{
		"clamd": func(t *testing.T) string { return clamdtest.Start(t, "StreamMaxLength 1M").Address },
		"clamd over TCP": func(t *testing.T) string {
			address := freeAddress(t)
			_, port, _ := net.SplitHostPort(address)
			clamdtest.Start(t, "StreamMaxLength 1M", "TCPSocket "+port, "TCPAddr 127.0.0.1")
			return address
		},
		"double": func(t *testing.T) string {
			d := clamdtest.StartDouble(t)
			d.MaxBytes = 1 << 20
			return d.Address
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, start(t), 10*time.Second)
			if err := c.Ping(t.Context()); err != nil {
				t.Errorf("ping: %v", err)
			}
			filler := bytes.Repeat([]byte("nothing to see here "), 40_000) // 800 kB: several chunks
			for what, content := range map[string][]byte{"nothing": nil, "a text": []byte("hello"), "several chunks": filler} {
				if v, err := scan(t, c, content); err != nil || !v.Clean || v.Signature != "" {
					t.Errorf("%s: got %+v, %v, want it clean", what, v, err)
				}
			}
			for what, content := range map[string][]byte{
				"EICAR": clamdtest.EICAR(), "EICAR behind several chunks": append(bytes.Clone(filler), clamdtest.EICAR()...),
			} {
				if v, err := scan(t, c, content); err != nil || v.Clean || v.Signature != clamdtest.Signature {
					t.Errorf("%s: got %+v, %v, want %s", what, v, err, clamdtest.Signature)
				}
			}
			var limit *document.ScanLimitError
			v, err := scan(t, c, make([]byte, 5<<20))
			if v.Clean || v.Signature != "" || err == nil {
				t.Errorf("more than StreamMaxLength: got %+v, %v, want no verdict", v, err)
			}
			// Over TCP the answer can be lost with what clamd has not read; then it is a scanner that does not answer.
			if name != "clamd over TCP" && (!errors.As(err, &limit) || limit.LimitBytes != 0) {
				t.Errorf("more than StreamMaxLength: got %v, want a limit that clamd does not tell", err)
			}
			if v, err := c.Scan(t.Context(), iotest.ErrReader(errCut), 5); v.Clean || !errors.Is(err, errCut) {
				t.Errorf("a content that cannot be read: got %+v, %v", v, err)
			}
			cut := io.MultiReader(bytes.NewReader(filler), iotest.ErrReader(errCut))
			if v, err := c.Scan(t.Context(), cut, int64(len(filler))); v.Clean || !errors.Is(err, errCut) {
				t.Errorf("a content that breaks off: got %+v, %v", v, err)
			}
		})
	}
}

var errCut = errors.New("cut")

// TestNoFaultIsAVerdict: whatever clamd does wrong, nothing is clean by it.
func TestNoFaultIsAVerdict(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]clamdtest.Fault{
		"silent": clamdtest.Silent, "deaf": clamdtest.Deaf, "hangs up": clamdtest.HangUp, "cut off": clamdtest.CutOff, "garbage": clamdtest.Garbage,
		"endless": clamdtest.Endless, "eager": clamdtest.Eager, "failing": clamdtest.Failing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := clamdtest.StartDouble(t)
			c := client(t, d.Address, 300*time.Millisecond)
			d.Fail(fault)
			begun := time.Now()
			v, err := scan(t, c, make([]byte, 8<<20))
			if v.Clean || v.Signature != "" || err == nil {
				t.Errorf("got %+v, %v, want no verdict", v, err)
			}
			if failed := errors.Is(err, document.ErrScanFailed); failed != (fault == clamdtest.Failing) {
				t.Errorf("got %v: only an answer that says so is a failure at the content", err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %s", took)
			}
			d.Fail(clamdtest.None)
			if v, err := scan(t, c, []byte("hello")); err != nil || !v.Clean {
				t.Errorf("afterwards: %+v, %v", v, err)
			}
		})
	}
}

func TestAScanEndsWithItsContext(t *testing.T) {
	t.Parallel()
	d := clamdtest.StartDouble(t)
	d.Fail(clamdtest.Silent)
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(50*time.Millisecond, cancel)
	defer timer.Stop()
	c := client(t, d.Address, time.Minute)
	begun := time.Now()
	if v, err := c.Scan(ctx, strings.NewReader("hello"), 5); err == nil || v.Clean || time.Since(begun) > 10*time.Second {
		t.Errorf("got %+v, %v after %s", v, err, time.Since(begun))
	}
}

// TestWhatIsLargerThanClamdLooksAtIsNotSent: clamd takes a content over MaxFileSize for clean without a look, which a limit
// here must keep from happening.
func TestWhatIsLargerThanClamdLooksAtIsNotSent(t *testing.T) {
	t.Parallel()
	d := clamdtest.Start(t, "MaxFileSize 100K")
	network, addr, err := clamd.ParseAddress(d.Address)
	if err != nil {
		t.Fatal(err)
	}
	content := append(bytes.Repeat([]byte("nothing to see here "), 20_000), clamdtest.EICAR()...)
	if v, err := scan(t, clamd.New(clamd.Config{Network: network, Address: addr}), content); err != nil || !v.Clean {
		t.Errorf("got %+v, %v: clamd has become stricter, so the README is to be changed", v, err)
	}
	var limit *document.ScanLimitError
	v, err := scan(t, clamd.New(clamd.Config{Network: network, Address: addr, MaxBytes: 100_000}), content)
	if v.Clean || !errors.As(err, &limit) || limit.LimitBytes != 100_000 {
		t.Errorf("got %+v, %v, want a limit of 100,000 bytes", v, err)
	}
	strict := client(t, clamdtest.Start(t, "MaxFileSize 100K", "AlertExceedsMax yes").Address, 10*time.Second)
	if v, err := scan(t, strict, content); err != nil || v.Clean || !strings.Contains(v.Signature, "Limits.Exceeded") {
		t.Errorf("with AlertExceedsMax: got %+v, %v, want it found", v, err)
	}
}

// freeAddress is one where nobody listens.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestNobodyThereIsNoVerdict(t *testing.T) {
	t.Parallel()
	address := freeAddress(t)
	for _, address := range []string{address, "tcp://" + address, "unix:/nowhere/at/all"} {
		c := client(t, address, time.Second)
		if v, err := scan(t, c, []byte("hello")); err == nil || v.Clean {
			t.Errorf("%s: got %+v, %v", address, v, err)
		}
		if c.Ping(t.Context()) == nil {
			t.Errorf("%s answers a ping", address)
		}
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1:3310": "tcp 127.0.0.1:3310", "tcp://clamd:3310": "tcp clamd:3310", "unix:/run/clamav/clamd.ctl": "unix /run/clamav/clamd.ctl",
		"unix:///run/c": "unix /run/c", "/run/c": "unix /run/c", "[::1]:3310": "tcp [::1]:3310",
		"": "", "clamd": "", ":3310": "", "unix:": "", "clamd:": "", "/": "",
	} {
		network, address, err := clamd.ParseAddress(text)
		if got := strings.TrimSpace(network + " " + address); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}
