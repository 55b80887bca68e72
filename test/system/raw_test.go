package system

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"dossier/internal/apitest"
)

// readRaw reads an HTTP answer with a GraphQL body from a connection.
func readRaw(t testing.TB, conn net.Conn) apitest.Result {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(60 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("status %d, the answer was cut off after %d bytes: %v", resp.StatusCode, len(b), err)
	}
	r := apitest.Result{Status: resp.StatusCode}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatalf("status %d, not JSON: %v: %.200q", resp.StatusCode, err, b)
	}
	return r
}

// uploadHead is the beginning of an upload of one file, up to the first byte of its content, for a connection of which
// the bytes are sent by hand. With a negative size the body is chunked and the head ends before its first chunk.
func uploadHead(a actor, customer, key string, size int64) (head, preamble, closing string) {
	variables := fmt.Sprintf(`{"input": {"customerId": %q}, "files": [null]}`, customer)
	if key != "" {
		variables = fmt.Sprintf(`{"input": {"customerId": %q}, "files": [null], "key": %q}`, customer, key)
	}
	operations, _ := json.Marshal(uploadDocument) // a text always marshals
	const boundary = "raw-boundary"
	preamble = "--" + boundary + "\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n" +
		`{"query": ` + string(operations) + `, "variables": ` + variables + "}\r\n--" + boundary +
		"\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n{\"1\": [\"variables.files.0\"]}\r\n--" + boundary +
		"\r\nContent-Disposition: form-data; name=\"1\"; filename=\"raw.pdf\"\r\nContent-Type: application/pdf\r\n\r\n"
	closing = "\r\n--" + boundary + "--\r\n"
	length := "Transfer-Encoding: chunked"
	if size >= 0 {
		length = "Content-Length: " + strconv.FormatInt(int64(len(preamble)+len(closing))+size, 10)
	}
	authorization := ""
	if a.token != "" {
		authorization = "Authorization: Bearer " + a.token + "\r\n"
	}
	head = "POST /graphql HTTP/1.1\r\nHost: raw\r\n" + authorization + "GraphQL-Require-Preflight: 1\r\n" +
		"Content-Type: multipart/form-data; boundary=" + boundary + "\r\n" + length + "\r\n\r\n"
	return head, preamble, closing
}

// procNumber reads a number of the server's process from /proc; -1 where there is none.
func procNumber(t testing.TB, s *apitest.Server, file, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.PID(), file))
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	return -1
}
