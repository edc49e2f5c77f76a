package main

import (
	"context"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const host = "worker-0"

// frontend is a server that knows pollers.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	mutex   sync.Mutex
	pollers map[polled][]*taskqueue.PollerInfo
	refuses codes.Code
	token   string
	// elsewhere tells of a queue's other partitions; without it the server does not.
	elsewhere func() time.Time
}

// polled lets a queue be polled for workflows and activities.
func (f *frontend) polled(queue, identity string, at time.Time) {
	for _, kind := range kinds {
		f.polledFor(kind, queue, identity, at)
	}
}

func (f *frontend) polledFor(kind enums.TaskQueueType, queue, identity string, at time.Time) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	one := polled{queue, kind}
	f.pollers[one] = append(f.pollers[one], poller(identity, at))
}

func poller(identity string, at time.Time) *taskqueue.PollerInfo {
	return &taskqueue.PollerInfo{Identity: identity, LastAccessTime: timestamppb.New(at)}
}

func (f *frontend) refuse(code codes.Code) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.refuses = code
}

func (f *frontend) forget() {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	clear(f.pollers)
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (
	*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{}, nil
}

func (f *frontend) DescribeTaskQueue(ctx context.Context, asked *workflowservice.DescribeTaskQueueRequest) (
	*workflowservice.DescribeTaskQueueResponse, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if f.refuses != codes.OK {
		return nil, status.Error(f.refuses, "as the test wants it")
	}
	if given, _ := metadata.FromIncomingContext(ctx); f.token != "" && !slices.Contains(given["authorization"], "Bearer "+f.token) {
		return nil, status.Error(codes.Unauthenticated, "who is it?")
	}
	if asked.Namespace != "orders" {
		return nil, status.Error(codes.NotFound, "no namespace")
	}
	if asked.ApiMode == enums.DESCRIBE_TASK_QUEUE_MODE_ENHANCED {
		if f.elsewhere == nil {
			return nil, status.Error(codes.Unimplemented, "not here")
		}
		info := &taskqueue.TaskQueueTypeInfo{Pollers: []*taskqueue.PollerInfo{poller("1@"+host, f.elsewhere())}}
		types := map[int32]*taskqueue.TaskQueueTypeInfo{int32(asked.TaskQueueTypes[0]): info}
		versions := map[string]*taskqueue.TaskQueueVersionInfo{"": {TypesInfo: types}}
		return &workflowservice.DescribeTaskQueueResponse{VersionsInfo: versions}, nil
	}
	pollers := f.pollers[polled{asked.TaskQueue.Name, asked.TaskQueueType}]
	return &workflowservice.DescribeTaskQueueResponse{Pollers: pollers}, nil
}

// serve gives a server, and the variables by which it is found.
func serve(t *testing.T) (*frontend, map[string]string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &frontend{pollers: map[polled][]*taskqueue.PollerInfo{}}
	g := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(g, f)
	go g.Serve(listener)
	t.Cleanup(g.Stop)
	return f, map[string]string{
		"TEMPORAL_ADDRESS": listener.Addr().String(), "TEMPORAL_NAMESPACE": "orders", "TEMPORAL_TLS": "false",
	}
}

// begin runs a command with a server and gives its state, and what lets it stop.
func begin(t *testing.T, variables map[string]string, queues []string, command ...string) (*state, func() time.Duration) {
	t.Helper()
	s := newState(filepath.Join(t.TempDir(), "restarts.json"))
	w := &worker{
		command: command, variables: variables, state: s, options: options{user: -1, grace: 500 * time.Millisecond},
		server: &server{variables: variables, queues: queues, host: host},
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { w.run(ctx); close(done) }()
	stop := func() time.Duration {
		begun := time.Now()
		cancel()
		<-done
		return time.Since(begun)
	}
	t.Cleanup(func() { stop() })
	return s, stop
}

// until waits for an answer.
func until(t *testing.T, s *state, what string, met func(answer) bool) answer {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if now := s.get(); met(now) {
			return now
		}
	}
	t.Fatalf("not %s: %+v", what, s.get())
	return answer{}
}

func faster(t *testing.T) {
	t.Helper()
	before := []time.Duration{quick, firstPause, longestPause, strays, eager, relaxed, unseen, stale}
	places := []*time.Duration{&quick, &firstPause, &longestPause, &strays, &eager, &relaxed, &unseen, &stale}
	for i, value := range []time.Duration{300, 50, 100, 100, 20, 20, 60_000, 60_000} {
		*places[i] = value * time.Millisecond
	}
	t.Cleanup(func() {
		for i, place := range places {
			*place = before[i]
		}
	})
}

func polling(now answer) bool { return now.Polling }
