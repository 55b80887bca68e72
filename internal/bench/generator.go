package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// request is an HTTP request as the bytes to send, made before the measurement.
type request []byte

// post makes the request.
func post(addr, path, bearer string, body []byte) request {
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nAccept: application/json\r\n", path, addr)
	if bearer != "" {
		b.WriteString("Authorization: Bearer " + bearer + "\r\n")
	}
	b.WriteString("Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n")
	b.Write(body)
	return b.Bytes()
}

// client is one keep-alive connection. It is as cheap as it can be, because it shares the machine with what is measured.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func dial(ctx context.Context, addr string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *client) close() { _ = c.conn.Close() }

// do sends a request and gives the answer's body, appended to buf.
func (c *client) do(r request, buf *bytes.Buffer) error {
	if _, err := c.conn.Write(r); err != nil {
		return err
	}
	return c.answer(buf)
}

// answer reads an answer's body, appended to buf.
func (c *client) answer(buf *bytes.Buffer) error {
	if err := c.conn.SetReadDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(buf, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %.300s", resp.StatusCode, buf.Bytes())
	}
	return nil
}

// writeAll sends the parts in one system call.
func (c *client) writeAll(parts [][]byte) error {
	buffers := net.Buffers(parts)
	_, err := buffers.WriteTo(c.conn)
	return err
}

// errorsKey is how every answer begins or ends that is not the one we want.
var errorsKey = []byte(`"errors":`)

// traffic is what a burst of requests saw.
type traffic struct {
	took  time.Duration
	times []time.Duration
	bytes int64
}

// percentile gives the time within which so many of 100 requests were answered.
func percentile(times []time.Duration, p float64) time.Duration {
	if len(times) == 0 {
		return 0
	}
	s := slices.Clone(times)
	slices.Sort(s)
	return s[min(len(s)-1, int(float64(len(s))*p/100))]
}

// burst sends n requests, taken in turn from the list, over so many connections.
func burst(ctx context.Context, addr string, list []request, n, connections int) (traffic, error) {
	var next, size atomic.Int64
	all := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range connections {
		wg.Go(func() {
			errs[i] = func() error {
				c, err := dial(ctx, addr)
				if err != nil {
					return err
				}
				defer c.close()
				var buf bytes.Buffer
				for {
					k := next.Add(1) - 1
					if k >= int64(n) || ctx.Err() != nil {
						return ctx.Err()
					}
					buf.Reset()
					at := time.Now()
					if err := c.do(list[int(k)%len(list)], &buf); err != nil {
						return err
					}
					all[i] = append(all[i], time.Since(at))
					size.Add(int64(buf.Len()))
					if k < int64(len(list)) && bytes.Contains(buf.Bytes(), errorsKey) {
						return fmt.Errorf("the answer has errors: %.500s", buf.Bytes())
					}
				}
			}()
		})
	}
	wg.Wait()
	return traffic{time.Since(began), slices.Concat(all...), size.Load()}, firstOf(errs)
}
