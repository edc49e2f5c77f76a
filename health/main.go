// temporal-health watches the roles of a Temporal server by grpc.health.v1 and answers for all of them over HTTP.
//
// GET / says 200 if every role serves, else 503 and which ones do not. Pebble has no gRPC check, and its http check can ask
// this. Whenever all roles serve after they did not, `pebble notify` tells the charm: Pebble itself sends no news of a first
// success, nor of an outage that was shorter than its threshold and yet seen by a hook.
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
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	// How often roles are asked while they do not serve, and while they do.
	eager   = 250 * time.Millisecond
	relaxed = time.Second
	timeout = time.Second
)

// role is one gRPC service to be asked after: NAME=HOST:PORT/SERVICE.
type role struct {
	name, service string
	client        grpc_health_v1.HealthClient
}

func parse(argument string) (role, error) {
	name, rest, found := strings.Cut(argument, "=")
	address, service, found2 := strings.Cut(rest, "/")
	if !found || !found2 {
		return role{}, fmt.Errorf("%q is not NAME=HOST:PORT/SERVICE", argument)
	}
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		// The default backs off for up to two minutes; a role that starts is to be seen at once.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: eager, Multiplier: 1, MaxDelay: eager},
			MinConnectTimeout: timeout,
		}))
	if err != nil {
		return role{}, err
	}
	return role{name, service, grpc_health_v1.NewHealthClient(connection)}, nil
}

func (r role) serves(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answer, err := r.client.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: r.service})
	return err == nil && answer.Status == grpc_health_v1.HealthCheckResponse_SERVING
}

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

// announce runs `pebble notify` whenever the roles serve again.
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

func main() {
	listen := flag.String("listen", "127.0.0.1:7232", "address of the HTTP answer")
	notify := flag.String("notify", "", "key of the notice to send when all roles serve after they did not")
	flag.Parse()
	var roles []role
	for _, argument := range flag.Args() {
		r, err := parse(argument)
		if err != nil {
			log.Fatal(err)
		}
		roles = append(roles, r)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	w := &watch{roles: roles, down: true}
	news := make(chan struct{}, 1)
	ask := func(ctx context.Context) []string {
		names, recovered := w.failing(ctx)
		if recovered {
			select {
			case news <- struct{}{}:
			default: // one is under way
			}
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
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: timeout}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if names := ask(request.Context()); len(names) > 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, strings.Join(names, ", "))
			return
		}
		fmt.Fprintln(w, "serving")
	})
	go func() {
		<-ctx.Done()
		os.Exit(0)
	}()
	log.Fatal(server.ListenAndServe())
}
