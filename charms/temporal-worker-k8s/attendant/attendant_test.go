package main

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

func TestAWorkerThatPollsAllQueuesIsSeen(t *testing.T) {
	faster(t)
	f, variables := serve(t)
	f.polled("a", "17@"+host, time.Now().Add(-time.Minute))
	s, stop := begin(t, variables, []string{"a", "b"}, "sleep", "60")
	address := variables["TEMPORAL_ADDRESS"]
	waits := func(queue string) func(answer) bool {
		return func(now answer) bool {
			return now.Problem == address+" to see the pollers of queue "+queue && !now.Operator
		}
	}
	// What polled here before says nothing, nor does another unit.
	until(t, s, "waiting for a", waits("a"))
	f.polled("a", "17@worker-1", time.Now().Add(time.Second))
	time.Sleep(100 * time.Millisecond)
	until(t, s, "waiting for a", waits("a"))
	f.polled("a", "18@"+host, time.Now())
	until(t, s, "waiting for b", waits("b"))
	f.polled("b", "18@"+host+"@", time.Now())
	until(t, s, "polling", polling)
	stop()
	if now := s.get(); now.Polling || now.Problem != "running activities to end" || now.Restarts != 0 {
		t.Errorf("after the stop: %+v", now)
	}
}

func TestAWorkerThatIsNotSeenIsAPersonsAfterAWhile(t *testing.T) {
	faster(t)
	unseen = 200 * time.Millisecond
	_, variables := serve(t)
	s, _ := begin(t, variables, []string{"a"}, "sleep", "60")
	now := until(t, s, "for a person", func(now answer) bool { return now.Operator })
	if !strings.Contains(now.Problem, "has seen nobody poll queue a from this unit") {
		t.Error(now.Problem)
	}
}

func TestAServerThatDoesNotAnswerOrRefusesIsTold(t *testing.T) {
	faster(t)
	f, variables := serve(t)
	s, _ := begin(t, variables, []string{"a"}, "sleep", "60")
	address := variables["TEMPORAL_ADDRESS"]
	for code, said := range map[codes.Code]answer{
		codes.Unavailable:      {Problem: address + " to answer (Unavailable)"},
		codes.NotFound:         {Problem: "namespace orders does not exist on " + address + ": register it or change the option namespace", Operator: true},
		codes.PermissionDenied: {Problem: address + " does not let it be seen whether the worker polls (PermissionDenied): give TEMPORAL_API_KEY by environment-secrets", Operator: true},
	} {
		f.refuse(code)
		until(t, s, code.String(), func(now answer) bool { return now == said })
	}
}

func TestATokenThatIsRefusedIsToBeReplaced(t *testing.T) {
	faster(t)
	f, variables := serve(t)
	f.token, variables[apiKey] = "another", "stand-in"
	s, _ := begin(t, variables, []string{"a"}, "sleep", "60")
	now := until(t, s, "for a person", func(now answer) bool { return now.Operator })
	if !strings.HasSuffix(now.Problem, "(Unauthenticated): give another token, by the secret of auth-secret-id, or as TEMPORAL_API_KEY where the worker has it from there") {
		t.Error(now.Problem)
	}
}

func TestAServerOfAnUnknownAuthorityOrWithoutTLSIsAPersons(t *testing.T) {
	faster(t)
	_, plain := serve(t)
	foreign := httptest.NewUnstartedServer(nil)
	foreign.EnableHTTP2 = true
	foreign.StartTLS()
	t.Cleanup(foreign.Close)
	for address, reason := range map[string]string{
		foreign.Listener.Addr().String(): "certificate signed by unknown authority",
		plain["TEMPORAL_ADDRESS"]:        "does not look like a TLS handshake",
	} {
		variables := map[string]string{"TEMPORAL_ADDRESS": address, "TEMPORAL_NAMESPACE": "orders", "TEMPORAL_TLS": "true"}
		s, _ := begin(t, variables, []string{"a"}, "sleep", "60")
		now := until(t, s, "for a person", func(now answer) bool { return now.Operator })
		if !strings.HasPrefix(now.Problem, "TLS with "+address+" failed (") || !strings.Contains(now.Problem, reason) {
			t.Error(now.Problem)
		}
	}
}

func TestATokenIsGivenAsTheWorkerHasIt(t *testing.T) {
	faster(t)
	f, variables := serve(t)
	f.token = "stand-in"
	variables[apiKey] = "stand-in"
	s, _ := begin(t, variables, []string{"a"}, "sleep", "60")
	until(t, s, "waiting", func(now answer) bool { return strings.HasSuffix(now.Problem, "pollers of queue a") })
	f.polled("a", "1@"+host, time.Now().Add(time.Second))
	until(t, s, "polling", polling)
}

func TestVariablesThatMakeNoConnectionAreTold(t *testing.T) {
	faster(t)
	s, _ := begin(t, map[string]string{"TEMPORAL_TLS": "true", "TEMPORAL_TLS_CLIENT_CERT_DATA": "x"}, nil, "sleep", "60")
	until(t, s, "for a person", func(now answer) bool {
		return now.Operator && strings.HasPrefix(now.Problem, "the server cannot be asked: ")
	})
}

func TestACommandThatCannotRunIsTold(t *testing.T) {
	faster(t)
	_, variables := serve(t)
	variables["PASSWORD"] = "hunter22"
	folder := t.TempDir()
	script := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain, garbage := script("plain", "#!/bin/sh\n", 0o644), script("garbage", "nothing", 0o755)
	for _, c := range []struct {
		said    string
		command []string
	}{
		{"worker-command: temporal-worker-image has no no-such-program: name a program that it has", []string{"no-such-program"}},
		{"worker-command: temporal-worker-image has no /no/such: name a program that it has", []string{"/no/such"}},
		{"worker-command: " + plain + " may not be run by the user of the worker: make it executable for all", []string{plain}},
		{"worker-command: " + garbage + " is no program: a script begins with #! and its interpreter", []string{garbage}},
		{"worker-command ended at once (exit status 0)", []string{"true"}},
		{"worker-command ended at once (exit status 3: KeyError: ***)", []string{"sh", "-c",
			"echo begin; printf 'Traceback (most recent call last):\\n  error\\nKeyError: hunter22' >&2; exit 3"}},
		{"worker-command ended at once (exit status 1: panic: no queue)", []string{"sh", "-c",
			"echo INFO starting >&2; echo panic: no queue >&2; echo goroutine 1 >&2; exit 1"}},
		{"worker-command ended at once (signal: killed: last)", []string{"sh", "-c", "echo first; echo last; kill -9 $$"}},
	} {
		s, stop := begin(t, variables, []string{"a"}, c.command...)
		until(t, s, c.said, func(now answer) bool { return now.Problem == c.said && now.Operator && now.Restarts == 0 })
		stop()
	}
}

func TestAWorkerThatEndsIsStartedAnewAndCounted(t *testing.T) {
	faster(t)
	quick = 0
	_, variables := serve(t)
	s, stop := begin(t, variables, []string{"a"}, "sh", "-c", "echo Out of memory error; exit 137")
	now := until(t, s, "restarted", func(now answer) bool { return now.Restarts == 2 })
	stop()
	if !strings.HasSuffix(now.Reason, " UTC: it ended (exit status 137: Out of memory error)") {
		t.Error(now.Reason)
	}
	if known := newState(s.file).get(); known.Restarts < 2 || known.Reason == "" {
		t.Errorf("the next process knows %+v", known)
	}
}

func TestAWorkerThatStopsHasItsTimeAndNothingOfItStays(t *testing.T) {
	faster(t)
	_, variables := serve(t)
	marks := filepath.Join(t.TempDir(), "marks")
	s, stop := begin(t, variables, nil, "sh", "-c", "trap 'sleep 0.2; echo drained >>"+marks+"; exit 0' TERM; echo ready >>"+marks+"; while :; do sleep 0.05; done")
	read := func() string { text, _ := os.ReadFile(marks); return string(text) }
	until(t, s, "ready", func(answer) bool { return read() != "" })
	stop()
	if read() != "ready\ndrained\n" {
		t.Errorf("it has left %q", read())
	}
	_, stop = begin(t, variables, nil, "sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
	time.Sleep(100 * time.Millisecond)
	if took := stop(); took < 500*time.Millisecond || took > 5*time.Second {
		t.Errorf("one that does not end is killed after %s", took)
	}
}

func TestTheWorkerHasTheVariablesAndNothingOfTheAttendant(t *testing.T) {
	t.Setenv("CONFIGURATION", "hash")
	t.Setenv("OF_THE_IMAGE", "1")
	w := &worker{variables: map[string]string{"TWC_QUEUE": "a\nb"}, options: options{home: "/home"}}
	found := w.environment()
	for _, one := range []string{"OF_THE_IMAGE=1", "TWC_QUEUE=a\nb", "HOME=/home"} {
		if !slices.Contains(found, one) {
			t.Errorf("lacks %q", one)
		}
	}
	if slices.Contains(found, "CONFIGURATION=hash") {
		t.Error("has the attendant's")
	}
}

func TestLongWordsAreCutOnlyAfterSecretsAreHidden(t *testing.T) {
	l := &lastWords{hidden: secrets(map[string]string{
		"A": strings.Repeat("x", 300), "B": "abc", "C": "first\nsecond", "TWC_QUEUE": "queue", apiKey: "token", "TWC_OIDC_PRIVATE_KEY": "private", "D": "queue"})}
	fmt.Fprint(l.into(&strings.Builder{}), "error "+strings.Repeat("x", 300)+" abc second token private queue "+strings.Repeat("y", 300)+"\n\n")
	if said := l.telling(); said != ("error *** abc *** *** *** queue " + strings.Repeat("y", 300))[:longest]+"..." {
		t.Error(said)
	}
}

func TestTheAnswerIsTheLoaders(t *testing.T) {
	s := newState("")
	ask := func() (int, answer) {
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, nil)
		var got answer
		if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return recorder.Code, got
	}
	if code, got := ask(); code != 503 || got.Problem != "the worker to start" {
		t.Error(code, got)
	}
	s.set(true, "", false)
	if code, got := ask(); code != 200 || !got.Polling {
		t.Error(code, got)
	}
}

func TestEveryChangeIsAnnouncedUntilItIsHeard(t *testing.T) {
	s := newState("")
	sent, fails := make(chan answer, 10), 1
	go s.announce(func() error {
		if fails--; fails == 0 {
			return fmt.Errorf("pebble is away")
		}
		sent <- s.get()
		return nil
	})
	select {
	case now := <-sent:
		t.Errorf("one that starts has no news: %+v", now)
	case <-time.After(400 * time.Millisecond):
	}
	for _, change := range []answer{{Polling: true}, {Problem: "wrong", Operator: true}} {
		s.set(change.Polling, change.Problem, change.Operator)
		select {
		case now := <-sent:
			if now != change {
				t.Errorf("announced %+v", now)
			}
		case <-time.After(3 * time.Second):
			t.Fatalf("not announced: %+v", change)
		}
	}
}

func TestArguments(t *testing.T) {
	o, command := parse([]string{"-environment", "e", "-queue", "a", "-queue", "b", "-user", "1000", "-grace", "3s", "--", "sh", "-c", "x"})
	if o.environment != "e" || !slices.Equal(o.queues, []string{"a", "b"}) || o.user != 1000 || o.grace != 3*time.Second {
		t.Error(o)
	}
	if !slices.Equal(command, []string{"sh", "-c", "x"}) {
		t.Error(command)
	}
}
