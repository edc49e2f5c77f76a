package main

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// systemNamespace is where Temporal keeps its own workflows.
const systemNamespace = "temporal-system"

// namespaceInfo is a namespace as the server has it.
type namespaceInfo struct {
	Name  string `json:"name"`
	ID    string `json:"id"`
	State string `json:"state"`
	// Retention is in seconds.
	Retention   int64             `json:"retention"`
	Description string            `json:"description"`
	Owner       string            `json:"owner"`
	Data        map[string]string `json:"data"`
	// SearchAttributes is name to type, such as Keyword.
	SearchAttributes map[string]string `json:"search_attributes"`
}

type named struct {
	Name string `json:"name"`
}

// settings of a namespace; what is absent is left to the server, or as it is.
type settings struct {
	Name        string            `json:"name"`
	Retention   *int64            `json:"retention"`
	Description string            `json:"description"`
	Owner       string            `json:"owner"`
	Data        map[string]string `json:"data"`
}

func (s settings) retention() *durationpb.Duration {
	if s.Retention == nil {
		return nil
	}
	return durationpb.New(time.Duration(*s.Retention) * time.Second)
}

func info(found *workflowservice.DescribeNamespaceResponse) namespaceInfo {
	of := found.GetNamespaceInfo()
	made := namespaceInfo{
		Name:             of.GetName(),
		ID:               of.GetId(),
		State:            strings.ToLower(of.GetState().String()),
		Retention:        int64(found.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration().Seconds()),
		Description:      of.GetDescription(),
		Owner:            of.GetOwnerEmail(),
		Data:             of.GetData(),
		SearchAttributes: map[string]string{},
	}
	if made.Data == nil {
		made.Data = map[string]string{}
	}
	// In a SQL database each type has some columns, Keyword01 and so on; a namespace's names are aliases of them.
	for column, name := range found.GetConfig().GetCustomSearchAttributeAliases() {
		made.SearchAttributes[name] = strings.TrimRight(column, "0123456789")
	}
	return made
}

func describeNamespace(ctx context.Context, s *server, arguments named) (any, error) {
	found, err := s.workflow.DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: arguments.Name})
	if err != nil {
		return nil, err
	}
	return info(found), nil
}

// listNamespaces gives all but those that are being deleted, and Temporal's own.
func listNamespaces(ctx context.Context, s *server, _ none) (any, error) {
	all := []namespaceInfo{}
	err := pages(ctx, func(ctx context.Context, token []byte) ([]byte, error) {
		page, err := s.workflow.ListNamespaces(ctx,
			&workflowservice.ListNamespacesRequest{PageSize: 1000, NextPageToken: token})
		for _, found := range page.GetNamespaces() {
			if name := found.GetNamespaceInfo().GetName(); name != systemNamespace {
				all = append(all, info(found))
			}
		}
		return page.GetNextPageToken(), err
	})
	return all, err
}

// registerNamespace answers when the server lets workflows be started in the namespace, too.
func registerNamespace(ctx context.Context, s *server, arguments settings) (any, error) {
	_, err := s.workflow.RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        arguments.Name,
		Description:                      arguments.Description,
		OwnerEmail:                       arguments.Owner,
		Data:                             arguments.Data,
		WorkflowExecutionRetentionPeriod: arguments.retention(),
	})
	if err != nil {
		return nil, err
	}
	// It is registered, whatever else this call meets: an error would have the caller register it again.
	_ = patiently(ctx, s, arguments.Name, func() error {
		_, err := s.workflow.CountWorkflowExecutions(ctx,
			&workflowservice.CountWorkflowExecutionsRequest{Namespace: arguments.Name})
		return err
	})
	return describeNamespace(ctx, s, named{arguments.Name})
}

// updateNamespace changes what is given. The server can neither empty a text nor take a key out of the data.
func updateNamespace(ctx context.Context, s *server, arguments settings) (any, error) {
	_, err := s.workflow.UpdateNamespace(ctx, &workflowservice.UpdateNamespaceRequest{
		Namespace: arguments.Name,
		UpdateInfo: &namespace.UpdateNamespaceInfo{
			Description: arguments.Description,
			OwnerEmail:  arguments.Owner,
			Data:        arguments.Data,
		},
		Config: &namespace.NamespaceConfig{WorkflowExecutionRetentionTtl: arguments.retention()},
	})
	if err != nil {
		return nil, err
	}
	return describeNamespace(ctx, s, named{arguments.Name})
}

// deleteNamespace gives the name that the namespace has while a workflow of the server's deletes what is in it.
func deleteNamespace(ctx context.Context, s *server, arguments named) (any, error) {
	given, err := s.operator.DeleteNamespace(ctx, &operatorservice.DeleteNamespaceRequest{Namespace: arguments.Name})
	if err != nil {
		return nil, err
	}
	return named{given.GetDeletedNamespace()}, nil
}

// patiently repeats a call that finds no namespace although it is there: for a second after a server has looked for one in
// vain it does not look again, except to describe it.
func patiently(ctx context.Context, s *server, name string, call func() error) error {
	for {
		err := call()
		if status.Code(err) != codes.NotFound {
			return err
		}
		if _, missing := describeNamespace(ctx, s, named{name}); missing != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(300 * time.Millisecond):
		}
	}
}

type attributes struct {
	Namespace string `json:"namespace"`
	// Attributes is name to type, such as Keyword.
	Attributes map[string]string `json:"attributes"`
}

// addSearchAttributes adds those that there are not yet; those of the name, whatever their type, are left as they are.
func addSearchAttributes(ctx context.Context, s *server, arguments attributes) (any, error) {
	types := map[string]enums.IndexedValueType{}
	for name, text := range arguments.Attributes {
		kind, err := enums.IndexedValueTypeFromString(text)
		if err != nil || kind == enums.INDEXED_VALUE_TYPE_UNSPECIFIED {
			return nil, status.Errorf(codes.InvalidArgument, "search attribute %s: there is no type %q", name, text)
		}
		types[name] = kind
	}
	err := patiently(ctx, s, arguments.Namespace, func() error {
		_, err := s.operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace:        arguments.Namespace,
			SearchAttributes: types,
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return describeNamespace(ctx, s, named{arguments.Namespace})
}

// searchAttributes gives a namespace's own, and those that every namespace has.
func searchAttributes(ctx context.Context, s *server, arguments attributes) (any, error) {
	found, err := s.operator.ListSearchAttributes(ctx,
		&operatorservice.ListSearchAttributesRequest{Namespace: arguments.Namespace})
	if err != nil {
		return nil, err
	}
	texts := func(types map[string]enums.IndexedValueType) map[string]string {
		made := map[string]string{}
		for name, kind := range types {
			made[name] = kind.String()
		}
		return made
	}
	return map[string]map[string]string{
		"custom": texts(found.GetCustomAttributes()),
		"system": texts(found.GetSystemAttributes()),
	}, nil
}
