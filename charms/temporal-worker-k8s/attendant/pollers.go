package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"google.golang.org/grpc/codes"
)

// apiKey is the variable by which Temporal's clients know a bearer token.
const apiKey = "TEMPORAL_API_KEY"

var (
	timeout = 5 * time.Second
	// eager and relaxed are between two questions: before the server sees the worker, and then.
	eager, relaxed = 500 * time.Millisecond, 2 * time.Second
	// unseen is how long a worker may take to poll before a person is asked.
	unseen = 60 * time.Second
	// stale is how long it may be silent; an idle poller asks anew once a minute.
	stale = 180 * time.Second
)

// server is asked whether it sees the worker poll. It is spoken to as the worker is told to: by the variables that
// Temporal's clients read.
type server struct {
	variables map[string]string
	queues    []string
	host      string
	// baseline is when each queue was last polled from here before this worker; by the server's clock, where it answered.
	baseline map[string]time.Time
	asked    bool
	started  time.Time
	last     map[string]seen
}

// seen is the newest poll of a queue, and when that came to be known, by the clock of here.
type seen struct{ poll, at time.Time }

// Environ and LookupEnv let envconfig read the worker's variables instead of this process's.
func (s *server) Environ() []string {
	var found []string
	for name, value := range s.variables {
		found = append(found, name+"="+value)
	}
	return found
}

func (s *server) LookupEnv(name string) (string, bool) {
	value, found := s.variables[name]
	return value, found
}

func (s *server) connect() (client.Client, error) {
	wanted, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{
		EnvLookup: s, DisableFile: true,
	})
	if err != nil {
		return nil, err
	}
	// With a token the SDK would have TLS otherwise, whatever TEMPORAL_TLS says.
	wanted.ConnectionOptions.TLSDisabled = wanted.ConnectionOptions.TLS == nil
	wanted.Logger = silent{}
	return client.NewLazyClient(wanted)
}

// begin asks what was polled before the worker starts: the server remembers pollers for minutes.
func (s *server) begin(ctx context.Context) {
	s.started, s.last = time.Now(), map[string]seen{}
	s.baseline, s.asked = map[string]time.Time{}, false
	c, err := s.connect()
	if err != nil {
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, timeout/2)
	defer cancel()
	for _, queue := range s.queues {
		if s.baseline[queue], err = s.newest(ctx, c, queue); err != nil {
			return
		}
	}
	s.asked = true
}

// follow keeps the answer true until the worker ends.
func (s *server) follow(ctx context.Context, answer *state) {
	c, err := s.connect()
	if err != nil {
		answer.set(false, fmt.Sprintf("the server cannot be asked: %v: mend the TEMPORAL_ variables", err), true)
		return
	}
	defer c.Close()
	for ctx.Err() == nil {
		polling, problem, operator := s.look(ctx, c)
		if ctx.Err() == nil {
			answer.set(polling, problem, operator)
		}
		pause := eager
		if polling {
			pause = relaxed
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// look asks once for all queues.
func (s *server) look(ctx context.Context, c client.Client) (polling bool, problem string, operator bool) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	address := s.variables["TEMPORAL_ADDRESS"]
	for _, queue := range s.queues {
		poll, err := s.newest(ctx, c, queue)
		if err != nil {
			problem, operator = s.refused(err)
			return false, problem, operator
		}
		if !s.own(queue, poll) {
			if time.Since(s.started) > unseen {
				return false, fmt.Sprintf("%s has seen nobody poll queue %s from this unit for %.0f s: the worker has to poll "+
					"TWC_QUEUE in TWC_NAMESPACE, and its identity to have the host's name in it, as it has by default",
					address, queue, time.Since(s.started).Truncate(unseen).Seconds()), true
			}
			return false, fmt.Sprintf("%s to see the pollers of queue %s", address, queue), false
		}
		if before := s.last[queue]; !poll.Equal(before.poll) {
			s.last[queue] = seen{poll, time.Now()}
		} else if time.Since(before.at) > stale {
			return false, fmt.Sprintf("%s to see new polls of queue %s", address, queue), false
		}
	}
	return true, "", false
}

// own tells whether a poll is this worker's, and not of one that ran here before.
func (s *server) own(queue string, poll time.Time) bool {
	if s.asked {
		return poll.After(s.baseline[queue])
	}
	return poll.After(s.started)
}

// newest is when somebody last polled a queue from this host.
func (s *server) newest(ctx context.Context, c client.Client, queue string) (time.Time, error) {
	var found time.Time
	for _, kind := range []enums.TaskQueueType{enums.TASK_QUEUE_TYPE_WORKFLOW, enums.TASK_QUEUE_TYPE_ACTIVITY} {
		description, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
			Namespace: s.variables["TEMPORAL_NAMESPACE"], TaskQueue: &taskqueue.TaskQueue{Name: queue}, TaskQueueType: kind,
		})
		if err != nil {
			return found, err
		}
		for _, poller := range description.Pollers {
			// PID@HOST in most SDKs, PID@HOST@ in Go's.
			if slices.Contains(strings.Split(poller.Identity, "@"), s.host) {
				if at := poller.LastAccessTime.AsTime(); at.After(found) {
					found = at
				}
			}
		}
	}
	return found, nil
}

// refused says what the server's answer means, and whether a person has to do something about it.
func (s *server) refused(err error) (string, bool) {
	address, namespace := s.variables["TEMPORAL_ADDRESS"], s.variables["TEMPORAL_NAMESPACE"]
	switch code := serviceerror.ToStatus(err).Code(); code {
	case codes.NotFound:
		return fmt.Sprintf("namespace %s does not exist on %s: register it or change the option namespace", namespace, address), true
	case codes.Unauthenticated, codes.PermissionDenied:
		remedy := "give " + apiKey + " by environment-secrets"
		if s.variables[apiKey] != "" {
			remedy = "give another token, by the secret of auth-secret-id, or as " + apiKey + " where the worker has it from there"
		}
		return fmt.Sprintf("%s does not let it be seen whether the worker polls (%s): %s", address, code, remedy), true
	default:
		// A server that is about to start refuses connections, and does not get as far as certificates.
		if _, reason, found := strings.Cut(err.Error(), handshake); found {
			reason, _, _ = strings.Cut(strings.Trim(reason, `"`), "\n")
			return fmt.Sprintf("TLS with %s failed (%s): mend tls, tls-root-cas or the client certificate", address, reason), true
		}
		return fmt.Sprintf("%s to answer (%s)", address, code), false
	}
}

// handshake is how gRPC begins to tell why TLS has failed.
const handshake = "authentication handshake failed: "

// silent keeps the SDK's own messages out of the worker's log.
type silent struct{}

func (silent) Debug(string, ...interface{}) {}
func (silent) Info(string, ...interface{})  {}
func (silent) Warn(string, ...interface{})  {}
func (silent) Error(string, ...interface{}) {}
