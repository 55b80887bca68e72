package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/gorilla/websocket"

	"dossier/internal/feed"
	"dossier/internal/transport"
)

// benchServerEnv makes the test binary a server of the benchmark: which one is its value.
const benchServerEnv = "DOSSIER_LIVE_BENCH_SERVER"

// BenchmarkFanOut measures what one message costs for each of 1,000 and 10,000 subscribers of one topic, beside two servers
// that do nothing but broadcast a gorilla PreparedMessage: "prepared" in a loop over all sockets, "pumps" with a goroutine
// and a channel for each socket as in gorilla's chat example. Each server is a process of its own; the clients, in this
// one, take a message each before the next is published. Run it with -benchtime=1x.
func BenchmarkFanOut(b *testing.B) {
	raiseFileLimit(b)
	for _, n := range []int{1000, 10000} {
		base := map[string]float64{}
		for _, kind := range []string{"prepared", "pumps", "dossier"} {
			b.Run(fmt.Sprintf("%d/%s", n, kind), func(b *testing.B) {
				for range b.N {
					r := fanOut(b, kind, n, 200_000/n)
					base[kind] = r.cpu
					b.ReportMetric(r.cpu, "cpu-µs/msg/sub")
					b.ReportMetric(r.rss, "rss-KiB/sub")
					b.ReportMetric(r.heap, "heap-KiB/sub")
					b.ReportMetric(0, "ns/op")
					if kind == "dossier" {
						b.ReportMetric(r.cpu/base["prepared"], "x-prepared")
						b.ReportMetric(r.cpu/base["pumps"], "x-pumps")
					}
				}
			})
		}
	}
}

type fanOutResult struct{ cpu, rss, heap float64 }

func raiseFileLimit(b testing.TB) {
	b.Helper()
	var lim syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil {
		b.Fatal(err)
	}
	lim.Cur = lim.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim); err != nil || lim.Cur < 12_000 {
		b.Skipf("the limit of open files is %d (%v), 12,000 are needed", lim.Cur, err)
	}
}

// fanOut runs one server with n clients and rounds messages.
func fanOut(b *testing.B, kind string, n, rounds int) fanOutResult {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^$") //nolint:gosec // this binary
	cmd.Env = append(os.Environ(), benchServerEnv+"="+kind)
	cmd.Stderr = os.Stderr
	stdin, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}()
	lines := bufio.NewReader(stdout)
	ask := func(question string) string {
		if question != "" {
			_, _ = io.WriteString(stdin, question+"\n")
		}
		answer, err := lines.ReadString('\n')
		if err != nil {
			b.Fatalf("the %s server: %v", kind, err)
		}
		return strings.TrimSpace(answer)
	}
	addr := ask("")
	var before, start, end usage
	before.scan(ask("usage"))
	got := make(chan struct{}, n)
	clients := dialAll(b, addr, n, got)
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	eventually(b, "all subscribers", func() bool { return ask("subscribers") == strconv.Itoa(n) })
	round := func() {
		_, _ = io.WriteString(stdin, "publish\n")
		for range n {
			<-got
		}
	}
	for range 3 {
		round()
	}
	start.scan(ask("usage"))
	for range rounds {
		round()
	}
	end.scan(ask("usage"))
	return fanOutResult{
		cpu:  float64(end.cpu-start.cpu) / 1e3 / float64(rounds*n),
		rss:  float64(end.rss-before.rss) / 1024 / float64(n),
		heap: float64(end.heap-before.heap) / 1024 / float64(n),
	}
}

// dialAll opens n subscriptions. The clients are as cheap as can be: they count bytes, since all messages are equal.
func dialAll(b *testing.B, addr string, n int, got chan<- struct{}) []net.Conn {
	b.Helper()
	conns := make([]net.Conn, n)
	var wg sync.WaitGroup
	sem := make(chan struct{}, 64)
	for i := range conns {
		sem <- struct{}{}
		wg.Go(func() {
			defer func() { <-sem }()
			conns[i] = dialRaw(b, addr)
			go countMessages(conns[i], got)
		})
	}
	wg.Wait()
	return conns
}

func dialRaw(b *testing.B, addr string) net.Conn {
	b.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Error(err)
		return nil
	}
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	readUntil(b, nc, "\r\n\r\n")
	_, _ = nc.Write(maskedText(`{"type":"connection_init"}`))
	readUntil(b, nc, `{"type":"connection_ack"}`)
	_, _ = nc.Write(maskedText(`{"id":"1","type":"subscribe","payload":{"query":"subscription { events }"}}`))
	_, _ = nc.Write(maskedText(`{"type":"ping"}`))
	readUntil(b, nc, `{"type":"pong"}`)
	return nc
}

func readUntil(b *testing.B, nc net.Conn, end string) {
	b.Helper()
	var got []byte
	buf := make([]byte, 1)
	for !strings.HasSuffix(string(got), end) {
		if _, err := nc.Read(buf); err != nil {
			b.Errorf("waiting for %q: %v", end, err)
			return
		}
		got = append(got, buf[0])
	}
}

func maskedText(s string) []byte { // with a mask of zeroes
	return append([]byte{0x81, 0x80 | byte(len(s)), 0, 0, 0, 0}, s...)
}

func countMessages(nc net.Conn, got chan<- struct{}) {
	size := len(benchFrame())
	buf := make([]byte, 1024)
	for have := 0; ; {
		n, err := nc.Read(buf)
		if err != nil {
			return
		}
		for have += n; have >= size; have -= size {
			got <- struct{}{}
		}
	}
}

// benchPayload is a result of the size of a document event.
func benchPayload() []byte {
	return []byte(`{"data":{"documentEvents":{"__typename":"DocumentEvent","cursor":"` + strings.Repeat("c", 64) + `","seq":"123456789",` +
		`"document":{"id":"doc_01h455vb4pex5vsknk084sn02q","title":"` + strings.Repeat("t", 300) + `"}}}}`)
}

func benchMessage() []byte {
	return append(append([]byte(`{"id":"1","type":"next","payload":`), benchPayload()...), '}')
}

func benchFrame() []byte { return append([]byte{0x81, 126, 0, 0}, benchMessage()...) }

// usage is what a server process has used.
type usage struct{ cpu, rss, heap int64 }

func (u *usage) scan(line string) { _, _ = fmt.Sscan(line, &u.cpu, &u.rss, &u.heap) }

func (u *usage) read() {
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	u.cpu = ru.Utime.Nano() + ru.Stime.Nano()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	u.heap = int64(ms.HeapAlloc + ms.StackInuse) //nolint:gosec // far from the limit
	statm, _ := os.ReadFile("/proc/self/statm")
	var size, resident int64
	_, _ = fmt.Sscan(string(statm), &size, &resident)
	u.rss = resident * int64(os.Getpagesize())
}

// serveBench is the server process: it obeys the lines of its standard input.
func serveBench(kind string) {
	var lim syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim)
	lim.Cur = lim.Max
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	var h http.Handler
	var publish func()
	var subscribers func() int
	switch kind {
	case "prepared":
		s := &preparedServer{}
		h, publish, subscribers = s, s.broadcast, s.subscribers
	case "pumps":
		s := &preparedServer{pumps: true}
		h, publish, subscribers = s, s.broadcast, s.subscribers
	default:
		h, publish, subscribers = dossierServer()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = http.Serve(ln, h) }() //nolint:gosec // a benchmark
	_, _ = fmt.Fprintln(os.Stdout, ln.Addr())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case "publish":
			publish()
		case "subscribers":
			_, _ = fmt.Fprintln(os.Stdout, subscribers())
		case "usage":
			var u usage
			u.read()
			_, _ = fmt.Fprintln(os.Stdout, u.cpu, u.rss, u.heap)
		}
	}
}

func dossierServer() (http.Handler, func(), func() int) {
	live := openLogLive(feed.Config{})
	live.payload = benchPayload()
	srv := handler.New(newLiveSchema())
	srv.AddTransport(transport.NewWS(transport.WSConfig{
		Live: live,
		// The clients answer no pings: they only count bytes.
		PingInterval: time.Hour,
		Recheck:      func(ctx context.Context) error { return ctx.Err() },
	}))
	slog.SetDefault(slog.New(slog.DiscardHandler))
	return srv, func() { live.append(1) }, func() int { return int(live.hub.Stats().Subscribers) }
}

// preparedServer broadcasts one prepared message to all sockets.
type preparedServer struct {
	pumps bool

	mu    sync.Mutex
	conns []*websocket.Conn
	chans []chan *websocket.PreparedMessage
}

func (s *preparedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{Subprotocols: []string{transport.Subprotocol}}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	for {
		_, data, err := c.ReadMessage()
		if err != nil {
			return
		}
		switch m := string(data); {
		case strings.Contains(m, "connection_init"):
			_ = c.WriteMessage(websocket.TextMessage, []byte(`{"type":"connection_ack"}`))
		case strings.Contains(m, "ping"):
			_ = c.WriteMessage(websocket.TextMessage, []byte(`{"type":"pong"}`))
			s.add(c)
		}
	}
}

func (s *preparedServer) add(c *websocket.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = append(s.conns, c)
	if !s.pumps {
		return
	}
	ch := make(chan *websocket.PreparedMessage, 256)
	s.chans = append(s.chans, ch)
	go func() {
		for pm := range ch {
			writePrepared(c, pm)
		}
	}()
}

func (s *preparedServer) subscribers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *preparedServer) broadcast() {
	pm, err := websocket.NewPreparedMessage(websocket.TextMessage, benchMessage())
	if err != nil {
		panic(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pumps {
		for _, ch := range s.chans {
			ch <- pm
		}
		return
	}
	for _, c := range s.conns {
		writePrepared(c, pm)
	}
}

func writePrepared(c *websocket.Conn, pm *websocket.PreparedMessage) {
	_ = c.SetWriteDeadline(time.Now().Add(10 * time.Second))
	_ = c.WritePreparedMessage(pm)
}
