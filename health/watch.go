// The command watch: answers over HTTP for all roles of this pod's server, and tells the charm when they serve again.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// watch knows which roles serve.
type watch struct {
	roles []role

	mutex sync.Mutex
	// down is whether some role did not serve when they were last asked, by whomever.
	down bool
}

// failing asks all roles at the same time and names those that do not serve, in the order given. It also tells whether they
// serve again after they did not.
func (w *watch) failing(ctx context.Context) (names []string, recovered bool) {
	serves := make([]bool, len(w.roles))
	var group sync.WaitGroup
	for i, r := range w.roles {
		group.Add(1)
		go func() {
			defer group.Done()
			serves[i] = r.serves(ctx)
		}()
	}
	group.Wait()
	for i, r := range w.roles {
		if !serves[i] {
			names = append(names, r.name)
		}
	}
	w.mutex.Lock()
	defer w.mutex.Unlock()
	recovered = w.down && len(names) == 0
	w.down = len(names) > 0
	return names, recovered
}

// announce runs `pebble notify` whenever there is news.
func (w *watch) announce(ctx context.Context, news <-chan struct{}, key string) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-news:
		}
		for ctx.Err() == nil {
			output, err := exec.CommandContext(ctx, "/charm/bin/pebble", "notify", key).CombinedOutput()
			if err == nil {
				break
			}
			log.Printf("pebble notify: %v: %s", err, output)
			time.Sleep(relaxed)
		}
	}
}

// answer says 200, or 503 and what fails.
func answer(w http.ResponseWriter, failing []string) {
	if len(failing) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, strings.Join(failing, ", "))
		return
	}
	fmt.Fprintln(w, "serving")
}

func runWatch(arguments []string) {
	flags := flag.NewFlagSet("watch", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:7232", "address of the HTTP answer")
	notify := flags.String("notify", "", "key of the notice to send when all roles serve after they did not, and when a database stops answering the frontend or answers again")
	flags.Parse(arguments)
	roles, err := parseAll(flags.Args())
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	w := &watch{roles: roles, down: true}
	news := make(chan struct{}, 1)
	tell := func() {
		select {
		case news <- struct{}{}:
		default: // one is under way
		}
	}
	ask := func(ctx context.Context) []string {
		names, recovered := w.failing(ctx)
		if recovered {
			tell()
		}
		return names
	}
	if *notify != "" {
		go w.announce(ctx, news, *notify)
	}
	go func() {
		for ctx.Err() == nil {
			if len(ask(ctx)) > 0 {
				time.Sleep(eager)
			} else {
				time.Sleep(relaxed)
			}
		}
	}()
	behind := &databases{missed: map[string]int{}}
	if i := slices.IndexFunc(roles, func(r role) bool { return r.name == "frontend" }); i >= 0 {
		behind.frontend = roles[i]
		go behind.follow(ctx, tell)
	}
	handler := http.NewServeMux()
	handler.HandleFunc("/", func(w http.ResponseWriter, request *http.Request) {
		answer(w, ask(request.Context()))
	})
	handler.HandleFunc("/databases", func(w http.ResponseWriter, request *http.Request) {
		answer(w, behind.names())
	})
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: timeout, Handler: handler}
	go func() {
		<-ctx.Done()
		os.Exit(0)
	}()
	log.Fatal(server.ListenAndServe())
}
