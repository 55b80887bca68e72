package clamd

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"dossier/internal/document"
)

// Config says where clamd is. Network and Address are required.
type Config struct {
	// Network is tcp or unix, Address what goes with it.
	Network, Address string
	// MaxBytes is how large a content may be that is sent; 0 means DefaultMaxBytes.
	MaxBytes int64
	// Timeout bounds each wait for clamd: for the connection, for a chunk to be taken, and for the answer. 0 means
	// DefaultTimeout.
	Timeout time.Duration
}

const (
	// DefaultMaxBytes is below the default of every version of clamd for StreamMaxLength (25 MiB, later 100 MiB) and
	// MaxFileSize.
	DefaultMaxBytes = 25_000_000
	// DefaultTimeout is as long as clamd itself takes at most for a content (MaxScanTime), and a little more.
	DefaultTimeout = 150 * time.Second
	// connectTimeout bounds dialling and asking whether clamd is there, which have nothing to wait for.
	connectTimeout = 5 * time.Second
)

// chunkBytes is how much is sent at a time, maxReply how long an answer may be, maxSignature how much of a name is kept.
const (
	chunkBytes   = 128 << 10
	maxReply     = 4 << 10
	maxSignature = 200
)

// Client asks clamd. It is safe for concurrent use: each question has a connection of its own, as clamd wants it.
type Client struct{ cfg Config }

var _ document.Scanner = (*Client)(nil)

// New gives a Client. It does not connect.
func New(cfg Config) *Client {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	return &Client{cfg: cfg}
}

var errAddress = errors.New("must be host:port, tcp://host:port or unix:/path/of/the/socket")

// ParseAddress reads where clamd is: host:port, tcp://host:port, unix:/path or a path.
func ParseAddress(s string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		s = "/" + strings.TrimLeft(path, "/")
	}
	if strings.HasPrefix(s, "/") {
		if len(s) < 2 {
			return "", "", errAddress
		}
		return "unix", s, nil
	}
	s = strings.TrimPrefix(s, "tcp://")
	if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
		return "", "", errAddress
	}
	return "tcp", s, nil
}

// Ping asks whether clamd is there.
func (c *Client) Ping(ctx context.Context) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // what it was for is done
	conn.timeout = min(conn.timeout, connectTimeout)
	if err := conn.send([]byte("zPING\x00")); err != nil {
		return fmt.Errorf("clamd: ping: %w", err)
	}
	reply, err := conn.reply()
	if err == nil && reply != "PONG" {
		err = fmt.Errorf("clamd: the answer to a ping was %.100q", reply)
	}
	return err
}

// Scan implements document.Scanner.
func (c *Client) Scan(ctx context.Context, r io.Reader, size int64) (document.Verdict, error) {
	if size > c.cfg.MaxBytes {
		return document.Verdict{}, &document.ScanLimitError{LimitBytes: c.cfg.MaxBytes}
	}
	conn, err := c.dial(ctx)
	if err != nil {
		return document.Verdict{}, err
	}
	defer conn.Close() //nolint:errcheck // what it was for is done
	readErr, sendErr := conn.stream(r)
	if readErr != nil {
		return document.Verdict{}, fmt.Errorf("clamd: read the content: %w", readErr)
	}
	// clamd closes a connection in the middle when it has had enough, and says before why.
	reply, err := conn.reply()
	if err != nil {
		return document.Verdict{}, errors.Join(err, sendErr)
	}
	v, err := verdict(reply)
	if err == nil && v.Clean && sendErr != nil {
		v, err = document.Verdict{}, fmt.Errorf("clamd: it has not taken the whole content: %w", sendErr)
	}
	return v, err
}

// verdict reads an answer of clamd.
//
// SECURITY: everything that is not exactly the answer for a clean content is none.
func verdict(reply string) (document.Verdict, error) {
	rest, ok := strings.CutPrefix(reply, "stream: ")
	if ok && rest == "OK" {
		return document.Verdict{Clean: true}, nil
	}
	if name, found := strings.CutSuffix(rest, " FOUND"); ok && found && name != "" {
		return document.Verdict{Signature: signature(name)}, nil
	}
	if strings.HasPrefix(reply, "INSTREAM size limit exceeded") {
		return document.Verdict{}, &document.ScanLimitError{}
	}
	if strings.HasSuffix(reply, " ERROR") {
		return document.Verdict{}, fmt.Errorf("%w: %.200q", document.ErrScanFailed, reply)
	}
	return document.Verdict{}, fmt.Errorf("clamd: the answer was %.200q", reply)
}

// signature is the name of what was found, as far as it can be shown.
func signature(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	return name[:min(len(name), maxSignature)]
}

// connection is one question to clamd.
type connection struct {
	net.Conn
	timeout time.Duration
	end     func() bool
}

// dial connects. When ctx ends, so does every wait.
func (c *Client) dial(ctx context.Context) (*connection, error) {
	d := net.Dialer{Timeout: min(c.cfg.Timeout, connectTimeout)}
	conn, err := d.DialContext(ctx, c.cfg.Network, c.cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("clamd: %w", err)
	}
	return &connection{Conn: conn, timeout: c.cfg.Timeout, end: context.AfterFunc(ctx, func() { _ = conn.Close() })}, nil
}

// Close ends the connection.
func (c *connection) Close() error {
	c.end()
	return c.Conn.Close()
}

func (c *connection) send(p []byte) error {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return err
	}
	_, err := c.Write(p)
	return err
}

// stream sends a content in chunks, each behind its length, and the empty chunk that ends it. When the content cannot be
// read its end is never sent, so clamd gives no verdict on a part.
func (c *connection) stream(r io.Reader) (readErr, sendErr error) {
	if err := c.send([]byte("zINSTREAM\x00")); err != nil {
		return nil, err
	}
	const header = 4
	buf := make([]byte, header+chunkBytes)
	for {
		n, err := fill(r, buf[header:])
		if err != nil && err != io.EOF { //nolint:errorlint // a wrapped io.EOF is a failure: taking it for the end would truncate
			return err, nil
		}
		binary.BigEndian.PutUint32(buf, uint32(n))
		if sendErr := c.send(buf[:header+n]); sendErr != nil || n == 0 {
			return nil, sendErr
		}
	}
}

// fill reads until the buffer is full or the reader ends. At the end it gives what there was, and the next time nothing.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// reply reads an answer up to its end, a byte 0. One that ends without it was cut off, and is none.
func (c *connection) reply() (string, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.timeout)); err != nil {
		return "", fmt.Errorf("clamd: %w", err)
	}
	answer, err := bufio.NewReaderSize(c, maxReply).ReadSlice(0)
	if err != nil {
		return "", fmt.Errorf("clamd: the answer is incomplete: %w", err)
	}
	return string(answer[:len(answer)-1]), nil
}
