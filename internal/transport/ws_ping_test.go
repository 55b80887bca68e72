package transport

import (
	"io"
	"net"
	"testing"
	"time"
)

func TestAPingWaitsForTheWriteInProgress(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	c := &wsConn{out: wsWriter{nc: server, timeout: time.Minute}}
	c.out.mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.ping()
	}()
	c.out.mu.Unlock()
	frame := make([]byte, 2)
	if _, err := io.ReadFull(client, frame); err != nil || frame[0] != framePing {
		t.Errorf("read %x, %v; want a ping frame", frame, err)
	}
	<-done
}
