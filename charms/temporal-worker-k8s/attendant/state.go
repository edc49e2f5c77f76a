package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"time"
)

// answer is what the charm reads; its loader's health.State has the same fields.
type answer struct {
	Polling  bool   `json:"polling"`
	Problem  string `json:"problem"`
	Operator bool   `json:"operator"`
	Restarts int    `json:"restarts"`
	Reason   string `json:"reason"`
}

// state is the answer, which several routines change and read.
type state struct {
	mutex sync.Mutex
	now   answer
	file  string
}

type counted struct {
	Count  int    `json:"count"`
	Reason string `json:"reason"`
}

func newState(file string) *state {
	s := &state{file: file, now: answer{Problem: "the worker to start"}}
	var known counted
	if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &known) == nil {
		s.now.Restarts, s.now.Reason = known.Count, known.Reason
	}
	return s
}

func (s *state) get() answer {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.now
}

// set changes what changes while it runs; a problem is what is waited for, or what a person has to do.
func (s *state) set(polling bool, problem string, operator bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.now.Polling, s.now.Problem, s.now.Operator = polling, problem, operator
}

// restarted counts a worker that had to be started anew.
func (s *state) restarted(reason string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.now.Restarts++
	s.now.Reason = fmt.Sprintf("%s UTC: %s", time.Now().UTC().Format("2006-01-02 15:04"), reason)
	if s.file == "" {
		return
	}
	text, _ := json.Marshal(counted{s.now.Restarts, s.now.Reason})
	err := os.WriteFile(s.file+".new", text, 0o644)
	if err == nil {
		err = os.Rename(s.file+".new", s.file)
	}
	if err != nil {
		log.Printf("the restart cannot be counted: %v", err)
	}
}

func (s *state) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	now := s.get()
	if !now.Polling {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(now)
}

// announce sends a notice at every change that a hook has to see. A worker that waits for something has no news; nor has
// one that starts, since the charm takes it for one that does not poll.
func (s *state) announce(send func() error) {
	var announced answer
	for ; ; time.Sleep(250 * time.Millisecond) {
		now := s.get()
		if !now.Operator {
			now.Problem = ""
		}
		if now == announced || now == (answer{Restarts: now.Restarts, Reason: now.Reason}) && announced == (answer{}) {
			continue
		}
		if err := send(); err != nil {
			log.Printf("pebble notify failed: %v", err)
			continue
		}
		announced = now
	}
}

func notify(key string) error {
	output, err := exec.Command("/charm/bin/pebble", "notify", key).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}
