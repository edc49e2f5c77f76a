// The command run: the server itself, which stops when others have taken over.
package main

import (
	"context"
	"errors"
	"flag"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// others finds the addresses of the application's pods but for this one.
func others(ctx context.Context, name, self string) []string {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		// An application of one unit that is being removed has no pods any more.
		log.Printf("cannot look for other pods: %v", err)
	}
	var found []string
	for _, address := range addresses {
		if address != self {
			found = append(found, address)
		}
	}
	return found
}

// serving tells whether each role serves at an address; arguments are NAME=HOST:PORT/SERVICE, the host being another one.
func serving(ctx context.Context, address string, arguments []string) bool {
	for _, argument := range arguments {
		name, rest, _ := strings.Cut(argument, "=")
		_, port, _ := strings.Cut(rest, ":")
		r, err := parse(name + "=" + address + ":" + port)
		if err != nil {
			log.Fatal(err)
		}
		serves := r.serves(ctx)
		r.close()
		if !serves {
			return false
		}
	}
	return true
}

// wait returns when all other pods serve, or when patience is over. Pods that start meanwhile are waited for, too.
func wait(ctx context.Context, name, self string, arguments []string) {
	for ctx.Err() == nil {
		missing := ""
		for _, address := range others(ctx, name, self) {
			if !serving(ctx, address, arguments) {
				missing = address
				break
			}
		}
		if missing == "" {
			return
		}
		log.Printf("stopping when %s serves", missing)
		select {
		case <-ctx.Done():
		case <-time.After(eager):
		}
	}
	log.Print("stopping, since it is high time")
}

func runServer(arguments []string) {
	flags := flag.NewFlagSet("run", flag.ExitOnError)
	name := flags.String("others", "", "DNS name of all pods of the application")
	self := flags.String("self", "", "address of this pod")
	patience := flags.Duration("patience", 8*time.Second, "how long to wait for other pods to serve")
	var roles []string
	flags.Func("role", "NAME=HOST:PORT/SERVICE, as for watch; more than once", func(text string) error {
		roles = append(roles, text)
		_, err := parse(text)
		return err
	})
	flags.Parse(arguments)
	if flags.NArg() == 0 {
		log.Fatal("no server to run")
	}
	stops := make(chan os.Signal, 4)
	signal.Notify(stops, syscall.SIGTERM, syscall.SIGINT)
	server := exec.Command(flags.Arg(0), flags.Args()[1:]...)
	server.Stdout, server.Stderr = os.Stdout, os.Stderr
	// In a group of its own, since Pebble sends its signals to the whole group; and never without this process, for which
	// Linux takes the thread that started it.
	runtime.LockOSThread()
	server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		log.Fatal(err)
	}
	go func() {
		<-stops
		ctx, cancel := context.WithTimeout(context.Background(), *patience)
		defer cancel()
		wait(ctx, *name, *self, roles)
		_ = server.Process.Signal(syscall.SIGTERM)
	}()
	err := server.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			os.Exit(128 + int(status.Signal()))
		}
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		log.Fatal(err)
	}
}
