package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/enums/v1"
	"google.golang.org/grpc/codes"
)

// silence is after how long a worker counts as silent here.
const silence = 200 * time.Millisecond

// fallSilent runs a worker that polls once for something; gives its state, and what tells how often it was started.
func fallSilent(t *testing.T, elsewhere func() time.Time, kinds ...enums.TaskQueueType) (*state, func() int) {
	t.Helper()
	faster(t)
	stale = silence
	f, variables := serve(t)
	f.elsewhere = elsewhere
	marks := filepath.Join(t.TempDir(), "marks")
	s, _ := begin(t, variables, []string{"a"}, "sh", "-c", "echo started >>"+marks+"; exec sleep 60")
	starts := func() int {
		text, _ := os.ReadFile(marks)
		return strings.Count(string(text), "started")
	}
	until(t, s, "started", func(answer) bool { return starts() == 1 })
	for _, kind := range kinds {
		f.polledFor(kind, "a", "1@"+host, time.Now().Add(time.Second))
	}
	until(t, s, "polling", polling)
	until(t, s, "silent", func(now answer) bool { return strings.HasSuffix(now.Problem, " to see new polls of queue a") })
	return s, starts
}

func long() time.Time { return time.Unix(1, 0) }

func TestAWorkerThatFallsSilentIsStartedAnewAndCounted(t *testing.T) {
	s, starts := fallSilent(t, long, kinds...)
	now := until(t, s, "restarted", func(now answer) bool { return now.Restarts == 1 && starts() == 2 })
	if !strings.HasSuffix(now.Reason, " UTC: the server has seen no new poll of queue a for 0 s") {
		t.Error(now.Reason)
	}
	// What was polled before says nothing of the one that has begun.
	until(t, s, "waiting", func(now answer) bool { return strings.HasSuffix(now.Problem, " to see the pollers of queue a") })
	time.Sleep(4 * silence)
	if now := s.get(); now.Restarts != 1 || now.Polling {
		t.Errorf("one that has not polled yet: %+v", now)
	}
}

func TestAWorkerOfWhichItCannotBeToldThatItIsStuckGoesOn(t *testing.T) {
	activities := enums.TASK_QUEUE_TYPE_ACTIVITY
	for name, one := range map[string]struct {
		elsewhere func() time.Time
		kinds     []enums.TaskQueueType
	}{
		"all its activities may take long":       {long, []enums.TaskQueueType{activities}},
		"it polls other partitions of the queue": {time.Now, kinds},
		"the server does not tell of these":      {nil, kinds},
	} {
		t.Run(name, func(t *testing.T) {
			s, starts := fallSilent(t, one.elsewhere, one.kinds...)
			time.Sleep(6 * silence)
			if now := s.get(); now.Restarts != 0 || starts() != 1 {
				t.Errorf("restarted: %+v", now)
			}
		})
	}
}

func TestTheTimeDoesNotCountInWhichTheServerIsAway(t *testing.T) {
	faster(t)
	unseen, stale = silence, silence
	f, variables := serve(t)
	f.elsewhere = long
	s, _ := begin(t, variables, []string{"a"}, "sleep", "60")
	until(t, s, "waiting", func(now answer) bool { return strings.HasSuffix(now.Problem, " to see the pollers of queue a") })
	f.polled("a", "1@"+host, time.Now().Add(time.Second))
	until(t, s, "polling", polling)
	f.refuse(codes.Unavailable)
	time.Sleep(6 * silence)
	// It has forgotten who polled.
	f.forget()
	f.refuse(codes.OK)
	now := until(t, s, "waiting", func(now answer) bool { return strings.HasSuffix(now.Problem, " queue a") })
	if now.Operator || now.Restarts != 0 {
		t.Errorf("a server that is back: %+v", now)
	}
}
