package main

import (
	"context"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type executionsArguments struct {
	// Namespaces to look into; all if there are none.
	Namespaces []string `json:"namespaces"`
	// Limit is how many executions of each to name.
	Limit int32 `json:"limit"`
}

type execution struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Type       string `json:"type"`
	Queue      string `json:"queue"`
	Started    string `json:"started"`
}

type running struct {
	Namespace  string      `json:"namespace"`
	Running    int64       `json:"running"`
	Executions []execution `json:"executions"`
}

// executions counts what is running in each namespace, and names the first few.
func executions(ctx context.Context, s *server, arguments executionsArguments) (any, error) {
	names := arguments.Namespaces
	if len(names) == 0 {
		all, err := listNamespaces(ctx, s, none{})
		if err != nil {
			return nil, err
		}
		for _, found := range all.([]namespaceInfo) {
			names = append(names, found.Name)
		}
	}
	result := []running{}
	for _, name := range names {
		found, err := runningIn(ctx, s, name, arguments.Limit)
		if status.Code(err) == codes.NotFound {
			// Deleted since it was listed.
			continue
		}
		if err != nil {
			return nil, err
		}
		result = append(result, found)
	}
	return result, nil
}

func runningIn(ctx context.Context, s *server, name string, limit int32) (running, error) {
	// Not only those that are "Running": one that is paused is open, too, and servers before 1.32 know no such word.
	const query = `CloseTime IS NULL`
	result := running{Namespace: name, Executions: []execution{}}
	err := patiently(ctx, s, name, func() error {
		counted, err := s.workflow.CountWorkflowExecutions(ctx,
			&workflowservice.CountWorkflowExecutionsRequest{Namespace: name, Query: query})
		result.Running = counted.GetCount()
		return err
	})
	if err != nil {
		return result, err
	}
	if result.Running == 0 || limit <= 0 {
		return result, nil
	}
	page, err := s.workflow.ListWorkflowExecutions(ctx,
		&workflowservice.ListWorkflowExecutionsRequest{Namespace: name, Query: query, PageSize: limit})
	for _, found := range page.GetExecutions() {
		result.Executions = append(result.Executions, execution{
			WorkflowID: found.GetExecution().GetWorkflowId(),
			RunID:      found.GetExecution().GetRunId(),
			Type:       found.GetType().GetName(),
			Queue:      found.GetTaskQueue(),
			Started:    found.GetStartTime().AsTime().UTC().Format(time.RFC3339),
		})
	}
	return result, err
}
