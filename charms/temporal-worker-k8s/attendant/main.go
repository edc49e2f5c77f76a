// Command temporal-attendant runs the worker that an image brings with it, and tells how it is: the charm can do neither
// from outside, since what is secret in the worker's environment must not stand in Pebble's plan, and an image need have
// neither a shell nor Python.
//
// It is started by Pebble as root, the worker as the user that alone may read the environment's file. How the worker is,
// it answers over HTTP in the words of the loader (src/loader/health.py), and sends Juju a notice when that changes.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

type options struct {
	environment, listen, notify, restarts, home string
	user                                        int
	grace                                       time.Duration
	queues                                      []string
}

func parse(arguments []string) (options, []string) {
	var o options
	flags := flag.NewFlagSet("temporal-attendant", flag.ExitOnError)
	flags.StringVar(&o.environment, "environment", "", "file with the worker's variables, as a JSON object")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:7230", "address of the HTTP answer")
	flags.StringVar(&o.notify, "notify", "", "key of the notice to send when the answer changes; none without")
	flags.StringVar(&o.restarts, "restarts", "", "file that counts the restarts; none without")
	flags.StringVar(&o.home, "home", "", "the worker's HOME")
	flags.IntVar(&o.user, "user", -1, "user and group to run the worker as; as it is without")
	flags.DurationVar(&o.grace, "grace", 22*time.Second, "how long a worker that is to stop may take")
	flags.Func("queue", "a task queue that the worker has to poll; more than once", func(text string) error {
		o.queues = append(o.queues, text)
		return nil
	})
	flags.Parse(arguments)
	return o, flags.Args()
}

func main() {
	log.SetFlags(0)
	o, command := parse(os.Args[1:])
	if len(command) == 0 {
		log.Fatal("no command to run")
	}
	variables := map[string]string{}
	text, err := os.ReadFile(o.environment)
	if err == nil {
		err = json.Unmarshal(text, &variables)
	}
	if err != nil {
		log.Fatalf("the environment cannot be read: %v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	s := newState(o.restarts)
	go func() { log.Fatal(http.ListenAndServe(o.listen, s)) }()
	if o.notify != "" {
		go s.announce(func() error { return notify(o.notify) })
	}
	host, _ := os.Hostname()
	w := &worker{
		command: command, variables: variables, options: o, state: s,
		server: &server{variables: variables, queues: o.queues, host: host},
	}
	w.run(ctx)
}
