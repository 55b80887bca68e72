package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The opcodes of RFC 6455 that a client meets.
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// socket is a WebSocket client with as little as 10,000 of them need: unfragmented messages and pings.
type socket struct {
	conn net.Conn
	in   *bufio.Reader
	buf  []byte
}

// openSocket connects and upgrades.
func openSocket(ctx context.Context, addr, path, bearer string) (*socket, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &socket{conn: conn, in: bufio.NewReaderSize(conn, 2048)}
	head := "GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n"
	if bearer != "" {
		head += "Authorization: Bearer " + bearer + "\r\n"
	}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	_ = resp.Body.Close() // a switch of protocols has none
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(fmt.Errorf("status %d", resp.StatusCode), conn.Close())
	}
	return s, nil
}

// send sends a short message. The mask is zero: it protects proxies, of which there are none here.
func (s *socket) send(op byte, text string) error {
	frame := []byte{0x80 | op}
	if len(text) < 126 {
		frame = append(frame, 0x80|byte(len(text)))
	} else {
		frame = append(frame, 0x80|126, byte(len(text)>>8), byte(len(text)))
	}
	frame = append(frame, 0, 0, 0, 0)
	_, err := s.conn.Write(append(frame, text...))
	return err
}

// next reads the next text message, which is valid until the next call.
func (s *socket) next() ([]byte, error) {
	for {
		var head [10]byte
		if _, err := io.ReadFull(s.in, head[:2]); err != nil {
			return nil, err
		}
		n := uint64(head[1] & 127)
		switch n {
		case 126:
			if _, err := io.ReadFull(s.in, head[2:4]); err != nil {
				return nil, err
			}
			n = uint64(binary.BigEndian.Uint16(head[2:]))
		case 127:
			if _, err := io.ReadFull(s.in, head[2:10]); err != nil {
				return nil, err
			}
			n = binary.BigEndian.Uint64(head[2:])
		}
		if n > 1<<20 {
			return nil, fmt.Errorf("a message of %d bytes", n)
		}
		if uint64(cap(s.buf)) < n {
			s.buf = make([]byte, n)
		}
		s.buf = s.buf[:n]
		if _, err := io.ReadFull(s.in, s.buf); err != nil {
			return nil, err
		}
		switch head[0] {
		case 0x80 | opText:
			return s.buf, nil
		case 0x80 | opPing:
			if err := s.send(opPong, string(s.buf)); err != nil {
				return nil, err
			}
		case 0x80 | opPong:
		case 0x80 | opClose:
			if n < 2 {
				return nil, errors.New("closed without a code")
			}
			return nil, fmt.Errorf("closed with %d %s", binary.BigEndian.Uint16(s.buf), s.buf[2:])
		default:
			return nil, fmt.Errorf("frame %#x", head[0])
		}
	}
}

// expect reads messages until one holds the text.
func (s *socket) expect(text string) error {
	if err := s.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	m, err := s.next()
	if err != nil {
		return err
	}
	if !strings.Contains(string(m), text) {
		return fmt.Errorf("got %.300s, want %s", m, text)
	}
	return s.conn.SetReadDeadline(time.Time{})
}

// number gives the number behind a name in a message; ok is false when there is none.
func number(m, name []byte) (n int64, ok bool) {
	_, rest, found := bytes.Cut(m, name)
	if !found {
		return 0, false
	}
	for i := 0; i < len(rest) && rest[i] >= '0' && rest[i] <= '9'; i++ {
		n, ok = n*10+int64(rest[i]-'0'), true
	}
	return n, ok
}
