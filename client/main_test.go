package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthserver "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// frontend is a server with two namespaces, a page for each.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	// unavailable is how many calls are refused for the moment; forgetful how many find no namespace.
	unavailable, forgetful int
}

func described(name string) *workflowservice.DescribeNamespaceResponse {
	return &workflowservice.DescribeNamespaceResponse{
		NamespaceInfo: &namespace.NamespaceInfo{Name: name, Id: "of " + name, State: enums.NAMESPACE_STATE_REGISTERED},
		Config: &namespace.NamespaceConfig{
			WorkflowExecutionRetentionTtl: durationpb.New(72 * time.Hour),
			CustomSearchAttributeAliases:  map[string]string{"Keyword01": "CustomerId", "Double02": "Amount"},
		},
	}
}

func (f *frontend) ListNamespaces(_ context.Context, asked *workflowservice.ListNamespacesRequest) (
	*workflowservice.ListNamespacesResponse, error) {
	if f.unavailable > 0 {
		f.unavailable--
		return nil, status.Error(codes.Unavailable, "Not enough hosts to serve the request")
	}
	found := func(names ...string) (made []*workflowservice.DescribeNamespaceResponse) {
		for _, name := range names {
			made = append(made, described(name))
		}
		return made
	}
	if len(asked.NextPageToken) == 0 {
		return &workflowservice.ListNamespacesResponse{
			Namespaces: found(systemNamespace, "orders"), NextPageToken: []byte("more")}, nil
	}
	return &workflowservice.ListNamespacesResponse{Namespaces: found("stock")}, nil
}

func (f *frontend) DescribeNamespace(_ context.Context, asked *workflowservice.DescribeNamespaceRequest) (
	*workflowservice.DescribeNamespaceResponse, error) {
	if asked.Namespace == "gone" {
		return nil, status.Error(codes.NotFound, "Namespace gone is not found.")
	}
	return described(asked.Namespace), nil
}

func (f *frontend) RegisterNamespace(context.Context, *workflowservice.RegisterNamespaceRequest) (
	*workflowservice.RegisterNamespaceResponse, error) {
	return &workflowservice.RegisterNamespaceResponse{}, nil
}

func (f *frontend) CountWorkflowExecutions(_ context.Context, asked *workflowservice.CountWorkflowExecutionsRequest) (
	*workflowservice.CountWorkflowExecutionsResponse, error) {
	if asked.Namespace == "gone" || f.forgetful > 0 {
		f.forgetful--
		return nil, status.Error(codes.NotFound, "Namespace is not found.")
	}
	return &workflowservice.CountWorkflowExecutionsResponse{Count: int64(len(asked.Namespace))}, nil
}

func (f *frontend) ListWorkflowExecutions(_ context.Context, asked *workflowservice.ListWorkflowExecutionsRequest) (
	*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{
		Executions: []*workflow.WorkflowExecutionInfo{{TaskQueue: "of " + asked.Namespace}}}, nil
}

func serve(t *testing.T) (*frontend, string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, health := &frontend{}, healthserver.NewServer()
	health.SetServingStatus("down", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, f)
	grpc_health_v1.RegisterHealthServer(server, health)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return f, listener.Addr().String()
}

// told is an answer's result as the charm reads it.
func told[A any](t *testing.T, r request) A {
	t.Helper()
	given := respond(r)
	if given.Error != "" {
		t.Fatalf("%s: %s", given.Code, given.Error)
	}
	text, err := json.Marshal(given.Result)
	if err != nil {
		t.Fatal(err)
	}
	var found A
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestARequestThatCannotBeAnsweredFailsWithOneSentence(t *testing.T) {
	_, address := serve(t)
	for _, wrong := range []struct {
		request
		sentence, code string
	}{
		{request{Command: "dance", Address: address}, `there is no command "dance"`, "InvalidArgument"},
		{request{Command: "cluster"}, "the request names no address", "InvalidArgument"},
		{request{Command: "cluster", Address: address, TLS: &tlsOptions{CA: "nonsense"}},
			"the authority's certificate is no PEM", "InvalidArgument"},
		{request{Command: "namespace-describe", Address: address, Arguments: json.RawMessage(`{"nmae": "x"}`)},
			`arguments: json: unknown field "nmae"`, "InvalidArgument"},
		{request{Command: "namespace-describe", Address: address, Arguments: json.RawMessage(`{"name": "gone"}`)},
			"Namespace gone is not found.", "NotFound"},
		{request{Command: "namespace-list", Address: "127.0.0.1:1"},
			"127.0.0.1:1 does not answer: ", "Unavailable"},
		{request{Command: "search-attributes-add", Address: address,
			Arguments: json.RawMessage(`{"namespace": "orders", "attributes": {"CustomerId": "Word"}}`)},
			`search attribute CustomerId: there is no type "Word"`, "InvalidArgument"},
	} {
		given := respond(wrong.request)
		if !strings.HasPrefix(given.Error, wrong.sentence) || given.Code != wrong.code {
			t.Errorf("%s: %q, not %q", given.Code, given.Error, wrong.sentence)
		}
	}
}

func TestNamespacesComeFromAllPagesWithoutTemporalsOwn(t *testing.T) {
	_, address := serve(t)

	found := told[[]namespaceInfo](t, request{Command: "namespace-list", Address: address})

	expected := namespaceInfo{
		Name: "orders", ID: "of orders", State: "registered", Retention: 72 * 3600, Data: map[string]string{},
		SearchAttributes: map[string]string{"CustomerId": "Keyword", "Amount": "Double"},
	}
	if len(found) != 2 || !reflect.DeepEqual(found[0], expected) || found[1].Name != "stock" {
		t.Errorf("%+v", found)
	}
}

func TestARefusalForTheMomentIsNotTheEnd(t *testing.T) {
	f, address := serve(t)
	f.unavailable = 2

	if found := told[[]namespaceInfo](t, request{Command: "namespace-list", Address: address}); len(found) != 2 {
		t.Errorf("%+v", found)
	}
}

func TestRunningWorkflowsAreCountedAlsoWhereTheServerHasForgottenANamespaceForAMoment(t *testing.T) {
	f, address := serve(t)
	f.forgetful = 1

	found := told[[]running](t, request{Command: "executions", Address: address,
		Arguments: json.RawMessage(`{"namespaces": ["orders", "gone"], "limit": 1}`)})

	if len(found) != 1 || found[0].Running != 6 || found[0].Executions[0].Queue != "of orders" {
		t.Errorf("%+v", found)
	}
}

func TestANamespaceIsRegisteredOnceWorkflowsMayBeStartedInIt(t *testing.T) {
	f, address := serve(t)
	f.forgetful = 2

	made := told[namespaceInfo](t, request{Command: "namespace-register", Address: address,
		Arguments: json.RawMessage(`{"name": "orders"}`)})

	if made.Name != "orders" || f.forgetful != 0 {
		t.Errorf("%+v, %d answers left in which it is not there", made, f.forgetful)
	}
}

func TestEachServiceIsAskedAfterItsHealth(t *testing.T) {
	_, address := serve(t)
	arguments := `{"services": {"up": {"address": "A", "service": ""}, "down": {"address": "A", "service": "down"},
		"else": {"address": "A", "service": "else"}, "away": {"address": "127.0.0.1:1", "service": ""}}}`

	found := told[map[string]string](t, request{Command: "health", Address: address,
		Arguments: json.RawMessage(strings.ReplaceAll(arguments, `"A"`, `"`+address+`"`))})

	expected := map[string]string{"up": "serving", "down": "not serving", "else": "unknown service", "away": "no answer"}
	if !reflect.DeepEqual(found, expected) {
		t.Errorf("%v", found)
	}
}

func TestWhatDoesNotAnswerInTimeIsNamedWithTheTime(t *testing.T) {
	given := failure(request{Address: "temporal:7233", Timeout: 2.5}, status.FromContextError(context.DeadlineExceeded).Err())

	if given.Error != "temporal:7233 did not answer within 2.5 s" {
		t.Error(given.Error)
	}
}

func TestPagesEndWithAFailure(t *testing.T) {
	count := 0
	err := pages(context.Background(), func(context.Context, []byte) ([]byte, error) {
		count++
		return []byte("more"), map[bool]error{true: errors.New("no")}[count == 3]
	})

	if err == nil || count != 3 {
		t.Errorf("%v after %d", err, count)
	}
}
