package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	// quick is how soon a worker ends that cannot run at all; one that has run for longer counts as restarted.
	quick = 10 * time.Second
	// firstPause and longestPause are between two starts of a worker that cannot run.
	firstPause, longestPause = time.Second, 30 * time.Second
	// strays is how long is waited for what a worker that has ended left behind to close its output.
	strays = 2 * time.Second
)

// worker is the image's own.
type worker struct {
	command   []string
	variables map[string]string
	options   options
	state     *state
	server    *server
}

// stuck is why a worker was stopped that had not ended.
type stuck string

func (s stuck) Error() string { return string(s) }

// run starts the worker again and again until it is told to stop, and then waits for it to end.
func (w *worker) run(ctx context.Context) {
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, longestPause) {
		words := &lastWords{hidden: secrets(w.variables)}
		started := time.Now()
		err := w.once(ctx, words)
		if ctx.Err() != nil {
			return
		}
		var silent stuck
		if problem := cannotStart(w.command[0], err); problem != "" {
			w.state.set(false, problem, true)
		} else if errors.As(err, &silent) {
			w.state.restarted(silent.Error())
			w.state.set(false, "the worker to start", false)
			pause = firstPause
		} else if reason := ended(err, words.telling()); time.Since(started) < quick {
			w.state.set(false, "worker-command ended at once ("+reason+")", true)
		} else {
			w.state.restarted("it ended (" + reason + ")")
			w.state.set(false, "the worker to start", false)
			pause = firstPause
		}
		log.Printf("the worker ended: %v", err)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// once runs the worker until it ends or is stuck, and asks the server meanwhile whether it polls.
func (w *worker) once(ctx context.Context, words *lastWords) error {
	// Linux takes the thread that has started a process for its parent.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child := exec.Command(w.command[0], w.command[1:]...)
	child.Env = w.environment()
	child.Stdout, child.Stderr = words.into(os.Stdout), words.into(os.Stderr)
	child.WaitDelay = strays
	// In a group of its own, since Pebble sends its signals to the whole group of this process; and never without it.
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if w.options.user >= 0 {
		id := uint32(w.options.user)
		child.SysProcAttr.Credential = &syscall.Credential{Uid: id, Gid: id}
	}
	asking, finish := context.WithCancel(ctx)
	var follows sync.WaitGroup
	defer func() { finish(); follows.Wait() }()
	w.server.begin(asking)
	if err := child.Start(); err != nil {
		return err
	}
	group := -child.Process.Pid
	silent := make(chan stuck, 1)
	follows.Go(func() {
		if reason := w.server.follow(asking, w.state); reason != "" {
			silent <- stuck(reason)
		}
	})
	over := make(chan error, 1)
	go func() { over <- child.Wait() }()
	// What it has started has no business without it.
	defer syscall.Kill(group, syscall.SIGKILL)
	var why error
	select {
	case err := <-over:
		return err
	case why = <-silent:
	case <-ctx.Done():
	}
	// Nothing is to be said after this.
	finish()
	follows.Wait()
	w.state.set(false, "running activities to end", false)
	_ = syscall.Kill(group, syscall.SIGTERM)
	var err error
	select {
	case err = <-over:
	case <-time.After(w.options.grace):
		log.Printf("the worker has not ended within %s and is killed", w.options.grace)
		_ = syscall.Kill(group, syscall.SIGKILL)
		err = <-over
	}
	if why != nil {
		return why
	}
	return err
}

// environment is the image's own, with what the charm gives over it.
func (w *worker) environment() []string {
	found := slices.DeleteFunc(os.Environ(), func(one string) bool {
		return strings.HasPrefix(one, "CONFIGURATION=") || strings.HasPrefix(one, "PEBBLE")
	})
	if w.options.home != "" {
		found = append(found, "HOME="+w.options.home)
	}
	for name, value := range w.variables {
		found = append(found, name+"="+value)
	}
	return found
}

// cannotStart says what a person has to do about a command that was not started; empty for one that was.
func cannotStart(program string, err error) string {
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("worker-command: temporal-worker-image has no %s: name a program that it has", program)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("worker-command: %s may not be run by the user of the worker: make it executable for all", program)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Sprintf("worker-command: %s is no program: a script begins with #! and its interpreter", program)
	}
	return ""
}

// ended says how a worker has ended, and its telling line.
func ended(err error, line string) string {
	how := "exit status 0"
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		how = err.Error()
	}
	if line == "" {
		return how
	}
	return how + ": " + line
}
