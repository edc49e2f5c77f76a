// temporal-client asks a Temporal server what the charm wants to know, and tells it what the charm wants to be so.
//
// It reads JSON documents from standard input and answers each with one JSON document on a line of its own, in order,
// until the input ends. A request:
//
//	{"command": "namespace-describe", "address": "127.0.0.1:7233", "timeout": 10, "arguments": {"name": "default"}}
//
// `timeout` is in seconds. `tls`, where the server wants it, is {"ca": PEM, "server_name": NAME}; both may be empty, for
// the system's authorities and for the address's own name. The commands and their arguments stand in `commands`.
//
// An answer is {"result": ...} or {"error": one sentence, "code": the name of a gRPC code}.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// command answers one kind of request.
type command func(context.Context, *server, json.RawMessage) (any, error)

var commands = map[string]command{
	"cluster":               with(cluster),
	"executions":            with(executions),
	"health":                with(health),
	"namespace-delete":      with(deleteNamespace),
	"namespace-describe":    with(describeNamespace),
	"namespace-list":        with(listNamespaces),
	"namespace-register":    with(registerNamespace),
	"namespace-update":      with(updateNamespace),
	"search-attributes-add": with(addSearchAttributes),
	"search-attributes":     with(searchAttributes),
}

// with lets a function have its arguments as a type of its own; unknown ones are refused.
func with[A any](run func(context.Context, *server, A) (any, error)) command {
	return func(ctx context.Context, s *server, raw json.RawMessage) (any, error) {
		var arguments A
		if len(raw) > 0 {
			decoder := json.NewDecoder(strings.NewReader(string(raw)))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&arguments); err != nil {
				return nil, status.Errorf(codes.InvalidArgument, "arguments: %v", err)
			}
		}
		return run(ctx, s, arguments)
	}
}

type request struct {
	Command   string          `json:"command"`
	Address   string          `json:"address"`
	TLS       *tlsOptions     `json:"tls"`
	Timeout   float64         `json:"timeout"`
	Arguments json.RawMessage `json:"arguments"`
}

type answer struct {
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
	Code   string `json:"code,omitempty"`
}

func respond(r request) answer {
	run, found := commands[r.Command]
	if !found {
		return failure(r, status.Errorf(codes.InvalidArgument, "there is no command %q", r.Command))
	}
	if r.Timeout <= 0 {
		r.Timeout = 10
	}
	s, err := connect(r.Address, r.TLS)
	if err != nil {
		return failure(r, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.Timeout*float64(time.Second)))
	defer cancel()
	result, err := run(ctx, s, r.Arguments)
	if err != nil {
		return failure(r, err)
	}
	return answer{Result: result}
}

// failure makes one sentence of an error: of the server's own words where it has answered.
func failure(r request, err error) answer {
	s := status.Convert(err)
	sentence := strings.Join(strings.Fields(s.Message()), " ")
	switch {
	case s.Code() == codes.DeadlineExceeded:
		sentence = fmt.Sprintf("%s did not answer within %g s", r.Address, r.Timeout)
	case s.Code() == codes.Unavailable && strings.HasPrefix(sentence, noConnection):
		sentence = fmt.Sprintf("%s does not answer: %s", r.Address, cause(sentence))
	}
	return answer{Error: sentence, Code: s.Code().String()}
}

// cause is the innermost part of what gRPC says of a connection: `connection error: desc = "transport: ...: refused"`.
func cause(sentence string) string {
	_, description, _ := strings.Cut(sentence, `desc = "`)
	parts := strings.Split(strings.TrimSuffix(description, `"`), ": ")
	return parts[len(parts)-1]
}

func main() {
	input := json.NewDecoder(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		var r request
		err := input.Decode(&r)
		if errors.Is(err, io.EOF) {
			return
		}
		given := answer{Error: fmt.Sprintf("the request is no JSON document: %v", err), Code: codes.InvalidArgument.String()}
		if err == nil {
			given = respond(r)
		}
		if output.Encode(given) != nil || err != nil {
			os.Exit(1)
		}
	}
}
