package transport

import (
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
)

// The message types of graphql-transport-ws.
const (
	typeInit      = "connection_init"
	typeAck       = "connection_ack"
	typePing      = "ping"
	typePong      = "pong"
	typeSubscribe = "subscribe"
	typeNext      = "next"
	typeError     = "error"
	typeComplete  = "complete"
)

// wsMessage is a message of the client.
type wsMessage struct {
	ID      *string         `json:"id"`
	Type    string          `json:"type"`
	Payload json.RawMessage `json:"payload"`
}

// invalidMessage is the reason of a close with 4400.
type invalidMessage string

// Error is what the client sees.
func (m invalidMessage) Error() string { return "Invalid message: " + string(m) }

// parseMessage reads one message. An error is the reason of a close with 4400, so it says what is wrong with the message
// and repeats nothing of it.
func parseMessage(data []byte) (wsMessage, error) {
	var m wsMessage
	if err := json.Unmarshal(data, &m); err != nil {
		return m, invalidMessage("expected a JSON object with a string 'type'")
	}
	switch m.Type {
	case typeInit, typePing, typePong:
		if !isObjectOrNull(m.Payload) {
			return m, invalidMessage("'payload' of " + m.Type + " must be an object")
		}
	case typeSubscribe, typeComplete:
		if m.ID == nil || *m.ID == "" || len(*m.ID) > 256 {
			return m, invalidMessage(m.Type + " needs an 'id' of 1 to 256 bytes")
		}
	case "":
		return m, invalidMessage("'type' is missing")
	default:
		return m, invalidMessage("unknown 'type'")
	}
	return m, nil
}

// params reads the payload of subscribe.
func (m wsMessage) params() (*graphql.RawParams, error) {
	var p struct {
		Query         *string        `json:"query"`
		OperationName *string        `json:"operationName"`
		Variables     map[string]any `json:"variables"`
		Extensions    map[string]any `json:"extensions"`
	}
	if err := decodeJSON(m.Payload, &p); err != nil || p.Query == nil {
		return nil, invalidMessage("'payload' of subscribe must have a string 'query' and may have objects 'variables', 'extensions'")
	}
	out := &graphql.RawParams{Query: *p.Query, Variables: p.Variables, Extensions: p.Extensions}
	if p.OperationName != nil {
		out.OperationName = *p.OperationName
	}
	return out, nil
}

// object reads the payload of connection_init.
func (m wsMessage) object() (map[string]any, error) {
	if len(m.Payload) == 0 {
		return map[string]any{}, nil
	}
	var out map[string]any
	err := decodeJSON(m.Payload, &out)
	return out, err
}

func isObjectOrNull(raw json.RawMessage) bool {
	return len(raw) == 0 || raw[0] == '{' || raw[0] == 'n'
}

// nextPrefix is what comes before the payload of each next message of an operation.
func nextPrefix(id string) []byte {
	b := []byte(`{"id":`)
	b = appendJSONString(b, id)
	return append(b, `,"type":"next","payload":`...)
}

func completeMessage(id string) []byte {
	b := appendJSONString([]byte(`{"id":`), id)
	return append(b, `,"type":"complete"}`...)
}

func errorMessage(id string, resp *graphql.Response) []byte {
	errs, err := json.Marshal(resp.Errors)
	if err != nil || len(resp.Errors) == 0 {
		errs = []byte(`[{"message":"internal error","extensions":{"code":"INTERNAL"}}]`)
	}
	b := appendJSONString([]byte(`{"id":`), id)
	b = append(b, `,"type":"error","payload":`...)
	b = append(b, errs...)
	return append(b, '}')
}

func pongMessage(payload json.RawMessage) []byte {
	if len(payload) == 0 {
		return []byte(`{"type":"pong"}`)
	}
	b := append([]byte(`{"type":"pong","payload":`), payload...)
	return append(b, '}')
}

func appendJSONString(b []byte, s string) []byte {
	q, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return append(b, `""`...)
	}
	return append(b, q...)
}
