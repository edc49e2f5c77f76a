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

var kinds = []enums.TaskQueueType{enums.TASK_QUEUE_TYPE_WORKFLOW, enums.TASK_QUEUE_TYPE_ACTIVITY}

// polled is what of a queue is polled.
type polled struct {
	queue string
	kind  enums.TaskQueueType
}

// server is asked whether it sees the worker poll. It is spoken to as the worker is told to: by the variables that
// Temporal's clients read.
type server struct {
	variables map[string]string
	queues    []string
	host      string
	// baseline is when each was last polled from here before this worker; by the server's clock, where it answered.
	baseline map[polled]time.Time
	asked    bool
	started  time.Time
	// waiting is since when a first poll is waited for, with a server that answers.
	waiting time.Time
	last    map[polled]seen
}

// seen is the newest poll, and when that came to be known, by the clock of here; and the newest in all partitions of the
// queue, if these were asked since.
type seen struct {
	poll, at  time.Time
	elsewhere *time.Time
}

// view is what can be seen of the worker.
type view struct {
	polling  bool
	problem  string
	operator bool
	// stuck is why the worker has to be started anew; empty if it need not.
	stuck string
}

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
	s.started, s.last = time.Now(), map[polled]seen{}
	s.waiting = s.started
	s.baseline, s.asked = map[polled]time.Time{}, false
	c, err := s.connect()
	if err != nil {
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(ctx, timeout/2)
	defer cancel()
	for _, queue := range s.queues {
		for _, kind := range kinds {
			one := polled{queue, kind}
			if s.baseline[one], err = s.newest(ctx, c, one); err != nil {
				return
			}
		}
	}
	s.asked = true
}

// follow keeps the answer true until the worker ends, or is stuck; then it says why that is so.
func (s *server) follow(ctx context.Context, answer *state) (stuck string) {
	c, err := s.connect()
	if err != nil {
		answer.set(false, fmt.Sprintf("the server cannot be asked: %v: mend the TEMPORAL_ variables", err), true)
		return ""
	}
	defer c.Close()
	for ctx.Err() == nil {
		now := s.look(ctx, c)
		if ctx.Err() == nil {
			answer.set(now.polling, now.problem, now.operator)
			if now.stuck != "" {
				return now.stuck
			}
		}
		pause := eager
		if now.polling {
			pause = relaxed
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return ""
}

// look asks once for all queues.
func (s *server) look(ctx context.Context, c client.Client) view {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found := view{polling: true}
	for _, queue := range s.queues {
		now := s.lookAt(ctx, c, queue)
		if now.stuck != "" {
			return now
		}
		if found.polling {
			found = now
		}
	}
	return found
}

// lookAt asks once for a queue.
func (s *server) lookAt(ctx context.Context, c client.Client, queue string) view {
	address := s.variables["TEMPORAL_ADDRESS"]
	seen, heard, stuck := false, false, ""
	for _, kind := range kinds {
		one := polled{queue, kind}
		poll, err := s.newest(ctx, c, one)
		if err != nil {
			// What was not seen meanwhile says nothing of the worker.
			clear(s.last)
			s.waiting = time.Now()
			problem, operator := s.refused(err)
			return view{problem: problem, operator: operator}
		}
		if !s.own(one, poll) {
			continue
		}
		silent := s.silent(one, poll)
		seen, heard = true, heard || !silent
		// Whose activities take long need not ask for more, and how many it may run only the worker knows.
		if silent && kind == enums.TASK_QUEUE_TYPE_WORKFLOW && s.silentEverywhere(ctx, c, one) {
			stuck = fmt.Sprintf("the server has seen no new poll of queue %s for %.0f s", queue, 2*stale.Seconds())
		}
	}
	switch {
	case heard && stuck == "":
		return view{polling: true}
	case seen:
		return view{problem: fmt.Sprintf("%s to see new polls of queue %s", address, queue), stuck: stuck}
	case time.Since(s.waiting) > unseen:
		return view{problem: fmt.Sprintf("%s has seen nobody poll queue %s from this unit for %.0f s: the worker has to poll "+
			"TWC_QUEUE in TWC_NAMESPACE, and its identity to have the host's name in it, as it has by default",
			address, queue, time.Since(s.waiting).Truncate(unseen).Seconds()), operator: true}
	}
	return view{problem: fmt.Sprintf("%s to see the pollers of queue %s", address, queue)}
}

// own tells whether a poll is this worker's, and not of one that ran here before.
func (s *server) own(one polled, poll time.Time) bool {
	if s.asked {
		return poll.After(s.baseline[one])
	}
	return poll.After(s.started)
}

// silent tells whether the newest poll has been the same for long.
func (s *server) silent(one polled, poll time.Time) bool {
	before := s.last[one]
	if !poll.Equal(before.poll) {
		s.last[one] = seen{poll: poll, at: time.Now()}
		return false
	}
	return time.Since(before.at) > stale
}

// silentEverywhere tells whether a queue is silent in all its partitions: where there are many workers, one of them may
// have had all polls. It says so the second time, as long after the first as the silence before; and not of a server that
// does not say.
func (s *server) silentEverywhere(ctx context.Context, c client.Client, one polled) bool {
	before := s.last[one]
	if before.elsewhere != nil && time.Since(before.at) <= 2*stale {
		return false
	}
	poll, err := s.newestAnywhere(ctx, c, one)
	if err != nil {
		return false
	}
	if before.elsewhere != nil && poll.Equal(*before.elsewhere) {
		return true
	}
	before.at, before.elsewhere = time.Now().Add(-stale), &poll
	s.last[one] = before
	return false
}

// newest is when somebody last polled from this host.
func (s *server) newest(ctx context.Context, c client.Client, one polled) (time.Time, error) {
	description, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace: s.variables["TEMPORAL_NAMESPACE"], TaskQueue: &taskqueue.TaskQueue{Name: one.queue}, TaskQueueType: one.kind,
	})
	if err != nil {
		return time.Time{}, err
	}
	return s.newestOf(description.Pollers), nil
}

// newestAnywhere is the same in all partitions of the queue.
func (s *server) newestAnywhere(ctx context.Context, c client.Client, one polled) (time.Time, error) {
	var found time.Time
	description, err := c.WorkflowService().DescribeTaskQueue(ctx, &workflowservice.DescribeTaskQueueRequest{
		Namespace:      s.variables["TEMPORAL_NAMESPACE"],
		TaskQueue:      &taskqueue.TaskQueue{Name: one.queue, Kind: enums.TASK_QUEUE_KIND_NORMAL},
		ApiMode:        enums.DESCRIBE_TASK_QUEUE_MODE_ENHANCED,
		Versions:       &taskqueue.TaskQueueVersionSelection{Unversioned: true, AllActive: true},
		TaskQueueTypes: []enums.TaskQueueType{one.kind},
		ReportPollers:  true,
	})
	if err != nil {
		return found, err
	}
	for _, version := range description.VersionsInfo {
		if at := s.newestOf(version.TypesInfo[int32(one.kind)].GetPollers()); at.After(found) {
			found = at
		}
	}
	return found, nil
}

func (s *server) newestOf(pollers []*taskqueue.PollerInfo) time.Time {
	var found time.Time
	for _, poller := range pollers {
		// PID@HOST in most SDKs, PID@HOST@ in Go's.
		if slices.Contains(strings.Split(poller.Identity, "@"), s.host) {
			if at := poller.LastAccessTime.AsTime(); at.After(found) {
				found = at
			}
		}
	}
	return found
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
